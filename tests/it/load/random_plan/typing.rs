//! A typing indicator never stays for long: users type to each other at once, from several devices,
//! and end in every possible way.
//!
//! When the hub itself ends, the socket closes too. A client without a connection shows no typing
//! (`client/state.js`), and the next hub starts without any.

use crate::harness::{Socket, TestHub, User, both_databases};
use crate::load::random::Random;
use chrono::{DateTime, TimeDelta};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Maximum time from a typist's first sign to the end of it, by the hub's clock, for most of them,
/// because a machine that stalls delays some.
const IN_TIME: TimeDelta = TimeDelta::seconds(2);
/// Bound where the typing timeout is a minute: far less than that.
const WITHOUT_TIMEOUT: TimeDelta = TimeDelta::seconds(30);
const SEEDS: u64 = 3;
/// The ways in which typing may end; falling silent is the last of them.
const WAYS: usize = 5;

/// The users shown to one reader as typing, and since when.
struct Reader {
    socket: Socket,
    shown: BTreeMap<i64, Value>,
    /// The users whose typing was shown and has ended.
    ended: BTreeSet<i64>,
    shown_for: Vec<TimeDelta>,
}

impl Reader {
    fn see(&mut self, frame: &Value) {
        let (typist, ends) = match frame["type"].as_str().unwrap() {
            "typing_indicator" => (&frame["user_id"], frame["is_typing"] == false),
            // The message itself ends its writer's typing.
            "private_message" => (&frame["sender_id"], true),
            _ => return,
        };
        let typist = typist.as_i64().unwrap();
        if !ends {
            self.shown.insert(typist, frame["timestamp"].clone());
        } else if let Some(since) = self.shown.remove(&typist) {
            let at = |time: &Value| DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
            self.shown_for.push(at(&frame["timestamp"]) - at(&since));
            self.ended.insert(typist);
        }
    }
}

both_databases!(typing_is_cleared_in_time_in_every_way_it_can_end, TYPING_TIMEOUT = "300ms");
async fn typing_is_cleared_in_time_in_every_way_it_can_end(hub: &mut TestHub) {
    let people = hub.users(["ann", "bob", "cat", "dan"]).await;
    all_get_to_know(&people).await;
    let mut shown_for = Vec::new();
    for seed in 1..=SEEDS {
        println!("typing with seed {seed}");
        shown_for.extend(type_to_each_other(&people, WAYS, &mut Random::new(seed)).await);
        hub.wait_for_connections(0).await;
    }
    shown_for.sort();
    assert!(shown_for[shown_for.len() / 2] <= IN_TIME, "{shown_for:?}");
    let (mut phone, reader) = (people[0].connect().await, people[1].connect().await);
    phone.types(&people[1], true).await;
    let closed = hub.stop_while(async { (phone.ended().await.0, reader.ended().await.0) }).await;
    assert_eq!(closed, (Some(1012), Some(1012)));
    hub.restart();
    people[1].connect().await.expect_silence().await;
}

both_databases!(a_typing_end_does_not_wait_for_the_timeout, TYPING_TIMEOUT = "1m");
async fn a_typing_end_does_not_wait_for_the_timeout(hub: &mut TestHub) {
    let people = hub.users(["ann", "bob", "cat", "dan"]).await;
    all_get_to_know(&people).await;
    println!("typing with seed {SEEDS}");
    let shown_for = type_to_each_other(&people, WAYS - 1, &mut Random::new(SEEDS)).await;
    assert!(shown_for.iter().all(|shown_for| *shown_for < WITHOUT_TIMEOUT), "{shown_for:?}");
}

async fn all_get_to_know(people: &[User]) {
    for (at, one) in people.iter().enumerate() {
        for other in &people[at + 1..] {
            one.gets_to_know(other).await;
        }
    }
}

/// Everybody types to everybody, and each ends in one of the first `ways` ways; returns how long
/// each was shown.
async fn type_to_each_other(people: &[User], ways: usize, random: &mut Random) -> Vec<TimeDelta> {
    let mut readers = Vec::new();
    for user in people {
        let (shown, ended, shown_for) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        readers.push(Reader { socket: user.connect().await, shown, ended, shown_for });
    }
    let mut typists = Vec::new();
    for (from, user) in people.iter().enumerate() {
        for to in (0..people.len()).filter(|to| *to != from) {
            let mut socket = user.connect().await;
            socket.types(&people[to], true).await;
            typists.push((from, to, socket));
        }
    }
    let expected = typists.iter().fold(BTreeMap::<usize, BTreeSet<i64>>::new(), |mut expected, (from, to, _)| {
        expected.entry(*to).or_default().insert(people[*from].id);
        expected
    });
    let mut silent = Vec::new();
    while !typists.is_empty() {
        let (_, to, mut socket) = typists.swap_remove(random.below(typists.len()));
        match random.below(ways) {
            0 => socket.types(&people[to], false).await,
            1 => drop(socket.send(&people[to], "what was typed").await),
            2 => socket.close().await,
            3 => drop(socket),
            _ => silent.push(socket),
        }
    }
    for (at, reader) in readers.iter_mut().enumerate() {
        while reader.ended != expected[&at] {
            let frame = reader.socket.next().await;
            reader.see(&frame);
        }
        for frame in reader.socket.received().await {
            reader.see(&frame);
        }
        assert!(reader.shown.is_empty(), "shown as typing for good: {:?}", reader.shown);
    }
    readers.into_iter().flat_map(|reader| reader.shown_for).collect()
}
