//! Catching up through the dispatcher on SQLite, with 1,000,000 messages stored and a user in 1,000
//! conversations. It measures a sync when nothing happened, after 10,000 missed messages, and for a
//! client without data. It also measures a page of the list.
//!
//! `cargo bench --bench sync` prints times, sizes and the growth of memory, and fails when an
//! answer exceeds its bound for size or time. It uses no sockets: it measures from the dispatcher
//! to the JSON.

mod common;

use common::{finish, open};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use switchboard::auth::Caller;
use switchboard::dispatch::Dispatcher;
use switchboard::ids::{LoginId, UserId};
use switchboard::ops::conversations::list_conversations::ListConversations;
use switchboard::ops::op::Op;
use switchboard::ops::sync::Sync;
use switchboard::store::Db;
use tempfile::TempDir;

const MESSAGES: i64 = 1_000_000;
const CONVERSATIONS: i64 = 1_000;
/// Messages in every conversation but the first, which has the rest.
const MESSAGES_EACH: i64 = 980;
const MISSED: i64 = 10_000;

const ROUNDS_UP_TO_DATE: usize = 500;
const ROUNDS: usize = 20;

const MOST_UP_TO_DATE: Duration = Duration::from_millis(5);
const MOST_MESSAGES: usize = 500;
const MOST_BYTES: usize = 1 << 20;

/// User 1 has a direct conversation with each other user. Both write in turn. All conversations
/// progress in parallel, so that the messages of one lie far apart. Both users have read all but
/// the last ten; in the first conversation, user 1 has read all but the last 10,000.
const SEED: &str = "
    CREATE TEMP TABLE number (n INTEGER PRIMARY KEY);
    WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 100000)
    INSERT INTO number SELECT n FROM count;

    INSERT INTO users (id, username, username_key, display_name, created_at)
    SELECT n, 'user' || n, 'user' || n, 'User ' || n, 0 FROM number WHERE n <= 1 + {conversations};

    INSERT INTO conversations (id, kind, user_low, user_high, created_by, created_at, active_at, last_seq, rev)
    SELECT n, 'direct', 1, n + 1, 1, 0, 0, last_seq, last_seq + 1
    FROM (SELECT n, CASE n WHEN 1 THEN {first} ELSE {each} END AS last_seq FROM number WHERE n <= {conversations});

    INSERT INTO participants (conversation_id, user_id, role, joined_at, has_written, delivered_seq, read_seq,
        own_delivered_seq, own_read_seq, rev)
    SELECT id, user_id, 'member', 0, TRUE, last_seq, read_seq, last_seq, read_seq, rev
    FROM (SELECT *, last_seq - CASE WHEN id = 1 AND user_id = 1 THEN {missed} ELSE 10 END AS read_seq
          FROM (SELECT *, user_low AS user_id FROM conversations UNION ALL SELECT *, user_high FROM conversations));

    INSERT INTO receipt_marks
    SELECT conversation_id, user_id, 'read', n * 10, 0 FROM participants JOIN number ON n * 10 <= read_seq;

    INSERT INTO messages (conversation_id, seq, rev, sender_id, content, client_message_id, created_at)
    SELECT id, n, n + 1, CASE n % 2 WHEN 0 THEN user_low ELSE user_high END, hex(zeroblob(50)), id || '-' || n, n
    FROM number CROSS JOIN conversations WHERE n <= last_seq;

    UPDATE conversations SET active_at = last_seq * 1000 + id;
    DROP TABLE number";

fn seed(db: &mut Db) -> Result<(), Box<dyn Error>> {
    use diesel::connection::SimpleConnection;
    let Db::Sqlite(conn) = db else { return Err("this is about SQLite".into()) };
    let first = MESSAGES - (CONVERSATIONS - 1) * MESSAGES_EACH;
    let sql = [("conversations", CONVERSATIONS), ("first", first), ("each", MESSAGES_EACH), ("missed", MISSED)]
        .iter()
        .fold(SEED.to_owned(), |sql, (name, number)| sql.replace(&format!("{{{name}}}"), &number.to_string()));
    conn.batch_execute(&format!("BEGIN; {sql}; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)"))?;
    Ok(())
}

/// The state of a client: its position in each conversation.
#[derive(Clone, Default, Serialize)]
struct Held {
    me: i64,
    conversations: BTreeMap<i64, i64>,
}

/// The parts of an answer that a client needs for its next request.
#[derive(Deserialize)]
struct Answer {
    complete: bool,
    conversations: Vec<Changed>,
}

#[derive(Deserialize)]
struct Changed {
    id: i64,
    rev: i64,
    messages: Vec<serde::de::IgnoredAny>,
}

impl Held {
    /// Returns a state without the last `missed` changes of the conversations from `first` to
    /// `last`.
    fn behind(&self, missed: i64, first: i64, last: i64) -> Self {
        let mut held = self.clone();
        held.conversations.range_mut(first..=last).for_each(|(_, rev)| *rev -= missed);
        held
    }

    fn request(&self) -> serde_json::Result<Sync> {
        serde_json::from_value(serde_json::to_value(self)?)
    }
}

