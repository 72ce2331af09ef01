//! What no WebSocket library sends: frames that break the protocol or its
//! bounds, byte by byte, and what the hub makes of them.

use crate::harness::{TestHub, User, any_database};
use crate::raw::{BINARY, CLOSE, CONTINUATION, FINAL, Frame, PING, PONG, RawSocket, TEXT, close, frame, header};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LIMIT: usize = 65_536;
/// From the bad frame to the end of the connection. What it takes is under a
/// millisecond; the rest is for machines that do other things besides.
const PROMPTLY: Duration = Duration::from_millis(100);

impl RawSocket {
    /// A socket that has had its greeting.
    async fn of(user: &User) -> Self {
        let mut socket = Self::open(&user.address(), user.cookie()).await;
        socket.welcomed().await;
        socket
    }

    async fn welcomed(&mut self) {
        self.json("system").await;
        self.json("presence_state").await;
    }

    /// The next frame, which has to be of this type.
    async fn json(&mut self, kind: &str) -> Value {
        let frame = self.next().await.unwrap_or_else(|| panic!("{kind}, not the end"));
        let json: Value = serde_json::from_str(frame.text().unwrap_or_else(|| panic!("{kind}: {frame:?}"))).unwrap();
        assert_eq!(json["type"], kind, "{json}");
        json
    }

    /// One close frame with this code, then nothing more.
    async fn is_closed(&mut self, code: u16, what: &str) {
        let frames = self.to_the_end().await;
        let codes: Vec<_> = frames.iter().map(Frame::close_code).collect();
        assert_eq!(codes, [Some(code)], "{what}: {frames:?}");
    }
}

/// A text frame that the hub answers with a `pong`.
fn ping(reference: &str) -> String {
    json!({"type": "ping", "ref": reference}).to_string()
}

any_database!(what_came_whole_before_a_bad_frame_is_answered);
async fn what_came_whole_before_a_bad_frame_is_answered(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let send = json!({"type": "private_message", "ref": "2", "recipient_id": bob.id, "content": "hi"}).to_string();
    let mut socket = RawSocket::of(&ann).await;
    let one_packet = [frame(FINAL | TEXT, ping("1")), frame(FINAL | TEXT, send), frame(0xc1, "")].concat();
    socket.send(one_packet).await;
    assert_eq!(socket.json("pong").await["ref"], "1");
    let rest = socket.to_the_end().await;
    assert!(rest.iter().filter_map(Frame::text).any(|text| text.contains(r#""type":"ack","ref":"2""#)), "{rest:?}");
    assert_eq!(rest.last().and_then(Frame::close_code), Some(1002));
}
