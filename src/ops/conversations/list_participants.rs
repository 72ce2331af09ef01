//! `GET /api/conversations/{conversation_id}/participants`: lists the participants of a conversation by id.

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{ConversationId, UserId};
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::page::page_size;
use crate::ops::views;
use crate::store::messaging::{conversations, participants};
use crate::wire::ParticipantView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Participants on a page, unless the request asks for fewer.
const MAX_PAGE: i64 = 200;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct ListParticipants {
    pub conversation_id: ConversationId,
    /// `next` of the previous page.
    pub after: Option<UserId>,
    #[schemars(range(min = 1, max = MAX_PAGE))]
    pub limit: Option<i64>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ParticipantPage {
    pub participants: Vec<ParticipantView>,
    /// The value of `after` for the next page, null on the last page.
    pub next: Option<UserId>,
}

impl Op for ListParticipants {
    type Output = ParticipantPage;
    const NAME: &'static str = "list_participants";
    const ACCESS: Access = Access::Read;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<ParticipantPage>> {
        let size = page_size(self.limit, MAX_PAGE, MAX_PAGE)?;
        conversations::get_with_own_state(cx.db, caller.user_id, self.conversation_id)?;
        let after = self.after.map_or(0, UserId::get);
        let mut rows = participants::list_page(cx.db, self.conversation_id, after, size + 1)?;
        let has_more = rows.len() as i64 > size;
        rows.truncate(size as usize);
        let next = rows.last().filter(|_| has_more).map(|row| row.user_id);
        let participants = rows.into_iter().map(views::participant).collect();
        Ok(Outcome::without_effects(ParticipantPage { participants, next }))
    }
}
