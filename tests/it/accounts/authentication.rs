//! Authentication: every account state is tried with every credential, over HTTP and the socket. A
//! state without a row does not compile.

use crate::harness::issuer::{RSA, now};
use crate::harness::{Socket, TestHub, User, both_databases};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

const SECRET: &str = "Zk3vT9qLw1xR7bNs5mYc8hJd2fGp4aUe";

/// Declares an enum and the list of all its variants.
macro_rules! all {
    ($name:ident: $($(#[$doc:meta])* $item:ident),+ $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum $name { $($(#[$doc])* $item),+ }
        impl $name { const ALL: &[$name] = &[$($name::$item),+]; }
    };
}

all!(State:
    Active,
    Disabled,
    /// Disabled and enabled again: the earlier logins are revoked.
    Enabled,
    Closed,
    LoggedOut,
    /// Expired because it was not used for too long.
    LoginExpired,
    TokenExpired,
    Foreign,
    ForeignDisabled,
    ForeignEnabled,
    ForeignClosed,
    ForeignTokenExpired,
);

all!(Proof: Cookie, RefreshToken, Bearer, Ticket, Message);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    In,
    /// 401, and 4501.
    Unauthenticated,
    /// 403, and 4503.
    Forbidden,
    /// This credential cannot exist.
    NoSuchThing,
}
use Answer::{Forbidden, In, NoSuchThing, Unauthenticated};

/// The credentials: cookie, refresh token, bearer token, ticket and `authenticate`.
fn answers(state: State) -> [Answer; 5] {
    match state {
        State::Active => [In; 5],
        State::Disabled | State::Enabled | State::Closed | State::LoggedOut | State::LoginExpired => {
            [Unauthenticated; 5]
        }
        State::TokenExpired => [In, In, Unauthenticated, Unauthenticated, Unauthenticated],
        State::Foreign | State::ForeignEnabled => [NoSuchThing, NoSuchThing, In, In, In],
        State::ForeignDisabled => [NoSuchThing, NoSuchThing, Forbidden, Forbidden, Forbidden],
        State::ForeignClosed | State::ForeignTokenExpired => {
            [NoSuchThing, NoSuchThing, Unauthenticated, Unauthenticated, Unauthenticated]
        }
    }
}

fn is_foreign(state: State) -> bool {
    format!("{state:?}").starts_with("Foreign")
}

/// The credentials that a client holds.
struct Hands {
    user: User,
    refresh_token: String,
    token: String,
    ticket: String,
}

impl Hands {
    async fn of(hub: &TestHub, state: State, number: usize) -> Self {
        let name = format!("person{number}");
        if is_foreign(state) {
            let token = RSA.token(&name, &name);
            let [nobody] = hub.users([&*format!("friend{number}")]).await;
            let mut user = nobody.showing(&token);
            user.id = user.get("/api/auth/me").await.ok()["user"]["id"].as_i64().unwrap();
            let ticket = user.ticket().await;
            return Self { user, refresh_token: String::new(), token, ticket };
        }
        let [user] = hub.users([&*name]).await;
        let (_, refresh_token) = user.with_refresh_token().await;
        let token = user.post("/api/auth/token", json!({})).await.ok()["access_token"].clone();
        let token = token.as_str().unwrap().to_owned();
        let ticket = user.showing(&token).ticket().await;
        Self { user, refresh_token, token, ticket }
    }

    async fn come_into(&mut self, hub: &TestHub, admin: &User, state: State) {
        let id = self.user.id;
        let appoint = async |what: &str| admin.post(&format!("/api/admin/users/{id}/{what}"), json!({})).await.is(204);
        match state {
            State::Active | State::Foreign => {}
            State::Disabled | State::ForeignDisabled => drop(appoint("disable").await),
            State::Enabled | State::ForeignEnabled => {
                appoint("disable").await;
                appoint("enable").await;
            }
            State::Closed | State::ForeignClosed => {
                hub.database.execute(&format!("UPDATE users SET deleted_at = 1 WHERE id = {id}"));
            }
            State::LoggedOut => hub.database.execute(&format!("DELETE FROM logins WHERE user_id = {id}")),
            State::LoginExpired => {
                hub.database.execute(&format!("UPDATE logins SET last_used_at = 1 WHERE user_id = {id}"));
            }
            State::TokenExpired => {
                self.token = ended(&self.token, &EncodingKey::from_secret(SECRET.as_bytes()), Algorithm::HS256);
                hub.database.execute(&format!("UPDATE tickets SET token_expires_at = 1 WHERE user_id = {id}"));
            }
            State::ForeignTokenExpired => {
                self.token = ended(&self.token, &RSA.signing(), Algorithm::RS256);
                hub.database.execute(&format!("UPDATE tickets SET token_expires_at = 1 WHERE user_id = {id}"));
            }
        }
    }

    /// Tries the credential over HTTP and at `/ws`, where each accepts it.
    async fn try_in(&self, proof: Proof) -> Vec<Answer> {
        let stranger = self.user.without_credentials();
        let both = async |who: &User| {
            let rest = status(who.get("/api/auth/me").await.status);
            vec![rest, status(who.handshake().await.status)]
        };
        match proof {
            Proof::Cookie => both(&self.user).await,
            Proof::Bearer => both(&self.user.showing(&self.token)).await,
            Proof::Ticket => vec![status(stranger.handshake_at(&self.ticket).await.status)],
            Proof::RefreshToken => {
                let reply = stranger.post("/api/auth/token", json!({"refresh_token": self.refresh_token})).await;
                match status(reply.status) {
                    In => both(&stranger.showing(reply.ok()["access_token"].as_str().unwrap())).await,
                    refused => vec![refused],
                }
            }
            Proof::Message => {
                let mut socket = Socket::open_at(&stranger, "/ws?auth=message").await;
                socket.frame(json!({"type": "authenticate", "token": self.token})).await;
                let answer = socket.next().await;
                vec![match answer["code"].as_str() {
                    None => In,
                    Some("unauthenticated") if socket.closed().await == Some(4501) => Unauthenticated,
                    Some("forbidden") if socket.closed().await == Some(4503) => Forbidden,
                    _ => panic!("{answer}"),
                }]
            }
        }
    }
}

/// The same token at a later time.
fn ended(token: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let mut claims: Value = jsonwebtoken::dangerous::insecure_decode(token).unwrap().claims;
    claims["exp"] = json!(now() - 1);
    let header = jsonwebtoken::decode_header(token).unwrap();
    crate::harness::issuer::sign(&serde_json::to_value(header).unwrap(), &claims, key, algorithm)
}

fn status(status: u16) -> Answer {
    match status {
        101 | 200 => In,
        401 => Unauthenticated,
        403 => Forbidden,
        other => panic!("{other}"),
    }
}

both_databases!(au_8_rest_and_socket_admit_the_same_accounts, JWT_SECRET = super::SECRET);
async fn au_8_rest_and_socket_admit_the_same_accounts(hub: &mut TestHub) {
    hub.trust(&RSA.pem());
    let [admin] = hub.users(["ada"]).await;
    let admin = hub.promote(&admin).await;
    let mut number = 0;
    for state in State::ALL {
        for (proof, expected) in Proof::ALL.iter().zip(answers(*state)) {
            if expected == NoSuchThing {
                continue;
            }
            number += 1;
            let mut hands = Hands::of(hub, *state, number).await;
            hands.come_into(hub, &admin, *state).await;
            let answers = hands.try_in(*proof).await;
            assert!(answers.iter().all(|answer| *answer == expected), "{state:?} by {proof:?}: {answers:?}");
        }
    }
}
