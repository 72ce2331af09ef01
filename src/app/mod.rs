//! Wires the parts together: the same for `main` and for the tests, which bring their own listener,
//! clock and shutdown.

mod audit_sums;
mod commands;
mod data_dir;
mod descriptors;
mod lifecycle;
mod prompt;
pub mod routes;
mod settings;

pub use commands::{begin_epoch, check, set_admin, set_password};
pub use prompt::new_password;

use crate::auth::{AccessTokens, BearerTokens, Passwords};
use crate::clock::Clock;
use crate::config::{Config, Secret};
use crate::dispatch::{Dispatcher, DispatcherParts};
use crate::error::{Error, Result};
use crate::http::answers::{AnswerSettings, Answers};
use crate::http::audit::Audit;
use crate::http::calls::calls;
use crate::http::client_address::TrustedProxies;
use crate::http::describe::{Bounds, describe};
use crate::http::held_refusals::HeldRefusals;
use crate::http::state::HttpState;
use crate::http::write_check::WriteCheck;
use crate::hub::relay::Local;
use crate::hub::{Hub, HubSettings};
use crate::jobs::driver::{JobStatuses, Jobs};
use crate::jobs::index_messages::IndexMessagesJob;
use crate::jobs::{self, JobParts};
use crate::limits::{Limits, Rate, RequestLimits};
use crate::metrics::Metrics;
use crate::phase::{PhaseSetter, PhaseWatch};
use crate::policy::SyncLimits;
use crate::store::{self, Answer, Db, History, HubLock, Probe, Publish, ReadPool, Target, Writer, WriterSettings};
use crate::wire::Effect;
use crate::ws::connection_limits::ConnectionLimits;
use crate::ws::state::Sockets;
use crate::ws::transport::{self, HttpConnections, HttpPlaces, ServerSettings};
use actix_web::web;
use audit_sums::AuditSumsJob;
use descriptors::Descriptors;
use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Timeout for the headers of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time between two requests on one connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Divisor for the share of one address: a quarter of the HTTP connections, and at most
/// `MAX_HTTP_PER_ADDRESS`.
const HTTP_SHARE: usize = 4;
const MAX_HTTP_PER_ADDRESS: usize = 1_000;
/// Divisor for delayed refusals: they may hold at most a quarter of the HTTP connections.
const HELD_SHARE: usize = 4;
/// Time for the writer to finish its work when no caller waits any more.
const WRITER_GRACE: Duration = Duration::from_secs(2);

/// A hub that is ready to run.
pub struct App {
    config: Config,
    clock: Clock,
    metrics: Metrics,
    target: Target,
    epoch: String,
    tokens: Arc<BearerTokens>,
    writer_settings: WriterSettings,
    sync_limits: SyncLimits,
    /// Notified after a write.
    written: Arc<Notify>,
    /// Notified when positions move that are published later.
    moved: Arc<Notify>,
    /// Passed to the writer.
    history: Option<History>,
    /// Receives the reason why this hub must end, and passes it to `run`.
    failing: mpsc::Sender<Error>,
    failed: mpsc::Receiver<Error>,
    /// None for a hub that runs beside another hub.
    lock: Option<HubLock>,
}

impl App {
    /// Makes the data directory, opens the database, locks out other hubs, applies migrations, and
    /// detects a restored backup.
    ///
    /// # Errors
    /// The error names the file, the server or the other hub, and the reason.
    pub fn open(config: Config, clock: Clock) -> Result<Self> {
        Self::begin(config, clock, true)
    }

    /// Opens a hub beside another one on the same Postgres, without a lock and without a record in
    /// the data directory. Tests of several nodes use it.
    pub fn open_beside(config: Config, clock: Clock) -> Result<Self> {
        Self::begin(config, clock, false)
    }

    fn begin(config: Config, clock: Clock, is_alone: bool) -> Result<Self> {
        // Read first, before anything is created.
        let external = settings::external_tokens(&config)?;
        data_dir::make(&config.store.data_dir)?;
        let target = settings::target(&config);
        let mut db = commands::open(&target)?;
        let (failing, failed) = mpsc::channel(1);
        let lock = is_alone.then(|| HubLock::take(&target, clock.now(), ending(&failing))).transpose()?;
        let epoch = store::prepare(&mut db, clock.now()).map_err(commands::of_database)?;
        let compared = is_alone.then_some(config.store.data_dir.as_path());
        let (history, epoch) = History::begin(&mut db, compared, epoch, clock.now())?;
        for warning in db.warnings()? {
            log::warn!("{warning}");
        }
        let jwt_secret = match &config.auth.jwt_secret {
            Some(secret) => secret.as_bytes().to_vec(),
            None => data_dir::own_secret(&config.store.data_dir)?,
        };
        let previous = config.auth.jwt_secret_previous.as_ref().map(Secret::as_bytes);
        let tokens = Arc::new(BearerTokens { ours: AccessTokens::new(&jwt_secret, previous, &epoch), external });
        Ok(Self {
            writer_settings: WriterSettings::for_target(&target),
            sync_limits: SyncLimits::DEFAULT,
            written: Arc::default(),
            history: Some(history),
            config,
            clock,
            metrics: Metrics::default(),
            target,
            epoch,
            tokens,
            moved: Arc::default(),
            failing,
            failed,
            lock,
        })
    }

