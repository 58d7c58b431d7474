//! Sessions and tokens: who a request speaks for.
//!
//! Invariant: the viewer is made by one middleware, from the session or, below a seat's
//! ComfyUI, from the API token that the request shows, never from both; and the seat in a
//! path counts only if the viewer holds it.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use argon2::password_hash::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use domain::access::Denied;
use domain::{AccessMode, SeatId, Viewer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tower_sessions::Session;
use workshop::{SeatClaim, TakeSeat};

use crate::attempts::Secret;
use crate::bearer;
use crate::error::HttpError;
use crate::seat_hosts::Site;
use crate::state::AppState;

const SESSION_KEY: &str = "comfy_multi";

/// Changes whenever somebody signs out.
static LEAVING: LazyLock<watch::Sender<()>> = LazyLock::new(|| watch::Sender::new(()));

/// The operator's secrets, in the form in which they are checked.
pub struct Credentials {
    admin_password: AdminPassword,
    worker_token: [u8; 32],
    metrics_token: Option<[u8; 32]>,
}

enum AdminPassword {
    Argon2(String),
    Digest([u8; 32]),
}

/// What a session cookie stands for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SessionData {
    /// Seat → the generation of the join link that opened it.
    seats: BTreeMap<SeatId, i64>,
    /// Seat → the claim by which it is held; none is the first.
    claims: BTreeMap<SeatId, i64>,
    /// Which admin password opened the instructor's session: another password voids it.
    admin: Option<String>,
    /// At this seat's own host the instructor looks on, whose session elsewhere was opened by
    /// that admin password.
    looks_on: Option<(SeatId, String)>,
}

impl SessionData {
    fn claims(&self) -> impl Iterator<Item = SeatClaim> + '_ {
        self.seats.iter().map(|(seat, generation)| SeatClaim {
            seat: *seat,
            generation: *generation,
            claim: self.claims.get(seat).copied().unwrap_or_default(),
        })
    }
}

impl Credentials {
    /// `admin_password` is the password itself or its argon2 hash.
    pub fn new(admin_password: &str, worker_token: &str, metrics_token: Option<&str>) -> Self {
        let admin_password = if admin_password.starts_with("$argon2") {
            AdminPassword::Argon2(admin_password.to_owned())
        } else {
            AdminPassword::Digest(digest(admin_password))
        };
        Self { admin_password, worker_token: digest(worker_token), metrics_token: metrics_token.map(digest) }
    }

    fn is_admin_password(&self, candidate: &str) -> bool {
        match &self.admin_password {
            // Comparing digests tells a listener nothing about the secret by its timing.
            AdminPassword::Digest(expected) => digest(candidate) == *expected,
            AdminPassword::Argon2(hash) => PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(candidate.as_bytes(), &hash).is_ok()),
        }
    }

    fn admin_fingerprint(&self) -> String {
        let bytes = match &self.admin_password {
            AdminPassword::Digest(digest) => digest.to_vec(),
            AdminPassword::Argon2(hash) => digest(hash).to_vec(),
        };
        hex(&digest_bytes(&bytes)[..8])
    }

    /// Without a token set, no word opens the metrics.
    pub fn is_metrics_token(&self, candidate: &str) -> bool {
        self.metrics_token == Some(digest(candidate))
    }

    pub fn is_worker_token(&self, candidate: &str) -> bool {
        digest(candidate) == self.worker_token
    }
}

