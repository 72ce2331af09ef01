//! Groups on both databases. It measures the cost to create a group of 100 users who share 1,000
//! groups, and the delays of a user in 5,000 groups.
//!
//! `scripts/with-servers cargo bench --bench groups` prints medians, and fails when one exceeds its
//! bound. Without `TEST_POSTGRES_URL` it measures SQLite only. It uses no sockets: it measures
//! operations inside a transaction.

#[path = "common/finish.rs"]
mod finish;

use diesel::connection::{Connection, SimpleConnection};
use finish::finish;
use serde_json::json;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use switchboard::auth::Caller;
use switchboard::clock::Clock;
use switchboard::error::Error as HubError;
use switchboard::ids::{ConversationId, UserId};
use switchboard::ops::conversations::create_conversation::CreateConversation;
use switchboard::ops::conversations::get_conversation::GetConversation;
use switchboard::ops::conversations::list_conversations::ListConversations;
use switchboard::ops::groups::add_participant::AddParticipant;
use switchboard::ops::groups::remove_participant::RemoveParticipant;
use switchboard::ops::logins::open_session::OpenSession;
use switchboard::ops::messages::list_messages::ListMessages;
use switchboard::ops::messages::send_message::SendMessage;
use switchboard::ops::op::{Cx, Op, System};
use switchboard::ops::people::set_block::SetBlock;
use switchboard::ops::people::set_contact::SetContact;
use switchboard::ops::presence::announce_presence::AnnouncePresence;
use switchboard::ops::search::search_messages::Search;
use switchboard::ops::sync::Sync;
use switchboard::policy::Rules;
use switchboard::store::prepare;
use switchboard::store::{Db, Target};

/// Users in one group, and groups that they share.
const PEOPLE: i64 = 100;
const SHARED: i64 = 1_000;
/// Groups of the user who is in many.
const MANY: i64 = 5_000;
const ROUNDS: usize = 15;

const MOST_TO_CREATE: Duration = Duration::from_millis(20);
const MOST_TO_WAIT: Duration = Duration::from_millis(50);

/// Users 1 to 100 share groups, and 101 to 200 are strangers. Each of 201 to 300 is in as many
/// groups of their own. User 301 is in many groups, with 302.
const SEED: &str = "
    INSERT INTO users (username, username_key, display_name, created_at, group_count)
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 400)
    SELECT 'user' || n, 'user' || n, 'User', 0, CASE WHEN n <= 100 THEN {shared} WHEN n BETWEEN 201 AND 300
        THEN {shared} WHEN n IN (301, 302) THEN {many} - 100 ELSE 0 END FROM number;
    INSERT INTO conversations (kind, title, created_by, created_at, active_at, rev, member_count)
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {shared})
    SELECT 'group', 'shared', 1, 0, n, 1, {people} FROM number;
    INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
    SELECT c.id, u.id, 'member', 0, 1 FROM conversations c CROSS JOIN users u
    WHERE c.title = 'shared' AND u.id <= {people};
    INSERT INTO conversations (kind, title, created_by, created_at, active_at, rev, member_count)
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {shared})
    SELECT 'group', 'own', u.id, 0, n, 1, 1 FROM number CROSS JOIN users u WHERE u.id BETWEEN 201 AND 300;
    INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
    SELECT id, created_by, 'owner', 0, 1 FROM conversations WHERE title = 'own';
    INSERT INTO conversations (kind, title, created_by, created_at, active_at, last_seq, rev, member_count)
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {many})
    SELECT 'group', 'many', 302, 0, n, 20, 21, 2 FROM number;
    INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
    SELECT c.id, u.id, 'member', 0, 1 FROM conversations c CROSS JOIN users u
    WHERE c.title = 'many' AND u.id IN (301, 302);
    UPDATE participants SET role = 'owner' WHERE user_id = 301;
    INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at)
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20)
    SELECT c.id, n, n + 1, 302, 'hello number ' || n || ' of ' || c.id, 0 FROM number CROSS JOIN conversations c
    WHERE c.title = 'many';
    ANALYZE";

fn seed(db: &mut Db) -> Result<(), Box<dyn Error>> {
    let sql = [("people", PEOPLE), ("shared", SHARED), ("many", MANY)]
        .iter()
        .fold(SEED.to_owned(), |sql, (name, number)| sql.replace(&format!("{{{name}}}"), &number.to_string()));
    match db {
        Db::Sqlite(conn) => conn.batch_execute(&sql)?,
        Db::Postgres(conn) => conn.batch_execute(&sql)?,
    }
    Ok(())
}

