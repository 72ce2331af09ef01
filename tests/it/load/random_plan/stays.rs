//! The periods in which each user was a member of each group. A user receives nothing of it that
//! was committed outside them, and no message from before they joined.

use super::rows::Rows;
use serde_json::Value;
use std::collections::BTreeMap;

/// A stay, from the change that added a user to the change that removed them.
#[derive(Clone, Debug)]
struct Stay {
    from_rev: i64,
    to_rev: Option<i64>,
    visible_from_seq: i64,
}

#[derive(Clone, Default)]
pub struct Stays {
    /// Stays by group and user, in order.
    stays: BTreeMap<i64, BTreeMap<i64, Vec<Stay>>>,
}

impl Stays {
    /// Records each change of a group's members.
    pub fn follow(&mut self, rows: &Rows) {
        for row in rows.participants.iter().filter(|row| rows.conversation(row.conversation_id).is_group()) {
            let stays = self.stays.entry(row.conversation_id).or_default().entry(row.user_id).or_default();
            let is_in = stays.last().is_some_and(|stay| stay.to_rev.is_none());
            match (is_in, &row.role) {
                (false, Some(_)) => {
                    stays.push(Stay { from_rev: row.rev, to_rev: None, visible_from_seq: row.visible_from_seq });
                }
                (true, None) => stays.last_mut().expect("the stay exists").to_rev = Some(row.rev),
                _ => {}
            }
        }
    }

    /// Checks each frame and `sync` answer for a user.
    pub fn check(&self, user_id: i64, frame: &Value) {
        match (frame["conversation_id"].as_i64(), frame["rev"].as_i64()) {
            (Some(id), Some(rev)) => self.check_live(user_id, id, rev, frame),
            (Some(id), None) => assert!(self.was_ever_in(user_id, id), "{user_id} was never in {id}: {frame}"),
            _ => {}
        }
        for piece in frame["conversations"].as_array().into_iter().flatten() {
            let id = piece["id"].as_i64().expect("an id");
            match piece["rev"].as_i64() {
                Some(rev) => self.check_answer(user_id, id, rev, piece),
                // A private change of the user.
                None => assert!(self.was_ever_in(user_id, id), "{user_id} was never in {id}: {frame}"),
            }
        }
    }

    /// The last frame tells a user of their removal, and nobody else receives it in that form.
    fn check_live(&self, user_id: i64, id: i64, rev: i64, frame: &Value) {
        let Some(stay) = self.stay_at(user_id, id, rev, frame) else { return };
        let is_out = frame["type"] == "conversation_update" && frame["conversation"].is_null();
        assert_eq!(is_out, stay.to_rev == Some(rev), "{user_id} in {id}, {stay:?}: {frame}");
        stay.check_message(user_id, &frame["message"]);
    }

    fn check_answer(&self, user_id: i64, id: i64, rev: i64, piece: &Value) {
        let Some(stay) = self.stay_at(user_id, id, rev, piece) else { return };
        assert_ne!(stay.to_rev, Some(rev), "{user_id} is out of {id}: {piece}");
        let conversation = &piece["conversation"];
        assert_eq!(conversation["visible_from_seq"], stay.visible_from_seq, "{user_id} in {id}: {piece}");
        let messages = piece["messages"].as_array().into_iter().flatten();
        messages.chain([&conversation["last_message"]]).for_each(|message| stay.check_message(user_id, message));
    }

    /// The group; none for a direct conversation.
    fn stay_at(&self, user_id: i64, id: i64, rev: i64, frame: &Value) -> Option<&Stay> {
        let stays = self.stays.get(&id)?.get(&user_id);
        let is_then = |stay: &&Stay| stay.from_rev <= rev && stay.to_rev.is_none_or(|to_rev| rev <= to_rev);
        let stay = stays.into_iter().flatten().find(is_then);
        assert!(stay.is_some(), "{user_id} is not in {id} at {rev}: {frame}");
        stay
    }

    fn was_ever_in(&self, user_id: i64, id: i64) -> bool {
        self.stays.get(&id).is_none_or(|people| people.contains_key(&user_id))
    }
}

impl Stay {
    fn check_message(&self, user_id: i64, message: &Value) {
        if let Some(seq) = message["seq"].as_i64() {
            assert!(seq >= self.visible_from_seq, "{user_id} came later, {self:?}: {message}");
        }
    }
}
