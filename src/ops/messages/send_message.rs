//! `private_message` and `POST /api/messages`: stores a message and sends it to every participant
//! and to the sender's other devices.

use super::visible::get_visible_message;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId, UserId};
use crate::limits::Class;
use crate::ops::conversations::target::{announce_conversation, check_relation, facts};
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::views;
use crate::schema::one_of;
use crate::store::accounts::users;
use crate::store::messaging::conversations::{self, Advance, Membership};
use crate::store::messaging::messages::{self, Message, NewMessage};
use crate::store::messaging::participants;
use crate::wire::{
    self, ClientMessageId, Content, Effect, Encoded, MessageView, NoTime, NotKept, PrivateMessage, Status, Target,
    TextOnly, UnreadChange,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(from = "SendMessageBody")]
pub struct SendMessage {
    pub recipient_id: Option<UserId>,
    pub conversation_id: Option<ConversationId>,
    pub content: Content,
    pub client_message_id: Option<ClientMessageId>,
    pub reply_to_id: Option<MessageId>,
}

/// The keys that a client may send, and the keys that are refused.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SendMessage", transform = one_of(["recipient_id", "conversation_id"]))]
struct SendMessageBody {
    #[serde(default)]
    recipient_id: Option<UserId>,
    #[serde(default)]
    conversation_id: Option<ConversationId>,
    content: Content,
    /// Idempotency key, valid for good: a retry with the same key returns the first message.
    #[serde(default)]
    client_message_id: Option<ClientMessageId>,
    #[serde(default)]
    reply_to_id: Option<MessageId>,
    #[serde(default, rename = "created_at")]
    _created_at: NoTime,
    #[serde(default, rename = "send_at")]
    _send_at: NoTime,
    #[serde(default, rename = "expires_at")]
    _expires_at: NoTime,
    #[serde(default, rename = "message_type")]
    _message_type: TextOnly,
    #[serde(default, rename = "metadata")]
    _metadata: NotKept,
    #[serde(default, rename = "attachments")]
    _attachments: NotKept,
}

