//! Tickets: they open a socket where a client cannot set headers.

use crate::harness::{Socket, TestHub, both_databases};
use serde_json::json;
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

const NOON: i64 = 1_769_860_800_000;

both_databases!(a_ticket_opens_one_socket);
async fn a_ticket_opens_one_socket(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let stranger = ann.without_credentials();
    for login in [&ann, &ann.by_token().await] {
        let path = login.ticket().await;
        let mut socket = Socket::open_at(&stranger, &path).await;
        assert_eq!(socket.welcome().await.0["user_id"], ann.id);
        stranger.handshake_at(&path).await.refused(401, "unauthenticated");
        ann.handshake_at(&path).await.refused(401, "unauthenticated");
        socket.answers().await;
    }
    for path in ["/ws?ticket=", "/ws?ticket=nonsense", "/ws?Ticket=x", "/ws"] {
        stranger.handshake_at(path).await.refused(401, "unauthenticated");
    }
    assert_eq!(hub.database.count("tickets"), 0);
}

both_databases!(au_9_a_ticket_used_at_once_on_two_nodes_works_once);
async fn au_9_a_ticket_used_at_once_on_two_nodes_works_once(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut node = hub.second_node();
    let stranger = ann.without_credentials();
    let elsewhere = stranger.at_node(&node);
    for _ in 0..10 {
        let path = ann.ticket().await;
        let (one, other, third) =
            tokio::join!(stranger.handshake_at(&path), elsewhere.handshake_at(&path), stranger.handshake_at(&path));
        let mut statuses = [one.status, other.status, third.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [101, 401, 401]);
    }
    node.stop();
}

both_databases!(au_9_a_ticket_is_valid_for_30_seconds_and_then_deleted);
async fn au_9_a_ticket_is_valid_for_30_seconds_and_then_deleted(hub: &mut TestHub) {
    let clock = Clock::fixed_at(Timestamp::from_millis(NOON));
    hub.restart_at(&clock);
    let [ann] = hub.users(["ann"]).await;
    let stranger = ann.without_credentials();
    let answer = ann.post("/api/auth/ticket", json!({})).await.ok();
    assert_eq!(answer["expires_at"], "2026-01-31T12:00:30.000Z");
    let (early, late) = (ann.ticket().await, ann.ticket().await);
    clock.set(Timestamp::from_millis(NOON + 29_999));
    Socket::open_at(&stranger, &early).await.welcome().await;
    clock.set(Timestamp::from_millis(NOON + 30_000));
    stranger.handshake_at(&late).await.refused(401, "unauthenticated");
    ann.ticket().await;
    assert_eq!(hub.database.count("tickets"), 1);
}

both_databases!(a_ticket_ends_with_its_login);
async fn a_ticket_ends_with_its_login(hub: &mut TestHub) {
    let [ann, admin] = hub.users(["ann", "ada"]).await;
    let admin = hub.promote(&admin).await;
    let (left, disabled) = (ann.ticket().await, ann.log_in_again().await.ticket().await);
    ann.post("/api/auth/logout", json!({})).await.is(204);
    ann.handshake_at(&left).await.refused(401, "unauthenticated");
    let mut socket = Socket::open_at(&ann.without_credentials(), &ann.log_in_again().await.ticket().await).await;
    socket.welcome().await;
    admin.post(&format!("/api/admin/users/{}/disable", ann.id), json!({})).await.is(204);
    assert_eq!(socket.closed().await, Some(4503));
    ann.handshake_at(&disabled).await.refused(401, "unauthenticated");
}

both_databases!(the_database_holds_only_the_hash_of_a_ticket);
async fn the_database_holds_only_the_hash_of_a_ticket(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let path = ann.ticket().await;
    let (_, ticket) = path.split_once('=').unwrap();
    assert_eq!(hub.database.count("tickets"), 1);
    assert!(!hub.database.holds(ticket.as_bytes()));
}

both_databases!(a_page_of_another_site_cannot_use_a_ticket);
async fn a_page_of_another_site_cannot_use_a_ticket(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let path = ann.ticket().await;
    ann.at("https://evil.example").handshake_at(&path).await.refused(403, "bad_origin");
    Socket::open_at(&ann.without_credentials(), &path).await.welcome().await;
}
