//! The list of all HTTP calls: for each, its path, its handler, its answers and its errors. The
//! arguments of a handler describe its input.

use super::call::{Call, delete, get, patch, post, put};
use super::handlers::conversations::ConversationReply;
use super::handlers::health::{Health, Readiness, health, ready};
use super::handlers::{
    accounts, conversations, descriptions, devices, messages, moderation, people, positions, tokens,
};
use crate::error::Code;
use crate::ops::conversations::{
    create_conversation::Created,
    list_conversations::{ConversationPage, ListConversations},
    list_participants::{ListParticipants, ParticipantPage},
};
use crate::ops::logins::list_logins::LoginList;
use crate::ops::messages::{
    delete_message::DeleteMessage,
    list_messages::{ListMessages, MessagePage},
    send_message::Sent,
};
use crate::ops::moderation::{
    create_report::Reported,
    list_reports::{ListReports, ReportPage},
};
use crate::ops::op::MessageReply;
use crate::ops::people::{
    get_user::UserReply,
    list_users::{ListUsers, UserList},
};
use crate::ops::receipts::{get_unread::UnreadCounts, list_receipts::Receipts};
use crate::ops::search::search_messages::{Search, SearchPage};
use crate::ops::sync::Changes;

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
        post("/api/auth/register", accounts::register, "Make an account, and log in: sets the cookie")
            .gives::<UserReply>(201)
            .refuses(&[Code::Forbidden, Code::UsernameTaken, Code::Conflict]),
        post("/api/auth/login", accounts::log_in, "Log in: sets the cookie")
            .gives::<accounts::LoggedIn>(200)
            .refuses(&[Code::BadCredentials, Code::Forbidden, Code::Conflict]),
        post("/api/auth/logout", accounts::log_out, "End this login and its sockets").gives_nothing(),
        get("/api/auth/me", accounts::me, "The caller; renews the cookie for its full lifetime")
            .gives::<UserReply>(200),
        delete("/api/auth/me", devices::close_account, "Close the account, for good").gives_nothing().refuses(&[
            Code::BadCredentials,
            Code::Forbidden,
            Code::Conflict,
        ]),
        post("/api/auth/token", tokens::token, "An access token, by the cookie or the refresh token of a login")
            .gives::<tokens::Token>(200),
        post("/api/auth/ticket", tokens::ticket, "A ticket that opens one socket").gives::<tokens::Ticket>(200),
        post("/api/auth/password", devices::set_password, "Change the password; ends all other logins")
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
            "/api/auth/sessions/{id}",
            devices::end_login,
            "End a sign-in session of the caller and its connections",
        )
        .gives_nothing()
        .refuses(NOT_FOUND),
        patch("/api/users/me", accounts::update_profile, "Change the caller's display name or e-mail address")
            .gives::<UserReply>(200)
            .refuses(&[Code::Conflict]),
        get("/api/users", people::list_users, "People by the words of their names, the caller's partners first")
            .query::<ListUsers>(&["q", "limit"])
            .gives::<UserList>(200),
        get("/api/users/{id}", people::get_user, "A user").gives::<UserReply>(200).refuses(NOT_FOUND),
        get("/api/blocks", people::list_blocks, "The users whom the caller blocked").gives::<UserList>(200),
        put("/api/blocks/{user_id}", people::block, "Block a user").gives_nothing().refuses(NOT_FOUND),
        delete("/api/blocks/{user_id}", people::unblock, "Lift a block").gives_nothing().refuses(NOT_FOUND),
        get("/api/contacts", people::list_contacts, "The contacts of the caller").gives::<UserList>(200),
        put("/api/contacts/{user_id}", people::add_contact, "Add a user to the contacts")
            .gives_nothing()
            .refuses(NOT_FOUND),
        delete("/api/contacts/{user_id}", people::remove_contact, "Take a contact back")
            .gives_nothing()
            .refuses(NOT_FOUND),
    ]
}

fn conversations_calls() -> Vec<Call> {
    vec![
        get(
            "/api/conversations",
            conversations::list_conversations,
            "The conversations of the caller, latest activity first",
        )
        .query::<ListConversations>(&["before", "limit", "with"])
        .gives::<ConversationPage>(200),
        get("/api/conversations/{id}", conversations::get_conversation, "A conversation")
            .gives::<ConversationReply>(200)
            .refuses(NOT_FOUND),
        delete(
            "/api/conversations/{id}",
            conversations::clear_conversation,
            "Clear a conversation for the caller alone",
        )
        .gives_nothing()
        .refuses(NOT_FOUND),
        get("/api/conversations/{id}/messages", messages::list_messages, "History, ascending")
            .query::<ListMessages>(&["before_seq", "after_seq", "limit"])
            .gives::<MessagePage>(200)
            .refuses(NOT_FOUND),
        post("/api/conversations/{id}/messages", messages::send_to, "Send a message to a conversation")
            .gives::<Sent>(201)
            .gives::<Sent>(200)
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        post("/api/conversations/{id}/typing", positions::set_typing, "Say that the caller types, or stopped")
            .gives_nothing()
            .refuses(NEEDS_ROLE),
        put(
            "/api/conversations/{id}/viewing",
            positions::join_conversation,
            "Say that the caller views the conversation",
        )
        .gives_nothing()
        .refuses(NOT_FOUND),
        delete(
            "/api/conversations/{id}/viewing",
            positions::leave_conversation,
            "Say that the caller views it no longer",
        )
        .gives_nothing()
        .refuses(NOT_FOUND),
    ]
}

