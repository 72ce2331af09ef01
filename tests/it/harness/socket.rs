//! One socket of a user, played by an independent WebSocket client.
//!
//! Frames are kept in the order in which they came until a test asks for them. Presence and private
//! frames (unread counts, changes of the user's own state) are kept apart, so only a test that asks
//! for them by name sees them.

use super::client::{Bystander, Client};
use super::frames::{check_acked, check_server_frame};
use super::user::User;
use super::{DEADLINE, user};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;

pub struct Socket {
    user: User,
    stream: WebSocketStream<TcpStream>,
    /// Frames that came and were not asked for yet.
    waiting: Vec<Value>,
    refs: u32,
    /// The close code, or none for a connection that ended without one.
    closed: Option<Option<u16>>,
}

/// The types of these frames.
pub fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(kind).collect()
}

fn kind(frame: &Value) -> &str {
    frame["type"].as_str().unwrap_or_default()
}

/// Whether a frame is kept apart: presence, private frames, and frames of the protocol below.
fn is_aside(frame: &Value) -> bool {
    matches!(kind(frame), "user_online_status" | "unread_count_update" | "me_update" | "[ping]" | "[pong]")
}

impl Socket {
    pub async fn open(user: &User) -> Self {
        Self::open_at(user, "/ws").await
    }

    /// Opens a socket at another path: with a ticket, or to authenticate with a frame.
    pub async fn open_at(user: &User, path: &str) -> Self {
        Self::open_on(TcpStream::connect(user.address()).await.unwrap(), user, path).await
    }

    /// Opens a socket on a connection with small buffers for unread data.
    pub async fn open_narrow(user: &User) -> Self {
        let tcp = TcpSocket::new_v4().unwrap();
        tcp.set_recv_buffer_size(4096).unwrap();
        Self::open_on(tcp.connect(user.address().parse().unwrap()).await.unwrap(), user, "/ws").await
    }

    async fn open_on(tcp: TcpStream, user: &User, path: &str) -> Self {
        let mut request = format!("ws://{}{path}", user.address()).into_client_request().unwrap();
        for (name, value) in &user.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let (stream, _) = tokio_tungstenite::client_async(request, tcp).await.unwrap();
        Self { user: user.clone(), stream, waiting: Vec::new(), refs: 0, closed: None }
    }

    /// The two frames that every socket begins with.
    pub async fn welcome(&mut self) -> (Value, Value) {
        let welcome = self.next().await;
        assert_eq!((&welcome["type"], &welcome["event"]), (&json!("system"), &json!("welcome")));
        (welcome, self.expect("presence_state").await)
    }

    /// Sends a frame and does not wait for anything.
    pub async fn frame(&mut self, frame: Value) {
        self.text(&frame.to_string()).await;
    }

    pub async fn text(&mut self, text: &str) {
        self.message(Message::text(text)).await;
    }

    /// Sends any frame that the library can make.
    pub async fn message(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Sends the same message this many times, in one piece.
    pub async fn repeat(&mut self, message: &Message, times: usize) {
        for _ in 0..times {
            self.stream.feed(message.clone()).await.unwrap();
        }
        self.stream.flush().await.unwrap();
    }

    /// Sends bytes; returns false when the connection is gone.
    pub async fn try_message(&mut self, message: Message) -> bool {
        self.stream.send(message).await.is_ok()
    }

    /// Sends bytes that no library would send as a frame.
    pub async fn bytes(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).await.unwrap();
    }

    /// Waits until there is something to read.
    pub async fn readable(&mut self) {
        let waiting = tokio::time::timeout(DEADLINE, self.stream.get_mut().readable());
        waiting.await.expect("something comes").unwrap();
    }

    /// Sends a frame with a `ref` and returns the ack or error to it.
    pub async fn call(&mut self, mut frame: Value) -> Value {
        self.refs += 1;
        let reference = json!(format!("r{}", self.refs));
        frame["ref"] = reference.clone();
        self.frame(frame.clone()).await;
        let answer = self.answer_to(&reference).await;
        if answer["type"] == "ack" {
            check_acked(&frame, &answer);
        }
        answer
    }

