//! Tests of the actor with sessions that are no sockets: the frames it sends when a session is
//! already gone.

use super::mailbox::Batch;
use super::relay::Local;
use super::{AfterDelivery, Attachment, Hub, HubSettings, HubStarter, ToSession};
use crate::clock::Clock;
use crate::ids::{ConversationId, LoginId, SessionId, UserId};
use crate::wire::{Effect, TypingEvent, ViewingEvent};
use actix::prelude::*;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The user who acts; the others receive the frames.
const ONE: i64 = 1;

/// A session that keeps the frames it gets.
#[derive(Default)]
struct Listener(Vec<String>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<ToSession> for Listener {
    type Result = ();

    fn handle(&mut self, what: ToSession, _: &mut Context<Self>) {
        let ToSession::Deliver(all) = what else { return };
        self.0.extend(all.into_iter().map(|delivery| delivery.frame().to_string()));
    }
}

/// Asks for each frame whether it sets a mark.
#[derive(Message)]
#[rtype(result = "Vec<bool>")]
struct Marks;

impl Handler<Marks> for Listener {
    type Result = Vec<bool>;

    fn handle(&mut self, _: Marks, _: &mut Context<Self>) -> Vec<bool> {
        self.0.iter().map(|frame| frame.contains(":true")).collect()
    }
}

/// Asks for the frames so far.
#[derive(Message)]
#[rtype(result = "Vec<String>")]
struct Frames;

impl Handler<Frames> for Listener {
    type Result = Vec<String>;

    fn handle(&mut self, _: Frames, _: &mut Context<Self>) -> Vec<String> {
        self.0.clone()
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for Listener {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

fn started() -> (Hub, HubStarter) {
    let second = Duration::from_secs(1);
    let settings =
        HubSettings { presence_grace: second, typing_timeout: second, clock: Clock::system(), relay: Arc::new(Local) };
    let (hub, starter, _) = Hub::new(settings);
    starter.start();
    (hub, starter)
}

fn session_of(user: i64) -> SessionId {
    SessionId::new(NonZeroU64::new(user as u64).unwrap())
}

/// Attaches an open session.
async fn attach(hub: &Hub, user: i64) -> Addr<Listener> {
    let listener = attach_opening(hub, user).await;
    hub.opened(session_of(user), None).await.unwrap();
    listener
}

async fn attach_opening(hub: &Hub, user: i64) -> Addr<Listener> {
    let listener = Listener::default().start();
    let (session_id, user_id, login_id) = (session_of(user), UserId::new(user), Some(LoginId::new(user)));
    let to_session = listener.clone().recipient();
    hub.attach(Attachment { session_id, user_id, login_id, to_session }, None).await.unwrap();
    listener
}

/// Delivers the effects, and returns when the hub has handled them.
async fn deliver(hub: &Hub, effects: Vec<Effect>) {
    let (done, settled) = oneshot::channel();
    let then: AfterDelivery = Box::new(move || done.send(()).unwrap());
    assert!(hub.batches.send(Batch { effects, commit: 0, then: vec![then] }).await.is_ok());
    settled.await.unwrap();
}

fn types(to: std::ops::Range<i64>) -> Effect {
    Effect::Typing(TypingEvent {
        conversation_id: ConversationId::new(1),
        user_id: UserId::new(ONE),
        recipient_id: None,
        is_typing: true,
        to: to.map(UserId::new).collect(),
        session: Some(session_of(ONE)),
    })
}

fn looks(to: std::ops::Range<i64>) -> Effect {
    Effect::Viewing(ViewingEvent {
        conversation_id: ConversationId::new(1),
        user_id: UserId::new(ONE),
        is_viewing: true,
        to: to.map(UserId::new).collect(),
        session: Some(session_of(ONE)),
    })
}

#[test]
fn the_typing_start_precedes_the_stop_of_a_gone_typist() {
    System::new().block_on(async {
        let (hub, _seat) = started();
        let typist = attach(&hub, ONE).await;
        let mut readers = Vec::new();
        for user in 2..10 {
            readers.push(attach(&hub, user).await);
        }
        typist.send(Stop).await.unwrap();
        // The hub notices the closed sessions when it sends them a frame.
        let frame = Effect::Frame { to: vec![UserId::new(ONE)], frame: "{}".into(), ends_typing: None };
        deliver(&hub, vec![types(2..10), frame]).await;
        assert_eq!(hub.stats().await.unwrap().connections, readers.len());
        for reader in readers {
            assert_eq!(reader.send(Marks).await.unwrap(), [true, false]);
        }
    });
}

#[test]
fn a_disconnected_user_is_not_shown_viewing() {
    System::new().block_on(async {
        let (hub, _seat) = started();
        let reader = attach(&hub, 2).await;
        let _there = attach(&hub, ONE).await;
        hub.detach(session_of(ONE));
        hub.stats().await.unwrap();
        deliver(&hub, vec![looks(2..3)]).await;
        assert!(reader.send(Marks).await.unwrap().is_empty());
    });
}

fn frame(user: i64, text: &str) -> Effect {
    Effect::Frame { to: vec![UserId::new(user)], frame: text.into(), ends_typing: None }
}

#[test]
fn cutting_off_fifty_thousand_sessions_uses_no_stack() {
    const CHAIN: i64 = 50_000;
    System::new().block_on(async {
        let (hub, _seat) = started();
        let mut listeners = Vec::new();
        for user in ONE..=CHAIN {
            listeners.push(attach(&hub, user).await);
            // Each session is notified when the one before stops viewing.
            let looking = ViewingEvent {
                conversation_id: ConversationId::new(user),
                user_id: UserId::new(user),
                is_viewing: true,
                to: vec![UserId::new(user + 1)],
                session: Some(session_of(user)),
            };
            deliver(&hub, vec![Effect::Viewing(looking)]).await;
        }
        for listener in &listeners {
            listener.send(Stop).await.unwrap();
        }
        // The hub finds the first session gone by this frame. It finds each of the others by the
        // frame about the one before.
        deliver(&hub, vec![frame(ONE, "{}")]).await;
        assert_eq!(hub.stats().await.unwrap().connections, 0);
    });
}

#[test]
fn an_opening_session_gets_kept_frames_and_then_presence() {
    System::new().block_on(async {
        let (hub, _seat) = started();
        let opening = attach_opening(&hub, ONE).await;
        for text in ["first", "second"] {
            deliver(&hub, vec![frame(ONE, text)]).await;
        }
        assert!(opening.send(Frames).await.unwrap().is_empty(), "the session takes no frames yet");
        hub.opened(session_of(ONE), Some(Vec::new())).await.unwrap();
        deliver(&hub, vec![frame(ONE, "third")]).await;
        let frames = opening.send(Frames).await.unwrap();
        assert_eq!((frames[0].as_str(), frames[1].as_str(), frames[3].as_str()), ("first", "second", "third"));
        assert!(frames.len() == 4 && frames[2].contains("presence_state"), "{frames:?}");
    });
}

#[test]
fn a_slowly_opening_session_gets_one_resync_and_stays_open() {
    System::new().block_on(async {
        let (hub, _seat) = started();
        let opening = attach_opening(&hub, ONE).await;
        // The session takes nothing meanwhile; its mailbox holds 16 batches.
        for number in 0..2_000 {
            deliver(&hub, vec![frame(ONE, &number.to_string())]).await;
        }
        hub.opened(session_of(ONE), Some(Vec::new())).await.unwrap();
        deliver(&hub, vec![frame(ONE, "afterwards")]).await;
        let frames = opening.send(Frames).await.unwrap();
        assert!(frames[0].contains("presence_state") && frames[1].contains("resync"), "{frames:?}");
        assert_eq!(frames[2..], ["afterwards"]);
        assert_eq!(hub.stats().await.unwrap().evicted, 0);
    });
}

#[test]
fn a_suspended_session_keeps_its_place() {
    System::new().block_on(async {
        let (hub, _seat) = started();
        let listener = attach(&hub, ONE).await;
        hub.suspend(session_of(ONE)).await.unwrap();
        deliver(&hub, vec![frame(ONE, "kept")]).await;
        assert!(listener.send(Frames).await.unwrap().is_empty());
        hub.opened(session_of(ONE), None).await.unwrap();
        assert_eq!(listener.send(Frames).await.unwrap(), ["kept"]);
    });
}
