//! Frames that no WebSocket library sends, which break the protocol or its limits, byte by byte,
//! and the hub's reaction to them.

use crate::harness::{Kind, TestHub, User, any_database, both_databases, run};
use crate::support::tcp::{
    BINARY, CLOSE, CONTINUATION, FINAL, Frame, PING, PONG, RawSocket, TEXT, close, frame, header,
};
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::timeout;

const LIMIT: usize = 65_536;
/// Maximum time from the bad frame to the end of the connection. The hub takes under a millisecond;
/// the rest is for busy machines.
const PROMPTLY: Duration = Duration::from_millis(100);
/// The time after which a frame counts as not answered.
const PATIENCE: Duration = Duration::from_secs(10);

impl RawSocket {
    /// A socket that has received its greeting.
    async fn of(user: &User) -> Self {
        let mut socket = Self::open(&user.address(), user.cookie()).await;
        socket.welcomed().await;
        socket
    }

    async fn welcomed(&mut self) {
        self.json("system").await;
        self.json("presence_state").await;
    }

    /// The next frame, which must be of this type.
    async fn json(&mut self, kind: &str) -> Value {
        let frame = self.next().await.unwrap_or_else(|| panic!("{kind}, not the end"));
        let json: Value = serde_json::from_str(frame.text().unwrap_or_else(|| panic!("{kind}: {frame:?}"))).unwrap();
        assert_eq!(json["type"], kind, "{json}");
        json
    }

    /// Expects one close frame with this code, then nothing more.
    async fn is_closed(&mut self, code: u16, what: &str) {
        let frames = self.rest().await;
        let codes: Vec<_> = frames.iter().map(Frame::close_code).collect();
        assert_eq!(codes, [Some(code)], "{what}: {frames:?}");
    }
}

/// A text frame that the hub answers with a `pong`.
fn ping(reference: &str) -> String {
    json!({"type": "ping", "ref": reference}).to_string()
}

both_databases!(the_handshake_response_and_the_greeting_share_one_packet);
async fn the_handshake_response_and_the_greeting_share_one_packet(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut socket = RawSocket::open(&ann.address(), ann.cookie()).await;
    assert_eq!(socket.arrived(), 2);
    socket.welcomed().await;
}

/// Frames that are held back for longer than the outbox age do not count as late.
#[test]
fn a_handshake_is_answered_even_if_the_greeting_fails_later() {
    run(Kind::Postgres, &[("OUTBOX_AGE", "1s")], async |hub: &mut TestHub| {
        let [ann] = hub.users(["ann"]).await;
        // The arrival of the first socket is being written meanwhile, or cannot be.
        let _unwritten = hub.excuse_errors("canceling statement due to lock timeout");
        let mut others = hub.database.postgres();
        // The session start reads this table and the handshake does not; the hub waits for it for
        // two seconds.
        others.batch_execute("BEGIN; LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE").unwrap();
        let mut socket = RawSocket::open(&ann.address(), ann.cookie()).await;
        assert_eq!(socket.json("error").await["code"], "unavailable");
        socket.is_closed(1012, "without a greeting").await;
        others.batch_execute("COMMIT").unwrap();
        RawSocket::of(&ann).await;
    });
}

