//! The tabs. Which one is open stands in the address (`/admin?tab=people`), so they are
//! plain links and survive a reload.

use std::str::FromStr;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tab {
    #[default]
    Queue,
    People,
    Workers,
    Activity,
    Settings,
}

/// The text names no tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSuchTab;

impl Tab {
    const ALL: [Self; 5] = [Self::Queue, Self::People, Self::Workers, Self::Activity, Self::Settings];

    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::People => "people",
            Self::Workers => "workers",
            Self::Activity => "activity",
            Self::Settings => "settings",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Queue => "Queue",
            Self::People => "People",
            Self::Workers => "Workers",
            Self::Activity => "Activity",
            Self::Settings => "Settings",
        }
    }

    pub(crate) fn href(self) -> String {
        format!("?tab={}", self.slug())
    }
}

impl FromStr for Tab {
    type Err = NoSuchTab;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|tab| tab.slug() == text).ok_or(NoSuchTab)
    }
}

/// The tab that the address names, else the queue.
pub(crate) fn open_tab() -> Memo<Tab> {
    let query = use_query_map();
    Memo::new(move |_| {
        query.with(|query| query.get("tab")).and_then(|tab| tab.parse().ok()).unwrap_or_default()
    })
}

#[component]
pub(crate) fn Tabs(open: Memo<Tab>) -> impl IntoView {
    view! {
        <nav class="tabs" aria-label="Sections">
            {Tab::ALL
                .into_iter()
                .map(|tab| {
                    view! {
                        <a
                            class="tabs__tab"
                            href=tab.href()
                            aria-current=move || (open.get() == tab).then_some("page")
                            data-noscroll
                        >
                            {tab.word()}
                        </a>
                    }
                })
                .collect_view()}
        </nav>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tab_is_found_by_its_own_name() {
        for tab in Tab::ALL {
            assert_eq!(tab.slug().parse(), Ok(tab));
        }
        assert_eq!("seats".parse::<Tab>(), Err(NoSuchTab));
    }
}
