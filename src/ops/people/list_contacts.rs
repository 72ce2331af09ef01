//! `GET /api/contacts`: lists the caller's contacts.

use super::list_users::UserList;
use crate::auth::Caller;
use crate::error::Result;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::views;
use crate::store::accounts::{people, users};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct ListContacts {}

impl Op for ListContacts {
    type Output = UserList;
    const NAME: &'static str = "list_contacts";
    const ACCESS: Access = Access::Read;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<UserList>> {
        let ids = people::list_contacts(cx.db, caller.user_id)?;
        let found = users::list_by_ids(cx.db, &ids)?;
        Ok(Outcome::without_effects(UserList { users: found.into_iter().map(views::user).collect() }))
    }
}
