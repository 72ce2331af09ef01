//! The handshake of `/ws`: everything that can be refused is refused here,
//! before there is a socket. The Host was checked before, by `guard`.

use super::Net;
use super::audit::{self, Peer};
use super::guard::{check_page, has_bearer};
use super::identity::{admit, admit_ticket};
use super::input::Query;
use super::problem::Problem;
use super::session::Session;
use super::transport::{self, Flaw};
use crate::error::Error;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use std::rc::Rc;
use std::sync::Arc;

/// `GET /ws`.
pub async fn upgrade(net: web::Data<Net>, request: HttpRequest, query: Query) -> Result<HttpResponse, Problem> {
    if !has_bearer(request.headers()) {
        check_page(&net, request.headers())?;
    }
    let admitted = match (query.text("ticket"), query.text("auth").as_deref()) {
        _ if has_bearer(request.headers()) => Some(admit(&request).await?),
        (Some(ticket), _) => Some(admit_ticket(&net, &ticket).await?),
        (None, Some("message")) => None,
        (None, Some(_)) => return Err(Error::Invalid("auth must be message".into()).into()),
        (None, None) => Some(admit(&request).await?),
    };
    let user_id = admitted.map(|admitted| admitted.caller.user_id);
    if let Some(user_id) = user_id {
        audit::names(&request, user_id);
    }
    if has_body(request.headers()) {
        return Err(Error::Invalid("a handshake has no body".into()).into());
    }
    let peer = Peer::of(&net, &request);
    let slot = net.slots.take(user_id, peer.address)?;
    let net = net.into_inner();
    let transport = Arc::clone(&net.transport);
    let accepted = match user_id {
        Some(_) => {
            transport::accept(&request, transport, slot, move |socket| Session::new(net, admitted, peer, None, socket))
        }
        None => {
            let slot = Rc::new(slot);
            transport::accept(&request, transport, Rc::clone(&slot), move |socket| {
                Session::new(net, None, peer, Some(slot), socket)
            })
        }
    };
    accepted.map_err(|flaw| match flaw {
        Flaw::Version => Problem::wrong_version(),
        Flaw::Key => Problem::wrong_key(),
    })
}

/// What follows the head of a handshake belongs to the socket, and nobody could
/// tell it from a body.
fn has_body(headers: &HeaderMap) -> bool {
    let is_empty = |value: &HeaderValue| value.as_bytes().iter().all(|byte| *byte == b'0');
    headers.contains_key(header::TRANSFER_ENCODING) || !headers.get_all(header::CONTENT_LENGTH).all(is_empty)
}
