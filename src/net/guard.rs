//! What holds for every request, before any handler: a head of reasonable
//! size, the right host, no foreign page, and the headers that keep browsers
//! strict.

use super::Net;
use super::client_address::client_network;
use super::health::PROBES;
use super::problem::Problem;
use super::site::Sent;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::sync::Semaphore;

/// For everything that is not a page of ours: nothing may be loaded or framed.
const STRICTEST_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Of the request line and the headers; the parser itself takes 128 KiB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A socket costs the hub a handshake, reads, and news of the person's presence.
const TOKENS_TO_CONNECT: NonZeroU32 = NonZeroU32::new(4).unwrap();

/// For so long an address that asks too often waits for its refusal.
const HOLD: Duration = Duration::from_millis(250);

/// The refusals that wait, of this node.
pub struct HeldRefusals(Semaphore);

impl HeldRefusals {
    /// So many at once, each of which keeps a connection.
    pub fn new(most: usize) -> Self {
        Self(Semaphore::new(most))
    }
}

/// 431 for a head that no honest client sends. The parser refuses more than 96
/// headers likewise.
pub async fn check_head(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // `name: value` and the end of the line.
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let is_small = headers.sum::<usize>() + target <= MAX_HEAD_BYTES;
    answer(if is_small { Ok(()) } else { Err(Problem::head_too_large()) }, request, next).await
}

/// 421 for any host but our own. Who shows a bearer token may use any name: no
/// cookie counts then, so a page gains nothing by a name of its own for this
/// machine. So may a probe, which only hears whether the hub is well.
pub async fn check_host(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = if has_bearer(request.headers()) || is_probe(&request) {
        Ok(())
    } else {
        // The host of an absolute request target wins (RFC 9112, 3.2.2).
        let target = request.uri().authority().map(|target| target.as_str().as_bytes());
        let mut named = request.headers().get_all(header::HOST).map(HeaderValue::as_bytes);
        let host = target.or_else(|| named.next());
        let is_ambiguous = request.headers().get_all(header::HOST).count() > 1;
        Net::of(request.app_data()).and_then(|net| net.site.check_host(host.filter(|_| !is_ambiguous)))
    };
    answer(verdict, request, next).await
}

/// By the path as it was sent: one written in another way is not one of these.
fn is_probe(request: &ServiceRequest) -> bool {
    is_safe(request.method()) && PROBES.contains(&request.uri().path())
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// 429 for an address that asks too often. This machine and the trusted proxies
/// are not counted: everybody may come by way of them.
pub async fn check_rate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match count(&request) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(error) => {
            hold(&request).await;
            Ok(request.into_response(Problem::from(error).error_response()))
        }
    }
}

/// As how many requests one counts.
pub fn rate_tokens(path: &str) -> NonZeroU32 {
    if path == "/ws" { TOKENS_TO_CONNECT } else { NonZeroU32::MIN }
}

/// Counts a request for its address.
fn count(request: &ServiceRequest) -> crate::error::Result<()> {
    let net = Net::of(request.app_data())?;
    let address = client_network(net, request.request());
    let is_counted = !address.is_loopback() && !net.trusted_proxies.contains(address);
    if is_counted { net.door.count_request_from(address, rate_tokens(request.path())) } else { Ok(()) }
}

/// Lets an address that asks too often wait for its refusal, and with it what its connection
/// asks next: otherwise a client that sends on regardless keeps a processor busy. Bounded by
/// [`HeldRefusals`]; above that a refusal is given at once.
async fn hold(request: &ServiceRequest) {
    if let Ok(net) = Net::of(request.app_data())
        && let Ok(_held) = net.held_refusals.0.try_acquire()
    {
        tokio::time::sleep(HOLD).await;
    }
}

/// 403 for every change that a page of another site asks in its visitor's
/// name, unless a bearer token says who asks. By the method alone: a path can
/// be written in many ways. Sockets are checked where they are opened.
pub async fn check_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = if is_safe(request.method()) || has_bearer(request.headers()) {
        Ok(())
    } else {
        Net::of(request.app_data()).and_then(|net| check_page(net, request.headers()))
    };
    answer(verdict, request, next).await
}

async fn answer(
    verdict: Result<(), impl Into<Problem>>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match verdict {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(error) => {
            if count(&request).is_err() {
                hold(&request).await;
            }
            // A connection that has more to ask lets the others of this worker go first.
            tokio::task::yield_now().await;
            Ok(request.into_response(error.into().error_response()))
        }
    }
}

/// Refuses what a page of another site asks.
pub fn check_page(net: &Net, headers: &HeaderMap) -> crate::error::Result<()> {
    net.site.check_origin(&sent(headers))
}

/// Whether the request says who asks by `Authorization: Bearer`; then no
/// cookie counts.
pub fn has_bearer(headers: &HeaderMap) -> bool {
    bearer(headers).is_some()
}

/// The token after `Bearer`, whose case does not matter (RFC 9110, 11.1).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn sent(headers: &HeaderMap) -> Sent {
    // What is not text is not ours: an empty string matches nothing.
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    Sent {
        origins: headers.get_all(header::ORIGIN).map(text).collect(),
        fetch_site: headers.get(HeaderName::from_static("sec-fetch-site")).map(text),
    }
}

/// The strict defaults, where the handler set nothing itself.
pub async fn add_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_https = Net::of(request.app_data()).is_ok_and(|net| net.site.is_https());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, STRICTEST_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        // Pages of ALLOWED_ORIGINS read answers by CORS, which this leaves alone.
        (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    Ok(response)
}
