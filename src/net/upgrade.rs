//! The handshake of `/ws`: everything that can be refused is refused here,
//! before there is a socket. The Host was checked by the guard.

use super::Net;
use super::guard::{check_page, has_bearer};
use super::identity::find_caller;
use super::problem::Problem;
use super::session::{Session, is_handshake};
use actix_web::{HttpRequest, HttpResponse, web};

/// `GET /ws`.
pub async fn upgrade(
    net: web::Data<Net>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    if !has_bearer(request.headers())
        && let Err(error) = check_page(&net, request.headers())
    {
        log::info!("socket refused: {error}");
        return Err(Problem::from(error).into());
    }
    let caller = find_caller(&request).await.map_err(Problem::from)?;
    if !is_handshake(&request) {
        return Err(Problem::wrong_version().into());
    }
    net.hub.admit(caller.user_id).await.map_err(Problem::from)?;
    Session::start(net.into_inner(), caller, &request, payload)
}
