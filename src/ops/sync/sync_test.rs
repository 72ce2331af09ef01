//! Tests the cost of `sync` for the database, and private rows that exceed one answer.

use super::{Changes, Mine, Sync};
use crate::auth::Caller;
use crate::ids::{LoginId, Position, Timestamp, UserId};
use crate::ops::op::{Cx, Op};

use crate::policy::Rules;
use crate::store::Db;
use crate::store::connection::explain::{analyze, explain, record, scans};
use crate::store::messaging::changes::list_heads;
use crate::store::prepare;
use crate::store::scratch::{Scratch, both_databases, execute};
use crate::wire::RelationChangeView;
use std::collections::BTreeSet;

const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);
const EPOCH: &str = "epoch";
/// A user with 1,000 conversations.
const BUSY: UserId = UserId::new(1);
/// A user with ten conversations.
const QUIET: UserId = UserId::new(1_002);

/// Ten thousand people and nearly as many conversations of three messages each.
const PEOPLE: &str = "
    CREATE TABLE numbers (n BIGINT PRIMARY KEY);
    INSERT INTO numbers WITH RECURSIVE upto (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM upto WHERE n < 10000)
    SELECT n FROM upto;
    INSERT INTO users (username, username_key, display_name, created_at)
    SELECT 'person' || n, 'person' || n, 'person' || n, 0 FROM numbers ORDER BY n;";

const MESSAGES: &str = "
    INSERT INTO conversations (kind, user_low, user_high, created_by, created_at, active_at, last_seq, rev)
    SELECT 'direct', CASE WHEN n <= 1001 THEN 1 WHEN n BETWEEN 1003 AND 1012 THEN 1002 ELSE n - 1 END, n, n, 0, n, 3, 4
    FROM numbers WHERE n > 1 AND n <> 1002 ORDER BY n;
    INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
    SELECT id, user_low, 'member', 0, 1 FROM conversations UNION ALL
    SELECT id, user_high, 'member', 0, 1 FROM conversations;
    INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at)
    SELECT id, n, n + 1, user_high, 'hi', n FROM conversations, numbers WHERE n <= 3 ORDER BY id, n;
    INSERT INTO blocks (user_id, blocked_id, created_at, me) SELECT n, n - 1, 0, 1 FROM numbers WHERE n > 1;
    INSERT INTO contacts (user_id, contact_id, created_at, me) SELECT n, n - 1, 0, 2 FROM numbers WHERE n > 1;";

fn filled(scratch: &Scratch, statements: &[&str]) -> Db {
    let mut db = scratch.open();
    prepare(&mut db, NOW).unwrap();
    statements.iter().for_each(|statement| execute(&mut db, statement).unwrap());
    analyze(&mut db);
    db
}

fn ask(db: &mut Db, user_id: UserId, request: &Sync) -> Changes {
    let caller = Caller { user_id, login_id: Some(LoginId::new(1)), session_id: None };
    request.run(&caller, &mut Cx { db, now: NOW, rules: &Rules::OPEN, epoch: EPOCH }).unwrap().output
}

/// Returns the request of a client that lacks only the last `missed` changes of each conversation.
fn behind(db: &mut Db, user_id: UserId, missed: i64) -> Sync {
    let heads = list_heads(db, user_id, None).unwrap();
    let conversations = heads.iter().map(|head| (head.id, Position::new(head.rev.get() - missed))).collect();
    Sync { epoch: Some(EPOCH.into()), me: Some(Position::new(0)), conversations, only: false }
}

fn an_up_to_date_client_costs_few_queries_at_any_size(scratch: Scratch) {
    let mut db = filled(&scratch, &[PEOPLE, MESSAGES]);
    let mut asked = |user_id: UserId, count: usize| {
        let request = behind(&mut db, user_id, 0);
        assert_eq!(request.conversations.len(), count);
        let (answer, queries) = record(&mut db, |db| ask(db, user_id, &request));
        assert!(answer.complete && answer.conversations.is_empty() && answer.left.is_empty());
        queries
    };
    let queries = asked(QUIET, 10);
    assert!(queries.len() <= 6, "{queries:#?}");
    assert_eq!(asked(BUSY, 1_000), queries, "the same for a hundred times as many");
}
both_databases!(an_up_to_date_client_costs_few_queries_at_any_size);

