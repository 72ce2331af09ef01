//! Message search through the dispatcher on SQLite, with 1,000,000 messages indexed. It searches as
//! a user who may read all of them, and as a user who may read 100 of a million that match.
//!
//! `cargo bench --bench search` prints how long indexing and each query took, and fails when a
//! median exceeds its bound. It uses no sockets: it measures from the dispatcher to the JSON.

mod common;

use common::{finish, open};
use std::error::Error;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use switchboard::auth::Caller;
use switchboard::dispatch::Dispatcher;
use switchboard::ids::{LoginId, UserId};
use switchboard::ops::op::System;
use switchboard::ops::search::index_messages::IndexMessages;
use switchboard::ops::search::search_messages::Search;
use switchboard::store::Db;
use tempfile::TempDir;

const MESSAGES: i64 = 1_000_000;
/// Conversations in all. User 1 is in all but the last, which two other users have.
const CONVERSATIONS: i64 = 1_000;
const OF_OTHERS: i64 = 100;
const WORDS: u64 = 30_000;
const ROUNDS: usize = 21;

const MOST_OF_ALL: Duration = Duration::from_millis(20);
const MOST_OF_FEW: Duration = Duration::from_millis(50);

/// User 1 has a direct conversation with each other user. Users 2 and 3 have one more, with 100
/// messages.
const SEED: &str = "
    CREATE TEMP TABLE number (n INTEGER PRIMARY KEY);
    WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 1001)
    INSERT INTO number SELECT n FROM count;
    INSERT INTO users (id, username, username_key, display_name, created_at)
    SELECT n, 'user' || n, 'user' || n, 'User ' || n, 0 FROM number;
    INSERT INTO users (id, username, username_key, display_name, created_at)
    VALUES (2001, 'few', 'few', 'Few', 0), (2002, 'other', 'other', 'Other', 0);
    INSERT INTO conversations (id, kind, user_low, user_high, created_by, created_at, active_at, rev)
    SELECT n, 'direct', 1, n + 1, 1, 0, 0, 1 FROM number WHERE n <= 1000;
    INSERT INTO conversations (id, kind, user_low, user_high, created_by, created_at, active_at, rev)
    VALUES (1001, 'direct', 2001, 2002, 2001, 0, 0, 1);
    INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
    SELECT id, user_low, 'member', 0, 1 FROM conversations UNION ALL
    SELECT id, user_high, 'member', 0, 1 FROM conversations;
    DROP TABLE number;";

/// Generator of words with the frequencies of a language: the n-th word has a weight of 1/n.
struct Words {
    state: u64,
}

impl Words {
    fn draw(&mut self) -> f64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns the n-th word of the language: two to four syllables.
    fn word(n: u64) -> String {
        const SYLLABLES: [&str; 32] = [
            "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "qui", "ro", "su", "ta", "ve",
            "wi", "xo", "zu", "bra", "cle", "dri", "flo", "gru", "spa", "tre", "pli", "sto", "blu", "ny", "or",
        ];
        let mut left = n + 32;
        let mut word = String::new();
        while left > 0 {
            word.push_str(SYLLABLES[(left % 32) as usize]);
            left /= 32;
        }
        word
    }

    fn sentence(&mut self, number: i64) -> String {
        let mut text = String::new();
        for _ in 0..10 {
            let n = (WORDS as f64).powf(self.draw()) as u64;
            let _ = write!(text, "{} ", Self::word(n));
        }
        for (word, every) in [("everywhere", 1), ("often", 3), ("sometimes", 30), ("seldom", 3_000), ("never", 900_001)]
        {
            if number % every == 0 {
                text.push_str(word);
                text.push(' ');
            }
        }
        if number % 50 == 0 {
            text.push_str("今天我在东京大学学习");
        }
        text
    }
}

