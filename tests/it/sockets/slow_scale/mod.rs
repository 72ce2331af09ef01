//! The cost of peers that do not read, measured on the binary with its default settings: memory,
//! time until they are gone, and the delay of the others. `scripts/slow` runs this; it takes a
//! minute and a half.

mod elsewhere;
mod peers;

use crate::support::binary::{Binary, Sandbox, wait_for};
use crate::support::hub_process::Person;
use elsewhere::{Elsewhere, away};
use peers::{flood, narrow, people, stopped, write_on};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

const HEALTHY: usize = 50;
/// Users who stop reading, each with the maximum number of sockets.
const STOPPED: usize = 32;
const SOCKETS_EACH: usize = 32;
const FLOODERS: usize = 20;
/// Messages of some 4 KiB: more than the kernels hold, and less than the outbox holds besides.
const MESSAGES: usize = 38;
const HTTP_READERS: usize = 60;
/// Files that the database may open meanwhile.
const FILES: usize = 20;
/// Time between two messages of a healthy user, within the default rate.
const WRITE_EVERY: Duration = Duration::from_millis(250);
const QUIET: Duration = Duration::from_secs(15);

const MOST_MEMORY: usize = 256 * 1024;
const MOST_SECONDS: f64 = 30.0;
const MOST_SECONDS_VANISHED: f64 = 45.0;
const MOST_SLOWDOWN: f64 = 1.5;

fn percentile_99(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() * 99 / 100].as_secs_f64() * 1000.0
}

/// Kernel memory of all sockets of this network namespace, clients included.
fn kernel_bytes() -> usize {
    let stat = std::fs::read_to_string("/proc/net/sockstat").unwrap();
    let pages = stat.lines().find(|line| line.starts_with("TCP:")).and_then(|line| line.rsplit(' ').next());
    pages.unwrap().parse::<usize>().unwrap() * 4096
}

/// Every message that a user has missed, by syncing until it is complete.
async fn count_by_sync(address: &str, person: &Person) -> usize {
    let client = reqwest::Client::new();
    let mut positions = json!({});
    let mut count = 0;
    loop {
        let request = client.post(format!("http://{address}/api/sync")).header("cookie", &person.cookie);
        let answer = request.json(&json!({"conversations": positions})).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        for changed in answer["conversations"].as_array().unwrap() {
            count += changed["messages"].as_array().unwrap().len();
            positions[changed["id"].to_string()] = changed["rev"].clone();
        }
        if answer["complete"] == true {
            return count;
        }
    }
}

/// Prints the bounds one after the other, and whether all hold.
#[derive(Default)]
struct Verdict {
    broken: Vec<String>,
}

impl Verdict {
    fn at_most(&mut self, what: &str, measured: f64, most: f64) {
        let line = format!("{what}: {measured:.2}, at most {most}");
        println!("  {line}");
        if measured > most {
            self.broken.push(line);
        }
    }
}

/// The number of closed sockets of each user, by the log.
fn closed(hub: &Binary) -> HashMap<i64, usize> {
    let mut closed = HashMap::new();
    for line in hub.log().lines().filter(|line| line.contains("socket closed")) {
        let user = line.split(' ').find_map(|word| word.strip_prefix("user=")).unwrap();
        *closed.entry(user.parse().unwrap()).or_default() += 1;
    }
    closed
}

