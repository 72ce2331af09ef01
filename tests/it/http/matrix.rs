//! The permission matrix of a conversation: every operation, by every kind of caller, over HTTP and
//! the socket. An operation without a row fails here.

use crate::harness::{Group, TestHub, User, both_databases};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use switchboard::ops::frames::FRAMES;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Yes,
    Forbidden,
    /// The answer for something that does not exist.
    NotFound,
    Invalid,
    Conflict,
}
use Answer::{Conflict, Forbidden, Invalid, NotFound, Yes};

/// The callers. The first four relate to one group; a blocked caller relates to the direct
/// conversation with the blocker; a stranger relates to nobody. A site administrator is a stranger,
/// too, and may do no more in a conversation.
const CALLERS: [&str; 7] = ["owner", "group_admin", "member", "former", "blocked", "stranger", "site_admin"];

/// The expected results of reading: allowed for every reader of a conversation, and for nobody
/// else.
const READERS: [Answer; 7] = [Yes, Yes, Yes, NotFound, Yes, NotFound, NotFound];
/// The expected results of writing, which a block also stops.
const WRITERS: [Answer; 7] = [Yes, Yes, Yes, NotFound, Forbidden, NotFound, NotFound];
/// The expected results of operations that concern no conversation.
const EVERYBODY: [Answer; 7] = [Yes; 7];
/// The expected results of operations for site administrators only.
const ADMINISTRATORS: [Answer; 7] = [Forbidden, Forbidden, Forbidden, Forbidden, Forbidden, Forbidden, Yes];
/// The expected results of operations that no participant may do.
const NOBODY: [Answer; 7] = [Forbidden, Forbidden, Forbidden, NotFound, Forbidden, NotFound, NotFound];
/// The expected results of operations on groups only, for those who manage them.
const MANAGERS: [Answer; 7] = [Yes, Yes, Forbidden, NotFound, Invalid, NotFound, NotFound];

struct Row {
    op: &'static str,
    what: &'static str,
    asks: fn(&Target) -> Vec<Ask>,
    answers: [Answer; 7],
}

/// The conversation or message that a request names.
#[derive(Clone)]
struct Target {
    id: i64,
    /// A message of the caller, if they ever wrote there, else as `theirs`.
    own: i64,
    /// A message of another user.
    theirs: i64,
    me: i64,
    owner: i64,
    admin: i64,
    /// The id of a member.
    other: i64,
    /// The id of a user who is not in the conversation.
    newcomer: i64,
}

impl Target {
    /// The id of something that does not exist.
    fn missing(&self) -> Self {
        let nowhere = |id: i64| id + 1_000_000;
        Self { id: nowhere(self.id), own: nowhere(self.own), theirs: nowhere(self.theirs), ..self.clone() }
    }
}

