//! Operations: everything the hub can be asked to do, one file each.
//!
//! An operation is a plain synchronous function from facts to an [`Outcome`].
//! It loads the facts, asks `policy`, changes the store and names the events
//! and their audience, all inside one transaction that the door began. It
//! knows no sockets, no actors and no HTTP, and never waits.
//!
//! [`FRAMES`] is the table of what a socket may ask for, one line each.

mod add_participant;
mod admin;
mod admit_foreigner;
mod announce_presence;
mod announce_unread;
mod attempt;
mod begin_login;
mod begin_registration;
mod change_message;
mod check_writes;
mod clear_conversation;
mod close_account;
mod create_conversation;
mod delete_message;
mod edit_message;
mod end_login;
mod end_logins;
mod end_own_logins;
mod end_revoked;
mod erase_evidence;
mod find_caller;
mod find_password;
mod get_connections;
mod get_conversation;
mod get_message;
mod get_unread;
mod get_user;
mod group;
mod index_messages;
mod join_conversation;
mod leave_conversation;
mod list_blocks;
mod list_contacts;
mod list_conversations;
mod list_logins;
mod list_messages;
mod list_participants;
mod list_receipts;
mod list_reports;
mod list_users;
mod load_history;
mod log_in;
mod log_out;
mod make_report;
mod make_ticket;
mod mark_delivered;
mod mark_read;
mod merge_index;
mod move_position;
mod open_session;
mod present;
mod prune_receipts;
mod publish_receipts;
mod react;
mod read_conversation;
mod register;
mod remove_participant;
mod rename_conversation;
mod rename_user;
mod search;
#[cfg(test)]
mod search_test;
mod send_message;
mod set_block;
mod set_contact;
mod set_disabled;
mod set_password;
mod set_role;
mod set_typing;
mod settle_groups;
mod sight;
mod sync;
#[cfg(test)]
mod sync_test;
mod take_ticket;
mod touch_logins;
mod update_profile;
mod witnesses;
mod write_last_seen;

pub use add_participant::AddParticipant;
pub use admit_foreigner::AdmitForeigner;
pub use announce_presence::AnnouncePresence;
pub use announce_unread::AnnounceUnread;
pub use attempt::{Attempt, ForgetAttempt, SweepAttempts};
pub use begin_login::{BeginLogin, BegunLogin};
pub use begin_registration::BeginRegistration;
pub use check_writes::CheckWrites;
pub use clear_conversation::ClearConversation;
pub use close_account::CloseAccount;
pub use create_conversation::{CreateConversation, Created};
pub use delete_message::{DeleteMessage, Whom};
pub use edit_message::EditMessage;
pub use end_login::EndLogin;
pub use end_logins::EndLogins;
pub use end_own_logins::EndOwnLogins;
pub use end_revoked::{EndRevoked, FindRevoked};
pub use erase_evidence::EraseEvidence;
pub use find_caller::{FindCaller, Found, Proof};
pub use find_password::{FindPassword, FoundPassword};
pub use get_connections::GetConnections;
pub use get_conversation::GetConversation;
pub use get_message::GetMessage;
pub use get_unread::{GetUnread, UnreadCounts};
pub use get_user::{GetUser, UserReply};
pub use index_messages::IndexMessages;
pub use join_conversation::JoinConversation;
pub use leave_conversation::LeaveConversation;
pub use list_blocks::ListBlocks;
pub use list_contacts::ListContacts;
pub use list_conversations::{ConversationPage, ListConversations};
pub use list_logins::{ListLogins, LoginList};
pub use list_messages::{ListMessages, MessagePage};
pub use list_participants::{ListParticipants, ParticipantPage};
pub use list_receipts::{ListReceipts, Receipts};
pub use list_reports::{ListReports, ReportPage};
pub use list_users::{ListUsers, UserList};
pub use load_history::LoadHistory;
pub use log_in::{Device, LogIn};
pub use log_out::LogOut;
pub use make_report::{MakeReport, Reported};
pub use make_ticket::MakeTicket;
pub use mark_delivered::MarkDelivered;
pub use mark_read::MarkRead;
pub use merge_index::MergeIndex;
pub use open_session::{OpenSession, Opening};
pub use prune_receipts::PruneReceipts;
pub use publish_receipts::PublishReceipts;
pub use react::React;
pub use read_conversation::ReadConversation;
pub use register::Register;
pub use remove_participant::RemoveParticipant;
pub use rename_conversation::RenameConversation;
pub use search::{Search, SearchPage};
pub use send_message::{SendMessage, Sent};
pub use set_block::SetBlock;
pub use set_contact::SetContact;
pub use set_disabled::SetDisabled;
pub use set_password::SetPassword;
pub use set_role::SetRole;
pub use set_typing::SetTyping;
pub use settle_groups::{AreGroupsDue, SettleGroups};
pub use sync::{Changes, Sync};
pub use take_ticket::TakeTicket;
pub use touch_logins::TouchLogins;
pub use update_profile::UpdateProfile;
pub use write_last_seen::WriteLastSeen;

