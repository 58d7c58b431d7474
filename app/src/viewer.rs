//! Who the request at hand speaks for, and the answer's status. Server only.
//!
//! Invariant: every server function passes through [`require_seat`] or
//! [`require_admin`] before it touches the workshop. A refusal sets the status of
//! the answer at once, so that neither page nor function can forget it.

use domain::{Admin, SeatId, Viewer};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use leptos::prelude::*;
use leptos_axum::ResponseOptions;

use crate::error::AppError;
use crate::theme::Theme;

/// The person behind the request; a stranger if the server attached nobody.
pub fn viewer() -> Viewer {
    with_parts(|parts| parts.extensions.get::<Viewer>().cloned()).flatten().unwrap_or_default()
}

/// The seat, if the viewer may act for it.
pub fn require_seat(seat: SeatId) -> Result<SeatId, AppError> {
    viewer().require_seat(seat).map_err(refuse)
}

/// The seat, if the viewer may see its pages: its participant, or the instructor.
pub fn require_seat_to_look(seat: SeatId) -> Result<SeatId, AppError> {
    viewer().require_seat_to_look(seat).map_err(refuse)
}

/// Proof that the viewer is the instructor.
pub fn require_admin() -> Result<Admin, AppError> {
    viewer().require_admin().map_err(refuse)
}

/// Turns a failure into what the page may know of it, and sets the answer's status.
pub fn refuse(error: impl Into<AppError>) -> AppError {
    let error = error.into();
    answer_with_status(error.status());
    error
}

/// Sets the answer's status, except where a form was posted without script: that is
/// answered by a redirect back to the page, which shows the error.
pub fn answer_with_status(status: u16) {
    let is_plain_form =
        with_parts(|parts| parts.method == Method::POST && accepts_html(parts)).unwrap_or(false);
    if let (false, Some(response), Ok(status)) =
        (is_plain_form, use_context::<ResponseOptions>(), StatusCode::from_u16(status))
    {
        response.set_status(status);
    }
}

/// Adds a header to the answer.
pub fn answer_with_header(name: HeaderName, value: HeaderValue) {
    if let Some(response) = use_context::<ResponseOptions>() {
        response.append_header(name, value);
    }
}

/// The theme that the request's cookie asks for.
pub fn theme() -> Theme {
    with_parts(|parts| {
        let cookies = parts.headers.get_all(header::COOKIE).iter();
        let cookies: Vec<_> = cookies.filter_map(|value| value.to_str().ok()).collect();
        Theme::from_cookies(&cookies.join("; "))
    })
    .unwrap_or_default()
}

/// Nothing where pages are only listed and there is no request.
fn with_parts<T>(read: impl FnOnce(&Parts) -> T) -> Option<T> {
    use_context::<Parts>().map(|parts| read(&parts))
}

fn accepts_html(parts: &Parts) -> bool {
    let accept = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `body` as the server would for a request that carries `viewer`.
    fn as_viewer<T>(
        viewer: Viewer,
        method: Method,
        accept: &'static str,
        body: impl FnOnce() -> T,
    ) -> (T, Option<StatusCode>) {
        let owner = Owner::new();
        owner.with(|| {
            let mut request = http::Request::new(());
            *request.method_mut() = method;
            request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(accept));
            request.extensions_mut().insert(viewer);
            let response = ResponseOptions::default();
            provide_context(request.into_parts().0);
            provide_context(response.clone());
            let result = body();
            let status = response.0.read().unwrap().status;
            (result, status)
        })
    }

    fn seat(number: u16) -> SeatId {
        SeatId::new(number).unwrap()
    }

    #[test]
    fn another_seat_answers_404_and_a_stranger_401() {
        let (result, status) =
            as_viewer(Viewer::new([seat(1)], false), Method::GET, "text/html", || require_seat(seat(2)));
        assert_eq!((result, status), (Err(AppError::NotFound), Some(StatusCode::NOT_FOUND)));
        let (result, status) =
            as_viewer(Viewer::default(), Method::GET, "text/html", || require_seat(seat(2)));
        assert_eq!((result, status), (Err(AppError::SignedOut), Some(StatusCode::UNAUTHORIZED)));
    }

    #[test]
    fn ones_own_seat_leaves_the_status_alone() {
        let (result, status) =
            as_viewer(Viewer::new([seat(1)], false), Method::GET, "text/html", || require_seat(seat(1)));
        assert_eq!((result, status), (Ok(seat(1)), None));
    }

    #[test]
    fn only_the_instructor_is_an_admin() {
        let participant = Viewer::new([seat(1)], false);
        let (result, status) =
            as_viewer(participant, Method::GET, "text/html", || require_admin().map(|_| ()));
        assert_eq!((result, status), (Err(AppError::NotFound), Some(StatusCode::NOT_FOUND)));
        let (result, status) =
            as_viewer(Viewer::new([], true), Method::GET, "text/html", || require_admin().map(|_| ()));
        assert_eq!((result, status), (Ok(()), None));
    }

    #[test]
    fn a_form_posted_without_script_keeps_its_redirect() {
        let refused = || require_seat(seat(1));
        let (_, status) = as_viewer(Viewer::default(), Method::POST, "text/html,*/*", refused);
        assert_eq!(status, None);
        let (_, status) = as_viewer(Viewer::default(), Method::POST, "application/json", refused);
        assert_eq!(status, Some(StatusCode::UNAUTHORIZED));
    }
}
