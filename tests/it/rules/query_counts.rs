//! The number of database queries of an operation does not grow with the people in a conversation.

use super::architecture::shipped_texts;
use crate::harness::{Group, TestHub, User, both_databases, crowd};
use diesel::connection::{Connection, InstrumentationEvent};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use switchboard::auth::{Caller, hash_token};
use switchboard::clock::Clock;
use switchboard::error::{Error, Result};
use switchboard::ids::{ConversationId, LoginId, MessageId, Role, UserId};
use switchboard::ops::accounts::{close_account::CloseAccount, update_profile::UpdateProfile};
use switchboard::ops::conversations::{
    clear_conversation::ClearConversation, create_conversation::CreateConversation, get_conversation::GetConversation,
    list_conversations::ListConversations, list_participants::ListParticipants,
};
use switchboard::ops::frames::{Entry, FrameOp};
use switchboard::ops::groups::{
    add_participant::AddParticipant, remove_participant::RemoveParticipant, rename_conversation::RenameConversation,
    set_role::SetRole,
};
use switchboard::ops::logins::open_session::{FindCallerAndOpen, OpenSession};
use switchboard::ops::messages::{get_message::GetMessage, list_messages::ListMessages};
use switchboard::ops::moderation::{create_report::CreateReport, list_reports::ListReports, set_disabled::SetDisabled};
use switchboard::ops::op::{Anonymous, AnyOp, Cx, System};
use switchboard::ops::people::{
    get_user::GetUser, list_blocks::ListBlocks, list_contacts::ListContacts, list_users::ListUsers,
    set_block::SetBlock, set_contact::SetContact,
};
use switchboard::ops::presence::announce_presence::AnnouncePresence;
use switchboard::ops::receipts::{count_unread::CountUnread, get_unread::GetUnread, list_receipts::ListReceipts};
use switchboard::policy::Rules;
use switchboard::store::Db;
use switchboard::wire::Head;

/// Members of the two groups that are compared. Both are small enough for their members to see each
/// other.
const FEW: usize = 4;
const MANY: usize = 90;

/// Operations without a conversation or group: about logins, tickets and rates, or the hub's own
/// bookkeeping.
const WITHOUT_MEMBERS: &[&str] = &[
    "provision_external_user",
    "are_groups_due",
    "begin_login",
    "begin_registration",
    "check_writes",
    "end_login",
    "end_logins",
    "end_own_logins",
    "end_revoked",
    "erase_evidence",
    "find_caller",
    "find_password",
    "list_revocations",
    "delete_revocations",
    "refund_attempt",
    "get_connections",
    "index_messages",
    "list_logins",
    "log_in",
    "log_out",
    "create_ticket",
    "merge_index",
    "register",
    "set_password",
    // Its queries are counted with `close_account`.
    "settle_groups",
    "prune_receipts",
    // It runs some queries for each user who moved, at most 32 of them.
    "publish_receipts",
    "sweep_attempts",
    "take_ticket",
    "touch_logins",
    "write_last_seen",
];

/// The operation of a frame with these keys.
fn frame(kind: &str, mut keys: Value) -> FrameOp {
    (keys["type"], keys["ref"]) = (json!(kind), json!("1"));
    let text = keys.to_string();
    Entry::find(kind).unwrap().parse(&Head::parse(&text).unwrap()).unwrap()
}

/// Counts the database queries of the work; its changes are rolled back.
pub fn count_queries(hub: &TestHub, work: impl FnOnce(&mut Cx) -> Result<()>) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let watch = move |event: InstrumentationEvent<'_>| {
        if matches!(event, InstrumentationEvent::StartQuery { .. }) {
            seen.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut db = hub.database.target().open().unwrap();
    match &mut db {
        Db::Sqlite(conn) => conn.set_instrumentation(watch),
        Db::Postgres(conn) => conn.set_instrumentation(watch),
    }
    let now = Clock::system().now();
    let mut outcome = None;
    let rolled_back: Result<()> = db.write_transaction(|db| {
        outcome = Some(work(&mut Cx { db, now, rules: &Rules::OPEN, epoch: "" }));
        Err(Error::NotFound("to roll it back"))
    });
    assert!(rolled_back.is_err());
    outcome.unwrap().unwrap();
    count.load(Ordering::Relaxed)
}

