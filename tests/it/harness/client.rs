//! A client that sends requests, with a cookie, with a token or without credentials. Each request
//! has a TCP connection of its own, so none lingers when the hub is asked to stop.

use super::DEADLINE;
use super::reply::Reply;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    port: Arc<AtomicU16>,
    /// Headers sent with every request and handshake.
    pub(super) headers: HeaderMap,
    /// A user that no test relates to, for the fences of `Socket`.
    pub(super) bystander: Arc<OnceCell<Bystander>>,
}

/// See [`Client::bystander`].
#[derive(Clone)]
pub struct Bystander {
    pub id: i64,
    pub cookie: String,
}

impl Client {
    /// The same client at the hub's current port.
    pub fn new(port: Arc<AtomicU16>, public_url: Option<&str>) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let client = Self { http, port, headers: HeaderMap::new(), bystander: Arc::default() };
        match public_url.and_then(|url| url.split_once("://")) {
            Some((_, host)) => client.with("host", host),
            None => client,
        }
    }

    /// The same client with one more header.
    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        client
    }

    /// The same client without this header.
    pub fn without(&self, name: &str) -> Self {
        let mut client = self.clone();
        client.headers.remove(name);
        client
    }

    /// The same client with its cookie replaced by an access token.
    pub fn with_token(&self, token: &str) -> Self {
        let mut client = self.with("authorization", &format!("Bearer {token}"));
        client.headers.remove("cookie");
        client
    }

    /// The same client, asking the hub at another port.
    pub(super) fn at_port(&self, port: &Arc<AtomicU16>) -> Self {
        Self { port: Arc::clone(port), ..self.clone() }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.load(Ordering::SeqCst))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address())).headers(self.headers.clone())
    }

    async fn answer(&self, request: RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, body: response.text().await.unwrap() }
    }

    /// Number of open sockets, as `/health` reports it, also while the database is slow; none when
    /// no hub runs.
    pub async fn connections(&self) -> Option<u64> {
        let websocket = self.get("/health").await.json()["services"]["websocket"].clone();
        if websocket["status"] == "active" { websocket["connections"].as_u64() } else { None }
    }

    /// Whether one more socket may be opened: without a WebSocket to open, the hub refuses after it
    /// has found a slot.
    pub async fn has_a_slot(&self) -> bool {
        self.get("/ws").await.status == 426
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path).await
    }

    pub async fn put(&self, path: &str) -> Reply {
        self.call("PUT", path).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.call("DELETE", path).await
    }

    /// Sends a request of any method, without a body.
    pub async fn call(&self, method: &str, path: &str) -> Reply {
        self.answer(self.request(method.parse().unwrap(), path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.post_text(path, "application/json", body.to_string()).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.text(Method::PATCH, path, "application/json", body.to_string()).await
    }

    /// Sends a request of any method, with a body.
    pub async fn call_with(&self, method: &str, path: &str, body: Value) -> Reply {
        self.text(method.parse().unwrap(), path, "application/json", body.to_string()).await
    }

    /// Sends a body exactly as given, with this content type.
    pub async fn post_text(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Reply {
        self.text(Method::POST, path, content_type, body).await
    }

    pub async fn text(&self, method: Method, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Reply {
        self.answer(self.request(method, path).header(CONTENT_TYPE, content_type).body(body)).await
    }

    /// Sends a handshake that the hub is expected to refuse.
    pub async fn handshake(&self) -> Reply {
        self.handshake_at("/ws").await
    }

    pub async fn handshake_at(&self, path: &str) -> Reply {
        let request = self
            .request(Method::GET, path)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        self.answer(request).await
    }

    /// Sends exactly these bytes as the request, which HTTP libraries would refuse to send. Returns
    /// everything the hub sends until it closes the connection.
    pub async fn raw(&self, request: &str) -> String {
        self.raw_until(request, |_| false).await
    }

    /// The same, but returns only the head of the answer.
    pub async fn raw_head(&self, request: &str) -> String {
        self.raw_until(request, |answer| answer.windows(4).any(|end| end == b"\r\n\r\n")).await
    }

    async fn raw_until(&self, request: &str, is_enough: impl Fn(&[u8]) -> bool) -> String {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let reading = async { while !is_enough(&answer) && stream.read_buf(&mut answer).await.unwrap() > 0 {} };
        let is_whole = tokio::time::timeout(DEADLINE, reading).await.is_ok();
        // Frames may follow the head.
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(is_whole, "an answer that ends: {answer}");
        answer
    }
}
