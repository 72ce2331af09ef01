//! The metrics count what the hub does, and have no more labels than there are operations and codes.

use crate::harness::{TestHub, both_databases, eventually};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// The value of a metric, 0 if it was never counted.
fn value(hub: &TestHub, name: &str) -> f64 {
    let found = hub.metrics().into_iter().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    found.map_or(0.0, |text| text.parse().unwrap())
}

both_databases!(operations_and_connections_are_counted);
async fn operations_and_connections_are_counted(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (phone, _laptop) = (ann.connect().await, ann.connect().await);
    assert_eq!(value(hub, "switchboard_connections"), 2.0);
    for content in ["one", "two", "three"] {
        ann.send_rest(&bob, content).await;
    }
    ann.post("/api/messages", json!({"recipient_id": 999, "content": "x"})).await.refused(404, "not_found");
    let sent = |result: &str| format!("switchboard_operations_total{{operation=\"send_message\",result=\"{result}\"}}");
    assert_eq!((value(hub, &sent("ok")), value(hub, &sent("not_found"))), (3.0, 1.0));
    let batches = value(hub, "switchboard_write_batch_size_count");
    assert!(batches >= 4.0 && batches <= value(hub, "switchboard_write_batch_size_sum"), "{batches}");
    assert_eq!(value(hub, "switchboard_write_transaction_seconds_count"), batches);
    assert!(value(hub, "switchboard_write_seconds_count") >= 4.0);
    drop(phone);
    eventually("the end of a connection is counted", async || value(hub, "switchboard_connections") == 1.0).await;
}

both_databases!(close_codes_of_clients_add_no_labels);
async fn close_codes_of_clients_add_no_labels(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for code in [1000_u16, 3000, 3001, 4999] {
        let mut socket = ann.connect().await;
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        socket.message(Message::Close(Some(frame))).await;
        assert_eq!(socket.closed().await, Some(code));
    }
    let closes = |code: u16| value(hub, &format!("switchboard_closes_total{{code=\"{code}\"}}"));
    eventually("every close is counted", async || (closes(1000), closes(0)) == (1.0, 3.0)).await;
}
