//! Serves the hub's machine-readable descriptions to any client.

use crate::http::state::Net;
use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use schemars::JsonSchema;

/// A machine-readable description of the API.
#[derive(JsonSchema)]
pub struct Document {}

/// `GET /api/openapi.json`.
pub async fn calls(net: web::Data<Net>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(net.descriptions.openapi.clone())
}

/// `GET /api/asyncapi.json`.
pub async fn socket(net: web::Data<Net>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(net.descriptions.asyncapi.clone())
}