/// Stores the messages; the conversations progress in parallel.
fn seed(db: &mut Db) -> Result<(), Box<dyn Error>> {
    use diesel::connection::SimpleConnection;
    let Db::Sqlite(conn) = db else { return Err("this is about SQLite".into()) };
    conn.batch_execute("BEGIN")?;
    conn.batch_execute(SEED)?;
    let mut words = Words { state: 1 };
    let (mut seqs, mut insert) = (vec![0i64; CONVERSATIONS as usize + 2], String::new());
    for number in 1..=MESSAGES {
        let is_of_others = number % (MESSAGES / OF_OTHERS) == 0;
        let (id, sender) = match is_of_others {
            true => (CONVERSATIONS + 1, 2001),
            false => (1 + number % CONVERSATIONS, if number % 2 == 0 { 1 } else { 2 + number % CONVERSATIONS }),
        };
        seqs[id as usize] += 1;
        let seq = seqs[id as usize];
        insert.push_str(if insert.is_empty() {
            "INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at) VALUES "
        } else {
            ","
        });
        write!(insert, "({id},{seq},{},{sender},'{}',{number})", seq + 1, words.sentence(number))?;
        if number % 500 == 0 {
            conn.batch_execute(&std::mem::take(&mut insert))?;
        }
    }
    conn.batch_execute(
        "UPDATE conversations SET last_seq = (SELECT max(seq) FROM messages WHERE conversation_id = conversations.id);
         COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
    )?;
    Ok(())
}

/// A database with users, and its dispatcher.
struct House {
    dispatcher: Dispatcher,
    dir: TempDir,
}

impl House {
    fn open() -> Result<Self, Box<dyn Error>> {
        let (dispatcher, dir) = open(seed)?;
        Ok(Self { dispatcher, dir })
    }

    fn bytes(&self) -> Result<u64, Box<dyn Error>> {
        Ok(std::fs::metadata(self.dir.path().join("switchboard.db"))?.len())
    }

    /// Returns the time of each answer.
    async fn measure(&self, user: i64, q: &str) -> Result<Vec<Duration>, Box<dyn Error>> {
        let caller = Caller { user_id: UserId::new(user), login_id: Some(LoginId::new(1)), session_id: None };
        let mut times = Vec::with_capacity(ROUNDS);
        let mut found = 0;
        for _ in 0..ROUNDS {
            let op = Search { q: q.to_owned(), conversation_id: None, before: None, limit: None };
            let began = Instant::now();
            let page = self.dispatcher.call(caller, op).await?;
            found = page.messages.len();
            serde_json::to_vec(&page)?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let (median, slowest) = (times[ROUNDS / 2], times[ROUNDS - 1]);
        println!("  {q}: {found} found, median {:.2} ms, slowest {:.2} ms", ms(median), ms(slowest));
        Ok(times)
    }

    /// Returns whether the median of all answers is within the bound.
    async fn measure_all(&self, user: i64, queries: &[&str], most: Duration) -> Result<bool, Box<dyn Error>> {
        let mut times = Vec::new();
        for q in queries {
            times.extend(self.measure(user, q).await?);
        }
        times.sort_unstable();
        let median = times[times.len() / 2];
        println!("  median of all {:.2} ms, at most {} ms", ms(median), most.as_millis());
        Ok(median <= most)
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn run() -> Result<bool, Box<dyn Error>> {
    let began = Instant::now();
    let house = House::open()?;
    let before = house.bytes()?;
    println!("{MESSAGES} messages, written in {:.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    while house.dispatcher.call(System, IndexMessages).await? {}
    println!(
        "indexed in {:.1} s; the file grew from {} to {} MiB",
        began.elapsed().as_secs_f64(),
        before >> 20,
        house.bytes()? >> 20
    );

    let frequent = Words::word(1);
    let common = Words::word(100);
    let queries = [
        "everywhere",
        "often",
        "oft",
        "sometimes",
        "seldom",
        "never",
        "nowhere",
        "e",
        "o",
        "qu",
        &frequent,
        &common,
        "\"everywhere often\"",
        "\"often everywhere\"",
        "often sometimes seldom",
        "often never",
        "东京",
        "京",
        "北京",
    ];
    println!("a user who may read all:");
    let of_all = house.measure_all(1, &queries, MOST_OF_ALL).await?;
    let queries = ["everywhere", "\"everywhere\"", "ever", "o", "seldom", "nowhere", &frequent];
    println!("a user who may read {OF_OTHERS} of them:");
    let of_few = house.measure_all(2001, &queries, MOST_OF_FEW).await?;
    println!("a user who may read 1000 of them:");
    let of_some = house.measure_all(2, &queries, MOST_OF_FEW).await?;
    Ok(of_all && of_few && of_some)
}

fn main() -> ExitCode {
    finish(run())
}
