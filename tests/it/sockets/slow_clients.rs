//! Peers that read too slowly, or have vanished: each is cut off in time, costs the others nothing,
//! and misses nothing when it comes back. A peer that keeps reading is not cut off, however slow
//! its line is.

use crate::harness::{Model, Socket, TestHub, User, any_database, both_databases, eventually};
use crate::sync::catching_up::catch_up;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// More than the kernels of both sides hold for a narrow socket.
const ENOUGH: usize = 60;

/// A message of some 3 KiB that begins with a number.
fn content(number: usize) -> String {
    format!("{number} {}", "€".repeat(990))
}

/// The hub answers each of these, so it serves their sender meanwhile.
async fn flood(from: &mut Socket, to: &User, count: usize) {
    for number in 0..count {
        from.send(to, &content(number)).await;
    }
}

/// The numbers of these messages, in the order in which they came.
fn numbers(frames: &[Value]) -> Vec<usize> {
    let contents = frames.iter().filter_map(|frame| frame["message"]["content"].as_str());
    contents.map(|text| text.split(' ').next().unwrap().parse().unwrap()).collect()
}

/// Whether the bytes contain a close frame with this code.
fn is_closed_with(code: u16, bytes: &[u8]) -> bool {
    bytes.windows(4).any(|frame| frame[0] == 0x88 && frame[2..] == code.to_be_bytes())
}

/// Connects and disconnects, and a client that keeps up sees it.
async fn comes_and_goes(who: &User, seen_by: &mut Socket) {
    let socket = who.connect().await;
    while !seen_by.presence_of(who).await {}
    socket.close().await;
    while seen_by.presence_of(who).await {}
}

async fn looks(socket: &mut Socket, id: i64, is_viewing: bool) {
    let kind = if is_viewing { "join_conversation" } else { "leave_conversation" };
    socket.ack(json!({"type": kind, "conversation_id": id})).await;
}

/// Reads nothing until it is cut off, and then the rest at once: the hub waits two seconds for that
/// to be read. One other socket is there.
async fn closed_when_cut_off(hub: &TestHub, stopped: &mut Socket) -> Option<u16> {
    hub.wait_for_connections(1).await;
    stopped.closed().await
}

/// Reconnects in the only slot there is, and has everything.
async fn comes_back(user: &User, mut model: Model, conversation_id: i64, stored: usize) {
    eventually("her slot is given back", async || user.has_a_slot().await).await;
    user.connect().await.answers().await;
    catch_up(user, &mut model).await;
    assert_eq!(model.shown(conversation_id).len(), stored);
}

both_databases!(
    a_client_that_stops_reading_is_cut_off_and_misses_nothing,
    OUTBOX_AGE = "1s",
    OUTBOX_BYTES = "1048576",
    MAX_SOCKETS_PER_USER = "1",
    PRESENCE_GRACE = "0s"
);
async fn a_client_that_stops_reading_is_cut_off_and_misses_nothing(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let (mut stopped, mut other) = (Socket::open_narrow(&ann).await, bob.connect().await);
    stopped.welcome().await;
    assert!(other.all_arrived().await.iter().all(|frame| frame["is_online"] != false));
    let mut model = Model::default();
    catch_up(&ann, &mut model).await;
    ann.get("/ws").await.refused(429, "rate_limited");
    let (code, ()) = tokio::join!(closed_when_cut_off(hub, &mut stopped), flood(&mut other, &ann, ENOUGH));
    assert_eq!(code, Some(4000));
    while other.presence_of(&ann).await {}
    other.answers().await;
    comes_back(&ann, model, id, ENOUGH + 2).await;
}

any_database!(
    a_client_that_reads_single_bytes_is_cut_off_too,
    OUTBOX_AGE = "1s",
    OUTBOX_BYTES = "1048576",
    MAX_SOCKETS_PER_USER = "1",
    PRESENCE_GRACE = "0s"
);
async fn a_client_that_reads_single_bytes_is_cut_off_too(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let (mut sipping, mut other) = (Socket::open_narrow(&ann).await, bob.connect().await);
    sipping.welcome().await;
    let mut model = Model::default();
    catch_up(&ann, &mut model).await;
    let sipping_on = async {
        eventually("the client is cut off", async || {
            assert_eq!(sipping.sip(1).await.len(), 1);
            hub.connections().await == 1
        })
        .await;
        sipping.unread().await
    };
    let (unread, ()) = tokio::join!(sipping_on, flood(&mut other, &ann, ENOUGH));
    assert!(is_closed_with(4000, &unread));
    while other.presence_of(&ann).await {}
    comes_back(&ann, model, id, ENOUGH + 2).await;
}

