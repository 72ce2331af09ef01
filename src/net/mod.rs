//! The outside: HTTP and WebSocket, both ways to knock on the door.
//!
//! `guard` holds what is true for every request (Host, Origin, headers), and
//! `unread` what is left of its body; `cors` says who may read answers, and
//! `audit` writes down who was refused;
//! `client_address` knows where a request comes from, also behind proxies, and
//! `identity` finds out who asks, by a token or by one of `cookies`; `accounts`, `devices`, `tokens`, `rest` and
//! `moderation` answer the HTTP calls, which stand in `calls`, and `describe`
//! tells of them;
//! `answers` bounds what waits to be read, of which `large_bodies` is the half over HTTP;
//! `upgrade` checks a handshake and `session` is the actor of a socket, which
//! learns by `authenticate` who is on the other end;
//! `pages` serves the embedded web client. Nothing here decides who may do
//! what, and nothing here sees the database.

mod accounts;
mod answers;
mod audit;
mod audit_budget;
mod authenticate;
mod call;
mod calls;
mod client_address;
mod cookies;
mod cors;
mod describe;
mod devices;
mod guard;
mod health;
mod identity;
mod input;
mod large_bodies;
mod moderation;
mod pages;
mod passing;
mod problem;
mod rest;
mod session;
mod site;
mod slots;
mod tokens;
pub mod transport;
mod unread;
mod upgrade;

pub use answers::{AnswerSettings, Answers};
pub use audit::Audit;
pub use client_address::TrustedProxies;
pub use describe::{Bounds, Descriptions, asyncapi};
pub use guard::HeldRefusals;
pub use health::WriteCheck;
pub use site::Site;
pub use slots::{SlotSettings, Slots};

use crate::auth::{BearerTokens, Passwords};
use crate::clock::Clock;
use crate::door::Door;
use crate::error::{Error, Result};
use crate::hub::Hub;
use crate::limits::Rate;
use actix_web::middleware::from_fn;
use actix_web::web;
use std::sync::Arc;
use std::time::Duration;
use transport::TransportSettings;

/// What every request and session can reach.
pub struct Net {
    pub door: Door,
    pub hub: Hub,
    pub passwords: Passwords,
    pub tokens: Arc<BearerTokens>,
    pub site: Site,
    pub trusted_proxies: TrustedProxies,
    pub login_lifetime: Duration,
    /// Of an HTTP body.
    pub max_body_bytes: usize,
    pub transport: Arc<TransportSettings>,
    /// Frames of any kind, for each socket.
    pub frames: Rate,
    pub slots: Slots,
    pub answers: Answers,
    pub audit: Audit,
    pub held_refusals: HeldRefusals,
    /// For a socket to say by a frame who it is.
    pub auth_timeout: Duration,
    /// Names this history.
    pub epoch: String,
    /// Whether the database takes writes.
    pub writes: WriteCheck,
    pub clock: Clock,
    pub descriptions: Descriptions,
}

impl Net {
    /// The one the app was built with.
    fn of(data: Option<&web::Data<Net>>) -> Result<&Net> {
        data.map(web::Data::get_ref).ok_or_else(|| Error::bug("the app is built with a Net"))
    }
}

/// Every route; wrap it in an `App` whose data holds a [`Net`].
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("")
            .wrap(from_fn(large_bodies::count))
            .wrap(from_fn(guard::check_origin))
            .wrap(from_fn(guard::check_rate))
            .wrap(from_fn(cors::allow))
            .wrap(from_fn(guard::check_host))
            .wrap(from_fn(guard::check_head))
            .wrap(from_fn(audit::record))
            .wrap(from_fn(guard::add_headers))
            .wrap(from_fn(unread::hold))
            .configure(|config| {
                // The socket is described elsewhere.
                call::register(vec![call::get("/ws", upgrade::upgrade, "The socket").without_head()], config);
                call::register(calls::calls(), config);
            })
            .default_service(web::to(pages::page)),
    );
}
