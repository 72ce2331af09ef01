//! Revocation while others write to the user: every way to end a login closes its sockets at once,
//! and they receive nothing that is committed later.

use crate::harness::{PASSWORD, Socket, TestHub, User, both_databases};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Devices that write, and messages that each sends after the end.
const SPEAKERS: usize = 5;
const AFTER: usize = 5;
/// Messages before the login is revoked.
const BEFORE: usize = 20;
/// Runs of each way to end a login, and runs with the sockets on another node.
const ROUNDS: usize = 3;
const ROUNDS_ELSEWHERE: usize = 2;

/// The user whose login on the phone is revoked.
struct Victim {
    phone: User,
    laptop: User,
    admin: User,
}

/// A way to end the login on the phone, and the close code of its sockets.
struct Way {
    what: &'static str,
    code: u16,
}

const WAYS: [Way; 6] = [
    Way { what: "a logout", code: 4501 },
    Way { what: "another device", code: 4501 },
    Way { what: "a new password", code: 4501 },
    Way { what: "closing the account", code: 4501 },
    Way { what: "an administrator", code: 4501 },
    Way { what: "disabling", code: 4503 },
];

impl Way {
    async fn go(&self, Victim { phone, laptop, admin }: &Victim) {
        let of_admin = |tail: &str| format!("/api/admin/users/{}/{tail}", phone.id);
        let reply = match self.what {
            "a logout" => phone.call("POST", "/api/auth/logout").await,
            "another device" => {
                let sessions = phone.get("/api/auth/sessions").await.ok()["sessions"].clone();
                let own = sessions.as_array().unwrap().iter().find(|session| session["current"] == true);
                laptop.delete(&format!("/api/auth/sessions/{}", own.unwrap()["id"])).await
            }
            "a new password" => {
                let body = json!({"current_password": PASSWORD, "new_password": "battery staple"});
                laptop.post("/api/auth/password", body).await
            }
            "closing the account" => laptop.call_with("DELETE", "/api/auth/me", json!({"password": PASSWORD})).await,
            "an administrator" => admin.delete(&of_admin("connections")).await,
            "disabling" => admin.call("POST", &of_admin("disable")).await,
            what => panic!("unknown way to end a login: {what}"),
        };
        reply.is(204);
    }
}

/// The state of the writers during a run.
#[derive(Default)]
struct Talk {
    /// Messages that were sent, and messages that were acknowledged.
    sent: Cell<usize>,
    acknowledged: Cell<usize>,
    is_warm: Notify,
    is_over: Cell<bool>,
}

impl Talk {
    async fn speak(&self, mut from: Socket, to: &User) {
        let mut rest = AFTER;
        while rest > 0 {
            rest -= usize::from(self.is_over.get());
            self.sent.set(self.sent.get() + 1);
            let answer =
                from.call(json!({"type": "private_message", "recipient_id": to.id, "content": "and so on"})).await;
            // Messages to a closed account are refused.
            if answer["type"] == "ack" {
                self.acknowledged.set(self.acknowledged.get() + 1);
            } else {
                assert_eq!(answer["code"], "not_found");
            }
            if self.acknowledged.get() == BEFORE {
                self.is_warm.notify_one();
            }
        }
        from.close().await;
    }

    async fn end(&self, way: &Way, victim: &Victim) -> Ended {
        self.is_warm.notified().await;
        let before = self.acknowledged.get();
        way.go(victim).await;
        self.is_over.set(true);
        Ended { before, until: self.sent.get(), at: Instant::now() }
    }
}

struct Ended {
    /// Messages that were acknowledged before the revocation was requested.
    before: usize,
    /// Messages that were sent before the revocation was done.
    until: usize,
    at: Instant,
}

/// The `seq` of every message that came, the close code, and the time of the close.
async fn listen(mut socket: Socket) -> (Vec<usize>, Option<u16>, Instant) {
    let code = socket.closed().await;
    let at = Instant::now();
    let messages = socket.take_arrived().into_iter().filter(|frame| frame["type"] == "private_message");
    let seq = |frame: Value| frame["message"]["seq"].as_u64().unwrap() as usize;
    (messages.map(seq).collect(), code, at)
}

