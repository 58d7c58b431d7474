//! The body of a form with files, as its reader may have it.
//!
//! Invariant: of what lies between two pieces of content, such as a part's headers, only
//! [`BETWEEN_BYTES`] are ever kept. The reader itself has no such limit: it gathers a header
//! until its end comes, and looks through all of it again with each piece.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures::{Stream, StreamExt, stream};

/// Some pieces as they come from a connection.
const BETWEEN_BYTES: usize = 2 << 20;

/// How much more may come before there is content again.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

#[derive(Debug, thiserror::Error)]
#[error("a part of the form has too long a header")]
struct TooLong;

impl Allowance {
    /// Puts the request's body under an allowance.
    pub(super) fn limit(request: Request<Body>) -> (Self, Request<Body>) {
        let allowance = Self(Arc::new(AtomicUsize::new(BETWEEN_BYTES)));
        let counting = allowance.clone();
        let request = request.map(|body| {
            let pieces = body.into_data_stream().map(move |piece| match piece {
                Ok(piece) if counting.take(piece.len()) => Ok(piece),
                Ok(_) => Err(axum::Error::new(TooLong)),
                Err(error) => Err(error),
            });
            Body::from_stream(one_at_a_time(pieces))
        });
        (allowance, request)
    }

    /// Content has come.
    pub(super) fn renew(&self) {
        self.0.store(BETWEEN_BYTES, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> bool {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.is_ok()
    }
}

/// The reader takes all that is there before it looks at any, so it is given one piece a turn.
fn one_at_a_time<E>(
    pieces: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
) -> impl Stream<Item = Result<Bytes, E>> + Send {
    let mut pieces = pieces;
    let mut has_given = false;
    stream::poll_fn(move |context| {
        if std::mem::take(&mut has_given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = pieces.poll_next_unpin(context);
        has_given = matches!(piece, Poll::Ready(Some(Ok(_))));
        piece
    })
}
