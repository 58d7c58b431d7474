//! The drawer: at the side on a desktop, a sheet from below on a phone. Which panel is
//! open stands in the address (`?panel=queue`), so it works by plain links and
//! survives a reload.

use std::str::FromStr;

use leptos::either::EitherOf5;
use leptos::ev;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};

use crate::api::seat::SeatView;
use crate::components::{Icon, Shape};
use crate::pages::seat::files::FilesPanel;
use crate::pages::seat::gallery::GalleryPanel;
use crate::pages::seat::help::HelpPanel;
use crate::pages::seat::queue::QueuePanel;
use crate::pages::seat::workflows::WorkflowsPanel;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Panel {
    Queue,
    Gallery,
    Files,
    Workflows,
    Help,
}

/// The text names no panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSuchPanel;

impl Panel {
    const ALL: [Self; 5] = [Self::Queue, Self::Gallery, Self::Files, Self::Workflows, Self::Help];

    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Gallery => "gallery",
            Self::Files => "files",
            Self::Workflows => "workflows",
            Self::Help => "help",
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Queue => "Queue",
            Self::Gallery => "Gallery",
            Self::Files => "Files",
            Self::Workflows => "Workflows",
            Self::Help => "Help",
        }
    }

    pub(crate) fn href(self) -> String {
        format!("?panel={}", self.slug())
    }

    /// Leads to the page without a panel.
    pub(crate) fn closed_href() -> String {
        "?".to_owned()
    }
}

impl FromStr for Panel {
    type Err = NoSuchPanel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|panel| panel.slug() == text).ok_or(NoSuchPanel)
    }
}

/// The panel that the address names.
pub(crate) fn open_panel() -> Memo<Option<Panel>> {
    let query = use_query_map();
    Memo::new(move |_| query.with(|query| query.get("panel")).and_then(|panel| panel.parse().ok()))
}

#[component]
pub(crate) fn Drawer(
    view: Signal<SeatView>,
    panel: Memo<Option<Panel>>,
    /// Somebody looks on: nothing can be changed.
    is_observer: bool,
) -> impl IntoView {
    view! { {move || panel.get().map(|open| view! { <OpenDrawer view open is_observer/> })} }
}

#[component]
fn OpenDrawer(view: Signal<SeatView>, open: Panel, is_observer: bool) -> impl IntoView {
    let seat = view.with_untracked(|view| view.seat);
    let navigate = use_navigate();
    let close_on_escape = move |event: ev::KeyboardEvent| {
        // A key that the lightbox or a field has used is not ours.
        if event.key() == "Escape" && !event.default_prevented() {
            navigate(&Panel::closed_href(), NavigateOptions { scroll: false, ..Default::default() });
        }
    };
    view! {
        <aside class="drawer" aria-label=open.word() on:keydown=close_on_escape>
            <nav class="drawer__tabs" aria-label="Panels">
                {Panel::ALL
                    .into_iter()
                    .map(|panel| {
                        view! {
                            <a
                                class="drawer__tab"
                                href=panel.href()
                                aria-current=(panel == open).then_some("true")
                                data-noscroll
                            >
                                {panel.word()}
                            </a>
                        }
                    })
                    .collect_view()}
                <a class="button button--icon drawer__close" href=Panel::closed_href() aria-label="Close" data-noscroll>
                    <Icon shape=Shape::Close/>
                </a>
            </nav>
            <div class="drawer__content">
                {match open {
                    Panel::Queue => EitherOf5::A(view! { <QueuePanel view is_observer/> }),
                    Panel::Gallery => {
                        let revision = Memo::new(move |_| view.with(|view| view.gallery_revision));
                        EitherOf5::B(view! { <GalleryPanel seat revision is_observer/> })
                    }
                    Panel::Files => {
                        // Results take room as well.
                        let revision =
                            Memo::new(move |_| view.with(|view| view.files_revision + view.gallery_revision));
                        EitherOf5::C(view! { <FilesPanel seat revision is_observer/> })
                    }
                    Panel::Workflows => EitherOf5::D(view! { <WorkflowsPanel seat is_observer/> }),
                    Panel::Help => EitherOf5::E(view! { <HelpPanel seat is_observer/> }),
                }}
            </div>
        </aside>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_panel_is_found_by_its_own_name() {
        for panel in Panel::ALL {
            assert_eq!(panel.slug().parse(), Ok(panel));
        }
        assert_eq!("nothing".parse::<Panel>(), Err(NoSuchPanel));
    }
}
