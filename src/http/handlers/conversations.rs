//! The HTTP calls about conversations and groups.

use crate::http::extract::identity::Authenticated;
use crate::http::extract::input::{AuthedJson, Query, part};
use crate::http::problem::Answer;
use crate::http::state::HttpState;
use crate::ids::{Role, UserId};
use crate::ops::conversations::clear_conversation::ClearConversation;
use crate::ops::conversations::create_conversation::CreateConversation;
use crate::ops::conversations::get_conversation::GetConversation;
use crate::ops::conversations::list_conversations::ListConversations;
use crate::ops::conversations::list_participants::ListParticipants;
use crate::ops::groups::add_participant::AddParticipant;
use crate::ops::groups::remove_participant::RemoveParticipant;
use crate::ops::groups::rename_conversation::RenameConversation;
use crate::ops::groups::set_role::SetRole;
use crate::wire::{OwnConversationView, Title};
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub async fn list_conversations(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Answer {
    let op = ListConversations { before: query.text("before"), limit: query.limit()?, with: query.get("with")? };
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, op).await?))
}

#[derive(Serialize, JsonSchema)]
pub struct ConversationReply {
    conversation: OwnConversationView,
}

pub async fn get_conversation(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let op = GetConversation { conversation_id: part(&request, "id")? };
    let conversation = state.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::Ok().json(ConversationReply { conversation }))
}

/// Answers 201 for a new conversation, and 200 for an existing one.
pub async fn create_conversation(
    state: web::Data<HttpState>,
    AuthedJson(caller, op): AuthedJson<CreateConversation>,
) -> Answer {
    let created = state.dispatcher.call(caller, op).await?;
    let mut response = if created.was_there { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(response.json(created))
}

#[derive(Deserialize, JsonSchema)]
pub struct TitleBody {
    title: Title,
}

pub async fn rename_conversation(
    state: web::Data<HttpState>,
    request: HttpRequest,
    AuthedJson(caller, TitleBody { title }): AuthedJson<TitleBody>,
) -> Answer {
    let op = RenameConversation { conversation_id: part(&request, "id")?, title };
    let conversation = state.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::Ok().json(ConversationReply { conversation }))
}

pub async fn list_participants(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    query: Query,
) -> Answer {
    let op =
        ListParticipants { conversation_id: part(&request, "id")?, after: query.get("after")?, limit: query.limit()? };
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, op).await?))
}

#[derive(Deserialize, JsonSchema)]
pub struct ParticipantBody {
    user_id: UserId,
}

pub async fn add_participant(
    state: web::Data<HttpState>,
    request: HttpRequest,
    AuthedJson(caller, ParticipantBody { user_id }): AuthedJson<ParticipantBody>,
) -> Answer {
    state.dispatcher.call(caller, AddParticipant { conversation_id: part(&request, "id")?, user_id }).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, JsonSchema)]
pub struct RoleBody {
    role: Role,
}

pub async fn set_role(
    state: web::Data<HttpState>,
    request: HttpRequest,
    AuthedJson(caller, RoleBody { role }): AuthedJson<RoleBody>,
) -> Answer {
    let op = SetRole { conversation_id: part(&request, "id")?, user_id: part(&request, "user_id")?, role };
    state.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn remove_participant(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let op = RemoveParticipant { conversation_id: part(&request, "id")?, user_id: part(&request, "user_id")? };
    state.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn clear_conversation(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    state.dispatcher.call(caller, ClearConversation { conversation_id: part(&request, "id")? }).await?;
    Ok(HttpResponse::NoContent().finish())
}
