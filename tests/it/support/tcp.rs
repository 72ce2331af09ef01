//! A hand-written WebSocket over TCP: it sends bytes that no library would send, and shows exactly
//! which bytes come back, up to the last one.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// Deadline for any single wait.
const DEADLINE: Duration = Duration::from_secs(60);
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// First bytes of frames (RFC 6455, 5.2).
pub const FINAL: u8 = 0x80;
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = FINAL | 8;
pub const PING: u8 = FINAL | 9;
pub const PONG: u8 = FINAL | 10;

/// The header of a masked frame that declares this many bytes.
pub fn header(first: u8, declared: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match declared {
        0..126 => bytes.push(0x80 | declared as u8),
        126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(declared as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&declared.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes
}

/// A whole masked frame.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A close frame with this code.
pub fn close(code: u16) -> Vec<u8> {
    frame(CLOSE, code.to_be_bytes())
}

/// A frame from the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a close frame; 1005 when it has none.
    pub fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk().map_or(1005, |bytes| u16::from_be_bytes(*bytes));
        (self.first == CLOSE).then_some(code)
    }

    pub fn text(&self) -> Option<&str> {
        (self.first == FINAL | TEXT).then(|| std::str::from_utf8(&self.payload).unwrap())
    }
}

/// The least number of bytes to read before they are parsed.
const READ_BYTES: usize = 16 * 1024;

pub struct RawSocket {
    writing: OwnedWriteHalf,
    reading: OwnedReadHalf,
    unread: Vec<u8>,
}

impl RawSocket {
    /// A socket after a handshake that carries this cookie.
    pub async fn open(address: &str, cookie: &str) -> Self {
        Self::open_with(address, cookie, b"").await
    }

    /// A socket with these bytes right behind the handshake, in one packet.
    pub async fn open_with(address: &str, cookie: &str, early: &[u8]) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), address, cookie, early).await
    }

    /// A socket of a peer whose system buffers little before it is read.
    pub async fn with_small_buffer(address: &str, cookie: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(address.parse().unwrap()).await.unwrap();
        Self::over(stream, address, cookie, b"").await
    }

    async fn over(mut stream: TcpStream, address: &str, cookie: &str, early: &[u8]) -> Self {
        let handshake = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.set_nodelay(true).unwrap();
        stream.write_all(&[handshake.as_bytes(), early].concat()).await.unwrap();
        let (reading, writing) = stream.into_split();
        let mut socket = Self { writing, reading, unread: Vec::with_capacity(READ_BYTES) };
        let head = socket.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "the example of RFC 6455: {head}");
        socket
    }

    async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|end| end == b"\r\n\r\n") {
                return String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
            }
            assert!(self.read().await, "an answer to the handshake");
        }
    }

    /// Sends bytes; returns false when the other side no longer accepts them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        timeout(DEADLINE, self.writing.write_all(bytes.as_ref())).await.expect("the bytes are accepted").is_ok()
    }

    /// Complete frames that have come and were not read yet.
    pub fn arrived(&self) -> usize {
        let mut rest = &self.unread[..];
        let lengths = std::iter::from_fn(|| {
            let (length, _) = parse(rest)?;
            rest = &rest[length..];
            Some(length)
        });
        lengths.count()
    }

    /// The next frame; none when the other side has ended the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((length, frame)) = parse(&self.unread) {
                self.unread.drain(..length);
                return Some(frame);
            }
            if !self.read().await {
                assert!(self.unread.is_empty(), "it ends within a frame: {:?}", self.unread);
                return None;
            }
        }
    }

    /// Every frame that comes before the other side ends the connection.
    pub async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// Sends the bytes this many times, as fast as they are accepted, until a close frame comes.
    pub async fn flood(&mut self, bytes: &[u8], times: usize) -> Vec<Frame> {
        self.push(std::iter::repeat_n(bytes, times), Duration::ZERO).await
    }

    /// Sends one piece after the other, each after a pause, until they are no longer accepted.
    /// Reads meanwhile, until a close frame comes.
    pub async fn push(&mut self, pieces: impl IntoIterator<Item = &[u8]>, pause: Duration) -> Vec<Frame> {
        let mut frames = Vec::new();
        let Self { writing, reading, unread } = self;
        let pushing = async {
            for piece in pieces {
                if !pause.is_zero() {
                    sleep(pause).await;
                }
                if writing.write_all(piece).await.is_err() {
                    break;
                }
            }
        };
        let reading = async {
            loop {
                while let Some((length, frame)) = parse(unread) {
                    unread.drain(..length);
                    frames.push(frame);
                    if frames.last().is_some_and(|frame| frame.first == CLOSE) {
                        return;
                    }
                }
                assert!(reading.read_buf(unread).await.expect("no reset") > 0, "a close frame: {frames:?}");
            }
        };
        let both = async {
            tokio::select! {
                () = reading => {}
                () = async { pushing.await; std::future::pending().await } => {}
            }
        };
        timeout(DEADLINE, both).await.expect("the flood is answered");
        frames
    }

    /// Reads more bytes; returns false at the end.
    async fn read(&mut self) -> bool {
        let read = timeout(DEADLINE, self.reading.read_buf(&mut self.unread)).await;
        read.expect("something comes").expect("no reset") > 0
    }
}

/// The frame that begins here, once it is whole, and its length on the wire.
fn parse(bytes: &[u8]) -> Option<(usize, Frame)> {
    let [first, second, rest @ ..] = bytes else { return None };
    let (declared, rest) = match second {
        126 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length) as usize, rest))?,
        masked if masked & 0x80 != 0 => panic!("a server frame is masked"),
        length => (usize::from(*length), rest),
    };
    let payload = rest.get(..declared)?.to_vec();
    Some((bytes.len() - rest.len() + declared, Frame { first: *first, payload }))
}
