//! Redeems a ticket and returns its user. A ticket works once.

use super::create_ticket::LIFETIME;
use super::find_caller::{Found, find_by_login, find_by_user};
use crate::error::{Error, Result};
use crate::ids::Timestamp;
use crate::ops::op::{Access, Anonymous, Cx, Op, Outcome};
use crate::store::accounts::logins::Key;
use crate::store::accounts::tickets;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct TakeTicket {
    /// SHA-256 of the ticket.
    pub ticket_hash: [u8; 32],
    /// How long a login may stay unused before it expires.
    pub lifetime: Duration,
}

impl Op<Anonymous> for TakeTicket {
    /// The caller, and when the token that created the ticket expires.
    type Output = (Found, Option<Timestamp>);
    const NAME: &'static str = "take_ticket";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<Self::Output>> {
        let ticket = tickets::take_ticket(cx.db, &self.ticket_hash, cx.now, cx.now.after(LIFETIME).with_skew())?
            .ok_or(Error::Unauthenticated("the ticket is invalid, expired or already used"))?;
        if ticket.token_expires_at.is_some_and(|end| end <= cx.now) {
            return Err(Error::Unauthenticated("token expired"));
        }
        let found = match ticket.login_id {
            Some(login_id) => find_by_login(cx, Key::Id(login_id), self.lifetime).map(|(found, _)| found),
            None => find_by_user(cx, ticket.user_id),
        };
        Ok(Outcome::without_effects((found?, ticket.token_expires_at)))
    }
}
