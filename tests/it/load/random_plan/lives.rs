//! The end of each hub process in a plan, and the end of the plan.

use super::ledger::{Answer, To};
use super::world::World;
use super::{properties, small_hub};
use crate::load::random::Random;
use crate::support::binary::wait_for;
use std::sync::atomic::Ordering;

/// The log lines of a failed COMMIT; no other errors are allowed.
const FAILED_COMMITS: [&str; 2] = ["a write was refused at COMMIT", "it is unknown whether a batch"];

impl World {
    /// SIGKILL while some send: a sender without an answer retries later.
    pub async fn kill(&mut self, random: &mut Random) {
        self.end_by_kill(random).await;
        self.start_again().await;
    }

    pub async fn end_by_kill(&mut self, random: &mut Random) {
        let under_way = self.send_without_waiting(random).await;
        if let Some((at, number)) = random.pick(&under_way).copied().filter(|_| random.below(2) == 0) {
            // The worst moment, if the hub acknowledges before it commits.
            let key = self.ledger.drafts[number].key.clone().into();
            let socket = self.devices[at].socket().expect("it sent by it");
            let answer = Answer::of_frame(&socket.answer_to(&key).await);
            self.ledger.settle(number, &answer);
        }
        self.tables.close();
        self.hub.kill();
        self.counts.kills += 1;
        for (_, code) in self.hear_the_end(&under_way).await {
            assert_eq!(code, None, "a killed hub sends no close code");
        }
        self.wait_until_unused().await;
    }

    /// SIGTERM while some send: every client is told to reconnect.
    pub async fn restart(&mut self, random: &mut Random) {
        self.stop(random).await;
        self.start_again().await;
    }

    pub async fn stop(&mut self, random: &mut Random) {
        let under_way = self.send_without_waiting(random).await;
        self.tables.close();
        self.hub.signal("TERM");
        self.counts.restarts += 1;
        for (name, code) in self.hear_the_end(&under_way).await {
            assert_eq!(code, Some(1012), "{name} gets the close code of a restart");
        }
        assert!(self.hub.has_ended_well().await, "{}", self.hub.log());
        self.wait_until_unused().await;
    }

    async fn send_without_waiting(&mut self, random: &mut Random) -> Vec<(usize, usize)> {
        let mut under_way = Vec::new();
        for at in 0..self.devices.len() {
            for _ in 0..random.below(4) {
                if !self.devices[at].is_connected() {
                    continue;
                }
                let number = self.compose(at, random);
                let frame = self.ledger.attempt(number).frame();
                self.devices[at].socket().expect("the device is connected").frame(frame).await;
                under_way.push((at, number));
            }
        }
        under_way
    }

    /// Reads the frames before the end: an answer to a message counts, the rest is lost. Returns
    /// the close code that each device received.
    async fn hear_the_end(&mut self, under_way: &[(usize, usize)]) -> Vec<(String, Option<u16>)> {
        let mut codes = Vec::new();
        for (at, device) in self.devices.iter_mut().enumerate() {
            let Some(socket) = device.disconnect() else { continue };
            let (code, frames) = socket.ended().await;
            for frame in frames {
                self.order.note_all(device.user.id, &frame);
                let is_answered = |(sender, number): &&(usize, usize)| {
                    *sender == at && frame["ref"] == self.ledger.drafts[*number].key
                };
                if let Some((_, number)) = under_way.iter().find(is_answered) {
                    self.ledger.settle(*number, &Answer::of_frame(&frame));
                }
            }
            codes.push((device.name.clone(), code));
        }
        codes
    }

    /// Waits until nothing uses the database.
    async fn wait_until_unused(&mut self) {
        self.check_log();
        wait_for("the end of the previous hub's database statements", async || {
            (!self.tables.has_other_users()).then_some(())
        })
        .await;
        self.tables.close();
    }

    pub async fn start_again(&mut self) {
        self.hub = small_hub::start(&self.sandbox);
        self.port.store(super::world::port_of(&mut self.hub).await, Ordering::SeqCst);
    }

    /// Checks that the hub logged no errors except those that the plan caused.
    pub fn check_log(&mut self) {
        let log = self.hub.log();
        let complaints = log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked"));
        let (expected, others): (Vec<_>, Vec<_>) =
            complaints.partition(|line| FAILED_COMMITS.iter().any(|words| line.contains(words)));
        assert!(others.is_empty(), "{log}");
        assert_eq!(expected.len(), std::mem::take(&mut self.unknown_commits), "{log}");
    }

    /// Makes a change in every conversation after which nothing is lost any more. The change shows
    /// connected clients what they missed, and offline clients reconnect. Then everything is
    /// compared.
    pub async fn end(&mut self) {
        for number in 0..self.ledger.drafts.len() {
            while self.ledger.list_open(|_| true).contains(&number) {
                self.send_for_sender(number).await;
            }
        }
        // A connected client may have a sync in flight, which is answered later.
        for device in self.devices.iter_mut().step_by(2) {
            device.ask_early(&mut self.order).await;
        }
        for (at, user) in self.people.iter().enumerate() {
            for other in self.people.iter().filter(|other| other.id != user.id) {
                user.unblocks(other).await;
            }
            let other = &self.people[(at + 1) % self.people.len()];
            user.adds_contact(other).await;
            user.removes_contact(other).await;
        }
        let left = self.bring_back_who_left().await;
        self.write_everywhere().await;
        self.all_hear().await;
        // By now the clients have everything, and receive the last change live.
        self.remove_again(left).await;
        self.write_everywhere().await;
        self.all_hear().await;
        let rows = self.tables.look();
        properties::a_repeated_client_message_id_gives_one_message(&self.ledger, &rows);
        properties::every_client_shows_one_order(&self.order, &rows);
        properties::every_send_ends_stored_or_refused(&self.ledger, &rows);
        properties::every_position_has_its_mark(&rows);
        for user in &self.people {
            properties::a_new_client_gets_the_same(user, &rows).await;
            properties::requests_tell_what_is_stored(user, &rows).await;
        }
        for at in 0..self.devices.len() {
            self.disconnect(at, true).await;
        }
        self.hub.signal("TERM");
        assert!(self.hub.has_ended_well().await, "{}", self.hub.log());
        self.check_log();
    }

    async fn write_everywhere(&mut self) {
        let rows = self.tables.look();
        for conversation in &rows.conversations {
            let to = conversation.user_high.map_or(To::Group(conversation.id), To::Person);
            if let Some(sender) = rows.participants_in(conversation.id).next() {
                let number = self.ledger.compose(sender.user_id, to);
                self.send_for_sender(number).await;
            }
        }
    }

    /// Reconnects the offline devices. No client lacks anything then.
    async fn all_hear(&mut self) {
        let rows = self.tables.look();
        for device in &mut self.devices {
            if device.is_connected() {
                device.arrive_before_the_answer(&mut self.order).await;
                device.ask_of_the_abandoned(&rows).await;
            } else {
                device.connect().await;
            }
            device.settle(&mut self.order).await;
            properties::a_reconnected_device_misses_nothing(device, &rows);
        }
    }

    /// Sends from the sender's first device, over REST.
    async fn send_for_sender(&mut self, number: usize) {
        let at = self.first_device_of(self.ledger.drafts[number].sender_id);
        self.send(at, number, false).await;
    }

    pub fn first_device_of(&self, user_id: i64) -> usize {
        self.devices.iter().position(|device| device.user.id == user_id).expect("every user has a device")
    }
}
