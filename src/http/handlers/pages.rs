//! Serves the web client, which is embedded in the binary, at the root of the origins.

use crate::error::Error;
use crate::http::problem::{Problem, wrong_method};
use actix_web::http::Method;
use actix_web::http::header::{self, EntityTag, Header, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use base64::Engine;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "client/"]
#[exclude = "*.test.js"]
struct Client;

/// The content security policy of the web client. It allows the hub's own scripts, styles and
/// socket, and nothing inline or from other origins.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Serves the file at this path. Every path without another route arrives here.
pub async fn page(request: HttpRequest) -> HttpResponse {
    let path = match request.path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let Some(file) = Client::get(path) else {
        return Problem::from(Error::NotFound("no such endpoint")).error_response();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return wrong_method("GET, HEAD");
    }
    let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(file.metadata.sha256_hash());
    let tag = EntityTag::new_strong(digest);
    let is_known = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(header::ETag(tag))
        // Browsers revalidate each time, mostly with a 304, so they see a new release immediately.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY));
    if is_known {
        return response.finish();
    }
    response.content_type(file.metadata.mimetype()).body(file.data.into_owned())
}
