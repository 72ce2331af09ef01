//! Derives the settings of each part from the operator's settings.

use crate::auth::ExternalTokens;
use crate::config::{Config, DatabaseUrl, ExternalIssuer, MessagePolicy, Registration};
use crate::error::{Error, Result};
use crate::http::origins::OriginPolicy;
use crate::limits::Rate;
use crate::policy::{self, Rules, SyncLimits};
use crate::store::Target;
use crate::ws::connection_limits::ConnectionBounds;
use crate::ws::transport::{self, OutboxSettings, TransportSettings};
use std::fs;
use std::num::NonZeroU32;

/// Divisor for the byte rate limit: a socket may send `FRAME_RATE` frames a second of an eighth of
/// the largest size. It may send four frames of the largest size at once.
const BYTES_PER_FRAME_PART: u32 = 8;
const FRAMES_AT_ONCE: u32 = 4;
/// Upper bound of the byte rate: more than any socket sends, and small enough to be counted in
/// nanoseconds.
const MAX_BYTES_PER_SECOND: u32 = 100_000_000;

pub(super) fn target(config: &Config) -> Target {
    match &config.store.database {
        DatabaseUrl::Sqlite(path) => Target::Sqlite(path.clone()),
        DatabaseUrl::Postgres(url) => Target::Postgres(url.clone()),
    }
}

pub(super) fn origins(config: &Config, port: u16) -> OriginPolicy {
    let allowed = &config.http.allowed_origins;
    match &config.http.public_url {
        Some(url) => OriginPolicy::public(url.origin(), url.host(), url.is_https(), allowed),
        None => OriginPolicy::loopback(port, allowed),
    }
}

pub(super) fn rules(config: &Config, sync: SyncLimits) -> Rules {
    Rules {
        message_policy: match config.messages.policy {
            MessagePolicy::Open => policy::MessagePolicy::Open,
            MessagePolicy::Contacts => policy::MessagePolicy::Contacts,
        },
        max_message_chars: config.messages.max_chars,
        max_participants: config.messages.max_participants,
        registration_is_open: matches!(config.auth.registration, Registration::Open),
        sync,
    }
}

pub(super) fn connection_limits(config: &Config, in_all: usize) -> ConnectionBounds {
    let socket = &config.socket;
    ConnectionBounds { per_user: socket.max_sockets_per_user, per_address: socket.max_sockets_per_address, in_all }
}

pub(super) fn transport(config: &Config) -> TransportSettings {
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

/// Builds the verifier for tokens of another system, if one is configured.
pub(super) fn external_tokens(config: &Config) -> Result<Option<ExternalTokens>> {
    let Some(ExternalIssuer { key_file, issuer, audience }) = &config.auth.external else { return Ok(None) };
    let refused =
        |why: &dyn std::fmt::Display| Error::internal(format!("JWT_PUBLIC_KEY_FILE {}: {why}", key_file.display()));
    let pem = fs::read_to_string(key_file).map_err(|error| refused(&error))?;
    ExternalTokens::new(&pem, issuer, audience).map(Some).map_err(|why| refused(&why))
}

/// Returns the default number of workers. One worker carries the hub and the sessions, and the
/// writer has its own core; the remaining cores get more workers.
pub(super) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}
