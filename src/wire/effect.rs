//! Effects: the orders that a committed change or a live signal gives the hub.

use super::Frame;
use crate::ids::{ConversationId, LoginId, SessionId, Timestamp, UserId};

/// The users that receive a frame, on all their sessions; ascending, each once.
pub type Audience = Vec<UserId>;

/// An order to the hub. The hub carries out orders in the order given.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Delivers a frame unchanged. `ends_typing` names the user whose typing the frame ends:
    /// clients clear the mark themselves when they receive it.
    Frame { to: Audience, frame: Frame, ends_typing: Option<(ConversationId, UserId)> },
    /// A user starts, continues or stops typing.
    Typing(TypingEvent),
    /// A user starts, continues or stops viewing a conversation.
    Viewing(ViewingEvent),
    /// This user goes online or offline; the frame says which.
    Status { to: Audience, user_id: UserId, frame: Frame },
    /// Removes all marks of this user in the conversation. The user no longer sees marks of others
    /// there.
    Left { conversation_id: ConversationId, user_id: UserId },
    /// Neither user sees the other type or view any more, in any conversation.
    Blocked(UserId, UserId),
    /// `viewer` may see the presence of `subject` from now on, or no longer.
    Presence { viewer: UserId, subject: UserId, is_visible: bool, last_seen_at: Option<Timestamp> },
    /// The unread counts of these users in this conversation change.
    Unread { conversation_id: ConversationId, users: Audience, change: UnreadChange },
    /// Positions moved in a group and are published later: the hub has nothing to deliver yet.
    ReceiptsPending,
    /// The result of a commit is unknown: every session of this node syncs.
    Resync,
    /// Ends the sessions of this login.
    LoginEnded(LoginId),
    /// Ends all sessions of this user; the logins have ended.
    LoginsEnded(UserId),
    /// Ends all sessions of this user until the account is enabled again.
    AccountDisabled(UserId),
}

/// A change of an unread count.
#[derive(Clone, Debug)]
pub enum UnreadChange {
    /// A new message, which none of these users has read.
    Added { platform: String },
    /// A message was deleted that none of these users had read.
    Removed,
    /// The user has no unread message there.
    Cleared,
    /// The count has to be read from the store.
    Unknown,
}

#[derive(Clone, Debug)]
pub struct TypingEvent {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    /// The other user of a direct conversation.
    pub recipient_id: Option<UserId>,
    pub is_typing: bool,
    /// The other participants who may see the mark.
    pub to: Audience,
    /// The socket that sent the signal; none over REST. The mark ends with the socket.
    pub session: Option<SessionId>,
}

#[derive(Clone, Debug)]
pub struct ViewingEvent {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub is_viewing: bool,
    /// The other participants who may notice. When a user stops viewing, the hub already knows this
    /// audience.
    pub to: Audience,
    /// The socket that views; none over REST. The mark ends with the socket.
    pub session: Option<SessionId>,
}
