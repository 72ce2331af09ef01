//! Owners, admins and members, and how a group changes hands.

use crate::harness::{Group, TestHub, both_databases};
use serde_json::{Value, json};

both_databases!(ownership_changes_by_role_and_all_members_are_notified);
async fn ownership_changes_by_role_and_all_members_are_notified(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    let mut watching = cat.connect().await;
    for whose in [&ann, &bob] {
        let role = if whose.id == ann.id { "member" } else { "owner" };
        if role == "member" {
            group.set_role(&ann, &ann, role).await.refused(409, "conflict");
            group.remove(&ann, &ann).await.refused(409, "conflict");
            continue;
        }
        group.set_role(&ann, &bob, role).await.is(204);
    }
    let frame = watching.next().await;
    assert_eq!((&frame["type"], &frame["rev"]), (&json!("conversation_update"), &json!(2)), "a refusal takes no rev");
    let changed = &frame["conversation"]["participants"];
    assert_eq!((&changed[0]["user_id"], &changed[0]["role"]), (&json!(bob.id), &json!("owner")));
    assert_eq!((&changed[0]["rev"], &changed[1]), (&json!(2), &Value::Null), "only the change is sent");
    group.set_role(&ann, &ann, "member").await.is(204);
    assert_eq!(watching.next().await["conversation"]["participants"][0]["role"], "member");
    group.rename(&ann, "Mine").await.refused(403, "forbidden");
    group.set_role(&ann, &ann, "owner").await.refused(403, "forbidden");
    group.remove(&ann, &ann).await.is(204);
    group.remove(&bob, &bob).await.refused(409, "conflict");
    group.remove(&bob, &cat).await.is(204);
    group.remove(&bob, &bob).await.is(204);
    assert_eq!(bob.conversations().await, Vec::<Value>::new(), "the last one out needs no heir");
}

both_databases!(every_owner_but_the_last_may_step_down);
async fn every_owner_but_the_last_may_step_down(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    group.set_role(&ann, &bob, "owner").await.is(204);
    group.set_role(&bob, &ann, "admin").await.is(204);
    group.remove(&ann, &bob).await.refused(403, "forbidden");
    group.set_role(&bob, &bob, "admin").await.refused(409, "conflict");
    group.set_role(&bob, &cat, "owner").await.is(204);
    group.remove(&cat, &bob).await.is(204);
    let roles = [("ann", "admin"), ("cat", "owner")].map(|(name, role)| (name.to_owned(), role.to_owned()));
    assert_eq!(group.roles(&ann).await, roles.into());
    group.add(&cat, &bob).await.is(204);
    assert_eq!(group.roles(&ann).await["bob"], "member", "a returning user is a plain member");
}

both_databases!(a_change_without_effect_sends_no_frames);
async fn a_change_without_effect_sends_no_frames(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    let mut watching = bob.connect().await;
    group.add(&ann, &bob).await.is(204);
    group.add(&ann, &ann).await.is(204);
    group.set_role(&ann, &bob, "member").await.is(204);
    group.set_role(&ann, &ann, "owner").await.is(204);
    group.rename(&ann, "Lunch").await.is(200);
    watching.expect_silence().await;
    assert_eq!(bob.conversation(group.id).await["rev"], 1);
}

both_databases!(a_new_title_is_returned_and_sent_to_all_members);
async fn a_new_title_is_returned_and_sent_to_all_members(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    let mut watching = bob.connect().await;
    let answered = group.rename(&ann, "Dinner").await.is(200).ok()["conversation"].clone();
    assert_eq!((&answered["title"], &answered["rev"]), (&json!("Dinner"), &json!(2)));
    let frame = watching.next().await;
    assert_eq!((&frame["rev"], &frame["conversation"]["title"]), (&json!(2), &json!("Dinner")));
    assert_eq!(frame["conversation"]["participants"], json!([]), "no participant changed");
    assert_eq!(bob.conversation(group.id).await["title"], "Dinner");
    for title in [json!(""), json!(" "), json!("x".repeat(129)), json!(null), json!(7)] {
        let detail = ann.patch(&group.at(""), json!({"title": title})).await.refused(400, "invalid");
        assert!(detail.contains("title"), "{detail}");
    }
    for role in [json!("king"), json!(null), json!("Owner")] {
        let path = group.at(&format!("/participants/{}", bob.id));
        let detail = ann.patch(&path, json!({"role": role})).await.refused(400, "invalid");
        assert!(detail.contains("role"), "{detail}");
    }
    watching.expect_silence().await;
}

both_databases!(a_direct_conversation_refuses_group_operations);
async fn a_direct_conversation_refuses_group_operations(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let direct = Group { id: ann.gets_to_know(&bob).await };
    let mut watching = bob.connect().await;
    for reply in [
        direct.add(&ann, &cat).await,
        direct.remove(&ann, &bob).await,
        direct.remove(&ann, &ann).await,
        direct.set_role(&ann, &ann, "owner").await,
        direct.rename(&ann, "Us").await,
    ] {
        let detail = reply.refused(400, "invalid");
        assert!(detail.contains("direct"), "{detail}");
    }
    watching.expect_silence().await;
    assert_eq!(direct.roles(&ann).await.len(), 2, "its participants can be listed");
}

both_databases!(managing_a_nonmember_answers_not_found);
async fn managing_a_nonmember_answers_not_found(hub: &mut TestHub) {
    let [ann, bob, cat] = hub.users(["ann", "bob", "cat"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    group.remove(&ann, &cat).await.refused(404, "not_found");
    group.set_role(&ann, &cat, "admin").await.refused(404, "not_found");
    group.remove(&ann, &bob).await.is(204);
    group.remove(&ann, &bob).await.refused(404, "not_found");
    group.set_role(&ann, &bob, "admin").await.refused(404, "not_found");
    ann.post(&group.at("/participants"), json!({"user_id": 999_999})).await.refused(404, "not_found");
    assert_eq!(ann.conversation(group.id).await["rev"], 2);
}