fn groups() -> Vec<Call> {
    vec![
        post("/api/conversations", conversations::create_conversation, "Make a group, or open a direct conversation")
            .gives::<Created>(201)
            .gives::<Created>(200)
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        patch("/api/conversations/{id}", conversations::rename_conversation, "Rename a group")
            .gives::<ConversationReply>(200)
            .refuses(NEEDS_ROLE),
        get(
            "/api/conversations/{id}/participants",
            conversations::list_participants,
            "Who is in a conversation, by id",
        )
        .query::<ListParticipants>(&["after", "limit"])
        .gives::<ParticipantPage>(200)
        .refuses(NOT_FOUND),
        post("/api/conversations/{id}/participants", conversations::add_participant, "Add a user to a group")
            .gives_nothing()
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        patch("/api/conversations/{id}/participants/{user_id}", conversations::set_role, "Change the role of a member")
            .gives_nothing()
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        delete(
            "/api/conversations/{id}/participants/{user_id}",
            conversations::remove_participant,
            "Remove a member, or leave the group",
        )
        .gives_nothing()
        .refuses(NEEDS_ROLE_OR_CONFLICT),
    ]
}

fn messages_calls() -> Vec<Call> {
    vec![
        post("/api/messages", messages::send, "Send a message to a person or a conversation")
            .gives::<Sent>(201)
            .gives::<Sent>(200)
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        get("/api/messages/{id}", messages::get_message, "A message").gives::<MessageReply>(200).refuses(NOT_FOUND),
        patch("/api/messages/{id}", messages::edit_message, "Edit a message of the caller")
            .gives::<MessageReply>(200)
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        delete(
            "/api/messages/{id}",
            messages::delete_message,
            "Delete a message for everyone, or for the caller alone",
        )
        .query::<DeleteMessage>(&["for"])
        .gives_nothing()
        .refuses(NEEDS_ROLE),
        put("/api/messages/{id}/reactions/{emoji}", messages::add_reaction, "React to a message")
            .gives::<MessageReply>(200)
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        delete("/api/messages/{id}/reactions/{emoji}", messages::remove_reaction, "Take a reaction back")
            .gives::<MessageReply>(200)
            .refuses(NEEDS_ROLE_OR_CONFLICT),
        get("/api/messages/{id}/receipts", positions::list_receipts, "Who has a message, and who read it")
            .gives::<Receipts>(200)
            .refuses(NOT_FOUND),
        get("/api/search", messages::search, "Messages by their words, newest first")
            .query::<Search>(&["q", "conversation_id", "before", "limit"])
            .gives::<SearchPage>(200)
            .refuses(NOT_FOUND),
    ]
}

fn positions_calls() -> Vec<Call> {
    vec![
        post("/api/conversations/{id}/read", positions::read_conversation, "Read up to a message, or everything")
            .gives_nothing()
            .refuses(NOT_FOUND),
        post(
            "/api/conversations/{id}/delivered",
            positions::mark_delivered,
            "The caller's devices have everything up to a message",
        )
        .gives_nothing()
        .refuses(NOT_FOUND),
        post("/api/messages/{id}/read", positions::mark_read, "Read up to this message")
            .gives_nothing()
            .refuses(NOT_FOUND),
        get("/api/unread", positions::get_unread, "The unread counts of the caller").gives::<UnreadCounts>(200),
        post("/api/sync", messages::sync, "Everything a client does not have yet").gives::<Changes>(200),
    ]
}

fn administration() -> Vec<Call> {
    vec![
        post("/api/reports", moderation::report, "Report a person or a message to the administrators")
            .gives::<Reported>(201)
            .gives::<Reported>(200)
            .refuses(NOT_FOUND),
        get("/api/admin/reports", moderation::list_reports, "What was reported, newest first")
            .query::<ListReports>(&["before", "limit"])
            .gives::<ReportPage>(200)
            .refuses(&[Code::Forbidden]),
        post("/api/admin/users/{id}/disable", moderation::disable, "Shut an account out")
            .gives_nothing()
            .refuses(NEEDS_ROLE),
        post("/api/admin/users/{id}/enable", moderation::enable, "Let an account in again")
            .gives_nothing()
            .refuses(NEEDS_ROLE),
        get("/api/admin/users/{id}/connections", moderation::get_connections, "Whether a user is connected")
            .gives::<moderation::Connections>(200)
            .refuses(NEEDS_ROLE),
        delete("/api/admin/users/{id}/connections", moderation::end_connections, "End all sign-in sessions of a user")
            .gives_nothing()
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