pub use crate::store::Cost;

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{Timestamp, UserId};
use crate::limits::Class;
use crate::policy::Rules;
use crate::schema::{SchemaOf, schema_of};
use crate::store::Db;
use crate::wire::{self, Event, MessageView};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a socket may ask for: the frame's `type` and the operation it is.
pub const FRAMES: &[Entry] = &[
    Entry::of::<SendMessage>("private_message"),
    Entry::of::<SetTyping>("typing_indicator"),
    Entry::of::<JoinConversation>("join_conversation"),
    Entry::of::<LeaveConversation>("leave_conversation"),
    Entry::of::<MarkDelivered>("message_delivered"),
    Entry::of::<MarkRead>("message_read"),
    Entry::of::<ReadConversation>("conversation_read"),
    Entry::of::<EditMessage>("edit_message"),
    Entry::of::<DeleteMessage>("delete_message"),
    Entry::of::<React>("react"),
    Entry::of::<LoadHistory>("load_history").with_ref(),
    Entry::of::<Search>("search").with_ref(),
    Entry::of::<Sync>("sync").with_ref(),
];

/// Whether an operation runs on a snapshot, or in the write lane: everything
/// that changes something, or tells others anything, in one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// The world as an operation sees it: a transaction, a time, the house rules.
pub struct Cx<'a> {
    pub db: &'a mut Db,
    pub now: Timestamp,
    pub rules: &'a Rules,
    /// Names this history.
    pub epoch: &'a str,
}

/// What an operation leads to. The events are delivered in this order once
/// the transaction is committed, and not at all if it is not.
#[derive(Debug)]
pub struct Outcome<T> {
    pub output: T,
    pub events: Vec<Event>,
}

impl<T> Outcome<T> {
    /// Nobody else hears of it.
    pub fn quiet(output: T) -> Self {
        Self { output, events: Vec::new() }
    }
}

/// An operation that `W` may ask for: a [`Caller`], or [`Nobody`] before a
/// login, or the [`System`] itself.
pub trait Op<W = Caller>: Send + 'static {
    type Output: Send + 'static;

    /// For the log.
    fn name(&self) -> &'static str;

    fn access(&self) -> Access;

    fn class(&self) -> Class {
        match self.access() {
            Access::Read => Class::Unlimited,
            Access::Write => Class::Change,
        }
    }

    /// Decides what the operation shares a transaction and a queue with. It may
    /// depend on the operation's own fields: `Heavy` from 50 people named, say.
    fn cost(&self) -> Cost {
        Cost::Light
    }

    /// Rate tokens of [`class`](Self::class) that one run takes from the caller,
    /// at least 1: the people and rows that the operation names. A charge beyond
    /// the burst of its class is always refused, so keep the largest allowed
    /// operation below it.
    fn charge(&self) -> u32 {
        1
    }

    /// May run more than once before it is committed, so it changes nothing
    /// but the store.
    fn run(&self, who: &W, cx: &mut Cx) -> Result<Outcome<Self::Output>>;

    /// Whether this may be a retry, so that [`earlier`](Self::earlier) is worth
    /// asking: an operation that carries an idempotency key, for example.
    fn replays(&self) -> bool {
        false
    }

    /// The answer of an earlier success, when this is a retry of it. Asked
    /// only when the operation was refused or failed and says that it
    /// [`replays`](Self::replays): a retry is answered before policy and rate
    /// have a say.
    fn earlier(&self, _who: &W, _cx: &mut Cx) -> Result<Option<Self::Output>> {
        Ok(None)
    }
}

/// Who asks before anybody is logged in.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

/// The hub, on its own account.
#[derive(Clone, Copy, Debug)]
pub struct System;

