//! A user with 1,000 conversations, written directly into the database: the parts that a client
//! gets at once, and the page sizes.

use crate::harness::{Model, Reply, TestHub, User, both_databases};
use crate::rules::query_counts::{caller, count_queries};
use crate::sync::catching_up::{catch_up, rows};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use switchboard::ids::{ConversationId, Position};
use switchboard::ops::conversations::list_conversations::ListConversations;
use switchboard::ops::op::Op;
use switchboard::ops::sync::Sync;

const CONVERSATIONS: i64 = 1_000;

/// The numbers from `first` to `last`, as `n` of a table `number`.
fn numbers(first: i64, last: i64) -> String {
    format!("WITH RECURSIVE number (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM number WHERE n < {last})")
}

/// A direct conversation with each of this many other users, still empty; the last of them is the
/// latest active.
fn begin_conversations(hub: &TestHub, me: &User) {
    let (me, numbers) = (me.id, numbers(1, CONVERSATIONS));
    hub.database.execute(&format!(
        "INSERT INTO users (username, username_key, display_name, created_at)
         {numbers} SELECT 'peer' || n, 'peer' || n, 'Peer ' || n, 0 FROM number;
         INSERT INTO conversations (kind, user_low, user_high, created_by, created_at, active_at, rev)
         SELECT 'direct', {me}, id, id, 0, id, 1 FROM users WHERE id <> {me} ORDER BY id;
         INSERT INTO participants (conversation_id, user_id, role, joined_at, rev)
         SELECT id, user_low, 'member', 0, 1 FROM conversations
         UNION ALL SELECT id, user_high, 'member', 0, 1 FROM conversations"
    ));
}

/// Inserts the messages from `first` to `last` of these conversations, sent by the others.
fn write(hub: &TestHub, which: &str, first: i64, last: i64) {
    let (numbers, text) = (numbers(first, last), "x".repeat(100));
    hub.database.execute(&format!(
        "INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at)
         {numbers} SELECT id, n, n + 1, user_high, '{text}', 0 FROM conversations CROSS JOIN number WHERE {which};
         UPDATE conversations SET last_seq = {last}, rev = {last} + 1 WHERE {which}"
    ));
}

both_databases!(an_empty_client_gets_a_thousand_conversations_in_one_sync);
async fn an_empty_client_gets_a_thousand_conversations_in_one_sync(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    begin_conversations(hub, &ann);
    write(hub, "TRUE", 1, 60);
    let reply: Reply = ann.post("/api/sync", json!({})).await.is(200);
    assert!(reply.body.len() <= 1 << 20, "{} bytes", reply.body.len());
    let answer = reply.json();
    assert_eq!(answer["complete"], true);
    let conversations = rows(&answer, "conversations");
    let ids: BTreeSet<i64> = conversations.iter().map(|changed| changed["id"].as_i64().unwrap()).collect();
    assert_eq!((conversations.len(), ids.len()), (CONVERSATIONS as usize, CONVERSATIONS as usize));
    for (changed, next) in conversations.iter().zip(&conversations[1..]) {
        assert!(changed["id"].as_i64() > next["id"].as_i64(), "latest activity first");
    }
    for changed in conversations {
        let conversation = &changed["conversation"];
        assert_eq!((&changed["rev"], &conversation["unread_count"]), (&json!(61), &json!(60)));
        assert_eq!(conversation["last_message"]["seq"], 60);
        assert_eq!(rows(conversation, "participants").len(), 2);
    }
    assert_eq!(rows(&conversations[0], "messages").len(), 50, "as long as there is room");
}

both_databases!(ten_thousand_missed_messages_come_in_bounded_answers);
async fn ten_thousand_missed_messages_come_in_bounded_answers(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    begin_conversations(hub, &ann);
    write(hub, "TRUE", 1, 1);
    let mut model = Model::default();
    catch_up(&ann, &mut model).await;

    write(hub, "TRUE", 2, 11);
    let (came, asked) = catch_up(&ann, &mut model).await;
    let ids = || model.conversations.keys().copied();
    assert_eq!(came, ids().map(|id| (id, (2..=11).collect())).collect::<BTreeMap<_, Vec<i64>>>(), "each once");
    assert_eq!(asked, 20, "500 messages in each answer");

    let one = ids().next().unwrap();
    write(hub, &format!("id = {one}"), 12, 10_011);
    let (came, asked) = catch_up(&ann, &mut model).await;
    assert_eq!((came, asked), (BTreeMap::from([(one, (9_962..=10_011).collect())]), 1), "the newest 50");
}

fn count_queries_of(hub: &TestHub, who: &User, op: &impl Op) -> usize {
    count_queries(hub, |cx| op.run(&caller(who), cx).map(drop))
}

both_databases!(many_conversations_need_no_more_queries_than_one);
async fn many_conversations_need_no_more_queries_than_one(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    begin_conversations(hub, &ann);
    write(hub, "TRUE", 1, 3);
    let page = |limit| ListConversations { limit: Some(limit), ..ListConversations::default() };
    let few = count_queries_of(hub, &ann, &page(1));
    assert!(few < 12, "{few} queries");
    assert_eq!(count_queries_of(hub, &ann, &page(200)), few, "a page of the list");

    let missed_one = |count: i64| Sync {
        conversations: (1..=count).map(|id| (ConversationId::new(id), Position::new(3))).collect(),
        only: true,
        ..Sync::default()
    };
    let few = count_queries_of(hub, &ann, &missed_one(1));
    assert!(few < 22, "{few} queries");
    assert_eq!(count_queries_of(hub, &ann, &missed_one(100)), few, "a sync");
}
