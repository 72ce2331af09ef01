//! What goes to whom: collected for a batch, so that each session gets one
//! item however many frames it is, and a healthy reader's mailbox does not
//! overflow.

use super::registry::Registry;
use crate::ids::{ConversationId, SessionId, Timestamp, UserId};
use crate::wire::{self, Frame, Typing, TypingEvent, Viewing, ViewingEvent};
use std::collections::HashMap;

/// A frame, and what becomes of it when the session's peer does not keep up.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// It is written, or the session ends.
    Reliable(Frame),
    /// The next of its kind takes its place, and none of it may be written.
    Ephemeral(Ephemeral, Frame),
}

impl Delivery {
    pub fn frame(&self) -> &Frame {
        match self {
            Self::Reliable(frame) | Self::Ephemeral(_, frame) => frame,
        }
    }
}

/// What is true for a while only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ephemeral {
    Typing(ConversationId, UserId),
    Viewing(ConversationId, UserId),
    Presence(UserId),
}

#[derive(Default)]
pub struct Outgoing {
    pub by_session: HashMap<SessionId, Vec<Delivery>>,
}

impl Outgoing {
    pub fn add<S>(&mut self, registry: &Registry<S>, to: &[UserId], delivery: &Delivery) {
        for session_id in to.iter().flat_map(|user_id| registry.sessions_of(*user_id)) {
            self.add_one(session_id, delivery.clone());
        }
    }

    pub fn add_one(&mut self, session_id: SessionId, delivery: Delivery) {
        self.by_session.entry(session_id).or_default().push(delivery);
    }

    pub fn add_typing<S>(
        &mut self,
        registry: &Registry<S>,
        now: Timestamp,
        told: impl IntoIterator<Item = TypingEvent>,
    ) {
        for TypingEvent { conversation_id, user_id, recipient_id, is_typing, to, .. } in told {
            let body = Typing { conversation_id, user_id, recipient_id, is_typing };
            let frame = wire::encode("typing_indicator", now, &body);
            self.add(registry, &to, &Delivery::Ephemeral(Ephemeral::Typing(conversation_id, user_id), frame));
        }
    }

    pub fn add_viewing<S>(
        &mut self,
        registry: &Registry<S>,
        now: Timestamp,
        told: impl IntoIterator<Item = ViewingEvent>,
    ) {
        for ViewingEvent { conversation_id, user_id, is_viewing, to, .. } in told {
            let frame = wire::encode("viewing", now, &Viewing { conversation_id, user_id, is_viewing });
            self.add(registry, &to, &Delivery::Ephemeral(Ephemeral::Viewing(conversation_id, user_id), frame));
        }
    }
}
