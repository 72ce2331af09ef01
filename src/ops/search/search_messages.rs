//! `search`: finds messages that match a query, newest first.
//!
//! Search checks candidate messages from the newest on: first the messages that are not indexed
//! yet, then the candidates from the index. It matches each candidate against the query itself, so
//! the answer does not depend on the source of the candidates.

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{ConversationId, MAX_ID, MessageId, UserId};
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::page::page_size;
use crate::ops::views;
use crate::search::{MAX_CHARS, Query, Snippet, snippet};
use crate::store::connection::time_budget;
use crate::store::messaging::conversations;
use crate::store::messaging::messages::Message;
use crate::store::messaging::search_index::{self, Scope};
use crate::store::{Cost, Db};
use crate::wire::MessageView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DEFAULT_PAGE: i64 = 20;
const MAX_PAGE: i64 = 100;
/// Messages checked together.
const CHUNK: usize = 200;
/// Messages checked for one answer. The answer ends there.
const MAX_LOOKED_AT: usize = 5_000;
/// Newest messages that are checked before the index is searched for a prefix. An index collects
/// every message with such a word before it knows the newest. A frequent prefix is among these
/// messages, and a rare one is collected quickly.
const NEWEST: usize = 1_000;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Search {
    #[schemars(length(min = 1, max = MAX_CHARS))]
    pub q: String,
    /// Search only this conversation.
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
    /// Search only messages older than this one.
    #[serde(default)]
    pub before: Option<MessageId>,
    #[serde(default)]
    #[schemars(range(min = 1, max = MAX_PAGE))]
    pub limit: Option<i64>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SearchPage {
    /// The matches, newest first.
    pub messages: Vec<SearchHit>,
    /// The value of `before` for the next page. None when there are no more.
    pub next: Option<MessageId>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SearchHit {
    #[serde(flatten)]
    pub message: MessageView,
    pub snippet: Snippet,
}

impl Op for Search {
    type Output = SearchPage;
    const NAME: &'static str = "search";
    const ACCESS: Access = Access::Read;
    const COST: Cost = Cost::Heavy;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<SearchPage>> {
        let size = page_size(self.limit, DEFAULT_PAGE, MAX_PAGE)?;
        let query = Query::parse(&self.q)?;
        let me = caller.user_id;
        let scope = match self.conversation_id {
            Some(id) => {
                conversations::get_with_own_state(cx.db, me, id)?;
                Scope::one(id)
            }
            None => Scope::all_of(cx.db, me)?,
        };
        let before = self.before.unwrap_or(MessageId::new(MAX_ID));
        let only = self.conversation_id;
        let mut reading =
            Reading { me, only, query, before, size: size as usize, left: MAX_LOOKED_AT, hits: Vec::new() };
        let end = reading.look(cx.db, &scope)?;
        Ok(Outcome::without_effects(reading.page(cx.db, end)?))
    }
}

/// The reason why a search ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// There are no older messages.
    Nothing,
    /// There are more matches than fit.
    Full,
    /// The search checked enough messages.
    Spent,
}

/// A search in progress, from the newest message to the oldest.
struct Reading {
    me: UserId,
    only: Option<ConversationId>,
    query: Query,
    /// Every message with this id or a newer one is already checked.
    before: MessageId,
    size: usize,
    /// How many more messages the search may check.
    left: usize,
    hits: Vec<(Message, Snippet)>,
}

impl Reading {
    fn look(&mut self, db: &mut Db, scope: &Scope) -> Result<End> {
        let upto = search_index::indexed_upto(db)?;
        let unindexed = |db: &mut Db, before, limit| search_index::list_unindexed(db, upto, before, limit);
        match self.go(db, MAX_LOOKED_AT, unindexed)? {
            End::Nothing => self.before = self.before.min(MessageId::new(upto.get() + 1)),
            end => return Ok(end),
        }
        let terms = self.query.terms();
        if terms.iter().any(|term| term.is_prefix) {
            let newest = |db: &mut Db, before, limit| search_index::list_indexed(db, scope, &[], before, limit);
            match self.go(db, NEWEST, newest)? {
                End::Spent => {}
                end => return Ok(end),
            }
        }
        self.go(db, MAX_LOOKED_AT, |db, before, limit| search_index::list_indexed(db, scope, &terms, before, limit))
    }

    /// Checks at most `most` of the proposed messages.
    fn go(
        &mut self,
        db: &mut Db,
        most: usize,
        propose: impl Fn(&mut Db, MessageId, i64) -> Result<Vec<MessageId>>,
    ) -> Result<End> {
        let until = self.left.saturating_sub(most);
        while self.left > until {
            time_budget::check()?;
            let limit = CHUNK.min(self.left - until);
            let proposed = propose(db, self.before, limit as i64)?;
            self.left -= proposed.len();
            for message in search_index::list_readable(db, self.me, &proposed)? {
                self.consider(message);
            }
            if self.hits.len() > self.size {
                return Ok(End::Full);
            }
            match proposed.last() {
                Some(last) if proposed.len() == limit => self.before = *last,
                _ => return Ok(End::Nothing),
            }
        }
        Ok(End::Spent)
    }

    fn consider(&mut self, message: Message) {
        let is_asked_for = self.only.is_none_or(|id| id == message.conversation_id);
        // One match more than fits shows whether there are more.
        if is_asked_for
            && self.hits.len() <= self.size
            && let Some(found) = self.query.find(&message.content)
        {
            let snippet = snippet(&message.content, &found);
            self.hits.push((message, snippet));
        }
    }

    fn page(mut self, db: &mut Db, end: End) -> Result<SearchPage> {
        self.hits.truncate(self.size);
        let next = match end {
            End::Nothing => None,
            End::Full => self.hits.last().map(|(message, _)| message.id),
            End::Spent => Some(self.before),
        };
        let (rows, snippets): (Vec<_>, Vec<_>) = self.hits.into_iter().unzip();
        let messages = views::history(db, rows)?.into_iter().zip(snippets);
        Ok(SearchPage { messages: messages.map(|(message, snippet)| SearchHit { message, snippet }).collect(), next })
    }
}
