//! The stored state of the hub, to compare with a client's model.

use super::{Model, User};
use serde_json::Value;

/// The state of a client that has just read all of it.
pub async fn truth(user: &User) -> Model {
    let mut model = Model::default();
    for _ in 0..500 {
        let answer = user.post("/api/sync", model.ask()).await.is(200).ok();
        if model.answer(&answer) {
            return model;
        }
    }
    panic!("sync never comes to an end for {}", user.name)
}

/// Compares everything except the delivery status of held messages, which a client derives when it
/// needs it.
pub fn assert_same(held: &Model, expected: &Model, who: &str) {
    assert_eq!((&held.blocks, &held.contacts), (&expected.blocks, &expected.contacts), "{who}");
    let ids = |model: &Model| model.conversations.keys().copied().collect::<Vec<_>>();
    assert_eq!(ids(held), ids(expected), "{who}");
    for (id, one) in &held.conversations {
        let other = &expected.conversations[id];
        assert_eq!((one.rev, &one.title), (other.rev, &other.title), "{who} in {id}");
        assert_eq!(one.members(), other.members(), "{who} in {id}");
        let written = |model: &Model, from: i64| -> Vec<Value> {
            let keys = [
                "id",
                "seq",
                "rev",
                "sender_id",
                "receiver_id",
                "content",
                "client_message_id",
                "reply_to_id",
                "reactions",
                "created_at",
                "edited_at",
                "deleted_at",
            ];
            let shown = model.shown(*id);
            shown.range(from..).map(|(_, message)| keys.iter().map(|key| message[key].clone()).collect()).collect()
        };
        // A client that was offline briefly may hold more than a first sync returns.
        let from = expected.shown(*id).keys().next().copied().unwrap_or(i64::MAX);
        assert_eq!(written(held, from), written(expected, from), "{who} in {id}");
    }
}
