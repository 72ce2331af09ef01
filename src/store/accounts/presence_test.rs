//! Compares presence visibility through one group alone with the rule for two users.

use super::pairs::{MAX_PRESENCE_GROUP, Whose};
use super::presence::{between, list_few_visible, list_viewers, list_visible, list_visible_pairs_by_group};
use crate::ids::{ConversationId, Timestamp, UserId};
use crate::store::Db;
use crate::store::connection::explain::{analyze, explain, record};
use crate::store::prepare;
use crate::store::scratch::{Scratch, both_databases, execute};
use std::collections::{BTreeSet, HashMap};

const PEOPLE: i64 = 6;
const GROUPS: i64 = 5;
const ROUNDS: u64 = 12;

/// The next number below `below`.
fn draw(state: &mut u64, below: i64) -> i64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as i64 % below
}

fn set_size(db: &mut Db, group: i64, size: i64) {
    execute(db, &format!("UPDATE conversations SET member_count = {size} WHERE id = {group}")).unwrap();
}

/// Creates random groups, contacts, blocks and messages. Returns the members of each group.
fn fill(db: &mut Db, seed: &mut u64) -> Vec<Vec<UserId>> {
    let mut sql = "DELETE FROM contacts; DELETE FROM blocks; DELETE FROM participants; DELETE FROM conversations;
                   DELETE FROM users;"
        .to_owned();
    for id in 1..=PEOPLE {
        let groups = draw(seed, 3);
        sql += &format!(
            "INSERT INTO users (id, username, username_key, display_name, created_at, group_count)
             OVERRIDING SYSTEM VALUE VALUES ({id}, 'u{id}', 'u{id}', 'U', 0, {groups});"
        );
    }
    let mut groups = Vec::new();
    for id in 1..=GROUPS {
        sql += &format!(
            "INSERT INTO conversations (id, kind, created_by, created_at, active_at, rev, member_count)
             OVERRIDING SYSTEM VALUE VALUES ({id}, 'group', 1, 0, 0, 1, {size});",
            size = if draw(seed, 4) == 0 { MAX_PRESENCE_GROUP + 1 } else { MAX_PRESENCE_GROUP }
        );
        let mut members = Vec::new();
        for user in 1..=PEOPLE {
            let role = match draw(seed, 4) {
                0 | 1 => continue,
                2 => "NULL",
                _ => "'member'",
            };
            sql += &format!(
                "INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
                 VALUES ({id}, {user}, {role}, 0, 1);"
            );
            members.extend((role != "NULL").then_some(UserId::new(user)));
        }
        groups.push(members);
    }
    for low in 1..=PEOPLE {
        for high in low + 1..=PEOPLE {
            let id = 100 + low * PEOPLE + high;
            sql += &format!(
                "INSERT INTO conversations (id, kind, user_low, user_high, created_by, created_at, active_at, rev,
                     member_count)
                 OVERRIDING SYSTEM VALUE VALUES ({id}, 'direct', {low}, {high}, 1, 0, 0, 1, 2);"
            );
            for (one, other) in [(low, high), (high, low)] {
                let has_written = draw(seed, 6) == 0;
                sql += &format!(
                    "INSERT INTO participants (conversation_id, user_id, role, joined_at, rev, has_written)
                     VALUES ({id}, {one}, 'member', 0, 1, {has_written});"
                );
                for (table, column) in [("contacts", "contact_id"), ("blocks", "blocked_id")] {
                    let removed_at = match draw(seed, 8) {
                        0 => "NULL",
                        1 => "1",
                        _ => continue,
                    };
                    sql += &format!(
                        "INSERT INTO {table} (user_id, {column}, created_at, removed_at, me)
                         VALUES ({one}, {other}, 0, {removed_at}, 1);"
                    );
                }
            }
        }
    }
    if let Db::Sqlite(_) = db {
        sql = sql.replace("OVERRIDING SYSTEM VALUE", "");
    }
    execute(db, &sql).unwrap();
    groups
}

/// Every viewer and subject, by the rule for two users.
fn all_sights(db: &mut Db) -> BTreeSet<(UserId, UserId)> {
    let mut pairs = BTreeSet::new();
    for one in 1..=PEOPLE {
        for other in one + 1..=PEOPLE {
            let (one, other) = (UserId::new(one), UserId::new(other));
            let mutual = between(db, one, other).unwrap();
            pairs.extend(mutual.one_sees_other.then_some((one, other)));
            pairs.extend(mutual.other_sees_one.then_some((other, one)));
        }
    }
    pairs
}

