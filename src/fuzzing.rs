//! Entry points for `fuzz/`: the two places that parse bytes from strangers. Compiled only with the
//! feature `fuzzing`.

use crate::ops::frames::Entry;
use crate::wire::{CloseCode, Head};
use crate::ws::transport::Inbound;
use actix_http::ws::Message;
use std::time::Instant;

/// Maximum size of a message.
const MAX_BYTES: usize = 4096;
/// Maximum length of an error sentence.
const MAX_DETAIL: usize = 900;

/// Decodes the bytes as one socket would. The result does not depend on how the bytes are split,
/// and no message exceeds the size limit. When one header has two faults, either may be reported.
///
/// # Panics
/// When one of these rules does not hold.
pub fn frames(bytes: &[u8]) {
    let [piece, bytes @ ..] = bytes else { return };
    let (whole, closed) = understood(std::iter::once(bytes));
    let (pieces, closed_in_pieces) = understood(bytes.chunks(usize::from(*piece).max(1)));
    assert_eq!(whole, pieces, "in one piece and in many");
    assert_eq!(closed.is_some(), closed_in_pieces.is_some(), "{closed:?} and {closed_in_pieces:?}");
}

/// Returns each message as text, and the close code if the decoder closed the socket.
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

/// Parses the text as a session would, up to the operation that it asks for. A refusal is a short
/// sentence.
///
/// # Panics
/// When a refusal is too long.
pub fn operation(text: &str) {
    let refusal = match Head::parse(text) {
        Ok(head) => Entry::find(&head.kind).and_then(|entry| entry.parse(&head).err()),
        Err(error) => Some(error),
    };
    if let Some(error) = refusal {
        assert!(error.detail().len() <= MAX_DETAIL, "{}", error.detail());
    }
}
