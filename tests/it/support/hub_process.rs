//! A user with an account on a hub that runs as a process, with the few calls that tests of the
//! process itself need.

use futures_util::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const DEADLINE: Duration = Duration::from_secs(60);

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[derive(Clone)]
pub struct Person {
    pub id: i64,
    name: String,
    /// The login's cookies, as a `Cookie` header has them.
    pub cookie: String,
}

impl Person {
    pub async fn register(address: &str, username: &str) -> Self {
        Self::authenticate(address, "register", username).await
    }

    /// The same user with another login.
    pub async fn log_in(&self, address: &str) -> Self {
        Self::authenticate(address, "login", &self.name).await
    }

    async fn authenticate(address: &str, call: &str, username: &str) -> Self {
        let body = json!({"username": username, "password": "correct horse battery"});
        let url = format!("http://{address}/api/auth/{call}");
        let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{call} {username}: {}", answer.status());
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let body: Value = answer.json().await.unwrap();
        Self { id: body["user"]["id"].as_i64().unwrap(), name: username.to_owned(), cookie }
    }

    /// Opens a connection; none when nothing listens there.
    pub async fn connect(&self, address: &str) -> Option<Socket> {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        request.headers_mut().insert("cookie", HeaderValue::from_str(&self.cookie).unwrap());
        connect_async(request).await.ok().map(|(socket, _)| socket)
    }
}

/// The code with which the hub closes a socket.
pub async fn close_code(mut socket: Socket) -> Option<u16> {
    let closing = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                end => panic!("the socket ended without a close frame: {end:?}"),
            }
        }
    };
    timeout(DEADLINE, closing).await.expect("the hub closes the socket")
}