/// Puts the [`Viewer`] of the token or of the session into the request, and with a token
/// what it opens.
pub async fn attach_viewer(
    State(state): State<AppState>,
    session: Session,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(secret) = bearer::shown_token(&request) {
        if let Some(access) = state.workshop.enter_by_token(&secret).await {
            request.extensions_mut().insert(Viewer::new([access.seat], false));
            request.extensions_mut().insert(access);
            return next.run(request).await;
        }
        // In an open room nobody needs a token, so a wrong one is no reason to refuse.
        if state.config.access_mode == AccessMode::Link {
            bearer::take_rest(request).await;
            return bearer::refusal();
        }
    }
    let data = match session.get::<SessionData>(SESSION_KEY).await {
        Ok(data) => data.unwrap_or_default(),
        Err(error) => {
            tracing::error!(%error, "a session could not be read");
            return HttpError::refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "session_unavailable",
                "Your session could not be read just now. Try again in a moment.",
            )
            .into_response();
        }
    };
    let is_admin = data.admin.as_deref() == Some(&state.credentials.admin_fingerprint());
    let viewer = match request.extensions().get::<Site>() {
        None => state.workshop.viewer(data.claims(), is_admin),
        Some(Site::Main) => Viewer::new([], is_admin),
        Some(Site::Seat(seat)) => {
            let known = state.workshop.viewer(data.claims(), false).require_seat(*seat);
            let elsewhere = (known == Err(Denied::InUseElsewhere)).then_some(*seat);
            let viewer = Viewer::new(known.ok(), false).with_elsewhere(elsewhere);
            let looks_on = data.looks_on == Some((*seat, state.credentials.admin_fingerprint()));
            if looks_on { viewer.looking_at(*seat) } else { viewer }
        }
    };
    request.extensions_mut().insert(viewer);
    next.run(request).await
}

/// Refuses changes and WebSockets that another site's page asks this browser for.
///
/// Browsers send `Origin` with both; programs that send none carry no cookie of a victim.
/// Nor does a request with a bearer token, which no other site's page can send: the browser
/// would ask first, and is not answered.
pub async fn refuse_foreign_origin(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let upgrades = headers.contains_key(header::UPGRADE);
    // A seat's host is a site of its own, to which the workshop's is another.
    let public_url = match request.extensions().get::<Site>() {
        Some(Site::Seat(_)) => None,
        Some(Site::Main) | None => Some(state.config.public_url.as_str()),
    };
    if (changes || upgrades) && !bearer::shows_bearer(&request) && !is_own_origin(headers, public_url) {
        return HttpError::refused(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "This request came from another site. Open the workshop's own page and try again there.",
        )
        .into_response();
    }
    next.run(request).await
}

fn is_own_origin(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    (origin_host.is_some() && origin_host == host) || public_url == Some(origin)
}

/// A seat that the viewer holds: the proof that a handler may act for it.
pub struct SeatAccess(pub SeatId);

impl FromRequestParts<AppState> for SeatAccess {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let viewer = viewer(parts)?;
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let seat = path.ok().and_then(|Path(path)| path.get("seat")?.parse::<SeatId>().ok());
        let seat = seat.ok_or(Denied::NotYours)?;
        // The instructor looks on, and changes nothing.
        if matches!(parts.method, Method::GET | Method::HEAD) && state.workshop.has_seat(seat) {
            return Ok(Self(viewer.require_seat_to_look(seat)?));
        }
        let only_looks = viewer.require_seat(seat).is_err() && viewer.require_seat_to_look(seat).is_ok();
        if only_looks && state.workshop.has_seat(seat) {
            return Err(HttpError::refused(
                StatusCode::FORBIDDEN,
                "read_only",
                "You are looking at this workspace as the instructor: nothing here can be changed.",
            ));
        }
        Ok(Self(viewer.require_seat(seat)?))
    }
}

/// The instructor: the proof that a handler may use admin use cases.
pub struct AdminAccess(pub domain::Admin);

impl FromRequestParts<AppState> for AdminAccess {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Self::Rejection> {
        Ok(Self(viewer(parts)?.require_admin()?))
    }
}

fn viewer(parts: &Parts) -> Result<Viewer, HttpError> {
    Ok(parts.extensions.get::<Viewer>().cloned().ok_or(Denied::SignedOut)?)
}