fn every_sync_query_uses_an_index(scratch: Scratch) {
    let mut db = filled(&scratch, &[PEOPLE, MESSAGES]);
    execute(
        &mut db,
        "UPDATE participants SET read_seq = 3, own_read_seq = 2, rev = 4;
         UPDATE messages SET changed_at = 1 WHERE seq = 1;
         INSERT INTO receipt_marks SELECT conversation_id, user_id, 'read', 3, 0 FROM participants;
         INSERT INTO hidden_messages SELECT user_high, conversation_id, messages.id, seq
         FROM messages JOIN conversations ON conversations.id = conversation_id WHERE seq = 2;
         INSERT INTO reactions SELECT conversation_id, id, 'x', sender_id, 4 FROM messages WHERE seq = 1;",
    )
    .unwrap();
    analyze(&mut db);
    let mut queries = BTreeSet::new();
    let only = |request: Sync| Sync { only: true, ..request };
    for (user_id, request) in [
        (BUSY, behind(&mut db, BUSY, 0)),
        (BUSY, only(behind(&mut db, BUSY, 0))),
        (QUIET, Sync::default()),
        (QUIET, behind(&mut db, QUIET, 1)),
        (QUIET, behind(&mut db, QUIET, 3)),
        (QUIET, only(behind(&mut db, QUIET, 1))),
    ] {
        queries.extend(record(&mut db, |db| ask(db, user_id, &request)).1);
    }
    assert!(queries.iter().any(|query| query.contains("receipt_marks")), "all kinds of queries ran: {queries:#?}");
    for query in &queries {
        let plan = explain(&mut db, query);
        assert!(!plan.is_empty() && !scans(&mut db, &plan), "{query}\n{plan:#?}");
    }
}
both_databases!(every_sync_query_uses_an_index);

