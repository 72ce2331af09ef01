//! Decodes the bytes of a client into whole messages, within limits.
//!
//! A frame is checked by its header before any of its payload is kept, so a declared length costs
//! no memory. The frame codec is that of actix-http. Fragments are joined here.

use crate::wire::CloseCode;
use actix_http::ws::{Codec, Frame, Item, Message, ProtocolError};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use std::time::{Duration, Instant};
use tokio_util::codec::Decoder;

/// The most fragments of one message.
pub const MAX_FRAGMENTS: usize = 64;
/// The longest time from the first byte of a message to its last.
pub const MAX_MESSAGE_TIME: Duration = Duration::from_secs(10);
/// The largest payload of a ping, pong or close (RFC 6455, 5.5).
const MAX_CONTROL_PAYLOAD: u8 = 125;

/// The reading half of one socket.
pub struct Inbound {
    codec: Codec,
    /// The beginning of a frame that has not fully arrived.
    unread: BytesMut,
    /// Boxed, because it is seldom present.
    fragments: Option<Box<Fragments>>,
    /// When the incomplete message began.
    began_at: Option<Instant>,
    max_bytes: usize,
    takes_binary: bool,
}

/// A message that has not fully arrived.
struct Fragments {
    bytes: BytesMut,
    count: usize,
    is_text: bool,
}

impl Inbound {
    pub fn new(max_bytes: usize, takes_binary: bool) -> Self {
        let codec = Codec::new().max_size(max_bytes);
        Self { codec, unread: BytesMut::new(), fragments: None, began_at: None, max_bytes, takes_binary }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// Returns the next message, or `None` until more bytes come. Every frame counts, so a frame
    /// that is not a whole message yet is returned as a `Nop`.
    ///
    /// # Errors
    /// The close code with which the socket has to be closed.
    pub fn next(&mut self, now: Instant) -> Result<Option<Message>, CloseCode> {
        check_header(&self.unread, self.room())?;
        let Some(frame) = self.codec.decode(&mut self.unread).map_err(|error| code_for(&error))? else {
            if self.unread.is_empty() {
                // An idle socket keeps no buffer.
                self.unread = BytesMut::new();
            }
            if !self.unread.is_empty() || self.fragments.is_some() {
                self.began_at.get_or_insert(now);
            }
            return Ok(None);
        };
        let message = match frame {
            Frame::Text(bytes) => Message::Text(text(bytes)?),
            Frame::Binary(_) if !self.takes_binary => return Err(CloseCode::Unsupported),
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Continuation(item) => self.reassemble(item)?,
            Frame::Ping(payload) => Message::Ping(payload),
            Frame::Pong(payload) => Message::Pong(payload),
            Frame::Close(reason) => Message::Close(reason),
        };
        if self.fragments.is_none() {
            self.began_at = None;
        }
        Ok(Some(message))
    }

    /// Returns when the message that began has to be complete.
    pub fn deadline(&self) -> Option<Instant> {
        self.began_at.map(|began_at| began_at + MAX_MESSAGE_TIME)
    }

    /// Restarts the time of the current message, because the connection did not read until now.
    pub fn restart(&mut self, now: Instant) {
        if let Some(began_at) = &mut self.began_at {
            *began_at = now;
        }
    }

    /// Returns the bytes that the current message may still have.
    fn room(&self) -> usize {
        self.max_bytes - self.fragments.as_ref().map_or(0, |whole| whole.bytes.len())
    }

    fn reassemble(&mut self, item: Item) -> Result<Message, CloseCode> {
        let (bytes, is_last) = match item {
            Item::FirstText(bytes) => return self.begin(&bytes, true),
            Item::FirstBinary(_) if !self.takes_binary => return Err(CloseCode::Unsupported),
            Item::FirstBinary(bytes) => return self.begin(&bytes, false),
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        // The codec accepts no continuation without a beginning.
        let mut whole = self.fragments.take().ok_or(CloseCode::Protocol)?;
        whole.count += 1;
        if whole.count > MAX_FRAGMENTS {
            return Err(CloseCode::TooBig);
        }
        whole.bytes.extend_from_slice(&bytes);
        match (is_last, whole.is_text) {
            (true, true) => Ok(Message::Text(text(whole.bytes.freeze())?)),
            (true, false) => Ok(Message::Binary(whole.bytes.freeze())),
            (false, _) => {
                self.fragments = Some(whole);
                Ok(Message::Nop)
            }
        }
    }

    fn begin(&mut self, bytes: &[u8], is_text: bool) -> Result<Message, CloseCode> {
        self.fragments = Some(Box::new(Fragments { bytes: BytesMut::from(bytes), count: 1, is_text }));
        Ok(Message::Nop)
    }
}

fn text(bytes: Bytes) -> Result<ByteString, CloseCode> {
    ByteString::try_from(bytes).map_err(|_| CloseCode::InvalidText)
}

/// Checks the frame that begins here, as far as its header has arrived (RFC 6455, 5.2).
fn check_header(bytes: &[u8], room: usize) -> Result<(), CloseCode> {
    let [first, second, rest @ ..] = bytes else { return Ok(()) };
    let is_control = first & 0x08 != 0;
    let length = second & 0x7f;
    if is_control && length > MAX_CONTROL_PAYLOAD {
        return Err(CloseCode::Protocol);
    }
    let (declared, least) = match length {
        126 => (rest.first_chunk().map(|bytes| u64::from(u16::from_be_bytes(*bytes))), 126),
        127 => (rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)), 1 << 16),
        short => (Some(short.into()), 0),
    };
    match declared {
        // The highest bit must be 0, and the length must use the fewest bytes possible.
        Some(declared) if declared > i64::MAX as u64 => Err(CloseCode::Protocol),
        Some(declared) if declared < least => Err(CloseCode::Protocol),
        Some(declared) if !is_control && declared > room as u64 => Err(CloseCode::TooBig),
        _ => Ok(()),
    }
}

fn code_for(error: &ProtocolError) -> CloseCode {
    match error {
        ProtocolError::Overflow => CloseCode::TooBig,
        _ => CloseCode::Protocol,
    }
}

#[cfg(test)]
#[path = "inbound_test.rs"]
mod tests;
