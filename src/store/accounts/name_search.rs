//! The words in users' names, and the search for users by name.
//!
//! Words are sorted by code point, so the words that begin with a text are one range of the index.
//! The search begins with the users who have the rarest word of a query, and checks the other words
//! in portions. So a query costs at most `MAX_CANDIDATES` look-ups for each of its words, however
//! many users there are.

use super::users::{User, list_findable};
use crate::error::Result;
use crate::ids::UserId;
use crate::search::{NameQuery, WordKind};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::user_words;
use crate::store::{Db, on};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use std::collections::{HashMap, HashSet};

/// The number of users that one statement checks.
const PORTION: i64 = 500;
/// The number of users that one query checks. Only in large hubs do more users share the rarest
/// word of a query. Then the query checks the first of them.
const MAX_CANDIDATES: i64 = 2_000;
/// The number of words of a query, the longest, that are counted to find the rarest.
const MAX_COUNTED: usize = 4;
/// The number of rows up to which a word is counted. Words that reach it are about as frequent.
const MAX_COUNT: i64 = 2_000;

const KINDS: [WordKind; 3] = [WordKind::Username, WordKind::First, WordKind::Other];

/// The rows whose word begins with this text.
macro_rules! beginning_with {
    ($prefix:expr) => {
        user_words::word.ge($prefix).and(user_words::word.lt(format!("{}{}", $prefix, char::MAX)))
    };
}

/// Finds users by name, best first: partners of the caller, then by the kind of the best word, then
/// by that word. Returns at most `limit` users, and none with whom `me` has a block.
pub fn find_people(db: &mut Db, me: UserId, query: &NameQuery, partners: &[UserId], limit: usize) -> Result<Vec<User>> {
    let mut found = Found { me, seen: HashSet::new(), people: Vec::new(), limit };
    // The username comes first, because its words do not contain it whole.
    if let Some(username) = &query.username {
        let by_username = list_among(db, partners, username, Some(WordKind::Username))?;
        found.add(db, rank(by_username))?;
    }
    if !query.words.is_empty() {
        let by_words = list_with_all(db, partners, &query.words)?;
        found.add(db, rank(by_words))?;
    }
    if let Some(username) = &query.username {
        let mut offset = 0;
        while !found.is_full() && offset < MAX_CANDIDATES {
            let portion = list_portion(db, username, WordKind::Username, (offset, PORTION))?;
            let is_last = (portion.len() as i64) < PORTION;
            found.add(db, portion)?;
            if is_last {
                break;
            }
            offset += PORTION;
        }
    }
    if !query.words.is_empty() && !found.is_full() {
        find_by_words(db, &query.words, &mut found)?;
    }
    Ok(found.people)
}

/// The users in the order in which they were found.
struct Found {
    me: UserId,
    seen: HashSet<UserId>,
    people: Vec<User>,
    limit: usize,
}

impl Found {
    fn is_full(&self) -> bool {
        self.people.len() >= self.limit
    }

    fn add(&mut self, db: &mut Db, ids: Vec<UserId>) -> Result<()> {
        let new: Vec<UserId> = ids.into_iter().filter(|id| self.seen.insert(*id)).collect();
        // Nearly every user may be found, so the first portion is enough.
        for ids in new.chunks(self.limit.max(1)) {
            if self.is_full() {
                return Ok(());
            }
            let room = self.limit - self.people.len();
            self.people.extend(list_findable(db, self.me, ids)?.into_iter().take(room));
        }
        Ok(())
    }
}

/// Begins with the rarest word, and checks the users who have it for the other words.
fn find_by_words(db: &mut Db, words: &[String], found: &mut Found) -> Result<()> {
    let rarest = find_rarest(db, words)?;
    let others: Vec<String> = words.iter().filter(|word| *word != rarest).cloned().collect();
    let mut left = MAX_CANDIDATES;
    for kind in KINDS {
        let (mut offset, mut size) = (0, PORTION);
        while left > 0 && !found.is_full() {
            let (count, matching) = match others.first() {
                None => {
                    let portion = list_portion(db, rarest, kind, (offset, size))?;
                    (portion.len(), portion)
                }
                Some(other) => {
                    let portion = list_portion_with(db, rarest, kind, other, (offset, size))?;
                    let count = portion.len();
                    let mut matching: Vec<UserId> =
                        portion.into_iter().filter(|candidate| candidate.has_other).map(|it| it.user_id).collect();
                    let best = list_with_all(db, &matching, &others)?;
                    // The order is that of the rarest word, with the better kinds first.
                    matching.retain(|id| best.contains_key(id));
                    matching.sort_by_key(|id| best.get(id).map(|rank| rank.kind.min(kind as i64)));
                    (count, matching)
                }
            };
            found.add(db, matching)?;
            let count = count as i64;
            (left, offset) = (left - count, offset + count);
            if count < size {
                break;
            }
            // The first portion answers most queries. A statement with an offset reads again the
            // rows that it skips.
            size = left;
        }
    }
    Ok(())
}