    /// Sets other bounds for the writer; for benchmarks.
    pub fn with_writer(self, writer_settings: WriterSettings) -> Self {
        Self { writer_settings, ..self }
    }

    /// Sets other bounds for the answers of `sync`; for tests.
    pub fn with_sync_limits(self, sync_limits: SyncLimits) -> Self {
        Self { sync_limits, ..self }
    }

    /// The metrics of this hub, also while it runs.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Serves on the listener until `shutdown` completes, then drains. Runs on an actix system.
    pub async fn run(mut self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<()> {
        let port = listener.local_addr().map_err(Error::internal)?.port();
        let workers = self.config.http.workers.map_or_else(settings::default_workers, usize::from);
        let grace = self.config.http.shutdown_grace;
        let (hub, starter, announcements) = Hub::new(self.hub_settings());
        let starter = Arc::new(starter);
        let run = self.history.as_ref().map(History::run).ok_or_else(|| Error::bug("an app has one dispatcher"))?;
        let (dispatcher, writer_thread) = self.open_dispatcher(&hub)?;
        let descriptors = Descriptors::allocate(workers);
        let connection_limits = ConnectionLimits::new(settings::connection_limits(&self.config, descriptors.sockets));
        let mut jobs = Jobs::new(self.clock.clone());
        let (phase, phase_watch) = PhaseSetter::new();
        let parts = (dispatcher.clone(), hub.clone(), jobs.statuses(), phase_watch);
        let state = self.state(parts, run, descriptors.requests, port)?;
        let state = web::Data::new(state);
        let sockets = web::Data::new(self.sockets(state.clone().into_inner(), connection_limits.clone()));
        let audit = state.audit.clone();
        let settings = ServerSettings {
            workers,
            max_connections: descriptors.requests / workers,
            request_timeout: REQUEST_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            shutdown_timeout: grace,
        };
        let connections = self.http_connections(descriptors.requests, audit.clone());
        let server = transport::serve(listener, settings, connections, move || {
            starter.start();
            actix_web::App::new().app_data(state.clone()).app_data(sockets.clone()).configure(routes::routes)
        })
        .map_err(Error::internal)?;
        let handle = server.handle();
        let serving = actix_web::rt::spawn(server);
        let parts = JobParts {
            dispatcher: dispatcher.clone(),
            hub: hub.clone(),
            clock: self.clock.clone(),
            announcements,
            run,
            moved: Arc::clone(&self.moved),
            indexing: self.indexing(&dispatcher),
            login_lifetime: self.config.auth.login_lifetime,
            report_retention: self.config.messages.report_retention,
        };
        jobs::start(&mut jobs, parts);
        jobs.start(AuditSumsJob(audit.clone()));
        let outcome = tokio::select! {
            () = shutdown => Ok(()),
            failure = lifecycle::watch(&hub, &writer_thread) => Err(failure),
            Some(failure) = self.failed.recv() => Err(failure),
        };
        lifecycle::drain(jobs, &dispatcher, &hub, &connection_limits, &handle, (&phase, grace)).await;
        // The server returns its parts when it ends. The writer's thread ends with the last of
        // them.
        let _ = serving.await;
        audit.end_window();
        drop((dispatcher, hub));
        let ended = tokio::task::spawn_blocking(move || writer_thread.join());
        if tokio::time::timeout(WRITER_GRACE, ended).await.is_err() {
            log::warn!("the writer did not end in time");
        }
        // Released only now, because the hub may write until here.
        drop(self.lock);
        outcome
    }

    /// Starts the hub on this thread and opens a dispatcher, without a server; for benchmarks and
    /// tests. The thread runs an actix system.
    pub fn start_dispatcher(&mut self) -> Result<(Dispatcher, JoinHandle<()>)> {
        let (hub, starter, _announcements) = Hub::new(self.hub_settings());
        starter.start();
        self.open_dispatcher(&hub)
    }

    fn open_dispatcher(&mut self, hub: &Hub) -> Result<(Dispatcher, JoinHandle<()>)> {
        let publish = ToHub {
            hub: hub.clone(),
            written: Arc::clone(&self.written),
            moved: Arc::clone(&self.moved),
            history: self.history.take().ok_or_else(|| Error::bug("an app has one dispatcher"))?,
            failing: self.failing.clone(),
        };
        let (writer, thread) = Writer::start(self.target.clone(), self.writer_settings, publish, self.metrics.clone())?;
        let messages = Rate { per_second: self.config.messages.rate, burst: self.config.messages.burst };
        let requests = Rate { per_second: self.config.http.request_rate, burst: self.config.http.request_burst };
        let dispatcher = Dispatcher::new(DispatcherParts {
            reads: ReadPool::new(self.target.clone(), self.config.store.pool)?,
            probe: Probe::new(self.target.clone()),
            writer,
            hub: hub.clone(),
            limits: Limits::new(messages),
            requests: RequestLimits::new(requests),
            rules: settings::rules(&self.config, self.sync_limits),
            epoch: self.epoch.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        });
        Ok((dispatcher, thread))
    }

    /// Creates the job that indexes written messages for searching.
    pub fn indexing(&self, dispatcher: &Dispatcher) -> IndexMessagesJob {
        let merges = matches!(self.target, Target::Sqlite(_));
        IndexMessagesJob { dispatcher: dispatcher.clone(), written: Arc::clone(&self.written), merges }
    }

    fn hub_settings(&self) -> HubSettings {
        HubSettings {
            presence_grace: self.config.hub.presence_grace,
            typing_timeout: self.config.hub.typing_timeout,
            clock: self.clock.clone(),
            relay: Arc::new(Local),
        }
    }

    /// Returns the limits for HTTP connections. The limit for one address leaves out proxies, which
    /// may have many connections. A proxy that is missing from `TRUSTED_PROXIES` is most likely on
    /// this machine.
    fn http_connections(&self, in_all: usize, audit: Audit) -> HttpConnections {
        let places = HttpPlaces { in_all, per_address: (in_all / HTTP_SHARE).clamp(1, MAX_HTTP_PER_ADDRESS) };
        let proxies = self.trusted_proxies();
        HttpConnections::new(
            places,
            move |peer| proxies.share_of(peer),
            move |address| audit.connection_refused(address),
        )
    }

    fn trusted_proxies(&self) -> TrustedProxies {
        let http = &self.config.http;
        TrustedProxies::new(http.trusted_proxies.clone(), http.proxy_header)
    }

    fn state(
        &self,
        (dispatcher, hub, jobs, phase): (Dispatcher, Hub, JobStatuses, PhaseWatch),
        run: i64,
        requests: usize,
        port: u16,
    ) -> Result<HttpState> {
        let config = &self.config;
        let origins = settings::origins(config, port);
        let bounds = Bounds {
            is_https: origins.is_https(),
            max_message_chars: config.messages.max_chars,
            max_participants: config.messages.max_participants,
        };
        Ok(HttpState {
            dispatcher,
            hub,
            jobs,
            phase,
            passwords: Passwords::new()?,
            tokens: Arc::clone(&self.tokens),
            descriptions: describe(&calls(), &bounds),
            origins,
            trusted_proxies: self.trusted_proxies(),
            login_lifetime: config.auth.login_lifetime,
            max_body_bytes: config.socket.max_frame_bytes,
            answers: Answers::new(AnswerSettings::default()),
            audit: Audit::default(),
            held_refusals: HeldRefusals::new(requests / HELD_SHARE),
            epoch: self.epoch.clone(),
            run,
            writes: WriteCheck::default(),
            clock: self.clock.clone(),
        })
    }

    fn sockets(&self, http: Arc<HttpState>, connection_limits: ConnectionLimits) -> Sockets {
        let config = &self.config.socket;
        Sockets {
            http,
            transport: Arc::new(settings::transport(&self.config)),
            frames: Rate { per_second: config.frame_rate, burst: config.frame_burst },
            connections: connection_limits,
            auth_timeout: config.auth_timeout,
            metrics: self.metrics.clone(),
        }
    }
}

/// Sends committed batches to the hub.
struct ToHub {
    hub: Hub,
    written: Arc<Notify>,
    moved: Arc<Notify>,
    history: History,
    failing: mpsc::Sender<Error>,
}

/// Returns a function that ends the hub for a reason; the first reason counts.
fn ending(failing: &mpsc::Sender<Error>) -> impl FnOnce(Error) + Send + 'static {
    let failing = failing.clone();
    // Full: another reason is already there. Closed: the hub has ended.
    move |why| drop(failing.try_send(why))
}

impl Publish<Effect> for ToHub {
    fn on_begin(&mut self, db: &mut Db) -> Result<()> {
        self.history.on_begin(db)
    }

    fn before_commit(&mut self, db: &mut Db) -> Result<()> {
        self.history.before_commit(db)
    }

    fn on_reopen(&mut self, db: &mut Db) -> Result<()> {
        match self.history.check(db) {
            Err(lost @ Error::Internal(_)) => {
                ending(&self.failing)(lost);
                Err(Error::Unavailable("the database lost acknowledged messages; the hub is stopping"))
            }
            outcome => outcome,
        }
    }

    fn publish(&mut self, events: Vec<Effect>, answers: Vec<Answer>) {
        self.history.on_commit();
        if !events.is_empty() {
            self.written.notify_one();
        }
        if events.iter().any(|event| matches!(event, Effect::ReceiptsPending)) {
            self.moved.notify_one();
        }
        self.hub.deliver_blocking(events, self.history.committed(), answers);
    }

    fn on_unknown_commit(&mut self) {
        self.moved.notify_one();
        self.hub.deliver_blocking(vec![Effect::Resync], self.history.committed(), Vec::new());
    }
}
