//! The parts, wired: the same for `main` and for the tests, which bring their
//! own listener, clock and end.

use crate::auth::{AccessTokens, BearerTokens, ForeignTokens, Passwords};
use crate::clock::{Clock, random_bytes};
use crate::config::{Config, DatabaseUrl, Foreign, MessagePolicy, Registration, Secret};
use crate::door::{Door, Parts};
use crate::error::{Error, Result};
use crate::hub::{Announcements, Hub, HubSettings};
use crate::limits::{Limits, Rate};
use crate::net::transport::{self, OutboxSettings, ServerSettings, TransportSettings};
use crate::net::{self, Net, Site, SlotSettings, Slots};
use crate::policy::{self, Rules};
use crate::store::users::{self, Appointed};
use crate::store::{self, Answer, Lane, LaneSettings, Publish, Reads, Target};
use crate::upkeep;
use crate::wire::{CloseCode, Event};
use actix_web::dev::ServerHandle;
use actix_web::web;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{self, DirBuilder, OpenOptions};
use std::future::Future;
use std::io::{self, Write};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;

/// Time for the headers of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two requests of one connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Connections that speak HTTP, for each worker; more wait to be accepted.
const MAX_REQUESTS_PER_WORKER: usize = 25_000;
/// A socket may send `FRAME_RATE` frames a second of an eighth of the largest
/// size, and four of the largest at once.
const BYTES_PER_FRAME_PART: u32 = 8;
const FRAMES_AT_ONCE: u32 = 4;
/// More than any socket sends, and little enough to be counted in nanoseconds.
const MAX_BYTES_PER_SECOND: u32 = 100_000_000;
/// Time for the lane to finish what it is doing, when nobody waits any more.
const LANE_GRACE: Duration = Duration::from_secs(2);

/// A hub that is ready to run.
pub struct App {
    config: Config,
    clock: Clock,
    target: Target,
    epoch: String,
    tokens: Arc<BearerTokens>,
    lane_settings: LaneSettings,
    /// Told when something was written.
    written: Arc<Notify>,
}

impl App {
    /// Makes the data directory, opens the database, applies migrations.
    ///
    /// # Errors
    /// Says which file or server, and why.
    pub fn open(config: Config, clock: Clock) -> Result<Self> {
        // Read before anything is made.
        let foreign = foreign_tokens(&config)?;
        make_private_dir(&config.store.data_dir)?;
        let target = target(&config);
        let mut db = target.open()?;
        let epoch = store::prepare(&mut db, clock.now())?;
        for warning in db.durability_warnings()? {
            log::warn!("{warning}");
        }
        let jwt_secret = match &config.auth.jwt_secret {
            Some(secret) => secret.as_bytes().to_vec(),
            None => own_secret(&config.store.data_dir)?,
        };
        let previous = config.auth.jwt_secret_previous.as_ref().map(Secret::as_bytes);
        let tokens = Arc::new(BearerTokens { ours: AccessTokens::new(&jwt_secret, previous), foreign });
        let lane_settings = LaneSettings::for_target(&target);
        Ok(Self { config, clock, target, epoch, tokens, lane_settings, written: Arc::default() })
    }

    /// Other bounds for the write lane: for benchmarks.
    pub fn with_lane(self, lane_settings: LaneSettings) -> Self {
        Self { lane_settings, ..self }
    }

