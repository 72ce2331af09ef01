//! A group always has an owner who can manage it, also when an account is disabled.

use crate::harness::{Group, TestHub, User, both_databases, eventually};
use serde_json::{Value, json};

async fn set(admin: &User, what: &str, whom: &User) {
    admin.call("POST", &format!("/api/admin/users/{}/{what}", whom.id)).await.is(204);
}

async fn roles(group: Group, seen_by: &User) -> Value {
    json!(group.roles(seen_by).await)
}

both_databases!(the_senior_admin_or_member_replaces_a_disabled_owner);
async fn the_senior_admin_or_member_replaces_a_disabled_owner(hub: &mut TestHub) {
    let [ann, bob, cat, dan, eve] = hub.users(["ann", "bob", "cat", "dan", "eve"]).await;
    let eve = hub.promote(&eve).await;
    let with_an_admin = Group::of(&ann, &[&bob, &cat]).await;
    with_an_admin.set_role(&ann, &cat, "admin").await.is(204);
    let of_members = Group::of(&ann, &[&bob]).await;
    of_members.add(&ann, &cat).await.is(204);
    let with_another_owner = Group::of(&ann, &[&bob, &cat]).await;
    with_another_owner.set_role(&ann, &cat, "owner").await.is(204);
    let of_another = Group::of(&dan, &[&ann, &bob]).await;
    let mut watching = bob.connect().await;

    set(&eve, "disable", &ann).await;
    let mut changes: Vec<(i64, Value, Value)> = Vec::new();
    for frame in watching.arrived().await {
        assert_eq!(frame["type"], "conversation_update");
        let row = &frame["conversation"]["participants"][0];
        changes.push((frame["conversation_id"].as_i64().unwrap(), row["username"].clone(), row["role"].clone()));
    }
    let owner = |group: Group, name: &str| (group.id, json!(name), json!("owner"));
    assert_eq!(changes, [owner(with_an_admin, "cat"), owner(of_members, "bob")]);
    assert_eq!(roles(with_an_admin, &bob).await, json!({"ann": "owner", "bob": "member", "cat": "owner"}));
    assert_eq!(roles(of_members, &bob).await, json!({"ann": "owner", "bob": "owner", "cat": "member"}));
    assert_eq!(roles(with_another_owner, &bob).await, json!({"ann": "owner", "bob": "member", "cat": "owner"}));
    assert_eq!(roles(of_another, &bob).await, json!({"ann": "member", "bob": "member", "dan": "owner"}));
    of_members.rename(&bob, "Ours").await.is(200);
    of_members.set_role(&bob, &ann, "member").await.is(204);

    // Enabling the account does not revert the change.
    set(&eve, "enable", &ann).await;
    assert_eq!(roles(of_members, &bob).await, json!({"ann": "member", "bob": "owner", "cat": "member"}));
}

both_databases!(a_disabled_account_neither_inherits_nor_counts_as_owner);
async fn a_disabled_account_neither_inherits_nor_counts_as_owner(hub: &mut TestHub) {
    let [ann, bob, cat, eve] = hub.users(["ann", "bob", "cat", "eve"]).await;
    let eve = hub.promote(&eve).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    group.set_role(&ann, &bob, "admin").await.is(204);
    set(&eve, "disable", &bob).await;
    set(&eve, "disable", &ann).await;
    assert_eq!(roles(group, &cat).await["cat"], "owner", "the admin is disabled");
    set(&eve, "enable", &ann).await;
    set(&eve, "disable", &ann).await;
    // Cat is the last active owner, and no active member remains.
    group.set_role(&cat, &cat, "member").await.refused(409, "conflict");
    group.remove(&cat, &cat).await.is(204);
    set(&eve, "enable", &bob).await;
    let bob = bob.log_in_again().await;
    assert_eq!(roles(group, &bob).await["bob"], "owner", "the first member who can manage it");
    group.rename(&bob, "Ours").await.is(200);
}

both_databases!(the_last_active_owner_cannot_leave_active_members);
async fn the_last_active_owner_cannot_leave_active_members(hub: &mut TestHub) {
    let [ann, bob, cat, eve] = hub.users(["ann", "bob", "cat", "eve"]).await;
    let eve = hub.promote(&eve).await;
    let group = Group::of(&ann, &[&bob, &cat]).await;
    group.set_role(&ann, &bob, "owner").await.is(204);
    set(&eve, "disable", &bob).await;
    group.remove(&ann, &ann).await.refused(409, "conflict");
    group.set_role(&ann, &ann, "admin").await.refused(409, "conflict");
    group.set_role(&ann, &cat, "owner").await.is(204);
    group.remove(&ann, &ann).await.is(204);
    assert_eq!(roles(group, &cat).await, json!({"bob": "owner", "cat": "owner"}));
}

both_databases!(a_job_finds_owners_for_ownerless_groups);
async fn a_job_finds_owners_for_ownerless_groups(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let group = Group::of(&ann, &[&bob]).await;
    // The rows are as the migration of an earlier version's database leaves them.
    hub.database.execute(&format!("UPDATE users SET disabled_at = 1, groups_due_at = 0 WHERE id = {}", ann.id));
    eventually("Bob owns the group", async || roles(group, &bob).await["bob"] == "owner").await;
    assert_eq!(hub.database.count("users WHERE groups_due_at IS NOT NULL"), 0);
}
