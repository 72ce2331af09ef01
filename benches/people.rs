//! Name search through the store, among 1,000,000 users, on SQLite and, where `TEST_POSTGRES_URL`
//! names a server, on Postgres.
//!
//! `scripts/with-servers cargo bench --bench people` prints how long it takes to answer, and to
//! index the names (once, at the start after an upgrade). It fails when the 99th percentile of all
//! answers, or of one kind of query, exceeds its bound.

#[path = "common/finish.rs"]
mod finish;

use diesel::prelude::*;
use finish::finish;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use switchboard::auth::Caller;
use switchboard::ids::{LoginId, Timestamp, UserId};
use switchboard::ops::op::{Cx, Op};
use switchboard::ops::people::list_users::ListUsers;
use switchboard::policy::Rules;
use switchboard::store::{self, Db, Target};

const PEOPLE: i64 = 1_000_000;
/// Users with whom the searching user has a direct conversation.
const PARTNERS: i64 = 200;
const QUERIES: usize = 2_000;
const MOST: Duration = Duration::from_millis(20);

const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);

/// A random number generator with the same numbers from 0 to 1 in each run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Draws one of `count` items, the n-th with a weight of 1/n, which is how names are
    /// distributed.
    fn often(&mut self, count: u64) -> u64 {
        ((count as f64).powf(self.next()) as u64).min(count) - 1
    }

    /// Draws a name that begins with an upper-case letter.
    fn name(&mut self, count: u64) -> String {
        const SYLLABLES: [&str; 32] = [
            "ma", "an", "jo", "li", "el", "sa", "ka", "mi", "ro", "da", "é", "chi", "ste", "ber", "ton", "wil", "har",
            "gu", "ø", "per", "son", "lee", "ne", "ri", "ta", "vi", "no", "sch", "mül", "ler", "ya", "ki",
        ];
        let mut left = self.often(count) + 32;
        let mut name = String::new();
        while left > 0 {
            name.push_str(SYLLABLES[(left % 32) as usize]);
            left /= 32;
        }
        let mut letters = name.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }

    fn full_name(&mut self) -> String {
        const HAN: [&str; 8] = ["王", "李", "田中", "小明", "太郎", "伟", "芳", "佐藤"];
        match self.next() {
            chance if chance < 0.05 => format!("{}{}", HAN[self.often(8) as usize], HAN[self.often(8) as usize]),
            chance if chance < 0.25 => format!("{} {} {}", self.name(5_000), self.name(5_000), self.name(50_000)),
            _ => format!("{} {}", self.name(5_000), self.name(50_000)),
        }
    }
}

fn execute(db: &mut Db, sql: &str) -> Result<(), diesel::result::Error> {
    use diesel::connection::SimpleConnection;
    match db {
        Db::Sqlite(conn) => conn.batch_execute(sql),
        Db::Postgres(conn) => conn.batch_execute(sql),
    }
}

/// Stores users as the previous version of the hub did, without words.
fn seed(db: &mut Db) -> Result<(), Box<dyn Error>> {
    let mut draw = Draw(1);
    execute(db, "BEGIN")?;
    let mut insert = String::new();
    for number in 1..=PEOPLE {
        insert.push_str(if insert.is_empty() {
            "INSERT INTO users (username, username_key, display_name, created_at) VALUES "
        } else {
            ","
        });
        let name = draw.full_name();
        let username = format!("{}{number}", char::from(b'a' + (number % 26) as u8));
        insert.push_str(&format!("('{username}','{username}','{name}',0)"));
        if number % 500 == 0 {
            execute(db, &std::mem::take(&mut insert))?;
        }
    }
    let every = PEOPLE / PARTNERS;
    for partner in (1..PARTNERS).map(|number| number * every) {
        insert.push_str(&format!(
            "INSERT INTO conversations (kind, user_low, user_high, created_by, created_at, active_at, rev)
             VALUES ('direct', 1, {partner}, 1, 0, {partner}, 2);"
        ));
    }
    insert.push_str(
        "INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
         SELECT id, user_low, 'member', 0, 1 FROM conversations
         UNION ALL SELECT id, user_high, 'member', 0, 1 FROM conversations",
    );
    execute(db, &insert)?;
    execute(db, "UPDATE user_words_progress SET version = 0, filled_upto = 0")?;
    execute(db, "COMMIT")?;
    Ok(())
}

