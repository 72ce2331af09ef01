//! The state that every request can reach.

use super::answers::Answers;
use super::audit::{Audit, Peer};
use super::client_address::{TrustedProxies, UNKNOWN_ADDRESS, network};
use super::descriptions::Descriptions;
use super::held_refusals::HeldRefusals;
use super::origins::OriginPolicy;
use super::write_check::WriteCheck;
use crate::auth::{BearerTokens, Passwords};
use crate::clock::Clock;
use crate::dispatch::Dispatcher;
use crate::error::{Error, Result};
use crate::hub::Hub;
use crate::ids::UserId;
use crate::jobs::driver::JobStatuses;
use crate::phase::PhaseWatch;
use actix_web::{HttpRequest, web};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The state that every request can reach. Each node has one.
pub struct HttpState {
    pub dispatcher: Dispatcher,
    pub hub: Hub,
    pub jobs: JobStatuses,
    pub phase: PhaseWatch,
    pub passwords: Passwords,
    pub tokens: Arc<BearerTokens>,
    pub origins: OriginPolicy,
    pub trusted_proxies: TrustedProxies,
    pub login_lifetime: Duration,
    /// The size limit of an HTTP body.
    pub max_body_bytes: usize,
    pub answers: Answers,
    pub audit: Audit,
    pub held_refusals: HeldRefusals,
    /// The name of this history.
    pub epoch: String,
    /// The number of this run of the hub.
    pub run: i64,
    /// Checks whether the database accepts writes.
    pub writes: WriteCheck,
    pub clock: Clock,
    pub descriptions: Descriptions,
}

impl HttpState {
    /// Returns the state that the app was built with.
    pub fn of(data: Option<&web::Data<HttpState>>) -> Result<&HttpState> {
        data.map(web::Data::get_ref).ok_or_else(|| Error::bug("the app is built with an HttpState"))
    }

    /// Returns the network of the client's address.
    pub fn client_network(&self, request: &HttpRequest) -> IpAddr {
        self.trusted_proxies.client_address(request).map_or(UNKNOWN_ADDRESS, network)
    }

    /// Returns the source of the request, for the audit log.
    pub fn peer(&self, request: &HttpRequest) -> Peer {
        Peer::new(request, self.trusted_proxies.client_address(request), &self.origins)
    }

    /// Writes the audit line of a login event, or of an administrator's action on an account.
    pub fn audit_event(&self, request: &HttpRequest, what: &str, user_id: UserId) {
        self.peer(request).event(what, user_id);
    }
}
