//! Positions and pages at and beyond every limit, the same over HTTP and the socket.

use crate::harness::{Reply, Socket, TestHub, User, both_databases};
use serde_json::{Value, json};

const MAX_ID: i64 = (1 << 53) - 1;

/// This many entries of the longest ids and positions.
fn longest(count: i64) -> Value {
    let entries = (0..count).map(|n| ((MAX_ID - n).to_string(), json!(MAX_ID)));
    json!({"conversations": entries.collect::<serde_json::Map<_, _>>()})
}

fn frame(kind: &str, mut body: Value) -> Value {
    body["type"] = json!(kind);
    body
}

/// The socket's answer without the keys that only an ack has; an error as its code and message.
async fn over_socket(socket: &mut Socket, kind: &str, body: Value) -> Value {
    let mut answer = socket.call(frame(kind, body)).await;
    if answer["type"] == "error" {
        return json!({"code": answer["code"], "detail": answer["message"]});
    }
    for key in ["type", "ref", "timestamp"] {
        answer.as_object_mut().unwrap().remove(key);
    }
    answer
}

fn over_rest(reply: &Reply) -> Value {
    let body = reply.json();
    match reply.status {
        200 => body,
        _ => json!({"code": body["code"], "detail": body["detail"]}),
    }
}

/// A user who sends the request over both transports.
struct Client<'a> {
    user: &'a User,
    socket: Socket,
}

impl Client<'_> {
    /// The answer, which must be the same over both transports.
    async fn sync(&mut self, body: Value) -> Value {
        let answer = over_rest(&self.user.post("/api/sync", body.clone()).await);
        assert_eq!(over_socket(&mut self.socket, "sync", body.clone()).await, answer, "{body}");
        answer
    }

    async fn history(&mut self, id: i64, keys: &[(&str, Value)]) -> Value {
        let query: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let path = format!("/api/conversations/{id}/messages?{}", query.join("&"));
        let answer = over_rest(&self.user.get(&path).await);
        let mut body = json!({"conversation_id": id});
        keys.iter().for_each(|(key, value)| body[*key] = value.clone());
        assert_eq!(over_socket(&mut self.socket, "load_history", body).await, answer, "{path}");
        answer
    }
}

both_databases!(two_thousand_long_positions_need_portions_or_larger_frames);
async fn two_thousand_long_positions_need_portions_or_larger_frames(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut client = Client { user: &ann, socket: ann.connect().await };
    for only in [true, false] {
        let mut portion = longest(1_800);
        portion["only"] = json!(only);
        assert_eq!(client.sync(portion).await["left"].as_array().unwrap().len(), 1_800);
    }
    let detail = ann.post("/api/sync", longest(2_000)).await.refused(413, "too_large");
    assert!(detail.contains("65536"), "{detail}");
    client.socket.frame(frame("sync", longest(2_000))).await;
    assert_eq!(client.socket.closed().await, Some(1009));
    hub.set("MAX_FRAME_BYTES", "131072");
    hub.restart();
    client.socket = ann.connect().await;
    assert_eq!(client.sync(longest(2_000)).await["left"].as_array().unwrap().len(), 2_000);
}

both_databases!(only_the_request_with_a_hundred_thousand_positions_fails, MAX_FRAME_BYTES = "1048576");
async fn only_the_request_with_a_hundred_thousand_positions_fails(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let mut client = Client { user: &ann, socket: ann.connect().await };
    let entries = (1..=100_000).map(|n: i64| (n.to_string(), json!(1)));
    let many = json!({"conversations": entries.collect::<serde_json::Map<_, _>>()});
    assert!(many.to_string().len() < 1_048_576, "they fit into a frame");
    let refusal = client.sync(many).await;
    assert_eq!(refusal, json!({"code": "invalid", "detail": "conversations must have at most 2000 entries"}));
    let answer = client.sync(json!({"conversations": {id.to_string(): 2}})).await;
    assert_eq!(answer["conversations"][0]["messages"][0]["seq"], 2, "{answer}");
    // A request with as many of the longest entries is too large, and is not read.
    let too_many = longest(100_000);
    ann.post("/api/sync", too_many.clone()).await.refused(413, "too_large");
    // The hub may close before it has read all of it.
    let _ = client.socket.try_message(too_many.to_string().into()).await;
    assert!(matches!(client.socket.closed().await, Some(1009) | None));
    ann.connect().await.answers().await;
}

