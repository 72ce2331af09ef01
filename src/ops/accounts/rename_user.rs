//! Shared by the operations that change a user's name: tells every user who sees the name, in each
//! conversation under its next `rev`.

use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::ops::op::Cx;
use crate::ops::views;
use crate::store::messaging::{conversations, members, participants, positions};
use crate::wire::{self, ConversationUpdate, Effect};

/// Tells the participants of these conversations that `me` has a new name. With `has_left`, a
/// direct conversation tells only the other user.
pub(crate) fn tell_name(me: UserId, ids: &[ConversationId], has_left: bool, cx: &mut Cx) -> Result<Vec<Effect>> {
    let mut effects = Vec::new();
    for ids in ids.chunks(members::CHUNK) {
        positions::set_changed(cx.db, ids, me)?;
        let rows = conversations::list_by_ids(cx.db, ids)?;
        let people = participants::list_participants(cx.db, ids, Some(me))?;
        let mut people = views::by_conversation(people, |row| row.conversation_id);
        for row in rows {
            let to = match row.peer_of(me) {
                Some(peer) if has_left => vec![peer],
                Some(peer) => vec![me, peer],
                None => participants::list_member_ids(cx.db, row.id)?,
            };
            let conversation = views::conversation(&row, people.remove(&row.id).unwrap_or_default());
            let update =
                ConversationUpdate { conversation_id: row.id, rev: row.rev, conversation: Some(&conversation) };
            let frame = wire::encode("conversation_update", cx.now, &update);
            if has_left {
                effects.push(Effect::Left { conversation_id: row.id, user_id: me });
            }
            effects.push(Effect::Frame { to, frame, ends_typing: None });
        }
    }
    Ok(effects)
}
