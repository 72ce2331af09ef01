//! The end of a socket, once nobody writes to it any more.

use super::buffer::with_buffer;
use super::outbox::Outbox;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// For the last bytes, such as the close frame, to be taken.
const FLUSH_FOR: Duration = Duration::from_secs(2);
/// After that, for the peer to close its side. Whatever it sends meanwhile is
/// thrown away; closing at once would reset the connection, and the peer might
/// not get the close frame (RFC 6455, 7.1.1).
const LINGER_FOR: Duration = Duration::from_secs(1);
/// What is thrown away at most.
const LINGER_BYTES: usize = 256 * 1024;

/// Sends what is left, says that nothing follows, and waits for the peer to
/// do the same; each for a bounded time.
pub async fn finish(io: &TcpStream, mut outbox: Outbox) {
    let flush = async {
        while !outbox.is_empty() {
            io.writable().await?;
            match outbox.write(Instant::now(), |slices| io.try_write_vectored(slices)) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        SockRef::from(io).shutdown(Shutdown::Write)
    };
    if !matches!(timeout(FLUSH_FOR, flush).await, Ok(Ok(()))) {
        // What the peer does not take is not kept for it by the kernel either.
        let _ = SockRef::from(io).set_linger(Some(Duration::ZERO));
        return;
    }
    let mut left = LINGER_BYTES;
    let drain = async {
        while left > 0 && io.readable().await.is_ok() {
            let read = with_buffer(|buffer| io.try_read(buffer));
            match read {
                Ok(count) if count > 0 => left = left.saturating_sub(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => break,
            }
        }
    };
    // Over time is as good an end as any.
    let _ = timeout(LINGER_FOR, drain).await;
}
