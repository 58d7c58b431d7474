//! Data-free parts of pages: typed props in, HTML out. None reads the network.

mod action_button;
mod badge;
mod confirm;
mod confirmed_action;
mod copy_field;
mod empty_state;
mod failure;
mod icon;
mod job_card;
mod moment;
mod notice;
mod progress_bar;
mod theme_button;
mod thumbnail;

pub(crate) use action_button::{
    ActionButton, ActionFailure, FormAction, SubmitButton, Weight, failure_of, hidden,
};
pub(crate) use badge::{ConnectionBadge, EngineBadge, Flag, FlagBadge, JobBadge};
pub(crate) use confirm::Confirm;
pub(crate) use confirmed_action::ConfirmedAction;
pub(crate) use copy_field::CopyField;
pub(crate) use empty_state::EmptyState;
pub(crate) use failure::FailureNote;
pub(crate) use icon::{Icon, Shape};
pub(crate) use job_card::JobCard;
pub(crate) use moment::Moment;
pub(crate) use notice::{Notice, Tone};
pub(crate) use progress_bar::ProgressBar;
pub(crate) use theme_button::ThemeButton;
pub(crate) use thumbnail::Thumbnail;