    /// Serves on the listener until `shutdown` is done, then drains. Runs on
    /// an actix system.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<()> {
        let port = listener.local_addr().map_err(internal)?.port();
        let workers = self.config.http.workers.map_or_else(default_workers, usize::from);
        let grace = self.config.http.shutdown_grace;
        let (hub, seat, announcements) = Hub::new(self.hub_settings());
        let seat = Arc::new(seat);
        let (door, lane_thread) = self.open_door(&hub)?;
        let descriptors = Descriptors::share_out(workers);
        let slots = Slots::new(self.slot_settings(descriptors.sockets));
        let net = web::Data::new(self.net(door.clone(), hub.clone(), slots.clone(), port)?);
        let settings = ServerSettings {
            workers,
            max_connections: descriptors.requests / workers,
            request_timeout: REQUEST_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            shutdown_timeout: grace,
        };
        let server = transport::serve(listener, settings, move || {
            seat.start();
            actix_web::App::new().app_data(net.clone()).configure(net::routes)
        })
        .map_err(internal)?;
        let handle = server.handle();
        let serving = actix_web::rt::spawn(server);
        let Announcements { transitions, unread } = announcements;
        let lifetime = self.config.auth.login_lifetime;
        let upkeep = [
            actix_web::rt::spawn(upkeep::announce_presence(transitions, door.clone(), hub.clone())),
            actix_web::rt::spawn(upkeep::announce_unread(unread, door.clone(), hub.clone())),
            actix_web::rt::spawn(upkeep::touch_logins(door.clone(), hub.clone(), self.clock.clone(), lifetime)),
            actix_web::rt::spawn(upkeep::end_revoked(door.clone(), hub.clone())),
            self.start_indexing(&door),
        ];
        let outcome = tokio::select! {
            () = shutdown => Ok(()),
            failure = upkeep::look_after(&door, &hub, &lane_thread) => Err(failure),
        };
        // Everybody is about to go, which is no news.
        upkeep.iter().for_each(actix_web::rt::task::JoinHandle::abort);
        drain(&hub, &slots, &handle, grace).await;
        // The server hands its parts back when it has ended; the lane's
        // thread ends with the last of them.
        let _ = serving.await;
        drop((door, hub));
        let ended = tokio::task::spawn_blocking(move || lane_thread.join());
        if tokio::time::timeout(LANE_GRACE, ended).await.is_err() {
            log::warn!("the write lane did not end in time");
        }
        outcome
    }

    /// A door of its own, without a server: for benchmarks and tests.
    pub fn open_door(&self, hub: &Hub) -> Result<(Door, JoinHandle<()>)> {
        let publish = ToHub { hub: hub.clone(), written: Arc::clone(&self.written) };
        let (lane, thread) = Lane::start(self.target.clone(), self.lane_settings, publish)?;
        let messages = Rate { per_second: self.config.messages.rate, burst: self.config.messages.burst };
        let door = Door::new(Parts {
            reads: Reads::open(self.target.clone(), self.config.store.pool)?,
            lane,
            hub: hub.clone(),
            limits: Limits::new(messages),
            rules: rules(&self.config),
            epoch: self.epoch.clone(),
            clock: self.clock.clone(),
        });
        Ok((door, thread))
    }

    /// Has what is written found by its words soon; until the task is aborted.
    pub fn start_indexing(&self, door: &Door) -> actix_web::rt::task::JoinHandle<()> {
        actix_web::rt::spawn(upkeep::index(door.clone(), Arc::clone(&self.written)))
    }

    pub fn hub_settings(&self) -> HubSettings {
        HubSettings {
            presence_grace: self.config.hub.presence_grace,
            typing_timeout: self.config.hub.typing_timeout,
            clock: self.clock.clone(),
        }
    }

    fn slot_settings(&self, in_all: usize) -> SlotSettings {
        let socket = &self.config.socket;
        SlotSettings { per_user: socket.max_sockets_per_user, per_address: socket.max_sockets_per_address, in_all }
    }

    fn net(&self, door: Door, hub: Hub, slots: Slots, port: u16) -> Result<Net> {
        let config = &self.config;
        let site = site(config, port);
        Ok(Net {
            door,
            hub,
            passwords: Passwords::new()?,
            tokens: Arc::clone(&self.tokens),
            descriptions: net::Descriptions::new(&net::Bounds {
                is_https: site.is_https(),
                max_message_chars: config.messages.max_chars,
                max_participants: config.messages.max_participants,
            }),
            site,
            trusted_proxies: config.http.trusted_proxies.clone(),
            login_lifetime: config.auth.login_lifetime,
            max_body_bytes: config.socket.max_frame_bytes,
            transport: Arc::new(transport_settings(config)),
            frames: Rate { per_second: config.socket.frame_rate, burst: config.socket.frame_burst },
            slots,
            auth_timeout: config.socket.auth_timeout,
            epoch: self.epoch.clone(),
            clock: self.clock.clone(),
        })
    }
}

/// How many descriptors may be open for what. A tenth of what the system
/// allows is for files, the database and what nobody thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Descriptors {
    /// Connections that speak HTTP.
    requests: usize,
    sockets: usize,
}

impl Descriptors {
    /// Raises the limit as far as the system lets us, and shares it out.
    fn share_out(workers: usize) -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
        let limit = if raised { maximum } else { current };
        // None: without limit.
        Self::of(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX), workers)
    }

    fn of(limit: usize, workers: usize) -> Self {
        let usable = limit / 10 * 9;
        let requests = (usable / 4).min(MAX_REQUESTS_PER_WORKER * workers).max(workers);
        Self { requests, sockets: (usable - requests.min(usable)).max(1) }
    }
}

fn transport_settings(config: &Config) -> TransportSettings {
    let socket = &config.socket;
    let max_frame_bytes = u32::try_from(socket.max_frame_bytes).unwrap_or(u32::MAX);
    let at_least = |bytes: u32, least: NonZeroU32| NonZeroU32::new(bytes).map_or(least, |bytes| bytes.max(least));
    TransportSettings {
        max_frame_bytes: socket.max_frame_bytes,
        takes_binary: false,
        bytes: Rate {
            per_second: at_least(
                socket
                    .frame_rate
                    .get()
                    .saturating_mul(max_frame_bytes / BYTES_PER_FRAME_PART)
                    .min(MAX_BYTES_PER_SECOND),
                NonZeroU32::MIN,
            ),
            burst: at_least(max_frame_bytes.saturating_mul(FRAMES_AT_ONCE), transport::LEAST_BURST),
        },
        heartbeat_interval: socket.heartbeat_interval,
        heartbeat_timeout: socket.heartbeat_timeout,
        outbox: OutboxSettings { max_bytes: socket.outbox_bytes, max_age: socket.outbox_age },
    }
}

