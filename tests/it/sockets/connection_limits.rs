//! Connection limits by user, by address and by descriptor, and limits on headers and bodies before
//! a connection becomes a socket.

use crate::harness::{Client, TestHub, User, any_database, eventually};
use crate::support::binary::{Binary, Sandbox, keeps_its_time, wait_for};
use crate::support::hub_process::Person;
use futures_util::future::join_all;
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn from(user: &User, address: &str) -> Client {
    user.with("x-forwarded-for", address)
}

/// Whether there is a slot for one more socket: without a WebSocket to open, the hub refuses after
/// it has found one.
async fn is_free(client: &Client) -> bool {
    match client.get("/ws").await.status {
        426 => true,
        429 => false,
        status => panic!("{status}"),
    }
}

any_database!(
    an_address_behind_a_trusted_proxy_has_a_socket_limit,
    MAX_SOCKETS_PER_ADDRESS = "2",
    TRUSTED_PROXIES = "127.0.0.1"
);
async fn an_address_behind_a_trusted_proxy_has_a_socket_limit(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let home = |user: &User| user.behind("203.0.113.7");
    let one = home(&ann).connect().await;
    let two = home(&bob).connect().await;
    assert!(!is_free(&from(&ann, "203.0.113.7")).await);
    assert!(!is_free(&from(&bob, "198.51.100.1, 203.0.113.7")).await, "only the address added by the proxy counts");
    assert!(is_free(&from(&ann, "203.0.113.8")).await);
    home(&bob).handshake().await.refused(429, "rate_limited");
    one.close().await;
    eventually("the slot is free", async || is_free(&from(&bob, "203.0.113.7")).await).await;
    two.close().await;
}

any_database!(
    clients_of_unreadable_addresses_share_their_sockets,
    MAX_SOCKETS_PER_ADDRESS = "2",
    TRUSTED_PROXIES = "127.0.0.1"
);
async fn clients_of_unreadable_addresses_share_their_sockets(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sockets = [ann.behind("unknown").connect().await, bob.behind("198.51.100.1, \u{ff}").connect().await];
    assert!(!is_free(&from(&ann, "_hidden")).await);
    assert!(is_free(&from(&ann, "\u{ff}, 203.0.113.8")).await);
    for socket in sockets {
        socket.close().await;
    }
    eventually("the slots are free", async || is_free(&from(&ann, "unknown")).await).await;
}

any_database!(op_2_an_address_claimed_by_a_client_does_not_count, MAX_SOCKETS_PER_ADDRESS = "2");
async fn op_2_an_address_claimed_by_a_client_does_not_count(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let sockets = [ann.behind("203.0.113.7").connect().await, bob.behind("203.0.113.8").connect().await];
    for address in ["203.0.113.9", "127.0.0.1"] {
        assert!(!is_free(&from(&ann, address)).await, "both connected from this address");
    }
    for socket in sockets {
        socket.close().await;
    }
    eventually("the slots are free", async || is_free(&ann).await).await;
}

any_database!(ten_of_fifty_concurrent_sockets_are_opened, MAX_SOCKETS_PER_USER = "10");
async fn ten_of_fifty_concurrent_sockets_are_opened(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for _ in 0..3 {
        let attempts = join_all((0..50).map(|_| open(&ann))).await;
        let opened: Vec<TcpStream> = attempts.into_iter().flatten().collect();
        assert_eq!(opened.len(), 10);
        assert!(!is_free(&ann).await);
        // The sockets disconnect in every way: with a close frame, or without.
        drop(opened);
        hub.wait_for_connections(0).await;
        eventually("the slots are free", async || is_free(&ann).await).await;
    }
}

/// The connection of a handshake, if it was accepted.
async fn open(user: &User) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(user.address()).await.unwrap();
    let request = handshake(&user.address(), user.cookie());
    stream.write_all(request.as_bytes()).await.unwrap();
    is_opened(&mut stream).await.then_some(stream)
}

