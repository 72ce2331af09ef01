//! The list of all HTTP calls. Most calls run one operation: the entry names the operation and the
//! errors. The other calls have a handler, whose arguments describe the input.

use super::call::{Call, delete, get, post};
use super::handlers::health::{Health, Readiness, health, ready};
use super::handlers::{accounts, descriptions, devices, moderation, positions, tokens};
use super::operation::runs;
use crate::error::Code;
use crate::ops::accounts::update_profile::UpdateProfile;
use crate::ops::conversations::clear_conversation::ClearConversation;
use crate::ops::conversations::create_conversation::CreateConversation;
use crate::ops::conversations::get_conversation::GetConversation;
use crate::ops::conversations::list_conversations::ListConversations;
use crate::ops::conversations::list_participants::ListParticipants;
use crate::ops::groups::add_participant::AddParticipant;
use crate::ops::groups::remove_participant::RemoveParticipant;
use crate::ops::groups::rename_conversation::RenameConversation;
use crate::ops::groups::set_role::SetRole;
use crate::ops::logins::list_logins::LoginList;
use crate::ops::messages::delete_message::DeleteMessage;
use crate::ops::messages::edit_message::EditMessage;
use crate::ops::messages::get_message::GetMessage;
use crate::ops::messages::list_messages::ListMessages;
use crate::ops::messages::react::React;
use crate::ops::messages::send_message::SendMessage;
use crate::ops::moderation::create_report::CreateReport;
use crate::ops::moderation::end_logins::EndLogins;
use crate::ops::moderation::list_reports::ListReports;
use crate::ops::moderation::set_disabled::SetDisabled;
use crate::ops::people::get_user::{GetUser, UserReply};
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
use crate::ops::search::search_messages::Search;
use crate::ops::sync::Sync;
use crate::wire::Value;
use actix_web::http::Method;

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

const NOT_FOUND: &[Code] = &[Code::NotFound];
/// The errors of calls that need a role in a group, or that another user can forbid.
const NEEDS_ROLE: &[Code] = &[Code::Forbidden, Code::NotFound];
const NEEDS_ROLE_OR_CONFLICT: &[Code] = &[Code::Forbidden, Code::NotFound, Code::Conflict];

pub fn calls() -> Vec<Call> {
    let all = [
        accounts_and_people(),
        conversations_calls(),
        groups(),
        messages_calls(),
        positions_calls(),
        administration(),
        hub(),
    ];
    all.into_iter().flatten().collect()
}

fn accounts_and_people() -> Vec<Call> {
    vec![
        post("/api/auth/register", accounts::register, "Create an account and log in; sets the cookie")
            .gives::<UserReply>(201)
            .refuses(&[Code::Forbidden, Code::UsernameTaken, Code::Conflict]),
        post("/api/auth/login", accounts::log_in, "Log in; sets the cookie")
            .gives::<accounts::LoggedIn>(200)
            .refuses(&[Code::BadCredentials, Code::Forbidden, Code::Conflict]),
        post("/api/auth/logout", accounts::log_out, "End this sign-in session and its connections").gives_nothing(),
        get("/api/auth/me", accounts::me, "The caller; renews the cookie for its full lifetime")
            .gives::<UserReply>(200),
        delete("/api/auth/me", devices::close_account, "Close the account permanently").gives_nothing().refuses(&[
            Code::BadCredentials,
            Code::Forbidden,
            Code::Conflict,
        ]),
        post("/api/auth/token", tokens::token, "An access token, for the cookie or a refresh token")
            .gives::<tokens::Token>(200),
        post("/api/auth/ticket", tokens::ticket, "A ticket that opens one connection").gives::<tokens::Ticket>(200),
        post("/api/auth/password", devices::set_password, "Change the password; ends all other sessions")
            .gives_nothing()
            .refuses(&[Code::BadCredentials, Code::Forbidden, Code::Conflict]),
        get("/api/auth/sessions", devices::list_logins, "The devices on which the caller is signed in")
            .gives::<LoginList>(200),
        delete(
            "/api/auth/sessions",
            devices::end_own_logins,
            "End all sign-in sessions of the caller and their connections",
        )
        .gives_nothing()
        .refuses(&[Code::Forbidden]),
        delete(
            "/api/auth/sessions/{login_id}",
            devices::end_login,
            "End a sign-in session of the caller and its connections",
        )
        .gives_nothing()
        .refuses(NOT_FOUND),
        runs::<UpdateProfile>(PATCH, "/api/users/me", "Change the caller's display name or e-mail address")
            .audited(|_, _| "changed profile".into())
            .refuses(&[Code::Conflict]),
        runs::<ListUsers>(GET, "/api/users", "Search users by name; conversation partners first").done(),
        runs::<GetUser>(GET, "/api/users/{user_id}", "A user").refuses(NOT_FOUND),
        runs::<ListBlocks>(GET, "/api/blocks", "The users whom the caller blocked").done(),
        runs::<SetBlock>(PUT, "/api/blocks/{user_id}", "Block a user")
            .named("block")
            .without_body()
            .with("is_blocked", Value::Bool(true))
            .refuses(NOT_FOUND),
        runs::<SetBlock>(DELETE, "/api/blocks/{user_id}", "Lift a block")
            .named("unblock")
            .with("is_blocked", Value::Bool(false))
            .refuses(NOT_FOUND),
        runs::<ListContacts>(GET, "/api/contacts", "The contacts of the caller").done(),
        runs::<SetContact>(PUT, "/api/contacts/{user_id}", "Add a user to the contacts")
            .named("add_contact")
            .without_body()
            .with("is_contact", Value::Bool(true))
            .refuses(NOT_FOUND),
        runs::<SetContact>(DELETE, "/api/contacts/{user_id}", "Remove a user from the contacts")
            .named("remove_contact")
            .with("is_contact", Value::Bool(false))
            .refuses(NOT_FOUND),
    ]
}

