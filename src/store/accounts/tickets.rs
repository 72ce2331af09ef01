//! Tickets: each opens one socket, once. The ticket itself is never stored.

use crate::error::Result;
use crate::ids::{LoginId, Timestamp, UserId};
use crate::store::schema::tickets;
use crate::store::{Db, on};
use diesel::prelude::*;

/// The user whom a ticket admits.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Ticket {
    pub user_id: UserId,
    /// `None` for a user of another system.
    pub login_id: Option<LoginId>,
    /// The time when the token that made the ticket expires.
    pub token_expires_at: Option<Timestamp>,
}

/// Stores a ticket. `hash` is the ticket's SHA-256.
pub fn insert_ticket(db: &mut Db, hash: &[u8], ticket: &Ticket, expires_at: Timestamp) -> Result<()> {
    let row = (
        tickets::ticket_hash.eq(hash),
        tickets::user_id.eq(ticket.user_id),
        tickets::login_id.eq(ticket.login_id),
        tickets::token_expires_at.eq(ticket.token_expires_at),
        tickets::expires_at.eq(expires_at),
    );
    on!(db, conn => diesel::insert_into(tickets::table).values(row).execute(conn))?;
    Ok(())
}

/// Takes the ticket and deletes it. If several callers try at once, also on several nodes, only one
/// gets it: the others find the row gone. A ticket that expires after `latest` is invalid: it was
/// made by a wrong clock.
pub fn take_ticket(db: &mut Db, hash: &[u8], now: Timestamp, latest: Timestamp) -> Result<Option<Ticket>> {
    Ok(on!(db, conn => diesel::delete(tickets::table
            .filter(tickets::ticket_hash.eq(hash))
            .filter(tickets::expires_at.gt(now).and(tickets::expires_at.le(latest))))
        .returning((tickets::user_id, tickets::login_id, tickets::token_expires_at))
        .get_result(conn).optional())?)
}

/// Deletes the expired tickets, and those that expire after `latest`.
pub fn delete_expired(db: &mut Db, now: Timestamp, latest: Timestamp) -> Result<()> {
    on!(db, conn => diesel::delete(tickets::table
        .filter(tickets::expires_at.le(now).or(tickets::expires_at.gt(latest)))).execute(conn))?;
    Ok(())
}
