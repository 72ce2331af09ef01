//! What a peer sends: bytes in, whole messages out, within bounds.
//!
//! A frame is judged by its header before any of its payload is kept, so that
//! what it declares costs nothing. The frames themselves are the codec's of
//! actix-http; putting fragments together is done here.

use crate::wire::CloseCode;
use actix_http::ws::{Codec, Frame, Item, Message, ProtocolError};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use std::time::{Duration, Instant};
use tokio_util::codec::Decoder;

/// Fragments of one message.
pub const MAX_FRAGMENTS: usize = 64;
/// From the first byte of a message to its last.
pub const MAX_MESSAGE_TIME: Duration = Duration::from_secs(10);
/// RFC 6455, 5.5: of a ping, pong or close.
const MAX_CONTROL_PAYLOAD: u8 = 125;

/// The reading half of one socket.
pub struct Inbound {
    codec: Codec,
    /// The beginning of a frame that has not arrived as a whole.
    unread: BytesMut,
    fragments: Option<Fragments>,
    /// When the message that is not whole yet began.
    began_at: Option<Instant>,
    max_bytes: usize,
    takes_binary: bool,
}

/// A message that has not arrived as a whole.
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

    /// The next message, or none until more bytes come. Every frame counts for
    /// something: what is not a message of its own yet is a `Nop`.
    ///
    /// # Errors
    /// Why the socket has to be closed.
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

    /// When the message that began has to be whole.
    pub fn deadline(&self) -> Option<Instant> {
        self.began_at.map(|began_at| began_at + MAX_MESSAGE_TIME)
    }

    /// Nothing was read for a while: the message in the making has its full time
    /// from now on.
    pub fn begin_anew(&mut self, now: Instant) {
        self.began_at = self.began_at.map(|_| now);
    }

    /// Bytes that the message in the making may still have.
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
        // The codec lets nothing continue that has not begun.
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
        self.fragments = Some(Fragments { bytes: BytesMut::from(bytes), count: 1, is_text });
        Ok(Message::Nop)
    }
}

fn text(bytes: Bytes) -> Result<ByteString, CloseCode> {
    ByteString::try_from(bytes).map_err(|_| CloseCode::InvalidText)
}

