//! `POST /api/auth/ticket`: what opens one socket in the caller's name, where
//! no header can be set.

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::Timestamp;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::store::accounts::tickets::{self, Ticket};
use std::time::Duration;

/// Time to open the socket with it.
pub(crate) const LIFETIME: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub struct CreateTicket {
    /// SHA-256 of the ticket.
    pub ticket_hash: [u8; 32],
    /// When the token that the caller showed ends: the socket ends with it.
    pub token_expires_at: Option<Timestamp>,
}

impl Op for CreateTicket {
    /// Until when it is good.
    type Output = Timestamp;
    const NAME: &'static str = "create_ticket";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Timestamp>> {
        // Those that nobody used; here, because here is where they become more.
        let expires_at = cx.now.after(LIFETIME);
        tickets::delete_expired(cx.db, cx.now, expires_at.with_skew())?;
        let ticket =
            Ticket { user_id: caller.user_id, login_id: caller.login_id, token_expires_at: self.token_expires_at };
        tickets::insert_ticket(cx.db, &self.ticket_hash, &ticket, expires_at)?;
        Ok(Outcome::without_effects(expires_at))
    }
}
