//! Finds the address of a client, also behind reverse proxies.
//!
//! Each proxy appends the address of its own peer at the right end of a header. Only the entries
//! that a trusted proxy appended count. The list is read from the right, up to the first address
//! that is not a trusted proxy. The client may have invented everything to the left of it. Commas
//! always separate, also inside quotes. Otherwise a quote that a client opens would swallow the
//! entries of the proxy.

use crate::config::ProxyHeader;
use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr};

/// The address of every client whose address a trusted proxy gives in an unreadable form. These
/// clients are counted together, like the clients of one network.
pub const UNKNOWN_ADDRESS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Reads the address in one element of the header.
type Read = fn(&[u8]) -> Option<IpAddr>;

/// The trusted proxies, and the header in which they give the client's address.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ProxyHeader,
}

impl TrustedProxies {
    pub fn new(networks: Vec<IpNet>, header: ProxyHeader) -> Self {
        Self { networks, header }
    }

    /// Returns whether the address belongs to a trusted proxy. An IPv4 address also matches a
    /// network in IPv6 notation (`::ffff:10.0.0.0/104`).
    pub fn contains(&self, address: IpAddr) -> bool {
        let mapped = match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V6(address.to_ipv6_mapped()),
            other => other,
        };
        let is_in = |range: &IpNet| range.contains(&address.to_canonical()) || range.contains(&mapped);
        !address.is_unspecified() && self.networks.iter().any(is_in)
    }

    /// Returns the address whose share of the HTTP connections this connection counts for. A
    /// trusted proxy needs many connections and has no limit, so it returns `None`. If no proxy is
    /// configured, a proxy may run on this machine.
    pub fn share_of(&self, peer: IpAddr) -> Option<IpAddr> {
        let may_be_proxy = self.networks.is_empty() && peer.to_canonical().is_loopback();
        let needs_many = may_be_proxy || self.contains(peer);
        (!needs_many).then(|| network(peer))
    }

    /// Returns the canonical address of the client. Returns [`UNKNOWN_ADDRESS`] if the address is
    /// unreadable, and `None` if the request has no peer.
    pub fn client_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        Some(self.client(request.peer_addr()?.ip(), request.headers()))
    }

    /// Returns the client's address. This is the peer's address or, if the peer is a trusted proxy,
    /// the last untrusted address in the header.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let (name, read): (_, Read) = match self.header {
            ProxyHeader::XForwardedFor => ("x-forwarded-for", node),
            ProxyHeader::Forwarded => ("forwarded", forwarded_for),
        };
        let lines: Vec<&[u8]> = headers.get_all(name).map(HeaderValue::as_bytes).collect();
        let elements = lines.into_iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        let mut nearest = peer.to_canonical();
        // Empty elements of a list are ignored (RFC 9110, 5.6.1).
        for element in elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()) {
            if !self.contains(nearest) {
                break;
            }
            nearest = read(element).unwrap_or(UNKNOWN_ADDRESS);
        }
        nearest
    }
}

/// Parses the address in one of the forms that proxies write: `192.0.2.1`, `192.0.2.1:4711`,
/// `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`, `fe80::1%eth0`, each also in quotes.
/// Returns `None` for `unknown`, for a name and for everything else.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let text = unquoted(text);
    let address = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            Some(address).filter(|_| port.is_empty() || port.starts_with(':'))?
        }
        None => match text.split_once(':') {
            // More than one colon means an IPv6 address without brackets.
            Some((address, port)) if !port.contains(':') => address,
            _ => text,
        },
    };
    let without_zone = address.split_once('%').map_or(address, |(address, _)| address);
    let address: IpAddr = without_zone.parse().ok()?;
    Some(address.to_canonical()).filter(|address| !address.is_unspecified())
}

