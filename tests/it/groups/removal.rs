//! Members join and leave while others write. A removed user receives nothing that was committed
//! later, and a member misses nothing.

use crate::harness::{Group, Socket, TestHub, User, both_databases};
use serde_json::{Value, json};
use std::cell::Cell;
use tokio::sync::Semaphore;

/// Number of joins and removals.
const CHANGES: usize = 200;

/// The last message, sent when everybody is back.
const LAST: &str = "that is all";

/// The shared state of the run.
struct Talk {
    group: Group,
    /// One permit for each message since the last change.
    said: Semaphore,
    is_settled: Cell<bool>,
}

impl Talk {
    /// The number of messages sent.
    async fn speak(&self, who: &User) -> usize {
        let mut count = 1;
        while !self.is_settled.get() {
            who.post(&self.group.at("/typing"), json!({"is_typing": true})).await.is(204);
            who.put(&self.group.at("/viewing")).await.is(204);
            self.group.says(who, "and so on").await;
            who.delete(&self.group.at("/viewing")).await.is(204);
            self.said.add_permits(1);
            count += 1;
        }
        self.group.says(who, LAST).await;
        count
    }

    /// The members are removed or leave, and come back, in turns.
    async fn come_and_go(&self, owner: &User, who: [&User; 2]) {
        for number in 0..CHANGES / 2 {
            let one = who[number % 2];
            let by = if number % 4 < 2 { owner } else { one };
            self.said.acquire().await.unwrap().forget();
            self.group.remove(by, one).await.is(204);
            self.said.acquire().await.unwrap().forget();
            self.group.add(owner, one).await.is(204);
        }
        self.is_settled.set(true);
    }
}

/// Every frame the socket receives, in order, up to the last message.
async fn listen(mut socket: Socket) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        frames.push(socket.next().await);
        if frames.last().is_some_and(|frame| frame["message"]["content"] == LAST) {
            return frames;
        }
    }
}

fn rev(frame: &Value) -> Option<i64> {
    frame["rev"].as_i64()
}

/// The revs that a member must receive, worked out from what a permanent member receives: from each
/// join to each removal, both included.
fn revs_of(who: &User, all: &[Value]) -> Vec<i64> {
    let (mut revs, mut is_in) = (Vec::new(), true);
    for frame in all.iter().filter(|frame| rev(frame).is_some()) {
        let rows = frame["conversation"]["participants"].as_array();
        let row = rows.and_then(|rows| rows.iter().find(|row| row["user_id"] == who.id));
        is_in |= row.is_some();
        if is_in {
            revs.extend(rev(frame));
        }
        is_in &= row.is_none_or(|row| !row["role"].is_null());
    }
    revs
}

both_databases!(a_removed_member_receives_nothing_after_the_commit);
async fn a_removed_member_receives_nothing_after_the_commit(hub: &mut TestHub) {
    let [ann, bob, cat, dan] = hub.users(["ann", "bob", "cat", "dan"]).await;
    let sockets = (ann.connect().await, cat.connect().await, cat.connect().await, dan.connect().await);
    // A member who leaves by themselves first lets her add them again.
    cat.adds_contact(&ann).await;
    dan.adds_contact(&ann).await;
    let group = Group::of(&ann, &[&bob, &cat, &dan]).await;
    let talk = Talk { group, said: Semaphore::new(0), is_settled: Cell::new(false) };
    let (all, phone, tablet, dans, said, ()) = tokio::join!(
        listen(sockets.0),
        listen(sockets.1),
        listen(sockets.2),
        listen(sockets.3),
        talk.speak(&bob),
        talk.come_and_go(&ann, [&cat, &dan]),
    );
    let revs: Vec<i64> = all.iter().filter_map(rev).collect();
    assert_eq!(revs, (1..=1 + (CHANGES + said) as i64).collect::<Vec<_>>(), "a permanent member gets every frame");
    for (who, frames) in [(&cat, &phone), (&cat, &tablet), (&dan, &dans)] {
        assert_eq!(frames.iter().filter_map(rev).collect::<Vec<_>>(), revs_of(who, &all), "{}", who.name);
        let mut is_in = true;
        for frame in frames {
            is_in |= frame["type"] == "conversation_update";
            assert!(is_in, "{} is out: {frame}", who.name);
            is_in &= frame.get("conversation") != Some(&Value::Null);
        }
        assert!(revs_of(who, &all).len() < revs.len(), "{} missed something", who.name);
    }
}