/// Finds the word that begins the fewest names. It counts the `MAX_COUNTED` longest words, each up
/// to `MAX_COUNT` rows.
fn find_rarest<'a>(db: &mut Db, words: &'a [String]) -> Result<&'a str> {
    let mut longest: Vec<&String> = words.iter().collect();
    longest.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    let mut rarest = (i64::MAX, longest[0]);
    if longest.len() == 1 {
        return Ok(rarest.1);
    }
    for word in longest.into_iter().take(MAX_COUNTED) {
        let mut count = 0;
        for kind in KINDS {
            let rows = user_words::table
                .filter(user_words::kind.eq(kind as i64).and(beginning_with!(word)))
                .select(user_words::user_id)
                .limit(MAX_COUNT - count);
            let ids: Vec<UserId> = on!(db, conn => rows.load(conn))?;
            count += ids.len() as i64;
        }
        if count < rarest.0 {
            rarest = (count, word);
        }
        if count < PORTION {
            break;
        }
    }
    Ok(rarest.1)
}

/// Lists users with a word of this kind that begins with `prefix`, ordered by that word. Skips
/// `offset` users and returns at most `size`.
fn list_portion(db: &mut Db, prefix: &str, kind: WordKind, (offset, size): (i64, i64)) -> Result<Vec<UserId>> {
    Ok(on!(db, conn => user_words::table.select(user_words::user_id)
        .filter(user_words::kind.eq(kind as i64).and(beginning_with!(prefix)))
        .order((user_words::word, user_words::user_id)).offset(offset).limit(size).load(conn))?)
}

/// The best match of a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    kind: i64,
    word: String,
}

fn rank(people: HashMap<UserId, Rank>) -> Vec<UserId> {
    let mut people: Vec<(Rank, UserId)> = people.into_iter().map(|(id, rank)| (rank, id)).collect();
    people.sort_unstable();
    people.into_iter().map(|(_, id)| id).collect()
}

/// Returns the users among `people` who match each of the words.
fn list_with_all(db: &mut Db, people: &[UserId], words: &[String]) -> Result<HashMap<UserId, Rank>> {
    let Some((first, others)) = words.split_first() else { return Ok(HashMap::new()) };
    let mut found = list_among(db, people, first, None)?;
    for word in others {
        let left: Vec<UserId> = found.keys().copied().collect();
        let matching = list_among(db, &left, word, None)?;
        found.retain(|id, rank| match matching.get(id) {
            Some(other) => {
                *rank = rank.clone().min(other.clone());
                true
            }
            None => false,
        });
    }
    Ok(found)
}

/// A user who has one of the words.
#[derive(QueryableByName)]
struct Candidate {
    #[diesel(sql_type = BigInt)]
    user_id: UserId,
    /// Whether the user also has a word that begins with another text.
    #[diesel(sql_type = Bool)]
    has_other: bool,
}

/// Lists the same users as [`list_portion`], and whether they have a word that begins with `other`.
/// Diesel cannot select from a portion.
fn list_portion_with(
    db: &mut Db,
    prefix: &str,
    kind: WordKind,
    other: &str,
    (offset, size): (i64, i64),
) -> Result<Vec<Candidate>> {
    const PORTION_WITH: &str = "
        SELECT user_id, EXISTS (SELECT 1 FROM user_words AS other
            WHERE other.user_id = portion.user_id AND other.word >= $1 AND other.word < $2) AS has_other
        FROM (SELECT word, user_id FROM user_words WHERE kind = $3 AND word >= $4 AND word < $5
            ORDER BY word, user_id LIMIT $6 OFFSET $7) AS portion
        ORDER BY word, user_id";
    let after = |text: &str| format!("{text}{}", char::MAX);
    Ok(on!(db, conn => diesel::sql_query(PORTION_WITH)
        .bind::<Text, _>(other).bind::<Text, _>(after(other))
        .bind::<BigInt, _>(kind as i64).bind::<Text, _>(prefix).bind::<Text, _>(after(prefix))
        .bind::<BigInt, _>(size).bind::<BigInt, _>(offset).load(conn))?)
}

/// Returns the users among `people` with a word that begins with `prefix`, of any kind or of one.
fn list_among(db: &mut Db, people: &[UserId], prefix: &str, kind: Option<WordKind>) -> Result<HashMap<UserId, Rank>> {
    let mut found = HashMap::new();
    for people in people.chunks(PORTION as usize) {
        let ids = id_list(people)?;
        let rows: Vec<(UserId, i64, String)> = on!(db, conn => user_words::table
            .select((user_words::user_id, user_words::kind, user_words::word))
            .filter(user_words::user_id.among(&ids).and(beginning_with!(prefix))).load(conn))?;
        for (id, of_kind, word) in rows {
            if kind.is_some_and(|kind| kind as i64 != of_kind) {
                continue;
            }
            let rank = Rank { kind: of_kind, word };
            let best = found.entry(id).or_insert_with(|| rank.clone());
            *best = rank.min(best.clone());
        }
    }
    Ok(found)
}
