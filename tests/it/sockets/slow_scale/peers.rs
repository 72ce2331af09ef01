//! The participants: users who write at a steady pace, users who flood, and sockets that nobody
//! reads.

use super::{FLOODERS, MESSAGES, WRITE_EVERY};
use crate::support::hub_process::{Person, Socket};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

/// A connection with small buffers for unread data.
pub async fn narrow(address: &str) -> TcpStream {
    let tcp = TcpSocket::new_v4().unwrap();
    tcp.set_recv_buffer_size(4096).unwrap();
    tcp.connect(address.parse().unwrap()).await.unwrap()
}

pub fn handshake(address: &str, person: &Person) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        person.cookie
    )
}

/// A socket that has received its welcome, and reads no more. Opening counts as several requests of
/// a login, so a login that has opened many is told to retry in a second.
pub async fn stopped(address: &str, person: &Person) -> TcpStream {
    for _ in 0..60 {
        let mut stream = narrow(address).await;
        stream.write_all(handshake(address, person).as_bytes()).await.unwrap();
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains("presence_state") && !read.starts_with(b"HTTP/1.1 429 ") {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "{}", String::from_utf8_lossy(&read));
        }
        if !read.starts_with(b"HTTP/1.1 429 ") {
            return stream;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("user {} opens no socket for a minute", person.id)
}

pub async fn people<const N: usize>(address: &str, kind: &str) -> Vec<Person> {
    let mut people = Vec::with_capacity(N);
    for number in 0..N {
        people.push(Person::register(address, &format!("{kind}{number}")).await);
    }
    people
}

/// Writes to another user at a steady pace, and records the time from each message to its ack.
pub async fn write_on(
    mut socket: Socket,
    to: i64,
    is_over: Arc<AtomicBool>,
    times: Arc<Mutex<Vec<(Instant, Duration)>>>,
) {
    let mut turns = tokio::time::interval(WRITE_EVERY);
    while !is_over.load(Ordering::Relaxed) {
        turns.tick().await;
        let began = Instant::now();
        send(&mut socket, to, "how are you?").await;
        times.lock().unwrap().push((began, began.elapsed()));
    }
}

/// Waits until it is acknowledged.
pub async fn send(socket: &mut Socket, to: i64, content: &str) {
    let frame = json!({"type": "private_message", "ref": "it", "recipient_id": to, "content": content});
    loop {
        socket.send(Message::text(frame.to_string())).await.unwrap();
        let answer = loop {
            let message = socket.next().await.unwrap().unwrap();
            if let Message::Text(text) = message
                && text.contains(r#""ref":"it""#)
            {
                break serde_json::from_str::<Value>(&text).unwrap();
            }
        };
        match answer["retry_in_ms"].as_u64() {
            // This sleeps for the time that the hub asked for; it does not wait for an event.
            Some(wait) => tokio::time::sleep(Duration::from_millis(wait + 1)).await,
            None if answer["type"] == "ack" => return,
            None => panic!("{answer}"),
        }
    }
}

/// Sends everybody in `to` all the messages. Returns when the first message to each was sent.
pub async fn flood(flooders: Vec<Socket>, to: Vec<i64>) -> Vec<(i64, Instant)> {
    let mut flooding = JoinSet::new();
    for (number, mut socket) in flooders.into_iter().enumerate() {
        let to: Vec<i64> = to.iter().copied().skip(number).step_by(FLOODERS).collect();
        flooding.spawn(async move {
            let mut began = Vec::new();
            for id in to {
                began.push((id, Instant::now()));
                for number in 0..MESSAGES {
                    send(&mut socket, id, &format!("{number} {}", "🦀".repeat(950))).await;
                }
            }
            began
        });
    }
    flooding.join_all().await.into_iter().flatten().collect()
}