    /// The answer to the frame with this `ref`.
    pub async fn answer_to(&mut self, reference: &Value) -> Value {
        self.take("the answer", |frame| frame["ref"] == *reference).await
    }

    /// Sends a frame that the hub must accept; returns the ack.
    pub async fn ack(&mut self, frame: Value) -> Value {
        let answer = self.call(frame).await;
        assert_eq!(answer["type"], "ack", "{answer}");
        answer
    }

    /// Sends a frame that the hub must refuse; returns code and message.
    pub async fn refused(&mut self, frame: Value) -> (String, String) {
        let answer = self.call(frame).await;
        assert_eq!(answer["type"], "error", "{answer}");
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        (text("code"), text("message"))
    }

    /// Sends a message and returns it as acknowledged.
    pub async fn send(&mut self, to: &User, content: &str) -> Value {
        let frame = json!({"type": "private_message", "recipient_id": to.id, "content": content});
        self.ack(frame).await["message"].clone()
    }

    pub async fn types(&mut self, to: &User, is_typing: bool) {
        self.ack(json!({"type": "typing_indicator", "recipient_id": to.id, "is_typing": is_typing})).await;
    }

    /// Checks that the socket still answers.
    pub async fn answers(&mut self) {
        assert_eq!(self.call(json!({"type": "ping"})).await["type"], "pong");
    }

    /// The first frame of this type that was not asked for yet.
    pub async fn expect(&mut self, expected: &str) -> Value {
        self.take(expected, |frame| kind(frame) == expected).await
    }

    /// The first frame of any type that was not asked for yet.
    pub async fn next(&mut self) -> Value {
        self.take("any frame", |frame| !is_aside(frame)).await
    }

    /// The next presence frame about this user.
    pub async fn presence_of(&mut self, other: &User) -> bool {
        let id = json!(other.id);
        let is_wanted = |frame: &Value| kind(frame) == "user_online_status" && frame["user_id"] == id;
        self.take("presence", is_wanted).await["is_online"].as_bool().unwrap()
    }

    /// Every frame that came and was not asked for, without those kept apart.
    pub async fn arrived(&mut self) -> Vec<Value> {
        self.fence().await;
        self.waiting.drain(..).filter(|frame| !is_aside(frame)).collect()
    }

    /// Every frame that came before this message, and the message.
    pub async fn until_message(&mut self, content: &str) -> Vec<Value> {
        let at = self.wait_for("the message", |frame| frame["message"]["content"] == content).await;
        self.waiting.drain(..=at).collect()
    }