enum Ask {
    Rest(&'static str, String, Value),
    Frame(Value),
}

fn rest(method: &'static str, path: impl Into<String>, body: Value) -> Ask {
    Ask::Rest(method, path.into(), body)
}

fn frame(kind: &str, mut keys: Value) -> Ask {
    keys["type"] = json!(kind);
    Ask::Frame(keys)
}

/// A call on the conversation, or on one of its messages.
fn at(target: &Target, method: &'static str, tail: &str, body: Value) -> Ask {
    rest(method, format!("/api/conversations/{}{tail}", target.id), body)
}

fn of(message: i64, method: &'static str, tail: &str, body: Value) -> Ask {
    rest(method, format!("/api/messages/{message}{tail}"), body)
}

fn participant(target: &Target, method: &'static str, user_id: i64, body: Value) -> Ask {
    at(target, method, &format!("/participants/{user_id}"), body)
}

const THUMB: &str = "/reactions/%F0%9F%91%8D";

const ROWS: &[Row] = &[
    Row { op: "GetUnread", what: "", asks: |_| vec![rest("GET", "/api/unread", Value::Null)], answers: READERS },
    Row {
        op: "SendMessage",
        what: "",
        asks: |target| {
            let body = json!({"conversation_id": target.id, "content": "hi"});
            let path = at(target, "POST", "/messages", json!({"content": "hi"}));
            vec![path, rest("POST", "/api/messages", body.clone()), frame("private_message", body)]
        },
        answers: WRITERS,
    },
    Row { op: "EditMessage", what: "of the caller", asks: |target| edit(target.own), answers: WRITERS },
    Row { op: "EditMessage", what: "of another", asks: |target| edit(target.theirs), answers: NOBODY },
    Row { op: "DeleteMessage", what: "of the caller", asks: |target| delete(target.own, "everyone"), answers: READERS },
    Row { op: "DeleteMessage", what: "of another", asks: |target| delete(target.theirs, "everyone"), answers: NOBODY },
    Row { op: "DeleteMessage", what: "for the caller", asks: |target| delete(target.theirs, "me"), answers: READERS },
    Row {
        op: "React",
        what: "",
        asks: |target| {
            let keys = |on: bool| json!({"message_id": target.theirs, "emoji": "👍", "on": on});
            let call = |method| of(target.theirs, method, THUMB, Value::Null);
            vec![call("PUT"), call("DELETE"), frame("react", keys(true)), frame("react", keys(false))]
        },
        answers: WRITERS,
    },
    Row {
        op: "SetTyping",
        what: "",
        asks: |target| {
            let keys = json!({"conversation_id": target.id, "is_typing": true});
            vec![at(target, "POST", "/typing", json!({"is_typing": true})), frame("typing_indicator", keys)]
        },
        answers: WRITERS,
    },
    // Under a block, the caller may still read there, but is not shown as viewing.
    Row { op: "JoinConversation", what: "", asks: |target| look(target, "PUT", "join_conversation"), answers: READERS },
    Row {
        op: "LeaveConversation",
        what: "",
        asks: |target| look(target, "DELETE", "leave_conversation"),
        answers: READERS,
    },
    Row {
        op: "GetMessage",
        what: "",
        asks: |target| vec![of(target.theirs, "GET", "", Value::Null)],
        answers: READERS,
    },
    Row {
        op: "ListReceipts",
        what: "",
        asks: |target| vec![of(target.theirs, "GET", "/receipts", Value::Null)],
        answers: READERS,
    },
    Row {
        op: "ListMessages",
        what: "",
        asks: |target| {
            let call = |query| at(target, "GET", query, Value::Null);
            vec![call("/messages"), call("/messages?before_seq=9&limit=1"), call("/messages?after_seq=0")]
        },
        answers: READERS,
    },
    Row {
        op: "LoadHistory",
        what: "",
        asks: |target| vec![frame("load_history", json!({"conversation_id": target.id}))],
        answers: READERS,
    },
    Row {
        op: "Search",
        what: "",
        asks: |target| {
            let path = format!("/api/search?q=hi&conversation_id={}", target.id);
            vec![rest("GET", path, Value::Null), frame("search", json!({"q": "hi", "conversation_id": target.id}))]
        },
        answers: READERS,
    },
    Row {
        op: "MarkDelivered",
        what: "",
        asks: |target| {
            let keys = json!({"conversation_id": target.id, "seq": 1});
            vec![at(target, "POST", "/delivered", json!({"seq": 1})), frame("message_delivered", keys)]
        },
        answers: READERS,
    },
    Row {
        op: "MarkRead",
        what: "",
        asks: |target| {
            vec![
                of(target.theirs, "POST", "/read", Value::Null),
                at(target, "POST", "/read", json!({"seq": 1})),
                frame("message_read", json!({"message_id": target.theirs})),
                frame("message_read", json!({"conversation_id": target.id, "seq": 1})),
            ]
        },
        answers: READERS,
    },
    Row {
        op: "ReadConversation",
        what: "",
        asks: |target| {
            let keys = json!({"conversation_id": target.id});
            vec![at(target, "POST", "/read", Value::Null), frame("conversation_read", keys)]
        },
        answers: READERS,
    },
    Row {
        op: "Sync",
        what: "",
        asks: |target| {
            let keys = json!({"conversations": {target.id.to_string(): 1}, "only": true});
            vec![rest("POST", "/api/sync", keys.clone()), frame("sync", keys)]
        },
        answers: READERS,
    },
    Row {
        op: "ListConversations",
        what: "",
        asks: |_| vec![rest("GET", "/api/conversations?limit=200", Value::Null)],
        answers: READERS,
    },
    Row { op: "GetConversation", what: "", asks: |target| vec![at(target, "GET", "", Value::Null)], answers: READERS },
    Row {
        op: "ListParticipants",
        what: "",
        asks: |target| vec![at(target, "GET", "/participants", Value::Null)],
        answers: READERS,
    },
    Row {
        op: "ClearConversation",
        what: "",
        asks: |target| vec![at(target, "DELETE", "", Value::Null)],
        answers: READERS,
    },
    Row {
        op: "RenameConversation",
        what: "",
        asks: |target| vec![at(target, "PATCH", "", json!({"title": "Dinner"}))],
        answers: MANAGERS,
    },
    Row {
        op: "AddParticipant",
        what: "",
        asks: |target| vec![at(target, "POST", "/participants", json!({"user_id": target.newcomer}))],
        answers: MANAGERS,
    },
    Row {
        op: "AddParticipant",
        what: "of an existing member",
        asks: |target| vec![at(target, "POST", "/participants", json!({"user_id": target.other}))],
        answers: MANAGERS,
    },
    Row {
        op: "RemoveParticipant",
        what: "of a member",
        asks: |target| vec![participant(target, "DELETE", target.other, Value::Null)],
        answers: MANAGERS,
    },
    Row {
        op: "RemoveParticipant",
        what: "of an admin",
        asks: |target| vec![participant(target, "DELETE", target.admin, Value::Null)],
        // That admin is the caller, and leaves.
        answers: [Yes, Yes, Forbidden, NotFound, Invalid, NotFound, NotFound],
    },
    Row {
        op: "RemoveParticipant",
        what: "of the last owner",
        asks: |target| vec![participant(target, "DELETE", target.owner, Value::Null)],
        answers: [Conflict, Forbidden, Forbidden, NotFound, Invalid, NotFound, NotFound],
    },
    Row {
        op: "RemoveParticipant",
        what: "of the caller",
        asks: |target| vec![participant(target, "DELETE", target.me, Value::Null)],
        answers: [Conflict, Yes, Yes, NotFound, Invalid, NotFound, NotFound],
    },
    Row {
        op: "SetRole",
        what: "of a member",
        asks: |target| vec![participant(target, "PATCH", target.other, json!({"role": "admin"}))],
        answers: [Yes, Forbidden, Forbidden, NotFound, Invalid, NotFound, NotFound],
    },
    Row {
        op: "SetRole",
        what: "of the caller",
        asks: |target| vec![participant(target, "PATCH", target.me, json!({"role": "member"}))],
        answers: [Conflict, Forbidden, Forbidden, NotFound, Invalid, NotFound, NotFound],
    },
    Row {
        op: "CreateConversation",
        what: "with a member",
        asks: |target| {
            vec![rest("POST", "/api/conversations", json!({"participant_ids": [target.other], "title": "We"}))]
        },
        answers: [Yes, Yes, Yes, Yes, Forbidden, Yes, Yes],
    },
    Row {
        op: "CreateReport",
        what: "of a message",
        asks: |target| vec![rest("POST", "/api/reports", json!({"message_id": target.theirs, "reason": "rude"}))],
        // A block does not prevent this.
        answers: READERS,
    },
    Row {
        op: "CreateReport",
        what: "of a user",
        asks: |target| vec![rest("POST", "/api/reports", json!({"user_id": target.other, "reason": "rude"}))],
        answers: EVERYBODY,
    },
    Row {
        op: "ListReports",
        what: "",
        asks: |_| vec![rest("GET", "/api/admin/reports", Value::Null)],
        answers: ADMINISTRATORS,
    },
    Row {
        op: "SetDisabled",
        what: "",
        asks: |target| {
            let call = |what| rest("POST", format!("/api/admin/users/{}/{what}", target.newcomer), Value::Null);
            vec![call("disable"), call("enable")]
        },
        answers: ADMINISTRATORS,
    },
    Row { op: "GetConnections", what: "", asks: |target| connections(target, "GET"), answers: ADMINISTRATORS },
    Row { op: "EndLogins", what: "", asks: |target| connections(target, "DELETE"), answers: ADMINISTRATORS },
];

fn connections(target: &Target, method: &'static str) -> Vec<Ask> {
    vec![rest(method, format!("/api/admin/users/{}/connections", target.newcomer), Value::Null)]
}

fn look(target: &Target, method: &'static str, kind: &str) -> Vec<Ask> {
    vec![at(target, method, "/viewing", Value::Null), frame(kind, json!({"conversation_id": target.id}))]
}

fn edit(message: i64) -> Vec<Ask> {
    let keys = json!({"message_id": message, "content": "another"});
    vec![of(message, "PATCH", "", json!({"content": "another"})), frame("edit_message", keys)]
}

fn delete(message: i64, whom: &str) -> Vec<Ask> {
    let keys = json!({"message_id": message, "for": whom});
    vec![of(message, "DELETE", &format!("?for={whom}"), Value::Null), frame("delete_message", keys)]
}

/// Operations that name no conversation: on the caller's own account, and about users, whom
/// everybody may look up.
const ELSEWHERE: &[&str] = &[
    "CloseAccount",
    "EndLogin",
    "EndOwnLogins",
    "FindPassword",
    "GetUser",
    "ListBlocks",
    "ListContacts",
    "ListLogins",
    "ListUsers",
    "LogOut",
    "CreateTicket",
    "OpenSession",
    "SetBlock",
    "SetContact",
    "SetPassword",
    "UpdateProfile",
];

/// The files of a folder and of its subfolders.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

#[test]
fn every_operation_has_a_row() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let mut ops = BTreeSet::new();
    for file in files_in(&folder) {
        let text = fs::read_to_string(file).unwrap();
        let named = text.split("\nimpl Op for ").skip(1).map(|rest| rest.split(' ').next().unwrap().to_owned());
        ops.extend(named.filter(|op| op != "FrameOp"));
    }
    let rows = ROWS.iter().map(|row| row.op).chain(ELSEWHERE.iter().copied()).map(str::to_owned);
    assert_eq!(rows.collect::<BTreeSet<_>>(), ops);
    let target = Target { id: 1, own: 1, theirs: 1, me: 1, owner: 1, admin: 1, other: 1, newcomer: 1 };
    let asks = ROWS.iter().flat_map(|row| (row.asks)(&target));
    let frames = asks.filter_map(|ask| match ask {
        Ask::Frame(frame) => Some(frame["type"].as_str().unwrap().to_owned()),
        Ask::Rest(..) => None,
    });
    assert_eq!(frames.collect::<BTreeSet<_>>(), FRAMES.iter().map(|entry| entry.kind.to_owned()).collect());
}

