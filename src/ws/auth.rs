//! Authenticates the user of a socket, at the handshake or by the frame `authenticate`. It also
//! keeps the deadline of the credential. A session is closed if it is not authenticated in time, or
//! not renewed before its token expires.

use super::session::{AUTHENTICATE, Ctx, Session};
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::http::extract::identity::{Credential, admit_token};
use crate::http::state::HttpState;
use crate::ops::people::get_user::GetUser;
use crate::wire::{self, Authenticate, Authenticated, CloseCode, UserView};
use actix::prelude::*;
use log::Level;
use std::sync::Arc;
use std::time::Duration;

async fn check_token(state: &HttpState, token: &str) -> Result<(Credential, UserView)> {
    let credential = admit_token(state, token).await?;
    let user_id = credential.caller.user_id;
    Ok((credential, state.dispatcher.call(credential.caller, GetUser { user_id }).await?.user))
}

impl Session {
    /// Starts a session that the handshake authenticated.
    pub(crate) fn begin_with(&mut self, credential: Credential, ctx: &mut Ctx) {
        let caller = self.belong_to(credential, ctx);
        self.attach(caller, move |session, private_rev| session.welcome(caller, private_rev), ctx);
    }

    /// Starts the deadline for authentication. From here on only a token can authenticate the
    /// session.
    pub(crate) fn wait_for_token(&mut self, ctx: &mut Ctx) {
        let (timeout, connection_limits) = (self.sockets.auth_timeout, self.sockets.connections.clone());
        let displaced = self.permit.as_ref().map(|permit| permit.is_displaced());
        let displaced = async move {
            match displaced {
                Some(displaced) => displaced.await,
                None => std::future::pending().await,
            }
        };
        let end = async move {
            tokio::select! {
                () = tokio::time::sleep(timeout) => CloseCode::AuthTimeout,
                () = connection_limits.are_closing() => CloseCode::Restart,
                () = displaced => CloseCode::TryLater,
            }
        };
        self.close_after(end, ctx);
    }

    /// Handles `authenticate`, for the first time or as a renewal. The session does nothing else
    /// until the check is done.
    pub(crate) fn authenticate(&mut self, keys: Result<Authenticate>, reference: Option<String>, ctx: &mut Ctx) {
        let token = match keys {
            Ok(Authenticate { token }) => token,
            Err(error) => return self.socket.text(wire::error(reference.as_deref(), self.state.clock.now(), &error)),
        };
        let (state, session_id, is_new) = (Arc::clone(&self.state), self.id, self.credential.is_none());
        let check = async move {
            // The session accepts nothing from the hub while it waits for this check.
            if !is_new {
                state.hub.suspend(session_id).await?;
            }
            let checked = check_token(&state, &token).await;
            if checked.is_err() && !is_new {
                state.hub.opened(session_id, None).await?;
            }
            checked
        };
        ctx.wait(check.into_actor(self).map(move |checked: Result<_>, session, ctx| {
            let allowed = checked.and_then(|(credential, user)| Ok((session.agree(credential)?, user)));
            match allowed {
                Ok((credential, user)) => {
                    let caller = session.belong_to(credential, ctx);
                    let greet = move |session: &mut Session, private_rev: i64| {
                        session.confirm(&user, reference.as_deref());
                        if is_new {
                            session.welcome(caller, private_rev);
                        }
                    };
                    session.attach(caller, greet, ctx);
                }
                Err(error) => session.refuse_token(&error, reference.as_deref(), ctx),
            }
        }));
    }

    /// Checks whether the session may belong to this user, and until when.
    fn agree(&self, new: Credential) -> Result<Credential> {
        match self.credential {
            None => self.permit.as_ref().map_or(Ok(()), |permit| permit.identify(new.caller.user_id)).map(|()| new),
            Some(old) if old.caller.user_id != new.caller.user_id => {
                Err(Error::Unauthenticated("this connection belongs to another user"))
            }
            // The longer validity stays, which is that of a cookie or of a later token.
            Some(old) if old.caller.login_id == new.caller.login_id => {
                let expires_at = old.expires_at.zip(new.expires_at).map(|(old, new)| old.max(new));
                Ok(Credential { expires_at, ..new })
            }
            Some(_) => Ok(new),
        }
    }

    /// Makes the session the caller's. The session ends when the token expires.
    fn belong_to(&mut self, credential: Credential, ctx: &mut Ctx) -> Caller {
        let caller = Caller { session_id: Some(self.id), ..credential.caller };
        self.credential = Some(Credential { caller, ..credential });
        // If there was no deadline until now, this cancels nothing.
        ctx.cancel_future(std::mem::take(&mut self.deadline));
        if let Some(expires_at) = credential.expires_at {
            let clock = self.state.clock.clone();
            let end = async move {
                while let left @ 1.. = expires_at.as_millis() - clock.now().as_millis() {
                    tokio::time::sleep(Duration::from_millis(left.unsigned_abs())).await;
                }
                CloseCode::LoginEnded
            };
            self.close_after(end, ctx);
        }
        caller
    }

    fn close_after(&mut self, end: impl Future<Output = CloseCode> + 'static, ctx: &mut Ctx) {
        self.deadline = ctx.spawn(end.into_actor(self).map(|code, session, ctx| session.close(code, ctx)));
    }

    fn confirm(&self, user: &UserView, reference: Option<&str>) {
        self.tell(Level::Info, "socket authenticated", format_args!(" session={}", self.id));
        let body = Authenticated {
            user_id: user.id,
            username: &user.username,
            display_name: &user.display_name,
            email: user.email.as_ref().and_then(Option::as_deref),
            expires_at: self.credential.and_then(|credential| credential.expires_at),
            r#ref: reference,
        };
        self.socket.text(wire::encode("authenticated", self.state.clock.now(), &body));
    }

    /// Refuses a token. A temporary error does not close the socket, because the client may send
    /// the token again.
    fn refuse_token(&mut self, error: &Error, reference: Option<&str>, ctx: &mut Ctx) {
        self.tell_refusal(AUTHENTICATE, error);
        self.socket.text(wire::auth_error(reference, self.state.clock.now(), error));
        if !error.code().meaning().is_temporary {
            self.turn_away(error, ctx);
        }
    }
}
