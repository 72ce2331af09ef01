//! The search index from terms to messages: FTS5 on SQLite, `tsvector` on Postgres.
//!
//! Besides the words of its text, a message has a term for each user of its direct conversation and
//! one for the conversation. So a search begins with the messages that the caller may read, however
//! much others wrote. The tables still decide what each user may read. The index only proposes
//! candidates, and it leaves out no match.
//!
//! Messages are indexed soon after they are written, many at once. An index flush for each message
//! would cost more than the message. A search finds messages that are not indexed yet by reading
//! them.

use super::conversations::OwnState;
use super::messages::Message;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId, UserId};
use crate::search::{self, Term};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::{blocks, conversations, messages, participants, search_progress};
use crate::store::{Db, on};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use std::collections::{BTreeSet, HashMap};

/// The prefix of terms that are not words. No text has it in a term.
const MARK: char = '§';

/// A message that is about to be indexed.
#[derive(Queryable)]
struct Unindexed {
    id: MessageId,
    conversation_id: ConversationId,
    content: String,
    is_text: bool,
    user_low: Option<UserId>,
    user_high: Option<UserId>,
}

/// The query for [`Unindexed`], from two tables.
macro_rules! unindexed {
    () => {
        messages::table.inner_join(conversations::table).select((
            messages::id,
            messages::conversation_id,
            messages::content,
            messages::message_type.eq("text").and(messages::deleted_at.is_null()),
            conversations::user_low,
            conversations::user_high,
        ))
    };
}

impl Unindexed {
    /// All terms of the message, separated by spaces.
    fn terms(&self) -> String {
        let people = [self.user_low, self.user_high].into_iter().flatten().map(person_term);
        let places = people.chain([conversation_term(self.conversation_id)]);
        places.chain(search::terms(&self.content)).collect::<Vec<_>>().join(" ")
    }
}

fn person_term(id: UserId) -> String {
    format!("{MARK}u{id}")
}

fn conversation_term(id: ConversationId) -> String {
    format!("{MARK}c{id}")
}

/// The last message that the index covers. The index covers all messages before it too.
pub fn indexed_upto(db: &mut Db) -> Result<MessageId> {
    let upto: Option<MessageId> = on!(db, conn => search_progress::table.select(search_progress::indexed_upto)
        .filter(search_progress::version.eq(search::VERSION)).first(conn).optional())?;
    Ok(upto.unwrap_or(MessageId::new(0)))
}

/// Indexes the oldest unindexed messages, at most `limit`. Returns false when there are no more.
pub fn index_next(db: &mut Db, limit: i64) -> Result<bool> {
    let upto = match lock_progress(db)? {
        (version, upto) if version == search::VERSION => upto,
        _ => restart(db)?,
    };
    let next: Vec<Unindexed> = on!(db, conn => unindexed!().filter(messages::id.gt(upto))
        .order(messages::id).limit(limit).load(conn))?;
    let Some(last) = next.last() else { return Ok(false) };
    set_progress(db, last.id)?;
    insert(db, next.iter().filter(|message| message.is_text))?;
    Ok(next.len() as i64 == limit)
}

/// Pages of SQLite's index that are merged at once. Each takes some 0.3 ms.
const MERGED_PAGES: i64 = 8;

/// Merges a few pages of SQLite's index. Every batch adds a small piece to the index, and a search
/// reads each piece. Returns false when there is nothing to merge.
pub fn merge_next(db: &mut Db) -> Result<bool> {
    let Db::Sqlite(conn) = db else { return Ok(false) };
    let before = total_changes(conn)?;
    diesel::sql_query("INSERT INTO message_terms (message_terms, rank) VALUES ('merge', ?)")
        .bind::<BigInt, _>(MERGED_PAGES)
        .execute(conn)?;
    // The command itself counts as one change (<https://sqlite.org/fts5.html#the_merge_command>).
    Ok(total_changes(conn)? - before >= 2)
}

fn total_changes(conn: &mut SqliteConnection) -> QueryResult<i32> {
    diesel::define_sql_function! { fn total_changes() -> Integer; }
    diesel::select(total_changes()).first(conn)
}

/// Updates the index after the text of a message changed, in the same transaction. The index then
/// has the new words, and no longer the old ones.
pub fn reindex(db: &mut Db, id: MessageId) -> Result<()> {
    remove(db, id)?;
    if id > indexed_upto(db)? {
        return Ok(());
    }
    let found: Option<Unindexed> = on!(db, conn => unindexed!().filter(messages::id.eq(id)).first(conn).optional())?;
    insert(db, found.iter().filter(|message| message.is_text))
}

