//! Brute-force protection: how many password attempts are allowed, and which users a lockout does
//! not affect.

use crate::harness::{Client, PASSWORD, Reply, TestHub, any_database, both_databases, eventually};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use switchboard::clock::Clock;
use switchboard::ids::Timestamp;

/// Attempts for one account from one address, and the time in which they count.
const TRIES: usize = 10;
const WINDOW: i64 = 15 * 60 * 1000;
const HOUR: i64 = 4 * WINDOW;

async fn log_in(client: &Client, name: &str, password: &str) -> Reply {
    client.post("/api/auth/login", json!({"username": name, "password": password})).await
}

async fn guess(client: &Client, name: &str, times: usize) {
    for _ in 0..times {
        log_in(client, name, "a wrong guess").await.refused(401, "bad_credentials");
    }
}

/// Expects a refusal that says when to retry.
async fn is_shut_out(client: &Client, name: &str, password: &str) {
    let reply = log_in(client, name, password).await;
    let seconds: i64 = reply.header("retry-after").expect("the answer has a retry time").parse().unwrap();
    assert!((1..=WINDOW / 1000).contains(&seconds), "{seconds}");
    reply.refused(429, "rate_limited");
}

fn behind(client: &Client, address: &str) -> Client {
    client.with("x-forwarded-for", address)
}

