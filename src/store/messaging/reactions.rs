//! Reactions: the user, the message and the emoji.

use crate::error::Result;
use crate::ids::{ConversationId, MessageId, Rev, UserId};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::reactions;
use crate::store::{Db, on};
use diesel::dsl::{count_star, exists, min, not};
use diesel::prelude::*;

/// The number of users that are named for each emoji of a message: the first ones.
pub const MAX_NAMED: i64 = 20;

/// Sets the reaction. Returns false when it was set already.
pub fn insert_reaction(
    db: &mut Db,
    (conversation_id, id): (ConversationId, MessageId),
    emoji: &str,
    user_id: UserId,
    rev: Rev,
) -> Result<bool> {
    let row = (
        reactions::conversation_id.eq(conversation_id),
        reactions::message_id.eq(id),
        reactions::emoji.eq(emoji),
        reactions::user_id.eq(user_id),
        reactions::rev.eq(rev),
    );
    let rows =
        on!(db, conn => diesel::insert_into(reactions::table).values(row).on_conflict_do_nothing().execute(conn))?;
    Ok(rows > 0)
}

pub fn delete_reaction(db: &mut Db, id: MessageId, emoji: &str, user_id: UserId) -> Result<()> {
    on!(db, conn => diesel::delete(reactions::table.find((id, emoji, user_id))).execute(conn))?;
    Ok(())
}

pub fn delete_reactions(db: &mut Db, id: MessageId) -> Result<()> {
    on!(db, conn => diesel::delete(reactions::table.filter(reactions::message_id.eq(id))).execute(conn))?;
    Ok(())
}

pub fn has_reacted(db: &mut Db, id: MessageId, emoji: &str, user_id: UserId) -> Result<bool> {
    Ok(on!(db, conn => diesel::select(exists(reactions::table.find((id, emoji, user_id)))).get_result(conn))?)
}

/// The number of users who reacted to a message with one emoji.
#[derive(Clone, Debug, Queryable)]
pub struct Tally {
    pub message_id: MessageId,
    pub emoji: String,
    pub count: i64,
}

/// Lists the tallies by message. The reaction that was set first comes first.
pub fn list_tallies(db: &mut Db, ids: &[MessageId]) -> Result<Vec<Tally>> {
    let ids = id_list(ids)?;
    Ok(on!(db, conn => reactions::table
        .group_by((reactions::message_id, reactions::emoji))
        .select((reactions::message_id, reactions::emoji, count_star()))
        .filter(reactions::message_id.among(&ids))
        .order((reactions::message_id, min(reactions::rev))).load(conn))?)
}

/// One user's reaction.
#[derive(Clone, Debug, Queryable)]
pub struct Reaction {
    pub message_id: MessageId,
    pub emoji: String,
    pub user_id: UserId,
}

