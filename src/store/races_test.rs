//! A write does not undo what another node committed since the row was read. The write fails, and
//! the writer runs it again with the current row.

use super::Db;
use super::messaging::{messages, positions};
use super::prepare;
use super::scratch::{Scratch, both_databases, execute};
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId, Rev, Seq, Timestamp, UserId};

const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);
const CHAT: ConversationId = ConversationId::new(1);
const ANN: UserId = UserId::new(1);

/// Creates Ann, Bob and two messages. The second message is a tombstone.
fn filled(scratch: &Scratch) -> Db {
    let mut db = scratch.open();
    prepare(&mut db, NOW).unwrap();
    execute(
        &mut db,
        "INSERT INTO users (username, username_key, display_name, created_at)
         VALUES ('ann', 'ann', 'ann', 0), ('bob', 'bob', 'bob', 0);
         INSERT INTO conversations (kind, user_low, user_high, created_by, created_at, active_at, last_seq, rev)
         VALUES ('direct', 1, 2, 1, 0, 0, 2, 4);
         INSERT INTO participants (conversation_id, user_id, role, joined_at, rev, own_delivered_seq, own_read_seq)
         VALUES (1, 1, 'member', 0, 1, 2, 1), (1, 2, 'member', 0, 1, 0, 0);
         INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at, deleted_at)
         VALUES (1, 1, 2, 1, 'one', 0, NULL), (1, 2, 4, 1, '', 0, 1);",
    )
    .unwrap();
    db
}

fn is_lost(outcome: &Result<()>) -> bool {
    matches!(outcome, Err(Error::Contention(_)))
}

fn a_tombstone_is_not_overwritten(scratch: Scratch) {
    let mut db = filled(&scratch);
    let mut edit = |id: i64| messages::set_content(&mut db, MessageId::new(id), "again", b"hash", Rev::new(5), NOW);
    assert!(edit(1).is_ok() && is_lost(&edit(2)));
    let mut change = |id: i64| messages::set_changed(&mut db, MessageId::new(id), Rev::new(6), NOW);
    assert!(change(1).is_ok() && is_lost(&change(2)));
    let tombstone = messages::find_message(&mut db, MessageId::new(2)).unwrap().unwrap();
    assert_eq!((&*tombstone.content, tombstone.rev), ("", Rev::new(4)));
}
both_databases!(a_tombstone_is_not_overwritten);

fn clearing_never_moves_a_position_back(scratch: Scratch) {
    let mut db = filled(&scratch);
    let mut clear = |seq: i64| positions::set_cleared(&mut db, CHAT, ANN, Seq::new(seq)).map(|_| ());
    assert!(is_lost(&clear(1)) && clear(2).is_ok() && is_lost(&clear(1)));
}
both_databases!(clearing_never_moves_a_position_back);

fn hiding_a_hidden_message_again_changes_nothing(scratch: Scratch) {
    let mut db = filled(&scratch);
    for private_rev in 1..=2 {
        messages::insert_hidden(&mut db, (ConversationId::new(1), MessageId::new(1)), ANN, private_rev).unwrap();
    }
    let hidden = messages::list_hidden_after(&mut db, ANN, 0, 10).unwrap();
    assert_eq!(hidden.iter().map(|row| (row.message_id.get(), row.private_rev)).collect::<Vec<_>>(), [(1, 1)]);
}
both_databases!(hiding_a_hidden_message_again_changes_nothing);
