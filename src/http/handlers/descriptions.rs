//! Serves the hub's machine-readable descriptions to any client.

use crate::http::state::HttpState;
use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use schemars::JsonSchema;

/// A machine-readable description of the API.
#[derive(JsonSchema)]
pub struct Document {}

/// `GET /api/openapi.json`.
pub async fn calls(state: web::Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(state.descriptions.openapi.clone())
}

/// `GET /api/asyncapi.json`.
pub async fn socket(state: web::Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(state.descriptions.asyncapi.clone())
}
