//! The table of operations that a client may request with a frame.

use super::messages::delete_message::DeleteMessage;
use super::messages::edit_message::EditMessage;
use super::messages::load_history::LoadHistory;
use super::messages::react::React;
use super::messages::send_message::SendMessage;
use super::op::{AnyOp, Cx, Op, OpTerms, Outcome};
use super::presence::join_conversation::JoinConversation;
use super::presence::leave_conversation::LeaveConversation;
use super::presence::set_typing::SetTyping;
use super::receipts::mark_delivered::MarkDelivered;
use super::receipts::mark_read::MarkRead;
use super::receipts::read_conversation::ReadConversation;
use super::search::search_messages::Search;
use super::sync::Sync;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::schema::{SchemaOf, schema_of};
use crate::store::Locks;
use crate::wire::{self, Head};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The operations that a socket may request: the frame's `type` and its operation.
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

/// An operation's answer for a socket: a JSON object.
pub type Reply = String;

/// One entry of the frame table.
pub struct Entry {
    pub kind: &'static str,
    /// Whether the frame must have a `ref`, because only its answer is of use.
    pub needs_ref: bool,
    /// The schema of the frame's keys.
    pub schema: SchemaOf,
    /// The schema of the keys that the operation adds to the `ack`.
    pub reply: SchemaOf,
    parse: fn(&Head) -> Result<FrameOp>,
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
            parse: |frame| Ok(FrameOp(Box::new(JsonOp(frame.keys::<O>()?)))),
        }
    }

    const fn with_ref(self) -> Self {
        Self { needs_ref: true, ..self }
    }

    pub fn parse(&self, frame: &Head) -> Result<FrameOp> {
        if self.needs_ref && frame.r#ref.is_none() {
            return Err(Error::Invalid("ref is missing".into()));
        }
        (self.parse)(frame)
    }

    pub fn find(kind: &str) -> Option<&'static Entry> {
        FRAMES.iter().find(|entry| entry.kind == kind)
    }
}

/// Any operation of the table. Its answer is JSON.
pub struct FrameOp(Box<dyn AnyOp<Output = Reply>>);

impl AnyOp for FrameOp {
    type Output = Reply;

    fn terms(&self) -> OpTerms {
        self.0.terms()
    }

    fn locks(&self, caller: &Caller) -> Locks {
        self.0.locks(caller)
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Reply>> {
        self.0.run(caller, cx)
    }

    fn replay(&self, caller: &Caller, cx: &mut Cx) -> Result<Option<Reply>> {
        self.0.replay(caller, cx)
    }
}

/// An operation whose answer is encoded.
struct JsonOp<O>(O);

impl<O> AnyOp for JsonOp<O>
where
    O: Op,
    O::Output: Serialize,
{
    type Output = Reply;

    fn terms(&self) -> OpTerms {
        self.0.terms()
    }

    fn locks(&self, caller: &Caller) -> Locks {
        Op::locks(&self.0, caller)
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Reply>> {
        let Outcome { output, effects } = Op::run(&self.0, caller, cx)?;
        Ok(Outcome { output: wire::json(&output), effects })
    }

    fn replay(&self, caller: &Caller, cx: &mut Cx) -> Result<Option<Reply>> {
        Ok(Op::replay(&self.0, caller, cx)?.map(|output| wire::json(&output)))
    }
}
