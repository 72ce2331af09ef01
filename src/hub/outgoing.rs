//! Frames collected for a batch, by session. Each session gets one item for all its frames, so that
//! the mailbox of a client that reads does not overflow.

use super::registry::Registry;
use crate::ids::{ConversationId, SessionId, Timestamp, UserId};
use crate::wire::{self, Frame, Typing, TypingEvent, Viewing, ViewingEvent};
use std::collections::HashMap;

/// A frame, with the rule for a client that does not keep up.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The frame is written, or the session ends.
    Reliable(Frame),
    /// The next frame of its kind replaces it, and it may never be written.
    Ephemeral(Ephemeral, Frame),
}

impl Delivery {
    pub fn frame(&self) -> &Frame {
        match self {
            Self::Reliable(frame) | Self::Ephemeral(_, frame) => frame,
        }
    }
}

/// The kinds of frames that are valid only for a while.
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
        events: impl IntoIterator<Item = TypingEvent>,
    ) {
        for TypingEvent { conversation_id, user_id, recipient_id, is_typing, to, .. } in events {
            let body = Typing { conversation_id, user_id, recipient_id, is_typing };
            let frame = wire::encode("typing_indicator", now, &body);
            self.add(registry, &to, &Delivery::Ephemeral(Ephemeral::Typing(conversation_id, user_id), frame));
        }
    }

    pub fn add_viewing<S>(
        &mut self,
        registry: &Registry<S>,
        now: Timestamp,
        events: impl IntoIterator<Item = ViewingEvent>,
    ) {
        for ViewingEvent { conversation_id, user_id, is_viewing, to, .. } in events {
            let frame = wire::encode("viewing", now, &Viewing { conversation_id, user_id, is_viewing });
            self.add(registry, &to, &Delivery::Ephemeral(Ephemeral::Viewing(conversation_id, user_id), frame));
        }
    }
}
