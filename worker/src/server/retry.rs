//! Asking the server until it answers.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::ServerError;
use super::error::chain;

/// How often a server that stays away is mentioned in the log.
const REMINDER: Duration = Duration::from_secs(30);
/// A wrong token is not mended by asking often.
const UNAUTHORIZED_DELAY: Duration = Duration::from_secs(30);

/// Growing pauses between tries.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// The pause before the next try.
    pub fn delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.longest);
        delay
    }
}

impl Default for Backoff {
    /// Fast enough that a restart of the server is hardly noticed, slow enough to burden nobody.
    fn default() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(10))
    }
}

/// Calls until there is an answer that asking again would not change.
///
/// It never gives up by itself: what is asked here matters as long as the lease does, so the
/// caller drops this future when the lease is gone.
pub async fn until_answered<T, F, R>(purpose: &'static str, call: F) -> Result<T, ServerError>
where
    F: FnMut() -> R,
    R: Future<Output = Result<T, ServerError>>,
{
    ask(purpose, Backoff::default(), UNAUTHORIZED_DELAY, call).await
}

async fn ask<T, F, R>(
    purpose: &'static str,
    mut backoff: Backoff,
    unauthorized_delay: Duration,
    mut call: F,
) -> Result<T, ServerError>
where
    F: FnMut() -> R,
    R: Future<Output = Result<T, ServerError>>,
{
    let mut mentioned: Option<Instant> = None;
    loop {
        let error = match call().await {
            Err(error) if error.is_passing() => error,
            answer => {
                if mentioned.is_some() && answer.is_ok() {
                    tracing::info!("the server answers again ({purpose})");
                }
                return answer;
            }
        };
        if mentioned.is_none_or(|at| at.elapsed() >= REMINDER) {
            mentioned = Some(Instant::now());
            if matches!(error, ServerError::Unauthorized) {
                tracing::error!(
                    "the server does not accept the worker token: set WORKER_TOKEN (or WORKER_TOKEN_FILE) \
                     to the content of worker-token in the server's DATA_DIR; trying again every {} s",
                    unauthorized_delay.as_secs()
                );
            } else {
                tracing::warn!("waiting for the server ({purpose}): {}", chain(&error));
            }
        }
        let delay = backoff.delay();
        let delay = if matches!(error, ServerError::Unauthorized) { unauthorized_delay } else { delay };
        tokio::time::sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn at_once() -> Backoff {
        Backoff::new(Duration::ZERO, Duration::ZERO)
    }

    #[tokio::test]
    async fn an_absent_server_is_asked_until_it_is_back() {
        let calls = Cell::new(0);
        let answer = ask("test", at_once(), LONG, || {
            calls.set(calls.get() + 1);
            let number = calls.get();
            async move {
                if number < 100 {
                    Err(ServerError::Unavailable { call: "test", status: 503 })
                } else {
                    Ok(number)
                }
            }
        });
        assert_eq!(answer.await.unwrap(), 100);
    }

    #[tokio::test]
    async fn a_refusal_is_final() {
        let calls = Cell::new(0);
        let answer = ask("test", at_once(), LONG, || {
            calls.set(calls.get() + 1);
            async { Err::<(), _>(ServerError::StaleLease) }
        });
        assert!(matches!(answer.await, Err(ServerError::StaleLease)));
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test]
    async fn a_wrong_token_is_tried_slowly() {
        let calls = Cell::new(0);
        let asking = ask("test", at_once(), LONG, || {
            calls.set(calls.get() + 1);
            async { Err::<(), _>(ServerError::Unauthorized) }
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), asking).await.is_err());
        assert_eq!(calls.get(), 1);
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let delays: Vec<_> = (0..5).map(|_| backoff.delay().as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 5, 5]);
    }
}
