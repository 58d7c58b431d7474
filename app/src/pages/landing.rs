//! `/`: what this is, and the way to one's seat.

use std::str::FromStr;

use domain::{AccessMode, SeatId};
use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use crate::api::landing::{LandingPageData, read_landing_page};
use crate::components::{Notice, Tone};
use crate::pages::frame::{Frame, Loading};
use crate::pages::refusal::Refusal;
use crate::paths;

/// What the server sends a visitor here for: `/?notice=bad-link`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LandingNotice {
    BadLink,
    Left,
}

impl FromStr for LandingNotice {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "bad-link" => Ok(Self::BadLink),
            "left" => Ok(Self::Left),
            _ => Err(()),
        }
    }
}

#[component]
pub(crate) fn LandingPage() -> impl IntoView {
    let page = Resource::new_blocking(|| (), |()| read_landing_page());
    view! {
        <Suspense fallback=Loading>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => Either::Left(view! { <Landing page/> }),
                    Err(error) => Either::Right(view! { <Refusal error/> }),
                }
            })}
        </Suspense>
    }
}

#[component]
fn Landing(page: LandingPageData) -> impl IntoView {
    let LandingPageData { title, access_mode, open_seats, own_seats, is_admin } = page;
    let query = use_query_map();
    let notice = move || query.with(|query| query.get("notice")).and_then(|text| text.parse().ok());
    let has_session = is_admin || !own_seats.is_empty();
    view! {
        <Title text=title.clone()/>
        <Frame title=title.clone()>
            {move || notice().map(|notice: LandingNotice| view! { <LandingNoticeLine notice/> })}
            <section class="landing">
                <h1 class="landing__heading">{title}</h1>
                <p class="landing__lead">
                    "Your own ComfyUI, in your browser. Everybody builds at the same time; one GPU runs the jobs one after the other, and you always see your place in line."
                </p>
                {(!own_seats.is_empty()).then(|| view! { <OwnSeats seats=own_seats.clone()/> })}
                {match access_mode {
                    AccessMode::Open => Either::Left(view! { <SeatChooser seats=open_seats/> }),
                    AccessMode::Link => Either::Right(view! { <LinkAdvice has_seat=!own_seats.is_empty()/> }),
                }}
                <ol class="landing__steps">
                    <li>"Open your seat: the editor appears, with your own files and workflows."</li>
                    <li>"Build or load a workflow and press Run, as in any ComfyUI."</li>
                    <li>"Watch your place in line above the editor. Results wait in your gallery, even if you close the page."</li>
                </ol>
            </section>
            <footer class="landing__footer">
                {if is_admin {
                    Either::Left(view! { <a href=paths::ADMIN rel="external">"Instructor's page"</a> })
                } else {
                    Either::Right(view! { <a href=paths::ADMIN_LOGIN rel="external">"Instructor sign-in"</a> })
                }}
                {has_session
                    .then(|| {
                        view! {
                            <form method="post" action=paths::LEAVE>
                                <button class="button button--quiet" type="submit">"Sign this browser out"</button>
                            </form>
                        }
                    })}
            </footer>
        </Frame>
    }
    .into_any()
}

#[component]
fn LandingNoticeLine(notice: LandingNotice) -> impl IntoView {
    let (tone, text) = match notice {
        LandingNotice::BadLink => (
            Tone::Warning,
            "That join link does not work: it may be cut off or replaced by a newer one. Copy it again, whole, or ask your instructor.",
        ),
        LandingNotice::Left => (Tone::Calm, "This browser is signed out. Your work and your jobs are kept."),
    };
    view! { <Notice tone>{text}</Notice> }
}

#[component]
fn OwnSeats(seats: Vec<SeatId>) -> impl IntoView {
    view! {
        <div class="landing__own">
            {seats
                .into_iter()
                .map(|seat| {
                    view! {
                        <a class="button button--primary button--large" href=paths::seat(seat) rel="external">
                            {format!("Go to {seat}")}
                        </a>
                    }
                })
                .collect_view()}
        </div>
    }
}

#[component]
fn LinkAdvice(has_seat: bool) -> impl IntoView {
    let text = if has_seat {
        "To use another seat, open its join link in this browser."
    } else {
        "Open the link your instructor gave you. It is yours alone and brings you straight to your seat."
    };
    view! { <p class="landing__advice">{text}</p> }
}

#[component]
fn SeatChooser(seats: Vec<SeatId>) -> impl IntoView {
    view! {
        <form class="seat-chooser" method="post" action=paths::OPEN_SEAT>
            <h2 id="choose-seat">"Choose your seat"</h2>
            <p>"Take the one that your instructor named, or one that nobody near you has."</p>
            <div class="seat-chooser__seats" role="group" aria-labelledby="choose-seat">
                {seats
                    .into_iter()
                    .map(|seat| {
                        view! {
                            <button
                                class="seat-chooser__seat"
                                type="submit"
                                name="seat"
                                value=seat.to_string()
                                aria-label=seat.to_string()
                            >
                                {format!("{:03}", seat.number())}
                            </button>
                        }
                    })
                    .collect_view()}
            </div>
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_notices_are_shown() {
        assert_eq!("bad-link".parse(), Ok(LandingNotice::BadLink));
        assert_eq!("<script>".parse::<LandingNotice>(), Err(()));
    }
}
