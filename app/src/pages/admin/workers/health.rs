//! How the last hour went: waits, runs, fairness, disk.

use leptos::prelude::*;

use crate::api::admin::{AdminView, HealthView};
use crate::format;

#[component]
pub(super) fn Health(view: Signal<AdminView>) -> impl IntoView {
    let health = Memo::new(move |_| view.with(|view| view.health.clone()));
    view! {
        <section class="desk" aria-labelledby="health-heading">
            <h2 id="health-heading">"The last hour"</h2>
            <dl class="health">
                {move || {
                    figures(&health.get())
                        .into_iter()
                        .map(|(term, figure)| {
                            view! {
                                <div class="health__item">
                                    <dt>{term}</dt>
                                    <dd>{figure}</dd>
                                </div>
                            }
                        })
                        .collect_view()
                }}
            </dl>
        </section>
    }
    .into_any()
}

fn figures(health: &HealthView) -> Vec<(&'static str, String)> {
    let none = || "–".to_owned();
    let time = |ms: Option<u64>| ms.map_or_else(none, format::duration);
    let (editors, portals) = health.sockets;
    let disk = |(free, total)| format!("{} of {}", format::bytes(free), format::bytes(total));
    vec![
        ("Typical wait", time(health.median_wait_ms)),
        ("Typical run", time(health.median_run_ms)),
        ("Failed", health.failed.to_string()),
        ("Fairness (100 is equal)", health.fairness_percent.map_or_else(none, |percent| percent.to_string())),
        ("Free disk", health.disk_bytes.map_or_else(none, disk)),
        ("Open editors, pages", format!("{editors}, {portals}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let figures = figures(&HealthView::default());
        assert_eq!(figures.iter().filter(|(_, figure)| figure == "–").count(), 4);
    }
}