any_database!(complete_frames_before_a_bad_one_are_answered);
async fn complete_frames_before_a_bad_one_are_answered(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let send = json!({"type": "private_message", "ref": "2", "recipient_id": bob.id, "content": "hi"}).to_string();
    let mut socket = RawSocket::of(&ann).await;
    let one_packet = [frame(FINAL | TEXT, ping("1")), frame(FINAL | TEXT, send), frame(0xc1, "")].concat();
    socket.send(one_packet).await;
    assert_eq!(socket.json("pong").await["ref"], "1");
    let rest = socket.rest().await;
    assert!(rest.iter().filter_map(Frame::text).any(|text| text.contains(r#""type":"ack","ref":"2""#)), "{rest:?}");
    assert_eq!(rest.last().and_then(Frame::close_code), Some(1002));
}

/// Protocol violations, each with the close code it must get.
fn bad_frames() -> Vec<(String, Vec<u8>, u16)> {
    let mut table = Vec::new();
    let mut add = |code: u16, what: &str, bytes: &[&[u8]]| table.push((what.to_owned(), bytes.concat(), code));
    for bit in [0x40, 0x20, 0x10, 0x70] {
        for first in [FINAL | TEXT, TEXT, FINAL | BINARY, PING, PONG, CLOSE] {
            add(1002, &format!("reserved bits {bit:#x} with {first:#x}"), &[&frame(bit | first, "")]);
        }
        add(1002, "a reserved bit with a fragment", &[&frame(TEXT, "{"), &frame(bit | FINAL, "}")]);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in ["", "{}"] {
            add(1002, &format!("opcode {opcode} with {payload:?}"), &[&frame(FINAL | opcode, payload)]);
        }
        add(1002, &format!("opcode {opcode} in fragments"), &[&frame(opcode, "")]);
    }
    for first in [FINAL | TEXT, TEXT, FINAL, PING, PONG, CLOSE] {
        add(1002, &format!("{first:#x} without a mask"), &[&[first, 2], b"{}"]);
        add(1002, &format!("{first:#x} that declares 2^63 bytes"), &[&header(first, 1 << 63)]);
    }
    for first in [PING, PONG, CLOSE] {
        add(1002, &format!("{first:#x} in fragments"), &[&frame(first & !FINAL, "")]);
        for length in [126, 127, 65_535, 65_536, 1 << 40] {
            add(1002, &format!("{first:#x} that declares {length} bytes"), &[&header(first, length)]);
        }
        add(1002, &format!("{first:#x} whose length takes more bytes than it needs"), &[&[first, 0xfe, 0, 2]]);
    }
    for opcode in [TEXT, BINARY] {
        let within = frame(FINAL | opcode, "}");
        add(1002, &format!("opcode {opcode} within a text"), &[&frame(TEXT, "{"), &within]);
    }
    for first in [FINAL | CONTINUATION, CONTINUATION] {
        add(1002, &format!("a continuation without a start, {first:#x}"), &[&frame(first, "{}")]);
    }
    add(1002, "a short length in two bytes", &[&[0x81, 0xfe, 0, 2, 1, 2, 3, 4], b"{}"]);
    add(1002, "a short length in eight bytes", &[&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4]]);
    for payload in ["", "{}"] {
        add(1003, "a binary frame", &[&frame(FINAL | BINARY, payload)]);
        add(1003, "a binary fragment", &[&frame(BINARY, payload)]);
    }
    for text in
        [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"{\"type\":\"ping\xfe\"}"]
    {
        add(1007, &format!("text of {text:02x?}"), &[&frame(FINAL | TEXT, text)]);
        add(1007, &format!("text of {text:02x?} in fragments"), &[&frame(TEXT, "{"), &frame(FINAL, text)]);
        add(1002, &format!("a close with {text:02x?}"), &[&frame(CLOSE, [b"\x03\xe8", text].concat())]);
    }
    add(1002, "a close of one byte", &[&frame(CLOSE, [3])]);
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 0xffff] {
        add(1002, &format!("a close with code {code}"), &[&close(code)]);
    }
    for length in [LIMIT as u64 + 1, 1 << 20, 1 << 40, i64::MAX as u64] {
        for first in [FINAL | TEXT, TEXT] {
            add(1009, &format!("{first:#x} that declares {length} bytes"), &[&header(first, length)]);
        }
        add(1009, "a fragment that would be over", &[&frame(TEXT, "{"), &header(FINAL, length - 1)]);
    }
    let empty = frame(CONTINUATION, "");
    add(1009, "an endless empty message", &[&frame(TEXT, ""), &empty.repeat(64)]);
    table
}

any_database!(every_bad_frame_gets_one_close_frame_and_disconnects);
async fn every_bad_frame_gets_one_close_frame_and_disconnects(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut times = Vec::new();
    let mut wrong = Vec::new();
    for (what, bytes, code) in bad_frames() {
        let mut socket = RawSocket::of(&ann).await;
        let began_at = Instant::now();
        // The hub ignores the bytes that follow.
        socket.send([&bytes[..], &frame(FINAL | TEXT, ping("after"))].concat()).await;
        let answer = timeout(PATIENCE, socket.rest()).await;
        times.push(began_at.elapsed());
        if answer.as_ref().is_ok_and(|frames| frames.iter().map(Frame::close_code).eq([Some(code)])) {
            continue;
        }
        wrong.push(format!("{what}: {answer:?}, not {code}"));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    times.sort();
    assert!(times[times.len() / 2] < PROMPTLY, "{times:?}");
}

any_database!(a_close_frame_is_answered_with_its_code);
async fn a_close_frame_is_answered_with_its_code(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let mut socket = RawSocket::of(&ann).await;
        let mut payload = u16::to_be_bytes(code).to_vec();
        payload.resize(125, b'x');
        socket.send([frame(CLOSE, payload), frame(FINAL | TEXT, ping("after"))].concat()).await;
        socket.is_closed(code, "a close with a reason").await;
        let mut socket = RawSocket::of(&ann).await;
        socket.send(close(code)).await;
        socket.is_closed(code, "a close without a reason").await;
    }
    let mut socket = RawSocket::of(&ann).await;
    socket.send(frame(CLOSE, "")).await;
    assert_eq!(socket.rest().await, [Frame { first: CLOSE, payload: Vec::new() }], "no code for none");
}

/// The message in this many fragments, all but the last of them of one size.
fn in_fragments(text: &str, count: usize) -> Vec<u8> {
    let size = text.len() / count;
    let mut bytes = Vec::new();
    for number in 0..count {
        let first = if number == 0 { TEXT } else { CONTINUATION };
        let (end, last) = if number + 1 == count { (text.len(), FINAL) } else { (size * (number + 1), 0) };
        bytes.extend(frame(first | last, &text[size * number..end]));
    }
    bytes
}

any_database!(a_message_has_at_most_64_fragments_and_64_kib);
async fn a_message_has_at_most_64_fragments_and_64_kib(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let padded = |length: usize| ping(&"x".repeat(64)).replace('{', &format!("{{{}", " ".repeat(length)));
    let short = ping("1").len();
    let whole = padded(LIMIT - padded(0).len());
    assert_eq!(whole.len(), LIMIT);
    for count in [1, 2, 3, 63, 64] {
        let mut socket = RawSocket::of(&ann).await;
        socket.send(in_fragments(&whole, count)).await;
        socket.json("pong").await;
        socket.send(in_fragments(&ping("1"), count.min(short))).await;
        socket.json("pong").await;
        socket.send(in_fragments(&format!("{whole} "), count)).await;
        socket.is_closed(1009, &format!("a byte too many in {count} fragments")).await;
    }
    let mut socket = RawSocket::of(&ann).await;
    socket.send(in_fragments(&padded(100), 65)).await;
    socket.is_closed(1009, "65 fragments").await;
}

any_database!(floods_of_empty_fragments_are_cut_off, FRAME_RATE = "50", FRAME_BURST = "100");
async fn floods_of_empty_fragments_are_cut_off(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let message = [frame(TEXT, ""), frame(CONTINUATION, "").repeat(62), frame(FINAL, "")].concat();
    for (what, bytes, code) in [
        ("one message", frame(CONTINUATION, "").repeat(1000), 1009),
        ("messages of 64", message.repeat(16), 4029),
        ("pings", frame(PING, "").repeat(1000), 4029),
        ("pongs", frame(PONG, "").repeat(1000), 4029),
    ] {
        let mut socket = RawSocket::of(&ann).await;
        if code == 1009 {
            socket.send(frame(TEXT, "")).await;
        }
        let frames = socket.flood(&bytes, 100).await;
        assert_eq!(frames.last().and_then(Frame::close_code), Some(code), "{what}");
        assert!(frames.len() < 500, "{what}: {} frames", frames.len());
    }
    let mut other = RawSocket::of(&ann).await;
    other.send(frame(FINAL | TEXT, ping("1"))).await;
    other.json("pong").await;
}

any_database!(frames_in_the_handshake_packet_are_read);
async fn frames_in_the_handshake_packet_are_read(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let early = [frame(FINAL | TEXT, ping("1")), in_fragments(&ping("2"), 3), close(1000)].concat();
    let mut socket = RawSocket::open_with(&ann.address(), ann.cookie(), &early).await;
    let frames = socket.rest().await;
    let answered = frames.iter().filter_map(Frame::text).filter(|text| text.contains(r#""type":"pong""#));
    assert_eq!(answered.count(), 2, "{frames:?}");
    assert_eq!(frames.last().and_then(Frame::close_code), Some(1000));
}

any_database!(a_message_must_arrive_within_ten_seconds);
async fn a_message_must_arrive_within_ten_seconds(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let fragments = in_fragments(&ping("1"), 20);
    let (start, rest) = fragments.split_at(frame(TEXT, "{").len());
    let long = frame(FINAL | TEXT, " ".repeat(1000));
    // Neither more fragments nor a sign of life extends the deadline.
    let sips: [(&[u8], Vec<u8>); 3] =
        [(start, rest.to_vec()), (&long[..7], long[7..].to_vec()), (start, frame(PING, "").repeat(100))];
    let cut = sips.map(async |(start, sips)| {
        let mut socket = RawSocket::of(&ann).await;
        let began_at = Instant::now();
        socket.send(start).await;
        let frames = socket.push(sips.chunks(6).take(8), Duration::from_secs(1)).await;
        assert_eq!(frames.last().and_then(Frame::close_code), Some(1009), "{frames:?}");
        // The deadline would be eight seconds later, if the last fragment restarted it.
        let took = began_at.elapsed();
        assert!((Duration::from_secs(10)..Duration::from_secs(18)).contains(&took), "{took:?}");
    });
    futures_util::future::join_all(cut).await;
}

any_database!(a_message_after_a_slowly_read_answer_gets_its_full_time, OUTBOX_AGE = "1m");
async fn a_message_after_a_slowly_read_answer_gets_its_full_time(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    for _ in 0..200 {
        ann.send_rest(&bob, &"😀".repeat(1000)).await;
    }
    let history = json!({"type": "load_history", "ref": "1", "recipient_id": bob.id, "limit": 200}).to_string();
    let next = frame(FINAL | TEXT, ping("2"));
    let (begin, rest) = next.split_at(10);
    let mut socket = RawSocket::with_small_buffer(&ann.address(), ann.cookie()).await;
    socket.welcomed().await;
    socket.send([&frame(FINAL | TEXT, history), begin].concat()).await;
    // This is longer than a message may take.
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(socket.json("ack").await["ref"], "1");
    tokio::time::sleep(Duration::from_millis(100)).await;
    socket.send(rest).await;
    assert_eq!(socket.json("pong").await["ref"], "2");
}
