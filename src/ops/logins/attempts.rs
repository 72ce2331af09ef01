//! Rate limits for sign-in attempts from one address. An attempt is counted before the password is
//! checked, so that concurrent attempts count too. A right password is not a guess, so its guess is
//! refunded. Its check costs the hub as much as any other, so checks have their own limit.

use crate::error::{Error, Result};
use crate::ids::{Timestamp, UserId};
use crate::ops::op::{Access, Anonymous, Cx, Done, Op, Outcome, System};
use crate::policy::DAY;
use crate::store::accounts::attempts::{self, Bucket, Place, Taken};
use crate::store::accounts::quotas;
use std::net::IpAddr;
use std::time::Duration;

/// A rate limit: at most `places` in each `window`.
struct Bound {
    what: &'static str,
    /// The text of the refusal.
    limit: &'static str,
    places: i64,
    window: Duration,
}

/// Failed logins for one account from one address.
const OF_ACCOUNT: Bound = Bound {
    what: "login",
    limit: "10 wrong passwords for one username and address in 15 minutes",
    places: 10,
    window: Duration::from_secs(15 * 60),
};
/// Failed logins from one address, for any account.
const OF_ADDRESS: Bound = Bound {
    what: "logins",
    limit: "100 wrong passwords from one address in 15 minutes",
    places: 100,
    window: Duration::from_secs(15 * 60),
};
/// Registrations from one address.
const REGISTRATIONS: Bound = Bound {
    what: "registrations",
    limit: "100 registrations from one address in an hour",
    places: 100,
    window: Duration::from_secs(60 * 60),
};

/// No place is taken for longer than this.
const LONGEST_WINDOW: Duration = Duration::from_secs(60 * 60);

/// Password checks, right ones included, for one account from one address. Each costs a hash.
const CHECKS: Bound = Bound {
    what: "checks",
    limit: "60 logins to one account from one address in an hour",
    places: 60,
    window: Duration::from_secs(60 * 60),
};

/// Display name changes of one user. Every user who sees the name is notified of each change.
const NAMES: Bound = Bound {
    what: "names",
    limit: "10 new display names of one user in an hour",
    places: 10,
    window: Duration::from_secs(60 * 60),
};

/// The places that an attempt took.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Refunded when the password is right.
    guesses: Vec<Place>,
    /// Kept when the password is right.
    check: Option<Place>,
}

impl Attempt {
    /// The part of the attempt that is refunded when the password is right.
    pub fn guesses(self) -> Self {
        Self { check: None, ..self }
    }
}

/// Counts an attempt to log in with this username, whether or not it exists.
pub(crate) fn count_login(username: &str, address: IpAddr, cx: &mut Cx) -> Result<Attempt> {
    let (address_text, name) = (address.to_string(), username.to_ascii_lowercase());
    let whose = [&*address_text, &*name];
    let mut guesses = vec![take(&OF_ACCOUNT, &whose, cx)?];
    guesses.extend(count_address(&OF_ADDRESS, address, cx)?);
    Ok(Attempt { guesses, check: Some(take(&CHECKS, &whose, cx)?) })
}

pub(crate) fn count_registration(address: IpAddr, cx: &mut Cx) -> Result<Attempt> {
    Ok(Attempt { guesses: count_address(&REGISTRATIONS, address, cx)?.into_iter().collect(), check: None })
}

/// Counts a change of a user's display name.
pub(crate) fn count_rename(user_id: UserId, cx: &mut Cx) -> Result<()> {
    take(&NAMES, &[&user_id.to_string()], cx).map(drop)
}

/// Counts an attempt from this address. Loopback addresses are not counted: behind a proxy that is
/// not in `TRUSTED_PROXIES`, one stranger could lock out all users.
fn count_address(bound: &Bound, address: IpAddr, cx: &mut Cx) -> Result<Option<Place>> {
    if address.is_loopback() {
        return Ok(None);
    }
    take(bound, &[&address.to_string()], cx).map(Some)
}

fn take(bound: &Bound, whose: &[&str], cx: &mut Cx) -> Result<Place> {
    let bucket = Bucket::of(&[&[bound.what], whose].concat());
    let window = i64::try_from(bound.window.as_millis()).unwrap_or(i64::MAX);
    let free_at = Timestamp::from_millis(cx.now.as_millis() + window);
    match attempts::take(cx.db, bucket, bound.places, cx.now, free_at)? {
        Taken::Place(place) => Ok(place),
        Taken::FullUntil(first) => {
            let wait = u64::try_from(first.as_millis() - cx.now.as_millis()).unwrap_or(0);
            Err(Error::RateLimited { limit: bound.limit, retry_in: Duration::from_millis(wait) })
        }
    }
}

pub(crate) fn give_back(attempt: &Attempt, cx: &mut Cx) -> Result<()> {
    attempt.guesses.iter().chain(&attempt.check).try_for_each(|place| attempts::give_back(cx.db, *place))
}

/// Refunds an attempt that failed through no fault of the client.
#[derive(Clone, Debug)]
pub struct RefundAttempt(pub Attempt);

impl Op<Anonymous> for RefundAttempt {
    type Output = Done;
    const NAME: &'static str = "refund_attempt";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<Done>> {
        give_back(&self.0, cx)?;
        Ok(Outcome::without_effects(Done {}))
    }
}

/// Deletes the expired rows of attempts and of daily quotas.
#[derive(Clone, Copy, Debug)]
pub struct SweepAttempts;

impl Op<System> for SweepAttempts {
    type Output = Done;
    const NAME: &'static str = "sweep_attempts";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Done>> {
        attempts::delete_over(cx.db, cx.now, cx.now.after(LONGEST_WINDOW).with_skew())?;
        quotas::delete_before(cx.db, cx.now.before(DAY))?;
        Ok(Outcome::without_effects(Done {}))
    }
}
