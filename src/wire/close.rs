//! Why the hub closes a socket. 4000–4499 mean: reconnect; 4500–4999: do not,
//! until the person acts. Below 4000 the codes are registered
//! with IANA; most are RFC 6455's.

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
    /// Frames waited unread too long or were too many: reconnect, and catch up.
    TooSlow,
    /// Nothing was heard from the client for `HEARTBEAT_TIMEOUT`.
    HeartbeatMissed,
    /// The client went on flooding after `rate_limited`.
    Flooding,
    /// The login ended: logged out, revoked or expired; or the token expired,
    /// or was refused.
    LoginEnded,
    /// An administrator disabled the account.
    AccountDisabled,
    /// The client did not say in time who it is.
    AuthTimeout,
    /// Too many sockets wait to authenticate, and others have fewer: reconnect.
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

    /// The number on the wire and the reason that goes with it.
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