/// Prints the median time of an operation in a transaction that is rolled back. Returns whether it
/// is within the bound.
fn measure<W>(db: &mut Db, what: &str, most: Duration, who: &W, op: &impl Op<W>) -> Result<bool, Box<dyn Error>> {
    let now = Clock::system().now();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let mut outcome = None;
        let rolled_back: Result<(), HubError> = db.write_transaction(|db| {
            let began = Instant::now();
            let done = op.run(who, &mut Cx { db, now, rules: &Rules::OPEN, epoch: "epoch" });
            outcome = Some(done.map(|done| (began.elapsed(), done.effects.len())));
            Err(HubError::NotFound("to roll it back"))
        });
        let Some(done) = outcome else { return Err(format!("{what}: {rolled_back:?}").into()) };
        times.push(done.map_err(|error| format!("{what}: {error}"))?);
    }
    times.sort_unstable();
    let (median, events) = times[ROUNDS / 2];
    println!("  {what}: {:.2} ms, {events} events, at most {} ms", median.as_secs_f64() * 1e3, most.as_millis());
    Ok(median <= most)
}

const fn caller(id: i64) -> Caller {
    Caller { user_id: UserId::new(id), login_id: None, session_id: None }
}

fn from<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> Result<T, Box<dyn Error>> {
    Ok(serde_json::from_value(json)?)
}

fn run_on(db: &mut Db) -> Result<bool, Box<dyn Error>> {
    prepare(db, Clock::system().now())?;
    seed(db)?;
    while db.write_transaction(|db| switchboard::store::messaging::search_index::index_next(db, 1_000))? {}
    let mut is_good = true;
    for (what, maker, first, most) in [
        ("a group of 100 who share 1,000 groups", 1, 1, MOST_TO_CREATE),
        ("a group of 100 strangers", 101, 101, MOST_TO_WAIT),
        ("a group of 100 strangers in 1,000 groups each", 201, 201, Duration::from_millis(500)),
    ] {
        let others: Vec<i64> = (first..first + PEOPLE).filter(|id| *id != maker).collect();
        let op: CreateConversation = from(json!({"participant_ids": others, "title": "New"}))?;
        is_good &= measure(db, what, most, &caller(maker), &op)?;
    }
    let id = ConversationId::new(SHARED + 100 * SHARED + 1);
    let me = caller(301);
    let (myself, other, stranger) = (UserId::new(301), UserId::new(302), UserId::new(303));
    let search = |q: &str| from::<Search>(json!({"q": q}));
    let message: SendMessage = from(json!({"conversation_id": id, "content": "hi"}))?;
    let sync_all = Sync::default();
    let history = ListMessages { conversation_id: id, before_seq: None, after_seq: None, limit: None };
    let page = |limit| ListConversations { limit: Some(limit), ..ListConversations::default() };
    macro_rules! wait {
        ($what:literal, $op:expr) => {
            is_good &= measure(db, $what, MOST_TO_WAIT, &me, &$op)?
        };
    }
    println!("  somebody in 5,000 groups:");
    wait!("connect", OpenSession);
    wait!("a page of 50 conversations", page(50));
    wait!("a page of 200 conversations", page(200));
    wait!("a conversation", GetConversation { conversation_id: id });
    wait!("its history", history);
    wait!("search, a frequent word", search("hello")?);
    wait!("search, a rare word", search("7")?);
    wait!("search, the beginning of a word", search("hel")?);
    wait!("send", message);
    wait!("block", SetBlock { user_id: other, is_blocked: true });
    wait!("contact", SetContact { user_id: other, is_contact: true });
    wait!("add somebody", AddParticipant { conversation_id: id, user_id: stranger });
    wait!("leave", RemoveParticipant { conversation_id: id, user_id: other });
    let presence = AnnouncePresence { changes: vec![(myself, true)] };
    is_good &= measure(db, "tell that they came", MOST_TO_WAIT, &System, &presence)?;
    is_good &= measure(db, "a first sync", Duration::from_millis(500), &me, &sync_all)?;
    Ok(is_good)
}

async fn run() -> Result<bool, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    println!("SQLite");
    let mut is_good = run_on(&mut Target::Sqlite(dir.path().join("groups.db")).open()?)?;
    if let Ok(server) = std::env::var("TEST_POSTGRES_URL") {
        println!("Postgres");
        let name = format!("bench_groups_{}", std::process::id());
        let mut control = diesel::PgConnection::establish(&server)?;
        control.batch_execute(&format!("CREATE DATABASE {name}"))?;
        let (before, _) = server.rsplit_once('/').ok_or("the URL names a database")?;
        let outcome =
            Target::Postgres(format!("{before}/{name}")).open().map_err(Into::into).and_then(|mut db| run_on(&mut db));
        control.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))?;
        is_good &= outcome?;
    }
    Ok(is_good)
}

fn main() -> ExitCode {
    finish(run())
}
