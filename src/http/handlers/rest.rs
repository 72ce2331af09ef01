//! The HTTP calls of a logged-in user. Each reads its input, knocks on the
//! dispatcher with the same operation a socket would, and writes the answer.

use crate::error::Error;
use crate::http::extract::identity::Authenticated;
use crate::http::extract::input::{AuthedJson, OptionalAuthedJson, Query, part};
use crate::http::problem::Problem;
use crate::http::state::Net;
use crate::ids::{ConversationId, MessageId, Role, Seq, UserId};
use crate::ops::conversations::clear_conversation::ClearConversation;
use crate::ops::conversations::create_conversation::CreateConversation;
use crate::ops::conversations::get_conversation::GetConversation;
use crate::ops::conversations::list_conversations::ListConversations;
use crate::ops::conversations::list_participants::ListParticipants;
use crate::ops::groups::add_participant::AddParticipant;
use crate::ops::groups::remove_participant::RemoveParticipant;
use crate::ops::groups::rename_conversation::RenameConversation;
use crate::ops::groups::set_role::SetRole;
use crate::ops::messages::delete_message::{DeleteMessage, Whom};
use crate::ops::messages::edit_message::EditMessage;
use crate::ops::messages::get_message::GetMessage;
use crate::ops::messages::list_messages::ListMessages;
use crate::ops::messages::react::React;
use crate::ops::messages::send_message::{SendMessage, Sent};
use crate::ops::people::get_user::GetUser;
use crate::ops::people::list_blocks::ListBlocks;
use crate::ops::people::list_contacts::ListContacts;
use crate::ops::people::list_users::ListUsers;
use crate::ops::people::set_block::SetBlock;
use crate::ops::people::set_contact::SetContact;
use crate::ops::presence::join_conversation::JoinConversation;
use crate::ops::presence::leave_conversation::LeaveConversation;
use crate::ops::presence::set_typing::SetTyping;
use crate::ops::receipts::get_unread::GetUnread;
use crate::ops::receipts::list_receipts::ListReceipts;
use crate::ops::receipts::mark_delivered::MarkDelivered;
use crate::ops::receipts::mark_read::MarkRead;
use crate::ops::receipts::read_conversation::ReadConversation;
use crate::ops::search::search_messages::Search;
use crate::ops::sync::Sync;
use crate::wire::{ClientMessageId, Content, Emoji, NoTime, NotKept, OwnConversationView, TextOnly, Title};
use actix_web::{HttpRequest, HttpResponse, web};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

type Answer = Result<HttpResponse, Problem>;

pub async fn list_users(net: web::Data<Net>, Authenticated(caller): Authenticated, query: Query) -> Answer {
    let q = query.text("q").ok_or_else(|| Error::Invalid("q is missing".into()))?;
    let found = net.dispatcher.call(caller, ListUsers { q, limit: query.limit()? }).await?;
    Ok(HttpResponse::Ok().json(found))
}

pub async fn get_user(net: web::Data<Net>, Authenticated(caller): Authenticated, request: HttpRequest) -> Answer {
    let found = net.dispatcher.call(caller, GetUser { user_id: part(&request, "id")? }).await?;
    Ok(HttpResponse::Ok().json(found))
}

pub async fn list_blocks(net: web::Data<Net>, Authenticated(caller): Authenticated) -> Answer {
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, ListBlocks).await?))
}

pub async fn block(net: web::Data<Net>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    set_block(&net, authenticated, &request, true).await
}

pub async fn unblock(net: web::Data<Net>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    set_block(&net, authenticated, &request, false).await
}

async fn set_block(net: &Net, Authenticated(caller): Authenticated, request: &HttpRequest, is_blocked: bool) -> Answer {
    net.dispatcher.call(caller, SetBlock { user_id: part(request, "user_id")?, is_blocked }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn list_contacts(net: web::Data<Net>, Authenticated(caller): Authenticated) -> Answer {
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, ListContacts).await?))
}

pub async fn add_contact(net: web::Data<Net>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    set_contact(&net, authenticated, &request, true).await
}

pub async fn remove_contact(net: web::Data<Net>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    set_contact(&net, authenticated, &request, false).await
}

