//! Dark, light, or as the system says. Kept in the cookie `theme`, so that the
//! server already renders the page in the right colours.

use std::str::FromStr;

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Name of the cookie, and of the form field that sets it.
pub const COOKIE: &str = "theme";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// The default, since ComfyUI's editor is dark and fills most of the window.
    #[default]
    Dark,
    Light,
    Auto,
}

/// The text names no theme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of `dark`, `light` and `auto`")]
pub struct InvalidTheme(pub String);

impl Theme {
    /// Its value in the cookie and in `<html data-theme>`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Auto => "auto",
        }
    }

    /// The one that the theme button leads to.
    pub fn next(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::Auto,
            Self::Auto => Self::Dark,
        }
    }

    /// What the `Cookie` header asks for; the default if it does not say or makes no sense.
    pub fn from_cookies(header: &str) -> Self {
        header
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == COOKIE)
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or_default()
    }
}

impl FromStr for Theme {
    type Err = InvalidTheme;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "dark" => Ok(Self::Dark),
            "light" => Ok(Self::Light),
            "auto" => Ok(Self::Auto),
            other => Err(InvalidTheme(other.to_owned())),
        }
    }
}

/// Provides `RwSignal<Theme>` to the portal and keeps `<html data-theme>` equal to it.
pub(crate) fn provide_theme() {
    let theme = RwSignal::new(initial_theme());
    provide_context(theme);
    Effect::new(move |_| {
        if let Some(root) = document().document_element() {
            // Fails only for an attribute name that is not one.
            let _ = root.set_attribute("data-theme", theme.get().as_str());
        }
    });
}

#[cfg(feature = "ssr")]
fn initial_theme() -> Theme {
    crate::viewer::theme()
}

/// The browser reads what the server has rendered, so both begin alike.
#[cfg(not(feature = "ssr"))]
fn initial_theme() -> Theme {
    document()
        .document_element()
        .and_then(|root| root.get_attribute("data-theme"))
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(Theme::from_cookies("id=1; theme=light; x=y"), Theme::Light);
        assert_eq!(Theme::from_cookies("theme=auto"), Theme::Auto);
    }

    #[test]
    fn nonsense_is_the_default() {
        for header in ["", "theme", "theme=", "theme=pink", "mytheme=light"] {
            assert_eq!(Theme::from_cookies(header), Theme::Dark, "{header:?}");
        }
    }

    #[test]
    fn the_button_leads_round_all_themes() {
        assert_eq!(Theme::Dark.next().next().next(), Theme::Dark);
        for theme in [Theme::Dark, Theme::Light, Theme::Auto] {
            assert_eq!(theme.as_str().parse(), Ok(theme));
        }
    }
}
