//! Mutated frames over a live socket, before and after the handshake is done: the hub never ends or
//! panics, and no answer is long.
//!
//! The short form runs with the tests; `scripts/mutate` runs a million.

use crate::harness::draw;
use crate::support::binary::Sandbox;
use crate::support::hub_process::Person;
use crate::support::tcp::{FINAL, Frame, PING, PONG, RawSocket, TEXT, frame};
use std::time::Instant;
use switchboard::ops::frames::FRAMES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Maximum length of an answer to a malformed frame.
const MOST_BYTES: usize = 1024;
/// Frames that are sent before the answers are read.
const AT_ONCE: usize = 500;

const VALUES: &[&str] = &[
    "null",
    "true",
    "-1",
    "0",
    "1",
    "2",
    "9007199254740991",
    "9007199254740992",
    "1e400",
    "1.5",
    "\"\"",
    "\"x\"",
    "\"1\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "\"😀\"",
    "[]",
    "[1]",
    "{}",
    "{\"1\":2}",
    "[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]",
];
const KEYS: &[&str] = &[
    "type",
    "ref",
    "recipient_id",
    "conversation_id",
    "content",
    "client_message_id",
    "reply_to_id",
    "message_id",
    "seq",
    "emoji",
    "on",
    "for",
    "q",
    "before",
    "limit",
    "before_seq",
    "after_seq",
    "epoch",
    "me",
    "conversations",
    "only",
    "is_typing",
    "x",
];

/// A frame of the table with random keys, values and then bytes changed.
fn mutated(state: &mut u64) -> Vec<u8> {
    let mut draw = |below: usize| draw(state, below);
    let mut text = format!(r#"{{"type":"{}","ref":"r""#, FRAMES[draw(FRAMES.len())].kind);
    for _ in 0..draw(5) {
        text.push_str(&format!(r#","{}":{}"#, KEYS[draw(KEYS.len())], VALUES[draw(VALUES.len())]));
    }
    text.push('}');
    let mut bytes = text.into_bytes();
    for _ in 0..draw(4) {
        let at = draw(bytes.len().max(1));
        match draw(4) {
            _ if bytes.is_empty() => {}
            0 => bytes[at] = draw(256) as u8,
            1 => bytes.insert(at, draw(128) as u8),
            2 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// Checks that an error is short.
fn is_brief(answer: &Frame) {
    // An answer to a valid request may be long.
    let is_error = answer.text().is_some_and(|text| text.contains(r#""type":"error""#));
    assert!(!is_error || answer.payload.len() <= MOST_BYTES, "{answer:?}");
}

/// Sends this many frames, some of them broken at the protocol level too. A closed socket is
/// replaced by a new one.
async fn after_login(address: &str, cookie: &str, times: usize, state: &mut u64) -> usize {
    let (mut sent, mut closed) = (0, 0);
    while sent < times {
        let mut socket = RawSocket::open(address, cookie).await;
        'socket: while sent < times {
            let mut batch = Vec::new();
            for _ in 0..AT_ONCE.min(times - sent) {
                let payload = mutated(state);
                let mut bytes = frame(FINAL | TEXT, &payload);
                if draw(state, 2000) == 0 {
                    let at = draw(state, bytes.len());
                    bytes[at] = draw(state, 256) as u8;
                } else if std::str::from_utf8(&payload).is_err() && draw(state, 200) != 0 {
                    // Invalid UTF-8 closes the socket, so only some frames have it.
                    bytes = frame(FINAL | TEXT, String::from_utf8_lossy(&payload).as_bytes());
                }
                batch.extend(bytes);
                sent += 1;
            }
            batch.extend(frame(PING, "end"));
            socket.send(&batch).await;
            loop {
                match socket.next().await {
                    Some(answer) if answer.first == PONG && answer.payload == b"end" => break,
                    Some(answer) if answer.close_code().is_none() => is_brief(&answer),
                    _ => {
                        closed += 1;
                        break 'socket;
                    }
                }
            }
        }
    }
    closed
}

/// Sends the same bytes in place of a handshake, without a login.
async fn before_login(address: &str, times: usize, state: &mut u64) {
    let mut sent = 0;
    while sent < times {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut bytes = match draw(state, 2) {
            0 => format!(
                "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            .into_bytes(),
            _ => Vec::new(),
        };
        for _ in 0..AT_ONCE.min(times - sent) {
            bytes.extend(frame(FINAL | TEXT, mutated(state)));
            sent += 1;
        }
        // The hub may close before it has read everything.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP/1.1 101"), "no handshake succeeds");
        assert!(answer.len() <= MOST_BYTES, "{}", String::from_utf8_lossy(&answer));
    }
}

async fn bombard(times: usize) {
    let sandbox = Sandbox::new()
        .with("FRAME_RATE", "1000000")
        .with("FRAME_BURST", "1000000")
        .with("REQUEST_RATE", "1000000")
        .with("REQUEST_BURST", "1000000")
        .with("RUST_LOG", "error");
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let ann = Person::register(&address, "ann").await;
    Person::register(&address, "bob").await;
    let (mut state, began) = (1, Instant::now());
    before_login(&address, times, &mut state).await;
    let closed = after_login(&address, &ann.cookie, times, &mut state).await;
    println!(
        "{times} frames before a login and {times} after, in {:.0?}; {closed} sockets were closed",
        began.elapsed()
    );
    RawSocket::open(&address, &ann.cookie).await;
    hub.signal("TERM");
    let ended = hub.ended().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(!ended.stderr.contains("ERROR") && !ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[tokio::test]
async fn in_1_mutated_frames_never_crash_the_hub() {
    bombard(5_000).await;
}

#[tokio::test]
#[ignore = "takes minutes: scripts/mutate"]
async fn in_1_a_million_mutated_frames_never_crash_the_hub() {
    let frames = std::env::var("SWITCHBOARD_MUTATED_FRAMES").map(|text| text.parse().unwrap());
    bombard(frames.unwrap_or(1_000_000)).await;
}
