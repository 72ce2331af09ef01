//! `GET /api/users?q=`: finds people by the beginning of a name.

use super::list_messages::page_size;
use super::{Access, Cx, Op, Outcome, present};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::store::users;
use crate::wire::UserView;
use schemars::JsonSchema;
use serde::Serialize;

const MAX_PAGE: i64 = 100;
const DEFAULT_PAGE: i64 = 20;
/// A display name has at most so many characters; longer finds nothing.
const MAX_QUERY_CHARS: usize = 64;

#[derive(Clone, Debug, JsonSchema)]
pub struct ListUsers {
    /// What a username, or a word of a display name, begins with.
    #[schemars(length(min = 1, max = MAX_QUERY_CHARS))]
    pub q: String,
    #[schemars(range(min = 1, max = MAX_PAGE))]
    pub limit: Option<i64>,
}

/// A list of people.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UserList {
    pub users: Vec<UserView>,
}

impl Op for ListUsers {
    type Output = UserList;

    fn name(&self) -> &'static str {
        "list_users"
    }

    fn access(&self) -> Access {
        Access::Read
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<UserList>> {
        let size = page_size(self.limit, DEFAULT_PAGE, MAX_PAGE)?;
        let prefix = self.q.trim();
        if prefix.is_empty() || prefix.chars().count() > MAX_QUERY_CHARS {
            return Err(Error::Invalid(format!("q must have 1 to {MAX_QUERY_CHARS} characters").into()));
        }
        if prefix.contains('\0') {
            return Err(Error::Invalid("q must not contain U+0000".into()));
        }
        let found = users::list_by_prefix(cx.db, caller.user_id, prefix, size)?;
        Ok(Outcome::quiet(UserList { users: found.into_iter().map(present::user).collect() }))
    }
}
