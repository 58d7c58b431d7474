//! Which host names the server answers to, and seats at names of their own
//! (`SEAT_HOST_PATTERN`).
//!
//! Invariant: no request is answered by a name that anybody on the internet could have pointed
//! at this machine (DNS rebinding: their page would pass for one of ours). And where the pattern
//! is set, a seat's host serves that seat and nothing else, and no page of a seat is served
//! anywhere else. So what one seat's page runs, the browser keeps away from all others and from
//! the instructor's.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{OriginalUri, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use domain::{SeatId, Viewer};
use workshop::TokenAccess;

use crate::comfy;
use crate::error::HttpError;
use crate::state::AppState;

/// Which host a request came to. Only there where the pattern is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// The workshop's own: start page, instructor.
    Main,
    Seat(SeatId),
}

/// Programs, not browsers, ask for these, by whatever name they know the server.
const FOR_EVERY_HOST: [&str; 3] = ["/health", "/ready", "/worker/"];
/// What a seat's host does not have.
const MAIN_ONLY: [&str; 3] = ["/admin", "/open", "/metrics"];

/// Sorts requests by host, before they are routed.
pub async fn by_host(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if FOR_EVERY_HOST.iter().any(|prefix| path.starts_with(prefix)) {
        return next.run(request).await;
    }
    let host = host_of(&request);
    let Some(hosts) = &state.config.seat_hosts else {
        if is_main(host, &state.config.public_url) || is_of_no_public_name(host) {
            return next.run(request).await;
        }
        return unknown_host(host, &state.config.public_url);
    };
    let site = match hosts.seat_of(host) {
        Some(seat) => Site::Seat(seat),
        None if is_main(host, &state.config.public_url) => Site::Main,
        None => return unknown_host(host, &state.config.public_url),
    };
    if let Site::Seat(seat) = site {
        match seat_path(seat, path).filter(|_| state.workshop.has_seat(seat)) {
            None => return HttpError::not_found().into_response(),
            Some(SeatPath::Home) => return Redirect::to(&format!("/user/{seat}")).into_response(),
            Some(SeatPath::AsIs) => {}
            Some(SeatPath::Comfy) => {
                let below = below_comfy(seat, request.uri());
                let Some(uri) = below else { return HttpError::not_found().into_response() };
                *request.uri_mut() = uri;
                request.extensions_mut().remove::<OriginalUri>();
            }
        }
    }
    request.extensions_mut().insert(site);
    next.run(request).await
}

fn unknown_host(host: &str, public_url: &str) -> Response {
    tracing::debug!(host, "a request came to a name that is not the workshop's");
    HttpError::refused(
        StatusCode::MISDIRECTED_REQUEST,
        "unknown_host",
        format!(
            "The workshop does not go by this name. Its address is {public_url} (if that is not so, the operator sets PUBLIC_URL)."
        ),
    )
    .into_response()
}

/// On the workshop's own host: sends a browser that asks for a seat to that seat's host, the
/// instructor with a word that lets them look on there. Programs with a token are answered
/// here too, as no browser keeps anything of theirs; so are the instructor's pictures.
pub async fn lead_to_seat(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let site = request.extensions().get::<Site>();
    let (Some(hosts), Some(Site::Main), Some(seat)) =
        (&state.config.seat_hosts, site, seat_in(request.uri().path()))
    else {
        return next.run(request).await;
    };
    if request.extensions().get::<TokenAccess>().is_some() || !state.workshop.has_seat(seat) {
        return next.run(request).await;
    }
    let origin = hosts.origin(seat);
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let admin = request.extensions().get::<Viewer>().and_then(|viewer| viewer.require_admin().ok());
    match admin {
        Some(admin) if is_read && is_page(seat, request.uri().path()) => {
            match state.workshop.mint_look(admin, seat) {
                Ok(word) => Redirect::to(&format!("{origin}/look/{word}")).into_response(),
                Err(error) => HttpError::from(error).into_response(),
            }
        }
        Some(_) => next.run(request).await,
        None if is_read => {
            let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
            Redirect::temporary(&format!("{origin}{path}")).into_response()
        }
        None => HttpError::refused(
            StatusCode::MISDIRECTED_REQUEST,
            "seat_has_own_host",
            format!("This seat is at {origin}: send requests there, or send an API token."),
        )
        .into_response(),
    }
}

/// What a path means on a seat's host.
#[derive(Debug, PartialEq, Eq)]
enum SeatPath {
    /// The start: the seat's page.
    Home,
    /// The same as everywhere.
    AsIs,
    /// ComfyUI's API, at the root as a ComfyUI has it.
    Comfy,
}

