//! The hub actor: passes messages between the handle and the pure structures.
//!
//! Every send to a session is a `try_send`. A session that does not accept a message is cut off at
//! once, and notices this later. The client reconnects and loses nothing, because the store has
//! every message.

mod requests;

pub(super) use requests::{
    Attach, CloseAll, CountSessions, Detach, GetStats, ListSessionOwners, Opened, SetCounts, Settle, Suspend,
};

use super::mailbox::{Batch, HubSettings, Inbox, ToSession};
use super::opening::Opening;
use super::outgoing::{Delivery, Ephemeral, Outgoing};
use super::presence::{Presence, Transition};
use super::registry::Registry;
use super::resyncs::Resyncs;
use super::typing::TypingTable;
use super::unread::{CountRequest, Due, UnreadTable, Update};
use super::viewing::ViewingTable;
use crate::ids::{SessionId, Timestamp, UserId};
use crate::wire::{self, CloseCode, Effect, Frame, OnlineStatus, PresenceState, Resync, Viewing, ViewingEvent};
use actix::prelude::*;
use futures_util::stream::poll_fn;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Interval between two checks for silence and absence; both last seconds.
const TICK: Duration = Duration::from_millis(100);

pub struct HubActor {
    registry: Registry<Recipient<ToSession>>,
    presence: Presence,
    typing: TypingTable,
    viewing: ViewingTable,
    unread: UnreadTable,
    resyncs: Resyncs,
    transitions: mpsc::Sender<Transition>,
    to_count: mpsc::Sender<CountRequest>,
    /// Sessions that do not take frames yet.
    opening: HashMap<SessionId, Opening>,
    settings: HubSettings,
    evicted: u64,
    /// The number of the last transaction whose effects were delivered.
    delivered: i64,
    /// The hub is shutting down: no session attaches any more.
    is_draining: bool,
}

impl Actor for HubActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(TICK, |hub, _| hub.tick(Instant::now()));
    }
}

impl HubActor {
    pub(super) fn start_with(inbox: Inbox, settings: HubSettings) -> Addr<Self> {
        let Inbox { mut batches, transitions, to_count } = inbox;
        Self::create(move |ctx| {
            ctx.add_stream(poll_fn(move |cx| batches.poll_recv(cx)));
            Self {
                registry: Registry::default(),
                presence: Presence::new(settings.presence_grace),
                typing: TypingTable::new(settings.typing_timeout),
                viewing: ViewingTable::default(),
                unread: UnreadTable::default(),
                resyncs: Resyncs::default(),
                transitions,
                to_count,
                opening: HashMap::new(),
                settings,
                evicted: 0,
                delivered: 0,
                is_draining: false,
            }
        })
    }

    fn tick(&mut self, now: Instant) {
        let (sent_at, mut ended) = (self.settings.clock.now(), Outgoing::default());
        ended.add_typing(&self.registry, sent_at, self.typing.expire(now));
        ended.add_viewing(&self.registry, sent_at, self.viewing.expire(now));
        self.flush(ended);
        self.presence.expire(now);
        // A full channel loses nothing: transitions that are not taken stay in the hub, merged.
        while let Ok(permit) = self.transitions.try_reserve() {
            match self.presence.next_transition() {
                Some(transition) => permit.send(transition),
                None => break,
            }
        }
        self.unread.sweep(now);
        let mut outgoing = Outgoing::default();
        self.add_due_unread(now, &mut outgoing);
        self.flush(outgoing);
        self.tell_to_sync(now);
    }

    /// Adds the unread updates that are due, and asks for the counts that others need.
    fn add_due_unread(&mut self, now: Instant, outgoing: &mut Outgoing) {
        loop {
            let permit = self.to_count.try_reserve().ok();
            match (self.unread.next_due(now, permit.is_some()), permit) {
                (Some(Due::Send(user_id, update)), _) => self.add_unread(user_id, &update, outgoing),
                (Some(Due::Count(request)), Some(permit)) => permit.send(request),
                (Some(Due::Count(request)), None) => self.unread.count_failed(&request, now),
                (None, _) => return,
            }
        }
    }

    fn add_unread(&self, user_id: UserId, update: &Update, outgoing: &mut Outgoing) {
        let frame = wire::encode("unread_count_update", self.settings.clock.now(), &update.body());
        outgoing.add(&self.registry, &[user_id], &Delivery::Reliable(frame));
    }

    fn tell_to_sync(&mut self, now: Instant) {
        let sessions = self.resyncs.next(|| self.registry.all(), now);
        if sessions.is_empty() {
            return;
        }
        let frame = resync(self.settings.clock.now());
        let mut outgoing = Outgoing::default();
        sessions.into_iter().for_each(|id| outgoing.add_one(id, Delivery::Reliable(frame.clone())));
        self.flush(outgoing);
    }

