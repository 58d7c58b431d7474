//! Takes connections in, and lets no slow or greedy client hold more than its share of them.
//!
//! Invariant: a connection on which nothing moves ends, whoever of the two is to move: a request's
//! head within [`Patience::head`], the rest of it and the answer with pauses of at most
//! [`Patience::pause`]. An idle WebSocket is the business of its handler, which pings.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower_http::timeout::TimeoutBody;

use crate::attempts::network;

/// More than this many people's browsers never open; each costs memory too.
const MOST_CONNECTIONS: usize = 16_384;
/// File handles for everything but connections: databases, Redis, workers.
const OTHER_HANDLES: u64 = 256;
/// Out of file handles: some will be free again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// How long the server waits for a client.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request, from the first moment or the end of the request before. Longer
    /// than reverse proxies keep a quiet connection (nginx: 60 s), so that they never send a
    /// request into one that is just being closed.
    pub head: Duration,
    /// For the next part of a request's body, and for the client to take more of an answer.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: Duration::from_secs(75), pause: Duration::from_secs(60) }
    }
}

/// How many connections there may be at once.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub all: usize,
    /// From one public network: a stranger's. A reverse proxy, or a class in the same room,
    /// comes from a private one, and is not counted.
    pub one_network: usize,
}

impl Room {
    /// As many as the process may have file handles for, after asking for all that it may get:
    /// each may have a file open too.
    pub fn of_this_process() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let wanted = 2 * MOST_CONNECTIONS as u64 + OTHER_HANDLES;
        let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
        if limit.current.is_some_and(|current| current < raised)
            && let Err(error) =
                setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum })
        {
            tracing::warn!(%error, "could not raise the limit on open files");
        }
        let handles = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
        Self::with_handles(handles)
    }

    pub(crate) fn with_handles(handles: u64) -> Self {
        let half = handles.saturating_sub(OTHER_HANDLES) / 2;
        let all = usize::try_from(half).unwrap_or(MOST_CONNECTIONS).clamp(64, MOST_CONNECTIONS);
        Self { all, one_network: all / 4 }
    }
}

/// Serves until `stop`, then lets what has begun end.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    room: Room,
    patience: Patience,
    stop: CancellationToken,
) {
    let all = Arc::new(Semaphore::new(room.all));
    let networks = Networks::default();
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &all) => accepted,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // A client that has gone again is no trouble.
                if !is_of_the_client(&error) {
                    tracing::error!(%error, "no connection can be taken in");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
                continue;
            }
        };
        // Dropping the stream closes it.
        let Some(place) = networks.enter(peer.ip(), room.one_network) else { continue };
        let (app, stop) = (app.clone(), stop.clone());
        connections.spawn(async move {
            let _held = (permit, place);
            converse(stream, peer, app, patience, stop).await;
        });
    }
    connections.close();
    connections.wait().await;
}

async fn accept(
    listener: &TcpListener,
    all: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    // Who comes when all are taken waits in the system's own line.
    let permit = Arc::clone(all).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    patience: Patience,
    stop: CancellationToken,
) {
    // Small frames (progress, places in line) must not wait for one another.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection went away at once");
        return;
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience.pause));
    let service = service_fn(|request: hyper::Request<Incoming>| {
        answer(app.clone(), peer, request.map(|body| Body::new(TimeoutBody::new(patience.pause, body))))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke off");
    }
}

async fn answer(app: Router, peer: SocketAddr, mut request: Request) -> Result<Response, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    app.oneshot(request).await
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Connections by the public network that they come from.
#[derive(Debug, Default, Clone)]
struct Networks {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection's place among those of its network, until it is dropped.
struct Place {
    networks: Networks,
    /// Nothing where it is not counted.
    network: Option<IpAddr>,
}

impl Networks {
    /// Nothing if that network has as many as it may.
    fn enter(&self, address: IpAddr, most: usize) -> Option<Place> {
        let address = address.to_canonical();
        let place = |network| Some(Place { networks: self.clone(), network });
        if crate::attempts::is_nearby(address) {
            return place(None);
        }
        let network = network(address);
        let mut open = self.lock();
        let count = open.entry(network).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(open);
        place(Some(network))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(network) = self.network else { return };
        let mut open = self.networks.lock();
        if let Some(count) = open.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_have_all_connections_and_the_class_can() {
        let networks = Networks::default();
        let enter = |address: &str| networks.enter(address.parse().unwrap(), 2);
        let first = enter("203.0.113.5");
        let _second = enter("203.0.113.5");
        assert!(first.is_some());
        assert!(enter("203.0.113.5").is_none());
        assert!(enter("203.0.113.6").is_some(), "others go on");
        drop(first);
        assert!(enter("203.0.113.5").is_some(), "one has ended");
        let class: Vec<_> = (0..10).map(|_| enter("192.168.1.7")).collect();
        assert!(class.iter().all(Option::is_some));
    }

    #[test]
    fn networks_without_connections_are_forgotten() {
        let networks = Networks::default();
        drop(networks.enter("203.0.113.5".parse().unwrap(), 2));
        assert!(networks.lock().is_empty());
    }

    #[test]
    fn connections_leave_handles_for_files() {
        let room = Room::with_handles(1024);
        assert_eq!((room.all, room.one_network), (384, 96));
        assert_eq!(Room::with_handles(1 << 30).all, MOST_CONNECTIONS);
        assert_eq!(Room::with_handles(10).all, 64);
    }
}