/// The caller has a signed token, which has no login.
pub fn caller(user: &User) -> Caller {
    Caller { user_id: UserId::new(user.id), login_id: None, session_id: None }
}

fn name_of<W>(op: &impl AnyOp<W>, _: &W) -> String {
    op.terms().name.to_owned()
}

pub fn from<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

/// A group, its owner, another member, and a message of that member.
struct Fixture {
    owner: User,
    member: User,
    group: Group,
    message: i64,
    stranger: User,
    /// The credentials of the owner's latest request.
    login_id: LoginId,
    hash: String,
}

impl Fixture {
    async fn with(hub: &TestHub, size: usize) -> Self {
        let names = ["owner", "member", "stranger"].map(|name| format!("{name}{size}"));
        let [owner, member, stranger] = hub.users([&*names[0], &*names[1], &*names[2]]).await;
        let owner = hub.promote(&owner).await;
        let mut others = crowd(hub, &owner, size - 2).await;
        others.push(member.id);
        let group = Group::of_ids(&owner, &others).await;
        let message = group.says(&member, "hello").await["id"].as_i64().unwrap();
        hub.database.execute(&format!(
            "INSERT INTO receipt_marks (conversation_id, user_id, kind, seq, at)
             SELECT conversation_id, user_id, kind.name, 9, 0 FROM participants
             CROSS JOIN (SELECT 'read' AS name UNION ALL SELECT 'delivered') AS kind
             WHERE conversation_id = {}",
            group.id
        ));
        // The owner's contact list and the member's block list are as long.
        let rest = format!("FROM participants WHERE conversation_id = {} AND user_id <> {}", group.id, owner.id);
        hub.database.execute(&format!(
            "INSERT INTO contacts (user_id, contact_id, created_at, me) SELECT {}, user_id, 0, 1 {rest};
             INSERT INTO blocks (user_id, blocked_id, created_at, me) SELECT {}, user_id, 0, 1 {rest} AND user_id <> {}",
            owner.id, member.id, member.id
        ));
        let hash = format!("SELECT password_hash AS line FROM users WHERE id = {}", owner.id);
        let hash = hub.database.texts(&hash).remove(0);
        let login = format!("SELECT CAST(max(id) AS TEXT) AS line FROM logins WHERE user_id = {}", owner.id);
        let login_id = hub.database.texts(&login).remove(0).parse().unwrap();
        Self { owner, member, group, message, stranger, login_id, hash }
    }

