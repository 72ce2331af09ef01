//! Creates the account of a user of an external identity provider at their first request.
//! Concurrent requests create the account once.

use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::ops::op::{Access, Anonymous, Cx, Op, Outcome};
use crate::store::accounts::users::{self, NewUser};

#[derive(Clone, Debug)]
pub struct ProvisionExternalUser {
    pub issuer: String,
    pub subject: String,
    /// Username candidates, best first. The account takes the first free one.
    pub usernames: Vec<String>,
    /// The display name. None: the account uses the username.
    pub display_name: Option<String>,
}

impl Op<Anonymous> for ProvisionExternalUser {
    type Output = UserId;
    const NAME: &'static str = "provision_external_user";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<UserId>> {
        let external = (self.issuer.as_str(), self.subject.as_str());
        for username in &self.usernames {
            let new = NewUser {
                username,
                display_name: self.display_name.as_deref().unwrap_or(username),
                email: None,
                password_hash: None,
                external: Some(external),
                created_at: cx.now,
            };
            match users::insert_user(cx.db, &new) {
                Ok(user) => return Ok(Outcome::without_effects(user.id)),
                // Another request took the name, or created this user, in the meantime.
                Err(Error::UsernameTaken) => {}
                Err(error) => return Err(error),
            }
            if let Some(user_id) = users::find_external(cx.db, external.0, external.1)? {
                return Ok(Outcome::without_effects(user_id));
            }
        }
        Err(Error::Unavailable("found no free username for this user: try again"))
    }
}
