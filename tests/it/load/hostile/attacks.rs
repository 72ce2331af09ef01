//! The attacks of an account on the service of others. Each runs until the round is over, as fast
//! as the hub allows, and ignores `Retry-After`.

use super::crowd::Guest;
use futures_util::future::{BoxFuture, join_all};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

pub struct Attack {
    /// The name of the attack, after the number of attackers.
    pub name: &'static str,
    pub run: fn(Guest, Arc<AtomicBool>) -> BoxFuture<'static, ()>,
}

/// The attacks, in this order.
pub const ATTACKS: &[Attack] = &[
    Attack { name: "make groups of the same people", run: |guest, over| Box::pin(make_groups(guest, over)) },
    Attack { name: "count unread messages", run: |guest, over| Box::pin(read(guest, over, COUNTS)) },
    Attack { name: "search for frequent words", run: |guest, over| Box::pin(read(guest, over, SEARCHES)) },
    Attack { name: "ask for large answers and read none", run: |guest, over| Box::pin(ask_unread(guest, over)) },
    Attack { name: "log in with right and wrong passwords", run: |guest, over| Box::pin(log_in(guest, over)) },
    Attack { name: "hold idle connections", run: |guest, over| Box::pin(stay_idle(guest, over)) },
    Attack { name: "send refused messages", run: |guest, over| Box::pin(be_refused(guest, over)) },
    Attack { name: "connect again and again", run: |guest, over| Box::pin(reconnect(guest, over)) },
];

/// Concurrent requests of one account.
const AT_ONCE: usize = 16;
const COUNTS: &[&str] = &["/api/unread", "/api/conversations"];
const SEARCHES: &[&str] = &[
    "/api/search?q=everywhere%20always%20nowhere",
    "/api/search?q=everywhere%20always",
    "/api/search?q=%22always%20everywhere%22",
];
/// Sockets of one account that send requests and do not read, as many as it may have.
const UNREAD_SOCKETS: usize = 32;
/// Idle connections of one account.
const IDLE: usize = 200;
/// Requests sent in one piece.
const PIPELINED: usize = 200;

/// Runs this many copies side by side until the round is over.
async fn side_by_side<F: Future<Output = ()>>(count: usize, is_over: &AtomicBool, mut work: impl FnMut(usize) -> F) {
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        join_all((0..count).map(|_| {
            number += 1;
            work(number)
        }))
        .await;
    }
}

async fn until(is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(50)).await;
    }
}

/// Sends a request; an answer, or its absence, does not matter.
async fn ask(request: reqwest::RequestBuilder) {
    if let Ok(Ok(answer)) = timeout(Duration::from_secs(10), request.send()).await {
        let _ = answer.bytes().await;
    }
}

async fn make_groups(guest: Guest, is_over: Arc<AtomicBool>) {
    let body = json!({"title": "Again", "participant_ids": guest.victims});
    side_by_side(AT_ONCE, &is_over, |_| ask(guest.request("POST", "/api/conversations").json(&body))).await;
}

async fn read(guest: Guest, is_over: Arc<AtomicBool>, paths: &[&str]) {
    side_by_side(2 * AT_ONCE, &is_over, |number| ask(guest.request("GET", paths[number % paths.len()]))).await;
}

/// Sends one frame for each socket and turn, with an answer of up to 1 MiB.
async fn ask_unread(guest: Guest, is_over: Arc<AtomicBool>) {
    let mut sockets = Vec::new();
    let sync = json!({"type": "sync", "ref": "all", "conversations": {}});
    let history = json!({"type": "load_history", "ref": "some", "conversation_id": 1, "limit": 200});
    while !is_over.load(Ordering::Relaxed) {
        if sockets.len() < UNREAD_SOCKETS
            && let Ok(socket) = guest.connect().await
        {
            sockets.push(socket);
        }
        for socket in &mut sockets {
            for frame in [&sync, &history] {
                // A socket that was cut off accepts no more frames.
                let _ = timeout(Duration::from_millis(50), socket.send(Message::text(frame.to_string()))).await;
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn log_in(guest: Guest, is_over: Arc<AtomicBool>) {
    side_by_side(AT_ONCE, &is_over, |number| {
        ask(if number % 2 == 0 { guest.log_in_well() } else { guest.log_in("a wrong password") })
    })
    .await;
}

/// Some connections begin a request and do not end it, the others stay silent.
async fn stay_idle(guest: Guest, is_over: Arc<AtomicBool>) {
    let mut connections = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        if connections.len() < IDLE {
            // They bypass the proxy, so that the hub sees the peer's address.
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            if let Ok(mut stream) = socket.connect(guest.address.parse().unwrap()).await {
                if connections.len() % 2 == 0 {
                    let _ = stream.write_all(b"GET /api/auth/me HTTP/1.1\r\nHost:").await;
                }
                connections.push(stream);
            }
        } else {
            // Connections that were closed are opened again.
            sleep(Duration::from_secs(1)).await;
            connections.retain(|stream| !matches!(stream.try_read(&mut [0; 1024]), Ok(0)));
        }
    }
}

/// Requests from another origin, to an unknown host, with an invalid cookie.
async fn be_refused(guest: Guest, is_over: Arc<AtomicBool>) {
    let address = &guest.address;
    let request = format!(
        "POST /api/messages HTTP/1.1\r\nHost: {address}\r\nOrigin: https://evil.example\r\nX-Forwarded-For: {from}\r\n\
         Cookie: {cookie}\r\nContent-Length: 0\r\n\r\nGET /api/auth/me HTTP/1.1\r\nHost: evil.example\r\n\
         X-Forwarded-For: {from}\r\n\r\nGET /api/auth/me HTTP/1.1\r\nHost: {address}\r\nX-Forwarded-For: {from}\r\n\r\n",
        from = guest.from,
        cookie = guest.cookie,
    );
    let requests = request.repeat(PIPELINED);
    while !is_over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let mut answers = vec![0; 64 * 1024];
        // The hub closes the connection when the rate is too high.
        let (mut input, mut output) = stream.split();
        let writing = async { while output.write_all(requests.as_bytes()).await.is_ok() {} };
        let reading = async { while input.read(&mut answers).await.is_ok_and(|count| count > 0) {} };
        tokio::select! {
            () = writing => {}
            () = reading => {}
            // Frames that were written and not read yet are dropped.
            () = until(&is_over) => {}
        }
    }
}

async fn reconnect(guest: Guest, is_over: Arc<AtomicBool>) {
    side_by_side(AT_ONCE, &is_over, |_| async {
        if let Ok(Ok(mut socket)) = timeout(Duration::from_secs(10), guest.connect()).await {
            let _ = timeout(Duration::from_secs(10), socket.next()).await;
        }
    })
    .await;
}