/// Draws a query as users type it: mostly the beginnings of one or two existing names.
fn query(draw: &mut Draw, kind: usize) -> String {
    let cut = |draw: &mut Draw, text: &str| -> String {
        let most = text.chars().count();
        text.chars().take(1 + (draw.next() * most as f64) as usize).collect()
    };
    let name = draw.full_name();
    let words: Vec<&str> = name.split_whitespace().collect();
    match kind {
        0 => name.chars().take(1).collect(),
        1 => words[0].to_owned(),
        2 => cut(draw, words[words.len() - 1]),
        3 => name,
        4 => words.iter().rev().map(|word| cut(draw, word)).collect::<Vec<_>>().join(" "),
        5 => format!("{} {}", draw.name(5_000), draw.name(50_000)),
        6 => "m a".into(),
        7 => format!("@{}", char::from(b'a' + (draw.next() * 26.0) as u8)),
        _ => format!("{} zzz", draw.name(100)),
    }
}

const KINDS: [&str; 9] = [
    "one letter",
    "a first name",
    "the beginning of a last name",
    "a full name",
    "beginnings of all names, last name first",
    "a first and a last name of two people",
    "two letters",
    "a username",
    "a frequent name and one that nobody has",
];

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints the times. Returns whether the 99th percentile is within its bound.
fn judge(what: &str, times: &mut [Duration]) -> bool {
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("  {what}: median {:.2} ms, 99 of 100 within {:.2} ms", ms(median), ms(p99));
    p99 <= MOST
}

fn measure(db: &mut Db) -> Result<bool, Box<dyn Error>> {
    let began = Instant::now();
    seed(db)?;
    println!("  {PEOPLE} people, written in {:.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    store::prepare(db, NOW)?;
    println!("  their names indexed in {:.1} s", began.elapsed().as_secs_f64());
    // Postgres does this by itself within a minute.
    execute(db, if matches!(db, Db::Postgres(_)) { "VACUUM ANALYZE" } else { "ANALYZE" })?;
    let caller = Caller { user_id: UserId::new(1), login_id: Some(LoginId::new(1)), session_id: None };
    let mut draw = Draw(7);
    let mut times = vec![Vec::new(); KINDS.len()];
    for number in 0..QUERIES {
        let kind = number % KINDS.len();
        let q = query(&mut draw, kind);
        let began = Instant::now();
        let op = ListUsers { q, limit: None };
        db.snapshot(|db| op.run(&caller, &mut Cx { db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" }))?;
        times[kind].push(began.elapsed());
    }
    let mut all: Vec<Duration> = times.iter().flatten().copied().collect();
    let mut is_fast = judge("all", &mut all);
    for (kind, times) in KINDS.iter().zip(&mut times) {
        is_fast &= judge(kind, times);
    }
    Ok(is_fast)
}

async fn run() -> Result<bool, Box<dyn Error>> {
    println!("SQLite");
    let dir = tempfile::tempdir()?;
    let mut db = Target::Sqlite(dir.path().join("people.db")).open()?;
    store::prepare(&mut db, NOW)?;
    let mut is_fast = measure(&mut db)?;
    if let Ok(server) = std::env::var("TEST_POSTGRES_URL") {
        println!("Postgres");
        let name = format!("people_{}", std::process::id());
        diesel::sql_query(format!("CREATE DATABASE {name}")).execute(&mut PgConnection::establish(&server)?)?;
        let (before, _) = server.rsplit_once('/').ok_or("a URL with a database")?;
        let mut db = Target::Postgres(format!("{before}/{name}")).open()?;
        store::prepare(&mut db, NOW)?;
        execute(&mut db, "SET statement_timeout = 0")?;
        is_fast &= measure(&mut db)?;
        drop(db);
        diesel::sql_query(format!("DROP DATABASE {name}")).execute(&mut PgConnection::establish(&server)?)?;
    }
    Ok(is_fast)
}

fn main() -> ExitCode {
    finish(run())
}
