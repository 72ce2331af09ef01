//! The HTTP calls about the devices on which one is logged in.

use super::identity::{self, Known};
use super::input::part;
use super::problem::Problem;
use super::{Net, at};
use crate::ids::LoginId;
use crate::ops::{EndLogin, ListLogins};
use actix_web::{HttpRequest, HttpResponse, web};

pub fn routes(config: &mut web::ServiceConfig) {
    config.service(at("/api/auth/sessions").get(list_logins)).service(at("/api/auth/sessions/{id}").delete(end_login));
}

type Answer = Result<HttpResponse, Problem>;

async fn list_logins(net: web::Data<Net>, Known(caller): Known) -> Answer {
    let devices = net.door.call(caller, ListLogins { lifetime: net.login_lifetime }).await?;
    Ok(HttpResponse::Ok().json(devices))
}

async fn end_login(net: web::Data<Net>, Known(caller): Known, request: HttpRequest) -> Answer {
    let login_id: LoginId = part(&request, "id")?;
    net.door.call(caller, EndLogin { login_id }).await?;
    log::info!("ended login={login_id} user={}", caller.user_id);
    let mut response = HttpResponse::NoContent();
    if login_id == caller.login_id {
        response.cookie(identity::ended_cookie(&net));
    }
    Ok(response.finish())
}