impl From<SendMessageBody> for SendMessage {
    fn from(body: SendMessageBody) -> Self {
        let SendMessageBody { recipient_id, conversation_id, content, client_message_id, reply_to_id, .. } = body;
        Self { recipient_id, conversation_id, content, client_message_id, reply_to_id }
    }
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Sent {
    // Encoded once, for the answer and for the frame.
    pub message: Encoded<MessageView>,
    /// Present and true if an earlier attempt stored the message.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

impl Op for SendMessage {
    type Output = Sent;
    const NAME: &'static str = "send_message";
    const ACCESS: Access = Access::Write;
    const CLASS: Class = Class::Message;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Sent>> {
        let me = caller.user_id;
        let target = self.target()?;
        check_length(&self.content, cx)?;
        let Destination { membership, peer, is_new } = find_destination(me, target, cx)?;
        let id = membership.conversation_id;
        if let Some(answered) = self.reply_to_id {
            check_answered(caller, answered, id, cx)?;
        }
        let mut effects = Vec::new();
        if let (Some(peer), true) = (peer, is_new) {
            effects.push(announce_conversation(id, &pair(me, peer), cx)?);
        }
        if let (Some(peer), false) = (peer, membership.has_written) {
            conversations::set_has_written(cx.db, id, me)?;
            // The recipient may see the sender's presence from the first message on.
            let last_seen_at = users::find_last_seen(cx.db, me)?;
            effects.push(Effect::Presence { viewer: peer, subject: me, is_visible: true, last_seen_at });
        }
        // Locks the conversation: from here on no other node blocks, adds or removes a user. The
        // facts were read before the lock and may be outdated.
        let numbers = conversations::advance(cx.db, id, cx.now)?;
        if let Some(peer) = peer {
            check_again(me, peer, is_new, cx)?;
        }
        let message = Encoded::new(views::message(self.store(me, id, &numbers, cx)?, peer, Status::Sent, None));
        let audience = match peer {
            Some(peer) => pair(me, peer).to_vec(),
            None => participants::list_member_ids(cx.db, id)?,
        };
        if !audience.contains(&me) {
            return Err(Error::NotFound(conversations::NO_SUCH_CONVERSATION));
        }
        let frame = wire::encode(
            "private_message",
            cx.now,
            &PrivateMessage {
                conversation_id: id,
                rev: message.rev,
                sender_id: me,
                recipient_id: peer,
                message: &message,
            },
        );
        let readers = audience.iter().copied().filter(|user_id| *user_id != me).collect();
        effects.push(Effect::Frame { to: audience, frame, ends_typing: Some((id, me)) });
        let change = UnreadChange::Added { platform: numbers.platform };
        effects.push(Effect::Unread { conversation_id: id, users: readers, change });
        Ok(Outcome { output: Sent { message, duplicate: false }, effects })
    }

    fn replays(&self) -> bool {
        self.client_message_id.is_some()
    }

    fn replay(&self, caller: &Caller, cx: &mut Cx) -> Result<Option<Sent>> {
        let Some(key) = &self.client_message_id else { return Ok(None) };
        let me = caller.user_id;
        let Some(row) = messages::find_by_client_id(cx.db, me, key.as_str())? else { return Ok(None) };
        // A user who left the conversation gets no messages of it, not even their own.
        if conversations::find_own_state(cx.db, row.conversation_id, me)?.is_none() {
            return Ok(None);
        }
        let conversation = conversations::get_conversation(cx.db, row.conversation_id)?;
        let same_target = match self.target()? {
            Target::Recipient(recipient) => conversation.peer_of(me) == Some(recipient),
            Target::Conversation(id) => conversation.id == id,
        };
        let same_content = row.deleted_at.is_some() || self.is_content_of(&row, cx)?;
        if !same_target || !same_content || row.reply_to_id != self.reply_to_id {
            return Err(Error::Conflict("client_message_id was used for another message"));
        }
        Ok(Some(Sent { message: Encoded::new(views::current(cx.db, row)?), duplicate: true }))
    }
}

impl SendMessage {
    fn target(&self) -> Result<Target> {
        Target::named(self.recipient_id, self.conversation_id)
    }

    /// Whether the message was sent with this text. Not used for a tombstone: its text is gone, so
    /// any text matches.
    fn is_content_of(&self, row: &Message, cx: &mut Cx) -> Result<bool> {
        Ok(match messages::find_first_hash(cx.db, row.id)? {
            Some(first) => *first == *Sha256::digest(self.content.as_str().as_bytes()),
            None => row.content == self.content.as_str(),
        })
    }

    fn store(&self, me: UserId, conversation_id: ConversationId, numbers: &Advance, cx: &mut Cx) -> Result<Message> {
        let Advance { seq, rev, created_at, .. } = *numbers;
        let new = NewMessage {
            conversation_id,
            seq,
            rev,
            sender_id: me,
            content: self.content.as_str(),
            client_message_id: self.client_message_id.as_ref().map(ClientMessageId::as_str),
            reply_to_id: self.reply_to_id,
            created_at,
        };
        messages::insert_message(cx.db, new)
    }
}

/// The audience of a direct conversation.
fn pair(one: UserId, other: UserId) -> [UserId; 2] {
    [one.min(other), one.max(other)]
}

pub(crate) fn check_length(content: &Content, cx: &Cx) -> Result<()> {
    let max = cx.rules.max_message_chars;
    // The byte length bounds the character count, which saves counting short messages.
    if content.as_str().len() > max && content.as_str().chars().count() > max {
        return Err(Error::TooLarge(format!("content must have at most {max} characters").into()));
    }
    Ok(())
}

/// Checks a reply: the caller must see the answered message, and it must be in this conversation.
/// It may be deleted.
fn check_answered(caller: &Caller, answered: MessageId, id: ConversationId, cx: &mut Cx) -> Result<()> {
    let found = get_visible_message(caller, answered, cx);
    match found {
        Ok(message) if message.conversation_id == id => Ok(()),
        Ok(_) | Err(Error::NotFound(_)) => {
            Err(Error::Invalid("reply_to_id must be a message of the same conversation".into()))
        }
        Err(error) => Err(error),
    }
}

/// The destination of a message.
struct Destination {
    membership: Membership,
    /// The other user of a direct conversation.
    peer: Option<UserId>,
    is_new: bool,
}

/// Finds the destination and checks that the sender may write there. The first message to a user
/// creates the direct conversation.
fn find_destination(me: UserId, target: Target, cx: &mut Cx) -> Result<Destination> {
    let facts = facts(me, target, cx)?;
    if let Some(peer) = facts.peer {
        check_relation(me, peer, &facts.relation, cx)?;
    }
    let (membership, is_new) = match (facts.membership(), facts.peer) {
        (Some(membership), _) => (membership, false),
        (None, Some(peer)) => conversations::insert_direct(cx.db, me, peer, cx.now)?,
        (None, None) => return Err(Error::bug("facts name a conversation or a person")),
    };
    Ok(Destination { membership, peer: facts.peer, is_new })
}

/// Repeats the checks made before the conversation was locked. On a shared database, other nodes
/// may have written since.
fn check_again(me: UserId, peer: UserId, is_new: bool, cx: &mut Cx) -> Result<()> {
    if !cx.db.has_other_writers() {
        return Ok(());
    }
    if is_new {
        conversations::lock_people(cx.db, me, peer)?;
    }
    let facts = facts(me, Target::Recipient(peer), cx)?;
    check_relation(me, peer, &facts.relation, cx)
}
