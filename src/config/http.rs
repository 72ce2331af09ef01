//! Where the hub is reached, and how much a client may ask.

use super::reader::{cidr, one_of, span, whole};
use super::settings::settings;
use super::values::{PublicUrl, allowed_origin};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

settings! {
    /// Where the hub is reached, and whom it believes.
    pub struct Http {
        /// `BIND`: where HTTP and WebSocket are served; port 0 picks a free one.
        pub bind: SocketAddr = required("BIND", "127.0.0.1:8080", socket_address),
        /// `PUBLIC_URL`: the hub's own origin and the one `Host` it answers to; none: loopback names.
        pub public_url: Option<PublicUrl> = optional("PUBLIC_URL", PublicUrl::from_str),
        /// `ALLOWED_ORIGINS`: origins besides the hub's own, in the spelling of an `Origin` header.
        pub allowed_origins: Vec<String> = list("ALLOWED_ORIGINS", allowed_origin),
        /// `TRUSTED_PROXIES`: peers that are believed when they name the client's address.
        pub trusted_proxies: Vec<IpNet> = list("TRUSTED_PROXIES", cidr),
        /// `PROXY_HEADER`: where they name it.
        pub proxy_header: ProxyHeader = required(
            "PROXY_HEADER",
            "x-forwarded-for",
            one_of([("x-forwarded-for", ProxyHeader::XForwardedFor), ("forwarded", ProxyHeader::Forwarded)]),
        ),
        /// `WORKERS`: HTTP worker threads, 1 to 256; none: by the cores.
        pub workers: Option<NonZeroUsize> = optional("WORKERS", whole(1..=256)),
        /// `SHUTDOWN_GRACE`: time to drain on SIGTERM, 0s to 5m.
        pub shutdown_grace: Duration = required("SHUTDOWN_GRACE", "10s", span("0s", "5m")),
        /// `REQUEST_RATE`: requests a second of one login, 1 to 1,000,000; twenty times that for one
        /// address.
        pub request_rate: NonZeroU32 = required("REQUEST_RATE", "50", whole(1..=1_000_000)),
        /// `REQUEST_BURST`: requests at once, likewise.
        pub request_burst: NonZeroU32 = required("REQUEST_BURST", "100", whole(1..=1_000_000)),
    }
}

/// `PROXY_HEADER`: the header in which the proxies name the client. The other one is never read: a
/// client can send it, and a proxy that does not know it passes it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, which nearly every proxy writes.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an IP address and a port, such as 127.0.0.1:8080".to_owned())
}
