//! A proxy between a hub and its Postgres that cuts the connection right after a COMMIT succeeded:
//! the hub never gets the answer.

use super::database::Database;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use url::Url;

pub struct Cut {
    /// The URL of the proxied database, in the form of `DATABASE_URL`.
    pub url: String,
    was_cut: Arc<AtomicBool>,
    /// Dropping this ends the proxy.
    _end: oneshot::Sender<()>,
}

impl Cut {
    /// Cuts the connection that commits a row with these words in it, once. Runs on a thread of its
    /// own, because hubs start and stop on the test's thread.
    pub fn after_commit_of(database: &Database, words: &'static [u8]) -> Self {
        let mut url = Url::parse(&database.url()).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let was_cut = Arc::new(AtomicBool::new(false));
        let (end, ended) = oneshot::channel();
        let carrying = carry_all(listener, server, words, Arc::clone(&was_cut));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let until_end = async {
            tokio::select! { () = carrying => {}, _ = ended => {} }
        };
        std::thread::spawn(move || runtime.block_on(until_end));
        Self { url: url.into(), was_cut, _end: end }
    }

    pub fn was_cut(&self) -> bool {
        self.was_cut.load(Ordering::SeqCst)
    }
}

async fn carry_all(listener: std::net::TcpListener, server: String, words: &'static [u8], cut: Arc<AtomicBool>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((hub, _)) = listener.accept().await {
        let wire = Wire { hub, server: TcpStream::connect(&server).await.unwrap(), words };
        // Disables the delay of small packets, which otherwise wait for each other.
        [&wire.hub, &wire.server].iter().for_each(|end| end.set_nodelay(true).unwrap());
        tokio::spawn(wire.carry(Arc::clone(&cut)));
    }
}

struct Wire {
    hub: TcpStream,
    server: TcpStream,
    words: &'static [u8],
}

impl Wire {
    async fn carry(mut self, cut: Arc<AtomicBool>) {
        let holds = |bytes: &[u8], words: &[u8]| bytes.windows(words.len()).any(|window| window == words);
        let (mut from_hub, mut from_server) = (Vec::new(), Vec::new());
        let mut is_marked = false;
        loop {
            let outcome = tokio::select! {
                received = self.hub.read_buf(&mut from_hub) => received,
                received = self.server.read_buf(&mut from_server) => received,
            };
            if !outcome.is_ok_and(|length| length > 0) {
                return;
            }
            is_marked |= holds(&from_hub, self.words);
            let is_commit = is_marked && holds(&from_hub, b"COMMIT\0") && !cut.swap(true, Ordering::SeqCst);
            if self.server.write_all(&from_hub).await.is_err() {
                return;
            }
            if is_commit {
                // The answer confirms the COMMIT, and the proxy discards it.
                self.server.read_buf(&mut from_server).await.unwrap();
                return;
            }
            if self.hub.write_all(&from_server).await.is_err() {
                return;
            }
            from_hub.clear();
            from_server.clear();
        }
    }
}
