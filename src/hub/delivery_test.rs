//! Tests of delivery to many users: all recipients share one encoded frame.

use super::*;
use crate::clock::{Clock, random_session_id};
use crate::ids::{LoginId, UserId};
use crate::wire::{Effect, Frame};
use actix::{Actor, Context, Handler};
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

#[actix_web::test]
async fn everybody_gets_the_bytes_that_were_encoded_once() {
    let settings =
        HubSettings { presence_grace: Duration::ZERO, typing_timeout: Duration::ZERO, clock: Clock::system() };
    let (hub, starter, _announcements) = Hub::new(settings);
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
        hub.attach(attachment).await.unwrap();
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
