//! TCP options of the connections that the hub accepts, read back from the kernel.

use crate::harness::{TestHub, any_database};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::Socket;
use std::fs;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(15);

/// Sends a request and waits for the end of the head of its answer.
async fn ask(address: &str, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = timeout(DEADLINE, stream.read_buf(&mut answer)).await.unwrap().unwrap();
        assert!(read > 0, "the hub closed the connection");
    }
    stream
}

/// The hub's end of a connection: the hub runs in this process, so it is the socket here whose
/// peer is the client.
fn accepted_end(client: &TcpStream) -> Socket {
    let client = client.local_addr().unwrap();
    let this_process = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let numbers = fs::read_dir("/proc/self/fd").unwrap();
    let numbers = numbers.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(|number| pidfd_getfd(&this_process, number, PidfdGetfdFlags::empty()).ok())
        .map(Socket::from)
        .find(|socket| socket.peer_addr().is_ok_and(|peer| peer.as_socket() == Some(client)))
        .expect("the hub has accepted the connection")
}

any_database!(small_frames_never_wait_for_the_peers_acknowledgement);
async fn small_frames_never_wait_for_the_peers_acknowledgement(hub: &mut TestHub) {
    let [ann] = hub.users(["ann"]).await;
    let (address, cookie) = (ann.address(), ann.cookie());
    let upgrade = format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let plain = format!("GET /api/auth/me HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n");
    for request in [upgrade, plain] {
        let client = ask(&address, &request).await;
        let accepted = accepted_end(&client);
        assert!(accepted.tcp_nodelay().unwrap(), "TCP_NODELAY is set after {request}");
        assert!(accepted.tcp_user_timeout().unwrap().is_some(), "TCP_USER_TIMEOUT is set after {request}");
    }
}
