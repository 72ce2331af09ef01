//! What the handle asks of the actor, each with its answer.

use super::HubActor;
use crate::error::{Error, Result};
use crate::hub::Attachment;
use crate::hub::badges::UnreadChange;
use crate::hub::outgoing::{Delivery, Outgoing};
use crate::hub::registry::{Holder, Stats};
use crate::ids::{SessionId, UserId};
use crate::wire::{self, CloseCode, PresenceState};
use actix::prelude::*;
use std::collections::HashSet;

#[derive(Message)]
#[rtype(result = "Result<bool>")]
pub(in crate::hub) struct Attach(pub Attachment);

impl Handler<Attach> for HubActor {
    type Result = Result<bool>;

    fn handle(&mut self, Attach(attachment): Attach, _: &mut Context<Self>) -> Result<bool> {
        let Attachment { session_id, user_id, login_id, to_session } = attachment;
        if self.is_draining {
            return Err(Error::Unavailable("the hub is restarting"));
        }
        let is_new = self.registry.sink(session_id).is_none();
        self.registry.attach(session_id, user_id, login_id, to_session);
        if is_new {
            self.opening.insert(session_id, HashSet::new());
            self.presence.arrived(user_id);
        }
        Ok(is_new)
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hub) struct Detach(pub SessionId);

impl Handler<Detach> for HubActor {
    type Result = ();

    fn handle(&mut self, Detach(session_id): Detach, _: &mut Context<Self>) {
        self.detach(session_id);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hub) struct SendPresenceState {
    pub session_id: SessionId,
    pub visible: Vec<UserId>,
}

impl Handler<SendPresenceState> for HubActor {
    type Result = ();

    fn handle(&mut self, SendPresenceState { session_id, visible }: SendPresenceState, _: &mut Context<Self>) {
        let hidden = self.opening.remove(&session_id).unwrap_or_default();
        let visible = visible.into_iter().filter(|user_id| !hidden.contains(user_id));
        let online: Vec<UserId> = visible.filter(|user_id| self.presence.show(*user_id)).collect();
        let frame = wire::encode("presence_state", self.settings.clock.now(), &PresenceState { online: &online });
        let mut outgoing = Outgoing::default();
        outgoing.add_one(session_id, Delivery::Lasting(frame));
        self.flush(outgoing);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hub) struct Reannounce(pub UserId);

impl Handler<Reannounce> for HubActor {
    type Result = ();

    fn handle(&mut self, Reannounce(user_id): Reannounce, _: &mut Context<Self>) {
        self.presence.reannounce(user_id);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hub) struct Recount(pub UnreadChange);

impl Handler<Recount> for HubActor {
    type Result = ();

    fn handle(&mut self, Recount(change): Recount, _: &mut Context<Self>) {
        if self.registry.has(change.user_id) {
            self.badges.put_back(change);
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::hub) struct CloseAll(pub CloseCode);

impl Handler<CloseAll> for HubActor {
    type Result = ();

    fn handle(&mut self, CloseAll(code): CloseAll, _: &mut Context<Self>) {
        self.is_draining = true;
        for session_id in self.registry.all() {
            self.close(session_id, code);
        }
    }
}

#[derive(Message)]
#[rtype(result = "Vec<Holder>")]
pub(in crate::hub) struct ListHolders {
    pub after: Option<Holder>,
    pub most: usize,
}

impl Handler<ListHolders> for HubActor {
    type Result = Vec<Holder>;

    fn handle(&mut self, ListHolders { after, most }: ListHolders, _: &mut Context<Self>) -> Vec<Holder> {
        self.registry.holders(after, most)
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
            is_draining: self.is_draining,
        })
    }
}
