//! `POST /api/auth/ticket`: creates a ticket. It opens one socket for the caller where the client
//! cannot set a header.

use crate::auth::Caller;
use crate::error::Result;
use crate::ids::Timestamp;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::store::accounts::tickets::{self, Ticket};
use std::time::Duration;

/// How long a ticket is valid.
pub(crate) const LIFETIME: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub struct CreateTicket {
    /// SHA-256 of the ticket.
    pub ticket_hash: [u8; 32],
    /// When the caller's token expires. The socket is closed then.
    pub token_expires_at: Option<Timestamp>,
}

impl Op for CreateTicket {
    /// When the ticket expires.
    type Output = Timestamp;
    const NAME: &'static str = "create_ticket";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Timestamp>> {
        // Deletes unused expired tickets. This runs here because only this operation adds tickets.
        let expires_at = cx.now.after(LIFETIME);
        tickets::delete_expired(cx.db, cx.now, expires_at.with_skew())?;
        let ticket =
            Ticket { user_id: caller.user_id, login_id: caller.login_id, token_expires_at: self.token_expires_at };
        tickets::insert_ticket(cx.db, &self.ticket_hash, &ticket, expires_at)?;
        Ok(Outcome::without_effects(expires_at))
    }
}
