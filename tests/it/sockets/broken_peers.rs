//! Peers that break every rule of a conversation, or disconnect, in every phase of it. Afterwards
//! the binary is as before, with as many descriptors, no work left, and no panic.

use crate::support::binary::{Binary, Sandbox, wait_for};
use crate::support::hub_process::Person;
use socket2::SockRef;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Rounds in addition to the maximum number of open files.
const TIMES: usize = 5;
/// Files that the database may open meanwhile.
const FILES: usize = 20;

struct Scene {
    _sandbox: Sandbox,
    hub: Binary,
    address: String,
    ann: Person,
}

impl Scene {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let usual = [
            ("MAX_SOCKETS_PER_USER", "0"),
            ("FRAME_RATE", "1000000"),
            ("FRAME_BURST", "1000000"),
            ("REQUEST_RATE", "1000000"),
            ("REQUEST_BURST", "1000000"),
        ];
        let usual = usual.iter().chain(settings);
        let sandbox = usual.fold(Sandbox::new(), |sandbox, (name, value)| sandbox.with(name, *value));
        let mut hub = sandbox.start(&[]);
        let address = hub.address().await;
        let ann = Person::register(&address, "ann").await;
        Self { _sandbox: sandbox, hub, address, ann }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// A peer that sent a handshake and has read nothing.
    async fn ask(&self) -> TcpStream {
        let mut stream = self.connect().await;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.address, self.ann.cookie
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// A socket that has received its welcome.
    async fn open(&self) -> TcpStream {
        let mut stream = self.ask().await;
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains("presence_state") {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "{}", String::from_utf8_lossy(&read));
        }
        stream
    }

    /// Checks that the hub is as before.
    async fn is_unharmed(&self, descriptors: usize) {
        wait_for("the descriptors", async || (self.hub.descriptors() < descriptors + FILES).then_some(())).await;
        wait_for("an idle hub", async || {
            let before = self.hub.busy_seconds();
            tokio::time::sleep(Duration::from_millis(300)).await;
            (self.hub.busy_seconds() - before < 0.1).then_some(())
        })
        .await;
        drop(self.open().await);
        let log = self.hub.log();
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
    }

    /// Runs one kind of peer again and again, one after the other.
    async fn survives(&self, what: &str, peer: impl AsyncFn() -> Option<TcpStream>) {
        println!("{what}");
        let descriptors = self.hub.descriptors();
        let mut left_open = Vec::new();
        for _ in 0..TIMES + FILES {
            left_open.extend(peer().await);
        }
        self.is_unharmed(descriptors).await;
    }
}

/// A masked frame; the mask is zero, which is valid.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()).unwrap() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend(long.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

const TEXT: u8 = 0x81;
const PART_OF_TEXT: u8 = 0x01;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

fn slow_call() -> Vec<u8> {
    frame(TEXT, br#"{"type":"sync","ref":"1"}"#)
}

/// Closes the connection with a reset.
fn reset(stream: TcpStream) -> Option<TcpStream> {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    None
}

#[tokio::test]
async fn a_peer_that_vanishes_in_any_phase_leaks_nothing() {
    let scene = &Scene::start(&[]).await;
    let (half_a_request, half_a_frame) = (b"GET /ws HTT", &slow_call()[..9]);
    scene.survives("reset before a request", async || reset(scene.connect().await)).await;
    scene
        .survives("reset within a request", async || {
            let mut stream = scene.connect().await;
            stream.write_all(half_a_request).await.unwrap();
            reset(stream)
        })
        .await;
    scene.survives("reset before the answer", async || reset(scene.ask().await)).await;
    scene.survives("end before the answer", async || drop_half(scene.ask().await, &[]).await).await;
    scene.survives("reset of an open socket", async || reset(scene.open().await)).await;
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("half a frame", half_a_frame.to_vec()),
        ("an operation", slow_call()),
        ("many operations", slow_call().repeat(100)),
        ("a part of a message", frame(PART_OF_TEXT, b"{")),
        ("a part of a message and a close", [frame(PART_OF_TEXT, b"{"), frame(CLOSE, &[0x03, 0xe8])].concat()),
        ("a close", frame(CLOSE, &[0x03, 0xe8])),
        ("a close behind an operation", [slow_call(), frame(CLOSE, &[])].concat()),
        ("much behind a close", [frame(CLOSE, &[]), slow_call().repeat(1000)].concat()),
    ] {
        scene
            .survives(&format!("{what}, then a reset"), async || {
                let mut stream = scene.open().await;
                stream.write_all(&bytes).await.unwrap();
                reset(stream)
            })
            .await;
        // It goes on reading until the hub closes the connection.
        scene
            .survives(&format!("{what}, then the end of sending"), async || drop_half(scene.open().await, &bytes).await)
            .await;
    }
}

