//! Names that are invisible, or that look like another user's name.

use crate::harness::{PASSWORD, Reply, TestHub, both_databases};
use serde_json::json;

async fn register(hub: &TestHub, username: &str, display_name: &str) -> Reply {
    let form = json!({"username": username, "password": PASSWORD, "display_name": display_name});
    hub.visitor().post("/api/auth/register", form).await
}

both_databases!(an_invisible_or_direction_changing_name_is_refused);
async fn an_invisible_or_direction_changing_name_is_refused(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let invisible = "must have a visible character";
    let turning = "must not contain characters that change the direction of text";
    for (name, why) in [
        ("\u{200b}", invisible),
        ("\u{2800}\u{3164}", invisible),
        ("\u{202e}elrac", turning),
        ("Carle\u{200f}", turning),
        ("\u{2067}Ann\u{2069}", turning),
    ] {
        let detail = register(hub, "carle", name).await.refused(400, "invalid");
        assert_eq!(detail, format!("display_name {why}"), "{name:?}");
        let group = json!({"participant_ids": [bob.id], "title": name});
        assert_eq!(ann.post("/api/conversations", group).await.refused(400, "invalid"), format!("title {why}"));
    }
    for blank in ["\u{200b}", "\u{2800}", "\u{3164}", "\u{200d}\u{fe0f}"] {
        let message = json!({"recipient_id": bob.id, "content": blank});
        let detail = ann.post("/api/messages", message).await.refused(400, "invalid");
        assert_eq!(detail, format!("content {invisible}"));
        let report = json!({"user_id": bob.id, "reason": blank});
        assert_eq!(ann.post("/api/reports", report).await.refused(400, "invalid"), format!("reason {invisible}"));
    }
    for shown in ["👩‍👩‍👧‍👦", "❤️", "می‌خواهم", "क्‍ष", "שלום\u{200f}"] {
        ann.send_rest(&bob, shown).await;
    }
    for (number, name) in ["👩‍👩‍👧‍👦", "می‌خواهم", "क्‍ष", "שרה", "Zoë"].into_iter().enumerate()
    {
        register(hub, &format!("good{number}"), name).await.is(201);
    }
}

both_databases!(reserved_names_and_names_of_other_users_are_refused);
async fn reserved_names_and_names_of_other_users_are_refused(hub: &mut TestHub) {
    let [ann] = hub.users(["ann.lee"]).await;
    for name in ["admin", "Support", "SYSTEM", "_root_", "moderator1", "switchboard"] {
        let detail = register(hub, name, "Somebody").await.refused(400, "invalid");
        assert_eq!(detail, "username is reserved; choose another", "{name}");
    }
    for name in ["Deleted user", "deleted  user", "Ｄｅｌｅｔｅｄ user"] {
        let detail = register(hub, "bob", name).await.refused(400, "invalid");
        assert_eq!(detail, "display_name is reserved; choose another", "{name}");
    }
    for name in ["ann.lee", "Ann.Lee", "ａｎｎ.lee", "ann\u{200b}.lee"] {
        let detail = register(hub, "bob", name).await.refused(409, "conflict");
        assert_eq!(detail, "display_name is another user's username: choose a different one", "{name}");
    }
    register(hub, "bob", "Ann Lee").await.is(201);
    register(hub, "cat", "CAT").await.is(201);
    // The username of a closed account stays reserved for that user.
    ann.call_with("DELETE", "/api/auth/me", json!({"password": PASSWORD})).await.is(204);
    register(hub, "dan", "ann.lee").await.refused(409, "conflict");
}
