//! The HTTP calls about the messages a user reads, and about typing and viewing.

use crate::http::extract::identity::Authenticated;
use crate::http::extract::input::{AuthedJson, OptionalAuthedJson, part};
use crate::http::problem::Answer;
use crate::http::state::HttpState;
use crate::ids::Seq;
use crate::ops::presence::join_conversation::JoinConversation;
use crate::ops::presence::leave_conversation::LeaveConversation;
use crate::ops::presence::set_typing::SetTyping;
use crate::ops::receipts::get_unread::GetUnread;
use crate::ops::receipts::list_receipts::ListReceipts;
use crate::ops::receipts::mark_delivered::MarkDelivered;
use crate::ops::receipts::mark_read::MarkRead;
use crate::ops::receipts::read_conversation::ReadConversation;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
pub struct TypingBody {
    is_typing: bool,
}

pub async fn set_typing(
    state: web::Data<HttpState>,
    request: HttpRequest,
    AuthedJson(caller, TypingBody { is_typing }): AuthedJson<TypingBody>,
) -> Answer {
    let conversation_id = Some(part(&request, "id")?);
    state.dispatcher.call(caller, SetTyping { recipient_id: None, conversation_id, is_typing }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn join_conversation(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let op = JoinConversation { recipient_id: None, conversation_id: Some(part(&request, "id")?) };
    state.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn leave_conversation(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let op = LeaveConversation { recipient_id: None, conversation_id: Some(part(&request, "id")?) };
    state.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The last message to mark as read. Without `seq` the whole conversation is marked as read.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReadBody {
    seq: Option<Seq>,
}

pub async fn read_conversation(
    state: web::Data<HttpState>,
    request: HttpRequest,
    OptionalAuthedJson(caller, ReadBody { seq }): OptionalAuthedJson<ReadBody>,
) -> Answer {
    let conversation_id = Some(part(&request, "id")?);
    match seq {
        Some(_) => state.dispatcher.call(caller, MarkRead { message_id: None, conversation_id, seq }).await?,
        None => state.dispatcher.call(caller, ReadConversation { recipient_id: None, conversation_id }).await?,
    };
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, JsonSchema)]
pub struct DeliveredBody {
    seq: Seq,
}

pub async fn mark_delivered(
    state: web::Data<HttpState>,
    request: HttpRequest,
    AuthedJson(caller, DeliveredBody { seq }): AuthedJson<DeliveredBody>,
) -> Answer {
    state.dispatcher.call(caller, MarkDelivered { conversation_id: part(&request, "id")?, seq }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An empty body. The path has all the parameters.
#[derive(Default, Deserialize, JsonSchema)]
pub struct Empty {}

pub async fn mark_read(
    state: web::Data<HttpState>,
    request: HttpRequest,
    OptionalAuthedJson(caller, _): OptionalAuthedJson<Empty>,
) -> Answer {
    let op = MarkRead { message_id: Some(part(&request, "id")?), ..MarkRead::default() };
    state.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn list_receipts(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let op = ListReceipts { message_id: part(&request, "id")? };
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, op).await?))
}

pub async fn get_unread(state: web::Data<HttpState>, Authenticated(caller): Authenticated) -> Answer {
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, GetUnread).await?))
}
