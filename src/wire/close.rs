//! Close codes: the reasons for which the hub closes a socket. Codes 4000–4499 mean: reconnect.
//! Codes 4500–4999 mean: do not reconnect until the user acts. Codes below 4000 are registered with
//! IANA; most come from RFC 6455.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// The hub is restarting: reconnect soon.
    Restart,
    /// The client broke the WebSocket protocol.
    Protocol,
    /// The client sent a binary frame.
    Unsupported,
    /// A text message was not UTF-8.
    InvalidText,
    /// A message larger than `MAX_FRAME_BYTES`.
    TooBig,
    /// Unread frames waited too long or were too many: reconnect and sync.
    TooSlow,
    /// The hub received nothing from the client for `HEARTBEAT_TIMEOUT`.
    HeartbeatMissed,
    /// The client kept exceeding the rate after `rate_limited`.
    Flooding,
    /// The login ended: it was logged out, was revoked or expired. Or the token expired or was
    /// refused.
    LoginEnded,
    /// An administrator disabled the account.
    AccountDisabled,
    /// The client did not authenticate in time.
    AuthTimeout,
    /// Too many sockets are waiting to authenticate, and other addresses have fewer: reconnect.
    TryLater,
}

impl CloseCode {
    pub const ALL: [CloseCode; 12] = [
        CloseCode::Restart,
        CloseCode::Protocol,
        CloseCode::Unsupported,
        CloseCode::InvalidText,
        CloseCode::TooBig,
        CloseCode::TooSlow,
        CloseCode::HeartbeatMissed,
        CloseCode::Flooding,
        CloseCode::LoginEnded,
        CloseCode::AccountDisabled,
        CloseCode::AuthTimeout,
        CloseCode::TryLater,
    ];

    /// Returns whether the hub or a browser sends this code. A client may send any other.
    pub fn is_known(code: u16) -> bool {
        const OF_BROWSERS: [u16; 4] = [1000, 1001, 1005, 1006];
        OF_BROWSERS.contains(&code) || Self::ALL.iter().any(|known| known.on_the_wire().0 == code)
    }

    /// Returns the close code on the wire and its reason text.
    pub const fn on_the_wire(self) -> (u16, &'static str) {
        match self {
            CloseCode::Restart => (1012, "the hub is restarting"),
            CloseCode::Protocol => (1002, "the WebSocket protocol was broken"),
            CloseCode::Unsupported => (1003, "only text frames are understood"),
            CloseCode::InvalidText => (1007, "text must be UTF-8"),
            CloseCode::TooBig => (1009, "the message is too big"),
            CloseCode::TooSlow => (4000, "too slow: reconnect and catch up"),
            CloseCode::HeartbeatMissed => (4008, "no heartbeat"),
            CloseCode::Flooding => (4029, "too many frames"),
            CloseCode::LoginEnded => (4501, "the login or its token ended"),
            CloseCode::AccountDisabled => (4503, "this account is disabled"),
            CloseCode::AuthTimeout => (4508, "not authenticated in time"),
            CloseCode::TryLater => (1013, "too many sockets wait to authenticate: try again"),
        }
    }
}