fn handshake(address: &str, cookie: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

async fn is_opened(stream: &mut TcpStream) -> bool {
    status(stream).await == 101
}

async fn status(stream: &mut TcpStream) -> u16 {
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

any_database!(headers_of_more_than_16_kib_or_100_lines_are_refused);
async fn headers_of_more_than_16_kib_or_100_lines_are_refused(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for path in ["/health", "/ws", "/api/auth/me", "/no/such/page"] {
        let large = ann.with("x-filler", &"x".repeat(16 * 1024)).get(path).await;
        let detail = large.refused(431, "too_large");
        assert!(detail.contains("16 KiB"), "{detail}");
    }
    ann.with("x-filler", &"x".repeat(15 * 1024)).get("/api/auth/me").await.is(200);
    let lines = |count: usize| {
        let filler: String = (0..count).map(|number| format!("x-{number}: y\r\n")).collect();
        format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{filler}\r\n", ann.address())
    };
    assert!(ann.raw_head(&lines(90)).await.starts_with("HTTP/1.1 200 "));
    assert!(ann.raw_head(&lines(100)).await.starts_with("HTTP/1.1 431 "));
}

any_database!(only_a_sender_over_the_byte_rate_is_slowed, FRAME_RATE = "16", FRAME_BURST = "1000000", WORKERS = "1");
async fn only_a_sender_over_the_byte_rate_is_slowed(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut eager, mut other) = (ann.connect().await, bob.connect().await);
    // The line carries 128 KiB a second after the first 256.
    let large = json!({"type": "ping", "filler": "x".repeat(60_000)}).to_string();
    let began = Instant::now();
    let answers = Cell::new(0);
    let sending = async {
        for _ in 0..10 {
            eager.text(&large).await;
        }
        eager.expect("pong").await;
        let mut most = 0;
        for _ in 1..10 {
            let before = answers.get();
            eager.expect("pong").await;
            most = most.max(answers.get() - before);
        }
        (began.elapsed(), most)
    };
    let asking = async {
        loop {
            other.answers().await;
            answers.set(answers.get() + 1);
        }
    };
    let (took, most): (Duration, usize) = tokio::select! {
        seen = sending => seen,
        never = asking => never,
    };
    assert!(took > Duration::from_millis(1500), "{took:?}");
    assert!(most > 20, "{most} answers while one waits for the next of its own");
}

/// Files that the database may open meanwhile.
const FILES: usize = 20;

/// One worker, so that the count does not depend on the machine.
fn small() -> Sandbox {
    Sandbox::new()
        .with("WORKERS", "1")
        .with("MAX_SOCKETS_PER_USER", "0")
        .with("DATABASE_POOL", "2")
        .with("REQUEST_RATE", "1000000")
        .with("REQUEST_BURST", "1000000")
}

async fn health(address: &str) -> u16 {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    client.get(format!("http://{address}/health")).send().await.map_or(0, |answer| answer.status().as_u16())
}

/// Deadline for the head of a request.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// Waits until the hub is idle and uses no processor time.
async fn is_idle(hub: &Binary) {
    wait_for("an idle hub", async || {
        let before = hub.busy_seconds();
        tokio::time::sleep(Duration::from_millis(500)).await;
        (hub.busy_seconds() - before < 0.1).then_some(())
    })
    .await;
}

/// An unauthenticated socket from this address.
async fn unknown_socket(address: &str, from: &str) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = handshake(address, "").replace("GET /ws ", "GET /ws?auth=message ");
    let request = request.replace("Cookie: ", &format!("X-Forwarded-For: {from}"));
    stream.write_all(request.as_bytes()).await.unwrap();
    (status(&mut stream).await, stream)
}

#[tokio::test]
async fn one_address_does_not_prevent_others_from_authenticating() {
    let sandbox = small().with("TRUSTED_PROXIES", "127.0.0.1").with("AUTH_TIMEOUT", "5m");
    let mut hub = sandbox.start_with_descriptors(256);
    let address = hub.address().await;
    let mut held = Vec::new();
    let refused = loop {
        match unknown_socket(&address, "203.0.113.1").await {
            (101, stream) => held.push(stream),
            (status, _) => break status,
        }
    };
    assert_eq!(refused, 503);
    assert!((20..64).contains(&held.len()), "a quarter of the limit: {}", held.len());
    let (opened, _newcomer) = unknown_socket(&address, "203.0.113.2").await;
    assert_eq!(opened, 101);
    let mut last = Vec::new();
    held[0].read_to_end(&mut last).await.unwrap();
    let closed = last.windows(2).any(|bytes| bytes == 1013_u16.to_be_bytes());
    assert!(closed, "the oldest connection is displaced: {last:?}");
    let ann = Person::register(&address, "ann").await;
    ann.connect(&address).await.expect("others have their sockets");
}