fn conversations_calls() -> Vec<Call> {
    const ONE: &str = "/api/conversations/{conversation_id}";
    const MESSAGES: &str = "/api/conversations/{conversation_id}/messages";
    const VIEWING: &str = "/api/conversations/{conversation_id}/viewing";
    vec![
        runs::<ListConversations>(GET, "/api/conversations", "The conversations of the caller, latest activity first")
            .done(),
        runs::<GetConversation>(GET, ONE, "A conversation").refuses(NOT_FOUND),
        runs::<ClearConversation>(DELETE, ONE, "Clear a conversation for the caller alone").refuses(NOT_FOUND),
        runs::<ListMessages>(GET, MESSAGES, "History, ascending").refuses(NOT_FOUND),
        runs::<SendMessage>(POST, MESSAGES, "Send a message to a conversation")
            .named("send_to")
            .with("recipient_id", Value::Null)
            .creates_unless(|sent| sent.duplicate)
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        runs::<SetTyping>(
            POST,
            "/api/conversations/{conversation_id}/typing",
            "Say that the caller types or stopped typing",
        )
        .with("recipient_id", Value::Null)
        .refuses(NEEDS_ROLE),
        runs::<JoinConversation>(PUT, VIEWING, "Set the caller's viewing mark")
            .without_body()
            .with("recipient_id", Value::Null)
            .refuses(NOT_FOUND),
        runs::<LeaveConversation>(DELETE, VIEWING, "End the caller's viewing mark")
            .with("recipient_id", Value::Null)
            .refuses(NOT_FOUND),
    ]
}

fn groups() -> Vec<Call> {
    const PARTICIPANTS: &str = "/api/conversations/{conversation_id}/participants";
    const ONE: &str = "/api/conversations/{conversation_id}/participants/{user_id}";
    vec![
        runs::<CreateConversation>(POST, "/api/conversations", "Create a group, or open a direct conversation")
            .creates_unless(|created| created.existed)
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        runs::<RenameConversation>(PATCH, "/api/conversations/{conversation_id}", "Rename a group").refuses(NEEDS_ROLE),
        runs::<ListParticipants>(GET, PARTICIPANTS, "The participants of a conversation, by id").refuses(NOT_FOUND),
        runs::<AddParticipant>(POST, PARTICIPANTS, "Add a user to a group").refuses(NEEDS_ROLE_OR_CONFLICT),
        runs::<SetRole>(PATCH, ONE, "Change the role of a member").refuses(NEEDS_ROLE_OR_CONFLICT),
        runs::<RemoveParticipant>(DELETE, ONE, "Remove a member, or leave the group").refuses(NEEDS_ROLE_OR_CONFLICT),
    ]
}

