//! `GET /api/users?q=`: finds users by the beginnings of their names. Users with whom the caller
//! has a direct conversation come first.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::page::page_size;
use crate::ops::views;
use crate::search::NameQuery;
use crate::store::accounts::{name_search, people};
use crate::wire::UserView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MAX_PAGE: i64 = 100;
const DEFAULT_PAGE: i64 = 20;
/// Most conversation partners that are listed first. Above it, only the latest ones are.
const MAX_PARTNERS: i64 = 1_000;
/// The longest query. A display name has at most this many characters, so a longer query finds
/// nothing.
const MAX_QUERY_CHARS: usize = 64;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ListUsers {
    /// Words in any order, each of them the beginning of a word of the display name or of the
    /// username. After `@`, the beginning of the username.
    #[schemars(length(min = 1, max = MAX_QUERY_CHARS))]
    pub q: String,
    #[schemars(range(min = 1, max = MAX_PAGE))]
    pub limit: Option<i64>,
}

/// A list of users.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UserList {
    pub users: Vec<UserView>,
}

impl Op for ListUsers {
    type Output = UserList;
    const NAME: &'static str = "list_users";
    const ACCESS: Access = Access::Read;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<UserList>> {
        let size = page_size(self.limit, DEFAULT_PAGE, MAX_PAGE)?;
        let q = self.q.trim();
        if q.is_empty() || q.chars().count() > MAX_QUERY_CHARS {
            return Err(Error::Invalid(format!("q must have 1 to {MAX_QUERY_CHARS} characters").into()));
        }
        if q.contains('\0') {
            return Err(Error::Invalid("q must not contain U+0000".into()));
        }
        let Some(query) = NameQuery::parse(q) else {
            return Ok(Outcome::without_effects(UserList { users: Vec::new() }));
        };
        let me = caller.user_id;
        let partners = people::list_partners(cx.db, me, MAX_PARTNERS)?;
        let found = name_search::find_people(cx.db, me, &query, &partners, size as usize)?;
        Ok(Outcome::without_effects(UserList { users: found.into_iter().map(views::user).collect() }))
    }
}