any_database!(
    a_full_outbox_closes_the_socket_without_a_gap,
    OUTBOX_BYTES = "4096",
    OUTBOX_AGE = "10m",
    MAX_SOCKETS_PER_USER = "1"
);
async fn a_full_outbox_closes_the_socket_without_a_gap(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let (mut stopped, mut other) = (Socket::open_narrow(&ann).await, bob.connect().await);
    stopped.welcome().await;
    let mut model = Model::default();
    catch_up(&ann, &mut model).await;
    // This is long before the oldest is too old.
    let (code, ()) = tokio::join!(closed_when_cut_off(hub, &mut stopped), flood(&mut other, &ann, ENOUGH));
    assert_eq!(code, Some(4000));
    let read = numbers(&stopped.take_arrived());
    assert_eq!(read, (0..read.len()).collect::<Vec<_>>(), "the frames before the close have no gap");
    assert!(read.len() < ENOUGH);
    comes_back(&ann, model, id, ENOUGH + 2).await;
}

any_database!(
    a_vanished_client_is_closed_at_the_timeout,
    HEARTBEAT_INTERVAL = "6s",
    HEARTBEAT_TIMEOUT = "6100ms",
    MAX_SOCKETS_PER_USER = "1",
    PRESENCE_GRACE = "0s"
);
async fn a_vanished_client_is_closed_at_the_timeout(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    ann.gets_to_know(&bob).await;
    let began = Instant::now();
    // The library answers pings when it reads, so it does not read.
    let mut silent = ann.connect().await;
    let mut other = bob.connect().await;
    eventually("the client is disconnected", async || {
        other.answers().await;
        hub.connections().await == 1
    })
    .await;
    // The close does not wait for the ping after that, which would be twice the time.
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    while other.presence_of(&ann).await {}
    assert!(is_closed_with(4008, &silent.unread().await));
    eventually("her slot is given back", async || ann.has_a_slot().await).await;
}

/// Messages whose sync answer is far larger than the outbox.
async fn much_to_sync(hub: &TestHub) -> [User; 2] {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut writer = bob.connect().await;
    flood(&mut writer, &ann, 300).await;
    writer.close().await;
    [ann, bob]
}

/// A request whose answer has every message.
async fn ask_for_much(user: &User, socket: &mut Socket) {
    let list = user.conversations().await;
    let id = list[0]["id"].as_i64().unwrap();
    let seen = json!({id.to_string(): 1});
    socket.frame(json!({"type": "sync", "ref": "much", "conversations": seen})).await;
}

any_database!(a_large_answer_delays_the_next_frame_until_it_is_read, OUTBOX_BYTES = "4096");
async fn a_large_answer_delays_the_next_frame_until_it_is_read(hub: &mut TestHub) {
    let [ann, bob] = much_to_sync(hub).await;
    let (mut slow, mut other) = (Socket::open_narrow(&ann).await, bob.connect().await);
    slow.welcome().await;
    other.arrived().await;
    ask_for_much(&ann, &mut slow).await;
    slow.frame(json!({"type": "private_message", "recipient_id": bob.id, "content": "afterwards"})).await;
    slow.readable().await;
    assert_eq!(other.arrived().await, [] as [Value; 0], "she has not read her answer");
    let answer = slow.expect("ack").await;
    assert!(answer.to_string().len() > 500_000 && answer["ref"] == "much");
    assert_eq!(other.expect("private_message").await["message"]["content"], "afterwards");
    slow.answers().await;
}

