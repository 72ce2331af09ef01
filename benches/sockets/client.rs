//! A WebSocket client with little overhead, because the load must not be slower than the hub. It
//! trusts the hub and does not support fragments.

use crate::Outcome;
use crate::server::Server;
use std::cell::{Cell, RefCell};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

const READ_BYTES: usize = 64 * 1024;
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// A mask of zeros, so that the text stays unchanged.
const MASK: [u8; 4] = [0; 4];
const MASKED: u8 = 0x80;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A socket of a user. Closing it leaves no port in a wait state.
pub struct Client {
    io: TcpStream,
    /// The beginning of a frame that has not arrived completely.
    unread: RefCell<Vec<u8>>,
    pings: Cell<usize>,
}

impl Client {
    /// Opens a socket and waits until it has received `welcome` and the online users.
    pub async fn connect(server: &Server, user: usize) -> Outcome<Self> {
        const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let client = Self::ask(server, user, "GET /ws", UPGRADE, "101").await?;
        let mut is_ready = false;
        client.frames(|frame| is_ready |= frame.starts_with(r#"{"type":"presence_state""#))?;
        while !is_ready {
            client.read(|frame| is_ready |= frame.starts_with(r#"{"type":"presence_state""#)).await?;
        }
        Ok(client)
    }

    /// Sends a GET request of a user and ignores the answer.
    pub async fn get(server: &Server, user: usize, path: &str) -> Outcome<()> {
        Self::ask(server, user, &format!("GET {path}"), "\r\n", "200").await.map(drop)
    }

    /// Sends a POST request that creates something.
    pub async fn post(server: &Server, user: usize, path: &str, body: &str) -> Outcome<()> {
        let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        Self::ask(server, user, &format!("POST {path}"), &rest, "201").await.map(drop)
    }

    /// Sends a request and waits for the head of the response. `rest` follows the common headers.
    async fn ask(server: &Server, user: usize, what: &str, rest: &str, status: &str) -> Outcome<Self> {
        let address = server.address;
        let io = TcpStream::connect(address).await?;
        io.set_nodelay(true)?;
        io.set_zero_linger()?;
        let client = Self { io, unread: RefCell::default(), pings: Cell::new(0) };
        let request = format!(
            "{what} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n{}{rest}",
            server.cookies(user)?
        );
        client.write(request.as_bytes()).await?;
        let mut answer_ends = None;
        while answer_ends.is_none() {
            client.io.readable().await?;
            client.take()?;
            answer_ends = client.unread.borrow().windows(4).position(|end| end == b"\r\n\r\n");
        }
        let answer: Vec<u8> = client.unread.borrow_mut().drain(..answer_ends.map_or(0, |end| end + 4)).collect();
        match answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()) {
            true => Ok(client),
            false => Err(String::from_utf8_lossy(&answer).into()),
        }
    }

    pub async fn send(&self, text: &str) -> Outcome<()> {
        let length = u16::try_from(text.len())?;
        let mut frame = Vec::with_capacity(text.len() + 8);
        frame.extend([TEXT, MASKED | 126]);
        frame.extend(length.to_be_bytes());
        frame.extend(MASK);
        frame.extend(text.as_bytes());
        self.write(&frame).await
    }

    /// Waits for bytes, and passes on the texts that they complete.
    pub async fn read(&self, on_text: impl FnMut(&str)) -> Outcome<()> {
        self.io.readable().await?;
        self.take()?;
        let pings = self.pings.get();
        self.frames(on_text)?;
        for _ in pings..self.pings.get() {
            self.write(&[&[PONG, MASKED][..], &MASK].concat()).await?;
        }
        Ok(())
    }

    /// Returns the number of pings so far.
    pub fn pings(&self) -> usize {
        self.pings.get()
    }

    fn take(&self) -> Outcome<()> {
        BUFFER.with_borrow_mut(|buffer| match self.io.try_read(buffer) {
            Ok(0) => Err("the hub closed a socket".into()),
            Ok(count) => {
                self.unread.borrow_mut().extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        })
    }

    /// Passes on the texts that have arrived completely, and counts the pings.
    fn frames(&self, mut on_text: impl FnMut(&str)) -> Outcome<()> {
        let mut unread = self.unread.borrow_mut();
        let mut at = 0;
        while let Some((kind, payload, end)) = frame(&unread[at..]) {
            match kind {
                TEXT => on_text(str::from_utf8(payload)?),
                PING => self.pings.set(self.pings.get() + 1),
                _ => return Err(format!("a frame of kind {kind:x}").into()),
            }
            at += end;
        }
        unread.drain(..at);
        if unread.is_empty() {
            *unread = Vec::new();
        }
        Ok(())
    }

    async fn write(&self, mut bytes: &[u8]) -> Outcome<()> {
        while !bytes.is_empty() {
            match self.io.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::timeout(Duration::from_secs(10), self.io.writable()).await??;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Returns the kind, the payload and the end of the first frame. Returns none before the frame has
/// arrived completely.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let [kind, length, rest @ ..] = bytes else { return None };
    let (length, start) = match length {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 10),
        short => (usize::from(*short), 2),
    };
    let payload = bytes.get(start..start + length)?;
    Some((*kind, payload, start + length))
}
