//! All routes and the middleware that they share.

use crate::http::handlers::pages;
use crate::http::middleware::{audit, cors, headers, hold_body, host, large_bodies, origin, rate};
use crate::http::{call, calls};
use crate::ws::upgrade;
use actix_web::middleware::from_fn;
use actix_web::web;

/// Registers every route. The surrounding `App` must hold a [`HttpState`](crate::http::state::HttpState) and
/// [`Sockets`](crate::ws::state::Sockets) as data.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("")
            .wrap(from_fn(large_bodies::count))
            .wrap(from_fn(origin::check_origin))
            .wrap(from_fn(rate::check_rate))
            .wrap(from_fn(cors::allow))
            .wrap(from_fn(host::check_host))
            .wrap(from_fn(headers::check_head))
            .wrap(from_fn(audit::record))
            .wrap(from_fn(headers::add_headers))
            .wrap(from_fn(hold_body::hold))
            .configure(|config| {
                // The AsyncAPI document describes the socket.
                call::register(vec![call::get("/ws", upgrade::upgrade, "The socket").without_head()], config);
                call::register(calls::calls(), config);
            })
            .default_service(web::to(pages::page)),
    );
}