async fn set_contact(
    net: &Net,
    Authenticated(caller): Authenticated,
    request: &HttpRequest,
    is_contact: bool,
) -> Answer {
    net.dispatcher.call(caller, SetContact { user_id: part(request, "user_id")?, is_contact }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn send(net: web::Data<Net>, AuthedJson(caller, message): AuthedJson<SendMessage>) -> Answer {
    let sent = net.dispatcher.call(caller, message).await?;
    Ok(stored(&sent))
}

/// A message without a target, which the path names.
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
    net: web::Data<Net>,
    request: HttpRequest,
    AuthedJson(caller, MessageBody { content, client_message_id, reply_to_id, .. }): AuthedJson<MessageBody>,
) -> Answer {
    let conversation_id = Some(part(&request, "id")?);
    let message = SendMessage { recipient_id: None, conversation_id, content, client_message_id, reply_to_id };
    let sent = net.dispatcher.call(caller, message).await?;
    Ok(stored(&sent))
}

/// 201 for a new message, 200 for one that an earlier attempt stored.
fn stored(sent: &Sent) -> HttpResponse {
    let mut response = if sent.duplicate { HttpResponse::Ok() } else { HttpResponse::Created() };
    response.json(sent)
}

pub async fn list_conversations(net: web::Data<Net>, Authenticated(caller): Authenticated, query: Query) -> Answer {
    let op = ListConversations { before: query.text("before"), limit: query.limit()?, with: query.get("with")? };
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, op).await?))
}

#[derive(Serialize, JsonSchema)]
pub struct ConversationReply {
    conversation: OwnConversationView,
}

pub async fn get_conversation(
    net: web::Data<Net>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let op = GetConversation { conversation_id: part(&request, "id")? };
    let conversation = net.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::Ok().json(ConversationReply { conversation }))
}

/// 201 for a new conversation, 200 for one that was there.
pub async fn create_conversation(
    net: web::Data<Net>,
    AuthedJson(caller, op): AuthedJson<CreateConversation>,
) -> Answer {
    let created = net.dispatcher.call(caller, op).await?;
    let mut response = if created.was_there { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(response.json(created))
}

#[derive(Deserialize, JsonSchema)]
pub struct TitleBody {
    title: Title,
}

pub async fn rename_conversation(
    net: web::Data<Net>,
    request: HttpRequest,
    AuthedJson(caller, TitleBody { title }): AuthedJson<TitleBody>,
) -> Answer {
    let op = RenameConversation { conversation_id: part(&request, "id")?, title };
    let conversation = net.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::Ok().json(ConversationReply { conversation }))
}

pub async fn list_participants(
    net: web::Data<Net>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    query: Query,
) -> Answer {
    let op =
        ListParticipants { conversation_id: part(&request, "id")?, after: query.get("after")?, limit: query.limit()? };
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, op).await?))
}

#[derive(Deserialize, JsonSchema)]
pub struct ParticipantBody {
    user_id: UserId,
}

pub async fn add_participant(
    net: web::Data<Net>,
    request: HttpRequest,
    AuthedJson(caller, ParticipantBody { user_id }): AuthedJson<ParticipantBody>,
) -> Answer {
    net.dispatcher.call(caller, AddParticipant { conversation_id: part(&request, "id")?, user_id }).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, JsonSchema)]
pub struct RoleBody {
    role: Role,
}

pub async fn set_role(
    net: web::Data<Net>,
    request: HttpRequest,
    AuthedJson(caller, RoleBody { role }): AuthedJson<RoleBody>,
) -> Answer {
    let op = SetRole { conversation_id: part(&request, "id")?, user_id: part(&request, "user_id")?, role };
    net.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn remove_participant(
    net: web::Data<Net>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let op = RemoveParticipant { conversation_id: part(&request, "id")?, user_id: part(&request, "user_id")? };
    net.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn clear_conversation(
    net: web::Data<Net>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    net.dispatcher.call(caller, ClearConversation { conversation_id: part(&request, "id")? }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn get_message(net: web::Data<Net>, Authenticated(caller): Authenticated, request: HttpRequest) -> Answer {
    let op = GetMessage { message_id: part(&request, "id")? };
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, op).await?))
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
    net: web::Data<Net>,
    request: HttpRequest,
    AuthedJson(caller, EditBody { content, .. }): AuthedJson<EditBody>,
) -> Answer {
    let op = EditMessage { message_id: part(&request, "id")?, content };
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, op).await?))
}

