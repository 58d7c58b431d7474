//! The one WebSocket to the server: heartbeats and events up, commands down.
//!
//! It is opened again for ever, and runs do not depend on it: what matters of them waits in
//! the outbox meanwhile, and their results go over HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use queue::report::{LeaseRef, PROTOCOL_VERSION, ServerFrame, WorkerFrame};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tokio_util::sync::CancellationToken;

use super::error::chain;
use super::{Backoff, ServerClient};
use crate::engine::{Engine, Restart};
use crate::outbox::{Outbox, Outgoing};
use crate::registry::{RunRegistry, Stop};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const OPEN_LIMIT: Duration = Duration::from_secs(15);
/// How long one message may take to leave. A connection slower than that is broken.
const SEND_LIMIT: Duration = Duration::from_secs(20);
/// The least time without a word from the server after which the connection counts as broken.
const SILENCE_LIMIT: Duration = Duration::from_secs(15);
/// How long a run waits for the server to have read its events before it reports its result.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);
const REMINDER: Duration = Duration::from_secs(30);
/// A server that refuses this worker is not mended by asking often.
const REFUSED_DELAY: Duration = Duration::from_secs(30);

/// What the worker says of itself.
#[derive(Debug, Clone)]
pub struct Hello {
    pub name: String,
    pub slots: u32,
    pub staged: u32,
}

/// The runs' end of the socket.
#[derive(Debug, Default)]
pub struct ServerLink {
    pub outbox: Outbox,
    connection: watch::Sender<Connection>,
    barriers: Mutex<HashMap<u64, oneshot::Sender<()>>>,
}

/// Which connection this is, and whether it is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Connection {
    number: u64,
    open: bool,
}

impl ServerLink {
    /// Waits until the server has read every event of this run, so that the result, which goes
    /// another way, does not overtake them. Gives up where the server is away or slow: the
    /// result holds all that matters.
    pub async fn flush(&self, lease: LeaseRef) {
        let mut connection = self.connection.subscribe();
        let current = *connection.borrow_and_update();
        if !current.open {
            return;
        }
        let (passed, passing) = oneshot::channel();
        self.outbox.push(Outgoing::Barrier { lease, passed });
        tokio::select! {
            _ = passing => {}
            _ = connection.wait_for(|now| *now != current) => {}
            () = tokio::time::sleep(FLUSH_LIMIT) => {
                tracing::debug!("the server was slow to read the last events");
            }
        }
    }

    /// Resolves at the next (or a present) connection newer than this number; returns its number.
    pub async fn connected_after(&self, number: u64) -> u64 {
        let mut connection = self.connection.subscribe();
        let found = connection.wait_for(|now| now.open && now.number > number).await;
        match found.map(|found| found.number) {
            Ok(number) => number,
            // The sender lives in self.
            Err(_) => std::future::pending().await,
        }
    }

    fn opened(&self) {
        self.connection
            .send_modify(|connection| *connection = Connection { number: connection.number + 1, open: true });
    }

    fn closed(&self) {
        self.connection.send_modify(|connection| connection.open = false);
        self.barriers().clear();
    }

