//! Feeds the decoder bytes of all kinds, in pieces of all sizes, and checks the decoded messages.

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

/// Returns all messages decoded from these bytes, and why decoding ended.
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

/// Generates frames that are mostly valid, followed by arbitrary bytes.
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
    fn bytes_decode_the_same_in_chunks_of_any_size(
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
fn a_frame_header_is_checked_before_its_payload_arrives() {
    for (bytes, code) in [
        (header(TEXT, MAX_BYTES + 1), CloseCode::TooBig),
        (header(BEGIN, 1 << 40), CloseCode::TooBig),
        (header(TEXT, 1 << 63), CloseCode::Protocol),
        (header(PING, 126), CloseCode::Protocol),
        ([frame(BEGIN, &[b'x'; 600]), header(END, 401)].concat(), CloseCode::TooBig),
    ] {
        // No byte of the mask has arrived either.
        assert_eq!(understood(std::iter::once(&bytes[..bytes.len() - 4])).1, Some(code), "{bytes:?}");
    }
    let (mut inbound, now) = inbound();
    inbound.push(&header(TEXT, MAX_BYTES));
    assert!(matches!(inbound.next(now), Ok(None)));
}

#[test]
fn a_message_has_a_limited_number_of_fragments() {
    let all = |count: usize| [frame(BEGIN, b"x"), frame(GO_ON, b"x").repeat(count - 2), frame(END, b"x")].concat();
    let (messages, code) = understood(std::iter::once(all(MAX_FRAGMENTS).as_slice()));
    assert_eq!((messages.len(), code), (MAX_FRAGMENTS, None));
    assert_eq!(messages.last(), Some(&Message::Text("x".repeat(MAX_FRAGMENTS).into())));
    let (messages, code) = understood(std::iter::once(all(MAX_FRAGMENTS + 1).as_slice()));
    assert_eq!((messages.len(), code), (MAX_FRAGMENTS, Some(CloseCode::TooBig)));
}

#[test]
fn a_message_deadline_counts_from_its_first_byte() {
    let (mut inbound, start) = inbound();
    let mut decode = |bytes: &[u8], seconds: u64| {
        inbound.push(bytes);
        while inbound.next(start + Duration::from_secs(seconds)).unwrap().is_some() {}
        inbound.deadline()
    };
    let due = |seconds| Some(start + Duration::from_secs(seconds) + MAX_MESSAGE_TIME);
    assert_eq!(decode(b"", 0), None);
    assert_eq!(decode(&[BEGIN], 1), due(1), "the first byte of a frame");
    assert_eq!(decode(&frame(BEGIN, b"x")[1..], 2), due(1), "the first fragment is whole");
    assert_eq!(decode(&frame(PING, b""), 3), due(1), "a ping within it");
    assert_eq!(decode(&frame(GO_ON, b""), 4), due(1));
    assert_eq!(decode(&frame(END, b""), 5), None, "the message is complete");
    assert_eq!(decode(&[frame(TEXT, b"x"), frame(TEXT, b"x")[..3].to_vec()].concat(), 6), due(6));
    assert_eq!(decode(&frame(TEXT, b"x")[3..], 7), None);
    inbound.restart(start);
    assert_eq!(inbound.deadline(), None);
    inbound.push(&[TEXT]);
    assert!(inbound.next(start).is_ok());
    inbound.restart(start + MAX_MESSAGE_TIME);
    assert_eq!(inbound.deadline(), due(10));
}

#[test]
fn an_idle_socket_keeps_no_buffer() {
    let (mut inbound, now) = inbound();
    inbound.push(&frame(TEXT, &[b'x'; MAX_BYTES]));
    while inbound.next(now).unwrap().is_some() {}
    assert_eq!(inbound.unread.capacity(), 0);
}
