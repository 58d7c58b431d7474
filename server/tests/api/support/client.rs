use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderValue, SET_COOKIE};
use reqwest::{Method, redirect};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Someone who talks to the server: follows no redirects, keeps a cookie.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    cookie: Option<String>,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// The seat's ComfyUI: paths of [`Client::comfy`] and others are below it.
    pub base: String,
    /// The name by which it knows the server; its address if there is none.
    pub host: Option<String>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
        Self { http, address, cookie: None, bearer: None, base: String::new(), host: None }
    }

    pub fn keep_cookie(&mut self, reply: &Reply) {
        let cookie = reply.headers.get(SET_COOKIE).expect("a session cookie").to_str().unwrap();
        self.cookie = cookie.split(';').next().map(str::to_owned);
    }

    pub fn set_cookie(&mut self, cookie: &str) {
        self.cookie = Some(cookie.to_owned());
    }

    /// The session, as the browser sends it.
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// Goes on in another client's session.
    pub fn take_cookie_of(&mut self, other: &Self) {
        self.cookie.clone_from(&other.cookie);
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let mut request = self.http.request(method, format!("http://{}{path}", self.address)).body(body);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        if let Some(host) = &self.host {
            request = request.header(HOST, host);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            bytes: response.bytes().await.unwrap().to_vec(),
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    pub async fn post_form(&self, path: &str, form: &str) -> Reply {
        let headers = [(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &headers, form.as_bytes().to_vec()).await
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Reply {
        let headers = [(CONTENT_TYPE.as_str(), "application/json")];
        self.send(Method::POST, path, &headers, body.to_string().into_bytes()).await
    }

    /// `GET` below the seat's ComfyUI.
    pub async fn comfy(&self, path: &str) -> Reply {
        self.get(&format!("{}{path}", self.base)).await
    }

    /// `POST` below the seat's ComfyUI.
    pub async fn comfy_post(&self, path: &str, body: &Value) -> Reply {
        self.post_json(&format!("{}{path}", self.base), body).await
    }

    /// Queues a graph and gives its `prompt_id`. Unless it names its tab, from one that was closed
    /// since, so that all of the seat's are told.
    pub async fn queue(&self, graph: &Value) -> String {
        let mut graph = graph.clone();
        if graph.get("client_id").is_none() {
            graph["client_id"] = "a-closed-tab".into();
        }
        let reply = self.comfy_post("/api/prompt", &graph).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["prompt_id"].as_str().unwrap().to_owned()
    }

    /// Uploads an input file and gives ComfyUI's answer.
    pub async fn upload(&self, name: &str, content: &[u8]) -> Reply {
        let boundary = "----test-boundary";
        let mut body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let path = format!("{}/api/upload/image", self.base);
        self.send(Method::POST, &path, &[("content-type", &content_type)], body).await
    }

    /// Opens the editor's socket.
    pub async fn socket(&self, query: &str) -> Socket {
        self.try_socket(query).await.unwrap()
    }

    /// Opens the editor's socket, or tells the status of the refusal.
    pub async fn try_socket(&self, query: &str) -> Result<Socket, u16> {
        self.try_open(&format!("{}/ws{query}", self.base)).await
    }

    /// Opens the socket at this path, such as the portal's, or tells the status of the refusal.
    pub async fn try_open(&self, path: &str) -> Result<Socket, u16> {
        let url = format!("ws://{}{path}", self.address);
        let mut request = url.into_client_request().unwrap();
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert(COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        if let Some(token) = &self.bearer {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        if let Some(host) = &self.host {
            request.headers_mut().insert(HOST, HeaderValue::from_str(host).unwrap());
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Socket(stream)),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<String> {
        Some(self.headers.get(name)?.to_str().unwrap().to_owned())
    }
}

/// An editor's socket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What came over a socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    Text(Value),
    Binary(Vec<u8>),
}

impl Socket {
    /// Whether the server ends the socket, after whatever it still has to say.
    pub async fn is_closed_by_server(&mut self) -> bool {
        let closing = async { while let Some(Ok(_)) = self.0.next().await {} };
        tokio::time::timeout(Duration::from_secs(10), closing).await.is_ok()
    }

    pub async fn send(&mut self, message: &Value) {
        self.0.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    /// The next frame; a test that waits for one that never comes fails.
    pub async fn next(&mut self) -> Frame {
        loop {
            let message = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await;
            match message.expect("a frame within 10 s").expect("the socket is open").unwrap() {
                Message::Text(text) => return Frame::Text(serde_json::from_str(&text).unwrap()),
                Message::Binary(bytes) => return Frame::Binary(bytes.to_vec()),
                _ => {}
            }
        }
    }

    /// All text frames up to and with the first of this type (and its `data`, if it matches).
    pub async fn until(&mut self, ends: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            if let Frame::Text(frame) = self.next().await {
                let is_end = ends(&frame);
                frames.push(frame);
                if is_end {
                    return frames;
                }
            }
        }
    }
}

/// Whether the frame is `executing` with no node: the end of a run.
pub fn is_run_end(frame: &Value) -> bool {
    frame["type"] == "executing" && frame["data"]["node"].is_null()
}
