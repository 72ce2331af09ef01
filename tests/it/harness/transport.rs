//! The operations that both transports offer, with one way to send a request and one to read the
//! answer, so that a test describes both at once.

use super::{Reply, Socket, User};
use serde_json::{Value, json};

/// One user's transport.
pub enum Transport {
    Rest(User),
    Socket(Box<Socket>),
}

impl Transport {
    /// Both transports of one login.
    pub async fn both(user: &User) -> [Self; 2] {
        [Transport::Rest(user.clone()), Transport::Socket(Box::new(user.connect().await))]
    }

    /// The answer without the parts that belong to the transport: either the result, or the code
    /// and message of the refusal.
    pub async fn ask(&mut self, kind: &str, body: Value) -> Value {
        match self {
            Transport::Rest(user) => ask_by_rest(user, kind, body).await,
            Transport::Socket(socket) => ask_by_socket(socket, kind, body).await,
        }
    }

    /// The answer to a request that the hub must accept.
    #[track_caller]
    pub fn ok(&mut self, kind: &str, body: Value) -> impl Future<Output = Value> {
        let at = std::panic::Location::caller();
        async move {
            let answer = self.ask(kind, body).await;
            assert!(answer.get("code").is_none(), "{at}: {answer}");
            answer
        }
    }

    /// Code and message of a request that the hub must refuse.
    #[track_caller]
    pub fn refused(&mut self, kind: &str, body: Value) -> impl Future<Output = (String, String)> {
        let at = std::panic::Location::caller();
        async move {
            let answer = self.ask(kind, body).await;
            let text = |key: &str| answer[key].as_str().unwrap_or_else(|| panic!("{at}: {answer}")).to_owned();
            (text("code"), text("text"))
        }
    }
}

/// Sends a request by both transports of a login and returns the one refusal.
pub async fn refused_on_both(user: &User, kind: &str, body: Value) -> (String, String) {
    let [mut rest, mut socket] = Transport::both(user).await;
    let refusal = rest.refused(kind, body.clone()).await;
    assert_eq!(socket.refused(kind, body.clone()).await, refusal, "{kind} {body}");
    refusal
}

/// The HTTP call that corresponds to a frame.
async fn over_rest(user: &User, kind: &str, body: Value) -> Reply {
    let at = |tail: &str| format!("/api/conversations/{}/{tail}", body["conversation_id"]);
    let message = |tail: &str| format!("/api/messages/{}{tail}", body["message_id"]);
    match kind {
        "private_message" => user.post("/api/messages", body).await,
        "sync" => user.post("/api/sync", body).await,
        "edit_message" => user.patch(&message(""), json!({"content": body["content"]})).await,
        "delete_message" => {
            let query = body["for"].as_str().map(|whom| format!("?for={whom}")).unwrap_or_default();
            user.delete(&message(&query)).await
        }
        "react" => {
            let method = if body["on"] == true { "PUT" } else { "DELETE" };
            let emoji = percent_encoded(body["emoji"].as_str().unwrap());
            user.call(method, &message(&format!("/reactions/{emoji}"))).await
        }
        "typing_indicator" => user.post(&at("typing"), json!({"is_typing": body["is_typing"]})).await,
        "join_conversation" => user.put(&at("viewing")).await,
        "leave_conversation" => user.delete(&at("viewing")).await,
        "message_delivered" => user.post(&at("delivered"), json!({"seq": body["seq"]})).await,
        "message_read" if body.get("message_id").is_some() => user.call("POST", &message("/read")).await,
        "message_read" => user.post(&at("read"), json!({"seq": body["seq"]})).await,
        "conversation_read" => user.call("POST", &at("read")).await,
        "load_history" => {
            let keys = ["before_seq", "after_seq", "limit"].into_iter().filter(|key| body.get(*key).is_some());
            let query: Vec<String> = keys.map(|key| format!("{key}={}", body[key])).collect();
            user.get(&at(&format!("messages?{}", query.join("&")))).await
        }
        "search" => {
            let keys = ["q", "conversation_id", "before", "limit"].into_iter().filter(|key| body.get(*key).is_some());
            let query: Vec<String> = keys
                .map(|key| match &body[key] {
                    Value::String(text) => format!("{key}={}", percent_encoded(text)),
                    number => format!("{key}={number}"),
                })
                .collect();
            user.get(&format!("/api/search?{}", query.join("&"))).await
        }
        _ => panic!("no call matches the frame {kind}"),
    }
}

/// The value in the form that a path needs.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub async fn ask_by_rest(user: &User, kind: &str, body: Value) -> Value {
    let reply = over_rest(user, kind, body).await;
    match reply.status {
        204 => json!({}),
        200 | 201 => reply.json(),
        _ => json!({"code": reply.json()["code"], "text": reply.json()["detail"]}),
    }
}

pub async fn ask_by_socket(socket: &mut Socket, kind: &str, mut body: Value) -> Value {
    body["type"] = json!(kind);
    let mut answer = socket.call(body).await;
    if answer["type"] == "error" {
        return json!({"code": answer["code"], "text": answer["message"]});
    }
    for key in ["type", "ref", "timestamp"] {
        answer.as_object_mut().unwrap().remove(key);
    }
    answer
}
