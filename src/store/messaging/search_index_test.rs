//! Compares the index with the tables, on both databases.

use super::search_index::{
    Scope, index_next, indexed_upto, list_indexed, list_readable, list_unindexed, reindex, remove,
};
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MAX_ID, MessageId, Timestamp, UserId};
use crate::search::Query;
use crate::store::Db;
use crate::store::connection::explain::{explain, record, scans};
use crate::store::prepare;
use crate::store::scratch::{Scratch, both_databases, execute};

const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);
const ALL: MessageId = MessageId::new(MAX_ID);
const ANN: UserId = UserId::new(1);
const CAT: UserId = UserId::new(3);

/// Ann and Bob write to each other, Bob and Cat too, and all are in a group.
const ROWS: &str = "
    INSERT INTO users (username, username_key, display_name, created_at)
    VALUES ('ann', 'ann', 'Ann', 0), ('bob', 'bob', 'Bob', 0), ('cat', 'cat', 'Cat', 0);
    INSERT INTO conversations (kind, user_low, user_high, created_by, created_at, active_at, last_seq, rev)
    VALUES ('direct', 1, 2, 1, 0, 0, 3, 4), ('direct', 2, 3, 2, 0, 0, 1, 2), ('group', NULL, NULL, 1, 0, 0, 1, 2);
    INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
    VALUES (1, 1, 'member', 0, 1), (1, 2, 'member', 0, 1), (2, 2, 'member', 0, 1), (2, 3, 'member', 0, 1),
           (3, 1, 'owner', 0, 1), (3, 2, 'member', 0, 1), (3, 3, NULL, 0, 1);
    INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at)
    VALUES (1, 1, 2, 1, 'an apple', 0), (1, 2, 3, 2, 'apples, and pears', 0), (2, 1, 2, 3, 'one apple', 0),
           (3, 1, 2, 2, 'apple for all', 0), (1, 3, 4, 1, 'nothing', 0);";

fn filled(scratch: &Scratch) -> Db {
    let mut db = scratch.open();
    prepare(&mut db, NOW).unwrap();
    execute(&mut db, ROWS).unwrap();
    db
}

fn write<T>(db: &mut Db, work: impl FnOnce(&mut Db) -> Result<T>) -> T {
    db.write_transaction(work).unwrap()
}

fn index_all(db: &mut Db) {
    while write(db, |db| index_next(db, 2)) {}
}

/// The messages that the index proposes to the user for a query, by id.
fn proposed(db: &mut Db, me: UserId, q: &str) -> Vec<i64> {
    let scope = Scope::all_of(db, me).unwrap();
    proposed_in(db, &scope, q)
}

fn proposed_in(db: &mut Db, scope: &Scope, q: &str) -> Vec<i64> {
    let terms = Query::parse(q).unwrap().terms();
    list_indexed(db, scope, &terms, ALL, 10).unwrap().into_iter().map(MessageId::get).collect()
}

fn the_index_finds_messages_of_own_conversations_newest_first(scratch: Scratch) {
    let mut db = filled(&scratch);
    assert!(proposed(&mut db, ANN, "apple").is_empty(), "no message is indexed yet");
    index_all(&mut db);
    assert_eq!(proposed(&mut db, ANN, "apple"), [4, 2, 1]);
    assert_eq!(proposed(&mut db, ANN, "\"apple\""), [4, 1]);
    assert_eq!(proposed(&mut db, ANN, "pea app"), [2]);
    assert_eq!(proposed(&mut db, CAT, "apple"), [3], "not of a group that one left");
    assert_eq!(proposed_in(&mut db, &Scope::one(ConversationId::new(3)), "apple"), [4]);
    let scope = Scope::all_of(&mut db, ANN).unwrap();
    let page = list_indexed(&mut db, &scope, &[], MessageId::new(5), 2).unwrap();
    assert_eq!(page, [4, 2].map(MessageId::new), "before an id, and no more than asked for");
}
both_databases!(the_index_finds_messages_of_own_conversations_newest_first);

fn unindexed_messages_are_known(scratch: Scratch) {
    let mut db = filled(&scratch);
    assert!(write(&mut db, |db| index_next(db, 2)), "there are more");
    let upto = indexed_upto(&mut db).unwrap();
    assert_eq!(upto, MessageId::new(2));
    assert_eq!(list_unindexed(&mut db, upto, ALL, 10).unwrap(), [5, 4, 3].map(MessageId::new));
    index_all(&mut db);
    let upto = indexed_upto(&mut db).unwrap();
    assert_eq!(list_unindexed(&mut db, upto, ALL, 10).unwrap(), []);
    assert!(!write(&mut db, |db| index_next(db, 2)), "indexing again changes nothing");
    assert_eq!(proposed(&mut db, ANN, "apple"), [4, 2, 1]);
}
both_databases!(unindexed_messages_are_known);

fn an_edited_text_is_found_only_by_its_new_words(scratch: Scratch) {
    let mut db = filled(&scratch);
    index_all(&mut db);
    write(&mut db, |db| {
        execute(db, "UPDATE messages SET content = 'a plum' WHERE id = 1")?;
        reindex(db, MessageId::new(1))
    });
    assert_eq!(proposed(&mut db, ANN, "apple"), [4, 2]);
    assert_eq!(proposed(&mut db, ANN, "plum"), [1]);
    write(&mut db, |db| reindex(db, MessageId::new(1)));
    assert_eq!(proposed(&mut db, ANN, "plum"), [1], "twice does no harm");
}
both_databases!(an_edited_text_is_found_only_by_its_new_words);