    /// The frames that came before the close and were not asked for.
    pub fn take_arrived(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.waiting)
    }

    /// Every frame that came and was not asked for, including those kept apart.
    pub async fn all_arrived(&mut self) -> Vec<Value> {
        self.fence().await;
        std::mem::take(&mut self.waiting)
    }

    /// Every frame that came and was not asked for until the hub answered a ping. Earlier effects
    /// are included, because the hub delivers them before it answers.
    pub async fn received(&mut self) -> Vec<Value> {
        self.answers().await;
        std::mem::take(&mut self.waiting)
    }

    /// Checks that no frame came that was not asked for, except those kept apart.
    pub async fn expect_silence(&mut self) {
        let arrived = self.arrived().await;
        assert!(arrived.is_empty(), "{} should receive no frames: {arrived:#?}", self.user.name);
    }

    /// The presence frames about any user that were not asked for yet.
    pub async fn presence_arrived(&mut self) -> Vec<(i64, bool)> {
        self.fence().await;
        let fence = json!(bystander(&self.user).await.id);
        let frames = self.waiting.extract_if(.., |frame| kind(frame) == "user_online_status");
        let frames = frames.filter(|frame| frame["user_id"] != fence);
        frames.map(|frame| (frame["user_id"].as_i64().unwrap(), frame["is_online"].as_bool().unwrap())).collect()
    }

    /// Fence: has the hub send this socket a frame through the writer and the hub, as everything
    /// else goes. When the frame is here, everything sent before is here. The first part is a
    /// presence frame about the bystander. The second is a change of the user's own state, and its
    /// number tells it from the fences of their other sockets.
    async fn fence(&mut self) {
        let bystander = bystander(&self.user).await;
        let they = self.user.without("authorization").with("cookie", &bystander.cookie);
        for (who, whom) in [(&they, self.user.id), (&*self.user, bystander.id)] {
            let path = format!("/api/contacts/{whom}");
            for call in ["PUT", "DELETE"] {
                who.call(call, &path).await.is(204);
            }
        }
        let number = self.user.post("/api/sync", json!({"only": true})).await.ok()["me"].clone();
        self.wait_for("the fence", |frame| kind(frame) == "me_update" && frame["me"] == number).await;
        let is_wanted = |frame: &Value| kind(frame) == "user_online_status" && frame["user_id"] == bystander.id;
        self.take("the bystander's presence", is_wanted).await;
    }

    /// The code with which the hub closes this socket; none when the connection ends without one.
    pub async fn closed(&mut self) -> Option<u16> {
        while self.closed.is_none() {
            self.read("a close").await;
        }
        self.closed.flatten()
    }

    /// Reads to the end: the code as above, and the frames before it.
    pub async fn ended(mut self) -> (Option<u16>, Vec<Value>) {
        let code = self.closed().await;
        (code, self.waiting)
    }

    /// The types of the frames that came before the close and were not asked for, without those
    /// kept apart.
    pub fn left_behind(&self) -> Vec<&str> {
        self.waiting.iter().filter(|frame| !is_aside(frame)).map(kind).collect()
    }

    /// Reads at most this many bytes from the connection, bypassing the library; none when there
    /// are no more.
    pub async fn sip(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let reading = tokio::time::timeout(DEADLINE, self.stream.get_mut().read(&mut bytes)).await;
        bytes.truncate(reading.expect("there is something to read").unwrap_or(0));
        bytes
    }

    /// Everything on the connection until it ends, for a client that does not read meanwhile:
    /// reading would answer pings.
    pub async fn unread(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let reading = tokio::time::timeout(DEADLINE, self.stream.get_mut().read_to_end(&mut bytes));
        assert!(reading.await.is_ok(), "the hub ends the connection");
        bytes
    }

    /// Sends a close frame, and waits for the other side's.
    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        self.closed().await;
    }

    async fn take(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let at = self.wait_for(what, is_it).await;
        self.waiting.remove(at)
    }

    /// Reads until such a frame is among those that wait, and returns its place.
    async fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> usize {
        loop {
            if let Some(at) = self.waiting.iter().position(&is_it) {
                return at;
            }
            if let Some(code) = self.closed {
                panic!("closed with {code:?} before {what} arrived; unread: {:#?}", self.waiting);
            }
            self.read(what).await;
        }
    }

    /// Reads one frame from the connection.
    async fn read(&mut self, what: &str) {
        let Ok(received) = tokio::time::timeout(DEADLINE, self.stream.next()).await else {
            panic!("{} timed out waiting for {what}; unread: {:#?}", self.user.name, self.waiting);
        };
        match received {
            Some(Ok(Message::Text(text))) => self.waiting.push(checked(&text)),
            Some(Ok(Message::Ping(_))) => self.waiting.push(json!({"type": "[ping]"})),
            Some(Ok(Message::Pong(payload))) => {
                self.waiting.push(json!({"type": "[pong]", "payload": String::from_utf8_lossy(&payload)}));
            }
            Some(Ok(Message::Close(reason))) => self.closed = Some(reason.map(|reason| reason.code.into())),
            Some(Ok(other)) => panic!("the hub sends text frames only: {other:?}"),
            Some(Err(_)) | None => self.closed = Some(None),
        }
    }
}

/// Checks that a frame of the server is described.
fn checked(text: &str) -> Value {
    let frame: Value = serde_json::from_str(text).unwrap();
    check_server_frame(&frame);
    frame
}

async fn bystander(client: &Client) -> Bystander {
    let registered = async || {
        let user = user::register(&client.without("cookie").without("authorization"), "bystander").await;
        Bystander { id: user.id, cookie: user.cookie().to_owned() }
    };
    client.bystander.get_or_init(registered).await.clone()
}