both_databases!(au_3_ten_wrong_guesses_lock_out_only_that_address, TRUSTED_PROXIES = "127.0.0.1");
async fn au_3_ten_wrong_guesses_lock_out_only_that_address(hub: &mut TestHub) {
    let [ann, _bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    let guesser = behind(&hub.visitor(), "192.0.2.7");
    guess(&guesser, "ann", TRIES - 1).await;
    log_in(&guesser, "ann", PASSWORD).await.is(200);
    guess(&guesser, "ANN", 1).await;
    for password in ["a wrong guess", PASSWORD] {
        is_shut_out(&guesser, "aNn", password).await;
    }
    log_in(&guesser, "bob", PASSWORD).await.is(200);
    log_in(&behind(&hub.visitor(), "192.0.2.8"), "ann", PASSWORD).await.is(200);
    ann.get("/api/auth/me").await.is(200);
    phone.answers().await;
    ann.connect().await.answers().await;
}

both_databases!(au_3_all_nodes_share_the_count_of_guesses);
async fn au_3_all_nodes_share_the_count_of_guesses(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    let other = hub.second_node();
    let nodes = [hub.visitor(), other.visitor()];
    for turn in 0..TRIES {
        guess(&nodes[turn % 2], "ann", 1).await;
    }
    for node in &nodes {
        is_shut_out(node, "ann", PASSWORD).await;
    }
}

both_databases!(op_2_a_spoofed_address_gives_no_further_guess, TRUSTED_PROXIES = "10.0.0.0/8");
async fn op_2_a_spoofed_address_gives_no_further_guess(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    let claiming = |number: usize| behind(&hub.visitor(), &format!("192.0.2.{number}, 10.0.0.{number}"));
    for turn in 0..TRIES {
        guess(&claiming(turn), "ann", 1).await;
    }
    for stranger in [claiming(TRIES), behind(&hub.visitor(), "127.0.0.1"), hub.visitor()] {
        is_shut_out(&stranger, "ann", PASSWORD).await;
    }
}

any_database!(op_2_junk_in_the_forwarded_header_does_not_hide_a_client, TRUSTED_PROXIES = "127.0.0.1");
async fn op_2_junk_in_the_forwarded_header_does_not_hide_a_client(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    // The header as nginx forwards it: the client's own value, then the client's address.
    for junk in ["\u{ff}", "unknown", "\"", ",,", "192.0.2.99:x", "[", "127.0.0.1", "for=127.0.0.1", "_", "-"] {
        guess(&behind(&hub.visitor(), &format!("{junk}, 192.0.2.7")), "ann", 1).await;
    }
    is_shut_out(&behind(&hub.visitor(), "192.0.2.7"), "ann", PASSWORD).await;
    is_shut_out(&behind(&hub.visitor(), "::ffff:192.0.2.7"), "ann", PASSWORD).await;
    for other in ["192.0.2.8", "[2001:db8::1]:4711"] {
        log_in(&behind(&hub.visitor(), other), "ann", PASSWORD).await.is(200);
    }
    log_in(&hub.visitor(), "ann", PASSWORD).await.is(200);
}

any_database!(op_2_indistinguishable_clients_are_counted_together, TRUSTED_PROXIES = "127.0.0.1");
async fn op_2_indistinguishable_clients_are_counted_together(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    let unreadable = ["\u{ff}", "unknown", "_hidden", "unix:"];
    for turn in 0..100 {
        guess(&behind(&hub.visitor(), unreadable[turn % 4]), &format!("name{turn}"), 1).await;
    }
    is_shut_out(&behind(&hub.visitor(), "unknown"), "ann", PASSWORD).await;
    for readable in ["127.0.0.1", "192.0.2.8"] {
        log_in(&behind(&hub.visitor(), readable), "ann", PASSWORD).await.is(200);
    }
}

any_database!(
    a_header_that_the_proxy_does_not_write_is_ignored,
    TRUSTED_PROXIES = "127.0.0.1",
    PROXY_HEADER = "forwarded"
);
async fn a_header_that_the_proxy_does_not_write_is_ignored(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    let client = |claimed: usize, address: &str| {
        let client = behind(&hub.visitor(), &format!("192.0.2.{claimed}"));
        client.with("forwarded", &format!("for=192.0.2.{claimed}, for=\"{address}\";proto=https"))
    };
    for turn in 0..TRIES {
        guess(&client(turn, "[2001:db8::7]:4711"), "ann", 1).await;
    }
    is_shut_out(&client(TRIES, "[2001:db8::8]"), "ann", PASSWORD).await;
    log_in(&client(TRIES, "198.51.100.7:80"), "ann", PASSWORD).await.is(200);
}

both_databases!(concurrent_guesses_are_counted_too);
async fn concurrent_guesses_are_counted_too(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    let other = hub.second_node();
    let nodes = [hub.visitor(), other.visitor()];
    let guesses = (0..40).map(|turn| log_in(&nodes[turn % 2], "ann", "a wrong guess"));
    let replies = futures_util::future::join_all(guesses).await;
    let refusals = replies.iter().filter(|reply| reply.status == 401).count();
    assert_eq!(refusals, TRIES);
    assert!(replies.iter().all(|reply| [401, 429].contains(&reply.status)));
}

both_databases!(au_3_an_unknown_name_is_locked_out_with_the_same_bytes);
async fn au_3_an_unknown_name_is_locked_out_with_the_same_bytes(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    let visitor = hub.visitor();
    for turn in 0..TRIES + 2 {
        let (known, unknown) =
            (log_in(&visitor, "ann", "a wrong guess").await, log_in(&visitor, "nobody", "a wrong guess").await);
        assert_eq!((known.status, &known.body), (unknown.status, &unknown.body), "try {turn}");
        let names = |reply: &Reply| reply.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(names(&known), names(&unknown));
    }
}

both_databases!(a_locked_out_user_may_retry_after_the_window);
async fn a_locked_out_user_may_retry_after_the_window(hub: &mut TestHub) {
    let noon = Timestamp::from_millis(Clock::system().now().as_millis());
    let clock = Clock::fixed_at(noon);
    hub.restart_at(&clock);
    hub.users(["ann"]).await;
    let visitor = hub.visitor();
    guess(&visitor, "ann", TRIES / 2).await;
    clock.set(Timestamp::from_millis(noon.as_millis() + WINDOW / 2));
    guess(&visitor, "ann", TRIES / 2).await;
    let later = |millis: i64| clock.set(Timestamp::from_millis(noon.as_millis() + millis));
    later(WINDOW - 1);
    let reply = log_in(&visitor, "ann", PASSWORD).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")));
    later(WINDOW);
    guess(&visitor, "ann", TRIES / 2).await;
    is_shut_out(&visitor, "ann", PASSWORD).await;
    // Each of the fifteen attempts also counted as a password check.
    assert!(hub.database.count("attempts") <= TRIES as i64 + 15, "slots are reused");
    later(3 * WINDOW);
    log_in(&visitor, "ann", PASSWORD).await.is(200);
}

any_database!(an_address_has_a_guess_limit_over_all_accounts, TRUSTED_PROXIES = "127.0.0.1");
async fn an_address_has_a_guess_limit_over_all_accounts(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    // One household has a whole IPv6 network.
    let house = |turn: usize| behind(&hub.visitor(), &format!("2001:db8:1:2::{turn:x}"));
    for turn in 0..100 {
        guess(&house(turn), &format!("name{turn}"), 1).await;
    }
    is_shut_out(&house(200), "ann", PASSWORD).await;
    log_in(&behind(&hub.visitor(), "2001:db8:1:3::1"), "ann", PASSWORD).await.is(200);
}

any_database!(an_address_has_a_registration_limit, TRUSTED_PROXIES = "127.0.0.1");
async fn an_address_has_a_registration_limit(hub: &mut TestHub) {
    let register = async |address: &str, name: &str| {
        let form = json!({"username": name, "password": PASSWORD});
        behind(&hub.visitor(), address).post("/api/auth/register", form).await
    };
    register("192.0.2.1", "taken").await.is(201);
    // Asking for usernames that are taken counts as an attempt, too.
    for _ in 1..100 {
        register("192.0.2.1", "taken").await.refused(409, "username_taken");
    }
    let reply = register("192.0.2.1", "new").await;
    assert!(reply.header("retry-after").is_some());
    reply.refused(429, "rate_limited");
    register("192.0.2.2", "new").await.is(201);
    register("127.0.0.1", "newer").await.is(201);
}

any_database!(a_rate_limited_login_computes_no_hash);
async fn a_rate_limited_login_computes_no_hash(hub: &mut TestHub) {
    hub.users(["ann"]).await;
    let visitor = hub.visitor();
    let shortest = async |times: usize| {
        let mut shortest = Duration::MAX;
        for _ in 0..times {
            let began = Instant::now();
            log_in(&visitor, "ann", "a wrong guess").await;
            shortest = shortest.min(began.elapsed());
        }
        shortest
    };
    // A password hash takes some 20 ms of work, which cannot be made shorter.
    let hashed = shortest(TRIES).await;
    let refused = shortest(100).await;
    assert!(refused < hashed / 2, "{refused:?} against {hashed:?}");
}

any_database!(expired_attempts_are_deleted);
async fn expired_attempts_are_deleted(hub: &mut TestHub) {
    let clock = Clock::fixed_at(Clock::system().now());
    hub.restart_at(&clock);
    guess(&hub.visitor(), "ann", 3).await;
    assert_eq!(hub.database.count("attempts"), 6, "as guesses, and as checks of a password");
    clock.set(Timestamp::from_millis(clock.now().as_millis() + HOUR));
    hub.restart_at(&clock);
    eventually("the rows are deleted", async || hub.database.count("attempts") == 0).await;
}

both_databases!(a_signed_in_user_has_no_extra_password_guesses);
async fn a_signed_in_user_has_no_extra_password_guesses(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let change = async |current: &str| {
        ann.post("/api/auth/password", json!({"current_password": current, "new_password": PASSWORD})).await
    };
    guess(&hub.visitor(), "ann", TRIES / 2).await;
    for _ in 0..TRIES / 2 {
        change("a wrong guess").await.refused(401, "bad_credentials");
    }
    for current in ["a wrong guess", PASSWORD] {
        change(current).await.refused(429, "rate_limited");
    }
    is_shut_out(&hub.visitor(), "ann", PASSWORD).await;
    ann.get("/api/auth/me").await.is(200);
}

both_databases!(au_2_correct_passwords_are_rate_limited_too, TRUSTED_PROXIES = "127.0.0.1");
async fn au_2_correct_passwords_are_rate_limited_too(hub: &mut TestHub) {
    let clock = Clock::fixed_at(Clock::system().now());
    hub.restart_at(&clock);
    let [ann, _bob] = hub.users(["ann", "bob"]).await;
    let (home, office) = (behind(&hub.visitor(), "192.0.2.7"), behind(&hub.visitor(), "192.0.2.8"));
    for _ in 0..60 {
        log_in(&home, "ann", PASSWORD).await.is(200);
    }
    let reply = log_in(&home, "ann", PASSWORD).await;
    assert_eq!(reply.header("retry-after"), Some("3600"));
    let detail = reply.refused(429, "rate_limited");
    assert_eq!(detail, "over the limit: 60 logins to one account from one address in an hour");
    let change = json!({"current_password": PASSWORD, "new_password": PASSWORD});
    ann.with("x-forwarded-for", "192.0.2.7").post("/api/auth/password", change).await.refused(429, "rate_limited");
    log_in(&home, "bob", PASSWORD).await.is(200);
    log_in(&office, "ann", PASSWORD).await.is(200);
    clock.set(Timestamp::from_millis(clock.now().as_millis() + HOUR));
    log_in(&home, "ann", PASSWORD).await.is(200);
}

any_database!(au_2_a_flood_of_right_passwords_blocks_no_other_address, TRUSTED_PROXIES = "127.0.0.1");
async fn au_2_a_flood_of_right_passwords_blocks_no_other_address(hub: &mut TestHub) {
    const OWN: usize = 10;
    let names: Vec<String> = (0..OWN).map(|number| format!("flooder{number}")).collect();
    for name in &names {
        let form = json!({"username": name, "password": PASSWORD});
        hub.visitor().post("/api/auth/register", form).await.is(201);
    }
    hub.users(["ann"]).await;
    let flooder = behind(&hub.visitor(), "192.0.2.66");
    let flood =
        futures_util::future::join_all((0..30 * OWN).map(|turn| log_in(&flooder, &names[turn % OWN], PASSWORD)));
    // The attempts come one after another while the flood lasts, each from its own address.
    let others = async {
        let mut statuses = Vec::new();
        for turn in 0..30 {
            statuses.push(log_in(&behind(&hub.visitor(), &format!("198.51.100.{turn}")), "ann", PASSWORD).await.status);
        }
        statuses
    };
    let (flooded, statuses) = futures_util::future::join(flood, others).await;
    assert!(flooded.iter().any(|reply| reply.status == 503), "the flood is one");
    assert_eq!(statuses, [200; 30]);
}