/// The time when each of these users had no socket any more, and peak memory until then: of the
/// hub, and of the kernel.
async fn gone(hub: &Binary, expected: &[(i64, usize)]) -> (Vec<Instant>, (usize, usize)) {
    let mut gone = vec![None; expected.len()];
    let mut peak = (0, 0);
    let all = wait_for("the end of every slow socket", async || {
        peak = (peak.0.max(hub.memory()), peak.1.max(kernel_bytes()));
        let closed = closed(hub);
        for (gone, (id, sockets)) in gone.iter_mut().zip(expected) {
            if gone.is_none() && closed.get(id).is_some_and(|count| count >= sockets) {
                *gone = Some(Instant::now());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        gone.iter().copied().collect()
    });
    (all.await, peak)
}

#[tokio::test]
#[ignore = "takes minutes and wants a machine of its own: scripts/slow"]
async fn slow_peers_are_disconnected_in_time_at_little_cost() {
    let elsewhere = Elsewhere::create();
    let sandbox = Sandbox::new().with("BIND", "0.0.0.0:0");
    let mut hub = sandbox.start(&[]);
    let port = hub.address().await.rsplit(':').next().unwrap().to_owned();
    let address = format!("127.0.0.1:{port}");
    let mut verdict = Verdict::default();

    let healthy = people::<HEALTHY>(&address, "healthy").await;
    let idle = people::<STOPPED>(&address, "stopped").await;
    let single = people::<3>(&address, "single").await;
    let mut flooders = Vec::new();
    for person in people::<FLOODERS>(&address, "flooder").await {
        flooders.push(person.connect(&address).await.unwrap());
    }
    let (is_over, times) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let mut writers = JoinSet::new();
    for (number, person) in healthy.iter().enumerate() {
        let socket = person.connect(&address).await.unwrap();
        let to = healthy[(number + 1) % HEALTHY].id;
        writers.spawn(write_on(socket, to, Arc::clone(&is_over), Arc::clone(&times)));
    }
    let took = |from: Instant, to: Instant| {
        let times = times.lock().unwrap();
        let during = times.iter().filter(|(at, _)| (from..to).contains(at));
        percentile_99(during.map(|(_, time)| *time).collect())
    };
    tokio::time::sleep(QUIET / 5).await;
    let quiet_from = Instant::now();
    tokio::time::sleep(QUIET).await;
    let quiet = took(quiet_from, Instant::now());

    let (memory, kernel, descriptors) = (hub.memory(), kernel_bytes(), hub.descriptors());
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS_EACH {
        for person in &idle {
            sockets.push(stopped(&address, person).await);
        }
    }
    let [still, sipping, vanishing] = &single[..] else { unreachable!("three people") };
    let still_socket = stopped(&address, still).await;
    let mut sips = stopped(&address, sipping).await;
    let mut away = match &elsewhere {
        Some(elsewhere) => Some(away(elsewhere, &address, &port, vanishing).await),
        None => None,
    };
    let never_answers = if away.is_none() { Some(stopped(&address, vanishing).await) } else { None };
    println!(
        "vanished: {}",
        if away.is_some() { "a network that is taken down" } else { "a peer that answers no ping" }
    );
    let open = hub.memory();

    let mut to: Vec<i64> = idle.iter().map(|person| person.id).collect();
    to.extend([still.id, sipping.id]);
    let slow_from = Instant::now();
    let sipping_on = tokio::spawn(async move {
        // The slow peer reads a byte a second by design.
        let mut byte = [0];
        while sips.read(&mut byte).await.is_ok_and(|count| count > 0) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    if let Some(elsewhere) = &elsewhere {
        elsewhere.vanish();
    }
    let vanished_at = Instant::now();
    let mut expected: Vec<(i64, usize)> = idle.iter().map(|person| (person.id, SOCKETS_EACH)).collect();
    expected.extend([(still.id, 1), (sipping.id, 1), (vanishing.id, 1)]);
    let flooding = async {
        let began = flood(flooders, to).await;
        (began, Instant::now())
    };
    let ((began, stuck_from), (gone, peak)) = tokio::join!(flooding, gone(&hub, &expected));
    let (flooded, stuck) = (took(slow_from, stuck_from), took(stuck_from, Instant::now()));

    let (last, rest) = gone.split_last().unwrap();
    let began_at = |id: i64| began.iter().find(|(to, _)| *to == id).unwrap().1;
    let seconds: Vec<f64> =
        expected.iter().zip(rest).map(|((id, _), gone)| (*gone - began_at(*id)).as_secs_f64()).collect();
    let count = STOPPED * SOCKETS_EACH;
    println!("{count} stopped, 1 stopped, 1 that reads a byte a second, 1 vanished; {HEALTHY} healthy");
    let each = |bytes: usize| bytes as f64 / count as f64 / 1024.0;
    println!("  an open socket: {:.1} KiB of the hub's memory", each(open.saturating_sub(memory)));
    let of_hub = each(peak.0.saturating_sub(memory));
    let of_kernel = each(peak.1.saturating_sub(kernel));
    println!("  hub {of_hub:.1} KiB and kernel (both ends) {of_kernel:.1} KiB each at most");
    verdict.at_most("KiB for a stopped peer", of_hub + of_kernel, MOST_MEMORY as f64 / 1024.0);
    verdict.at_most(
        "s until the stopped peers are disconnected",
        seconds[..STOPPED].iter().copied().fold(0.0, f64::max),
        MOST_SECONDS,
    );
    verdict.at_most("s until the single stopped peer is disconnected", seconds[STOPPED], MOST_SECONDS);
    verdict.at_most("s until the slowly reading peer is disconnected", seconds[STOPPED + 1], MOST_SECONDS);
    verdict.at_most(
        "s until the vanished peer is disconnected",
        (*last - vanished_at).as_secs_f64(),
        MOST_SECONDS_VANISHED,
    );
    println!("  p99 from send to ack: quiet {quiet:.2} ms, while they are flooded {flooded:.2} ms, then {stuck:.2} ms");
    verdict.at_most("times slower for the others", stuck / quiet, MOST_SLOWDOWN);
    for code in [4000, 4008] {
        let log = hub.log();
        println!("  closed with {code}: {}", log.matches(&format!("code={code} ")).count());
    }

    is_over.store(true, Ordering::Relaxed);
    writers.join_all().await;
    let freed_at =
        wait_for("the descriptors", async || (hub.descriptors() < descriptors + FILES).then(Instant::now)).await;
    let last_gone = gone.iter().max().unwrap();
    println!(
        "  descriptors: {} before, {} again {:.1} s after the last peer was disconnected",
        descriptors,
        hub.descriptors(),
        (freed_at - *last_gone).as_secs_f64()
    );
    for person in idle.iter().chain([still, sipping]) {
        assert_eq!(count_by_sync(&address, person).await, MESSAGES, "no message is missed");
    }
    http_readers(&mut verdict, &hub, &address, &idle).await;
    println!("  sync returned all messages");
    drop((sockets, still_socket, never_answers));
    sipping_on.abort();
    if let Some(away) = &mut away {
        away.kill().unwrap();
        away.wait().unwrap();
    }
    let log = hub.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    assert!(verdict.broken.is_empty(), "{:#?}", verdict.broken);
}

/// Peers that request a large answer over HTTP and do not read it.
async fn http_readers(verdict: &mut Verdict, hub: &Binary, address: &str, people: &[Person]) {
    let before = hub.descriptors();
    let mut readers = Vec::new();
    // One user may not request that much at once.
    for person in people.iter().cycle().take(HTTP_READERS) {
        let mut stream = narrow(address).await;
        let request = format!(
            "GET /api/conversations/{{}}/messages?limit=200 HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\n\r\n",
            person.cookie
        );
        let list =
            reqwest::Client::new().get(format!("http://{address}/api/conversations")).header("cookie", &person.cookie);
        let list: Value = list.send().await.unwrap().json().await.unwrap();
        let id = list["conversations"][0]["id"].to_string();
        stream.write_all(request.replace("{}", &id).repeat(10).as_bytes()).await.unwrap();
        readers.push(stream);
    }
    let began = Instant::now();
    wait_for("the connections", async || (hub.descriptors() >= before + HTTP_READERS).then_some(())).await;
    let freed_at =
        wait_for("the end of HTTP readers", async || (hub.descriptors() < before + FILES).then(Instant::now)).await;
    verdict.at_most("s until an unread HTTP connection is closed", (freed_at - began).as_secs_f64(), MOST_SECONDS);
}