any_database!(
    a_slow_client_that_keeps_reading_gets_its_large_answer,
    OUTBOX_AGE = "5s",
    HEARTBEAT_INTERVAL = "200ms",
    HEARTBEAT_TIMEOUT = "5s"
);
async fn a_slow_client_that_keeps_reading_gets_its_large_answer(hub: &mut TestHub) {
    let [ann, _] = much_to_sync(hub).await;
    let mut slow = Socket::open_narrow(&ann).await;
    slow.welcome().await;
    ask_for_much(&ann, &mut slow).await;
    let (began, mut read) = (Instant::now(), 0);
    // The line is slow in real time only, and slower than the allowed time without reading.
    while began.elapsed() < Duration::from_secs(7) {
        let bytes = slow.sip(6 * 1024).await;
        assert!(!bytes.is_empty(), "cut off after {read} bytes and {:?}", began.elapsed());
        read += bytes.len();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut last = Vec::new();
    while read < 500_000 {
        last = slow.sip(1 << 20).await;
        read += last.len();
    }
    assert!(!is_closed_with(4000, &last) && !is_closed_with(4008, &last));
    assert_eq!(hub.connections().await, 1);
}

any_database!(
    a_paused_client_gets_reliable_and_last_ephemeral_frames,
    OUTBOX_BYTES = "1048576",
    OUTBOX_AGE = "10m",
    PRESENCE_GRACE = "0s"
);
async fn a_paused_client_gets_reliable_and_last_ephemeral_frames(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let id = ann.gets_to_know(&bob).await;
    ann.gets_to_know(&eve).await;
    bob.gets_to_know(&eve).await;
    let (mut pausing, mut writer) = (Socket::open_narrow(&ann).await, bob.connect().await);
    pausing.welcome().await;
    pausing.all_arrived().await;
    flood(&mut writer, &ann, ENOUGH).await;
    for _ in 0..10 {
        comes_and_goes(&eve, &mut writer).await;
        writer.types(&ann, true).await;
        writer.types(&ann, false).await;
        looks(&mut writer, id, true).await;
        looks(&mut writer, id, false).await;
    }
    writer.types(&ann, true).await;
    writer.send(&ann, &content(ENOUGH)).await;
    let frames = pausing.until_message(&content(ENOUGH)).await;
    assert_eq!(numbers(&frames), (0..=ENOUGH).collect::<Vec<_>>());
    let revs: Vec<i64> = frames.iter().filter_map(|frame| frame["rev"].as_i64()).collect();
    assert!(revs.is_sorted_by(|one, next| *next == one + 1), "{revs:?}");
    let online: Vec<&Value> = frames.iter().filter(|frame| frame["user_id"] == eve.id).collect();
    assert!((1..=10).contains(&online.len()), "merged: {online:?}");
    assert_eq!(online.last().unwrap()["is_online"], false);
    let typing: Vec<&Value> = frames.iter().filter(|frame| frame["type"] == "typing_indicator").collect();
    assert!(typing.len() < 10, "merged: {typing:?}");
    let viewing: Vec<&Value> = frames.iter().filter(|frame| frame["type"] == "viewing").collect();
    assert!((1..20).contains(&viewing.len()), "merged: {viewing:?}");
    assert_eq!(viewing.last().unwrap()["is_viewing"], false);
    let last = |found: &dyn Fn(&Value) -> bool| frames.iter().rposition(found);
    let last_message = last(&|frame| frame["conversation_id"] == id && frame["type"] == "private_message");
    let last_typing = last(&|frame| frame["is_typing"] == true);
    assert!(last_typing < last_message, "the message ends it");
}

any_database!(
    ephemeral_frames_are_dropped_first_in_a_half_full_outbox,
    OUTBOX_BYTES = "131072",
    OUTBOX_AGE = "10m",
    PRESENCE_GRACE = "0s"
);
async fn ephemeral_frames_are_dropped_first_in_a_half_full_outbox(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    let id = ann.gets_to_know(&bob).await;
    ann.gets_to_know(&eve).await;
    bob.gets_to_know(&eve).await;
    let (mut pausing, mut writer) = (Socket::open_narrow(&ann).await, bob.connect().await);
    pausing.welcome().await;
    pausing.all_arrived().await;
    // This is more than half of the room and less than all, whether the kernels take 24 KiB or 60.
    flood(&mut writer, &ann, 38).await;
    comes_and_goes(&eve, &mut writer).await;
    writer.types(&ann, true).await;
    looks(&mut writer, id, true).await;
    writer.send(&ann, &content(38)).await;
    let frames = pausing.until_message(&content(38)).await;
    assert_eq!(numbers(&frames), (0..=38).collect::<Vec<_>>(), "no reliable frame is dropped");
    assert!(frames.iter().all(|frame| frame["user_id"] != eve.id), "{frames:?}");
    assert!(frames.iter().all(|frame| frame["type"] != "typing_indicator" && frame["type"] != "viewing"));
    pausing.answers().await;
}