/// Parses the address in an element of `Forwarded` (RFC 7239):
/// `for="[2001:db8::1]:4711";proto=https`. Returns `None` unless the whole element is well formed,
/// so that no part of a quoted value counts as an address.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()) {
        let (name, value) = str::from_utf8(pair).ok()?.split_once('=')?;
        let is_whole = !unquoted(value).contains(['"', '\\']);
        let is_again = name.eq_ignore_ascii_case("for") && found.replace(value).is_some();
        if !is_whole || is_again {
            return None;
        }
    }
    node(found?.as_bytes())
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// Returns the network of an address. In IPv6 one subscriber has a network of 2^64 addresses.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderName;

    fn proxies(networks: &[&str], header: ProxyHeader) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|text| text.parse().unwrap()).collect(), header)
    }

    fn headers(lines: &[(&str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    /// Returns the client's address that a proxy at 10.0.0.1 gives in `X-Forwarded-For`.
    fn by_x_forwarded_for(value: &[u8]) -> String {
        let proxies = proxies(&["10.0.0.0/8"], ProxyHeader::XForwardedFor);
        proxies.client("10.0.0.1".parse().unwrap(), &headers(&[("x-forwarded-for", value)])).to_string()
    }

    /// Returns the client's address that a proxy at 10.0.0.1 gives in `Forwarded`.
    fn by_forwarded(value: &[u8]) -> String {
        let proxies = proxies(&["10.0.0.0/8"], ProxyHeader::Forwarded);
        proxies.client("10.0.0.1".parse().unwrap(), &headers(&[("forwarded", value)])).to_string()
    }

    #[test]
    fn proxies_and_default_loopback_have_no_per_address_limit() {
        let (named, none) =
            (proxies(&["10.0.0.0/8"], ProxyHeader::XForwardedFor), proxies(&[], ProxyHeader::XForwardedFor));
        let share_of = |proxies: &TrustedProxies, peer: &str| {
            proxies.share_of(peer.parse().unwrap()).map(|address| address.to_string())
        };
        let share = |peer: &str| share_of(&named, peer);
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(share_of(&none, peer), None, "{peer}");
        }
        for peer in ["10.1.2.3", "::ffff:10.1.2.3"] {
            assert_eq!(share(peer), None, "{peer}");
        }
        for (peer, address) in [
            ("127.0.0.2", "127.0.0.2"),
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::"),
            ("2001:db8::2", "2001:db8::"),
        ] {
            assert_eq!(share(peer).as_deref(), Some(address));
        }
    }

    #[test]
    fn op_2_forwarded_addresses_count_only_from_trusted_proxies() {
        let proxies = proxies(&["10.0.0.0/8"], ProxyHeader::XForwardedFor);
        let forwarded = headers(&[("x-forwarded-for", b"198.51.100.7")]);
        assert_eq!(proxies.client("192.0.2.1".parse().unwrap(), &forwarded).to_string(), "192.0.2.1");
        for (value, client) in [
            (&b"198.51.100.7"[..], "198.51.100.7"),
            // The forged part is further left.
            (b"203.0.113.9, 198.51.100.7", "198.51.100.7"),
            // Both proxies are ours.
            (b"198.51.100.7, 10.0.0.2", "198.51.100.7"),
            (b"10.0.0.3", "10.0.0.3"),
            (b"", "10.0.0.1"),
            (b" , ", "10.0.0.1"),
        ] {
            assert_eq!(by_x_forwarded_for(value), client, "{value:?}");
        }
    }

    #[test]
    fn every_form_that_proxies_write_is_understood() {
        for (written, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("[192.0.2.1]:4711", "192.0.2.1"),
            ("\"192.0.2.1:4711\"", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]:_port", "2001:db8::1"),
            ("\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:80", "fe80::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:c000:201]:80", "192.0.2.1"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(by_x_forwarded_for(written.as_bytes()), address, "{written}");
            let quoted = format!("for=\"{}\"", written.trim_matches('"'));
            assert_eq!(by_forwarded(quoted.as_bytes()), address, "{quoted}");
        }
    }

    #[test]
    fn unreadable_addresses_share_one_address() {
        for hostile in [
            &b"\xff"[..],
            b"unknown",
            b"_hidden",
            b"nonsense",
            b"192.0.2.1.",
            b"192.0.2",
            b"192.0.2.1 192.0.2.2",
            b"[2001:db8::1",
            b"[2001:db8::1]x",
            b"[]",
            b":80",
            b"0.0.0.0",
            b"::",
            b"unix:",
            b"localhost",
            b"198.51.100.7, \"",
            b"198.51.100.7, \xff",
        ] {
            assert_eq!(by_x_forwarded_for(hostile), "::", "{hostile:?}");
        }
        // The reader ignores everything to the left of it, and reads everything to the right as
        // usual.
        assert_eq!(by_x_forwarded_for(b"\xff, 198.51.100.7"), "198.51.100.7");
        assert_eq!(by_x_forwarded_for(b"\", 198.51.100.7"), "198.51.100.7");
        assert_eq!(by_x_forwarded_for(b"198.51.100.7, unknown, 10.0.0.2"), "::");
        let proxies = proxies(&["::/0", "0.0.0.0/0"], ProxyHeader::XForwardedFor);
        let forwarded = headers(&[("x-forwarded-for", b"198.51.100.7, unknown")]);
        assert_eq!(
            proxies.client("10.0.0.1".parse().unwrap(), &forwarded),
            UNKNOWN_ADDRESS,
            "the address is in no trusted network"
        );
    }

    #[test]
    fn a_forwarded_element_counts_as_a_whole_or_not_at_all() {
        for (value, client) in [
            (&br#"for=192.0.2.43, for=198.51.100.17;by=203.0.113.60;proto=http;host=example.com"#[..], "198.51.100.17"),
            (br#"By=10.0.0.1;FOR="198.51.100.17";"#, "198.51.100.17"),
            (br#"for=198.51.100.17, for=10.0.0.2"#, "198.51.100.17"),
            (br#"for=_gazonk"#, "::"),
            (br#"for="_gazonk", for=10.0.0.2"#, "::"),
            (br#"for=unknown"#, "::"),
            (br#"proto=https"#, "::"),
            (br#"for"#, "::"),
            (br#"for=198.51.100.17;for=192.0.2.1"#, "::"),
            (b"for=198.51.100.17;host=\xff", "::"),
            // A client chose the host that a proxy quotes.
            (br#"for=198.51.100.17;host="x, for=192.0.2.1""#, "::"),
            (br#"for=198.51.100.17;host="x, for=192.0.2.1; y=z""#, "::"),
            (br#"for=198.51.100.17;host="x, for=192.0.2.1; y=\"z""#, "::"),
            // A quote that a client opened ends at the comma.
            (br#"for="192.0.2.1, for=198.51.100.17"#, "198.51.100.17"),
        ] {
            assert_eq!(by_forwarded(value), client, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn only_the_header_that_the_proxy_writes_counts() {
        let both = headers(&[("x-forwarded-for", b"198.51.100.7"), ("forwarded", b"for=203.0.113.9")]);
        for (header, client) in [(ProxyHeader::XForwardedFor, "198.51.100.7"), (ProxyHeader::Forwarded, "203.0.113.9")]
        {
            let proxies = proxies(&["10.0.0.1/32"], header);
            assert_eq!(proxies.client("10.0.0.1".parse().unwrap(), &both).to_string(), client);
        }
    }

    #[test]
    fn several_header_lines_form_one_list() {
        let lines = headers(&[("x-forwarded-for", b"203.0.113.9, 198.51.100.7"), ("x-forwarded-for", b"10.0.0.2")]);
        let proxies = proxies(&["10.0.0.0/8"], ProxyHeader::XForwardedFor);
        assert_eq!(proxies.client("10.0.0.1".parse().unwrap(), &lines).to_string(), "198.51.100.7");
    }

    #[test]
    fn every_notation_of_an_ipv4_address_is_the_same_client() {
        for networks in ["10.0.0.0/8", "::ffff:10.0.0.0/104", "::/0"] {
            let proxies = proxies(&[networks], ProxyHeader::XForwardedFor);
            for peer in ["10.0.0.1", "::ffff:10.0.0.1"] {
                assert!(proxies.contains(peer.parse().unwrap()), "{peer} in {networks}");
            }
        }
        let proxies = proxies(&["10.0.0.0/8"], ProxyHeader::XForwardedFor);
        assert_eq!(proxies.client("::ffff:192.0.2.1".parse().unwrap(), &headers(&[])).to_string(), "192.0.2.1");
        assert!(!proxies.contains("::ffff:11.0.0.1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()).to_string(), "192.0.2.1");
        assert_eq!(network("2001:db8:1:2:3::4".parse().unwrap()).to_string(), "2001:db8:1:2::");
    }
}
