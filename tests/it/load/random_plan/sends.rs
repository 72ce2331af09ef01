//! Messages in a plan: sending by either transport, with and without the answer reaching the
//! sender.

use super::ledger::{Answer, To};
use super::properties;
use super::world::World;
use crate::load::random::Random;
use serde_json::json;

impl World {
    pub fn compose(&mut self, at: usize, random: &mut Random) -> usize {
        let group = if random.below(5) < 2 { self.pick_group(at, random) } else { None };
        let to = group.map_or_else(|| To::Person(self.other_than(at, random).id), To::Group);
        self.ledger.compose(self.devices[at].user.id, to)
    }

    /// Sends it once more, by either transport, and returns the answer, which the sender has not
    /// received yet.
    pub async fn request(&mut self, at: usize, number: usize, by_socket: bool) -> Answer {
        let (draft, rows) = (self.ledger.attempt(number), self.tables.look());
        let device = &mut self.devices[at];
        let answer = match device.socket().filter(|_| by_socket) {
            Some(socket) => {
                socket.frame(draft.frame()).await;
                Answer::of_frame(&socket.answer_to(&json!(draft.key)).await)
            }
            None => Answer::of_reply(device.user.post("/api/messages", draft.body()).await),
        };
        properties::a_permitted_send_is_not_refused(&draft, &answer, &rows);
        answer
    }

    /// The same, and the sender receives the answer.
    pub async fn send(&mut self, at: usize, number: usize, by_socket: bool) {
        let answer = self.request(at, number, by_socket).await;
        self.ledger.settle(number, &answer);
        if let Answer::Stored { message, .. } = &answer {
            self.order.note(message);
            self.devices[at].model.apply_ack(message);
        }
    }

    pub async fn send_new(&mut self, at: usize, by_socket: bool, random: &mut Random) {
        let number = self.compose(at, random);
        self.send(at, number, by_socket).await;
    }

    pub async fn send_and_vanish(&mut self, at: usize, random: &mut Random) {
        let number = self.compose(at, random);
        let draft = self.ledger.attempt(number);
        if let Some(socket) = self.devices[at].socket() {
            socket.frame(draft.frame()).await;
        }
        self.disconnect(at, false).await;
    }

    pub async fn send_and_fail(&mut self, at: usize, random: &mut Random) {
        let number = self.compose(at, random);
        self.tables.set_trap(true);
        let answer = self.request(at, number, random.below(2) == 0).await;
        self.tables.set_trap(false);
        // Under a block, or for a sender outside of the group, it is refused before anything is
        // written.
        if matches!(answer, Answer::Unknown) {
            self.counts.failed_commits += 1;
            self.unknown_commits += 1;
        }
        self.ledger.settle(number, &answer);
    }

    /// The hub's database connection ends within COMMIT.
    pub async fn send_and_lose_the_answer(&mut self, at: usize) {
        let number = self.compose(at, &mut Random::new(1));
        self.tables.set_cut(true);
        let answer = self.request(at, number, true).await;
        self.tables.set_cut(false);
        assert!(matches!(answer, Answer::Unknown));
        self.unknown_commits += 1;
        self.ledger.settle(number, &answer);
    }

    /// Prefers messages without an answer.
    pub async fn repeat(&mut self, at: usize, random: &mut Random) {
        let me = self.devices[at].user.id;
        let open = self.ledger.list_open(|draft| draft.sender_id == me);
        let settled = self.ledger.list_stored(|draft| draft.sender_id == me);
        let (first, second) = if random.below(3) > 0 { (open, settled) } else { (settled, open) };
        let number = random.pick(&first).or(random.pick(&second)).copied();
        if let Some(number) = number {
            self.send(at, number, random.below(2) == 0).await;
        }
    }
}
