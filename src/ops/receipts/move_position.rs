//! Shared by the three receipt operations: moving a position and notifying the participants.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Rev, Seq, Timestamp, UserId};
use crate::ops::conversations::target::facts;
use crate::ops::op::Cx;
use crate::ops::views::tell_me;
use crate::store::messaging::conversations::{self, Conversation};
use crate::store::messaging::pending_receipts::{self, PendingReceipt};
use crate::store::messaging::positions::{self, Kind, Positions};
use crate::store::messaging::{messages, participants};
use crate::wire::{self, Effect, MeUpdate, OwnStateView, Receipt, Target, UnreadChange};

/// Positions are shared in conversations of up to this many people. In larger ones each move would
/// notify too many users.
pub(crate) const MAX_SHARED: i64 = 32;

/// A conversation the caller is in.
pub(crate) struct LoadedConversation {
    pub conversation: Conversation,
    is_shared: bool,
    /// Whether moves are published together, a little later: every participant moves after each
    /// message.
    is_gathered: bool,
}

/// Loads a conversation that the caller is in.
///
/// # Errors
/// `NotFound` for a conversation that the caller is not in. `NotFound` for a user without a
/// conversation with the caller.
pub(crate) fn load_conversation(caller: &Caller, target: Target, cx: &mut Cx) -> Result<LoadedConversation> {
    let facts = facts(caller.user_id, target, cx)?;
    let membership = facts.membership().ok_or(Error::NotFound(conversations::NO_SUCH_CONVERSATION))?;
    let id = membership.conversation_id;
    // An empty direct conversation may exist for the other user only.
    let (conversation, _) = conversations::get_with_own_state(cx.db, caller.user_id, id)?;
    let is_shared = match facts.peer {
        Some(_) => !facts.relation.i_block && !facts.relation.blocks_me,
        None => conversation.member_count <= MAX_SHARED,
    };
    Ok(LoadedConversation { conversation, is_shared, is_gathered: is_shared && facts.peer.is_none() })
}

/// Moves the caller's position up to `seq` and returns the effects. Returns no effects when the
/// position is already there.
///
/// # Errors
/// `Invalid` when there is no message with that `seq` yet.
pub(crate) fn move_to(
    caller: &Caller,
    loaded: &LoadedConversation,
    kind: Kind,
    seq: Seq,
    cx: &mut Cx,
) -> Result<Vec<Effect>> {
    let LoadedConversation { conversation, is_shared, is_gathered } = loaded;
    let (id, me) = (conversation.id, caller.user_id);
    if seq > conversation.last_seq {
        return Err(Error::Invalid("seq is beyond the last message".into()));
    }
    let before = positions::get_positions(cx.db, id, me)?;
    if *is_gathered {
        return gather(me, conversation, before, (kind, seq), cx);
    }
    let after = before.moved(kind, seq, *is_shared);
    if after == before {
        return Ok(Vec::new());
    }
    let mut effects = Vec::new();
    if (after.delivered_seq, after.read_seq) == (before.delivered_seq, before.read_seq) {
        effects.push(tell_own(me, id, (before, after), cx)?);
    } else {
        let rev = positions::next_rev(cx.db, id)?;
        positions::set_shared(cx.db, id, me, (before, after), rev, cx.now)?;
        effects.push(tell_move(me, conversation, rev, kind, (before, after), cx.now, cx)?);
    }
    effects.extend(unread_change(me, conversation, (before, after)));
    Ok(effects)
}

/// The change of the caller's unread count, if the own position moved.
fn unread_change(me: UserId, conversation: &Conversation, (before, after): (Positions, Positions)) -> Option<Effect> {
    let change = match after.own_read_seq {
        seq if seq == before.own_read_seq => return None,
        seq if seq >= conversation.last_seq => UnreadChange::Cleared,
        _ => UnreadChange::Unknown,
    };
    Some(Effect::Unread { conversation_id: conversation.id, users: vec![me], change })
}

/// Moves the caller's own position. [`PublishReceipts`](super::publish_receipts::PublishReceipts)
/// notifies the other participants and this user's other devices later.
fn gather(
    me: UserId,
    conversation: &Conversation,
    before: Positions,
    (kind, seq): (Kind, Seq),
    cx: &mut Cx,
) -> Result<Vec<Effect>> {
    let id = conversation.id;
    let pending = pending_receipts::find(cx.db, id, me)?;
    let published = pending.map_or(before, |pending| pending.apply(before));
    let after = published.moved(kind, seq, true);
    if after == published {
        return Ok(Vec::new());
    }
    positions::set_own_ahead(cx.db, id, me, (before, after))?;
    let Positions { delivered_seq, read_seq, .. } = after;
    let pending = PendingReceipt { conversation_id: id, user_id: me, delivered_seq, read_seq, at: cx.now };
    pending_receipts::put(cx.db, &pending)?;
    let mut effects = vec![Effect::ReceiptsPending];
    effects.extend(unread_change(me, conversation, (before, after)));
    Ok(effects)
}

fn tell_own(me: UserId, id: ConversationId, (before, after): (Positions, Positions), cx: &mut Cx) -> Result<Effect> {
    let number = positions::set_own(cx.db, id, me, (before, after))?;
    let own_state = conversations::get_own_state(cx.db, id, me)?;
    let own = OwnStateView {
        id,
        cleared_seq: own_state.cleared_seq,
        visible_from_seq: own_state.visible_from_seq,
        read_seq: after.own_read_seq,
    };
    Ok(tell_me(me, &MeUpdate { me: number, conversations: &[own], ..MeUpdate::default() }, cx))
}

/// Tells all participants that one of them moved.
pub(crate) fn tell_move(
    who: UserId,
    conversation: &Conversation,
    rev: Rev,
    kind: Kind,
    (before, after): (Positions, Positions),
    at: Timestamp,
    cx: &mut Cx,
) -> Result<Effect> {
    let is_read = kind == Kind::Read && after.read_seq > before.read_seq;
    let seq = if is_read { after.read_seq } else { after.delivered_seq };
    let name = match is_read {
        true if seq == conversation.last_seq => "conversation_read",
        true => "message_read",
        false => "message_delivered",
    };
    let message_id = messages::find_id_at(cx.db, conversation.id, seq)?;
    let receipt = Receipt {
        conversation_id: conversation.id,
        rev,
        user_id: who,
        seq,
        message_id,
        delivered_at: (after.delivered_seq > before.delivered_seq).then_some(at),
        read_at: is_read.then_some(at),
    };
    let to = participants::list_member_ids(cx.db, conversation.id)?;
    Ok(Effect::Frame { to, frame: wire::encode(name, cx.now, &receipt), ends_typing: None })
}