    fn barriers(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<()>>> {
        self.barriers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, thiserror::Error)]
enum SocketError {
    #[error("the socket failed")]
    Socket(#[from] tungstenite::Error),
    #[error("the server closed the socket{0}")]
    Closed(String),
    #[error("the server was silent for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the server does not accept the worker token")]
    Unauthorized,
    #[error("the authorization header cannot be written")]
    Header(#[from] tungstenite::http::header::InvalidHeaderValue),
    #[error("a frame of the server was not understood")]
    Frame(#[from] serde_json::Error),
}

/// Holds the socket open until shutdown.
pub async fn keep_connected(
    server: Arc<ServerClient>,
    link: Arc<ServerLink>,
    registry: Arc<RunRegistry>,
    engine: Arc<Engine>,
    hello: Hello,
    shutdown: CancellationToken,
) {
    let mut backoff = Backoff::default();
    let mut mentioned: Option<Instant> = None;
    loop {
        let connection = Connected { server: &server, link: &link, registry: &registry, engine: &engine };
        let opened = tokio::select! {
            opened = connection.open(&hello) => opened,
            () = shutdown.cancelled() => return,
        };
        let error = match opened {
            Ok((socket, heartbeat)) => {
                tracing::info!("connected to the server");
                backoff = Backoff::default();
                mentioned = None;
                link.opened();
                let ended = connection.hold(socket, heartbeat, &shutdown).await;
                link.closed();
                match ended {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let unauthorized = matches!(error, SocketError::Unauthorized);
        if mentioned.is_none_or(|at| at.elapsed() >= REMINDER) {
            mentioned = Some(Instant::now());
            tracing::warn!("no socket to the server: {}; runs go on, trying again", chain(&error));
        }
        let delay = if unauthorized { REFUSED_DELAY } else { backoff.delay() };
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

struct Connected<'a> {
    server: &'a ServerClient,
    link: &'a ServerLink,
    registry: &'a RunRegistry,
    engine: &'a Engine,
}

impl Connected<'_> {
    /// Opens the socket and says hello; returns it with the heartbeat that the server asks for.
    async fn open(&self, hello: &Hello) -> Result<(Socket, Duration), SocketError> {
        let opening = async {
            let mut request = self.server.socket_url().into_client_request()?;
            request.headers_mut().insert(AUTHORIZATION, self.server.authorization().parse()?);
            let (mut socket, _) = match connect_async_with_config(request, None, true).await {
                Err(tungstenite::Error::Http(response)) if response.status() == 401 => {
                    return Err(SocketError::Unauthorized);
                }
                answer => answer?,
            };
            let hello = WorkerFrame::Hello {
                protocol: PROTOCOL_VERSION,
                worker: self.server.worker(),
                name: hello.name.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                slots: hello.slots,
                staged: hello.staged,
                engine: self.engine.state(),
            };
            socket.send(text(&hello)?).await?;
            loop {
                match socket.next().await.transpose()? {
                    Some(Message::Text(frame)) => {
                        if let ServerFrame::Welcome { heartbeat_ms } = serde_json::from_str(frame.as_str())? {
                            return Ok((socket, Duration::from_millis(heartbeat_ms.max(100))));
                        }
                    }
                    Some(Message::Close(reason)) => return Err(closed(reason)),
                    Some(_) => {}
                    None => return Err(SocketError::Closed(String::new())),
                }
            }
        };
        timeout(OPEN_LIMIT, opening).await.map_err(|_| SocketError::Silent(OPEN_LIMIT))?
    }

    /// Speaks and listens until the connection breaks. Ok means shutdown.
    async fn hold(
        &self,
        socket: Socket,
        heartbeat: Duration,
        shutdown: &CancellationToken,
    ) -> Result<(), SocketError> {
        let (sink, stream) = socket.split();
        tokio::select! {
            broken = self.speak(sink, heartbeat, shutdown) => broken,
            broken = self.listen(stream, heartbeat) => broken,
        }
    }

    async fn speak(
        &self,
        mut sink: SplitSink<Socket, Message>,
        heartbeat: Duration,
        shutdown: &CancellationToken,
    ) -> Result<(), SocketError> {
        let mut engine = self.engine.status();
        let mut ticks = tokio::time::interval(heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut barrier = 0_u64;
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {
                    send(&mut sink, self.heartbeat()?).await?;
                    // Its answer shows that the server is there, also where it has nothing to say.
                    send(&mut sink, Message::Ping(Bytes::new())).await?;
                }
                Ok(()) = engine.changed() => {
                    send(&mut sink, self.heartbeat()?).await?;
                }
                Some(outgoing) = self.link.outbox.next() => {
                    let message = match &outgoing {
                        Outgoing::Event { lease, event } => {
                            text(&WorkerFrame::Event { job: lease.job, token: lease.token, event: event.clone() })?
                        }
                        Outgoing::Preview { lease, frame } => Message::Binary(preview(*lease, frame)),
                        Outgoing::Barrier { .. } => {
                            barrier += 1;
                            Message::Ping(Bytes::copy_from_slice(&barrier.to_be_bytes()))
                        }
                    };
                    if let Err(error) = send(&mut sink, message).await {
                        self.link.outbox.put_back(outgoing);
                        return Err(error);
                    }
                    if let Outgoing::Barrier { passed, .. } = outgoing {
                        self.link.barriers().insert(barrier, passed);
                    }
                }
                () = shutdown.cancelled() => {
                    send(&mut sink, Message::Close(None)).await?;
                    return Ok(());
                }
            }
        }
    }

    async fn listen(&self, mut stream: SplitStream<Socket>, heartbeat: Duration) -> Result<(), SocketError> {
        let limit = SILENCE_LIMIT.max(3 * heartbeat);
        loop {
            let message = timeout(limit, stream.next()).await.map_err(|_| SocketError::Silent(limit))?;
            match message.transpose()? {
                Some(Message::Text(frame)) => match serde_json::from_str(frame.as_str()) {
                    Ok(frame) => self.obey(frame),
                    // A newer server may say more than this worker knows.
                    Err(error) => tracing::warn!("a frame of the server was not understood: {error}"),
                },
                Some(Message::Pong(payload)) => {
                    if let Ok(number) = <[u8; 8]>::try_from(payload.as_ref())
                        && let Some(passed) = self.link.barriers().remove(&u64::from_be_bytes(number))
                    {
                        // Nobody waits any more where this fails.
                        let _ = passed.send(());
                    }
                }
                Some(Message::Close(reason)) => return Err(closed(reason)),
                Some(_) => {}
                None => return Err(SocketError::Closed(String::new())),
            }
        }
    }

    fn obey(&self, frame: ServerFrame) {
        let (lease, reason) = match frame {
            ServerFrame::Cancel { job, token } => (LeaseRef { job, token }, Stop::Cancelled),
            ServerFrame::Drop { job, token } => (LeaseRef { job, token }, Stop::Dropped),
            ServerFrame::GiveBack { job, token, reason } => {
                (LeaseRef { job, token }, Stop::Preempted(reason))
            }
            ServerFrame::RestartEngine => return self.engine.request_restart(Restart::Asked),
            ServerFrame::Welcome { .. } => return,
        };
        self.registry.stop(lease, reason);
    }

    fn heartbeat(&self) -> Result<Message, SocketError> {
        text(&WorkerFrame::Heartbeat {
            leases: self.registry.leases(),
            engine: self.engine.state(),
            device: self.engine.device(),
        })
    }
}

async fn send(sink: &mut SplitSink<Socket, Message>, message: Message) -> Result<(), SocketError> {
    timeout(SEND_LIMIT, sink.send(message)).await.map_err(|_| SocketError::Silent(SEND_LIMIT))??;
    Ok(())
}

fn text(frame: &WorkerFrame) -> Result<Message, SocketError> {
    Ok(Message::text(serde_json::to_string(frame)?))
}

/// The job's UUID, the lease token, then ComfyUI's own frame.
fn preview(lease: LeaseRef, frame: &Bytes) -> Bytes {
    let mut message = Vec::with_capacity(32 + frame.len());
    message.extend_from_slice(lease.job.as_uuid().as_bytes());
    message.extend_from_slice(lease.token.as_uuid().as_bytes());
    message.extend_from_slice(frame);
    message.into()
}

fn closed(reason: Option<tungstenite::protocol::CloseFrame>) -> SocketError {
    SocketError::Closed(reason.map(|frame| format!(": {}", frame.reason)).unwrap_or_default())
}
