//! `PATCH /api/users/me`: changes the display name or the e-mail address.

use super::register::check_display_name;
use super::rename_user::tell_name;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ops::logins::attempts::count_rename;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::people::get_user::UserReply;
use crate::ops::views;
use crate::store::Cost;
use crate::store::accounts::users;
use crate::store::messaging::members;
use crate::wire::{DisplayName, Email};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct UpdateProfile {
    #[serde(default)]
    pub display_name: Option<DisplayName>,
    /// Null removes the address.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Email>")]
    pub email: Option<Option<Email>>,
}

/// Distinguishes null from a missing key.
fn given<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Option<Email>>, D::Error> {
    Option::<Email>::deserialize(input).map(Some)
}

impl Op for UpdateProfile {
    type Output = UserReply;
    const NAME: &'static str = "update_profile";
    const ACCESS: Access = Access::Write;

    /// A new display name is heavy: it notifies every participant of every conversation of the
    /// caller.
    fn cost(&self) -> Cost {
        if self.display_name.is_some() { Cost::Heavy } else { Cost::Light }
    }

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<UserReply>> {
        let me = caller.user_id;
        let mut user = users::find_user(cx.db, me)?.ok_or(Error::NotFound("no such user"))?;
        if let Some(email) = &self.email {
            user.email = email.as_ref().map(|email| email.as_str().to_owned());
            users::set_email(cx.db, me, user.email.as_deref())?;
        }
        let mut effects = Vec::new();
        if let Some(name) = self.display_name.as_ref().filter(|name| name.as_str() != user.display_name) {
            check_display_name(name.as_str(), &user.username, cx)?;
            count_rename(me, cx)?;
            user.display_name = name.as_str().to_owned();
            users::set_display_name(cx.db, me, name.as_str())?;
            let mut conversations = members::list_direct(cx.db, me)?;
            conversations.extend(members::list_groups(cx.db, me, i64::MAX)?);
            // Every operation locks conversations in this order.
            conversations.sort_unstable();
            effects = tell_name(me, &conversations, false, cx)?;
        }
        Ok(Outcome { output: UserReply { user: views::own_user(user) }, effects })
    }
}
