//! Requests of the handle to the actor, each with its answer.

use super::{HubActor, resync};
use crate::error::{Error, Result};
use crate::hub::outgoing::{Delivery, Outgoing};
use crate::hub::presence::Transition;
use crate::hub::registry::{SessionOwner, Stats};
use crate::hub::unread::{CountRequest, Counted};
use crate::hub::{Attached, Attachment, opening};
use crate::ids::{SessionId, UserId};
use crate::wire::CloseCode;
use actix::prelude::*;
use std::time::Instant;

#[derive(Message)]
#[rtype(result = "Result<Attached>")]
pub(in crate::hub) struct Attach {
    pub attachment: Attachment,
    pub seen: Option<(i64, Vec<UserId>)>,
}

impl Handler<Attach> for HubActor {
    type Result = Result<Attached>;

    fn handle(&mut self, Attach { attachment, seen }: Attach, _: &mut Context<Self>) -> Result<Attached> {
        let Attachment { session_id, user_id, login_id, to_session } = attachment;
        if self.is_draining {
            return Err(Error::Unavailable("the hub is restarting"));
        }
        let is_new = self.registry.sink(session_id).is_none();
        self.registry.attach(session_id, user_id, login_id, to_session);
        if !is_new {
            self.opening.entry(session_id).or_default();
            return Ok(Attached::Again);
        }
        self.presence.on_connect(user_id);
        self.unread.on_connect(user_id);
        match seen {
            Some((commit, visible)) if commit >= self.delivered => {
                let mut outgoing = Outgoing::default();
                self.add_online(session_id, visible, &mut outgoing);
                self.flush(outgoing);
                Ok(Attached::Opened)
            }
            _ => {
                self.opening.entry(session_id).or_default();
                Ok(Attached::New)
            }
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hub) struct Detach(pub SessionId);

impl Handler<Detach> for HubActor {
    type Result = ();

    fn handle(&mut self, Detach(session_id): Detach, _: &mut Context<Self>) {
        let mut outgoing = Outgoing::default();
        self.detach(session_id, &mut outgoing);
        self.flush(outgoing);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hub) struct Suspend(pub SessionId);

impl Handler<Suspend> for HubActor {
    type Result = ();

    fn handle(&mut self, Suspend(session_id): Suspend, _: &mut Context<Self>) {
        if self.registry.sink(session_id).is_some() {
            self.opening.entry(session_id).or_default();
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hub) struct Opened {
    pub session_id: SessionId,
    pub visible: Option<Vec<UserId>>,
}

impl Handler<Opened> for HubActor {
    type Result = ();

    fn handle(&mut self, Opened { session_id, visible }: Opened, _: &mut Context<Self>) {
        let Some(opening) = self.opening.remove(&session_id) else { return };
        let opening::Opened { hidden, kept, has_missed } = opening.finish();
        let (now, mut outgoing) = (self.settings.clock.now(), Outgoing::default());
        kept.into_iter().for_each(|delivery| outgoing.add_one(session_id, delivery));
        if let Some(visible) = visible {
            let visible = visible.into_iter().filter(|user_id| !hidden.contains(user_id)).collect();
            self.add_online(session_id, visible, &mut outgoing);
        }
        if has_missed {
            outgoing.add_one(session_id, Delivery::Reliable(resync(now)));
        }
        self.flush(outgoing);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hub) struct Settle {
    pub transitions: Vec<Transition>,
    pub is_delivered: bool,
}

impl Handler<Settle> for HubActor {
    type Result = ();

    fn handle(&mut self, Settle { transitions, is_delivered }: Settle, _: &mut Context<Self>) {
        transitions.into_iter().for_each(|transition| self.presence.settle(transition, is_delivered));
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hub) struct SetCounts {
    pub request: CountRequest,
    /// None when counting failed.
    pub counted: Option<Counted>,
}

impl Handler<SetCounts> for HubActor {
    type Result = ();

    fn handle(&mut self, SetCounts { request, counted }: SetCounts, _: &mut Context<Self>) {
        let now = Instant::now();
        let Some(counted) = counted else { return self.unread.count_failed(&request, now) };
        if let Some(update) = self.unread.counted(&request, counted, now) {
            let mut outgoing = Outgoing::default();
            self.add_unread(request.user_id, &update, &mut outgoing);
            self.flush(outgoing);
        }
    }
}

#[derive(Message)]
#[rtype(result = "Vec<UserId>")]
pub(in crate::hub) struct CloseAll(pub CloseCode);

impl Handler<CloseAll> for HubActor {
    type Result = Vec<UserId>;

    fn handle(&mut self, CloseAll(code): CloseAll, _: &mut Context<Self>) -> Vec<UserId> {
        self.is_draining = true;
        let online = self.presence.not_written_down();
        self.close_each(self.registry.all(), code);
        online
    }
}

#[derive(Message)]
#[rtype(result = "Vec<SessionOwner>")]
pub(in crate::hub) struct ListSessionOwners {
    pub after: Option<SessionOwner>,
    pub most: usize,
}

impl Handler<ListSessionOwners> for HubActor {
    type Result = Vec<SessionOwner>;

    fn handle(
        &mut self,
        ListSessionOwners { after, most }: ListSessionOwners,
        _: &mut Context<Self>,
    ) -> Vec<SessionOwner> {
        self.registry.session_owners(after, most)
    }
}

#[derive(Message)]
#[rtype(result = "usize")]
pub(in crate::hub) struct CountSessions(pub UserId);

impl Handler<CountSessions> for HubActor {
    type Result = usize;

    fn handle(&mut self, CountSessions(user_id): CountSessions, _: &mut Context<Self>) -> usize {
        self.registry.sessions_of(user_id).count()
    }
}

pub(in crate::hub) struct GetStats;

impl Message for GetStats {
    type Result = Stats;
}

impl Handler<GetStats> for HubActor {
    type Result = MessageResult<GetStats>;

    fn handle(&mut self, _: GetStats, _: &mut Context<Self>) -> Self::Result {
        #[cfg(debug_assertions)]
        self.registry.check_invariants();
        MessageResult(Stats {
            connections: self.registry.connections(),
            authenticated_users: self.registry.users(),
            evicted: self.evicted,
        })
    }
}
