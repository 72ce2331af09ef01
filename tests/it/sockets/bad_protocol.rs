//! Frames that break the size limits or the WebSocket protocol, and text that is unusual but valid.

use crate::harness::{TestHub, User, any_database, both_databases};
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

const LIMIT: usize = 65_536;

/// A message frame of exactly this many bytes, most of them ignored.
fn padded(to: &User, bytes: usize) -> String {
    let frame = json!({"type": "private_message", "recipient_id": to.id, "content": "hi", "padding": ""}).to_string();
    let padding = "p".repeat(bytes - frame.len());
    frame.replace(r#""padding":"""#, &format!(r#""padding":"{padding}""#))
}

any_database!(in_1_a_frame_or_body_over_max_frame_bytes_is_refused);
async fn in_1_a_frame_or_body_over_max_frame_bytes_is_refused(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    ann.post_text("/api/messages", "application/json", padded(&bob, LIMIT)).await.is(201);
    phone.text(&padded(&bob, LIMIT)).await;
    phone.expect("private_message").await;
    phone.expect("private_message").await;
    ann.post_text("/api/messages", "application/json", padded(&bob, LIMIT + 1)).await.refused(413, "too_large");
    phone.text(&padded(&bob, LIMIT + 1)).await;
    assert_eq!(phone.closed().await, Some(1009));
    assert_eq!(hub.stored(), [2, 1, 2]);
}

any_database!(in_5_a_chunked_body_over_the_limit_is_refused_too);
async fn in_5_a_chunked_body_over_the_limit_is_refused_too(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let request = format!(
        "POST /api/messages HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{}0\r\n\r\n",
        hub.port(),
        ann.cookie(),
        chunk.repeat(3)
    );
    let answer = ann.raw(&request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

any_database!(a_message_in_fragments_over_the_limit_closes_the_socket);
async fn a_message_in_fragments_over_the_limit_closes_the_socket(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let mut phone = ann.connect().await;
    let half = "x".repeat(LIMIT / 2 + 1);
    phone.message(fragment(half.as_bytes(), Data::Text, false)).await;
    phone.message(fragment(half.as_bytes(), Data::Continue, true)).await;
    assert_eq!(phone.closed().await, Some(1009));
}

fn fragment(payload: &[u8], code: Data, is_final: bool) -> Message {
    Message::Frame(Frame::message(payload.to_vec(), OpCode::Data(code), is_final))
}

any_database!(a_fragmented_text_is_reassembled);
async fn a_fragmented_text_is_reassembled(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    // The message is cut in the middle of a character, with a ping in between.
    let frame = json!({"type": "private_message", "recipient_id": bob.id, "content": "grüße 😀"}).to_string();
    let bytes = frame.as_bytes();
    let middle = frame.find('😀').unwrap() + 2;
    phone.message(fragment(&bytes[..5], Data::Text, false)).await;
    phone.message(fragment(&bytes[5..middle], Data::Continue, false)).await;
    phone.message(Message::Ping("between".into())).await;
    phone.message(fragment(b"", Data::Continue, false)).await;
    phone.message(fragment(&bytes[middle..], Data::Continue, true)).await;
    assert_eq!(phone.expect("private_message").await["message"]["content"], "grüße 😀");
    assert_eq!(phone.expect("[pong]").await["payload"], "between");
}

any_database!(a_protocol_violation_closes_the_socket_with_its_code);
async fn a_protocol_violation_closes_the_socket_with_its_code(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let text = |bytes: &[u8]| fragment(bytes, Data::Text, true);
    for (what, message, code) in [
        ("a binary frame", Message::binary(b"{}".to_vec()), 1003),
        ("a binary fragment", fragment(b"{}", Data::Binary, false), 1003),
        ("text that is not UTF-8", text(b"{\"type\":\"ping\xff\"}"), 1007),
        ("an encoded surrogate", text(b"\xed\xa0\x80"), 1007),
        ("an overlong encoding", text(b"\xc0\xaf"), 1007),
        ("a continuation without a start", fragment(b"{}", Data::Continue, true), 1002),
    ] {
        let mut phone = ann.connect().await;
        phone.message(message).await;
        assert_eq!(phone.closed().await, Some(code), "{what}");
    }
    let long_ping = [&b"\x89\xfe\x00\x7e\x00\x00\x00\x00"[..], &[0; 126]].concat();
    for (what, bytes) in [
        ("an unmasked frame", &b"\x81\x02{}"[..]),
        ("an unknown opcode", b"\x83\x82\x00\x00\x00\x00{}"),
        ("a long ping", &long_ping),
        ("a ping in fragments", b"\x09\x80\x00\x00\x00\x00"),
        ("a reserved bit", b"\xc1\x82\x00\x00\x00\x00{}"),
        ("a text within a text", b"\x01\x81\x00\x00\x00\x00{\x81\x81\x00\x00\x00\x00}"),
    ] {
        let mut phone = ann.connect().await;
        phone.bytes(bytes).await;
        assert_eq!(phone.closed().await, Some(1002), "{what}");
    }
    let mut cut_in_a_character = ann.connect().await;
    cut_in_a_character.message(fragment("😀".as_bytes().split_at(2).0, Data::Text, false)).await;
    cut_in_a_character.message(fragment(b"x", Data::Continue, true)).await;
    assert_eq!(cut_in_a_character.closed().await, Some(1007));
}

both_databases!(in_3_text_comes_back_byte_for_byte, MAX_MESSAGE_CHARS = "20000", MAX_FRAME_BYTES = "262144");
async fn in_3_text_comes_back_byte_for_byte(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let (mut phone, mut bob_socket) = (ann.connect().await, bob.connect().await);
    let corpus = [
        "😀👩‍👩‍👧‍👦🏳️‍🌈".to_owned(),
        "\u{10ffff}\u{10000}\u{fffd}\u{ffff}\u{fdd0}".to_owned(),
        "abc\u{202e}drowkcab\u{202c}\u{2066}x\u{2069}\u{200f}".to_owned(),
        "مرحبا بالعالم، שלום עולם".to_owned(),
        format!("Z{}", "\u{0351}".repeat(8 * 1024)),
        "é e\u{301} Å \u{212b} ﬁ".to_owned(),
        "\u{1}\u{7}\u{8}\u{b}\u{1b}[31m\u{7f}\u{85}\u{2028}\u{2029}".to_owned(),
        " leading, trailing and\r\nmixed\n\rends\t ".to_owned(),
        "'; DROP TABLE messages; -- \\ \" % _ ` $1 ? :x {}".to_owned(),
        "\u{feff}<script>alert(1)</script>&amp;\u{0}".trim_end_matches('\0').to_owned(),
    ];
    let mut id = 0;
    for text in &corpus {
        for message in [phone.send(&bob, text).await, ann.send_rest(&bob, text).await] {
            assert_eq!(message["content"], *text);
            id = message["conversation_id"].as_i64().unwrap();
            let delivered = bob_socket.expect("private_message").await;
            assert_eq!(delivered["message"]["content"], *text);
        }
    }
    let kept = bob.contents(id).await;
    let expected: Vec<&String> = corpus.iter().flat_map(|text| [text, text]).collect();
    assert_eq!(kept.iter().collect::<Vec<_>>(), expected);
}

both_databases!(the_limit_of_characters_counts_unicode_scalar_values, MAX_MESSAGE_CHARS = "5");
async fn the_limit_of_characters_counts_unicode_scalar_values(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    let mut phone = ann.connect().await;
    for letter in ["x", "ä", "€", "😀", "\u{301}"] {
        ann.send_rest(&bob, &letter.repeat(5)).await;
        phone.send(&bob, &letter.repeat(5)).await;
        let body = json!({"type": "private_message", "recipient_id": bob.id, "content": letter.repeat(6)});
        let detail = ann.post("/api/messages", body.clone()).await.refused(413, "too_large");
        assert_eq!(phone.refused(body).await, ("too_large".into(), detail));
    }
    assert_eq!(hub.stored(), [10, 1, 2]);
}