    fn deliver(&mut self, effects: Vec<Effect>, commit: i64) {
        let (now, instant, mut outgoing) = (self.settings.clock.now(), Instant::now(), Outgoing::default());
        for effect in effects {
            match effect {
                Effect::Frame { to, frame, ends_typing } => {
                    if let Some((conversation_id, user_id)) = ends_typing {
                        self.typing.on_message(conversation_id, user_id);
                    }
                    outgoing.add(&self.registry, &to, &Delivery::Reliable(frame));
                }
                Effect::Typing(typing) => {
                    let relayed = self.typing.on_event(typing, instant);
                    outgoing.add_typing(&self.registry, now, relayed);
                }
                Effect::Viewing(viewing) => self.on_viewing(viewing, now, &mut outgoing),
                Effect::Status { to, user_id, frame } => {
                    self.presence.on_delivery(user_id);
                    outgoing.add(&self.registry, &to, &Delivery::Ephemeral(Ephemeral::Presence(user_id), frame));
                }
                Effect::Left { conversation_id, user_id } => {
                    outgoing.add_typing(&self.registry, now, self.typing.on_leave(conversation_id, user_id));
                    outgoing.add_viewing(&self.registry, now, self.viewing.on_leave(conversation_id, user_id));
                }
                Effect::Blocked(one, other) => {
                    outgoing.add_typing(&self.registry, now, self.typing.on_block(one, other));
                    outgoing.add_viewing(&self.registry, now, self.viewing.on_block(one, other));
                }
                Effect::Presence { viewer, subject, is_visible, last_seen_at } => {
                    if let Some(status) = self.on_visibility(viewer, subject, is_visible, last_seen_at, now) {
                        let frame = wire::encode("user_online_status", now, &status);
                        outgoing.add(
                            &self.registry,
                            &[viewer],
                            &Delivery::Ephemeral(Ephemeral::Presence(subject), frame),
                        );
                    }
                }
                Effect::Unread { conversation_id, users, change } => {
                    for user_id in users {
                        let user = (user_id, || self.registry.has(user_id));
                        self.unread.changed(user, conversation_id, &change, (commit, instant));
                    }
                }
                Effect::ReceiptsPending => {}
                Effect::Resync => {
                    self.resyncs.add(|| self.registry.all(), instant);
                    self.unread.forget_all(instant);
                }
                Effect::LoginEnded(login_id) => {
                    let ended = self.registry.sessions_of_login(login_id);
                    self.end(ended, CloseCode::LoginEnded, std::mem::take(&mut outgoing));
                }
                Effect::LoginsEnded(user_id) => {
                    let ended = self.registry.sessions_of(user_id).collect();
                    self.end(ended, CloseCode::LoginEnded, std::mem::take(&mut outgoing));
                }
                Effect::AccountDisabled(user_id) => {
                    let ended = self.registry.sessions_of(user_id).collect();
                    self.end(ended, CloseCode::AccountDisabled, std::mem::take(&mut outgoing));
                }
            }
        }
        // In the same write as the messages.
        self.add_due_unread(instant, &mut outgoing);
        self.flush(outgoing);
    }

    /// Adds the frame with the users who are online among those whose presence a session may see.
    fn add_online(&mut self, session_id: SessionId, visible: Vec<UserId>, outgoing: &mut Outgoing) {
        let online: Vec<UserId> = visible.into_iter().filter(|user_id| self.presence.show(*user_id)).collect();
        let frame = wire::encode("presence_state", self.settings.clock.now(), &PresenceState { online: &online });
        outgoing.add_one(session_id, Delivery::Reliable(frame));
    }

    /// Delivers a viewing event. The socket that starts viewing is also sent the users who already
    /// view the conversation.
    fn on_viewing(&mut self, viewing: ViewingEvent, now: Timestamp, outgoing: &mut Outgoing) {
        if let Some(session_id) = viewing.session {
            if self.registry.sink(session_id).is_none() {
                // The session detached earlier, and its marks ended with it.
                return;
            }
            for user_id in self.viewing.snapshot(&viewing) {
                let body = Viewing { conversation_id: viewing.conversation_id, user_id, is_viewing: true };
                outgoing.add_one(session_id, Delivery::Reliable(wire::encode("viewing", now, &body)));
            }
        }
        outgoing.add_viewing(&self.registry, now, self.viewing.on_event(viewing, Instant::now()));
    }

    /// Closes these sessions after the frames that this batch addressed to them before.
    fn end(&mut self, sessions: Vec<SessionId>, code: CloseCode, before: Outgoing) {
        self.flush(before);
        self.close_each(sessions, code);
    }

