//! The hub under test: the real server, on a thread and a port of its own.

use super::client::Client;
use super::database::{Database, Kind};
use super::log_watch::{self, Excused};
use super::user::{self, User};
use super::{DEADLINE, eventually};
use crate::no_limits::NO_LIMITS;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::{self, JoinHandle};
use switchboard::app::{self, App};
use switchboard::clock::Clock;
use switchboard::config::Config;
use switchboard::metrics::Metrics;
use switchboard::store::accounts::users::Appointed;
use tokio::sync::oneshot;

/// Settings of every test that differ from the defaults, besides the rate limits. Two workers let
/// sessions and the hub run on different threads.
const USUAL: [(&str, &str); 3] = [("DATABASE_POOL", "4"), ("WORKERS", "2"), ("SHUTDOWN_GRACE", "5s")];

pub struct TestHub {
    pub database: Arc<Database>,
    settings: BTreeMap<&'static str, String>,
    port: Arc<AtomicU16>,
    /// Allows a second hub to run on the database.
    is_second: bool,
    server: Option<Server>,
    visitor: Client,
}

struct Server {
    metrics: Metrics,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<switchboard::error::Result<()>>,
}

impl TestHub {
    pub fn start(kind: Kind, settings: &[(&'static str, &str)]) -> Self {
        let database = Arc::new(Database::create(kind));
        let mut all: BTreeMap<&'static str, String> =
            USUAL.iter().chain(&NO_LIMITS).chain(settings).map(|(name, value)| (*name, (*value).to_owned())).collect();
        all.insert("DATA_DIR", database.data_dir());
        all.insert("DATABASE_URL", database.url());
        let port = Arc::new(AtomicU16::new(0));
        let visitor = Client::new(Arc::clone(&port), all.get("PUBLIC_URL").map(String::as_str));
        let mut hub = Self { database, settings: all, port, is_second: false, server: None, visitor };
        hub.serve(Clock::system());
        hub
    }

    /// Starts a second hub on the same database, which the first does not know.
    pub fn second_node(&self) -> Self {
        let port = Arc::new(AtomicU16::new(0));
        let visitor = self.visitor.at_port(&port);
        let (database, settings) = (Arc::clone(&self.database), self.settings.clone());
        let mut hub = Self { database, settings, port, is_second: true, server: None, visitor };
        hub.serve(Clock::system());
        hub
    }

    fn config(&self) -> Config {
        Config::from_lookup(|name| self.settings.get(name).cloned()).unwrap()
    }

    fn serve(&mut self, clock: Clock) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.port.store(listener.local_addr().unwrap().port(), Ordering::SeqCst);
        let open = if self.is_second { App::open_beside } else { App::open };
        let app = open(self.config(), clock).unwrap();
        let metrics = app.metrics();
        let (stop, stopped) = oneshot::channel();
        let serving = move || {
            actix_web::rt::System::new().block_on(app.run(listener, async {
                // A dropped sender also stops the hub.
                let _ = stopped.await;
            }))
        };
        let thread = thread::Builder::new().name("hub".into()).spawn(serving).unwrap();
        self.server = Some(Server { metrics, stop, thread });
    }

    /// Asks the hub to stop, as SIGTERM does, and waits until it has.
    pub fn stop(&mut self) {
        let Some(Server { stop, thread, .. }) = self.server.take() else { return };
        // Sending fails when the hub has ended by itself; then the thread gives the reason.
        let _ = stop.send(());
        let outcome = thread.join();
        if !thread::panicking() {
            outcome.unwrap().unwrap();
        }
    }

    /// Stops the hub while the test goes on reading its sockets.
    pub async fn stop_while<T>(&mut self, meanwhile: impl Future<Output = T>) -> T {
        let Some(Server { stop, thread, .. }) = self.server.take() else { panic!("the hub runs") };
        stop.send(()).unwrap();
        let seen = meanwhile.await;
        let joined = tokio::task::spawn_blocking(move || thread.join().unwrap().unwrap());
        assert!(tokio::time::timeout(DEADLINE, joined).await.is_ok(), "run() returns");
        seen
    }

    /// The metrics of the running hub, one on each line.
    pub fn metrics(&self) -> Vec<String> {
        let server = self.server.as_ref().expect("the hub runs");
        server.metrics.encode().unwrap().lines().map(str::to_owned).collect()
    }

    /// Restarts the hub on the same database.
    pub fn restart(&mut self) {
        self.restart_at(&Clock::system());
    }

    /// Restarts the hub with a clock that the test controls.
    pub fn restart_at(&mut self, clock: &Clock) {
        self.stop();
        self.serve(clock.clone());
    }

    /// Changes a setting; a restart brings it into effect.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.settings.insert(name, value.to_owned());
    }

    /// Expects errors with these words in the log, until the returned guard is dropped.
    pub fn excuse_errors(&self, words: &'static str) -> Excused {
        log_watch::excuse(words)
    }

    /// A client without an account.
    pub fn visitor(&self) -> Client {
        self.visitor.clone()
    }

    pub(super) fn port_cell(&self) -> &Arc<AtomicU16> {
        &self.port
    }

    pub fn port(&self) -> u16 {
        self.port.load(Ordering::SeqCst)
    }

    /// Creates accounts with these usernames, each with one login.
    pub async fn users<const N: usize>(&self, names: [&str; N]) -> [User; N] {
        let mut users = Vec::with_capacity(N);
        for name in names {
            users.push(user::register(&self.visitor, name).await);
        }
        users.try_into().unwrap_or_else(|_| unreachable!("as many users as names"))
    }

    /// Makes a user an administrator, as the command line does, and logs them in again.
    pub async fn promote(&self, user: &User) -> User {
        self.appoint(user, true).await
    }

    pub async fn demote(&self, user: &User) -> User {
        self.appoint(user, false).await
    }

    async fn appoint(&self, user: &User, is_admin: bool) -> User {
        assert_eq!(app::set_admin(&self.config(), &user.name, is_admin).unwrap(), Appointed::Done);
        user.log_in_again().await
    }

    /// The stored messages and conversations, to show that a refusal left nothing behind.
    pub fn stored(&self) -> [i64; 3] {
        ["messages", "conversations", "participants"].map(|table| self.database.count(table))
    }

    pub async fn connections(&self) -> u64 {
        self.visitor.connections().await.expect("the hub runs")
    }

    pub async fn wait_for_connections(&self, expected: u64) {
        let are_open = async || self.connections().await == expected;
        eventually(&format!("{expected} sockets are open"), are_open).await;
    }
}

impl Drop for TestHub {
    fn drop(&mut self) {
        self.stop();
    }
}
