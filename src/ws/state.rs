//! The state that every connection can reach, besides the state of every request.

use super::connection_limits::ConnectionLimits;
use super::transport::TransportSettings;
use crate::http::state::HttpState;
use crate::limits::Rate;
use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;

/// The state that every connection can reach. Each node has one.
pub struct Sockets {
    pub http: Arc<HttpState>,
    pub transport: Arc<TransportSettings>,
    /// The rate limit of frames of any kind, per socket.
    pub frames: Rate,
    pub connections: ConnectionLimits,
    /// The time in which a socket has to authenticate with a frame.
    pub auth_timeout: Duration,
    pub metrics: Metrics,
}