/// Nothing if a seat's host has no such path.
fn seat_path(seat: SeatId, path: &str) -> Option<SeatPath> {
    if path == "/" {
        return Some(SeatPath::Home);
    }
    if let Some(rest) = path.strip_prefix("/user/") {
        let named = rest.split('/').next().unwrap_or_default();
        return (SeatId::parse_lenient(named) == Ok(seat)).then_some(SeatPath::AsIs);
    }
    let is_below =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if MAIN_ONLY.into_iter().any(is_below) {
        return None;
    }
    Some(if comfy::is_api_path(path) { SeatPath::Comfy } else { SeatPath::AsIs })
}

fn below_comfy(seat: SeatId, uri: &Uri) -> Option<Uri> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("/user/{seat}/comfy{path}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// The seat that a path names in its canonical form.
pub(crate) fn seat_in(path: &str) -> Option<SeatId> {
    path.strip_prefix("/user/")?.split('/').next()?.parse().ok()
}

fn is_page(seat: SeatId, path: &str) -> bool {
    let rest = path.strip_prefix(&format!("/user/{seat}"));
    rest.is_some_and(|rest| matches!(rest.trim_end_matches('/'), "" | "/comfy"))
}

/// As the browser or program named it.
fn host_of(request: &Request) -> &str {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| request.uri().authority().map(|authority| authority.as_str())).unwrap_or_default()
}

/// The address that people are given; also any number of this machine, which is no name that
/// a seat's page could pass for.
fn is_main(host: &str, public_url: &str) -> bool {
    let own = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
    let own = own.split('/').next().unwrap_or_default();
    host.eq_ignore_ascii_case(own) || host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok()
}

/// Names that no public name server knows, so that no stranger can have pointed one here: those
/// without a dot, and those kept for private networks (RFC 6761, 6762, 8375).
fn is_of_no_public_name(host: &str) -> bool {
    const PRIVATE: [&str; 5] = [".home.arpa", ".internal", ".lan", ".local", ".localhost"];
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    let is_label = !name.is_empty() && !name.contains(['.', ':', '[', ']']);
    is_label || PRIVATE.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(number: u16) -> SeatId {
        SeatId::new(number).unwrap()
    }

    #[test]
    fn a_seats_host_has_its_own_pages_and_comfyui_at_the_root() {
        for path in ["/user/user007", "/user/7", "/user/user007/comfy/api/prompt", "/user/user007/live"] {
            assert_eq!(seat_path(seat(7), path), Some(SeatPath::AsIs), "{path}");
        }
        for path in ["/prompt", "/api/prompt", "/ws", "/history/1", "/upload/image", "/object_info/KSampler"]
        {
            assert_eq!(seat_path(seat(7), path), Some(SeatPath::Comfy), "{path}");
        }
        for path in ["/join/x", "/look/x", "/leave", "/pkg/comfy-multi.js", "/api/read-seat-page123"] {
            assert_eq!(seat_path(seat(7), path), Some(SeatPath::AsIs), "{path}");
        }
        assert_eq!(seat_path(seat(7), "/"), Some(SeatPath::Home));
    }

    #[test]
    fn a_seats_host_has_no_other_seat_and_no_instructor() {
        for path in
            ["/user/user008", "/user/8/comfy/", "/user/", "/admin", "/admin/live", "/open", "/metrics"]
        {
            assert_eq!(seat_path(seat(7), path), None, "{path}");
        }
    }

    #[test]
    fn the_query_stays_when_a_path_is_moved() {
        let uri = "/view?filename=a%20b.png&type=output".parse().unwrap();
        let moved = below_comfy(seat(7), &uri).unwrap();
        assert_eq!(moved, "/user/user007/comfy/view?filename=a%20b.png&type=output");
    }

    #[test]
    fn the_workshops_host_is_its_public_address_or_a_number() {
        for host in ["workshop.example", "WORKSHOP.example", "127.0.0.1:8080", "[::1]:8080", "10.0.0.7"] {
            assert!(is_main(host, "https://workshop.example"), "{host}");
        }
        for host in ["evil.example", "workshop.example.evil.example", "x.workshop.example", ""] {
            assert!(!is_main(host, "https://workshop.example"), "{host}");
        }
    }

    #[test]
    fn a_name_that_a_stranger_can_own_is_none_of_ours() {
        for host in ["localhost:8080", "gpu-box", "gpu-box.local:8080", "x.home.arpa", "APP.LAN"] {
            assert!(is_of_no_public_name(host), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "local.evil.example", "local.", "", ":8080", "[::1"]
        {
            assert!(!is_of_no_public_name(host), "{host}");
        }
    }

    #[test]
    fn pages_are_told_from_what_they_load() {
        for path in ["/user/user007", "/user/user007/comfy", "/user/user007/comfy/"] {
            assert!(is_page(seat(7), path), "{path}");
        }
        for path in ["/user/user007/comfy/api/view", "/user/user007/live", "/user/user0071"] {
            assert!(!is_page(seat(7), path), "{path}");
        }
    }
}