    /// Counts the queries of each operation that the owner requests, by its name.
    fn counts(&self, hub: &TestHub) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let id = ConversationId::new(self.group.id);
        let message_id = MessageId::new(self.message);
        let (member, stranger) = (UserId::new(self.member.id), UserId::new(self.stranger.id));
        let me = UserId::new(self.owner.id);
        let mut add = |name: String, work: &dyn Fn(&mut Cx) -> Result<()>| {
            assert_eq!(counts.insert(name, count_queries(hub, work)), None, "each once");
        };
        macro_rules! ask {
            ($op:expr) => {
                ask!($op, Caller { login_id: Some(self.login_id), ..caller(&self.owner) })
            };
            ($op:expr, $who:expr) => {{
                let (op, who) = ($op, $who);
                add(name_of(&op, &who), &|cx| op.run(&who, cx).map(drop));
            }};
        }
        for (kind, more) in [
            ("private_message", json!({"conversation_id": id, "content": "hi"})),
            ("typing_indicator", json!({"conversation_id": id, "is_typing": true})),
            ("join_conversation", json!({"conversation_id": id})),
            ("leave_conversation", json!({"conversation_id": id})),
            ("message_delivered", json!({"conversation_id": id, "seq": 1})),
            ("message_read", json!({"message_id": message_id})),
            ("conversation_read", json!({"conversation_id": id})),
            ("delete_message", json!({"message_id": message_id, "for": "me"})),
            ("react", json!({"message_id": message_id, "emoji": "👍", "on": true})),
            ("load_history", json!({"conversation_id": id})),
            ("search", json!({"q": "hello"})),
            ("sync", json!({"conversations": {id.to_string(): 1}})),
        ] {
            ask!(frame(kind, more));
        }
        let edit = json!({"message_id": message_id, "content": "other"});
        ask!(frame("edit_message", edit), caller(&self.member));
        ask!(GetConversation { conversation_id: id });
        ask!(GetMessage { message_id });
        ask!(ListMessages { conversation_id: id, before_seq: None, after_seq: None, limit: None });
        ask!(ListParticipants { conversation_id: id, after: None, limit: None });
        ask!(ListReceipts { message_id });
        ask!(ListConversations::default());
        ask!(ListUsers { q: "crowd".into(), limit: None });
        ask!(GetUser { user_id: member });
        ask!(ListBlocks {}, caller(&self.member));
        ask!(ListContacts {});
        ask!(GetUnread {});
        ask!(ListReports { before: None, limit: None });
        ask!(from::<CreateReport>(json!({"message_id": message_id, "reason": "rude"})));
        ask!(ClearConversation { conversation_id: id });
        ask!(RenameConversation { conversation_id: id, title: from(json!("Dinner")) });
        ask!(AddParticipant { conversation_id: id, user_id: stranger });
        ask!(RemoveParticipant { conversation_id: id, user_id: member });
        ask!(SetRole { conversation_id: id, user_id: member, role: Role::Admin });
        ask!(SetBlock { user_id: member, is_blocked: true });
        ask!(SetContact { user_id: stranger, is_contact: true });
        ask!(SetDisabled { user_id: member, is_disabled: true });
        ask!(from::<UpdateProfile>(json!({"display_name": "The owner"})));
        ask!(CloseAccount { checked_hash: Some(self.hash.clone()) });
        ask!(OpenSession);
        let (_, secret) = self.owner.cookie().split_once('=').unwrap();
        let (token_hash, lifetime) = (hash_token(secret), Duration::from_secs(86_400));
        ask!(FindCallerAndOpen { token_hash, lifetime, run: 1 }, Anonymous);
        ask!(AnnouncePresence { changes: vec![(me, false)] }, System);
        ask!(CountUnread { user_id: me, only: None, run: 1 }, System);
        let page = self.members(hub);
        ask!(from::<CreateConversation>(json!({"participant_ids": page, "title": "Again"})));
        counts
    }

    /// Everybody but the owner, by id.
    fn members(&self, hub: &TestHub) -> Vec<i64> {
        let query = format!(
            "SELECT CAST(user_id AS TEXT) AS line FROM participants WHERE conversation_id = {} AND user_id <> {}",
            self.group.id, self.owner.id
        );
        hub.database.texts(&query).iter().map(|id| id.parse().unwrap()).collect()
    }
}

both_databases!(no_query_count_grows_with_the_members_of_a_group);
async fn no_query_count_grows_with_the_members_of_a_group(hub: &mut TestHub) {
    let (small, large) = (Fixture::with(hub, FEW).await, Fixture::with(hub, MANY).await);
    let (few, many) = (small.counts(hub), large.counts(hub));
    for (name, count) in &many {
        assert!(*count <= few[name], "{name}: {count} queries of {MANY} members, and {} of {FEW}", few[name]);
    }
    let covered: BTreeSet<&str> = few.keys().map(String::as_str).chain(WITHOUT_MEMBERS.iter().copied()).collect();
    let known = names_of_operations();
    let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
    assert_eq!(covered, known, "every operation is either counted or has no members");
}

/// The name of each operation in the sources.
fn names_of_operations() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in shipped_texts().into_iter().filter(|(path, _)| path.starts_with("ops/")) {
        for rest in text.split("const NAME: &'static str = ").skip(1) {
            let name = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            names.extend(name.map(str::to_owned));
        }
    }
    names
}