fn the_visible_pairs_of_a_group_are_those_lost_without_it(scratch: Scratch) {
    let mut db = scratch.open();
    prepare(&mut db, Timestamp::from_millis(0)).unwrap();
    let mut seed = 7;
    for round in 0..ROUNDS {
        let groups = fill(&mut db, &mut seed);
        for (id, members) in (1..).zip(groups) {
            set_size(&mut db, id, MAX_PRESENCE_GROUP + 1);
            let without = all_sights(&mut db);
            set_size(&mut db, id, MAX_PRESENCE_GROUP);
            let with = all_sights(&mut db);
            let by_it: Vec<_> = with.difference(&without).copied().collect();
            let group = ConversationId::new(id);
            let mut found = list_visible_pairs_by_group(&mut db, group, &members, Whose::Everybody).unwrap();
            found.sort_unstable();
            assert_eq!(found, by_it, "round {round}, group {id}");
            for member in &members {
                let mut found = list_visible_pairs_by_group(&mut db, group, &members, Whose::Of(*member)).unwrap();
                found.sort_unstable();
                let of_it: Vec<_> = by_it.iter().copied().filter(|(a, b)| a == member || b == member).collect();
                assert_eq!(found, of_it, "round {round}, group {id}, {member}");
            }
        }
        let pairs = all_sights(&mut db);
        for one in (1..=PEOPLE).map(UserId::new) {
            let visible = pairs.iter().filter(|(viewer, _)| *viewer == one).map(|(_, subject)| *subject);
            assert_eq!(list_visible(&mut db, one).unwrap(), visible.collect::<Vec<_>>(), "round {round}");
            let viewers = pairs.iter().filter(|(_, subject)| *subject == one).map(|(viewer, _)| *viewer);
            let all = list_visible(&mut db, one).unwrap();
            for most in 0..=PEOPLE {
                let few = list_few_visible(&mut db, one, true, most).unwrap();
                assert!(few.as_ref().map_or(most < PEOPLE, |few| *few == all), "round {round}, {most}: {few:?}");
            }
            let found = list_viewers(&mut db, &[one]).unwrap();
            assert_eq!(found, HashMap::from([(one, viewers.collect())]), "round {round}");
        }
        let people: Vec<UserId> = (1..=PEOPLE).map(UserId::new).collect();
        let together = list_viewers(&mut db, &people).unwrap();
        assert_eq!(together.len(), people.len());
        for one in people {
            assert_eq!(together[&one], list_viewers(&mut db, &[one]).unwrap()[&one], "round {round}");
        }
    }
}
both_databases!(the_visible_pairs_of_a_group_are_those_lost_without_it);

/// Runs on SQLite with statistics, and with far more groups than these users are in.
#[test]
fn no_query_scans_all_groups() {
    let scratch = Scratch::sqlite();
    let mut db = scratch.open();
    prepare(&mut db, Timestamp::from_millis(0)).unwrap();
    let mut seed = 7;
    fill(&mut db, &mut seed);
    execute(
        &mut db,
        "INSERT INTO conversations (kind, created_by, created_at, active_at, rev, member_count)
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 5000)
         SELECT 'group', 1, 0, 0, 1, 1 FROM number;
         INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
         SELECT id, 1, 'owner', 0, 1 FROM conversations WHERE member_count = 1",
    )
    .unwrap();
    analyze(&mut db);
    let members: Vec<UserId> = (1..=PEOPLE).map(UserId::new).collect();
    let id = ConversationId::new(1);
    let (_, statements) = record(&mut db, |db| {
        list_visible_pairs_by_group(db, id, &members, Whose::Everybody).unwrap();
        list_visible_pairs_by_group(db, id, &members, Whose::Of(members[1])).unwrap();
        list_visible(db, members[0]).unwrap();
        list_viewers(db, &members).unwrap();
        between(db, members[0], members[1]).unwrap();
    });
    for statement in statements {
        let plan = explain(&mut db, &statement);
        let scanned = plan.iter().find(|line| line.starts_with("SCAN conversations"));
        assert_eq!(scanned, None, "{statement}: {plan:#?}");
    }
}
