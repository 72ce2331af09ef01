//! The HTTP calls about messages.

use crate::error::Error;
use crate::http::extract::identity::Authenticated;
use crate::http::extract::input::{AuthedJson, Query, part};
use crate::http::problem::Answer;
use crate::http::state::HttpState;
use crate::ids::{ConversationId, MessageId};
use crate::ops::messages::delete_message::{DeleteMessage, Whom};
use crate::ops::messages::edit_message::EditMessage;
use crate::ops::messages::get_message::GetMessage;
use crate::ops::messages::list_messages::ListMessages;
use crate::ops::messages::react::React;
use crate::ops::messages::send_message::{SendMessage, Sent};
use crate::ops::search::search_messages::Search;
use crate::ops::sync::Sync;
use crate::wire::{ClientMessageId, Content, Emoji, NoTime, NotKept, TextOnly};
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Deserialize;

pub async fn send(state: web::Data<HttpState>, AuthedJson(caller, message): AuthedJson<SendMessage>) -> Answer {
    let sent = state.dispatcher.call(caller, message).await?;
    Ok(stored(&sent))
}

/// A message to the conversation in the path.
#[derive(Deserialize, JsonSchema)]
pub struct MessageBody {
    content: Content,
    #[serde(default)]
    client_message_id: Option<ClientMessageId>,
    #[serde(default)]
    reply_to_id: Option<MessageId>,
    #[serde(default, rename = "created_at")]
    _created_at: NoTime,
    #[serde(default, rename = "send_at")]
    _send_at: NoTime,
    #[serde(default, rename = "expires_at")]
    _expires_at: NoTime,
    #[serde(default, rename = "message_type")]
    _message_type: TextOnly,
    #[serde(default, rename = "metadata")]
    _metadata: NotKept,
    #[serde(default, rename = "attachments")]
    _attachments: NotKept,
}

pub async fn send_to(
    state: web::Data<HttpState>,
    request: HttpRequest,
    AuthedJson(caller, MessageBody { content, client_message_id, reply_to_id, .. }): AuthedJson<MessageBody>,
) -> Answer {
    let conversation_id = Some(part(&request, "id")?);
    let message = SendMessage { recipient_id: None, conversation_id, content, client_message_id, reply_to_id };
    let sent = state.dispatcher.call(caller, message).await?;
    Ok(stored(&sent))
}

/// Answers 201 for a new message, and 200 for one that an earlier attempt stored.
fn stored(sent: &Sent) -> HttpResponse {
    let mut response = if sent.duplicate { HttpResponse::Ok() } else { HttpResponse::Created() };
    response.json(sent)
}

pub async fn get_message(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let op = GetMessage { message_id: part(&request, "id")? };
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, op).await?))
}

#[derive(Deserialize, JsonSchema)]
pub struct EditBody {
    content: Content,
    #[serde(default, rename = "message_type")]
    _message_type: TextOnly,
    #[serde(default, rename = "metadata")]
    _metadata: NotKept,
    #[serde(default, rename = "attachments")]
    _attachments: NotKept,
}

pub async fn edit_message(
    state: web::Data<HttpState>,
    request: HttpRequest,
    AuthedJson(caller, EditBody { content, .. }): AuthedJson<EditBody>,
) -> Answer {
    let op = EditMessage { message_id: part(&request, "id")?, content };
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, op).await?))
}

pub async fn delete_message(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    query: Query,
) -> Answer {
    let whom = match query.text("for").as_deref() {
        Some("everyone") => Whom::Everyone,
        Some("me") => Whom::Me,
        Some(_) => return Err(Error::Invalid("for must be `everyone` or `me`".into()).into()),
        None => return Err(Error::Invalid("for is missing".into()).into()),
    };
    state.dispatcher.call(caller, DeleteMessage { message_id: part(&request, "id")?, r#for: whom }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn add_reaction(state: web::Data<HttpState>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    react(&state, authenticated, &request, true).await
}

pub async fn remove_reaction(
    state: web::Data<HttpState>,
    authenticated: Authenticated,
    request: HttpRequest,
) -> Answer {
    react(&state, authenticated, &request, false).await
}

async fn react(state: &HttpState, Authenticated(caller): Authenticated, request: &HttpRequest, on: bool) -> Answer {
    let emoji = Emoji::parse(request.match_info().query("emoji"))?;
    let op = React { message_id: part(request, "id")?, emoji, on };
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, op).await?))
}

pub async fn list_messages(
    state: web::Data<HttpState>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    query: Query,
) -> Answer {
    let op = ListMessages {
        conversation_id: part::<ConversationId>(&request, "id")?,
        before_seq: query.get("before_seq")?,
        after_seq: query.get("after_seq")?,
        limit: query.limit()?,
    };
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, op).await?))
}

pub async fn search(state: web::Data<HttpState>, Authenticated(caller): Authenticated, query: Query) -> Answer {
    let q = query.text("q").ok_or_else(|| Error::Invalid("q is missing".into()))?;
    let (conversation_id, before) = (query.get("conversation_id")?, query.get("before")?);
    let op = Search { q, conversation_id, before, limit: query.limit()? };
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, op).await?))
}

pub async fn sync(state: web::Data<HttpState>, AuthedJson(caller, positions): AuthedJson<Sync>) -> Answer {
    Ok(HttpResponse::Ok().json(state.dispatcher.call(caller, positions).await?))
}