fn a_deleted_message_is_no_longer_found(scratch: Scratch) {
    let mut db = filled(&scratch);
    index_all(&mut db);
    write(&mut db, |db| remove(db, MessageId::new(2)));
    assert_eq!(proposed(&mut db, ANN, "apple"), [4, 1]);
    // The write is an operation that knows only that something changed.
    write(&mut db, |db| {
        execute(db, "UPDATE messages SET deleted_at = 1, content = '' WHERE id = 1")?;
        reindex(db, MessageId::new(1))
    });
    assert_eq!(proposed(&mut db, ANN, "apple"), [4]);
    write(&mut db, |db| remove(db, MessageId::new(99)));
}
both_databases!(a_deleted_message_is_no_longer_found);

fn a_message_changed_before_indexing_is_indexed_once(scratch: Scratch) {
    let mut db = filled(&scratch);
    write(&mut db, |db| index_next(db, 2));
    write(&mut db, |db| {
        execute(db, "UPDATE messages SET content = 'a plum' WHERE id = 4")?;
        reindex(db, MessageId::new(4))
    });
    write(&mut db, |db| {
        execute(db, "UPDATE messages SET deleted_at = 1, content = '' WHERE id = 3")?;
        remove(db, MessageId::new(3))
    });
    index_all(&mut db);
    assert_eq!(proposed(&mut db, ANN, "plum"), [4]);
    assert_eq!(proposed(&mut db, ANN, "apple"), [2, 1]);
    assert_eq!(proposed(&mut db, CAT, "apple"), [0; 0]);
}
both_databases!(a_message_changed_before_indexing_is_indexed_once);

fn a_rollback_leaves_the_index_unchanged(scratch: Scratch) {
    let mut db = filled(&scratch);
    index_all(&mut db);
    let outcome: Result<()> = db.write_transaction(|db| {
        remove(db, MessageId::new(1))?;
        Err(Error::Forbidden("no"))
    });
    assert!(outcome.is_err());
    assert_eq!(proposed(&mut db, ANN, "apple"), [4, 2, 1]);
}
both_databases!(a_rollback_leaves_the_index_unchanged);

fn messages_indexed_by_other_rules_are_indexed_again(scratch: Scratch) {
    let mut db = filled(&scratch);
    index_all(&mut db);
    execute(&mut db, "UPDATE search_progress SET version = -1").unwrap();
    assert_eq!(indexed_upto(&mut db).unwrap(), MessageId::new(0), "it does not count");
    index_all(&mut db);
    assert_eq!(proposed(&mut db, ANN, "apple"), [4, 2, 1]);
}
both_databases!(messages_indexed_by_other_rules_are_indexed_again);

fn only_currently_readable_messages_are_listed(scratch: Scratch) {
    let mut db = filled(&scratch);
    let all: Vec<MessageId> = (1..=5).map(MessageId::new).collect();
    let mut readable = |sql: &str, me: UserId| -> Vec<i64> {
        execute(&mut db, sql).unwrap();
        list_readable(&mut db, me, &all).unwrap().into_iter().map(|message| message.id.get()).collect()
    };
    assert_eq!(readable("SELECT 1", ANN), [5, 4, 2, 1]);
    assert_eq!(readable("SELECT 1", CAT), [3]);
    assert_eq!(readable("UPDATE messages SET deleted_at = 1 WHERE id = 5", ANN), [4, 2, 1]);
    assert_eq!(readable("UPDATE messages SET message_type = 'system' WHERE id = 4", ANN), [2, 1]);
    assert_eq!(readable("UPDATE participants SET cleared_seq = 1 WHERE conversation_id = 1 AND user_id = 1", ANN), [2]);
    assert_eq!(readable("INSERT INTO blocks (user_id, blocked_id, created_at, me) VALUES (2, 1, 0, 1)", ANN), [0; 0]);
    assert_eq!(readable("UPDATE blocks SET removed_at = 1", ANN), [2]);
    assert_eq!(readable("INSERT INTO blocks (user_id, blocked_id, created_at, me) VALUES (1, 2, 0, 1)", ANN), [0; 0]);
    assert_eq!(
        readable("DELETE FROM blocks; UPDATE participants SET visible_from_seq = 3 WHERE user_id = 1", ANN),
        [0; 0]
    );
}
both_databases!(only_currently_readable_messages_are_listed);

/// However many messages are requested, on SQLite, which has no statistics.
#[test]
fn messages_are_read_by_their_ids() {
    let scratch = Scratch::sqlite();
    let mut db = filled(&scratch);
    let ids: Vec<MessageId> = (1..=200).map(MessageId::new).collect();
    let (_, statements) = record(&mut db, |db| list_readable(db, ANN, &ids).unwrap());
    let plans: Vec<String> = statements.iter().flat_map(|statement| explain(&mut db, statement)).collect();
    assert!(plans[0].starts_with("SEARCH messages USING INTEGER PRIMARY KEY"), "{plans:#?}");
    assert!(!scans(&mut db, &plans), "{plans:#?}");
}

/// The longest query that is allowed, and terms of every script.
fn every_allowed_query_works_in_the_database(scratch: Scratch) {
    let mut db = filled(&scratch);
    index_all(&mut db);
    let dense: String = ('\u{4e00}'..).take(256).collect();
    let signs: String = ('\u{1f600}'..).take(256).collect();
    for q in [
        &dense,
        &signs,
        &"z ".repeat(16),
        &"z.".repeat(128),
        &"x".repeat(256),
        "\" OR 1=1 --",
        "a' | 'b:*",
        "§u2",
        "§ u2",
    ] {
        assert!(proposed(&mut db, ANN, q).is_empty(), "{q}");
    }
}
both_databases!(every_allowed_query_works_in_the_database);
