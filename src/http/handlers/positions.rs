//! The HTTP call that marks a conversation as read.

use crate::http::extract::input::{OptionalAuthedJson, part};
use crate::http::problem::Answer;
use crate::http::state::HttpState;
use crate::ids::Seq;
use crate::ops::receipts::mark_read::MarkRead;
use crate::ops::receipts::read_conversation::ReadConversation;
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::Deserialize;

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
    let conversation_id = Some(part(&request, "conversation_id")?);
    match seq {
        Some(_) => state.dispatcher.call(caller, MarkRead { message_id: None, conversation_id, seq }).await?,
        None => state.dispatcher.call(caller, ReadConversation { recipient_id: None, conversation_id }).await?,
    };
    Ok(HttpResponse::NoContent().finish())
}
