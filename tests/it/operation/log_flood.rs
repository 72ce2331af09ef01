//! A log that nobody reads, and a stranger who fills it, cost the other users nothing.

use crate::support::binary::{Sandbox, wait_for};
use std::io::Read;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request without a login, with these headers.
fn request(headers: &str) -> String {
    format!("GET /api/auth/me HTTP/1.1\r\n{headers}\r\n\r\n")
}

fn host(address: &str) -> String {
    format!("Host: {address}")
}

/// Sends these requests over one connection, and waits until each has an answer with this status.
async fn ask(address: &str, requests: Vec<String>, status: &str) {
    let times = requests.len();
    let (mut reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
    let all = requests.concat();
    let sending = tokio::spawn(async move {
        writing.write_all(all.as_bytes()).await.unwrap();
        writing
    });
    let line = format!("HTTP/1.1 {status} ");
    let (mut read, mut count) = (Vec::new(), 0);
    while count < times {
        let some = tokio::time::timeout(Duration::from_secs(60), reading.read_buf(&mut read)).await;
        let some = some.expect("the hub answers").unwrap();
        assert!(some > 0, "closed after {count} answers: {}", String::from_utf8_lossy(&read));
        let text = String::from_utf8_lossy(&read);
        count += text.matches(&line).count();
        // The beginning of the next answer may be here already.
        let keep = text.len().min(line.len() - 1);
        let rest = read.len() - keep;
        read.drain(..rest);
    }
    sending.await.unwrap();
}

async fn is_well(address: &str) {
    ask(address, vec![request(&host(address)).replace("/api/auth/me", "/health")], "200").await;
}

fn said(log: &str, words: &str) -> usize {
    log.lines().filter(|line| line.contains(words)).count()
}

#[tokio::test]
async fn op_3_a_log_that_is_not_read_does_not_block_the_hub() {
    let (mut log, stderr) = std::io::pipe().unwrap();
    let sandbox = Sandbox::new().with("TRUSTED_PROXIES", "127.0.0.1").with("WORKERS", "1");
    let mut hub = sandbox.start_with_stderr(stderr);
    let address = hub.address().await;
    // A pipe holds 64 KiB, and the hub 1 MiB: less than ten lines of each of these addresses.
    for network in 0..10 {
        let from = |turn: usize| format!("{}\r\nX-Forwarded-For: 10.0.{network}.{}", host(&address), turn % 100);
        ask(&address, (0..1_000).map(|turn| request(&from(turn))).collect(), "401").await;
        is_well(&address).await;
    }
    let reading = tokio::task::spawn_blocking(move || {
        let (mut text, mut some) = (String::new(), vec![0; 1 << 16]);
        while !text.contains("log lines were lost, because standard error was not read") {
            let count = log.read(&mut some).unwrap();
            assert!(count > 0, "the hub logs the number of lost lines");
            text.push_str(&String::from_utf8_lossy(&some[..count]));
        }
        log
    });
    let _log = tokio::time::timeout(Duration::from_secs(60), reading).await.expect("lines come").unwrap();
    is_well(&address).await;
    hub.signal("TERM");
    assert!(hub.has_ended_well().await, "also while its last lines are not read");
}

#[tokio::test]
async fn a_failing_hub_exits_although_its_log_is_not_read() {
    let (mut log, stderr) = std::io::pipe().unwrap();
    // The pipe is full to the last byte.
    let mut full = stderr.try_clone().unwrap();
    let filling = std::thread::spawn(move || std::io::Write::write_all(&mut full, &vec![b'x'; 64 * 1024]));
    filling.join().unwrap().unwrap();
    let sandbox = Sandbox::new().with("REGISTRATION", "maybe");
    let mut hub = sandbox.start_with_stderr(stderr);
    assert!(!hub.has_ended_well().await);
    assert_eq!(log.read(&mut [0]).unwrap(), 1);
}

/// The total of refusals with this code in the log: lines, plus the counts in summaries.
fn refusals(log: &str, code: &str) -> (usize, usize) {
    let code = format!("code={code}");
    let refused = log.lines().filter(|line| line.contains("refused ") && line.contains(&code));
    let (sums, lines): (Vec<&str>, Vec<&str>) = refused.partition(|line| line.ends_with(" more within a minute"));
    let more = sums.iter().map(|line| {
        let (_, count) = line.trim_end_matches(" more within a minute").rsplit_once(" and ").unwrap();
        count.parse::<usize>().unwrap()
    });
    (lines.len() + sums.len(), lines.len() + more.sum::<usize>())
}

#[tokio::test]
async fn op_3_a_flood_of_refusals_logs_a_few_lines_and_a_sum() {
    const TIMES: usize = 20_000;
    let sandbox = Sandbox::new().with("WORKERS", "1");
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    ask(&address, vec![request(&host(&address)); TIMES], "401").await;
    ask(&address, vec![request("Host: other.example"); 3], "421").await;
    hub.signal("TERM");
    let log = hub.ended().await.stderr;
    let (lines, refused) = refusals(&log, "unauthenticated");
    assert_eq!(refused, TIMES, "{log}");
    // Each minute of the run has at most ten lines and a summary.
    assert!(lines <= 55, "{lines} lines");
    assert_eq!(refusals(&log, "bad_host"), (3, 3), "another kind has lines of its own");
    assert_eq!(said(&log, "reason=\"credentials are required\""), lines - said(&log, "unauthenticated, and "));
}

#[tokio::test]
async fn held_back_log_lines_are_written_when_the_hub_stops() {
    let sandbox = Sandbox::new();
    let mut hub = sandbox.start(&[]);
    let address = hub.address().await;
    ask(&address, vec![request(&host(&address)); 11], "401").await;
    wait_for("the lines", async || (said(&hub.log(), "code=unauthenticated") == 10).then_some(())).await;
    hub.signal("TERM");
    let log = hub.ended().await.stderr;
    assert!(log.contains("refused address=127.0.0.1 code=unauthenticated, and 1 more within a minute"), "{log}");
}
