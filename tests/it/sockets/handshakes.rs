//! The WebSocket handshake request, checked in every detail (RFC 6455, 4.2.1).

use crate::harness::{TestHub, User, any_database};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13";
const UPGRADE: &str = "Upgrade: websocket";
const CONNECTION: &str = "Connection: Upgrade";

/// The head of the answer to a request with this first line and these headers
/// besides Host and Cookie.
async fn asked(user: &User, line: &str, headers: &[&str]) -> String {
    let (host, cookie) = (user.address(), user.cookie());
    let headers = headers.iter().map(|header| format!("{header}\r\n")).collect::<String>();
    user.raw_head(&format!("{line}\r\nHost: {host}\r\nCookie: {cookie}\r\n{headers}\r\n")).await
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

any_database!(a_valid_handshake_is_accepted_in_any_letter_case);
async fn a_valid_handshake_is_accepted_in_any_letter_case(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for headers in [
        [UPGRADE, CONNECTION, VERSION, KEY, "X: y"],
        [KEY, VERSION, CONNECTION, UPGRADE, "X: y"],
        ["upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13", KEY, "X: y"],
        ["UPGRADE: WebSocket", "CONNECTION: UPGRADE", VERSION, KEY, "X: y"],
        [UPGRADE, "Connection: keep-alive, Upgrade", VERSION, KEY, "X: y"],
        [UPGRADE, "Connection: upgrade,keep-alive", VERSION, KEY, "X: y"],
        [UPGRADE, "Connection: keep-alive", "Connection: Upgrade", VERSION, KEY],
        ["Upgrade:websocket", "Connection:Upgrade", "Sec-WebSocket-Version:13", KEY, "X: y"],
        ["Upgrade:  websocket  ", CONNECTION, "Sec-WebSocket-Version: 13 ", KEY, "X: y"],
        [UPGRADE, CONNECTION, VERSION, KEY, "Sec-WebSocket-Protocol: chat, superchat"],
        [UPGRADE, CONNECTION, VERSION, KEY, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"],
        [UPGRADE, CONNECTION, VERSION, KEY, "Sec-WebSocket-Extensions: x-webkit-deflate-frame, mux"],
        [UPGRADE, CONNECTION, VERSION, KEY, "Content-Length: 0"],
    ] {
        let answer = asked(&ann, "GET /ws HTTP/1.1", &headers).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{headers:?}: {answer}");
        assert_eq!(header(&answer, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        assert!(header(&answer, "upgrade").is_some_and(|token| token.eq_ignore_ascii_case("websocket")), "{answer}");
        assert!(header(&answer, "connection").is_some_and(|token| token.eq_ignore_ascii_case("upgrade")), "{answer}");
        // The hub supports no subprotocol, so none is negotiated.
        for name in ["sec-websocket-protocol", "sec-websocket-extensions", "transfer-encoding"] {
            assert_eq!(header(&answer, name), None, "{headers:?}: {answer}");
        }
    }
}

any_database!(an_invalid_handshake_is_refused_and_the_connection_ends);
async fn an_invalid_handshake_is_refused_and_the_connection_ends(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let get = "GET /ws HTTP/1.1";
    let other = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
    let table: &[(u16, &str, &[&str])] = &[
        (426, get, &[UPGRADE, CONNECTION, KEY]),
        (426, get, &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 12"]),
        (426, get, &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 8"]),
        (426, get, &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 14"]),
        (426, get, &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 013"]),
        (426, get, &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 13, 8"]),
        (426, get, &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version:"]),
        (426, get, &[UPGRADE, CONNECTION, KEY, VERSION, VERSION]),
        (426, get, &[UPGRADE, CONNECTION, KEY, "Sec-WebSocket-Version: 8", VERSION]),
        (426, get, &[CONNECTION, VERSION, KEY]),
        (426, get, &["Upgrade: websockets", CONNECTION, VERSION, KEY]),
        (426, get, &["Upgrade: h2c", CONNECTION, VERSION, KEY]),
        (426, get, &["Upgrade: h2c", UPGRADE, CONNECTION, VERSION, KEY]),
        (426, get, &[UPGRADE, VERSION, KEY]),
        (426, get, &[UPGRADE, "Connection: keep-alive", VERSION, KEY]),
        (426, get, &[UPGRADE, "Connection: close", VERSION, KEY]),
        (426, get, &[UPGRADE, "Connection: Upgraded", VERSION, KEY]),
        (426, "GET /ws HTTP/1.0", &[UPGRADE, CONNECTION, VERSION, KEY]),
        (400, get, &[UPGRADE, CONNECTION, VERSION]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key:"]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, KEY, KEY]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, KEY, other]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA"]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAB=="]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: not base64, at all!!!=="]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: ______________________=="]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, KEY, "Content-Length: 1"]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, KEY, "Content-Length: 0100"]),
        (400, get, &[UPGRADE, CONNECTION, VERSION, KEY, "Transfer-Encoding: chunked"]),
        (405, "POST /ws HTTP/1.1", &[UPGRADE, CONNECTION, VERSION, KEY]),
        (405, "POST /ws HTTP/1.1", &[UPGRADE, CONNECTION, VERSION, KEY, "Content-Length: 0"]),
        (405, "HEAD /ws HTTP/1.1", &[UPGRADE, CONNECTION, VERSION, KEY]),
        (405, "PUT /ws HTTP/1.1", &[UPGRADE, CONNECTION, VERSION, KEY, "Content-Length: 0"]),
        (405, "OPTIONS /ws HTTP/1.1", &[UPGRADE, CONNECTION, VERSION, KEY]),
        (404, "GET /ws/ HTTP/1.1", &[UPGRADE, CONNECTION, VERSION, KEY]),
        (404, "GET /api/ws HTTP/1.1", &[UPGRADE, CONNECTION, VERSION, KEY]),
    ];
    for (status, line, headers) in table {
        let answer = asked(&ann, line, headers).await;
        assert_eq!(answer.split(' ').nth(1), Some(&*status.to_string()), "{line} {headers:?}: {answer}");
        assert_eq!(header(&answer, "sec-websocket-accept"), None, "{answer}");
        if *status == 426 {
            assert_eq!(header(&answer, "sec-websocket-version"), Some("13"), "{line} {headers:?}: {answer}");
        }
    }
}

any_database!(an_unauthorized_handshake_is_refused_with_the_reason);
async fn an_unauthorized_handshake_is_refused_with_the_reason(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let (host, cookie) = (format!("Host: {}", ann.address()), format!("Cookie: {}", ann.cookie()));
    let right = [UPGRADE, CONNECTION, VERSION, KEY].join("\r\n");
    for (status, who) in [
        (401, host.clone()),
        (401, format!("{host}\r\nCookie: switchboard=wrong")),
        (401, format!("{host}\r\nAuthorization: Bearer wrong")),
        (403, format!("{host}\r\n{cookie}\r\nOrigin: https://elsewhere.example")),
        (403, format!("{host}\r\n{cookie}\r\nOrigin: null")),
        (421, format!("Host: elsewhere.example\r\n{cookie}")),
        (400, cookie.clone()),
        (400, format!("{host}\r\n{host}\r\n{cookie}")),
    ] {
        let answer = ann.raw_head(&format!("GET /ws HTTP/1.1\r\n{who}\r\n{right}\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{who}: {answer}");
        assert_eq!(header(&answer, "connection"), Some("close"), "the rest of the stream cannot be parsed: {answer}");
    }
}
