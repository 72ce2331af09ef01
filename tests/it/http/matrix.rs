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
    asks: fn(&Place) -> Vec<Ask>,
    answers: [Answer; 7],
}

/// The conversation or message that a request names.
#[derive(Clone)]
struct Place {
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

impl Place {
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
fn at(place: &Place, method: &'static str, tail: &str, body: Value) -> Ask {
    rest(method, format!("/api/conversations/{}{tail}", place.id), body)
}

fn of(message: i64, method: &'static str, tail: &str, body: Value) -> Ask {
    rest(method, format!("/api/messages/{message}{tail}"), body)
}

fn participant(place: &Place, method: &'static str, user_id: i64, body: Value) -> Ask {
    at(place, method, &format!("/participants/{user_id}"), body)
}

const THUMB: &str = "/reactions/%F0%9F%91%8D";

const ROWS: &[Row] = &[
    Row { op: "GetUnread", what: "", asks: |_| vec![rest("GET", "/api/unread", Value::Null)], answers: READERS },
    Row {
        op: "SendMessage",
        what: "",
        asks: |place| {
            let body = json!({"conversation_id": place.id, "content": "hi"});
            let path = at(place, "POST", "/messages", json!({"content": "hi"}));
            vec![path, rest("POST", "/api/messages", body.clone()), frame("private_message", body)]
        },
        answers: WRITERS,
    },
    Row { op: "EditMessage", what: "of one's own", asks: |place| edit(place.own), answers: WRITERS },
    Row { op: "EditMessage", what: "of another", asks: |place| edit(place.theirs), answers: NOBODY },
    Row { op: "DeleteMessage", what: "of one's own", asks: |place| delete(place.own, "everyone"), answers: READERS },
    Row { op: "DeleteMessage", what: "of another", asks: |place| delete(place.theirs, "everyone"), answers: NOBODY },
    Row { op: "DeleteMessage", what: "for oneself", asks: |place| delete(place.theirs, "me"), answers: READERS },
    Row {
        op: "React",
        what: "",
        asks: |place| {
            let keys = |on: bool| json!({"message_id": place.theirs, "emoji": "👍", "on": on});
            let call = |method| of(place.theirs, method, THUMB, Value::Null);
            vec![call("PUT"), call("DELETE"), frame("react", keys(true)), frame("react", keys(false))]
        },
        answers: WRITERS,
    },
    Row {
        op: "SetTyping",
        what: "",
        asks: |place| {
            let keys = json!({"conversation_id": place.id, "is_typing": true});
            vec![at(place, "POST", "/typing", json!({"is_typing": true})), frame("typing_indicator", keys)]
        },
        answers: WRITERS,
    },
    // Under a block, the caller may still read there, but is not shown as viewing.
    Row { op: "JoinConversation", what: "", asks: |place| look(place, "PUT", "join_conversation"), answers: READERS },
    Row {
        op: "LeaveConversation",
        what: "",
        asks: |place| look(place, "DELETE", "leave_conversation"),
        answers: READERS,
    },
    Row { op: "GetMessage", what: "", asks: |place| vec![of(place.theirs, "GET", "", Value::Null)], answers: READERS },
    Row {
        op: "ListReceipts",
        what: "",
        asks: |place| vec![of(place.theirs, "GET", "/receipts", Value::Null)],
        answers: READERS,
    },
    Row {
        op: "ListMessages",
        what: "",
        asks: |place| {
            let call = |query| at(place, "GET", query, Value::Null);
            vec![call("/messages"), call("/messages?before_seq=9&limit=1"), call("/messages?after_seq=0")]
        },
        answers: READERS,
    },
    Row {
        op: "LoadHistory",
        what: "",
        asks: |place| vec![frame("load_history", json!({"conversation_id": place.id}))],
        answers: READERS,
    },
    Row {
        op: "Search",
        what: "",
        asks: |place| {
            let path = format!("/api/search?q=hi&conversation_id={}", place.id);
            vec![rest("GET", path, Value::Null), frame("search", json!({"q": "hi", "conversation_id": place.id}))]
        },
        answers: READERS,
    },
    Row {
        op: "MarkDelivered",
        what: "",
        asks: |place| {
            let keys = json!({"conversation_id": place.id, "seq": 1});
            vec![at(place, "POST", "/delivered", json!({"seq": 1})), frame("message_delivered", keys)]
        },
        answers: READERS,
    },
    Row {
        op: "MarkRead",
        what: "",
        asks: |place| {
            vec![
                of(place.theirs, "POST", "/read", Value::Null),
                at(place, "POST", "/read", json!({"seq": 1})),
                frame("message_read", json!({"message_id": place.theirs})),
                frame("message_read", json!({"conversation_id": place.id, "seq": 1})),
            ]
        },
        answers: READERS,
    },
    Row {
        op: "ReadConversation",
        what: "",
        asks: |place| {
            let keys = json!({"conversation_id": place.id});
            vec![at(place, "POST", "/read", Value::Null), frame("conversation_read", keys)]
        },
        answers: READERS,
    },
    Row {
        op: "Sync",
        what: "",
        asks: |place| {
            let keys = json!({"conversations": {place.id.to_string(): 1}, "only": true});
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
    Row { op: "GetConversation", what: "", asks: |place| vec![at(place, "GET", "", Value::Null)], answers: READERS },
    Row {
        op: "ListParticipants",
        what: "",
        asks: |place| vec![at(place, "GET", "/participants", Value::Null)],
        answers: READERS,
    },
    Row {
        op: "ClearConversation",
        what: "",
        asks: |place| vec![at(place, "DELETE", "", Value::Null)],
        answers: READERS,
    },
    Row {
        op: "RenameConversation",
        what: "",
        asks: |place| vec![at(place, "PATCH", "", json!({"title": "Dinner"}))],
        answers: MANAGERS,
    },
    Row {
        op: "AddParticipant",
        what: "",
        asks: |place| vec![at(place, "POST", "/participants", json!({"user_id": place.newcomer}))],
        answers: MANAGERS,
    },
    Row {
        op: "AddParticipant",
        what: "of somebody who is in it",
        asks: |place| vec![at(place, "POST", "/participants", json!({"user_id": place.other}))],
        answers: MANAGERS,
    },
    Row {
        op: "RemoveParticipant",
        what: "of a member",
        asks: |place| vec![participant(place, "DELETE", place.other, Value::Null)],
        answers: MANAGERS,
    },
    Row {
        op: "RemoveParticipant",
        what: "of an admin",
        asks: |place| vec![participant(place, "DELETE", place.admin, Value::Null)],
        // That admin is the caller, and leaves.
        answers: [Yes, Yes, Forbidden, NotFound, Invalid, NotFound, NotFound],
    },
    Row {
        op: "RemoveParticipant",
        what: "of the last owner",
        asks: |place| vec![participant(place, "DELETE", place.owner, Value::Null)],
        answers: [Conflict, Forbidden, Forbidden, NotFound, Invalid, NotFound, NotFound],
    },
    Row {
        op: "RemoveParticipant",
        what: "of oneself",
        asks: |place| vec![participant(place, "DELETE", place.me, Value::Null)],
        answers: [Conflict, Yes, Yes, NotFound, Invalid, NotFound, NotFound],
    },
    Row {
        op: "SetRole",
        what: "of a member",
        asks: |place| vec![participant(place, "PATCH", place.other, json!({"role": "admin"}))],
        answers: [Yes, Forbidden, Forbidden, NotFound, Invalid, NotFound, NotFound],
    },
    Row {
        op: "SetRole",
        what: "of oneself",
        asks: |place| vec![participant(place, "PATCH", place.me, json!({"role": "member"}))],
        answers: [Conflict, Forbidden, Forbidden, NotFound, Invalid, NotFound, NotFound],
    },
    Row {
        op: "CreateConversation",
        what: "with a member",
        asks: |place| {
            vec![rest("POST", "/api/conversations", json!({"participant_ids": [place.other], "title": "We"}))]
        },
        answers: [Yes, Yes, Yes, Yes, Forbidden, Yes, Yes],
    },
    Row {
        op: "CreateReport",
        what: "of a message",
        asks: |place| vec![rest("POST", "/api/reports", json!({"message_id": place.theirs, "reason": "rude"}))],
        // A block does not prevent this.
        answers: READERS,
    },
    Row {
        op: "CreateReport",
        what: "of a person",
        asks: |place| vec![rest("POST", "/api/reports", json!({"user_id": place.other, "reason": "rude"}))],
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
        asks: |place| {
            let call = |what| rest("POST", format!("/api/admin/users/{}/{what}", place.newcomer), Value::Null);
            vec![call("disable"), call("enable")]
        },
        answers: ADMINISTRATORS,
    },
    Row { op: "GetConnections", what: "", asks: |place| connections(place, "GET"), answers: ADMINISTRATORS },
    Row { op: "EndLogins", what: "", asks: |place| connections(place, "DELETE"), answers: ADMINISTRATORS },
];

fn connections(place: &Place, method: &'static str) -> Vec<Ask> {
    vec![rest(method, format!("/api/admin/users/{}/connections", place.newcomer), Value::Null)]
}

fn look(place: &Place, method: &'static str, kind: &str) -> Vec<Ask> {
    vec![at(place, method, "/viewing", Value::Null), frame(kind, json!({"conversation_id": place.id}))]
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
    let place = Place { id: 1, own: 1, theirs: 1, me: 1, owner: 1, admin: 1, other: 1, newcomer: 1 };
    let asks = ROWS.iter().flat_map(|row| (row.asks)(&place));
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
    async fn place(&self, caller: &User) -> Place {
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
        Place { id: group.id, own, theirs, me: caller.id, owner, admin, other, newcomer }
    }
}

/// The answer, reduced to the bytes that are the same each time.
async fn ask(caller: &User, place: &Place, ask: &Ask) -> (Answer, String) {
    let (mut told, code) = match ask {
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
            let told = socket.call(frame.clone()).await;
            socket.close().await;
            let code = told["code"].as_str().map(str::to_owned);
            (told, code)
        }
    };
    for key in ["ref", "timestamp", "left"] {
        if key == "left" && told[key].as_array().is_some_and(|left| left.contains(&json!(place.id))) {
            told["left"] = json!("it");
            return (NotFound, told.to_string());
        }
        if key != "left" && told.is_object() {
            told.as_object_mut().unwrap().remove(key);
        }
    }
    let is_listed = match &told["conversations"] {
        Value::Array(rows) => rows.iter().any(|row| row["id"] == place.id),
        Value::Object(counts) => counts.contains_key(&place.id.to_string()),
        _ => true,
    };
    let answer = match code {
        Some(code) => answer(&code),
        None if is_listed => Yes,
        None => NotFound,
    };
    (answer, told.to_string())
}

fn answer(code: &str) -> Answer {
    match code {
        "forbidden" => Forbidden,
        "not_found" => NotFound,
        "invalid" => Invalid,
        "conflict" => Conflict,
        _ => panic!("an answer that nobody expects: {code}"),
    }
}

/// Operations that change the conversation, so that the next caller needs a new one.
const SPENDING: &[&str] =
    &["AddParticipant", "ClearConversation", "DeleteMessage", "ReadConversation", "RemoveParticipant", "SetRole"];

/// Sends every request of a row, and compares the answers with the expected ones.
async fn check(row: &Row, people: &People, caller: &User, expected: Answer, place: &mut Place) {
    let witness = if caller.name == "blocked" { &people.other } else { &people.callers[0] };
    for number in 0..(row.asks)(place).len() {
        let case = format!("{} {} by {}, ask {number}", row.op, row.what, caller.name);
        let before = witness.conversation(place.id).await["rev"].clone();
        let (told, bytes) = ask(caller, place, &(row.asks)(place)[number]).await;
        assert_eq!(told, expected, "{case}: {bytes}");
        if told != Yes {
            assert_eq!(witness.conversation(place.id).await["rev"], before, "{case}: nothing changed");
        } else if SPENDING.contains(&row.op) {
            *place = people.place(caller).await;
        }
        if told == NotFound {
            let missing = place.missing();
            assert_eq!(ask(caller, &missing, &(row.asks)(&missing)[number]).await, (NotFound, bytes), "{case}");
        }
    }
}

both_databases!(everybody_gets_the_answer_that_is_theirs);
async fn everybody_gets_the_answer_that_is_theirs(hub: &mut TestHub) {
    let people = People::register(hub).await;
    for (column, caller) in people.callers.iter().enumerate() {
        let mut place = people.place(caller).await;
        for row in ROWS {
            check(row, &people, caller, row.answers[column], &mut place).await;
        }
    }
}
