//! The handshake of `/ws`: everything that can be refused is refused here,
//! before there is a socket. Host and Origin were checked by the guard.

use super::Net;
use super::identity::Known;
use super::problem::Problem;
use super::session::{Session, is_handshake};
use actix_web::{HttpRequest, HttpResponse, web};

/// `GET /ws`.
pub async fn upgrade(
    net: web::Data<Net>,
    request: HttpRequest,
    payload: web::Payload,
    Known(caller): Known,
) -> Result<HttpResponse, actix_web::Error> {
    if !is_handshake(&request) {
        return Err(Problem::wrong_version().into());
    }
    net.hub.admit(caller.user_id).await.map_err(Problem::from)?;
    Session::start(net.into_inner(), caller, &request, payload)
}
