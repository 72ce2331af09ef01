//! Acknowledged means stored. The real binary is killed with SIGKILL under load, again and again,
//! at random moments or the moment an answer arrives. Every message that was ever acknowledged must
//! be there, once, as it was sent.
//!
//! `writer` plays the clients, `history` records the answers they got and compares them with the
//! rows stored in the end. `SWITCHBOARD_CRASH_KILLS` and `SWITCHBOARD_CRASH_SEED` choose another
//! number of kills and the random moments of an earlier run; `scripts/crash` runs the long form.

mod history;
mod writer;

use crate::load::random::{Random, number_in};
use crate::support::binary::{Binary, Sandbox};
use crate::support::hub_process::Person;
use crate::support::temp_database::Scratch;
use diesel::{Connection, RunQueryDsl, SqliteConnection};
use history::{Conversation, History, Message};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::task::JoinSet;
use writer::{Transport, Writer};

/// Users who write at full speed, each with every kind of client.
const AUTHORS: usize = 6;
const CLIENTS: [Transport; 4] = [Transport::Socket, Transport::Rest, Transport::Rest, Transport::Socket];
/// Default number of kills.
const KILLS: u64 = 12;
/// Maximum lifetime of a hub after the first message it acknowledged.
const LIFE: Duration = Duration::from_millis(500);
/// Maximum time of a start before the hub is killed while it starts.
const START: Duration = Duration::from_millis(60);
/// Timeout of any answer, and of the writers' last ones.
const PATIENCE: Duration = Duration::from_secs(60);

/// The state that the writers share.
#[derive(Clone, Default)]
struct Scene {
    /// The address of the hub; none while it is down.
    address: Option<String>,
    /// The recipients; the last has no conversation with anybody yet.
    people: Vec<i64>,
    /// Set when the writers should get the last answers and stop.
    is_over: bool,
}

#[tokio::test]
async fn kills_lose_or_duplicate_no_acked_messages_on_sqlite() {
    kill_again_and_again(Scratch::sqlite()).await;
}

#[tokio::test]
async fn kills_lose_or_duplicate_no_acked_messages_on_postgres() {
    kill_again_and_again(Scratch::postgres()).await;
}

async fn kill_again_and_again(database: Scratch) {
    let kills = number_in("SWITCHBOARD_CRASH_KILLS").unwrap_or(KILLS);
    let seed = number_in("SWITCHBOARD_CRASH_SEED").unwrap_or_else(seed_of_now);
    println!("{}: SWITCHBOARD_CRASH_SEED={seed}", database.name());
    let began_at = Instant::now();
    let mut random = Random::new(seed);
    let (history, mut acknowledged) = History::new();
    let history = Arc::new(Mutex::new(history));
    let sandbox = sandbox(&database);

    let mut hub = sandbox.start(&[]);
    let mut address = hub.address().await;
    let mut people = Vec::new();
    for n in 0..AUTHORS {
        people.push(Person::register(&address, &format!("author{n}")).await);
    }
    let (scene, onlookers) = watch::channel(Scene::default());
    let mut writers = JoinSet::new();
    for author in &people {
        for transport in CLIENTS {
            let writer = Writer::new(author.clone(), transport, onlookers.clone(), Arc::clone(&history), random.fork());
            writers.spawn(writer.run());
        }
    }
    let mut kills_at_start = 0;
    for life in 0..=kills {
        people.push(Person::register(&address, &format!("newcomer{life}")).await);
        let ids = people.iter().map(|person| person.id).collect();
        acknowledged.mark_unchanged();
        scene.send_replace(Scene { address: Some(address.clone()), people: ids, is_over: false });
        next_answer(&mut acknowledged, &mut writers, &hub).await;
        if life == kills {
            break;
        }
        tokio::time::sleep(random.up_to(LIFE)).await;
        if random.below(2) == 0 {
            // The worst moment, if the hub acknowledges before it commits.
            acknowledged.mark_unchanged();
            next_answer(&mut acknowledged, &mut writers, &hub).await;
        }
        end(&mut hub);
        scene.send_modify(|scene| scene.address = None);
        hub = sandbox.start(&[]);
        while random.below(4) == 0 {
            tokio::time::sleep(random.up_to(START)).await;
            end(&mut hub);
            kills_at_start += 1;
            hub = sandbox.start(&[]);
        }
        address = hub.address().await;
    }
    scene.send_modify(|scene| scene.is_over = true);
    let last_answers = tokio::time::timeout(PATIENCE, writers.join_all()).await;
    last_answers.unwrap_or_else(|_| panic!("a writer waits in vain for its last answers\n{}", hub.log()));
    let seconds = began_at.elapsed().as_secs_f64();
    let stored = read_everything(&address, &people).await;
    end(&mut hub);
    assert_intact(&database);
    let summary = history.lock().expect("no writer panicked").check(&stored);
    println!(
        "{}: {kills} kills under load, {kills_at_start} while starting, {seconds:.0} s; {summary}",
        database.name()
    );
}