/// Removes a deleted message from the index, in the same transaction.
pub fn remove(db: &mut Db, id: MessageId) -> Result<()> {
    match db {
        Db::Sqlite(conn) => {
            diesel::sql_query("DELETE FROM message_terms WHERE rowid = ?").bind::<BigInt, _>(id).execute(conn)?
        }
        Db::Postgres(conn) => {
            diesel::sql_query("DELETE FROM message_terms WHERE message_id = $1").bind::<BigInt, _>(id).execute(conn)?
        }
    };
    Ok(())
}

/// The number of groups whose terms a search names. FTS5 takes about 0.1 ms for each.
const MAX_NAMED_GROUPS: i64 = 200;

/// The scope of a search: the messages with one of these terms. Without terms it is all messages of
/// all users, and the search finds the readable ones by reading them.
#[derive(Clone, Debug)]
pub struct Scope(Vec<String>);

impl Scope {
    pub fn one(id: ConversationId) -> Self {
        Self(vec![conversation_term(id)])
    }

    /// The scope of all conversations of `me`: direct conversations by the user, groups by the
    /// group. For a user in many groups it is all messages.
    pub fn all_of(db: &mut Db, me: UserId) -> Result<Self> {
        let groups: Vec<ConversationId> = on!(db, conn => participants::table.inner_join(conversations::table)
            .select(participants::conversation_id)
            .filter(participants::user_id.eq(me).and(participants::role.is_not_null()))
            .filter(conversations::kind.eq("group")).limit(MAX_NAMED_GROUPS + 1).load(conn))?;
        if groups.len() as i64 > MAX_NAMED_GROUPS {
            return Ok(Self(Vec::new()));
        }
        Ok(Self(groups.into_iter().map(conversation_term).chain([person_term(me)]).collect()))
    }
}

/// Lists the indexed messages that may match, newest first: in the scope, with all the terms,
/// before that id.
pub fn list_indexed(
    db: &mut Db,
    scope: &Scope,
    terms: &[Term],
    before: MessageId,
    limit: i64,
) -> Result<Vec<MessageId>> {
    if scope.0.is_empty() && terms.is_empty() {
        return list_unindexed(db, MessageId::new(0), before, limit);
    }
    let found: Vec<Found> = match db {
        Db::Sqlite(conn) => diesel::sql_query(
            "SELECT rowid AS id FROM message_terms WHERE message_terms MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?",
        )
        .bind::<Text, _>(expression(scope, terms, &SQLITE))
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .load(conn)?,
        Db::Postgres(conn) => diesel::sql_query(
            "SELECT message_id AS id FROM message_terms WHERE terms @@ $1::tsquery AND message_id < $2
             ORDER BY message_id DESC LIMIT $3",
        )
        .bind::<Text, _>(expression(scope, terms, &POSTGRES))
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .load(conn)?,
    };
    Ok(found.into_iter().map(|found| found.id).collect())
}

/// Lists messages of any user that are not indexed yet, newest first.
pub fn list_unindexed(db: &mut Db, upto: MessageId, before: MessageId, limit: i64) -> Result<Vec<MessageId>> {
    Ok(on!(db, conn => messages::table.select(messages::id)
        .filter(messages::id.gt(upto).and(messages::id.lt(before)))
        .order(messages::id.desc()).limit(limit).load(conn))?)
}

/// Lists the messages that `me` may read now, newest first. It leaves out messages from before `me`
/// joined, cleared and deleted messages, and messages of a user with a block between the two.
///
/// It uses one query for each table. SQLite would begin a query over both with all the
/// conversations of `me`, and read every message in them.
pub fn list_readable(db: &mut Db, me: UserId, ids: &[MessageId]) -> Result<Vec<Message>> {
    let ids = id_list(ids)?;
    let is_between = (blocks::user_id.eq(me).and(blocks::blocked_id.eq(messages::sender_id)))
        .or(blocks::blocked_id.eq(me).and(blocks::user_id.eq(messages::sender_id)));
    let is_blocked = exists(blocks::table.filter(blocks::removed_at.is_null()).filter(is_between));
    // SQLite looks this up by the message, and does not begin with it.
    let own_membership = participants::table
        .filter(participants::conversation_id.eq(messages::conversation_id))
        .filter(participants::user_id.eq(me).and(participants::role.is_not_null()));
    let mut found: Vec<Message> = on!(db, conn => messages::table
        .select(Message::as_select())
        .filter(messages::id.among(&ids))
        .filter(messages::message_type.eq("text").and(messages::deleted_at.is_null()))
        .filter(super::messages::shows_to(me.get()))
        .filter(exists(own_membership).and(not(is_blocked)))
        .order(messages::id.desc())
        .load(conn))?;
    let states = list_own_states(db, me, &found)?;
    found.retain(|message| {
        let is_visible = |state: &OwnState| message.seq >= state.first_visible();
        states.get(&message.conversation_id).is_some_and(is_visible)
    });
    Ok(found)
}

