//! Online presence, and who may see it.

use crate::harness::{Kind, Socket, TestHub, User, both_databases, eventually, run};
use serde_json::{Value, json};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

fn online(state: &Value) -> Vec<i64> {
    state["online"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect()
}

/// Waits until everybody who may know was told who came so far. Presence is announced in the order
/// of arrival, so a latecomer's arrival proves it.
async fn wait_for_announcements(hub: &TestHub) {
    let [watcher, latecomer] = hub.users(["watcher", "latecomer"]).await;
    latecomer.adds_contact(&watcher).await;
    let mut watching = watcher.connect().await;
    let _there = latecomer.connect().await;
    assert!(watching.presence_of(&latecomer).await);
}

both_databases!(presence_changes_are_sent_once_for_all_sockets, PRESENCE_GRACE = "200ms");
async fn presence_changes_are_sent_once_for_all_sockets(hub: &mut TestHub) {
    let [ann, bob, dan] = hub.users(["ann", "bob", "dan"]).await;
    ann.gets_to_know(&bob).await;
    ann.gets_to_know(&dan).await;
    let mut watching = ann.connect().await;
    let (one, two) = (bob.connect().await, bob.connect().await);
    assert!(watching.presence_of(&bob).await);
    one.close().await;
    // Dan comes and goes after Bob's first socket closed. If that close were announced, it would
    // come before Dan's.
    let passing = dan.connect().await;
    assert!(watching.presence_of(&dan).await);
    passing.close().await;
    assert!(!watching.presence_of(&dan).await);
    assert_eq!(watching.presence_arrived().await, []);
    drop(two);
    assert!(!watching.presence_of(&bob).await, "also when the connection just ends");
    assert_eq!(watching.presence_arrived().await, []);
}

both_databases!(stopping_the_hub_sets_last_seen_of_online_users);
async fn stopping_the_hub_sets_last_seen_of_online_users(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    hub.restart_at(&Clock::fixed_at(Timestamp::from_millis(1_769_860_800_000)));
    // A login of the future is invalid.
    let there = ann.log_in_again().await.connect().await;
    hub.restart();
    drop(there);
    let mut watching = bob.connect().await;
    let _back = ann.connect().await;
    let status = watching.expect("user_online_status").await;
    assert_eq!((&status["user_id"], &status["is_online"]), (&json!(ann.id), &json!(true)));
    assert_eq!(status["last_seen_at"], "2026-01-31T12:00:00.000Z");
}

both_databases!(a_return_within_the_grace_is_not_announced, PRESENCE_GRACE = "6s");
async fn a_return_within_the_grace_is_not_announced(hub: &mut TestHub) {
    let [ann, bob, dan, eve] = hub.users(["ann", "bob", "dan", "eve"]).await;
    for friend in [&bob, &dan, &eve] {
        friend.adds_contact(&ann).await;
    }
    let mut watching = ann.connect().await;
    let (leaving, going) = (bob.connect().await, dan.connect().await);
    assert!(watching.presence_of(&bob).await);
    assert!(watching.presence_of(&dan).await);
    drop(leaving);
    hub.wait_for_connections(2).await;
    // If Bob's leaving were announced, it would come before Eve's arrival.
    let _eve = eve.connect().await;
    assert!(watching.presence_of(&eve).await);
    let (_, state) = Socket::open(&ann).await.welcome().await;
    assert_eq!(online(&state), [bob.id, dan.id, eve.id], "he counts as online meanwhile");
    let _back = bob.connect().await;
    // Dan's leaving is announced when all of Bob's grace period is over.
    going.close().await;
    assert!(!watching.presence_of(&dan).await);
    assert_eq!(watching.presence_arrived().await, []);
}

both_databases!(a_brief_connection_does_not_leave_a_user_online, PRESENCE_GRACE = "0s");
async fn a_brief_connection_does_not_leave_a_user_online(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    bob.adds_contact(&ann).await;
    for _ in 0..10 {
        let there = bob.connect().await;
        let mut watching = Socket::open(&ann).await;
        let (_, state) = watching.welcome().await;
        assert_eq!(online(&state), [bob.id]);
        there.close().await;
        while watching.presence_of(&bob).await {}
    }
}

/// The relation of the observed user to the observer, and whether the protocol lets the observer
/// see them.
type Case = (&'static str, fn(&User, &User) -> Vec<Step>, bool);

/// An action of one user on another.
struct Step(User, Act, User);

#[derive(Clone, Copy)]
enum Act {
    Writes,
    Adds,
    Removes,
    Blocks,
    Unblocks,
}
use Act::{Adds, Blocks, Removes, Unblocks, Writes};

impl Step {
    async fn run(self) {
        let Step(who, act, whom) = self;
        match act {
            Writes => drop(who.send_rest(&whom, "hi").await),
            Adds => who.adds_contact(&whom).await,
            Removes => who.removes_contact(&whom).await,
            Blocks => who.blocks(&whom).await,
            Unblocks => who.unblocks(&whom).await,
        }
    }
}

fn step(who: &User, act: Act, whom: &User) -> Step {
    Step(who.clone(), act, whom.clone())
}

const CASES: &[Case] = &[
    ("strangers", |_, _| vec![], false),
    ("the seen wrote", |looks, seen| vec![step(seen, Writes, looks)], true),
    ("only the looker wrote", |looks, seen| vec![step(looks, Writes, seen)], false),
    ("a contact of the looker", |looks, seen| vec![step(looks, Adds, seen)], false),
    ("the looker is their contact", |looks, seen| vec![step(seen, Adds, looks)], true),
    ("no contact any more", |looks, seen| vec![step(seen, Adds, looks), step(seen, Removes, looks)], false),
    (
        "no contact any more, but wrote",
        |looks, seen| vec![step(seen, Adds, looks), step(seen, Writes, looks), step(seen, Removes, looks)],
        true,
    ),
    ("the looker blocks", |looks, seen| vec![step(seen, Writes, looks), step(looks, Blocks, seen)], false),
    ("the seen blocks", |looks, seen| vec![step(seen, Writes, looks), step(seen, Blocks, looks)], false),
    ("a blocked contact", |looks, seen| vec![step(seen, Adds, looks), step(seen, Blocks, looks)], false),
    (
        "no longer blocked",
        |looks, seen| vec![step(seen, Writes, looks), step(looks, Blocks, seen), step(looks, Unblocks, seen)],
        true,
    ),
    (
        "blocked by one of two",
        |looks, seen| {
            vec![
                step(seen, Writes, looks),
                step(looks, Blocks, seen),
                step(seen, Blocks, looks),
                step(looks, Unblocks, seen),
            ]
        },
        false,
    ),
];

both_databases!(presence_is_shown_only_as_the_rule_allows, PRESENCE_GRACE = "0s");
async fn presence_is_shown_only_as_the_rule_allows(hub: &mut TestHub) {
    for (number, (case, steps, may_see)) in CASES.iter().enumerate() {
        let names = ["looks", "seen", "last"].map(|name| format!("{name}{number}"));
        let [looks, seen, last] = hub.users([&*names[0], &names[1], &names[2]]).await;
        // A user known to the observer who, with a later account, is announced after the others.
        last.adds_contact(&looks).await;
        for step in steps(&looks, &seen) {
            step.run().await;
        }
        let mut watching = looks.connect().await;
        let there = seen.connect().await;
        let fence = last.connect().await;
        assert!(watching.presence_of(&last).await);
        let changes = watching.presence_arrived().await;
        assert_eq!(changes, if *may_see { vec![(seen.id, true)] } else { vec![] }, "{case}");
        let (_, state) = Socket::open(&looks).await.welcome().await;
        assert_eq!(online(&state).contains(&seen.id), *may_see, "{case}: {state}");
        there.close().await;
        hub.wait_for_connections(2).await;
        fence.close().await;
        assert!(!watching.presence_of(&last).await);
        let changes = watching.presence_arrived().await;
        assert_eq!(changes, if *may_see { vec![(seen.id, false)] } else { vec![] }, "{case}");
    }
}

both_databases!(a_block_shows_both_offline_and_its_end_shows_them_again);
async fn a_block_shows_both_offline_and_its_end_shows_them_again(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    let mut ann_socket = ann.connect().await;
    let mut bob_socket = bob.connect().await;
    assert!(ann_socket.presence_of(&bob).await);
    ann_socket.presence_arrived().await;
    bob_socket.presence_arrived().await;
    for (is_blocked, change) in [(true, "PUT"), (false, "DELETE")] {
        bob.call(change, &format!("/api/blocks/{}", ann.id)).await.is(204);
        let ann_sees = ann_socket.expect("user_online_status").await;
        let bob_sees = bob_socket.expect("user_online_status").await;
        assert_eq!((&ann_sees["user_id"], &ann_sees["is_online"]), (&json!(bob.id), &json!(!is_blocked)));
        assert_eq!((&bob_sees["user_id"], &bob_sees["is_online"]), (&json!(ann.id), &json!(!is_blocked)));
        assert!(!is_blocked || ann_sees["last_seen_at"].is_string(), "Bob looks just disconnected: {ann_sees}");
        // Repeating it announces nothing.
        bob.call(change, &format!("/api/blocks/{}", ann.id)).await.is(204);
        assert_eq!(ann_socket.presence_arrived().await, []);
        assert_eq!(bob_socket.presence_arrived().await, []);
    }
}

both_databases!(a_block_without_shared_presence_sends_no_frames);
async fn a_block_without_shared_presence_sends_no_frames(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    bob.blocks(&ann).await;
    let (mut ann_socket, mut bob_socket, mut eve_socket) =
        (ann.connect().await, bob.connect().await, eve.connect().await);
    for _ in 0..3 {
        ann.blocks(&bob).await;
        ann.blocks(&eve).await;
        ann.unblocks(&bob).await;
        ann.unblocks(&eve).await;
    }
    for socket in [&mut ann_socket, &mut bob_socket, &mut eve_socket] {
        assert_eq!(socket.presence_arrived().await, []);
    }
}

both_databases!(a_first_message_shows_only_its_sender_online);
async fn a_first_message_shows_only_its_sender_online(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut ann_socket, mut bob_socket) = (ann.connect().await, bob.connect().await);
    wait_for_announcements(hub).await;
    ann_socket.send(&bob, "hi").await;
    assert!(bob_socket.presence_of(&ann).await);
    assert_eq!(ann_socket.presence_arrived().await, []);
    ann_socket.send(&bob, "hi again").await;
    assert_eq!(bob_socket.presence_arrived().await, [], "the change is announced once");
    bob_socket.send(&ann, "hello").await;
    assert!(ann_socket.presence_of(&bob).await);
}

both_databases!(a_contact_sees_the_presence_of_the_user_who_added_them);
async fn a_contact_sees_the_presence_of_the_user_who_added_them(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut ann_socket, mut bob_socket) = (ann.connect().await, bob.connect().await);
    wait_for_announcements(hub).await;
    bob.adds_contact(&ann).await;
    assert!(ann_socket.presence_of(&bob).await);
    bob.removes_contact(&ann).await;
    assert!(!ann_socket.presence_of(&bob).await);
    assert_eq!(bob_socket.presence_arrived().await, [], "the contact does not show her presence to him");
}

