//! The HTTP calls about users.

use crate::error::Error;
use crate::http::extract::identity::Authenticated;
use crate::http::extract::input::{Query, part};
use crate::http::problem::Answer;
use crate::http::state::HttpState;
use crate::ops::people::get_user::GetUser;
use crate::ops::people::list_blocks::ListBlocks;
use crate::ops::people::list_contacts::ListContacts;
use crate::ops::people::list_users::ListUsers;
use crate::ops::people::set_block::SetBlock;
use crate::ops::people::set_contact::SetContact;
use actix_web::{HttpRequest, HttpResponse, web};

pub async fn list_users(state: web::Data<HttpState>, Authenticated(caller): Authenticated, query: Query) -> Answer {
    let q = query.text("q").ok_or_else(|| Error::Invalid("q is missing".into()))?;
    let found = state.dispatcher.call(caller, ListUsers { q, limit: query.limit()? }).await?;
    Ok(HttpResponse::Ok().json(found))
}

pub async fn get_user(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let found = state.dispatcher.call(caller, GetUser { user_id: part(&request, "id")? }).await?;
    Ok(HttpResponse::Ok().json(found))
}

pub async fn list_blocks(state: web::Data<HttpState>, Authenticated(caller): Authenticated) -> Answer {
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, ListBlocks).await?))
}

pub async fn block(state: web::Data<HttpState>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    set_block(&state, authenticated, &request, true).await
}

pub async fn unblock(state: web::Data<HttpState>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    set_block(&state, authenticated, &request, false).await
}

async fn set_block(
    state: &HttpState,
    Authenticated(caller): Authenticated,
    request: &HttpRequest,
    is_blocked: bool,
) -> Answer {
    state.dispatcher.call(caller, SetBlock { user_id: part(request, "user_id")?, is_blocked }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn list_contacts(state: web::Data<HttpState>, Authenticated(caller): Authenticated) -> Answer {
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, ListContacts).await?))
}

pub async fn add_contact(state: web::Data<HttpState>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    set_contact(&state, authenticated, &request, true).await
}

pub async fn remove_contact(state: web::Data<HttpState>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    set_contact(&state, authenticated, &request, false).await
}

async fn set_contact(
    state: &HttpState,
    Authenticated(caller): Authenticated,
    request: &HttpRequest,
    is_contact: bool,
) -> Answer {
    state.dispatcher.call(caller, SetContact { user_id: part(request, "user_id")?, is_contact }).await?;
    Ok(HttpResponse::NoContent().finish())
}
