//! Rate limits for sign-in attempts from one address. An attempt is counted before the password is
//! checked, so that concurrent attempts count too. A right password is not a guess, so its guess is
//! refunded. Its check costs the hub as much as any other, so checks have their own limit.

use crate::error::{Error, Result};
use crate::ids::{Timestamp, UserId};
use crate::ops::op::{Access, Anonymous, Cx, Done, Op, Outcome, System};
use crate::policy::DAY;
use crate::store::accounts::attempts::{self, Acquired, LimitKey, Slot};
use crate::store::accounts::quotas;
use std::net::IpAddr;
use std::time::Duration;

/// A rate limit: at most `slots` in each `window`.
struct Limit {
    name: &'static str,
    /// The text of the refusal.
    refusal: &'static str,
    slots: i64,
    window: Duration,
}

/// Failed logins for one account from one address.
const FAILURES_PER_ACCOUNT: Limit = Limit {
    name: "login",
    refusal: "10 wrong passwords for one username and address in 15 minutes",
    slots: 10,
    window: Duration::from_secs(15 * 60),
};
/// Failed logins from one address, for any account.
const FAILURES_PER_ADDRESS: Limit = Limit {
    name: "logins",
    refusal: "100 wrong passwords from one address in 15 minutes",
    slots: 100,
    window: Duration::from_secs(15 * 60),
};
/// Registrations from one address.
const REGISTRATIONS: Limit = Limit {
    name: "registrations",
    refusal: "100 registrations from one address in an hour",
    slots: 100,
    window: Duration::from_secs(60 * 60),
};

/// No slot is taken for longer than this.
const LONGEST_WINDOW: Duration = Duration::from_secs(60 * 60);

/// Password checks, right ones included, for one account from one address. Each costs a hash.
const CHECKS: Limit = Limit {
    name: "checks",
    refusal: "60 logins to one account from one address in an hour",
    slots: 60,
    window: Duration::from_secs(60 * 60),
};

/// Display name changes of one user. Every user who sees the name is notified of each change.
const DISPLAY_NAMES: Limit = Limit {
    name: "names",
    refusal: "10 new display names of one user in an hour",
    slots: 10,
    window: Duration::from_secs(60 * 60),
};

/// The slots that an attempt took.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Refunded when the password is right.
    guesses: Vec<Slot>,
    /// Kept when the password is right.
    check: Option<Slot>,
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
    let subject = [&*address_text, &*name];
    let mut guesses = vec![take(&FAILURES_PER_ACCOUNT, &subject, cx)?];
    guesses.extend(count_address(&FAILURES_PER_ADDRESS, address, cx)?);
    Ok(Attempt { guesses, check: Some(take(&CHECKS, &subject, cx)?) })
}

pub(crate) fn count_registration(address: IpAddr, cx: &mut Cx) -> Result<Attempt> {
    Ok(Attempt { guesses: count_address(&REGISTRATIONS, address, cx)?.into_iter().collect(), check: None })
}

/// Counts a change of a user's display name.
pub(crate) fn count_rename(user_id: UserId, cx: &mut Cx) -> Result<()> {
    take(&DISPLAY_NAMES, &[&user_id.to_string()], cx).map(drop)
}

/// Counts an attempt from this address. Loopback addresses are not counted: behind a proxy that is
/// not in `TRUSTED_PROXIES`, one stranger could lock out all users.
fn count_address(limit: &Limit, address: IpAddr, cx: &mut Cx) -> Result<Option<Slot>> {
    if address.is_loopback() {
        return Ok(None);
    }
    take(limit, &[&address.to_string()], cx).map(Some)
}

fn take(limit: &Limit, subject: &[&str], cx: &mut Cx) -> Result<Slot> {
    let key = LimitKey::of(&[&[limit.name], subject].concat());
    let window = i64::try_from(limit.window.as_millis()).unwrap_or(i64::MAX);
    let free_at = Timestamp::from_millis(cx.now.as_millis() + window);
    match attempts::take(cx.db, key, limit.slots, cx.now, free_at)? {
        Acquired::Slot(slot) => Ok(slot),
        Acquired::FullUntil(first) => {
            let wait = u64::try_from(first.as_millis() - cx.now.as_millis()).unwrap_or(0);
            Err(Error::RateLimited { limit: limit.refusal, retry_in: Duration::from_millis(wait) })
        }
    }
}

pub(crate) fn refund(attempt: &Attempt, cx: &mut Cx) -> Result<()> {
    attempt.guesses.iter().chain(&attempt.check).try_for_each(|slot| attempts::refund(cx.db, *slot))
}

/// Refunds an attempt that failed through no fault of the client.
#[derive(Clone, Debug)]
pub struct RefundAttempt(pub Attempt);

impl Op<Anonymous> for RefundAttempt {
    type Output = Done;
    const NAME: &'static str = "refund_attempt";
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &Anonymous, cx: &mut Cx) -> Result<Outcome<Done>> {
        refund(&self.0, cx)?;
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
