//! Answers that clients do not read are limited for each user, over all of their sockets and
//! requests, and no other user notices.

use crate::harness::{Socket, TestHub, User, any_database, eventually};
use serde_json::{Value, json};

/// Messages of some 900 KB in one answer.
const MESSAGES: usize = 300;
/// Number of such answers that one user may leave unread.
const AT_ONCE: usize = 4;

async fn ask_for_everything(user: &User, socket: &mut Socket) {
    let list = user.conversations().await;
    let held = json!({list[0]["id"].to_string(): 1});
    socket.frame(json!({"type": "sync", "ref": "all", "conversations": held})).await;
}

async fn take_everything(socket: &mut Socket) {
    let answer = socket.expect("ack").await;
    assert!(answer["ref"] == "all" && answer.to_string().len() > 800_000);
}

any_database!(unread_answers_of_a_user_are_bounded_and_the_next_waits, OUTBOX_AGE = "10m");
async fn unread_answers_of_a_user_are_bounded_and_the_next_waits(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut writer = bob.connect().await;
    for number in 0..MESSAGES {
        writer.send(&ann, &format!("{number} {}", "€".repeat(900))).await;
    }
    let id = ann.conversations().await[0]["id"].clone();
    let mut unread = Vec::new();
    for _ in 0..AT_ONCE {
        let mut socket = Socket::open_narrow(&ann).await;
        socket.welcome().await;
        ask_for_everything(&ann, &mut socket).await;
        socket.readable().await;
        unread.push(socket);
    }
    let path = format!("/api/conversations/{id}/messages?limit=200");
    eventually("a request of the same user is refused", async || ann.get(&path).await.status == 503).await;
    let detail = ann.get(&path).await.refused(503, "unavailable");
    assert!(detail.contains("read them"), "{detail}");
    // The next answer waits until one is read.
    let mut next = Socket::open_narrow(&ann).await;
    next.welcome().await;
    ask_for_everything(&ann, &mut next).await;
    // Small requests, and other users, notice nothing.
    ann.get("/api/auth/me").await.is(200);
    assert_eq!(bob.get(&path).await.ok()["messages"].as_array().map(Vec::len), Some(200));
    ask_for_everything(&bob, &mut writer).await;
    let theirs: Value = writer.expect("ack").await;
    assert_eq!(theirs["ref"], "all");
    for socket in &mut unread {
        take_everything(socket).await;
    }
    take_everything(&mut next).await;
    eventually("requests are answered again", async || ann.get(&path).await.status == 200).await;
}
