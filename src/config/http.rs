//! Settings for the HTTP server: its addresses, and the request rate limits.

use super::reader::{cidr, one_of, span, whole};
use super::settings::settings;
use super::values::{PublicUrl, allowed_origin};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

settings! {
    /// Settings for the HTTP server: its addresses, trusted proxies and request rate limits.
    pub struct Http {
        /// `BIND`: address for HTTP and WebSocket; port 0 picks a free port.
        pub bind: SocketAddr = required("BIND", "127.0.0.1:8080", socket_address),
        /// `PUBLIC_URL`: the hub's own origin, and the only `Host` that it serves. Without it the
        /// hub serves loopback names.
        pub public_url: Option<PublicUrl> = optional("PUBLIC_URL", PublicUrl::from_str),
        /// `ALLOWED_ORIGINS`: origins besides the hub's own, spelled as in an `Origin` header.
        pub allowed_origins: Vec<String> = list("ALLOWED_ORIGINS", allowed_origin),
        /// `TRUSTED_PROXIES`: peers that may name the client's address.
        pub trusted_proxies: Vec<IpNet> = list("TRUSTED_PROXIES", cidr),
        /// `PROXY_HEADER`: the header in which they name it.
        pub proxy_header: ProxyHeader = required(
            "PROXY_HEADER",
            "x-forwarded-for",
            one_of([("x-forwarded-for", ProxyHeader::XForwardedFor), ("forwarded", ProxyHeader::Forwarded)]),
        ),
        /// `WORKERS`: HTTP worker threads, 1 to 256. The default depends on the number of cores.
        pub workers: Option<NonZeroUsize> = optional("WORKERS", whole(1..=256)),
        /// `SHUTDOWN_GRACE`: time to drain on SIGTERM, 0s to 5m.
        pub shutdown_grace: Duration = required("SHUTDOWN_GRACE", "10s", span("0s", "5m")),
        /// `REQUEST_RATE`: requests a second of one login, 1 to 1,000,000. One address may send
        /// twenty times as many.
        pub request_rate: NonZeroU32 = required("REQUEST_RATE", "50", whole(1..=1_000_000)),
        /// `REQUEST_BURST`: requests at once of one login, 1 to 1,000,000. One address may send
        /// twenty times as many.
        pub request_burst: NonZeroU32 = required("REQUEST_BURST", "100", whole(1..=1_000_000)),
    }
}

/// `PROXY_HEADER`: the header in which the proxies name the client. The hub never reads the other
/// header: a client can send it, and a proxy that does not know it passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, which nearly every proxy sets.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "use an IP address and a port, such as 127.0.0.1:8080".to_owned())
}