/// Returns when one more message is acknowledged than the test has noticed.
async fn next_answer(acknowledged: &mut watch::Receiver<u64>, writers: &mut JoinSet<()>, hub: &Binary) {
    tokio::select! {
        progress = acknowledged.changed() => progress.expect("the history lives on"),
        Some(Err(panic)) = writers.join_next() => panic!("a writer gave up: {panic}\n{}", hub.log()),
        () = tokio::time::sleep(PATIENCE) => panic!("no message is acknowledged any more\n{}", hub.log()),
    }
}

fn seed_of_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs()
}

/// A hub without the limits that a writer at full speed would hit.
fn sandbox(database: &Scratch) -> Sandbox {
    let sandbox = Sandbox::new().with("DATABASE_URL", &database.url).with("RUST_LOG", "warn");
    ["MESSAGE_RATE", "MESSAGE_BURST", "FRAME_RATE", "FRAME_BURST", "REQUEST_RATE", "REQUEST_BURST"]
        .into_iter()
        .fold(sandbox, |sandbox, name| sandbox.with(name, "1000000"))
}

/// Kills the hub, which had logged no errors until then.
fn end(hub: &mut Binary) {
    hub.kill();
    let log = hub.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

/// SQLite's own integrity check of the file.
fn assert_intact(database: &Scratch) {
    #[derive(diesel::QueryableByName)]
    struct Verdict {
        #[diesel(sql_type = diesel::sql_types::Text)]
        integrity_check: String,
    }
    if let Some(path) = database.url.strip_prefix("sqlite://") {
        let mut conn = SqliteConnection::establish(path).expect("the file opens");
        let verdict: Verdict = diesel::sql_query("PRAGMA integrity_check").get_result(&mut conn).expect("an answer");
        assert_eq!(verdict.integrity_check, "ok");
    }
}

/// Every conversation as each of its users reads it, page by page.
async fn read_everything(address: &str, people: &[Person]) -> Vec<Conversation> {
    let client = reqwest::Client::new();
    let mut found = Vec::new();
    for person in people {
        let reader = Reader { client: &client, address, person };
        for head in reader.list_conversations().await {
            let number = |key: &str| head[key].as_i64().expect("a number");
            let messages = reader.list_messages(number("id")).await;
            found.push(Conversation { id: number("id"), last_seq: number("last_seq"), rev: number("rev"), messages });
        }
    }
    found
}

struct Reader<'a> {
    client: &'a reqwest::Client,
    address: &'a str,
    person: &'a Person,
}

impl Reader<'_> {
    async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("http://{}/api/{path}", self.address));
        let answer = request.header("cookie", &self.person.cookie).send().await.expect("the hub answers");
        assert_eq!(answer.status(), 200, "a login outlives every kill: {path}");
        answer.json().await.expect("JSON")
    }

    async fn list_conversations(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut path = "conversations?limit=200".to_owned();
        loop {
            let mut page = self.get(&path).await;
            all.append(page["conversations"].as_array_mut().expect("a list"));
            match page["next"].as_str() {
                Some(next) => path = format!("conversations?limit=200&before={next}"),
                None => return all,
            }
        }
    }

    async fn list_messages(&self, conversation: i64) -> Vec<Message> {
        let mut all: Vec<Message> = Vec::new();
        let mut from = "before_seq=201".to_owned();
        loop {
            let mut page = self.get(&format!("conversations/{conversation}/messages?limit=200&{from}")).await;
            let page: Vec<Message> = serde_json::from_value(page["messages"].take()).expect("messages");
            let Some(last) = page.last() else { return all };
            from = format!("after_seq={}", last.seq);
            all.extend(page);
        }
    }
}