/// One user for each kind of caller.
struct People {
    callers: [User; 7],
    other: User,
    newcomer: User,
}

impl People {
    async fn register(hub: &TestHub) -> Self {
        let mut callers = hub.users(CALLERS).await;
        callers[6] = hub.promote(&callers[6]).await;
        let [other, newcomer] = hub.users(["other", "newcomer"]).await;
        // Members who leave a group here must be able to join the next one.
        for member in callers[1..4].iter().chain([&other, &newcomer]) {
            member.adds_contact(&callers[0]).await;
        }
        Self { callers, other, newcomer }
    }

    /// A group in which every caller has the role of that name, or, for the blocked caller, the
    /// direct conversation with the blocker.
    async fn target(&self, caller: &User) -> Target {
        let [owner, admin, member, former, blocked, ..] = &self.callers;
        let is_direct = caller.id == blocked.id;
        let group = if is_direct {
            self.other.unblocks(blocked).await;
            Group { id: blocked.send_rest(&self.other, "hi").await["conversation_id"].as_i64().unwrap() }
        } else {
            Group::of(owner, &[admin, member, former, &self.other]).await
        };
        let number = |message: &Value| message["id"].as_i64().unwrap();
        let theirs = number(&group.says(&self.other, "theirs").await);
        let is_stranger = ["stranger", "site_admin"].contains(&caller.name.as_str());
        let own = if is_stranger { theirs } else { number(&group.says(caller, "own").await) };
        if is_direct {
            self.other.blocks(blocked).await;
        } else {
            group.set_role(owner, admin, "admin").await.is(204);
            group.remove(owner, former).await.is(204);
        }
        let [owner, admin, other, newcomer] = [owner, admin, &self.other, &self.newcomer].map(|user| user.id);
        Target { id: group.id, own, theirs, me: caller.id, owner, admin, other, newcomer }
    }
}

