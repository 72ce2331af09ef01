//! What `fuzz/` calls: the two places where bytes of strangers are understood.
//! Only with the feature `fuzzing`.

use crate::ops::frames::Entry;
use crate::wire::{CloseCode, Head};
use crate::ws::transport::Inbound;
use actix_http::ws::Message;
use std::time::Instant;

/// Of a message.
const MAX_BYTES: usize = 4096;
/// Of the sentence that says what is wrong.
const MAX_DETAIL: usize = 900;

/// Takes the bytes as one socket would: what they mean does not depend on the
/// pieces they come in, and no message is larger than is allowed. Of two faults
/// in one header either may be the reason that is given.
///
/// # Panics
/// When one of these does not hold.
pub fn frames(bytes: &[u8]) {
    let [piece, bytes @ ..] = bytes else { return };
    let (whole, closed) = understood(std::iter::once(bytes));
    let (pieces, closed_in_pieces) = understood(bytes.chunks(usize::from(*piece).max(1)));
    assert_eq!(whole, pieces, "in one piece and in many");
    assert_eq!(closed.is_some(), closed_in_pieces.is_some(), "{closed:?} and {closed_in_pieces:?}");
}

/// Each message as text, and why it ended.
fn understood<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Option<CloseCode>) {
    let (mut inbound, now) = (Inbound::new(MAX_BYTES, false), Instant::now());
    let mut messages = Vec::new();
    for piece in pieces {
        inbound.push(piece);
        loop {
            match inbound.next(now) {
                Ok(Some(message)) => {
                    if let Message::Text(text) = &message {
                        assert!(text.len() <= MAX_BYTES);
                    }
                    messages.push(format!("{message:?}"));
                }
                Ok(None) => break,
                Err(code) => return (messages, Some(code)),
            }
        }
    }
    (messages, None)
}

/// Takes the text as a session would, up to the operation that it asks for. A
/// refusal is a short sentence.
///
/// # Panics
/// When it is a long one.
pub fn operation(text: &str) {
    let refusal = match Head::parse(text) {
        Ok(head) => Entry::find(&head.kind).and_then(|entry| entry.parse(text, head.r#ref.is_some()).err()),
        Err(error) => Some(error),
    };
    if let Some(error) = refusal {
        assert!(error.detail().len() <= MAX_DETAIL, "{}", error.detail());
    }
}
