//! Users with an account, and their actions.

use super::client::Client;
use super::hub::TestHub;
use super::socket::Socket;
use serde_json::{Value, json};
use std::ops::Deref;

/// The password of every user.
pub const PASSWORD: &str = "correct horse battery";

/// A user with one login; clones share the login.
#[derive(Clone)]
pub struct User {
    pub id: i64,
    pub name: String,
    client: Client,
}

/// Lets a user send requests directly.
impl Deref for User {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

pub async fn register(visitor: &Client, name: &str) -> User {
    let reply = visitor.post("/api/auth/register", json!({"username": name, "password": PASSWORD})).await.is(201);
    let (cookie, _) = reply.cookie();
    User::with_cookie(&reply.ok()["user"], visitor, &cookie)
}

impl User {
    /// The user of this login.
    pub fn with_cookie(user: &Value, visitor: &Client, cookie: &str) -> User {
        let name = user["username"].as_str().unwrap().to_owned();
        User { id: user["id"].as_i64().unwrap(), name, client: visitor.with("cookie", cookie) }
    }

    /// The same user on another device, with a login of its own.
    pub async fn log_in_again(&self) -> User {
        let credentials = json!({"username": self.name, "password": PASSWORD});
        let mut client = self.client.clone();
        client.headers.remove("cookie");
        let reply = client.post("/api/auth/login", credentials).await.is(200);
        let (cookie, _) = reply.cookie();
        User { client: client.with("cookie", &cookie), ..self.clone() }
    }

    /// The cookie of this login, as `name=value`.
    pub fn cookie(&self) -> &str {
        self.client.headers["cookie"].to_str().unwrap()
    }

    /// The same login, with an access token instead of the cookie.
    pub async fn by_token(&self) -> User {
        let token = self.post("/api/auth/token", json!({})).await.ok()["access_token"].clone();
        self.showing(token.as_str().unwrap())
    }

    /// The same user, with this access token and no other credential.
    pub fn showing(&self, token: &str) -> User {
        User { client: self.client.with_token(token), ..self.clone() }
    }

    /// The same user on a device without cookies, and its refresh token.
    pub async fn with_refresh_token(&self) -> (User, String) {
        let stranger = self.without_credentials();
        let credentials = json!({"username": self.name, "password": PASSWORD, "refresh": true});
        let token = stranger.post("/api/auth/login", credentials).await.ok()["refresh_token"].clone();
        (stranger, token.as_str().unwrap().to_owned())
    }

    /// The same user without credentials.
    pub fn without_credentials(&self) -> User {
        let mut client = self.client.clone();
        client.headers.remove("cookie");
        client.headers.remove("authorization");
        User { client, ..self.clone() }
    }

    /// A path with a ticket, which opens one socket.
    pub async fn ticket(&self) -> String {
        let ticket = self.post("/api/auth/ticket", json!({})).await.ok()["ticket"].clone();
        format!("/ws?ticket={}", ticket.as_str().unwrap())
    }

    /// The same login, used by a page of this origin.
    pub fn at(&self, origin: &str) -> User {
        User { client: self.client.with("origin", origin), ..self.clone() }
    }

    /// The same login, by a client that sends one more header.
    pub fn with_header(&self, name: &'static str, value: &str) -> User {
        User { client: self.client.with(name, value), ..self.clone() }
    }

    /// The same login, behind a proxy that names this address.
    pub fn behind(&self, address: &str) -> User {
        User { client: self.client.with("x-forwarded-for", address), ..self.clone() }
    }

    /// The same login at another node.
    pub fn at_node(&self, node: &TestHub) -> User {
        User { client: self.client.at_port(node.port_cell()), ..self.clone() }
    }

    /// A socket that is attached and has received its greeting.
    pub async fn connect(&self) -> Socket {
        let mut socket = Socket::open(self).await;
        socket.welcome().await;
        socket
    }

    /// Sends a message over REST and returns it as stored.
    pub async fn send_rest(&self, to: &User, content: &str) -> Value {
        let reply = self.post("/api/messages", json!({"recipient_id": to.id, "content": content})).await;
        reply.is(201).ok()["message"].clone()
    }

    /// A conversation in which both have written; returns its id.
    pub async fn gets_to_know(&self, other: &User) -> i64 {
        self.send_rest(other, "hello").await;
        other.send_rest(self, "hello").await["conversation_id"].as_i64().unwrap()
    }

    pub async fn blocks(&self, other: &User) {
        self.put(&format!("/api/blocks/{}", other.id)).await.is(204);
    }

    pub async fn unblocks(&self, other: &User) {
        self.delete(&format!("/api/blocks/{}", other.id)).await.is(204);
    }

    pub async fn adds_contact(&self, other: &User) {
        self.put(&format!("/api/contacts/{}", other.id)).await.is(204);
    }

    pub async fn removes_contact(&self, other: &User) {
        self.delete(&format!("/api/contacts/{}", other.id)).await.is(204);
    }

    /// A page of history, with the query as given: `?limit=2`.
    pub async fn history(&self, conversation_id: i64, query: &str) -> Value {
        self.get(&format!("/api/conversations/{conversation_id}/messages{query}")).await.ok()
    }

    /// The contents of the newest messages, oldest first.
    pub async fn contents(&self, conversation_id: i64) -> Vec<String> {
        let page = self.history(conversation_id, "?limit=200").await;
        let messages = page["messages"].as_array().unwrap();
        messages.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    }

    /// The first page of the list of conversations.
    pub async fn conversations(&self) -> Vec<Value> {
        self.get("/api/conversations").await.ok()["conversations"].as_array().unwrap().clone()
    }

    pub async fn conversation(&self, id: i64) -> Value {
        self.get(&format!("/api/conversations/{id}")).await.ok()["conversation"].clone()
    }
}
