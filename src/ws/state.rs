//! What every connection can reach besides what every request can.

use super::connection_limits::ConnectionLimits;
use super::transport::TransportSettings;
use crate::http::state::Net;
use crate::limits::Rate;
use std::sync::Arc;
use std::time::Duration;

/// What every connection can reach; one for each node.
pub struct Sockets {
    pub http: Arc<Net>,
    pub transport: Arc<TransportSettings>,
    /// Frames of any kind, for each socket.
    pub frames: Rate,
    pub connections: ConnectionLimits,
    /// For a socket to say by a frame who it is.
    pub auth_timeout: Duration,
}