/// A database with users, and its dispatcher.
struct House {
    dispatcher: Dispatcher,
    _dir: TempDir,
}

impl House {
    fn open() -> Result<Self, Box<dyn Error>> {
        let (dispatcher, dir) = open(seed)?;
        Ok(Self { dispatcher, _dir: dir })
    }

    /// Returns the answer as JSON, and the time it took.
    async fn ask<O>(&self, op: O) -> Result<(Vec<u8>, Duration), Box<dyn Error>>
    where
        O: Op,
        O::Output: Serialize,
    {
        let caller = Caller { user_id: UserId::new(1), login_id: Some(LoginId::new(1)), session_id: None };
        let began = Instant::now();
        let json = serde_json::to_vec(&self.dispatcher.call(caller, op).await?)?;
        Ok((json, began.elapsed()))
    }

    /// Repeats a request and prints how long the answers took. Returns the last answer and the
    /// median time.
    async fn measure<O>(&self, what: &str, rounds: usize, op: O) -> Result<(Vec<u8>, Duration), Box<dyn Error>>
    where
        O: Op + Clone,
        O::Output: Serialize,
    {
        let mut times = Vec::with_capacity(rounds);
        let mut last = Vec::new();
        for _ in 0..rounds {
            let (json, time) = self.ask(op.clone()).await?;
            times.push(time);
            last = json;
        }
        times.sort_unstable();
        let (median, p99) = (times[rounds / 2], times[rounds * 99 / 100]);
        println!("{what}: median {:.2} ms, p99 {:.2} ms, {} bytes", ms(median), ms(p99), last.len());
        Ok((last, median))
    }

    /// Syncs until nothing is missing. Returns the state of the client, and whether every answer
    /// was within its bounds.
    async fn catch_up(&self, what: &str, mut held: Held) -> Result<(Held, bool), Box<dyn Error>> {
        let before = Memory::begin()?;
        let (mut answers, mut messages, mut took) = (0, 0, Duration::ZERO);
        let (mut most_messages, mut most_bytes, mut longest) = (0, 0, Duration::ZERO);
        loop {
            let (json, time) = self.ask(held.request()?).await?;
            let answer: Answer = serde_json::from_slice(&json)?;
            let came = answer.conversations.iter().map(|changed| changed.messages.len()).sum();
            (answers, messages, took) = (answers + 1, messages + came, took + time);
            (most_messages, most_bytes) = (most_messages.max(came), most_bytes.max(json.len()));
            longest = longest.max(time);
            held.conversations.extend(answer.conversations.iter().map(|changed| (changed.id, changed.rev)));
            if answer.complete {
                break;
            }
        }
        println!(
            "{what}: {messages} messages in {answers} answers and {:.0} ms, the longest {:.1} ms; \
             at most {most_messages} messages and {most_bytes} bytes in one; memory grew by {} KiB",
            ms(took),
            ms(longest),
            before.growth()?
        );
        Ok((held, most_messages <= MOST_MESSAGES && most_bytes <= MOST_BYTES))
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Memory of this process in KiB, as Linux counts it.
struct Memory(u64);

impl Memory {
    /// Resets the peak.
    fn begin() -> Result<Self, Box<dyn Error>> {
        fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self(Self::read("VmRSS:")?))
    }

    /// Returns the growth from the beginning to the peak since.
    fn growth(&self) -> Result<u64, Box<dyn Error>> {
        Ok(Self::read("VmHWM:")?.saturating_sub(self.0))
    }

    fn read(key: &str) -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).ok_or("no such key")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

async fn run() -> Result<bool, Box<dyn Error>> {
    let began = Instant::now();
    let house = House::open()?;
    println!("{MESSAGES} messages in {CONVERSATIONS} conversations, written in {:.1} s", began.elapsed().as_secs_f64());

    let (json, _) = house.measure("first load, holding nothing", ROUNDS, Sync::default()).await?;
    let first: Answer = serde_json::from_slice(&json)?;
    let named = first.conversations.len();
    println!("  names {named} of {CONVERSATIONS} conversations, at most {MOST_BYTES} bytes");
    let is_first_whole = named == CONVERSATIONS as usize && json.len() <= MOST_BYTES;

    let (held, is_bounded) = house.catch_up("first load until complete", Held::default()).await?;
    let (_, median) = house.measure("sync, up to date", ROUNDS_UP_TO_DATE, held.request()?).await?;
    println!("  at most {} ms", MOST_UP_TO_DATE.as_millis());

    let spread = held.behind(MISSED / CONVERSATIONS, 1, CONVERSATIONS);
    let (_, is_spread_bounded) = house.catch_up("sync, 10000 missed in 1000 conversations", spread).await?;
    let (_, is_tail_bounded) = house.catch_up("sync, 10000 missed in one", held.behind(MISSED, 1, 1)).await?;

    let page = ListConversations { limit: Some(200), ..ListConversations::default() };
    house.measure("list of 200 conversations", ROUNDS, page).await?;
    let are_bounded = is_bounded && is_spread_bounded && is_tail_bounded;
    Ok(is_first_whole && are_bounded && median <= MOST_UP_TO_DATE)
}

fn main() -> ExitCode {
    finish(run())
}