    fn close_each(&mut self, sessions: Vec<SessionId>, code: CloseCode) {
        let mut outgoing = Outgoing::default();
        for session_id in sessions {
            self.close(session_id, code, &mut outgoing);
        }
        self.flush(outgoing);
    }

    /// Returns the frame that the viewer gets, if any.
    fn on_visibility(
        &mut self,
        viewer: UserId,
        subject: UserId,
        is_visible: bool,
        last_seen_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<OnlineStatus> {
        if !self.registry.has(viewer) {
            return None;
        }
        self.note_visibility(viewer, subject, is_visible);
        match (is_visible, self.presence.is_online(subject)) {
            (true, _) => Some(OnlineStatus { user_id: subject, is_online: self.presence.show(subject), last_seen_at }),
            // A hidden user looks as if they had just gone offline.
            (false, true) => Some(OnlineStatus { user_id: subject, is_online: false, last_seen_at: Some(now) }),
            (false, false) => None,
        }
    }

    fn note_visibility(&mut self, viewer: UserId, subject: UserId, is_visible: bool) {
        for session_id in self.registry.sessions_of(viewer) {
            if let Some(opening) = self.opening.get_mut(&session_id) {
                opening.note_visibility(subject, is_visible);
            }
        }
    }

    /// Sends the frames and cuts off the sessions that do not accept them. The frames about these
    /// sessions go out in the next round, and so on. A chain of cut-off sessions therefore costs
    /// rounds, not stack.
    fn flush(&mut self, mut outgoing: Outgoing) {
        while !outgoing.by_session.is_empty() {
            let failed = self.send(outgoing);
            outgoing = Outgoing::default();
            // The frames about a departed user follow all frames that the user caused before.
            for (session_id, why) in failed {
                self.give_up(session_id, &why, &mut outgoing);
            }
        }
    }

    /// Sends the frames. Returns the sessions that did not accept them.
    fn send(&mut self, outgoing: Outgoing) -> Vec<(SessionId, SendError<ToSession>)> {
        let mut failed = Vec::new();
        for (session_id, deliveries) in outgoing.by_session {
            if let Some(opening) = self.opening.get_mut(&session_id) {
                opening.keep(deliveries);
                continue;
            }
            let sink = self.registry.sink(session_id);
            let sent = sink.map_or(Ok(()), |sink| sink.try_send(ToSession::Deliver(deliveries)));
            failed.extend(sent.err().map(|why| (session_id, why)));
        }
        failed
    }

    fn give_up(&mut self, session_id: SessionId, why: &SendError<ToSession>, outgoing: &mut Outgoing) {
        if self.registry.sink(session_id).is_none() {
            return;
        }
        match why {
            SendError::Closed(_) => self.detach(session_id, outgoing),
            SendError::Full(_) => {
                self.evicted += 1;
                log::info!("session={session_id} disconnected: it does not read its frames");
                self.close(session_id, CloseCode::TooSlow, outgoing);
            }
        }
    }

    /// Closes a session. Removes it first, so that no later message reaches it.
    #[expect(clippy::disallowed_methods, reason = "the last message to a session, so at most one in each mailbox")]
    fn close(&mut self, session_id: SessionId, code: CloseCode, outgoing: &mut Outgoing) {
        let sink = self.registry.sink(session_id).cloned();
        self.detach(session_id, outgoing);
        if let Some(sink) = sink {
            sink.do_send(ToSession::Close(code));
        }
    }

    /// Detaches a session. Adds the frames that tell other users that its marks ended.
    fn detach(&mut self, session_id: SessionId, outgoing: &mut Outgoing) {
        self.opening.remove(&session_id);
        let Some(detached) = self.registry.detach(session_id) else { return };
        if detached.was_last {
            let now = Instant::now();
            self.presence.on_disconnect(detached.user_id, now);
            self.unread.on_disconnect(detached.user_id, now);
        }
        let now = self.settings.clock.now();
        outgoing.add_typing(&self.registry, now, self.typing.on_disconnect(detached.user_id, session_id));
        outgoing.add_viewing(&self.registry, now, self.viewing.on_disconnect(detached.user_id, session_id));
    }
}

/// Builds the frame that tells a session that it may have missed something.
fn resync(now: Timestamp) -> Frame {
    wire::encode("system", now, &Resync { event: "resync", message: "you may have missed frames: send sync" })
}

impl StreamHandler<Batch> for HubActor {
    fn handle(&mut self, Batch { effects, commit, then }: Batch, _: &mut Context<Self>) {
        if !effects.is_empty() {
            self.delivered = self.delivered.max(commit);
            self.deliver(effects, commit);
        }
        then.into_iter().for_each(|action| action());
    }

    /// All handles are gone: the hub has no work left.
    fn finished(&mut self, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
