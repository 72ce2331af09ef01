//! The hub behind a real nginx, with the documented lines and with common alternatives: the client
//! address that counts, the host names that are accepted, and sockets that open.

use crate::harness::{Nginx, PASSWORD, TestHub, any_database, free_port, register};
use crate::support::binary::{Sandbox, wait_for};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

const HOST: &str = "chat.example.org";
const HOST_LINE: &str = "proxy_set_header Host $http_host;";
const ADDRESS_LINE: &str = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";

/// Sends one request from an address of this machine, with headers of any bytes. Returns the status
/// and the body.
async fn ask(nginx: &Nginx, from: &str, line: &str, headers: &[&[u8]], body: &Value) -> (u16, Value) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], nginx.port).into()).await.unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut request = format!(
        "{line} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    )
    .into_bytes();
    for header in headers {
        request.extend_from_slice(header);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(format!("\r\n{body}").as_bytes());
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(std::time::Duration::from_secs(15), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer: {answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Headers that a client sends to spoof another address.
const CLAIMS: [&[u8]; 10] = [
    b"X-Forwarded-For: \xff",
    b"X-Forwarded-For: 192.0.2.1, \xff",
    b"X-Forwarded-For: \"",
    b"X-Forwarded-For: unknown",
    b"X-Forwarded-For: 127.0.0.1",
    b"X-Forwarded-For: ,,,",
    b"X-Forwarded-For: for=192.0.2.1;proto=\"",
    b"Forwarded: for=192.0.2.1",
    b"Forwarded: for=\"",
    b"X-Real-IP: 192.0.2.1",
];

any_database!(
    users_chat_through_nginx_as_documented,
    PUBLIC_URL = "https://chat.example.org",
    TRUSTED_PROXIES = "127.0.0.1"
);
async fn users_chat_through_nginx_as_documented(hub: &mut TestHub) {
    let nginx = Nginx::start(hub.port()).await;
    let page = nginx.visitor(HOST).with("origin", "https://chat.example.org");
    let (ann, bob) = (register(&page, "ann").await, register(&page, "bob").await);
    let (mut phone, mut laptop) = (ann.connect().await, bob.connect().await);
    ann.send_rest(&bob, "through nginx").await;
    phone.until_message("through nginx").await;
    laptop.until_message("through nginx").await;
    assert_eq!(page.call("HEAD", "/").await.is(200).body, "");
    for path in ["/health", "/ready"] {
        page.call("HEAD", path).await.is(200);
    }
    assert_eq!(page.get("/health").await.is(200).body, r#"{"status":"ok"}"#);
    ann.at("https://evil.example").handshake().await.refused(403, "bad_origin");
    phone.close().await;
    laptop.close().await;
}

any_database!(
    op_2_a_client_of_nginx_is_known_by_its_own_address,
    PUBLIC_URL = "https://chat.example.org",
    TRUSTED_PROXIES = "127.0.0.1"
);
async fn op_2_a_client_of_nginx_is_known_by_its_own_address(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let nginx = Nginx::start(hub.port()).await;
    let login = |password: &str| json!({"username": "ann", "password": password});
    let log_in = async |from: &str, claim: &[u8], password: &str| {
        ask(&nginx, from, "POST /api/auth/login", &[claim], &login(password)).await.0
    };
    for claim in CLAIMS {
        assert_eq!(log_in("127.0.0.2", claim, PASSWORD).await, 200);
        let sessions = ann.get("/api/auth/sessions").await.ok()["sessions"].clone();
        assert_eq!(sessions[0]["ip"], "127.0.0.2", "{}", String::from_utf8_lossy(claim));
        assert_eq!(log_in("127.0.0.2", claim, "a wrong guess").await, 401);
    }
    for claim in CLAIMS {
        assert_eq!(log_in("127.0.0.2", claim, PASSWORD).await, 429, "{}", String::from_utf8_lossy(claim));
    }
    assert_eq!(log_in("127.0.0.3", CLAIMS[0], PASSWORD).await, 200);
    ann.log_in_again().await;
}

any_database!(
    the_host_is_recognized_in_every_form_nginx_sends,
    PUBLIC_URL = "https://chat.example.org",
    TRUSTED_PROXIES = "127.0.0.1"
);
async fn the_host_is_recognized_in_every_form_nginx_sends(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    for line in ["$host", "$http_host", "$host:443", "$host.", "chat.example.org"] {
        let line = format!("proxy_set_header Host {line};");
        let nginx = Nginx::start_with(free_port(), hub.port(), &[(HOST_LINE, &line)]).await;
        for host in [HOST, "CHAT.example.org"] {
            let page = nginx.visitor(host).with("cookie", ann.cookie());
            page.get("/api/auth/me").await.is(200);
        }
    }
    let port = free_port();
    let with_port = "proxy_set_header Host $host:$server_port;";
    let nginx = Nginx::start_with(port, hub.port(), &[(HOST_LINE, with_port)]).await;
    let page = nginx.visitor(HOST).with("cookie", ann.cookie());
    let detail = page.get("/api/auth/me").await.refused(421, "bad_host");
    assert_eq!(detail, format!("unknown host chat.example.org:{port}; set PUBLIC_URL to the address people use"));
    hub.set("PUBLIC_URL", &format!("https://chat.example.org:{port}"));
    hub.restart();
    let nginx = Nginx::start_with(port_after(nginx), hub.port(), &[(HOST_LINE, with_port)]).await;
    nginx.visitor(HOST).with("cookie", ann.cookie()).get("/api/auth/me").await.is(200);
    // As documented, nginx passes on the port that the browser names.
    let nginx = Nginx::start_with(port_after(nginx), hub.port(), &[]).await;
    let page = nginx.visitor(&format!("{HOST}:{port}")).with("cookie", ann.cookie());
    page.get("/api/auth/me").await.is(200);
}

/// The port of a server that has ended.
fn port_after(nginx: Nginx) -> u16 {
    nginx.port
}

any_database!(
    a_proxy_with_its_own_host_name_serves_probes_and_tokens,
    PUBLIC_URL = "https://chat.example.org",
    TRUSTED_PROXIES = "127.0.0.1"
);
async fn a_proxy_with_its_own_host_name_serves_probes_and_tokens(hub: &mut TestHub) {
    let [ann, bob] = hub.users(["ann", "bob"]).await;
    // Then Host is the name in proxy_pass.
    let nginx = Nginx::start_with(free_port(), hub.port(), &[(HOST_LINE, "")]).await;
    let client = nginx.visitor(HOST);
    let detail = client.with("cookie", ann.cookie()).get("/api/auth/me").await.refused(421, "bad_host");
    assert!(detail.contains(&format!("127.0.0.1:{}", hub.port())) && detail.contains("PUBLIC_URL"), "{detail}");
    for path in ["/health", "/ready"] {
        client.get(path).await.is(200);
        client.call("HEAD", path).await.is(200);
    }
    let token = ann.post("/api/auth/token", json!({})).await.ok()["access_token"].as_str().unwrap().to_owned();
    let back_end = client.with_token(&token);
    back_end.get("/api/auth/me").await.is(200);
    back_end.post("/api/messages", json!({"recipient_id": bob.id, "content": "x"})).await.is(201);
    back_end.handshake().await.is(101);
}

#[tokio::test]
async fn an_ipv6_hub_trusts_nginx_on_ipv4_only_when_configured() {
    let public = Sandbox::new().with("BIND", "[::]:0").with("PUBLIC_URL", "https://chat.example.org");
    let refused_from = async |sandbox: &Sandbox, changes: &[(&str, &str)]| {
        let mut hub = sandbox.start(&[]);
        let port = hub.address().await.rsplit_once(':').unwrap().1.parse().unwrap();
        let nginx = Nginx::start_with(free_port(), port, changes).await;
        assert_eq!(ask(&nginx, "127.0.0.2", "GET /api/auth/me", &[CLAIMS[0]], &Value::Null).await.0, 401);
        // The line is written a moment after the answer.
        wait_for("the line of the refusal", async || Some(hub.log()).filter(|log| log.contains("refused user="))).await
    };
    let log = refused_from(&public, &[]).await;
    assert!(log.contains("refused user=none address=127.0.0.1 "), "{log}");
    assert!(log.contains("TRUSTED_PROXIES is empty"), "{log}");
    let trusting = public.with("TRUSTED_PROXIES", "127.0.0.1");
    let log = refused_from(&trusting, &[]).await;
    assert!(log.contains("refused user=none address=127.0.0.2 "), "{log}");
    assert!(!log.contains("TRUSTED_PROXIES is empty"), "{log}");
    // The first case has no list that nginx appends to, the second uses the RFC 7239 header.
    let alone = "proxy_set_header X-Forwarded-For $remote_addr;";
    let log = refused_from(&trusting, &[(ADDRESS_LINE, alone)]).await;
    assert!(log.contains("refused user=none address=127.0.0.2 "), "{log}");
    let forwarded = "proxy_set_header Forwarded \"for=$remote_addr;proto=$scheme;host=\\\"$host\\\"\";";
    let log = refused_from(&trusting.with("PROXY_HEADER", "forwarded"), &[(ADDRESS_LINE, forwarded)]).await;
    assert!(log.contains("refused user=none address=127.0.0.2 "), "{log}");
}
