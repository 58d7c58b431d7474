//! The portal's few icons, drawn here. They decorate; the word beside or the button's
//! label names the thing.

use leptos::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Queue,
    Gallery,
    Help,
    Close,
    Previous,
    Next,
    Download,
    Dark,
    Light,
    Auto,
    Sound,
    File,
    Workflow,
}

impl Shape {
    /// Strokes on a 24 by 24 grid.
    fn path(self) -> &'static str {
        match self {
            Self::Queue => "M4 6h16M4 12h11M4 18h6",
            Self::Gallery => "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01",
            Self::Help => {
                "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M9.5 9.5a2.5 2.5 0 1 1 3.6 2.2c-.7.4-1.1.9-1.1 1.8M12 17h.01"
            }
            Self::Close => "M6 6l12 12M18 6L6 18",
            Self::Previous => "M15 5l-7 7 7 7",
            Self::Next => "M9 5l7 7-7 7",
            Self::Download => "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14",
            Self::Dark => "M19 14.5A7.5 7.5 0 0 1 9.5 5 7.5 7.5 0 1 0 19 14.5z",
            Self::Light => {
                "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4"
            }
            Self::Auto => "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 4v16M12 8h6.9M12 12h8M12 16h6.9",
            Self::Sound => {
                "M9 18V6l10-2v12M9 18a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0M19 16a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0"
            }
            Self::File => "M6 3h8l4 4v14H6zM14 3v4h4",
            Self::Workflow => "M3 5h7v6H3zM14 13h7v6h-7zM10 8h7v5",
        }
    }
}

#[component]
pub(crate) fn Icon(#[prop(into)] shape: Signal<Shape>) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
            <path d=move || shape.get().path()></path>
        </svg>
    }
}