fn messages_calls() -> Vec<Call> {
    const ONE: &str = "/api/messages/{message_id}";
    const REACTION: &str = "/api/messages/{message_id}/reactions/{emoji}";
    vec![
        runs::<SendMessage>(POST, "/api/messages", "Send a message to a person or a conversation")
            .named("send")
            .creates_unless(|sent| sent.duplicate)
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        runs::<GetMessage>(GET, ONE, "A message").refuses(NOT_FOUND),
        runs::<EditMessage>(PATCH, ONE, "Edit a message of the caller").refuses(NEEDS_ROLE_OR_CONFLICT),
        runs::<DeleteMessage>(DELETE, ONE, "Delete a message for everyone, or for the caller alone")
            .refuses(NEEDS_ROLE),
        runs::<React>(PUT, REACTION, "React to a message")
            .named("add_reaction")
            .without_body()
            .with("on", Value::Bool(true))
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        runs::<React>(DELETE, REACTION, "Remove a reaction")
            .named("remove_reaction")
            .with("on", Value::Bool(false))
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        runs::<ListReceipts>(GET, "/api/messages/{message_id}/receipts", "The receipts of a message")
            .refuses(NOT_FOUND),
        runs::<Search>(GET, "/api/search", "Search messages; newest first").refuses(NOT_FOUND),
    ]
}

fn positions_calls() -> Vec<Call> {
    vec![
        post(
            "/api/conversations/{conversation_id}/read",
            positions::read_conversation,
            "Read up to a message, or everything",
        )
        .gives_nothing()
        .refuses(NOT_FOUND),
        runs::<MarkDelivered>(
            POST,
            "/api/conversations/{conversation_id}/delivered",
            "The caller's devices have everything up to a message",
        )
        .refuses(NOT_FOUND),
        runs::<MarkRead>(POST, "/api/messages/{message_id}/read", "Read up to this message")
            .with("conversation_id", Value::Null)
            .with("seq", Value::Null)
            .refuses(NOT_FOUND),
        runs::<GetUnread>(GET, "/api/unread", "The unread counts of the caller").done(),
        runs::<Sync>(POST, "/api/sync", "Everything that the client does not have yet").done(),
    ]
}

fn administration() -> Vec<Call> {
    const CONNECTIONS: &str = "/api/admin/users/{user_id}/connections";
    vec![
        runs::<CreateReport>(POST, "/api/reports", "Report a person or a message to the administrators")
            .named("report")
            .creates_unless(|reported| reported.existed)
            .refuses(NOT_FOUND),
        runs::<ListReports>(GET, "/api/admin/reports", "The reports, newest first")
            .audited(|_, page| format!("admin read reports count={}", page.reports.len()))
            .refuses(&[Code::Forbidden]),
        runs::<SetDisabled>(POST, "/api/admin/users/{user_id}/disable", "Disable an account")
            .named("disable")
            .without_body()
            .with("is_disabled", Value::Bool(true))
            .audited(|op, _| format!("admin disabled account={}", op.user_id))
            .refuses(NEEDS_ROLE),
        runs::<SetDisabled>(POST, "/api/admin/users/{user_id}/enable", "Enable a disabled account")
            .named("enable")
            .without_body()
            .with("is_disabled", Value::Bool(false))
            .audited(|op, _| format!("admin enabled account={}", op.user_id))
            .refuses(NEEDS_ROLE),
        get(CONNECTIONS, moderation::get_connections, "Whether a user is connected")
            .gives::<moderation::Connections>(200)
            .refuses(NEEDS_ROLE),
        runs::<EndLogins>(DELETE, CONNECTIONS, "End all sign-in sessions of a user")
            .named("end_connections")
            .audited(|op, _| format!("admin ended logins of={}", op.user_id))
            .refuses(NEEDS_ROLE),
    ]
}

fn hub() -> Vec<Call> {
    vec![
        get("/health", health, "Whether the hub is up").gives::<Health>(200).gives::<Health>(503),
        get("/ready", ready, "Whether this node takes new work").gives::<Readiness>(200).gives::<Readiness>(503),
        get("/api/openapi.json", descriptions::calls, "This description").gives::<descriptions::Document>(200),
        get("/api/asyncapi.json", descriptions::socket, "The socket and its frames, as AsyncAPI")
            .gives::<descriptions::Document>(200),
    ]
}
