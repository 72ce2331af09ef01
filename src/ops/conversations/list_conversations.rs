//! `GET /api/conversations`: lists the caller's conversations, latest activity first.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, Timestamp, UserId};
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::page::page_size;
use crate::ops::views;
use crate::store::Cost;
use crate::store::messaging::conversations::{self, Cursor};
use crate::wire::OwnConversationView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MAX_PAGE: i64 = 200;
const DEFAULT_PAGE: i64 = 50;

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct ListConversations {
    /// `next` of the previous page.
    #[schemars(regex(pattern = r"^[0-9]{1,15}-[1-9][0-9]{0,14}$"))]
    pub before: Option<String>,
    #[schemars(range(min = 1, max = MAX_PAGE))]
    pub limit: Option<i64>,
    /// Only the direct conversation with this user. Does not create one.
    pub with: Option<UserId>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ConversationPage {
    pub conversations: Vec<OwnConversationView>,
    /// The value of `before` for the next page, null on the last page. Clients send it back
    /// unchanged.
    pub next: Option<String>,
}

fn parse_cursor(text: &str) -> Result<Cursor> {
    text.split_once('-')
        .and_then(|(active_at, id)| {
            let active_at = active_at.bytes().all(|byte| byte.is_ascii_digit()).then(|| active_at.parse().ok())??;
            Some(Cursor { active_at: Timestamp::from_millis(active_at), id: id.parse::<ConversationId>().ok()? })
        })
        .ok_or_else(|| Error::Invalid("before must be the `next` value of an earlier page".into()))
}

fn write_cursor(cursor: &Cursor) -> String {
    format!("{}-{}", cursor.active_at.as_millis(), cursor.id)
}

impl Op for ListConversations {
    type Output = ConversationPage;
    const NAME: &'static str = "list_conversations";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Heavy;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<ConversationPage>> {
        let me = caller.user_id;
        let size = page_size(self.limit, DEFAULT_PAGE, MAX_PAGE)?;
        let before = self.before.as_deref().map(parse_cursor).transpose()?;
        let mut rows = match self.with {
            Some(other) => conversations::find_visible_direct(cx.db, me, other)?.into_iter().collect(),
            None => conversations::list_conversations(cx.db, me, before, size + 1)?,
        };
        let has_more = rows.len() as i64 > size;
        rows.truncate(size as usize);
        let next = rows
            .last()
            .filter(|_| has_more)
            .map(|(row, _)| write_cursor(&Cursor { active_at: row.active_at, id: row.id }));
        let conversations = views::own_conversations(cx.db, me, rows)?;
        Ok(Outcome::without_effects(ConversationPage { conversations, next }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unchanged_cursor_is_accepted() {
        let given =
            write_cursor(&Cursor { active_at: Timestamp::from_millis(1_769_860_800_000), id: ConversationId::new(12) });
        let taken = parse_cursor(&given).unwrap();
        assert_eq!((taken.active_at.as_millis(), taken.id.get()), (1_769_860_800_000, 12));
        for bad in ["", "12", "-", "a-1", "1-a", "1-0", "-1-1", "1--1", "99999999999999999999-1"] {
            assert!(parse_cursor(bad).is_err(), "{bad}");
        }
    }
}