/// The number of messages, and the delay until the later of two sockets closed.
async fn shut_out(way: &Way, speaker: &User, victim: &Victim) -> (usize, Duration) {
    let (phone, what) = (&victim.phone, way.what);
    let sockets = (phone.connect().await, phone.by_token().await.connect().await);
    let talk = Talk::default();
    let mut speakers = Vec::new();
    for _ in 0..SPEAKERS {
        speakers.push(talk.speak(speaker.connect().await, phone));
    }
    let (one, other, _, Ended { before, until, at }) =
        tokio::join!(listen(sockets.0), listen(sockets.1), join_all(speakers), talk.end(way, victim));
    assert!(before < until, "{what}: some were on their way: {before} {until}");
    for (seqs, code, _) in [&one, &other] {
        assert_eq!(*seqs, (1..=seqs.len()).collect::<Vec<_>>(), "{what}: the earlier messages are complete");
        assert!((before..=until).contains(&seqs.len()), "{what}: {before} {} {until}", seqs.len());
        assert_eq!(*code, Some(way.code), "{what}");
    }
    assert_eq!(one.0, other.0, "{what}: every socket ends at the same message");
    phone.handshake().await.refused(401, "unauthenticated");
    (talk.acknowledged.get(), one.2.max(other.2).saturating_duration_since(at))
}

/// A delay of the hub recurs in each run, a delay of the machine does not.
fn is_once_within(seconds: u64, late: &[Duration]) -> bool {
    late.iter().any(|late| *late < Duration::from_secs(seconds))
}

both_databases!(au_7_nothing_is_delivered_after_the_revoking_commit);
async fn au_7_nothing_is_delivered_after_the_revoking_commit(hub: &mut TestHub) {
    let [ann, admin] = hub.users(["ann", "ada"]).await;
    let admin = hub.promote(&admin).await;
    let mut all = 0;
    for (number, way) in WAYS.iter().enumerate() {
        let mut late = Vec::new();
        for round in 0..ROUNDS {
            let [laptop] = hub.users([&*format!("bob.{number}.{round}")]).await;
            let victim = Victim { phone: laptop.log_in_again().await, laptop, admin: admin.clone() };
            let (messages, lateness) = shut_out(way, &ann, &victim).await;
            all += messages;
            late.push(lateness);
        }
        assert!(is_once_within(1, &late), "{}: {late:?}", way.what);
    }
    assert_eq!(hub.database.count("messages"), all as i64, "all messages are stored");
}

both_databases!(au_7_a_revocation_soon_takes_effect_on_every_node);
async fn au_7_a_revocation_soon_takes_effect_on_every_node(hub: &mut TestHub) {
    let [ann, admin] = hub.users(["ann", "ada"]).await;
    let admin = hub.promote(&admin).await;
    let mut node = hub.second_node();
    let mut stays = ann.at_node(&node).connect().await;
    // Each way to end a login runs with a cookie and with a token.
    let mut late = [const { Vec::new() }; 2 * WAYS.len()];
    for round in 0..ROUNDS_ELSEWHERE {
        let mut closing = Vec::new();
        for (number, way) in WAYS.iter().enumerate() {
            let [laptop] = hub.users([&*format!("bob.{number}.{round}")]).await;
            let phone = laptop.log_in_again().await;
            let sockets = [phone.at_node(&node).connect().await, phone.by_token().await.at_node(&node).connect().await];
            way.go(&Victim { phone, laptop, admin: admin.clone() }).await;
            let at = Instant::now();
            // The test reads each message when it comes.
            closing.extend(sockets.map(|socket| {
                tokio::spawn(async move {
                    let (_, code, closed) = listen(socket).await;
                    (code, closed.saturating_duration_since(at))
                })
            }));
        }
        for (number, closed_socket) in join_all(closing).await.into_iter().enumerate() {
            let (way, (code, lateness)) = (&WAYS[number / 2], closed_socket.unwrap());
            assert_eq!(code, Some(way.code), "{}", way.what);
            late[number].push(lateness);
        }
    }
    for (number, late) in late.iter().enumerate() {
        assert!(is_once_within(5, late), "{}: {late:?}", WAYS[number / 2].what);
    }
    stays.answers().await;
    node.stop();
}