/// Whether the settings lead to a database that answers; for `check`.
pub fn check(config: &Config) -> Result<()> {
    foreign_tokens(config)?;
    make_private_dir(&config.store.data_dir)?;
    store::probe(&mut target(config).open()?)
}

/// Makes somebody an administrator, or one no longer; also while a hub runs on
/// that database. For `user promote` and `user demote`.
pub fn set_admin(config: &Config, username: &str, is_admin: bool) -> Result<Appointed> {
    let target = target(config);
    // Opening it would make one, where somebody else's settings point to.
    if let Target::Sqlite(path) = &target
        && !path.exists()
    {
        return Err(internal(format!("there is no SQLite database {}", path.display())));
    }
    target.open()?.write_transaction(|db| users::set_admin(db, username, is_admin))
}

fn target(config: &Config) -> Target {
    match &config.store.database {
        DatabaseUrl::Sqlite(path) => Target::Sqlite(path.clone()),
        DatabaseUrl::Postgres(url) => Target::Postgres(url.clone()),
    }
}

fn site(config: &Config, port: u16) -> Site {
    let allowed = &config.http.allowed_origins;
    match &config.http.public_url {
        Some(url) => Site::public(url.origin(), url.host(), url.is_https(), allowed),
        None => Site::loopback(port, allowed),
    }
}

fn rules(config: &Config) -> Rules {
    Rules {
        message_policy: match config.messages.policy {
            MessagePolicy::Open => policy::MessagePolicy::Open,
            MessagePolicy::Contacts => policy::MessagePolicy::Contacts,
        },
        max_message_chars: config.messages.max_chars,
        max_participants: config.messages.max_participants,
        registration_is_open: matches!(config.auth.registration, Registration::Open),
    }
}

/// One worker carries the hub and the sessions, the write lane has a core of
/// its own; what is left is for more workers.
fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

fn internal(error: impl Into<crate::error::Source>) -> Error {
    Error::Internal(error.into())
}

fn make_private_dir(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| internal(format!("cannot make the data directory {}: {error}", path.display())))
}

/// What checks the tokens of another system, if there is one.
fn foreign_tokens(config: &Config) -> Result<Option<ForeignTokens>> {
    let Some(Foreign { key_file, issuer, audience }) = &config.auth.foreign else { return Ok(None) };
    let refused = |why: &dyn std::fmt::Display| internal(format!("JWT_PUBLIC_KEY_FILE {}: {why}", key_file.display()));
    let pem = fs::read_to_string(key_file).map_err(|error| refused(&error))?;
    ForeignTokens::new(&pem, issuer, audience).map(Some).map_err(|why| refused(&why))
}

/// The key that signs access tokens, made once and kept where only the hub's
/// user can read it.
fn own_secret(data_dir: &Path) -> Result<Vec<u8>> {
    let path = data_dir.join("jwt.key");
    let failed =
        |what: &str, error: &dyn std::fmt::Display| internal(format!("cannot {what} {}: {error}", path.display()));
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let secret = BASE64.encode(random_bytes::<32>());
            file.write_all(secret.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(|error| failed("write", &error))?;
            Ok(secret.into_bytes())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let secret = fs::read(&path).map_err(|error| failed("read", &error))?;
            match secret.len() >= 32 {
                true => Ok(secret),
                false => Err(failed("use", &"it is shorter than 32 bytes; remove it to have a new one made")),
            }
        }
        Err(error) => Err(failed("write", &error)),
    }
}

/// Committed batches go to the hub.
struct ToHub {
    hub: Hub,
    written: Arc<Notify>,
}

impl Publish<Event> for ToHub {
    fn publish(&mut self, events: Vec<Event>, answers: Vec<Answer>) {
        if !events.is_empty() {
            self.written.notify_one();
        }
        self.hub.deliver_blocking(events, answers);
    }

    fn doubt(&mut self) {
        self.hub.deliver_blocking(vec![Event::Resync], Vec::new());
    }
}

/// No new connections, every socket told to come back, requests finished;
/// within the grace.
async fn drain(hub: &Hub, slots: &Slots, server: &ServerHandle, grace: Duration) {
    log::info!("draining seconds={}", grace.as_secs());
    server.pause().await;
    slots.close();
    let draining = async {
        // Fails only when the hub is dead, and then there is nobody to tell.
        let _ = hub.close_all(CloseCode::Restart).await;
        slots.are_free().await;
        server.stop(true).await;
    };
    if tokio::time::timeout(grace, draining).await.is_err() {
        server.stop(false).await;
    }
}
