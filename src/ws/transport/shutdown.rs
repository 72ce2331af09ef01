//! Closes a socket after the last frame is queued.

use super::buffer::with_buffer;
use super::outbox::Outbox;
use actix_web::rt::net::TcpStream;
use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The time in which the client has to take the last bytes, such as the close frame.
const FLUSH_FOR: Duration = Duration::from_secs(2);
/// The time after that in which the client has to close its side. The bytes that it sends meanwhile
/// are discarded. Closing immediately would reset the connection, and the client might not get the
/// close frame (RFC 6455, 7.1.1).
const LINGER_FOR: Duration = Duration::from_secs(1);
/// The most bytes that are discarded.
const LINGER_BYTES: usize = 256 * 1024;

/// Sends the remaining bytes, ends the output, and waits for the client to do the same. Each step
/// has a time limit.
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
        // The kernel also drops the bytes that the client does not take.
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
    // A timeout is also a valid end.
    let _ = timeout(LINGER_FOR, drain).await;
}