/// Sends the bytes, ends its side, and reads until the hub ends the connection as well.
async fn drop_half(mut stream: TcpStream, bytes: &[u8]) -> Option<TcpStream> {
    stream.write_all(bytes).await.unwrap();
    // This fails when the hub was faster.
    let _ = stream.shutdown().await;
    let mut read = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut read));
    assert!(reading.await.is_ok(), "the hub closes abandoned connections");
    None
}

#[tokio::test]
async fn a_peer_that_stops_reading_is_disconnected_in_time() {
    let settings = [("OUTBOX_AGE", "1s"), ("HEARTBEAT_INTERVAL", "500ms"), ("HEARTBEAT_TIMEOUT", "2s")];
    let scene = &Scene::start(&settings).await;
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("half a frame", slow_call()[..9].to_vec()),
        ("pings", frame(PING, &[b'x'; 125]).repeat(10_000)),
        ("operations", slow_call().repeat(10_000)),
        ("nonsense", frame(TEXT, b"x").repeat(10_000)),
    ] {
        scene
            .survives(&format!("{what}, unread"), async || {
                let mut stream = scene.ask().await;
                // It does not wait for the hub to read, either.
                let _ = tokio::time::timeout(Duration::from_millis(20), stream.write_all(&bytes)).await;
                Some(stream)
            })
            .await;
    }
}

#[tokio::test]
async fn ten_thousand_short_connections_leak_nothing() {
    let scene = Scene::start(&[]).await;
    // The first rounds do the one-time allocations of the allocator and the caches.
    come_and_go(&scene, 2000).await;
    let (descriptors, memory) = (scene.hub.descriptors(), scene.hub.memory());
    come_and_go(&scene, 8000).await;
    scene.is_unharmed(descriptors).await;
    let grown = scene.hub.memory().saturating_sub(memory);
    assert!(grown < 8 << 20, "{} KiB more", grown >> 10);
}

async fn come_and_go(scene: &Scene, times: usize) {
    for number in 0..times {
        match number % 20 {
            0 => drop(scene.open().await),
            1..5 => drop(scene.ask().await),
            5..10 => drop(reset(scene.ask().await)),
            _ => drop(scene.connect().await),
        }
    }
}

#[tokio::test]
async fn a_stopping_hub_does_not_wait_for_peers_that_do_not_read() {
    let scene = Scene::start(&[("SHUTDOWN_GRACE", "5s"), ("RUST_LOG", "info")]).await;
    let mut sockets = Vec::new();
    for _ in 0..1000 {
        sockets.push(scene.open().await);
    }
    let (stopped, good) = sockets.split_at_mut(100);
    for stream in stopped.iter_mut() {
        // The answers fill the kernels' buffers.
        stream.write_all(&frame(TEXT, &[b'x'; 60]).repeat(3000)).await.unwrap();
    }
    scene.hub.signal("TERM");
    let began = Instant::now();
    for stream in good {
        let mut read = Vec::new();
        // The connection ends with the close frame of a restarting hub, which is answered.
        while !read.windows(4).any(|bytes: &[u8]| bytes[0] == CLOSE && bytes[2..] == 1012_u16.to_be_bytes()) {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "the hub closed without an answer");
        }
        stream.write_all(&frame(CLOSE, &1012_u16.to_be_bytes())).await.unwrap();
    }
    let ended = scene.hub.ended().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(ended.status.success() && !ended.stderr.contains("panicked"), "{}", ended.stderr);
}
