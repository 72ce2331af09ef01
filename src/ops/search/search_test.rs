//! Tests search against a scan of every message, and the bounds of one answer.

use super::index_messages::IndexMessages;
use super::merge_index::MergeIndex;
use super::search_messages::{Search, SearchPage};
use crate::auth::Caller;
use crate::ids::{LoginId, MessageId, Timestamp, UserId};
use crate::ops::op::{Cx, Op, System};
use crate::policy::Rules;
use crate::search::Query;
use crate::store::Db;
use crate::store::prepare;
use crate::store::scratch::{Scratch, both_databases, execute};
use diesel::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);

/// Ann and Bob write to each other, and Bob to Cat.
const PEOPLE: &str = "
    INSERT INTO users (username, username_key, display_name, created_at)
    VALUES ('ann', 'ann', 'Ann', 0), ('bob', 'bob', 'Bob', 0), ('cat', 'cat', 'Cat', 0);
    INSERT INTO conversations (kind, user_low, user_high, created_by, created_at, active_at, rev)
    VALUES ('direct', 1, 2, 1, 0, 0, 1), ('direct', 2, 3, 2, 0, 0, 1);
    INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
    VALUES (1, 1, 'member', 0, 1), (1, 2, 'member', 0, 1), (2, 2, 'member', 0, 1), (2, 3, 'member', 0, 1);";

/// Stores the texts as messages with the ids 1, 2, 3 … Ann may read those with an even id.
fn filled(scratch: &Scratch, texts: &[String]) -> Db {
    let mut db = scratch.open();
    prepare(&mut db, NOW).unwrap();
    execute(&mut db, PEOPLE).unwrap();
    let row = |(at, text): (usize, &String)| {
        let (id, seq) = (at + 1, at / 2 + 1);
        format!("({}, {seq}, {}, 2, '{text}', 0)", 1 + id % 2, seq + 1)
    };
    let rows: Vec<String> = texts.iter().enumerate().map(row).collect();
    for rows in rows.chunks(500) {
        let insert = "INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at) VALUES ";
        execute(&mut db, &format!("{insert}{}", rows.join(","))).unwrap();
    }
    db
}

