//! The actor, with sessions that are no sockets: what it says when one of them
//! is gone already.

use super::{Afterwards, Attachment, Batch, Delivery, Hub, HubSeat, HubSettings, ToSession};
use crate::clock::Clock;
use crate::ids::{ConversationId, LoginId, SessionId, UserId};
use crate::wire::{Event, TypingEvent, ViewingEvent};
use actix::prelude::*;
use std::num::NonZeroU64;
use std::time::Duration;
use tokio::sync::oneshot;

/// Who does something; the others hear it.
const ONE: i64 = 1;

/// Keeps the frames it gets.
#[derive(Default)]
struct Listener(Vec<String>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<ToSession> for Listener {
    type Result = ();

    fn handle(&mut self, what: ToSession, _: &mut Context<Self>) {
        let ToSession::Deliver(all) = what else { return };
        self.0.extend(all.into_iter().map(|delivery| match delivery {
            Delivery::Lasting(frame) | Delivery::Passing(_, frame) => frame.to_string(),
        }));
    }
}

/// Of each frame, whether it sets a mark.
#[derive(Message)]
#[rtype(result = "Vec<bool>")]
struct Marks;

impl Handler<Marks> for Listener {
    type Result = Vec<bool>;

    fn handle(&mut self, _: Marks, _: &mut Context<Self>) -> Vec<bool> {
        self.0.iter().map(|frame| frame.contains(":true")).collect()
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

fn started() -> (Hub, HubSeat) {
    let second = Duration::from_secs(1);
    let settings = HubSettings { presence_grace: second, typing_timeout: second, clock: Clock::system() };
    let (hub, seat, _) = Hub::new(settings);
    seat.start();
    (hub, seat)
}

fn session_of(user: i64) -> SessionId {
    SessionId::new(NonZeroU64::new(user as u64).unwrap())
}

async fn attach(hub: &Hub, user: i64) -> Addr<Listener> {
    let listener = Listener::default().start();
    let (session_id, user_id, login_id) = (session_of(user), UserId::new(user), Some(LoginId::new(user)));
    let to_session = listener.clone().recipient();
    hub.attach(Attachment { session_id, user_id, login_id, to_session }).await.unwrap();
    listener
}

/// Returns when the hub is done with it.
async fn deliver(hub: &Hub, events: Vec<Event>) {
    let (done, settled) = oneshot::channel();
    let then: Afterwards = Box::new(move || done.send(()).unwrap());
    assert!(hub.batches.send(Batch { events, then: vec![then] }).await.is_ok());
    settled.await.unwrap();
}

fn types(to: std::ops::Range<i64>) -> Event {
    Event::Typing(TypingEvent {
        conversation_id: ConversationId::new(1),
        user_id: UserId::new(ONE),
        recipient_id: None,
        is_typing: true,
        to: to.map(UserId::new).collect(),
        session: Some(session_of(ONE)),
    })
}

fn looks(to: std::ops::Range<i64>) -> Event {
    Event::Viewing(ViewingEvent {
        conversation_id: ConversationId::new(1),
        user_id: UserId::new(ONE),
        is_viewing: true,
        to: to.map(UserId::new).collect(),
        session: Some(session_of(ONE)),
    })
}

#[test]
fn that_a_typist_is_gone_is_said_after_that_they_type() {
    System::new().block_on(async {
        let (hub, _seat) = started();
        let typist = attach(&hub, ONE).await;
        let mut readers = Vec::new();
        for user in 2..10 {
            readers.push(attach(&hub, user).await);
        }
        typist.send(Stop).await.unwrap();
        // The hub learns of it when it has something for them.
        let frame = Event::Frame { to: vec![UserId::new(ONE)], frame: "{}".into(), ends_typing: None };
        deliver(&hub, vec![types(2..10), frame]).await;
        assert_eq!(hub.stats().await.unwrap().connections, readers.len());
        for reader in readers {
            assert_eq!(reader.send(Marks).await.unwrap(), [true, false]);
        }
    });
}

#[test]
fn who_is_gone_is_not_said_to_look() {
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
