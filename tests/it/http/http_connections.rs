//! Idle HTTP connections keep nobody else out.

use crate::harness::eventually;
use crate::support::binary::Sandbox;
use crate::support::hub_process::Person;
use actix_web::{App, HttpResponse, web};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use switchboard::ws::transport::{self, HttpConnections, HttpPlaces, ServerSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Shorter than the 75 seconds for which an idle connection is kept.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that sent one request, and the head of the answer, empty when there was none.
async fn ask(address: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Writing fails where the hub has closed the connection already.
    let _ = stream.write_all(format!("GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("an answer, or the end");
        if read.unwrap_or(0) == 0 {
            break;
        }
    }
    (String::from_utf8_lossy(&answer).to_lowercase(), stream)
}

fn is_kept(head: &str) -> bool {
    assert!(head.starts_with("http/1.1 200 "), "{head:?}");
    !head.contains("connection: close")
}

#[tokio::test]
async fn idle_connections_take_at_most_half_of_the_limit() {
    // 56 connections may speak HTTP.
    let sandbox = Sandbox::new().with("WORKERS", "1").with("DATABASE_POOL", "2").with("REQUEST_BURST", "1000");
    let mut hub = sandbox.start_with_descriptors(256);
    let address = hub.address().await;
    let ann = Person::register(&address, "ann").await;
    // An open socket no longer speaks HTTP.
    let mut sockets = Vec::new();
    for _ in 0..30 {
        sockets.push(ann.connect(&address).await.unwrap());
    }
    let mut idle = Vec::new();
    let mut kept = 0;
    for _ in 0..100 {
        let (head, stream) = ask(&address).await;
        kept += usize::from(is_kept(&head));
        idle.push(stream);
    }
    assert!((20..=28).contains(&kept), "{kept} of 100 are kept, all from this machine");
    drop(idle);
    eventually("connections are kept again", async || is_kept(&ask(&address).await.0)).await;
}

/// A server that allows two connections for each address, and counts those it refused.
fn serve() -> (String, Arc<AtomicUsize>, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let refused = Arc::new(AtomicUsize::new(0));
    let (count, (stop, stopped)) = (Arc::clone(&refused), oneshot::channel());
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let settings = ServerSettings {
                workers: 1,
                max_connections: 100,
                request_timeout: Duration::from_secs(5),
                keep_alive: Duration::from_secs(75),
                shutdown_timeout: Duration::ZERO,
            };
            let places = HttpPlaces { in_all: 100, per_address: 2 };
            let on_refused = move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            };
            let connections = HttpConnections::new(places, Some, on_refused);
            let app = || App::new().default_service(web::to(HttpResponse::Ok));
            let server = transport::serve(listener, settings, connections, app).unwrap();
            let handle = server.handle();
            actix_web::rt::spawn(server);
            // A dropped sender also stops the server.
            let _ = stopped.await;
            handle.stop(false).await;
        });
    });
    (address, refused, stop)
}

#[tokio::test]
async fn an_address_may_use_only_its_share_of_connections() {
    let (address, refused, _stop) = serve();
    let held = [ask(&address).await, ask(&address).await];
    assert!(held.iter().all(|(head, _)| is_kept(head)));
    let (head, _) = ask(&address).await;
    assert_eq!((&*head, refused.load(Ordering::SeqCst)), ("", 1), "closed at once");
    drop(held);
    eventually("a connection is admitted again", async || !ask(&address).await.0.is_empty()).await;
}

/// Counts the answers that have arrived and can be read now.
fn count_answers(stream: &TcpStream, answers: &mut usize) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = stream.try_read(&mut bytes) {
        *answers += String::from_utf8_lossy(&bytes[..count]).matches("HTTP/1.1 429").count();
    }
}

#[tokio::test]
async fn pipelined_requests_cost_little_cpu_and_memory() {
    const CONNECTIONS: usize = 8;
    let sandbox =
        Sandbox::new().with("TRUSTED_PROXIES", "127.0.0.1/32").with("REQUEST_RATE", "1").with("REQUEST_BURST", "1");
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let request = format!("GET /api/auth/me HTTP/1.1\r\nHost: {address}\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
    let requests = request.repeat(2 << 20 >> 7);
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        streams.push((TcpStream::connect(&address).await.unwrap(), 0, requests.as_bytes()));
    }
    let (memory, busy) = (hub.memory(), hub.busy_seconds());
    // An address over its rate limit waits for each refusal.
    eventually("each has been refused ten times", async || {
        for (stream, answers, unsent) in &mut streams {
            while let Ok(count @ 1..) = stream.try_write(unsent) {
                *unsent = &unsent[count..];
            }
            count_answers(stream, answers);
        }
        streams.iter().all(|(_, answers, _)| *answers >= 10)
    })
    .await;
    let busy = hub.busy_seconds() - busy;
    assert!(busy < 1.0, "the hub computed for {busy} s");
    let more = hub.memory().saturating_sub(memory) >> 20;
    assert!(more < 32, "{more} MiB more");
    let quick = timeout(PATIENCE, ask(&address)).await.expect("others are answered");
    assert!(is_kept(&quick.0));
}

#[tokio::test]
async fn large_bodies_and_answers_pass_before_pipelined_requests() {
    let sandbox = Sandbox::new();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let ann = Person::register(&address, "ann").await;
    let text = "x".repeat(40_000);
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let body = format!(r#"{{"recipient_id":{},"content":"{text}"}}"#, ann.id);
    let head = format!("Host: {address}\r\nCookie: {}\r\n", ann.cookie);
    let post = format!(
        "POST /api/messages HTTP/1.1\r\n{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let chunked = format!(
        "POST /api/messages HTTP/1.1\r\n{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let page = format!("GET /api/openapi.json HTTP/1.1\r\n{head}\r\n");
    let last = format!("GET /health HTTP/1.1\r\n{head}Connection: close\r\n\r\n");
    let all = [post, page.clone(), chunked, page.repeat(200), last].concat();
    let (mut input, mut output) = stream.split();
    let mut answers = Vec::new();
    let (sent, read) =
        timeout(PATIENCE, async { tokio::join!(output.write_all(all.as_bytes()), input.read_to_end(&mut answers)) })
            .await
            .expect("every request is answered");
    sent.unwrap();
    read.unwrap();
    assert_eq!(String::from_utf8_lossy(&answers).matches("HTTP/1.1 ").count(), 204);
}

#[tokio::test]
async fn an_untrusted_address_gets_a_quarter_of_the_connections() {
    // 56 connections may speak HTTP.
    let sandbox =
        Sandbox::new().with("WORKERS", "1").with("DATABASE_POOL", "2").with("TRUSTED_PROXIES", "127.0.0.1/32");
    let mut hub = sandbox.start_with_descriptors(256);
    let address = hub.address().await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        idle.push(socket.connect(address.parse().unwrap()).await.unwrap());
    }
    let is_closed = async |stream: &mut TcpStream| {
        let _ = stream.write_all(format!("GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await;
        let answer = timeout(PATIENCE, stream.read(&mut [0; 4096])).await.expect("an answer, or the end");
        answer.unwrap_or(0) == 0
    };
    let mut closed = 0;
    for stream in &mut idle {
        closed += usize::from(is_closed(stream).await);
    }
    assert_eq!(closed, 20 - 56 / 4);
    assert!(is_kept(&ask(&address).await.0), "a proxy is not counted");
}
