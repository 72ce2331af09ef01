//! `search`: messages that have what somebody looks for, newest first.
//!
//! Messages that may be meant are looked through from the newest on: those
//! that are not indexed yet, then what the index proposes. Each is held
//! against the query itself, so the answer is the same whoever proposes.

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
/// Messages that are looked at together.
const CHUNK: usize = 200;
/// And for one answer: then it ends where it is.
const MAX_LOOKED_AT: usize = 5_000;
/// An index has to collect every message with a word that begins so before it
/// can tell the newest, so these are looked at first: what is frequent is among
/// them, and what is not is soon collected.
const NEWEST: usize = 1_000;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Search {
    #[schemars(length(min = 1, max = MAX_CHARS))]
    pub q: String,
    /// Only in this one.
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
    /// Only older messages than this one.
    #[serde(default)]
    pub before: Option<MessageId>,
    #[serde(default)]
    #[schemars(range(min = 1, max = MAX_PAGE))]
    pub limit: Option<i64>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SearchPage {
    /// Newest first.
    pub messages: Vec<Hit>,
    /// To ask on with as `before`; none when there is nothing more.
    pub next: Option<MessageId>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Hit {
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
                conversations::get_with_place(cx.db, me, id)?;
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

/// Why looking came to an end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// There is nothing older.
    Nothing,
    /// More was found than fits.
    Full,
    /// Enough was looked at.
    Spent,
}

/// One's way through the messages, from the newest to the oldest.
struct Reading {
    me: UserId,
    only: Option<ConversationId>,
    query: Query,
    /// Whatever is not older was looked at.
    before: MessageId,
    size: usize,
    /// How many messages may still be looked at.
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

    /// Looks at no more than `most` of the messages that are proposed.
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
        // One more than fits, to know whether there is more.
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
        Ok(SearchPage { messages: messages.map(|(message, snippet)| Hit { message, snippet }).collect(), next })
    }
}