/// Judges the frame that begins here, as far as its header has come
/// (RFC 6455, 5.2).
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
        // The highest bit is never set, and no more bytes are used than it takes.
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX_BYTES: usize = 1000;
    const MASK: [u8; 4] = [1, 2, 3, 4];
    const TEXT: u8 = 0x81;
    const BEGIN: u8 = 0x01;
    const GO_ON: u8 = 0x00;
    const END: u8 = 0x80;
    const PING: u8 = 0x89;

    fn header(first: u8, declared: usize) -> Vec<u8> {
        let mut bytes = match declared {
            0..126 => vec![first, 0x80 | declared as u8],
            126..0x1_0000 => [&[first, 0xfe][..], &(declared as u16).to_be_bytes()].concat(),
            _ => [&[first, 0xff][..], &(declared as u64).to_be_bytes()].concat(),
        };
        bytes.extend(MASK);
        bytes
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        header(first, payload.len()).into_iter().chain(masked).collect()
    }

    fn inbound() -> (Inbound, Instant) {
        (Inbound::new(MAX_BYTES, false), Instant::now())
    }

    /// Everything that comes of these bytes, and why it ended.
    fn understood<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, Option<CloseCode>) {
        let (mut inbound, now) = inbound();
        let mut messages = Vec::new();
        for chunk in chunks {
            inbound.push(chunk);
            loop {
                match inbound.next(now) {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(code) => return (messages, Some(code)),
                }
            }
        }
        (messages, None)
    }

    /// Frames that are right more often than not, followed by anything.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let first = prop_oneof![
            8 => prop::sample::select(vec![TEXT, BEGIN, GO_ON, END, PING, 0x8a]),
            1 => any::<u8>(),
        ];
        let payload = prop_oneof![
            4 => "[a-zä😀]{0,40}".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..300),
        ];
        let frames = prop::collection::vec((first, payload), 0..20);
        let rest = prop::collection::vec(any::<u8>(), 0..40);
        (frames, rest).prop_map(|(frames, rest)| {
            let mut bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
            bytes.extend(rest);
            bytes
        })
    }

    proptest! {
        #[test]
        fn bytes_mean_the_same_however_they_are_chopped(
            bytes in bytes(),
            sizes in prop::collection::vec(1..50_usize, 1..50),
        ) {
            let mut rest = bytes.as_slice();
            let chunks = sizes.iter().cycle().map_while(|size| {
                let (chunk, left) = rest.split_at((*size).min(rest.len()));
                rest = left;
                (!chunk.is_empty()).then_some(chunk)
            });
            let (messages, chopped) = understood(chunks);
            let (whole_messages, whole) = understood(std::iter::once(bytes.as_slice()));
            prop_assert_eq!(&messages, &whole_messages);
            prop_assert_eq!(chopped.is_some(), whole.is_some());
            for message in messages {
                if let Message::Text(text) = message {
                    prop_assert!(text.len() <= MAX_BYTES);
                }
            }
        }
    }

    #[test]
    fn a_header_is_judged_before_there_is_any_payload() {
        for (bytes, code) in [
            (header(TEXT, MAX_BYTES + 1), CloseCode::TooBig),
            (header(BEGIN, 1 << 40), CloseCode::TooBig),
            (header(TEXT, 1 << 63), CloseCode::Protocol),
            (header(PING, 126), CloseCode::Protocol),
            ([frame(BEGIN, &[b'x'; 600]), header(END, 401)].concat(), CloseCode::TooBig),
        ] {
            // Nothing of the mask has come either.
            assert_eq!(understood(std::iter::once(&bytes[..bytes.len() - 4])).1, Some(code), "{bytes:?}");
        }
        let (mut inbound, now) = inbound();
        inbound.push(&header(TEXT, MAX_BYTES));
        assert!(matches!(inbound.next(now), Ok(None)));
    }

    #[test]
    fn a_message_has_so_many_fragments_and_no_more() {
        let all = |count: usize| [frame(BEGIN, b"x"), frame(GO_ON, b"x").repeat(count - 2), frame(END, b"x")].concat();
        let (messages, code) = understood(std::iter::once(all(MAX_FRAGMENTS).as_slice()));
        assert_eq!((messages.len(), code), (MAX_FRAGMENTS, None));
        assert_eq!(messages.last(), Some(&Message::Text("x".repeat(MAX_FRAGMENTS).into())));
        let (messages, code) = understood(std::iter::once(all(MAX_FRAGMENTS + 1).as_slice()));
        assert_eq!((messages.len(), code), (MAX_FRAGMENTS, Some(CloseCode::TooBig)));
    }

    #[test]
    fn the_time_of_a_message_runs_from_its_first_byte_whatever_follows() {
        let (mut inbound, start) = inbound();
        let mut understand = |bytes: &[u8], seconds: u64| {
            inbound.push(bytes);
            while inbound.next(start + Duration::from_secs(seconds)).unwrap().is_some() {}
            inbound.deadline()
        };
        let due = |seconds| Some(start + Duration::from_secs(seconds) + MAX_MESSAGE_TIME);
        assert_eq!(understand(b"", 0), None);
        assert_eq!(understand(&[BEGIN], 1), due(1), "the first byte of a frame");
        assert_eq!(understand(&frame(BEGIN, b"x")[1..], 2), due(1), "the first fragment is whole");
        assert_eq!(understand(&frame(PING, b""), 3), due(1), "a ping within it");
        assert_eq!(understand(&frame(GO_ON, b""), 4), due(1));
        assert_eq!(understand(&frame(END, b""), 5), None, "it is whole");
        assert_eq!(understand(&[frame(TEXT, b"x"), frame(TEXT, b"x")[..3].to_vec()].concat(), 6), due(6));
        assert_eq!(understand(&frame(TEXT, b"x")[3..], 7), None);
    }

    #[test]
    fn an_idle_socket_keeps_no_buffer() {
        let (mut inbound, now) = inbound();
        inbound.push(&frame(TEXT, &[b'x'; MAX_BYTES]));
        while inbound.next(now).unwrap().is_some() {}
        assert_eq!(inbound.unread.capacity(), 0);
    }
}