#[tokio::test]
async fn sockets_over_the_descriptor_share_are_refused_but_not_http() {
    let sandbox = small();
    let mut hub = sandbox.start_with_descriptors(256);
    let address = hub.address().await;
    let ann = Person::register(&address, "ann").await;
    let before = hub.descriptors();
    let mut opened = Vec::new();
    let refused = loop {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(handshake(&address, &ann.cookie).as_bytes()).await.unwrap();
        match status(&mut stream).await {
            101 => opened.push(stream),
            status => break status,
        }
    };
    assert_eq!(refused, 503);
    assert!((100..230).contains(&opened.len()), "{}", opened.len());
    assert_eq!(health(&address).await, 200);
    // There are more connections than descriptors, and all of them are silent.
    let mut idle = Vec::new();
    for _ in 0..150 {
        idle.push(TcpStream::connect(&address).await.unwrap());
    }
    is_idle(&hub).await;
    // The silent connections time out; then there is room again.
    wait_for("an answer", async || (health(&address).await == 200).then_some(())).await;
    drop((opened, idle));
    wait_for("the descriptors", async || (hub.descriptors() < before + FILES).then_some(())).await;
    let mut again = TcpStream::connect(&address).await.unwrap();
    again.write_all(handshake(&address, &ann.cookie).as_bytes()).await.unwrap();
    assert_eq!(status(&mut again).await, 101);
    let log = hub.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_thousand_slow_headers_time_out_and_delay_no_others() {
    let sandbox = small();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let before = hub.descriptors();
    keeps_its_time(async || a_thousand_slow_headers(&hub, &address, before).await).await;
}

/// Checks these connections, and one more client beside them.
async fn a_thousand_slow_headers(hub: &Binary, address: &str, before: usize) -> Result<(), String> {
    wait_for("the end of others", async || (hub.descriptors() < before + FILES).then_some(())).await;
    let began = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..1000 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
        slow.push(stream);
    }
    let opened = Instant::now();
    let are_there = async || {
        let is_over = began.elapsed() > HEADER_TIME;
        (is_over || hub.descriptors() >= before + 1000).then_some(!is_over)
    };
    if !wait_for("all of them", are_there).await {
        return Err("the first may disconnect before the last connects".to_owned());
    }
    let mut longest = Duration::ZERO;
    let mut statuses = BTreeSet::new();
    wait_for("the end of all", async || {
        for stream in &mut slow {
            // Sends another byte now and then; fails when it is closed.
            let _ = stream.try_write(b"x");
        }
        let asked = Instant::now();
        statuses.insert(health(address).await);
        longest = longest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
        (hub.descriptors() < before + FILES).then_some(())
    })
    .await;
    let whole = opened.elapsed();
    let is_kept = whole < Duration::from_secs(8) && longest < Duration::from_secs(2) && statuses == [200].into();
    is_kept.then_some(()).ok_or_else(|| format!("after {whole:?}; others waited {longest:?} for {statuses:?}"))
}

#[tokio::test]
async fn a_slowly_arriving_body_is_refused_in_time() {
    let sandbox = small();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let body = json!({"username": "ann", "password": "correct horse battery"}).to_string();
    let head = format!(
        "POST /api/auth/register HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    let mut sent = body.bytes();
    let answer = wait_for("an answer", async || {
        stream.write_all(&[sent.next().expect("the hub does not wait for all of it")]).await.unwrap();
        // It trickles in real time only.
        let mut answer = [0; 12];
        let reading = tokio::time::timeout(Duration::from_millis(500), stream.read_exact(&mut answer)).await;
        reading.ok().map(|read| {
            read.unwrap();
            String::from_utf8_lossy(&answer).into_owned()
        })
    })
    .await;
    assert_eq!(answer, "HTTP/1.1 408");
    // All of it would take longer.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

any_database!(an_unread_chunked_body_ends_with_the_answer);
async fn an_unread_chunked_body_ends_with_the_answer(hub: &mut TestHub) {
    let address = hub.visitor().address();
    for (request, status) in [("GET /health", "200"), ("POST /nothing", "404"), ("POST /api/auth/login", "415")] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        eventually("the hub closes", async || {
            // It fails when the hub has closed the connection.
            let _ = stream.write_all(b"1\r\nx\r\n").await;
            let reading = tokio::time::timeout(Duration::from_millis(50), stream.read_buf(&mut read)).await;
            reading.is_ok_and(|count| {
                count.is_ok_and(|count| count == 0) || !read.is_empty() && stream.try_write(b"1\r\nx\r\n").is_err()
            })
        })
        .await;
        let answer = String::from_utf8_lossy(&read);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    // A body that is read to its end does not end the connection.
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let body = r#"{"username":"nobody","password":"wrong horse"}"#;
    let request = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    for _ in 0..2 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains("bad_credentials") {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "{}", String::from_utf8_lossy(&read));
        }
    }
}
