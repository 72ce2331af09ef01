//! Connections that speak HTTP and say nothing more: they keep nobody else out.

use crate::binary::Place;
use crate::harness::eventually;
use crate::person::Person;
use actix_web::{App, HttpResponse, web};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use switchboard::net::transport::{self, HttpConnections, HttpPlaces, ServerSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Shorter than the 75 seconds for which an idle connection is kept.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that asked once; and the head of the answer, empty when there was none.
async fn ask(address: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Fails where the hub has closed it already.
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
async fn idle_connections_take_half_of_the_places_and_keep_nobody_waiting() {
    // 56 connections may speak HTTP.
    let place = Place::new().with("WORKERS", "1").with("DATABASE_POOL", "2");
    let mut hub = place.start_with_descriptors(256);
    let address = hub.address().await;
    let ann = Person::register(&address, "ann").await;
    // A socket speaks HTTP no longer.
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

/// A server where one address may have two connections, which counts those it refused.
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
            // A dropped sender means stop, too.
            let _ = stopped.await;
            handle.stop(false).await;
        });
    });
    (address, refused, stop)
}

#[tokio::test]
async fn an_address_has_its_share_of_the_connections() {
    let (address, refused, _stop) = serve();
    let held = [ask(&address).await, ask(&address).await];
    assert!(held.iter().all(|(head, _)| is_kept(head)));
    let (head, _) = ask(&address).await;
    assert_eq!((&*head, refused.load(Ordering::SeqCst)), ("", 1), "closed at once");
    drop(held);
    eventually("there is a place again", async || !ask(&address).await.0.is_empty()).await;
}