/// Searches as Ann.
fn ask(db: &mut Db, q: &str, before: Option<MessageId>, limit: i64) -> SearchPage {
    let caller = Caller { user_id: UserId::new(1), login_id: Some(LoginId::new(1)), session_id: None };
    let op = Search { q: q.to_owned(), conversation_id: None, before, limit: Some(limit) };
    op.run(&caller, &mut Cx { db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" }).unwrap().output
}

/// Indexes one batch. Returns false when there are no more messages.
fn index(db: &mut Db) -> bool {
    db.write_transaction(|db| IndexMessages.run(&System, &mut Cx { db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" }))
        .unwrap()
        .output
}

/// Merges a few pages. Returns false when there is nothing to merge.
fn merge(db: &mut Db) -> bool {
    db.write_transaction(|db| MergeIndex.run(&System, &mut Cx { db, now: NOW, rules: &Rules::OPEN, epoch: "epoch" }))
        .unwrap()
        .output
}

/// Returns all matches, page after page, and the number of pages.
fn ask_all(db: &mut Db, q: &str, limit: i64) -> (Vec<i64>, usize) {
    let (mut all, mut before, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = ask(db, q, before, limit);
        pages += 1;
        all.extend(page.messages.iter().map(|hit| hit.message.id.get()));
        assert!(page.messages.len() as i64 <= limit);
        before = page.next;
        if before.is_none() {
            return (all, pages);
        }
    }
}

/// Returns the next pseudorandom number below `below`.
fn draw(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % below
}

fn text(state: &mut u64, most: usize) -> String {
    const PARTS: [&str; 14] = ["a", "ab", "É", "ß", "1", " ", " ", ".", "東", "京", "ดี", "각", "👍", "привет "];
    (0..1 + draw(state, most)).map(|_| PARTS[draw(state, PARTS.len())]).collect()
}

fn indexed_search_finds_the_same_as_a_full_scan(scratch: Scratch) {
    let mut state = 7;
    let mut texts: Vec<String> = (0..400).map(|_| text(&mut state, 12)).collect();
    // Enough messages that the index is also searched for prefixes of words.
    texts.resize(2_600, "zz".to_owned());
    let mut db = filled(&scratch, &texts);
    let queries: Vec<String> = (0..40)
        .map(|number| match number % 3 {
            0 => format!("\"{}\"", text(&mut state, 4)),
            _ => text(&mut state, 3),
        })
        .collect();
    let mut found = 0;
    // Without an index, with a part of the messages indexed, and with all of them indexed.
    for batches in [0, 1, 21] {
        for _ in 0..batches {
            index(&mut db);
        }
        for q in &queries {
            let Ok(query) = Query::parse(q) else { continue };
            let ids = (1..=texts.len()).rev().filter(|id| id % 2 == 0 && query.find(&texts[id - 1]).is_some());
            let expected: Vec<i64> = ids.map(|id| id as i64).collect();
            assert_eq!(ask_all(&mut db, q, 90).0, expected, "{q} after {batches}");
            found += expected.len();
        }
    }
    assert!(found > 300, "the queries find something: {found}");
    assert!(!index(&mut db), "all was indexed");
}
both_databases!(indexed_search_finds_the_same_as_a_full_scan);

/// One request cannot make the hub scan all messages.
fn a_search_stops_after_5000_messages_with_a_cursor(scratch: Scratch) {
    let mut texts = vec!["hay".to_owned(); 11_000];
    texts[1] = "needle".to_owned();
    // The index does not help here: both words are in every message, but apart.
    texts.iter_mut().skip(2).for_each(|text| text.push_str(" needles, and a needle"));
    texts[3] = "a hay needle".to_owned();
    let mut db = filled(&scratch, &texts);
    let first = ask(&mut db, "\"hay needle\"", None, 10);
    assert_eq!((first.messages.len(), first.next), (0, Some(MessageId::new(6_001))));
    assert_eq!(ask_all(&mut db, "\"hay needle\"", 10), (vec![4], 3));
    while index(&mut db) {}
    // The search reads only Ann's messages among the indexed ones.
    assert_eq!(ask_all(&mut db, "\"hay needle\"", 10), (vec![4], 2));
    assert_eq!(ask_all(&mut db, "needle", 100).0.len(), 5_500);
    assert_eq!(ask(&mut db, "nowhere", None, 10).next, None, "the index has no further results");
}
both_databases!(a_search_stops_after_5000_messages_with_a_cursor);

/// Returns the number of pieces of SQLite's index.
fn count_pieces(db: &mut Db) -> i64 {
    #[derive(QueryableByName)]
    struct Pieces {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let Db::Sqlite(conn) = db else { panic!("it is SQLite") };
    let query = diesel::sql_query("SELECT COUNT(DISTINCT segid) AS count FROM message_terms_idx");
    query.get_result::<Pieces>(conn).unwrap().count
}

#[test]
fn merging_the_index_in_steps_keeps_the_results() {
    let scratch = Scratch::sqlite();
    let words = |n| (0..30).map(|word| format!("word{n}x{word}")).collect::<Vec<_>>().join(" ");
    let texts: Vec<String> = (0..1_280).map(|n| format!("everywhere {}", words(n))).collect();
    let mut db = filled(&scratch, &texts);
    while index(&mut db) {}
    let (pieces, before) = (count_pieces(&mut db), ask_all(&mut db, "everywhere", 50).0);
    assert_eq!(pieces, 10, "each batch is one, and no batch merges others");
    let mut steps = 1;
    while merge(&mut db) {
        steps += 1;
    }
    assert!(steps > 2, "{steps}");
    assert!(count_pieces(&mut db) < 4, "{}", count_pieces(&mut db));
    assert_eq!(ask_all(&mut db, "everywhere", 50).0, before);
    assert!(!merge(&mut db), "no merge is left");
}
