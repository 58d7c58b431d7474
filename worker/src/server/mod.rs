//! The way to the server: calls over HTTP, events over one WebSocket. The worker dials out.

mod calls;
mod error;
mod retry;
mod socket;

pub use calls::{InputBytes, ServerClient, compress};
pub use error::{ServerError, chain};
pub use retry::{Backoff, until_answered};
pub use socket::{Hello, ServerLink, keep_connected};
