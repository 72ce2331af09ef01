//! What a committed change, or a live signal, leads to: the hub's orders.

use super::Frame;
use crate::ids::{ConversationId, LoginId, SessionId, Timestamp, UserId};

/// The users whose every session gets a frame; ascending, each once.
pub type Audience = Vec<UserId>;

/// Something for the hub to deliver, in the order it is given.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A frame as it is. `ends_typing` names whoever stopped typing by it:
    /// clients clear the mark themselves when they get this frame.
    Frame { to: Audience, frame: Frame, ends_typing: Option<(ConversationId, UserId)> },
    /// Someone began, goes on or stopped typing.
    Typing(TypingEvent),
    /// Someone began, goes on or stopped looking at a conversation.
    Viewing(ViewingEvent),
    /// This user came online or went; the frame says which.
    Status { to: Audience, user_id: UserId, frame: Frame },
    /// No mark of this user stands in the conversation any more, and they see
    /// none of others there.
    Left { conversation_id: ConversationId, user_id: UserId },
    /// Neither sees the other type or look any more, wherever it is.
    Parted(UserId, UserId),
    /// `viewer` may see the presence of `subject` from now on, or no longer.
    Presence { viewer: UserId, subject: UserId, is_visible: bool, last_seen_at: Option<Timestamp> },
    /// What these users have not read in this conversation may be another
    /// number now.
    Unread { conversation_id: ConversationId, users: Audience },
    /// Positions moved in a group, and nobody was told yet: the hub has nothing to deliver.
    ReceiptsPending,
    /// Nobody knows what was committed: every session of this node asks.
    Resync,
    /// The sessions of this login end.
    LoginEnded(LoginId),
    /// All sessions of this user end, with their logins.
    LoginsEnded(UserId),
    /// All sessions of this user end, until the account is enabled.
    AccountDisabled(UserId),
}

#[derive(Clone, Debug)]
pub struct TypingEvent {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    /// The other person of a direct conversation.
    pub recipient_id: Option<UserId>,
    pub is_typing: bool,
    /// Everybody but the typist.
    pub to: Audience,
    /// The socket it came by; none over REST. When it goes, so does the mark.
    pub session: Option<SessionId>,
}

#[derive(Clone, Debug)]
pub struct ViewingEvent {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub is_viewing: bool,
    /// Everybody else who may notice; of who stops, the hub knows it.
    pub to: Audience,
    /// The socket that looks; none over REST. When it goes, so does the mark.
    pub session: Option<SessionId>,
}