both_databases!(impossible_positions_answer_the_same_over_rest_and_socket);
async fn impossible_positions_answer_the_same_over_rest_and_socket(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let id = ann.gets_to_know(&bob).await;
    let not_mine = bob.gets_to_know(&cat).await;
    let mut client = Client { user: &ann, socket: ann.connect().await };
    let epoch = client.sync(json!({})).await["epoch"].clone();
    for (request, reset, left) in [
        // The positions are from the future, by a little and by the maximum.
        (json!({"epoch": epoch, "conversations": {id.to_string(): 4}}), json!(true), json!([])),
        (json!({"epoch": epoch, "conversations": {id.to_string(): MAX_ID}}), json!(true), json!([])),
        // The positions are of another epoch: equal, ahead or behind.
        (json!({"epoch": "another", "conversations": {id.to_string(): 3}}), json!(true), json!([])),
        (json!({"epoch": "another", "conversations": {id.to_string(): 1}}), json!(true), json!([])),
        // The conversations belong to another user, or do not exist, alone and beside the caller's
        // own.
        (json!({"conversations": {not_mine.to_string(): 1}, "only": true}), json!(null), json!([not_mine])),
        (json!({"conversations": {MAX_ID.to_string(): MAX_ID}, "only": true}), json!(null), json!([MAX_ID])),
        (
            json!({"epoch": epoch, "conversations": {id.to_string(): 2, not_mine.to_string(): 2}}),
            json!(false),
            json!([not_mine]),
        ),
    ] {
        let answer = client.sync(request.clone()).await;
        assert_eq!(answer["epoch"], epoch, "{request}");
        assert_eq!((&answer["conversations"][0]["reset"], &answer["left"]), (&reset, &left), "{request}: {answer}");
    }
    for (request, me) in [(json!({"me": MAX_ID}), 0), (json!({"me": 1}), 0), (json!({"me": 0, "epoch": "another"}), 0)]
    {
        let answer = client.sync(request.clone()).await;
        assert_eq!((&answer["mine"]["reset"], &answer["me"]), (&json!(true), &json!(me)), "{request}");
    }
    for request in [
        json!({"conversations": {id.to_string(): -1}}),
        json!({"conversations": {id.to_string(): i64::MIN}}),
        json!({"conversations": {id.to_string(): u64::MAX}}),
        json!({"conversations": {id.to_string(): MAX_ID + 1}}),
        json!({"conversations": {id.to_string(): null}}),
        json!({"conversations": {id.to_string(): "1"}}),
        json!({"conversations": {"": 1}}),
        json!({"conversations": {" 1": 1}}),
        json!({"conversations": {"1e2": 1}}),
        json!({"conversations": null}),
        json!({"me": MAX_ID + 1}),
        json!({"me": -1}),
        json!({"me": {}}),
    ] {
        let refusal = client.sync(request.clone()).await;
        assert_eq!(refusal["code"], "invalid", "{request}: {refusal}");
        let key = request.as_object().unwrap().keys().next().unwrap();
        assert!(refusal["detail"].as_str().unwrap().contains(key), "{request}: {refusal}");
    }
    client.socket.answers().await;
}

both_databases!(invalid_page_bounds_are_refused_and_pages_past_end_empty);
async fn invalid_page_bounds_are_refused_and_pages_past_end_empty(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let mut client = Client { user: &ann, socket: ann.connect().await };
    for (keys, named) in [
        (vec![("limit", json!(0))], "limit"),
        (vec![("limit", json!(-1))], "limit"),
        (vec![("limit", json!(201))], "limit"),
        (vec![("limit", json!(i64::MAX))], "limit"),
        (vec![("before_seq", json!(0))], "before_seq"),
        (vec![("before_seq", json!(-1))], "before_seq"),
        (vec![("before_seq", json!(MAX_ID + 1))], "before_seq"),
        (vec![("after_seq", json!(-1))], "after_seq"),
        (vec![("after_seq", json!(MAX_ID + 1))], "after_seq"),
        (vec![("before_seq", json!(2)), ("after_seq", json!(1))], "after_seq"),
    ] {
        let refusal = client.history(id, &keys).await;
        assert_eq!(refusal["code"], "invalid", "{keys:?}: {refusal}");
        assert!(refusal["detail"].as_str().unwrap().contains(named), "{keys:?}: {refusal}");
    }
    for (keys, count) in [
        (vec![("before_seq", json!(1))], 0),
        (vec![("before_seq", json!(MAX_ID))], 2),
        (vec![("after_seq", json!(0))], 2),
        (vec![("after_seq", json!(2))], 0),
        (vec![("after_seq", json!(MAX_ID)), ("limit", json!(200))], 0),
    ] {
        let page = client.history(id, &keys).await;
        assert_eq!((page["messages"].as_array().unwrap().len(), &page["has_more"]), (count, &json!(false)), "{keys:?}");
    }
    assert_eq!(client.history(999_999, &[]).await["code"], "not_found");
}

both_databases!(reading_backwards_succeeds_and_moves_no_position);
async fn reading_backwards_succeeds_and_moves_no_position(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let id = ann.gets_to_know(&bob).await;
    let first = bob.history(id, "").await["messages"][0]["id"].clone();
    let (mut listening, mut socket) = (bob.connect().await, ann.connect().await);
    ann.post(&format!("/api/conversations/{id}/read"), json!({})).await.is(204);
    assert_eq!(listening.next().await["type"], "conversation_read");
    for tail in ["read", "delivered"] {
        ann.post(&format!("/api/conversations/{id}/{tail}"), json!({"seq": 1})).await.is(204);
        socket.ack(json!({"type": format!("message_{tail}"), "conversation_id": id, "seq": 1})).await;
    }
    ann.call("POST", &format!("/api/messages/{first}/read")).await.is(204);
    socket.ack(json!({"type": "message_read", "message_id": first})).await;
    let rows = bob.conversation(id).await["participants"].as_array().unwrap().clone();
    let row = rows.iter().find(|row| row["user_id"] == ann.id).unwrap();
    assert_eq!((&row["read_seq"], &row["delivered_seq"]), (&json!(2), &json!(2)));
    listening.expect_silence().await;
}