/// The answer, reduced to the bytes that are the same each time.
async fn ask(caller: &User, target: &Target, ask: &Ask) -> (Answer, String) {
    let (mut body, code) = match ask {
        Ask::Rest(method, path, body) => {
            let reply = match body {
                Value::Null => caller.call(method, path).await,
                body => caller.call_with(method, path, body.clone()).await,
            };
            let json = if reply.status == 204 { json!({}) } else { reply.json() };
            let code = json["code"].as_str().map(str::to_owned);
            if let Some(code) = &code {
                let status = [("forbidden", 403), ("not_found", 404), ("invalid", 400), ("conflict", 409)];
                assert!(status.contains(&(code, reply.status)), "{reply:?}");
                return (answer(code), format!("{} {}", reply.status, reply.body));
            }
            (json, code)
        }
        Ask::Frame(frame) => {
            let mut socket = caller.connect().await;
            let body = socket.call(frame.clone()).await;
            socket.close().await;
            let code = body["code"].as_str().map(str::to_owned);
            (body, code)
        }
    };
    for key in ["ref", "timestamp", "left"] {
        if key == "left" && body[key].as_array().is_some_and(|left| left.contains(&json!(target.id))) {
            body["left"] = json!("it");
            return (NotFound, body.to_string());
        }
        if key != "left" && body.is_object() {
            body.as_object_mut().unwrap().remove(key);
        }
    }
    let is_listed = match &body["conversations"] {
        Value::Array(rows) => rows.iter().any(|row| row["id"] == target.id),
        Value::Object(counts) => counts.contains_key(&target.id.to_string()),
        _ => true,
    };
    let answer = match code {
        Some(code) => answer(&code),
        None if is_listed => Yes,
        None => NotFound,
    };
    (answer, body.to_string())
}