/// `GET /join/{token}`: opens the seat's session, at the seat's own host if it has one.
pub async fn join(
    State(state): State<AppState>,
    session: Session,
    site: Option<Extension<Site>>,
    Path(token): Path<String>,
    parts: Parts,
) -> Result<Response, HttpError> {
    if let Err(too_many) = state.attempts.count(Secret::JoinLink, &parts) {
        return Ok(too_many.into_response());
    }
    if let (Some(hosts), Some(Extension(site))) = (&state.config.seat_hosts, site) {
        let seat = state.workshop.seat_of_link(&token);
        let home = &state.config.public_url;
        match (seat, site) {
            (Some(seat), Site::Seat(host)) if seat == host => {}
            (Some(seat), _) => {
                return Ok(Redirect::to(&format!("{}/join/{token}", hosts.origin(seat))).into_response());
            }
            (None, _) => return Ok(Redirect::to(&format!("{home}/?notice=bad-link")).into_response()),
        }
    }
    let has = session.get::<SessionData>(SESSION_KEY).await.map_err(|error| session_failed(&error))?;
    match state.workshop.join(&token, has.unwrap_or_default().claims()).await {
        // Where it is in use elsewhere, the seat's page says so and offers what can be done.
        Ok(claim) => enter(&session, claim).await,
        Err(workshop::WorkshopError::NotFound) => Ok(Redirect::to("/?notice=bad-link").into_response()),
        Err(error) => Err(error.into()),
    }
}

/// `GET /look/{word}` at a seat's own host: lets the instructor look on there.
pub async fn look(
    State(state): State<AppState>,
    session: Session,
    site: Option<Extension<Site>>,
    Path(word): Path<String>,
) -> Result<Response, HttpError> {
    let Some(Extension(Site::Seat(seat))) = site else { return Err(HttpError::not_found()) };
    if state.workshop.take_look(&word) != Some(seat) {
        return Err(HttpError::refused(
            StatusCode::NOT_FOUND,
            "look_used_up",
            "This way in has been used or is too old. Open the workspace from the instructor's page again.",
        ));
    }
    let fingerprint = state.credentials.admin_fingerprint();
    change(&session, |data| data.looks_on = Some((seat, fingerprint))).await?;
    Ok(Redirect::to(&format!("/user/{seat}")).into_response())
}

#[derive(Deserialize)]
pub struct TakeForm {
    /// Keep it in the other browsers, too.
    #[serde(default)]
    too: bool,
}

/// `POST /user/{seat}/take`: takes the seat into this browser while it is open in others.
pub async fn take(
    State(state): State<AppState>,
    session: Session,
    Extension(viewer): Extension<Viewer>,
    Path(seat): Path<String>,
    Form(form): Form<TakeForm>,
) -> Result<Response, HttpError> {
    let seat = seat.parse::<SeatId>().map_err(|_| Denied::NotYours)?;
    let how = if form.too { TakeSeat::Too } else { TakeSeat::Instead };
    enter(&session, state.workshop.take_seat(&viewer, seat, how).await?).await
}

#[derive(Deserialize)]
pub struct OpenForm {
    seat: String,
}

