//! The handshake of `/ws`. All refusals happen here, before there is a socket. The Host was already
//! checked.

use super::session::Session;
use super::state::Sockets;
use super::transport::{self, Flaw};
use crate::error::Error;
use crate::http::audit;
use crate::http::credential::Presented;
use crate::http::extract::identity::{admit, admit_socket, admit_ticket};
use crate::http::extract::input::query_pairs;
use crate::http::problem::Problem;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use std::rc::Rc;
use std::sync::Arc;

/// Handles `GET /ws`.
pub async fn upgrade(sockets: web::Data<Sockets>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = query_pairs(&request)?;
    let value = |key: &str| query.get(key).map(String::as_str);
    let state = &sockets.http;
    let is_bearer = Presented::of(&request).is_bearer();
    if !is_bearer {
        state.origins.check_page(request.headers())?;
    }
    let (credential, opening) = match (value("ticket"), value("auth")) {
        _ if is_bearer => (Some(admit(&request).await?), None),
        (Some(ticket), _) => (Some(admit_ticket(state, ticket).await?), None),
        (None, Some("message")) => (None, None),
        (None, Some(_)) => return Err(Error::Invalid("auth must be message".into()).into()),
        (None, None) => {
            let (credential, opening) = admit_socket(&request).await?;
            (Some(credential), opening)
        }
    };
    let user_id = credential.map(|credential| credential.caller.user_id);
    if let Some(user_id) = user_id {
        audit::names(&request, user_id);
    }
    if has_body(request.headers()) {
        return Err(Error::Invalid("a handshake must not have a body".into()).into());
    }
    let peer = state.peer(&request);
    let permit = sockets.connections.acquire(user_id, peer.address)?;
    let sockets = sockets.into_inner();
    let transport = Arc::clone(&sockets.transport);
    let accepted = match user_id {
        Some(_) => transport::accept(&request, transport, permit, move |socket| {
            Session::new(sockets, credential.map(|credential| (credential, opening)), peer, None, socket)
        }),
        None => {
            let permit = Rc::new(permit);
            transport::accept(&request, transport, Rc::clone(&permit), move |socket| {
                Session::new(sockets, None, peer, Some(permit), socket)
            })
        }
    };
    accepted.map_err(|flaw| match flaw {
        Flaw::Version => Problem::wrong_version(),
        Flaw::Key => Problem::wrong_key(),
    })
}

/// Returns whether the request has a body. The bytes after the head of a handshake belong to the
/// socket, and cannot be told apart from a body.
fn has_body(headers: &HeaderMap) -> bool {
    let is_empty = |value: &HeaderValue| value.as_bytes().iter().all(|byte| *byte == b'0');
    headers.contains_key(header::TRANSFER_ENCODING) || !headers.get_all(header::CONTENT_LENGTH).all(is_empty)
}
