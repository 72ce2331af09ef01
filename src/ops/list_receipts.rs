//! `GET /api/messages/{id}/receipts`: who got and who read a message, and when.

use super::{Access, Cx, Op, Outcome, move_position};
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{MessageId, Timestamp, UserId};
use crate::store::participants;
use crate::store::positions::{self, Kind};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Clone, Copy, Debug)]
pub struct ListReceipts {
    pub message_id: MessageId,
}

/// Everybody in the conversation to whom the message came, but the sender, by
/// id.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Receipts {
    pub receipts: Vec<ReceiptView>,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct ReceiptView {
    pub user_id: UserId,
    pub delivered_at: Option<Timestamp>,
    pub read_at: Option<Timestamp>,
}

impl Op for ListReceipts {
    type Output = Receipts;

    fn name(&self) -> &'static str {
        "list_receipts"
    }

    fn access(&self) -> Access {
        Access::Read
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Receipts>> {
        let message = move_position::get_visible_message(caller, self.message_id, cx)?;
        let id = message.conversation_id;
        let members = participants::list_members_since(cx.db, id, message.seq)?;
        let others = members.into_iter().filter(|member| *member != message.sender_id);
        let receipts = others
            .map(|user_id| {
                let mut at = |kind| positions::find_mark(cx.db, id, user_id, kind, message.seq);
                Ok(ReceiptView { user_id, delivered_at: at(Kind::Delivered)?, read_at: at(Kind::Read)? })
            })
            .collect::<Result<_>>()?;
        Ok(Outcome::quiet(Receipts { receipts }))
    }
}
