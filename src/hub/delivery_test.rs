//! Tests of delivery to many users: all recipients share one encoded frame.

use super::relay::{Local, Relay};
use super::*;
use crate::clock::{Clock, random_session_id};
use crate::ids::{LoginId, UserId};
use crate::wire::{Effect, Frame};
use actix::{Actor, Context, Handler};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// A session that keeps the frames it gets.
struct Listener(mpsc::UnboundedSender<Frame>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<ToSession> for Listener {
    type Result = ();

    fn handle(&mut self, what: ToSession, _: &mut Self::Context) {
        let ToSession::Deliver(all) = what else { return };
        for delivery in all {
            if let Delivery::Reliable(frame) = delivery {
                self.0.send(frame).unwrap();
            }
        }
    }
}

/// A relay that remembers what it was told.
#[derive(Debug, Default)]
struct Spy(Mutex<Vec<Effect>>);

impl Relay for Spy {
    fn tell(&self, effects: &[Effect]) {
        self.0.lock().unwrap().extend_from_slice(effects);
    }
}

fn new_hub(relay: Arc<dyn Relay>) -> (Hub, HubStarter, Announcements) {
    Hub::new(HubSettings {
        presence_grace: Duration::ZERO,
        typing_timeout: Duration::ZERO,
        clock: Clock::system(),
        relay,
    })
}

#[actix_web::test]
async fn the_relay_gets_every_effect_before_it_is_delivered() {
    let spy = Arc::new(Spy::default());
    let (hub, starter, _announcements) = new_hub(Arc::clone(&spy) as Arc<dyn Relay>);
    let frame = |number: i64| Effect::Frame { to: vec![UserId::new(number)], frame: "".into(), ends_typing: None };
    let told = || -> Vec<i64> {
        let told = spy.0.lock().unwrap();
        told.iter().map(|effect| if let Effect::Frame { to, .. } = effect { to[0].get() } else { 0 }).collect()
    };
    // The hub does not run yet, so nothing was delivered.
    hub.deliver(vec![frame(1), frame(2)]).await;
    assert_eq!(told(), [1, 2]);
    let writer = hub.clone();
    let (answer, answered) = tokio::sync::oneshot::channel();
    let then: Vec<AfterDelivery> = vec![Box::new(move || answer.send(()).unwrap())];
    tokio::task::spawn_blocking(move || writer.deliver_blocking(vec![frame(3)], 1, then)).await.unwrap();
    assert_eq!(told(), [1, 2, 3]);
    starter.start();
    answered.await.unwrap();
    assert_eq!(told(), [1, 2, 3], "each effect once");
}

#[actix_web::test]
async fn a_session_opens_at_once_unless_its_snapshot_is_outdated() {
    let (hub, starter, _announcements) = new_hub(Arc::new(Local));
    starter.start();
    let (ann, bob) = (UserId::new(1), UserId::new(2));
    let attach = |user_id, seen| {
        let (sender, inbox) = mpsc::unbounded_channel();
        let attachment = Attachment {
            session_id: random_session_id(),
            user_id,
            login_id: None,
            to_session: Listener(sender).start().recipient(),
        };
        let (hub, session_id) = (hub.clone(), attachment.session_id);
        async move { (hub.attach(attachment, seen).await.unwrap(), session_id, inbox) }
    };
    let commit = |number| {
        let (hub, frame) = (hub.clone(), Effect::Frame { to: vec![bob], frame: "new".into(), ends_typing: None });
        let (tell, is_delivered) = tokio::sync::oneshot::channel();
        let then: Vec<AfterDelivery> = vec![Box::new(move || tell.send(()).unwrap())];
        tokio::task::spawn_blocking(move || hub.deliver_blocking(vec![frame], number, then));
        is_delivered
    };
    let (ann_attached, ..) = attach(ann, Some((0, Vec::new()))).await;
    assert_eq!(ann_attached, Attached::Opened, "nothing was delivered yet");
    commit(7).await.unwrap();
    let (same, _, mut inbox) = attach(bob, Some((7, vec![ann]))).await;
    assert_eq!(same, Attached::Opened);
    let first = inbox.recv().await.unwrap();
    assert!(first.starts_with(r#"{"type":"presence_state""#) && first.ends_with(r#""online":[1]}"#), "{first}");
    commit(8).await.unwrap();
    assert_eq!(inbox.recv().await.unwrap(), "new");

    let (outdated, session_id, mut inbox) = attach(bob, Some((7, vec![ann]))).await;
    assert_eq!(outdated, Attached::New, "the snapshot lacks transaction 8");
    commit(9).await.unwrap();
    hub.opened(session_id, Some(Vec::new())).await.unwrap();
    assert_eq!(inbox.recv().await.unwrap(), "new", "kept until the session was opened");
    let (without, ..) = attach(bob, None).await;
    assert_eq!(without, Attached::New);
}

#[actix_web::test]
async fn all_recipients_get_the_same_encoded_bytes() {
    let (hub, starter, _announcements) = new_hub(Arc::new(Local));
    starter.start();
    let mut inboxes = Vec::new();
    for number in [1, 1, 2] {
        let (sender, inbox) = mpsc::unbounded_channel();
        let attachment = Attachment {
            session_id: random_session_id(),
            user_id: UserId::new(number),
            login_id: Some(LoginId::new(number)),
            to_session: Listener(sender).start().recipient(),
        };
        let session_id = attachment.session_id;
        hub.attach(attachment, None).await.unwrap();
        hub.opened(session_id, None).await.unwrap();
        inboxes.push(inbox);
    }
    let frame: Frame = "the same for all".into();
    let to = vec![UserId::new(1), UserId::new(2)];
    hub.deliver(vec![Effect::Frame { to, frame: frame.clone(), ends_typing: None }]).await;
    for inbox in &mut inboxes {
        let delivered = inbox.recv().await.unwrap();
        assert_eq!(delivered.as_bytes().as_ptr(), frame.as_bytes().as_ptr());
    }
}