fn any_number_of_hidden_last_messages_costs_one_more_query(scratch: Scratch) {
    let mut db = filled(&scratch, &[PEOPLE, MESSAGES]);
    let (before, shown) = record(&mut db, |db| ask(db, QUIET, &Sync::default()));
    execute(
        &mut db,
        "INSERT INTO hidden_messages SELECT user_low, conversation_id, messages.id, seq
         FROM messages JOIN conversations ON conversations.id = conversation_id WHERE seq > 1",
    )
    .unwrap();
    analyze(&mut db);
    let (after, hidden) = record(&mut db, |db| ask(db, QUIET, &Sync::default()));
    assert_eq!((before.conversations.len(), after.conversations.len()), (10, 10));
    assert!(after.conversations.iter().all(|json| json.get().contains(r#""last_message":{"id""#)), "{after:#?}");
    assert_eq!(hidden.len(), shown.len() + 1, "{hidden:#?}");
    for query in hidden.iter().filter(|query| !shown.contains(query)) {
        let plan = explain(&mut db, query);
        assert!(!scans(&mut db, &plan), "{query}\n{plan:#?}");
    }
}
both_databases!(any_number_of_hidden_last_messages_costs_one_more_query);

fn a_full_table_scan_is_detected(scratch: Scratch) {
    let mut db = filled(&scratch, &[PEOPLE]);
    for query in [
        "SELECT id FROM users WHERE display_name = 'x'",
        "SELECT n FROM numbers ORDER BY n",
        "SELECT conversation_id FROM receipt_marks WHERE seq = 7",
    ] {
        let plan = explain(&mut db, query);
        assert!(scans(&mut db, &plan), "{query}\n{plan:#?}");
    }
    let plan = explain(&mut db, "SELECT id FROM users WHERE id = 7");
    assert!(!scans(&mut db, &plan), "{plan:#?}");
}
both_databases!(a_full_table_scan_is_detected);

/// 3,000 private changes of one user, interleaved: blocks and contacts, a fifth of them removals,
/// own settings of conversations, and hidden messages.
const OWN: &str = "
    INSERT INTO blocks (user_id, blocked_id, created_at, removed_at, me)
    SELECT 1, n + 1, 0, CASE WHEN n % 5 = 0 THEN 0 END, 3 * n FROM numbers WHERE n <= 1200;
    INSERT INTO contacts (user_id, contact_id, created_at, removed_at, me)
    SELECT 1, n + 1, 0, CASE WHEN n % 5 = 0 THEN 0 END, 3 * n + 1 FROM numbers WHERE n <= 800;
    UPDATE participants SET own_read_seq = 1, me = 3 * conversation_id + 2
    WHERE user_id = 1 AND conversation_id <= 700;
    INSERT INTO hidden_messages (user_id, conversation_id, message_id, me)
    SELECT 1, 1, n, 3 * n + 1 FROM numbers WHERE n BETWEEN 801 AND 1100;
    UPDATE users SET me = 3600 WHERE id = 1;";

/// A private change: its kind, the id of its subject, and whether it is a removal.
type Own = (&'static str, i64, bool);

/// The changes in `OWN` after this number.
fn own_after(me: i64) -> BTreeSet<Own> {
    let blocks = (1..=1_200).map(|n| (3 * n, ("block", n + 1, n % 5 == 0)));
    let contacts = (1..=800).map(|n| (3 * n + 1, ("contact", n + 1, n % 5 == 0)));
    let own_states = (1..=700).map(|n| (3 * n + 2, ("place", n, false)));
    let hidden = (801..=1_100).map(|n| (3 * n + 1, ("hidden", n, false)));
    let all = blocks.chain(contacts).chain(own_states).chain(hidden);
    all.filter(|(number, _)| *number > me).map(|(_, own)| own).collect()
}

fn own_rows(mine: &Mine) -> Vec<Own> {
    let relations = |kind: &'static str, relations: &[RelationChangeView]| -> Vec<Own> {
        relations.iter().map(|change| (kind, change.user_id.get(), change.removed)).collect()
    };
    let own_states = mine.conversations.iter().map(|own_state| ("place", own_state.id.get(), false));
    let hidden = mine.hidden.iter().map(|id| ("hidden", id.get(), false));
    let relations = relations("block", &mine.blocks).into_iter().chain(relations("contact", &mine.contacts));
    relations.chain(own_states).chain(hidden).collect()
}

fn a_large_private_state_is_paged_with_each_row_once(scratch: Scratch) {
    let mut db = filled(&scratch, &[PEOPLE, MESSAGES, OWN]);
    let holding = behind(&mut db, BUSY, 0);
    for (start, expected_answers) in [(None, 3), (Some(0), 3), (Some(1_500), 2), (Some(3_000), 1), (Some(3_600), 1)] {
        let (mut me, mut rows, mut answers) = (start, Vec::new(), 0);
        loop {
            let answer = ask(&mut db, BUSY, &Sync { me: me.map(Position::new), ..holding.clone() });
            answers += 1;
            let own = own_rows(&answer.mine);
            assert!(own.len() <= 1_000, "{} rows after {me:?}", own.len());
            assert_eq!(answer.mine.reset, me.is_none());
            assert!(me.is_none_or(|me| me <= answer.me) && answer.me <= 3_600, "{me:?} leads to {}", answer.me);
            rows.extend(own);
            me = Some(answer.me);
            if answer.complete {
                break;
            }
            assert!(answers < 10, "it comes to an end");
        }
        assert_eq!((me, answers), (Some(3_600), expected_answers), "from {start:?}");
        // A reset leaves out removals. Only the first answer is a reset.
        let mut expected = own_after(start.unwrap_or(0));
        if start.is_none() {
            expected.retain(|own| !own.2 || rows.contains(own));
        }
        let once: BTreeSet<Own> = rows.iter().copied().collect();
        assert_eq!(rows.len(), once.len(), "each once, from {start:?}");
        assert!(once == expected, "from {start:?}: {:?}", once.symmetric_difference(&expected).collect::<Vec<_>>());
    }
}
both_databases!(a_large_private_state_is_paged_with_each_row_once);
