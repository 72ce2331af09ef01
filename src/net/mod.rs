//! The outside: HTTP and WebSocket, both ways to knock on the door.
//!
//! `guard` holds what is true for every request (Host, Origin, headers), and
//! `unread` what is left of its body;
//! `identity` finds out who asks; `accounts`, `devices`, `rest` and `moderation`
//! are the HTTP calls;
//! `upgrade` checks a handshake and `session` is the actor of a socket;
//! `pages` serves the embedded web client. Nothing here decides who may do
//! what, and nothing here sees the database.

mod accounts;
mod devices;
mod guard;
mod health;
mod identity;
mod input;
mod moderation;
mod pages;
mod passing;
mod problem;
mod rest;
mod session;
mod site;
mod slots;
pub mod transport;
mod unread;
mod upgrade;

pub use site::Site;
pub use slots::{SlotSettings, Slots};

use crate::auth::{AccessTokens, Passwords};
use crate::clock::Clock;
use crate::door::Door;
use crate::error::{Error, Result};
use crate::hub::Hub;
use crate::limits::Rate;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, Resource, web};
use ipnet::IpNet;
use std::sync::Arc;
use std::time::Duration;
use transport::TransportSettings;

/// What every request and session can reach.
pub struct Net {
    pub door: Door,
    pub hub: Hub,
    pub passwords: Passwords,
    pub tokens: AccessTokens,
    pub site: Site,
    pub trusted_proxies: Vec<IpNet>,
    pub login_lifetime: Duration,
    /// Of an HTTP body.
    pub max_body_bytes: usize,
    pub transport: Arc<TransportSettings>,
    /// Frames of any kind, for each socket.
    pub frames: Rate,
    pub slots: Slots,
    /// Names this history.
    pub epoch: String,
    pub clock: Clock,
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
            .wrap(from_fn(guard::check_origin))
            .wrap(from_fn(guard::check_host))
            .wrap(from_fn(guard::check_head))
            .wrap(from_fn(guard::add_headers))
            .wrap(from_fn(unread::hold))
            .service(at("/ws").get(upgrade::upgrade))
            .service(at("/health").get(health::health))
            .service(at("/ready").get(health::ready))
            .configure(accounts::routes)
            .configure(devices::routes)
            .configure(rest::routes)
            .configure(moderation::routes)
            .default_service(web::to(pages::page)),
    );
}

/// A resource that refuses other methods in our words.
fn at(path: &str) -> Resource {
    web::resource(path.to_owned()).default_service(web::to(wrong_method))
}

async fn wrong_method() -> HttpResponse {
    problem::Problem::wrong_method().response()
}