pub async fn delete_message(
    net: web::Data<Net>,
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
    net.dispatcher.call(caller, DeleteMessage { message_id: part(&request, "id")?, r#for: whom }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn add_reaction(net: web::Data<Net>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    react(&net, authenticated, &request, true).await
}

pub async fn remove_reaction(net: web::Data<Net>, authenticated: Authenticated, request: HttpRequest) -> Answer {
    react(&net, authenticated, &request, false).await
}

async fn react(net: &Net, Authenticated(caller): Authenticated, request: &HttpRequest, on: bool) -> Answer {
    let emoji = Emoji::parse(request.match_info().query("emoji"))?;
    let op = React { message_id: part(request, "id")?, emoji, on };
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, op).await?))
}

pub async fn list_messages(
    net: web::Data<Net>,
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
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, op).await?))
}

#[derive(Deserialize, JsonSchema)]
pub struct TypingBody {
    is_typing: bool,
}

pub async fn set_typing(
    net: web::Data<Net>,
    request: HttpRequest,
    AuthedJson(caller, TypingBody { is_typing }): AuthedJson<TypingBody>,
) -> Answer {
    let conversation_id = Some(part(&request, "id")?);
    net.dispatcher.call(caller, SetTyping { recipient_id: None, conversation_id, is_typing }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn join_conversation(
    net: web::Data<Net>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let op = JoinConversation { recipient_id: None, conversation_id: Some(part(&request, "id")?) };
    net.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn leave_conversation(
    net: web::Data<Net>,
    Authenticated(caller): Authenticated,
    request: HttpRequest,
) -> Answer {
    let op = LeaveConversation { recipient_id: None, conversation_id: Some(part(&request, "id")?) };
    net.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Up to one message, or, without `seq`, everything.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ReadBody {
    seq: Option<Seq>,
}

pub async fn read_conversation(
    net: web::Data<Net>,
    request: HttpRequest,
    OptionalAuthedJson(caller, ReadBody { seq }): OptionalAuthedJson<ReadBody>,
) -> Answer {
    let conversation_id = Some(part(&request, "id")?);
    match seq {
        Some(_) => net.dispatcher.call(caller, MarkRead { message_id: None, conversation_id, seq }).await?,
        None => net.dispatcher.call(caller, ReadConversation { recipient_id: None, conversation_id }).await?,
    };
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, JsonSchema)]
pub struct DeliveredBody {
    seq: Seq,
}

pub async fn mark_delivered(
    net: web::Data<Net>,
    request: HttpRequest,
    AuthedJson(caller, DeliveredBody { seq }): AuthedJson<DeliveredBody>,
) -> Answer {
    net.dispatcher.call(caller, MarkDelivered { conversation_id: part(&request, "id")?, seq }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The path says it all.
#[derive(Default, Deserialize, JsonSchema)]
pub struct Empty {}

pub async fn mark_read(
    net: web::Data<Net>,
    request: HttpRequest,
    OptionalAuthedJson(caller, _): OptionalAuthedJson<Empty>,
) -> Answer {
    let op = MarkRead { message_id: Some(part(&request, "id")?), ..MarkRead::default() };
    net.dispatcher.call(caller, op).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn list_receipts(net: web::Data<Net>, Authenticated(caller): Authenticated, request: HttpRequest) -> Answer {
    let op = ListReceipts { message_id: part(&request, "id")? };
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, op).await?))
}

pub async fn search(net: web::Data<Net>, Authenticated(caller): Authenticated, query: Query) -> Answer {
    let q = query.text("q").ok_or_else(|| Error::Invalid("q is missing".into()))?;
    let (conversation_id, before) = (query.get("conversation_id")?, query.get("before")?);
    let op = Search { q, conversation_id, before, limit: query.limit()? };
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, op).await?))
}

pub async fn get_unread(net: web::Data<Net>, Authenticated(caller): Authenticated) -> Answer {
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, GetUnread).await?))
}

pub async fn sync(net: web::Data<Net>, AuthedJson(caller, positions): AuthedJson<Sync>) -> Answer {
    Ok(HttpResponse::Ok().json(net.dispatcher.call(caller, positions).await?))
}
