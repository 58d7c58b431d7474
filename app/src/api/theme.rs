//! Remembering the theme.

use leptos::prelude::*;

use crate::error::AppError;
use crate::theme::Theme;

/// Open to everyone: it changes nothing but the visitor's own cookie.
#[server(name = SetTheme, endpoint = "set-theme")]
pub async fn set_theme(theme: Theme) -> Result<(), AppError> {
    use http::{HeaderValue, header};

    let cookie =
        format!("{}={}; Path=/; Max-Age=31536000; SameSite=Lax", crate::theme::COOKIE, theme.as_str());
    let cookie = HeaderValue::try_from(cookie).map_err(|_| AppError::Internal)?;
    crate::viewer::answer_with_header(header::SET_COOKIE, cookie);
    Ok(())
}
