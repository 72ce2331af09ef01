//! Costly reads, and requests over the rate limit, slow down only the users who send them.

use crate::harness::{TestHub, User, any_database, both_databases};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Messages enough that scanning all of them takes far longer than anything else here.
const DELETED: usize = 200_000;
/// Concurrent requests of one user.
const FLOOD: usize = 32;

impl TestHub {
    /// Bob's messages to Eve are written directly into the database and deleted. None of them
    /// counts as unread, so counting must scan all of them.
    async fn fill(&self, eve: &User, bob: &User) {
        let id = bob.gets_to_know(eve).await;
        let numbers = if self.database.url().starts_with("sqlite") {
            format!("WITH RECURSIVE g (n) AS (VALUES (3) UNION ALL SELECT n + 1 FROM g WHERE n < {DELETED})")
        } else {
            format!("WITH g (n) AS (SELECT generate_series(3, {DELETED}))")
        };
        self.database.execute(&format!(
            "INSERT INTO messages (conversation_id, seq, rev, sender_id, content, created_at, deleted_at, changed_at)
             {numbers} SELECT {id}, n, n + 1, {}, '', 0, 0, 0 FROM g;
             UPDATE conversations SET last_seq = {DELETED}, rev = {DELETED} + 1 WHERE id = {id};
             UPDATE search_progress SET indexed_upto = (SELECT max(id) FROM messages);",
            bob.id
        ));
    }
}

both_databases!(a_user_with_many_counts_does_not_delay_others);
async fn a_user_with_many_counts_does_not_delay_others(hub: &mut TestHub) {
    let [ann, bob, eve] = hub.users(["ann", "bob", "eve"]).await;
    hub.fill(&eve, &bob).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut flood = JoinSet::new();
    for _ in 0..FLOOD {
        let (eve, answered) = (eve.clone(), Arc::clone(&answered));
        flood.spawn(async move {
            let reply = eve.get("/api/unread").await;
            answered.fetch_add(1, Ordering::SeqCst);
            reply
        });
    }
    // The searches are under way.
    let mut replies = vec![flood.join_next().await.unwrap().unwrap()];
    ann.get("/api/auth/me").await.is(200);
    drop(ann.connect().await);
    hub.visitor().get("/ready").await.is(200);
    let waiting = FLOOD - answered.load(Ordering::SeqCst);
    assert!(waiting > FLOOD / 2, "others had their answers while {waiting} of {FLOOD} waited");
    eve.get("/api/auth/me").await.is(200);
    while let Some(reply) = flood.join_next().await {
        replies.push(reply.unwrap());
    }
    for reply in replies.into_iter().filter(|reply| reply.status != 200) {
        reply.refused(429, "rate_limited");
    }
}

any_database!(a_login_over_the_request_rate_gets_a_retry_time, REQUEST_RATE = "1", REQUEST_BURST = "10");
async fn a_login_over_the_request_rate_gets_a_retry_time(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let desk = ann.log_in_again().await;
    for _ in 0..10 {
        ann.get("/api/auth/me").await.is(200);
    }
    let refused = loop {
        let reply = ann.get("/api/contacts").await;
        if reply.status != 200 {
            break reply;
        }
    };
    assert_eq!(refused.header("retry-after"), Some("1"));
    refused.refused(429, "rate_limited");
    desk.get("/api/auth/me").await.is(200);
    bob.get("/api/auth/me").await.is(200);
}

any_database!(opening_a_socket_counts_as_four_requests, REQUEST_RATE = "1", REQUEST_BURST = "80");
async fn opening_a_socket_counts_as_four_requests(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for _ in 0..20 {
        drop(ann.connect().await);
    }
    let mut answered = 0;
    while ann.get("/api/auth/me").await.status == 200 {
        answered += 1;
    }
    // One token a second is refilled; 60 would be left if a socket counted as one.
    assert!(answered < 40, "{answered} requests after 20 sockets");
}

any_database!(
    an_address_over_the_request_rate_gets_a_retry_time,
    REQUEST_RATE = "1",
    REQUEST_BURST = "5",
    TRUSTED_PROXIES = "127.0.0.0/8"
);
async fn an_address_over_the_request_rate_gets_a_retry_time(hub: &mut TestHub) {
    let from = |address: &str| hub.visitor().with("x-forwarded-for", address);
    let (noisy, other) = (from("192.0.2.7"), from("192.0.2.8"));
    for _ in 0..100 {
        noisy.get("/no/such/page").await.is(404);
    }
    let refused = loop {
        let began_at = Instant::now();
        let replies = (0..50).map(|_| noisy.get("/api/auth/me"));
        let replies = futures_util::future::join_all(replies).await;
        if let Some(refused) = replies.into_iter().find(|reply| reply.status != 401) {
            assert!(began_at.elapsed() >= Duration::from_millis(250), "it waits for its refusal");
            break refused;
        }
    };
    assert_eq!(refused.header("retry-after"), Some("1"));
    refused.refused(429, "rate_limited");
    other.get("/no/such/page").await.is(404);
    // All clients come through the proxy, and the machine itself is not rate limited as a stranger.
    for _ in 0..200 {
        hub.visitor().get("/no/such/page").await.is(404);
    }
}
