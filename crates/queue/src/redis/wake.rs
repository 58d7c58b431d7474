//! Hears from Redis that a task was pushed, so that an idle consumer need not wait
//! for its next regular poll. Whatever is missed here, that poll finds.

use std::sync::Arc;

use futures::StreamExt;
use futures::task::AtomicWaker;
use redis::{Client, RedisError};
use tokio::task::JoinHandle;

use super::connection::Backoff;

/// Listens until dropped.
pub(super) struct WakeListener(JoinHandle<()>);

impl WakeListener {
    pub(super) fn start(client: Client, channel: String, wake: Arc<AtomicWaker>) -> Self {
        Self(tokio::spawn(async move {
            let mut backoff = Backoff::new();
            loop {
                match listen(&client, &channel, &wake).await {
                    // It heard for a while; the line broke.
                    Ok(()) => backoff = Backoff::new(),
                    Err(error) => tracing::debug!(%error, "cannot hear of new tasks; polling only"),
                }
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }))
    }
}

impl Drop for WakeListener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(client: &Client, channel: &str, wake: &AtomicWaker) -> Result<(), RedisError> {
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(channel).await?;
    // Something may have been pushed before the subscription held.
    wake.wake();
    let mut messages = subscription.into_on_message();
    while messages.next().await.is_some() {
        wake.wake();
    }
    Ok(())
}
