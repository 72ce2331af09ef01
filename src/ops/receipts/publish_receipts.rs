//! Publishes positions that moved in groups since the last pass. All moves of a conversation go
//! together, under one `rev`. Each move was committed and acknowledged before.

use super::move_position::{MAX_SHARED, tell_move};
use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::ops::groups::group::tell_members;
use crate::ops::op::{Access, Cx, Op, Outcome, System};
use crate::store::messaging::pending_receipts::{self, PendingReceipt};
use crate::store::messaging::positions::{self, Kind, Positions};
use crate::store::messaging::{conversations, members};
use crate::wire::Effect;

/// Conversations published at once. Each takes a few dozen statements.
const AT_ONCE: i64 = 8;

/// One step of a pass through the conversations with moves to publish.
#[derive(Clone, Copy, Debug)]
pub struct PublishReceipts {
    /// The last conversation of the previous step.
    pub after: Option<ConversationId>,
}

/// A participant who moved.
struct Move {
    pending: PendingReceipt,
    before: Positions,
    after: Positions,
}

impl Op<System> for PublishReceipts {
    /// The last conversation of this step. None at the end of the pass.
    type Output = Option<ConversationId>;
    const NAME: &'static str = "publish_receipts";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Option<ConversationId>>> {
        let after = self.after.map_or(0, ConversationId::get);
        let ids = pending_receipts::list_conversations(cx.db, after, AT_ONCE)?;
        let mut effects = Vec::new();
        for id in &ids {
            effects.extend(publish(*id, cx)?);
        }
        Ok(Outcome { output: ids.last().copied(), effects })
    }
}

fn publish(id: ConversationId, cx: &mut Cx) -> Result<Vec<Effect>> {
    conversations::lock(cx.db, id)?;
    let conversation = conversations::get_conversation(cx.db, id)?;
    let taken = pending_receipts::take(cx.db, id)?;
    // A group that grew too large in the meantime no longer shares positions.
    if conversation.member_count > MAX_SHARED {
        return Ok(Vec::new());
    }
    let mut moves = Vec::new();
    for pending in taken {
        // A user who left publishes nothing. A user who came back is already further.
        if members::find_role(cx.db, id, pending.user_id)?.is_some() {
            let before = positions::get_positions(cx.db, id, pending.user_id)?;
            let after = pending.apply(before);
            moves.extend((after != before).then_some(Move { pending, before, after }));
        }
    }
    if moves.is_empty() {
        return Ok(Vec::new());
    }
    let rev = positions::next_rev(cx.db, id)?;
    for Move { pending, before, after } in &moves {
        positions::set_shared(cx.db, id, pending.user_id, (*before, *after), rev, pending.at)?;
    }
    match &moves[..] {
        [Move { pending, before, after }] => {
            let kind = if after.read_seq > before.read_seq { Kind::Read } else { Kind::Delivered };
            let moved = (*before, *after);
            Ok(vec![tell_move(pending.user_id, &conversation, rev, kind, moved, pending.at, cx)?])
        }
        many => {
            let who: Vec<UserId> = many.iter().map(|one| one.pending.user_id).collect();
            tell_members(id, rev, &who, None, cx)
        }
    }
}
