//! Clients that send or take nothing are let go; slow ones that move are not.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use server::connections::{Patience, Room, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const PATIENCE: Patience = Patience { head: Duration::from_millis(400), pause: Duration::from_millis(400) };
/// A test fails rather than waits for ever.
const LIMIT: Duration = Duration::from_secs(20);

async fn start(room: Room) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let app = Router::new()
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/endless", get(|| async { Body::from_stream(endless()) }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let server = tokio::spawn(serve(listener, app, room, PATIENCE, stop.clone()));
    (address, stop, server)
}

fn endless() -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    futures::stream::repeat_with(|| Ok(Bytes::from_static(&[7; 65_536])))
}

fn room() -> Room {
    Room { all: 64, one_network: 16 }
}

/// What the server says until it closes, within the limit.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut said)).await.expect("closed in time");
    // A reset is an end, too.
    let _ = read;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let (address, ..) = start(room()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let begun = Instant::now();
    // One header after another, each in time, the head never ends.
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    while stream.write_all(b"x-more: 1\r\n").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(begun.elapsed() < LIMIT);
    }
    assert!(begun.elapsed() >= PATIENCE.head);
}

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    let (address, ..) = start(room()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_body_that_stops_is_refused_and_one_that_trickles_is_taken() {
    let (address, ..) = start(room()).await;
    let head = b"POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\n";
    let mut stopped = TcpStream::connect(address).await.unwrap();
    stopped.write_all(head).await.unwrap();
    stopped.write_all(b"12345").await.unwrap();
    let said = rest(&mut stopped).await;
    assert!(said.starts_with("HTTP/1.1 4"), "{said}");

    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(head).await.unwrap();
    let begun = Instant::now();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        slow.write_all(b"1").await.unwrap();
    }
    assert!(begun.elapsed() > PATIENCE.pause, "longer in all than one pause may be");
    let said = rest(&mut slow).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("10"), "{said}");
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_let_go() {
    let (address, stop, server) = start(room()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut some = [0; 1024];
    stream.read_exact(&mut some).await.unwrap();
    // It reads no more. The answer never ends, so the server can only stop once it has let go.
    stop.cancel();
    tokio::time::timeout(LIMIT, server).await.expect("let go").unwrap();
    drop(stream);
}

#[tokio::test]
async fn who_comes_when_all_connections_are_taken_waits_for_one() {
    let (address, ..) = start(Room { all: 1, one_network: 1 }).await;
    let first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second
        .write_all(b"POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
        .await
        .unwrap();
    // The first says nothing, and is let go in time.
    let said = rest(&mut second).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    drop(first);
}
