//! API tokens: how a seat's own programs come in.
//!
//! Invariant: a token opens the seat that made it and nothing else, and only while the
//! seat's join link is the one it was made under. Only its hash is kept, so it is shown
//! once. All hashes are in memory: a check is one look-up, however many programs ask.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use domain::{SeatId, Timestamp};
use sha2::{Digest, Sha256};
use store::{Event, EventKind, NewApiToken, StoredApiToken};
use tokio::sync::watch;

use crate::accounts::single_line;
use crate::{Workshop, WorkshopError};

/// Lets people, and tools that look for leaked secrets, see what it is.
const PREFIX: &str = "cm-";
/// The longest name of a token, in characters.
const MAX_NAME: usize = 40;
/// More than anybody needs; a program that makes one for each run is told.
const MAX_PER_SEAT: usize = 20;
/// "Last used" is no more exact than this, so that a busy program costs few writes.
const USE_RESOLUTION: Duration = Duration::from_secs(60);

/// A token as its seat may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    pub id: i64,
    pub name: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// A token just made. The only time that it is there to be read.
#[derive(Debug)]
pub struct NewToken {
    pub secret: String,
    pub token: ApiToken,
}

/// Whether this text is meant for an API token, valid or not.
pub fn looks_like_api_token(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// What a token that was shown opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenAccess {
    pub seat: SeatId,
    pub id: i64,
}

#[derive(Debug)]
pub(crate) struct Tokens {
    by_hash: std::sync::RwLock<HashMap<String, StoredApiToken>>,
    /// Counts what was ended, for the sockets that were opened with it.
    ended: watch::Sender<u64>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { by_hash: std::sync::RwLock::default(), ended: watch::Sender::new(0) }
    }
}

impl Tokens {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, StoredApiToken>> {
        self.by_hash.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, StoredApiToken>> {
        self.by_hash.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn forget(&self, is_ended: impl Fn(&StoredApiToken) -> bool) {
        self.write().retain(|_, token| !is_ended(token));
        self.ended.send_modify(|count| *count += 1);
    }
}

impl Workshop {
    pub(crate) async fn load_tokens(&self) -> Result<(), WorkshopError> {
        let tokens = self.store().api_tokens().await?;
        *self.inner.tokens.write() = tokens.into_iter().map(|token| (token.sha256.clone(), token)).collect();
        Ok(())
    }

    /// The seat's tokens that open it, oldest first.
    pub fn api_tokens(&self, seat: SeatId) -> Vec<ApiToken> {
        let tokens = self.inner.tokens.read();
        let mut own: Vec<_> =
            tokens.values().filter(|token| token.seat == seat && self.is_current(token)).map(view).collect();
        own.sort_by_key(|token| token.id);
        own
    }

    /// Makes a token that opens the seat. An empty name becomes "API token".
    pub async fn make_api_token(&self, seat: SeatId, name: &str) -> Result<NewToken, WorkshopError> {
        let name = Some(single_line(name, MAX_NAME)?).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| "API token".to_owned());
        let session_generation = self.generation(seat).ok_or(WorkshopError::NotFound)?;
        if self.api_tokens(seat).len() >= MAX_PER_SEAT {
            return Err(WorkshopError::BadRequest(format!(
                "this seat has {MAX_PER_SEAT} API tokens already: revoke one that is no longer used"
            )));
        }
        let secret = format!("{PREFIX}{}", self.inner.parts.mint.secret());
        let now = self.now();
        let new = NewApiToken {
            seat,
            session_generation,
            name: name.clone(),
            sha256: token_hash(&secret),
            created_at: now,
        };
        let stored = self.store().add_api_token(new).await?;
        let token = view(&stored);
        self.inner.tokens.write().insert(stored.sha256.clone(), stored);
        self.note(seat, EventKind::TokenMade, name).await?;
        Ok(NewToken { secret, token })
    }

    /// Ends the token now, and what was opened with it.
    pub async fn revoke_api_token(&self, seat: SeatId, id: i64) -> Result<(), WorkshopError> {
        let name = self.api_tokens(seat).into_iter().find(|token| token.id == id).map(|token| token.name);
        if !self.store().delete_api_token(seat, id).await? {
            return Err(WorkshopError::NotFound);
        }
        self.inner.tokens.forget(|token| token.id == id);
        self.note(seat, EventKind::TokenRevoked, name.unwrap_or_default()).await
    }

    /// What this token opens; nothing if it is none, or none any more.
    pub async fn enter_by_token(&self, secret: &str) -> Option<TokenAccess> {
        let hash = token_hash(secret);
        let now = self.now();
        let (access, is_new_use) = {
            let tokens = self.inner.tokens.read();
            let token = tokens.get(&hash).filter(|token| self.is_current(token))?;
            let is_new_use = token.last_used_at.is_none_or(|last| now.since(last) >= USE_RESOLUTION);
            (TokenAccess { seat: token.seat, id: token.id }, is_new_use)
        };
        if is_new_use {
            if let Some(token) = self.inner.tokens.write().get_mut(&hash) {
                token.last_used_at = Some(now);
            }
            if let Err(error) = self.store().touch_api_token(access.seat, access.id, now).await {
                tracing::warn!(seat.id = %access.seat, %error, "the use of an API token could not be noted");
            }
        }
        Some(access)
    }

    /// Resolves when the token opens nothing any more.
    pub async fn token_ended(&self, id: i64) {
        let mut ended = self.inner.tokens.ended.subscribe();
        loop {
            let is_valid =
                self.inner.tokens.read().values().any(|token| token.id == id && self.is_current(token));
            if !is_valid || ended.changed().await.is_err() {
                return;
            }
        }
    }

    /// Ends all tokens of the seat, whose join link is another now.
    pub(crate) async fn end_tokens(&self, seat: SeatId) -> Result<(), WorkshopError> {
        self.inner.tokens.forget(|token| token.seat == seat);
        Ok(self.store().delete_api_tokens(seat).await?)
    }

    /// Whether the seat is still there, under the join link that the token was made under.
    fn is_current(&self, token: &StoredApiToken) -> bool {
        self.generation(token.seat) == Some(token.session_generation)
    }

    async fn note(&self, seat: SeatId, kind: EventKind, name: String) -> Result<(), WorkshopError> {
        let event = Event { seat: Some(seat), detail: Some(name), ..Event::new(kind, self.now()) };
        self.store().record_event(&event).await?;
        self.inner.hub.changed();
        Ok(())
    }
}

fn view(token: &StoredApiToken) -> ApiToken {
    ApiToken {
        id: token.id,
        name: token.name.clone(),
        created_at: token.created_at,
        last_used_at: token.last_used_at,
    }
}

/// What is kept of a token: its SHA-256 in hexadecimal digits.
pub fn token_hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
