//! The handshake of `/ws`: everything that can be refused is refused here,
//! before there is a socket. The Host was checked by the guard.

use super::Net;
use super::audit::Peer;
use super::guard::{check_page, has_bearer};
use super::identity::{client_address, find_caller};
use super::problem::Problem;
use super::session::Session;
use super::transport::{self, Flaw};
use actix_web::{HttpRequest, HttpResponse, web};
use std::sync::Arc;

/// `GET /ws`.
pub async fn upgrade(net: web::Data<Net>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if !has_bearer(request.headers()) {
        check_page(&net, request.headers())?;
    }
    let caller = find_caller(&request).await?;
    let slot = net.slots.take(caller.user_id, client_address(&net, &request))?;
    let peer = Peer::of(&net, &request);
    let net = net.into_inner();
    let transport = Arc::clone(&net.transport);
    transport::accept(&request, transport, slot, move |socket| Session::new(net, caller, peer, socket)).map_err(
        |flaw| match flaw {
            Flaw::Version => Problem::wrong_version(),
            Flaw::Key => Problem::wrong_key(),
        },
    )
}
