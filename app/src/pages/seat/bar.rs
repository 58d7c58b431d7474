//! The slim bar: whose seat, how one's job is, whether the GPU is there, the drawer's
//! buttons. Its height never changes, so the editor below never moves.

use leptos::either::EitherOf5;
use leptos::prelude::*;

use crate::api::seat::{Headline, SeatView};
use crate::components::{ConnectionBadge, EngineBadge, Icon, ProgressBar, Shape, ThemeButton};
use crate::live::Connection;
use crate::pages::seat::drawer::Panel;
use crate::paths;

#[component]
pub(crate) fn SeatBar(
    title: String,
    view: Signal<SeatView>,
    panel: Memo<Option<Panel>>,
    connection: Signal<Connection>,
) -> impl IntoView {
    let seat = view.with_untracked(|view| view.seat);
    let engine = Memo::new(move |_| view.with(|view| view.engine));
    let active = Memo::new(move |_| view.with(|view| view.active_count()));
    view! {
        <header class="bar">
            <a class="bar__brand" href=paths::LANDING rel="external">
                <span class="mark" aria-hidden="true"></span>
                <span class="bar__title">{title}</span>
            </a>
            <span class="bar__seat" title=move || view.with(|view| view.name.clone())>{seat.to_string()}</span>
            <HeadlineLine view/>
            <span class="bar__engine">
                <EngineBadge state=engine/>
            </span>
            <nav class="bar__panels" aria-label="Drawer">
                <PanelLink this=Panel::Queue shape=Shape::Queue panel>
                    {move || {
                        (active.get() > 0).then(|| view! { <span class="count">{active.get()}</span> })
                    }}
                </PanelLink>
                <PanelLink this=Panel::Gallery shape=Shape::Gallery panel/>
                <PanelLink this=Panel::Files shape=Shape::File panel/>
                <PanelLink this=Panel::Workflows shape=Shape::Workflow panel/>
                <PanelLink this=Panel::Help shape=Shape::Help panel/>
            </nav>
            <ThemeButton/>
            <ConnectionBadge connection/>
        </header>
    }
    .into_any()
}

/// Opens its panel, or closes it when it is open.
#[component]
fn PanelLink(
    this: Panel,
    shape: Shape,
    panel: Memo<Option<Panel>>,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    let is_open = move || panel.get() == Some(this);
    view! {
        <a
            class="button button--bar"
            href=move || if is_open() { Panel::closed_href() } else { this.href() }
            aria-expanded=move || is_open().to_string()
            aria-label=this.word()
            data-noscroll
        >
            <Icon shape/>
            <span class="button__word">{this.word()}</span>
            {children.map(|children| children())}
        </a>
    }
}

#[component]
fn HeadlineLine(view: Signal<SeatView>) -> impl IntoView {
    let headline = Memo::new(move |_| view.with(|view| view.headline()));
    let announcement = Memo::new(move |_| headline.with(|headline| headline.announcement()));
    view! {
        <div class="headline">
            {move || match headline.get() {
                Headline::Idle => {
                    EitherOf5::A(view! { <p class="headline__text headline__text--idle">"No jobs. Press Run in the editor."</p> })
                }
                Headline::Waiting { title, place, eta } => {
                    EitherOf5::B(
                        view! {
                            <p class="headline__text">
                                {match place {
                                    Some(place) => view! { <strong class="headline__place">{place}</strong> }.into_any(),
                                    None => view! { <strong>"Waiting"</strong> }.into_any(),
                                }}
                                " in line"
                                {eta.map(|eta| view! { <span class="headline__eta">{eta}</span> })}
                                <span class="headline__title">{title}</span>
                            </p>
                        },
                    )
                }
                Headline::Preparing { title } => {
                    EitherOf5::C(
                        view! {
                            <p class="headline__text">
                                <strong>"Up next"</strong>
                                <span class="headline__title">{title}</span>
                            </p>
                        },
                    )
                }
                Headline::Running { title, summary, percent } => {
                    EitherOf5::D(
                        view! {
                            <p class="headline__text">
                                <strong>{summary.unwrap_or_else(|| "Running".to_owned())}</strong>
                                <span class="headline__title">{title}</span>
                            </p>
                            <ProgressBar percent label="Progress of the running node"/>
                        },
                    )
                }
                Headline::Stopping { title } => {
                    EitherOf5::E(
                        view! {
                            <p class="headline__text">
                                <strong>"Stopping…"</strong>
                                <span class="headline__title">{title}</span>
                            </p>
                        },
                    )
                }
            }}
            <p class="visually-hidden" aria-live="polite">
                {announcement}
            </p>
        </div>
    }
    .into_any()
}