/// Lists the first `MAX_NAMED` reactions of each message and emoji, in their order.
pub fn list_first(db: &mut Db, ids: &[MessageId]) -> Result<Vec<Reaction>> {
    let ids = id_list(ids)?;
    let earlier = diesel::alias!(reactions as earlier);
    // The query stops at the twentieth reaction, however many there are.
    let is_late = exists(
        earlier
            .filter(earlier.field(reactions::message_id).eq(reactions::message_id))
            .filter(earlier.field(reactions::emoji).eq(reactions::emoji))
            .filter(earlier.field(reactions::rev).lt(reactions::rev))
            .limit(1)
            .offset(MAX_NAMED - 1),
    );
    Ok(on!(db, conn => reactions::table
        .select((reactions::message_id, reactions::emoji, reactions::user_id))
        .filter(reactions::message_id.among(&ids).and(not(is_late)))
        .order((reactions::message_id, reactions::rev)).load(conn))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Timestamp;
    use crate::store::connection::explain::{analyze, explain, record, scans};
    use crate::store::prepare;
    use crate::store::scratch::{Scratch, both_databases, execute};

    const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);

    /// A thousand users, and as many messages in one conversation.
    const PEOPLE: &str = "
        CREATE TABLE numbers (n BIGINT PRIMARY KEY);
        INSERT INTO numbers WITH RECURSIVE upto (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM upto WHERE n < 1000)
        SELECT n FROM upto;
        INSERT INTO users (username, username_key, display_name, created_at)
        SELECT 'person' || n, 'person' || n, 'person' || n, 0 FROM numbers ORDER BY n;
        INSERT INTO conversations (kind, created_by, created_at, active_at) VALUES ('group', 1, 0, 0);
        INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at)
        SELECT 1, n, n, 1, 'hi', 0 FROM numbers ORDER BY n;";

    fn filled(scratch: &Scratch) -> Db {
        let mut db = scratch.open();
        prepare(&mut db, NOW).unwrap();
        execute(&mut db, PEOPLE).unwrap();
        db
    }

    fn message(id: i64) -> MessageId {
        MessageId::new(id)
    }

    fn react(db: &mut Db, id: i64, emoji: &str, user_id: i64, rev: i64) -> bool {
        insert_reaction(db, (ConversationId::new(1), message(id)), emoji, UserId::new(user_id), Rev::new(rev)).unwrap()
    }

    fn named(db: &mut Db, ids: &[i64]) -> Vec<(i64, String, i64)> {
        let ids: Vec<MessageId> = ids.iter().copied().map(message).collect();
        let rows = list_first(db, &ids).unwrap();
        rows.into_iter().map(|row| (row.message_id.get(), row.emoji, row.user_id.get())).collect()
    }

    fn the_first_twenty_users_of_each_emoji_are_named_in_order(scratch: Scratch) {
        let mut db = filled(&scratch);
        // The user with the higher id was first.
        for user_id in 1..=25 {
            assert!(react(&mut db, 1, "👍", user_id, 100 - user_id));
        }
        assert!(react(&mut db, 1, "🎉", 7, 10) && react(&mut db, 2, "👍", 1, 200));
        let listed = named(&mut db, &[1, 2, 3]);
        let thumbs: Vec<i64> = listed.iter().filter(|row| (row.0, &*row.1) == (1, "👍")).map(|row| row.2).collect();
        assert_eq!(thumbs, (6..=25).rev().collect::<Vec<_>>());
        let others: Vec<_> = listed.into_iter().filter(|row| (row.0, &*row.1) != (1, "👍")).collect();
        assert_eq!(others, [(1, "🎉".to_owned(), 7), (2, "👍".to_owned(), 1)]);
        delete_reaction(&mut db, message(1), "👍", UserId::new(25)).unwrap();
        assert!(named(&mut db, &[1]).contains(&(1, "👍".to_owned(), 5)), "the next comes in");
    }
    both_databases!(the_first_twenty_users_of_each_emoji_are_named_in_order);

    fn emoji_are_ordered_by_first_use_and_counted(scratch: Scratch) {
        let mut db = filled(&scratch);
        for (emoji, user_id, rev) in [("🎉", 1, 5), ("❤️", 1, 6), ("👍", 1, 7), ("❤️", 2, 8), ("🎉", 3, 9)]
        {
            assert!(react(&mut db, 1, emoji, user_id, rev));
        }
        assert!(!react(&mut db, 1, "👍", 1, 10), "the reaction exists already");
        let tallies = list_tallies(&mut db, &[message(1), message(2)]).unwrap();
        let listed: Vec<_> = tallies.iter().map(|row| (row.message_id.get(), &*row.emoji, row.count)).collect();
        assert_eq!(listed, [(1, "🎉", 2), (1, "❤️", 2), (1, "👍", 1)]);
        assert!(has_reacted(&mut db, message(1), "👍", UserId::new(1)).unwrap());
        delete_reactions(&mut db, message(1)).unwrap();
        assert!(list_tallies(&mut db, &[message(1)]).unwrap().is_empty());
        assert!(!has_reacted(&mut db, message(1), "👍", UserId::new(1)).unwrap());
    }
    both_databases!(emoji_are_ordered_by_first_use_and_counted);

    fn many_reactions_are_loaded_by_an_index(scratch: Scratch) {
        let mut db = filled(&scratch);
        execute(&mut db, "INSERT INTO reactions SELECT 1, messages.id, 'x', n, n FROM messages, numbers WHERE n <= 50")
            .unwrap();
        analyze(&mut db);
        let (rows, queries) = record(&mut db, |db| {
            list_tallies(db, &[message(1)]).unwrap();
            list_first(db, &[message(1)]).unwrap()
        });
        assert_eq!(rows.len() as i64, MAX_NAMED);
        for query in &queries {
            let plan = explain(&mut db, query);
            assert!(!scans(&mut db, &plan), "{query}\n{plan:#?}");
        }
    }
    both_databases!(many_reactions_are_loaded_by_an_index);
}