/// `POST /open`: chooses a seat in an open room.
pub async fn open(
    State(state): State<AppState>,
    session: Session,
    Form(form): Form<OpenForm>,
) -> Result<Response, HttpError> {
    let Ok(seat) = SeatId::parse_lenient(&form.seat) else {
        return Ok(Redirect::to("/?notice=no-such-seat").into_response());
    };
    match state.workshop.join_open(seat).await {
        // In an open room the seat's host takes whoever comes.
        Ok(_) if let Some(hosts) = &state.config.seat_hosts => {
            Ok(Redirect::to(&format!("{}/user/{seat}", hosts.origin(seat))).into_response())
        }
        Ok(claim) => enter(&session, claim).await,
        Err(workshop::WorkshopError::NotFound) => Ok(Redirect::to("/?notice=no-such-seat").into_response()),
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
pub struct LoginForm {
    password: String,
}

/// `POST /admin/login`.
pub async fn admin_login(
    State(state): State<AppState>,
    session: Session,
    parts: Parts,
    Form(form): Form<LoginForm>,
) -> Result<Response, HttpError> {
    if let Err(too_many) = state.attempts.count(Secret::AdminPassword, &parts) {
        return Ok(too_many.into_response());
    }
    // argon2 is slow on purpose; it must not hold up the other requests.
    let credentials = std::sync::Arc::clone(&state.credentials);
    let is_right = tokio::task::spawn_blocking(move || credentials.is_admin_password(&form.password)).await;
    if !is_right.unwrap_or(false) {
        tracing::warn!("a wrong admin password was given");
        return Ok(Redirect::to("/admin/login?notice=wrong-password").into_response());
    }
    let fingerprint = state.credentials.admin_fingerprint();
    change(&session, |data| data.admin = Some(fingerprint)).await?;
    state.workshop.admin_entered().await?;
    Ok(Redirect::to("/admin").into_response())
}

/// `POST /leave`: ends the session.
pub async fn leave(session: Session) -> Result<Response, HttpError> {
    session.flush().await.map_err(|error| session_failed(&error))?;
    LEAVING.send_replace(());
    Ok(Redirect::to("/").into_response())
}

/// Ends once the session at hand has ended: its browser, or a copy of its cookie, was signed out.
/// For sockets, which outlast the request that they began as.
pub async fn signed_out(session: Session) {
    if session.id().is_none() {
        return std::future::pending().await;
    }
    let mut leaving = LEAVING.subscribe();
    loop {
        // The sender lives as long as the process.
        let _ = leaving.changed().await;
        // What the record at hand says is as old as the socket. Should it not be readable just
        // now, the next one who leaves is another chance.
        let is_read = session.load().await.is_ok();
        if is_read && matches!(session.get::<SessionData>(SESSION_KEY).await, Ok(None)) {
            return;
        }
    }
}

async fn enter(session: &Session, claim: SeatClaim) -> Result<Response, HttpError> {
    let SeatClaim { seat, generation, claim } = claim;
    change(session, |data| {
        data.seats.insert(seat, generation);
        data.claims.insert(seat, claim);
    })
    .await?;
    Ok(Redirect::to(&format!("/user/{seat}")).into_response())
}

async fn change(session: &Session, change: impl FnOnce(&mut SessionData)) -> Result<(), HttpError> {
    let mut data = session
        .get::<SessionData>(SESSION_KEY)
        .await
        .map_err(|error| session_failed(&error))?
        .unwrap_or_default();
    change(&mut data);
    // A new id with every new right: a cookie planted before does not gain it.
    session.cycle_id().await.map_err(|error| session_failed(&error))?;
    session.insert(SESSION_KEY, data).await.map_err(|error| session_failed(&error))
}

fn session_failed(error: &tower_sessions::session::Error) -> HttpError {
    tracing::error!(%error, "a session could not be changed");
    HttpError::refused(
        StatusCode::SERVICE_UNAVAILABLE,
        "session_unavailable",
        "Your session could not be saved just now. Try again in a moment.",
    )
}

fn digest(text: &str) -> [u8; 32] {
    digest_bytes(text.as_bytes())
}

fn digest_bytes(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "class.example:8080".parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_our_own_pages_may_change_things() {
        let is_own = |origin| is_own_origin(&headers(origin), Some("https://class.example"));
        assert!(is_own(None));
        assert!(is_own(Some("http://class.example:8080")));
        assert!(is_own(Some("https://class.example")));
        assert!(!is_own(Some("https://evil.example")));
        assert!(!is_own(Some("https://class.example.evil.example:8080")));
        assert!(!is_own(Some("null")));
    }

    #[test]
    fn a_password_is_checked_in_both_forms() {
        use argon2::PasswordHasher;
        use argon2::password_hash::SaltString;
        let salt = SaltString::from_b64("c29tZXNhbHRzb21lc2FsdA").unwrap();
        let hash = Argon2::default().hash_password(b"secret", &salt).unwrap().to_string();
        for credentials in [Credentials::new("secret", "t", None), Credentials::new(&hash, "t", None)] {
            assert!(credentials.is_admin_password("secret"));
            assert!(!credentials.is_admin_password("Secret"));
        }
        assert!(Credentials::new("x", "token", None).is_worker_token("token"));
        assert!(!Credentials::new("x", "token", None).is_worker_token(""));
    }
}