/// The state of `me` in the conversations of these messages that `me` is still in.
fn list_own_states(db: &mut Db, me: UserId, found: &[Message]) -> Result<HashMap<ConversationId, OwnState>> {
    let ids: BTreeSet<ConversationId> = found.iter().map(|message| message.conversation_id).collect();
    let ids = id_list(&ids)?;
    let states: Vec<(ConversationId, OwnState)> = on!(db, conn => participants::table
        .select((participants::conversation_id, OwnState::as_select()))
        .filter(participants::conversation_id.among(&ids).and(participants::user_id.eq(me)))
        .filter(participants::role.is_not_null())
        .load(conn))?;
    Ok(states.into_iter().collect())
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    id: MessageId,
}

/// The query syntax of a database. Terms need no escaping: their only ASCII characters are letters
/// and digits.
struct Dialect {
    quote: char,
    prefix: &'static str,
    and: &'static str,
    or: &'static str,
}

const SQLITE: Dialect = Dialect { quote: '"', prefix: " *", and: " AND ", or: " OR " };
const POSTGRES: Dialect = Dialect { quote: '\'', prefix: ":*", and: " & ", or: " | " };

fn expression(scope: &Scope, terms: &[Term], dialect: &Dialect) -> String {
    let Dialect { quote, prefix, and, or } = dialect;
    let places: Vec<String> = scope.0.iter().map(|place| format!("{quote}{place}{quote}")).collect();
    let terms = terms.iter().map(|Term { text, is_prefix }| {
        let suffix = if *is_prefix { prefix } else { "" };
        format!("{quote}{text}{quote}{suffix}")
    });
    let places = (!places.is_empty()).then(|| format!("({})", places.join(or)));
    places.into_iter().chain(terms).collect::<Vec<_>>().join(and)
}

fn insert<'a>(db: &mut Db, new: impl Iterator<Item = &'a Unindexed>) -> Result<()> {
    match db {
        Db::Sqlite(conn) => {
            let rows: Vec<_> = new.map(|message| (message.id.get(), message.terms())).collect();
            let rows = serde_json::to_string(&rows).map_err(|error| Error::Internal(error.into()))?;
            diesel::sql_query(
                "INSERT INTO message_terms (rowid, terms) SELECT value ->> 0, value ->> 1 FROM json_each(?)",
            )
            .bind::<Text, _>(rows)
            .execute(conn)?
        }
        Db::Postgres(conn) => {
            let (mut ids, mut conversations, mut terms) = (Vec::new(), Vec::new(), Vec::new());
            for message in new {
                ids.push(message.id.get());
                conversations.push(message.conversation_id.get());
                terms.push(message.terms());
            }
            diesel::sql_query(
                "INSERT INTO message_terms (message_id, conversation_id, terms)
                 SELECT id, conversation_id, array_to_tsvector(string_to_array(terms, ' '))
                 FROM unnest($1, $2, $3) AS new (id, conversation_id, terms)",
            )
            .bind::<Array<BigInt>, _>(ids)
            .bind::<Array<BigInt>, _>(conversations)
            .bind::<Array<Text>, _>(terms)
            .execute(conn)?
        }
    };
    Ok(())
}

/// Locks the progress of the index, so that no other node indexes until this transaction ends.
fn lock_progress(db: &mut Db) -> Result<(i64, MessageId)> {
    let progress = search_progress::table.select((search_progress::version, search_progress::indexed_upto));
    Ok(match db {
        Db::Sqlite(conn) => progress.first(conn)?,
        Db::Postgres(conn) => progress.for_update().first(conn)?,
    })
}

fn set_progress(db: &mut Db, upto: MessageId) -> Result<()> {
    let row = (search_progress::version.eq(search::VERSION), search_progress::indexed_upto.eq(upto));
    on!(db, conn => diesel::update(search_progress::table).set(row).execute(conn))?;
    Ok(())
}

/// Empties the index, because its entries were made by the rules of another version.
fn restart(db: &mut Db) -> Result<MessageId> {
    match db {
        Db::Sqlite(conn) => {
            diesel::sql_query("INSERT INTO message_terms (message_terms) VALUES ('delete-all')").execute(conn)?
        }
        Db::Postgres(conn) => diesel::sql_query("TRUNCATE message_terms").execute(conn)?,
    };
    Ok(MessageId::new(0))
}