fn answer(code: &str) -> Answer {
    match code {
        "forbidden" => Forbidden,
        "not_found" => NotFound,
        "invalid" => Invalid,
        "conflict" => Conflict,
        _ => panic!("unexpected answer: {code}"),
    }
}

/// Operations that change the conversation, so that the next caller needs a new one.
const SPENDING: &[&str] =
    &["AddParticipant", "ClearConversation", "DeleteMessage", "ReadConversation", "RemoveParticipant", "SetRole"];

/// Sends every request of a row, and compares the answers with the expected ones.
async fn check(row: &Row, people: &People, caller: &User, expected: Answer, target: &mut Target) {
    let witness = if caller.name == "blocked" { &people.other } else { &people.callers[0] };
    for number in 0..(row.asks)(target).len() {
        let case = format!("{} {} by {}, ask {number}", row.op, row.what, caller.name);
        let before = witness.conversation(target.id).await["rev"].clone();
        let (answer, bytes) = ask(caller, target, &(row.asks)(target)[number]).await;
        assert_eq!(answer, expected, "{case}: {bytes}");
        if answer != Yes {
            assert_eq!(witness.conversation(target.id).await["rev"], before, "{case}: the conversation is unchanged");
        } else if SPENDING.contains(&row.op) {
            *target = people.target(caller).await;
        }
        if answer == NotFound {
            let missing = target.missing();
            assert_eq!(ask(caller, &missing, &(row.asks)(&missing)[number]).await, (NotFound, bytes), "{case}");
        }
    }
}

both_databases!(every_role_gets_the_expected_answer);
async fn every_role_gets_the_expected_answer(hub: &mut TestHub) {
    let people = People::register(hub).await;
    for (column, caller) in people.callers.iter().enumerate() {
        let mut target = people.target(caller).await;
        for row in ROWS {
            check(row, &people, caller, row.answers[column], &mut target).await;
        }
    }
}
