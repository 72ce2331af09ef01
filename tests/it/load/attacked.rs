//! The real binary under frames that are costly to handle. Its resource use is read from the
//! operating system.

use crate::support::binary::{Binary, Sandbox};
use crate::support::hub_process::Person;
use crate::support::tcp::{FINAL, Frame, PING, RawSocket, TEXT, frame, header};
use std::fs;
use std::time::{Duration, Instant};

const KIB: u64 = 1024;

impl Binary {
    /// Peak resident bytes since `forget_peak`.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().split(' ').next().unwrap().parse::<u64>().unwrap() * KIB
    }

    fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.id()), "5").unwrap();
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new().with("MAX_SOCKETS_PER_USER", "0").with("REQUEST_RATE", "1000000").with("REQUEST_BURST", "1000000")
}

#[tokio::test]
async fn a_huge_declared_frame_length_uses_no_memory_or_time() {
    let sandbox = sandbox();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let ann = Person::register(&address, "ann").await;
    let chunk = vec![0_u8; 1 << 20];
    let attack = async |declared: u64| {
        let mut socket = RawSocket::open(&address, &ann.cookie).await;
        let began_at = Instant::now();
        assert!(socket.send(header(FINAL | TEXT, declared)).await);
        let frames = socket.flood(&chunk, 400).await;
        assert_eq!(frames.last().and_then(Frame::close_code), Some(1009), "{declared}");
        began_at.elapsed()
    };
    // The first run does all one-time allocations.
    attack(1 << 40).await;
    hub.forget_peak();
    let before = hub.memory() as u64;
    let mut times = Vec::new();
    for declared in [1 << 17, 1 << 30, 1 << 40, 1 << 62, 1 << 40] {
        times.push(attack(declared).await);
    }
    let peak = hub.peak();
    assert!(peak < before + (1 << 20), "{before} bytes grew to {peak}");
    // A sender that may go on takes long, however quiet the machine is.
    assert!(times.iter().min() < Some(&Duration::from_millis(100)), "{times:?}");
}

/// Processor seconds during this time, because the bound is a share of the time.
async fn busy_for_five_seconds(hub: &Binary) -> f64 {
    let before = hub.busy_seconds();
    tokio::time::sleep(Duration::from_secs(5)).await;
    hub.busy_seconds() - before
}

#[tokio::test]
async fn a_closed_socket_uses_no_resources_if_its_peer_stays() {
    let sandbox = sandbox();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    let ann = Person::register(&address, "ann").await;
    let mut left = Vec::new();
    for bytes in [
        frame(0xc1, "{}"),
        frame(0x83, ""),
        frame(FINAL, ""),
        frame(FINAL | TEXT, b"\xff"),
        frame(FINAL | 2, ""),
        header(FINAL | TEXT, 1 << 40),
        header(PING, 1000),
        b"\x81\x02{}".to_vec(),
    ] {
        for _ in 0..5 {
            let mut socket = RawSocket::open(&address, &ann.cookie).await;
            assert!(socket.send(&bytes).await);
            assert!(socket.rest().await.last().and_then(Frame::close_code).is_some());
            left.push(socket);
        }
    }
    let spent = busy_for_five_seconds(&hub).await;
    drop(left);
    // The hub's own background work does not count for the frames, and takes longer on a busy
    // machine.
    let quiet = busy_for_five_seconds(&hub).await;
    assert!(spent < quiet + 0.05, "under 1 % of 5 s more than {quiet} s, not {spent} s");
}