/// Whoever asks: what the door needs to know of them.
pub trait Asker: Copy + Send + 'static {
    /// Whose limits count.
    fn user_id(&self) -> Option<UserId>;
    /// For the log.
    fn describe(&self) -> String;
}

impl Asker for Caller {
    fn user_id(&self) -> Option<UserId> {
        Some(self.user_id)
    }

    fn describe(&self) -> String {
        match self.session_id {
            Some(session_id) => format!("user={} session={session_id}", self.user_id),
            None => format!("user={}", self.user_id),
        }
    }
}

impl Asker for Nobody {
    fn user_id(&self) -> Option<UserId> {
        None
    }

    fn describe(&self) -> String {
        "user=none".into()
    }
}

impl Asker for System {
    fn user_id(&self) -> Option<UserId> {
        None
    }

    fn describe(&self) -> String {
        "user=system".into()
    }
}

/// An operation's answer on its way to a socket: a JSON object.
pub type Reply = String;

/// The reply of an operation that has nothing to say but "done".
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Done {}

/// The reply of an operation about one message.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MessageReply {
    pub message: MessageView,
}

/// One line of the table of frames.
pub struct Entry {
    pub kind: &'static str,
    /// Only its answer is of use, so it must have a `ref`.
    pub needs_ref: bool,
    /// Of its keys.
    pub schema: SchemaOf,
    /// Of what the `ack` has besides.
    pub reply: SchemaOf,
    parse: fn(&str) -> Result<FrameOp>,
}

impl Entry {
    const fn of<O>(kind: &'static str) -> Self
    where
        O: Op + DeserializeOwned + JsonSchema,
        O::Output: Serialize + JsonSchema,
    {
        Self {
            kind,
            needs_ref: false,
            schema: schema_of::<O>,
            reply: schema_of::<O::Output>,
            parse: |text| Ok(FrameOp(Box::new(wire::parse::<O>(text.as_bytes())?))),
        }
    }

    const fn with_ref(self) -> Self {
        Self { needs_ref: true, ..self }
    }

    pub fn parse(&self, text: &str, has_ref: bool) -> Result<FrameOp> {
        if self.needs_ref && !has_ref {
            return Err(Error::Invalid("ref is missing".into()));
        }
        (self.parse)(text)
    }

    pub fn find(kind: &str) -> Option<&'static Entry> {
        FRAMES.iter().find(|entry| entry.kind == kind)
    }
}

/// Any operation of the table, with its answer as JSON.
pub struct FrameOp(Box<dyn ErasedOp>);

trait ErasedOp: Send {
    fn name(&self) -> &'static str;
    fn access(&self) -> Access;
    fn class(&self) -> Class;
    fn cost(&self) -> Cost;
    fn charge(&self) -> u32;
    fn replays(&self) -> bool;
    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Reply>>;
    fn earlier(&self, caller: &Caller, cx: &mut Cx) -> Result<Option<Reply>>;
}

impl<O> ErasedOp for O
where
    O: Op,
    O::Output: Serialize,
{
    fn name(&self) -> &'static str {
        Op::name(self)
    }

    fn access(&self) -> Access {
        Op::access(self)
    }

    fn class(&self) -> Class {
        Op::class(self)
    }

    fn cost(&self) -> Cost {
        Op::cost(self)
    }

    fn charge(&self) -> u32 {
        Op::charge(self)
    }

    fn replays(&self) -> bool {
        Op::replays(self)
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Reply>> {
        let Outcome { output, events } = Op::run(self, caller, cx)?;
        Ok(Outcome { output: wire::json(&output), events })
    }

    fn earlier(&self, caller: &Caller, cx: &mut Cx) -> Result<Option<Reply>> {
        Ok(Op::earlier(self, caller, cx)?.map(|output| wire::json(&output)))
    }
}

impl Op for FrameOp {
    type Output = Reply;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn access(&self) -> Access {
        self.0.access()
    }

    fn class(&self) -> Class {
        self.0.class()
    }

    fn cost(&self) -> Cost {
        self.0.cost()
    }

    fn charge(&self) -> u32 {
        self.0.charge()
    }

    fn replays(&self) -> bool {
        self.0.replays()
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Reply>> {
        self.0.run(caller, cx)
    }

    fn earlier(&self, caller: &Caller, cx: &mut Cx) -> Result<Option<Reply>> {
        self.0.earlier(caller, cx)
    }
}
