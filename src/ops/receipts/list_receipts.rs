//! `GET /api/messages/{message_id}/receipts`: lists who received and who read a message, and when.

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{MessageId, Timestamp, UserId};
use crate::ops::messages::visible::get_visible_message;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::store::messaging::positions::{self, Receipt};
use crate::store::messaging::receipt_marks;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct ListReceipts {
    pub message_id: MessageId,
}

/// The participants to whom the message was sent, sorted by id.
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
    const NAME: &'static str = "list_receipts";
    const ACCESS: Access = Access::Read;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Receipts>> {
        let message = get_visible_message(caller, self.message_id, cx)?;
        let id = message.conversation_id;
        let others = positions::list_receipts(cx.db, id, message.seq, message.sender_id)?;
        let has_times = message.created_at >= receipt_marks::kept_from(cx.db)?;
        let view = |Receipt { user_id, delivered_at, read_at }| ReceiptView {
            user_id,
            delivered_at: delivered_at.filter(|_| has_times),
            read_at: read_at.filter(|_| has_times),
        };
        Ok(Outcome::without_effects(Receipts { receipts: others.into_iter().map(view).collect() }))
    }
}
