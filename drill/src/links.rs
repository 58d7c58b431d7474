//! The network between the programs: TCP connections that can be cut, stalled and slowed down,
//! and that tell what phase the job is in whose bytes pass.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// How a link is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes, this much later.
    Open { delay: Duration },
    /// Connections are dropped, new ones as well.
    Cut,
    /// Connections stay and nothing passes, as where a cable was pulled.
    Stalled,
}

pub const FINE: Weather = Weather::Open { delay: Duration::ZERO };

/// Looks at what goes to the server's side.
pub type Observer = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// A port of this machine that leads to another.
pub struct Link {
    pub port: u16,
    weather: watch::Sender<Weather>,
}

impl Link {
    /// Passes connections on to that port until the runtime ends.
    pub async fn start(target: u16, observer: Observer) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port for a link")?;
        let port = listener.local_addr()?.port();
        let weather = watch::Sender::new(FINE);
        let link = Self { port, weather: weather.clone() };
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connect(near, target, weather.subscribe(), observer.clone()));
            }
        });
        Ok(link)
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn connect(near: TcpStream, target: u16, mut weather: watch::Receiver<Weather>, observer: Observer) {
    if *weather.borrow() == Weather::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let there = pump(near_in, far_out, weather.clone(), Some(observer));
    let back = pump(far_in, near_out, weather.clone(), None);
    tokio::select! {
        _ = async { tokio::join!(there, back) } => {}
        _ = weather.wait_for(|weather| *weather == Weather::Cut) => {}
    }
}

/// Ends with the connection, whose loss is each side's own affair.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    observer: Option<Observer>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut buffer).await {
        if length == 0 {
            break;
        }
        if let Some(observer) = &observer {
            observer(&buffer[..length]);
        }
        let now = match weather.wait_for(|weather| *weather != Weather::Stalled).await {
            Ok(now) => *now,
            Err(_) => return,
        };
        if let Weather::Open { delay } = now
            && !delay.is_zero()
        {
            sleep(delay).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> anyhow::Result<u16> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        Ok(port)
    }

    #[tokio::test]
    async fn a_link_passes_stalls_and_cuts() -> anyhow::Result<()> {
        let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = seen.clone();
        let observer: Observer = Arc::new(move |bytes| {
            counter.fetch_add(bytes.len(), std::sync::atomic::Ordering::Relaxed);
        });
        let link = Link::start(echo().await?, observer).await?;
        let mut stream = TcpStream::connect(("127.0.0.1", link.port)).await?;
        let mut answer = [0; 4];
        stream.write_all(b"ping").await?;
        stream.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"ping");
        assert_eq!(seen.load(std::sync::atomic::Ordering::Relaxed), 4);

        link.set(Weather::Stalled);
        stream.write_all(b"late").await?;
        let nothing = tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut answer)).await;
        assert!(nothing.is_err(), "nothing passes");
        link.set(FINE);
        stream.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"late");

        link.set(Weather::Cut);
        assert!(matches!(stream.read(&mut answer).await, Ok(0) | Err(_)), "the connection is gone");
        Ok(())
    }
}