both_databases!(adding_a_stranger_as_a_contact_shows_no_presence, PRESENCE_GRACE = "0s");
async fn adding_a_stranger_as_a_contact_shows_no_presence(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    ann.adds_contact(&bob).await;
    let (mut friend, mut spying) = (bob.connect().await, eve.connect().await);
    eve.adds_contact(&ann).await;
    eve.send_rest(&ann, "hi").await;
    let here = ann.connect().await;
    assert!(friend.presence_of(&ann).await);
    let (_, state) = Socket::open(&eve).await.welcome().await;
    assert_eq!(online(&state), [0i64; 0]);
    here.close().await;
    assert!(!friend.presence_of(&ann).await);
    assert_eq!(spying.presence_arrived().await, []);
}

both_databases!(last_seen_is_the_time_of_disconnecting, PRESENCE_GRACE = "0s");
async fn last_seen_is_the_time_of_disconnecting(hub: &mut TestHub) {
    const NOON: i64 = 1_800_000_000_000;
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    bob.adds_contact(&ann).await;
    let mut watching = ann.connect().await;
    let leaving = bob.connect().await;
    let came = watching.expect("user_online_status").await;
    assert_eq!((&came["is_online"], &came["last_seen_at"]), (&json!(true), &Value::Null));
    clock.set(Timestamp::from_millis(NOON + 5_000));
    leaving.close().await;
    let went = watching.expect("user_online_status").await;
    assert_eq!((&went["is_online"], &went["last_seen_at"]), (&json!(false), &json!("2027-01-15T08:00:05.000Z")));
    drop(watching);
    hub.restart();
    // It is stored: a user who may see him learns it on request.
    let mut watching = ann.connect().await;
    bob.removes_contact(&ann).await;
    bob.adds_contact(&ann).await;
    let frame = watching.expect("user_online_status").await;
    assert_eq!((&frame["is_online"], &frame["last_seen_at"]), (&json!(false), &json!("2027-01-15T08:00:05.000Z")));
}

#[test]
fn a_user_who_cannot_be_announced_keeps_no_other_back() {
    run(Kind::Sqlite, &[("PRESENCE_GRACE", "0s")], async |hub: &mut TestHub| {
        let [ann, bob, watcher] = hub.users(["ann", "bob", "watcher"]).await;
        for user in [&ann, &bob] {
            user.adds_contact(&watcher).await;
        }
        let mut watching = watcher.connect().await;
        let (one, two) = (ann.connect().await, bob.connect().await);
        assert!(watching.presence_of(&ann).await && watching.presence_of(&bob).await);
        let excused = hub.excuse_errors("announce_presence failed");
        hub.database.execute(&format!(
            "CREATE TRIGGER broken BEFORE UPDATE OF last_seen_at ON users WHEN NEW.id = {}
             BEGIN SELECT RAISE(ABORT, 'broken'); END",
            bob.id
        ));
        drop((one, two));
        assert!(!watching.presence_of(&ann).await);
        eventually("announcing Bob fails", async || excused.came()).await;
        hub.database.execute("DROP TRIGGER broken");
        assert!(!watching.presence_of(&bob).await, "and again later");
    });
}
