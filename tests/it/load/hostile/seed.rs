//! Messages that would take too long to send: written directly into the database, where the hub
//! finds them at its next start.

use super::crowd::Guest;
use crate::support::binary::Sandbox;
use diesel::connection::SimpleConnection;
use switchboard::app::App;
use switchboard::clock::Clock;
use switchboard::config::Config;
use switchboard::ops::op::System;
use switchboard::ops::search::index_messages::IndexMessages;
use switchboard::store::{Db, Target};

/// Messages in one statement.
const PORTION: i64 = 100_000;

/// Creates a group of the readers with this many unread messages of the first of `writers`, indexed
/// as the hub would have indexed them by now.
pub fn unread(sandbox: &Sandbox, url: &str, readers: &[Guest], writers: &[Guest], count: i64) {
    let data_dir = sandbox.path("data").display().to_string();
    let config = Config::from_lookup(|name| match name {
        "DATA_DIR" => Some(data_dir.clone()),
        "DATABASE_URL" => Some(url.to_owned()),
        _ => None,
    })
    .unwrap();
    let target = match url.strip_prefix("sqlite://") {
        Some(path) => Target::Sqlite(path.into()),
        None => Target::Postgres(url.to_owned()),
    };
    write(&mut target.open().unwrap(), readers, writers[0].id, count);
    // The new thread has no runtime yet.
    std::thread::scope(|threads| threads.spawn(|| index(config)).join()).unwrap();
}

fn index(config: Config) {
    actix_web::rt::System::new().block_on(async {
        let mut app = App::open(config, Clock::system()).unwrap();
        let (dispatcher, writer) = app.start_dispatcher().unwrap();
        while dispatcher.call(System, IndexMessages).await.unwrap() {}
        drop(dispatcher);
        writer.join().unwrap();
    });
}

fn write(db: &mut Db, readers: &[Guest], writer: i64, count: i64) {
    let mut sql = format!(
        "INSERT INTO conversations (kind, title, created_by, created_at, active_at, last_seq, rev, member_count)
         VALUES ('group', 'Unread', {writer}, 0, 0, {count}, {count}, {});",
        readers.len() + 1
    );
    let conversation = "(SELECT max(id) FROM conversations)";
    for member in readers.iter().map(|guest| guest.id).chain([writer]) {
        let role = if member == writer { "owner" } else { "member" };
        sql.push_str(&format!(
            "INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
             VALUES ({conversation}, {member}, '{role}', 0, 1);
             UPDATE users SET group_count = group_count + 1 WHERE id = {member};"
        ));
    }
    run(db, &sql);
    for first in (1..=count).step_by(PORTION as usize) {
        let last = count.min(first + PORTION - 1);
        // Two words are in every message, and one word is in few.
        run(
            db,
            &format!(
                "WITH RECURSIVE number (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM number WHERE n < {last})
                 INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at)
                 SELECT {conversation}, n, n, {writer}, 'everywhere always w' || (n % 1000), 0 FROM number;"
            ),
        );
    }
}

fn run(db: &mut Db, sql: &str) {
    match db {
        Db::Sqlite(conn) => conn.batch_execute(sql),
        Db::Postgres(conn) => conn.batch_execute(sql),
    }
    .unwrap();
}
