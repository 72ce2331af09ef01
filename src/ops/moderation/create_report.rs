//! `POST /api/reports`: reports a person or a message to the administrators.

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ids::{MessageId, UserId};
use crate::ops::messages::visible::get_visible_message;
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::people::relation::check_other;
use crate::ops::views;
use crate::schema::one_of;
use crate::store::accounts::reports::{self, Subject};
use crate::store::accounts::users::{self, User};
use crate::wire::{Reason, ReportView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Reports by one user in any 24 hours.
const MAX_A_DAY: i64 = 50;
/// The text of the refusal.
const LIMIT: &str = "50 reports in a day";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(transform = one_of(["user_id", "message_id"]))]
pub struct CreateReport {
    #[serde(default)]
    pub user_id: Option<UserId>,
    #[serde(default)]
    pub message_id: Option<MessageId>,
    pub reason: Reason,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Reported {
    pub report: ReportView,
    /// True if an earlier request created the report, which is unchanged.
    #[serde(skip)]
    pub existed: bool,
}

impl Op for CreateReport {
    type Output = Reported;
    const NAME: &'static str = "create_report";
    const ACCESS: Access = Access::Write;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<Reported>> {
        let (subject, evidence) = self.subject(caller, cx)?;
        check_rate(caller.user_id, cx)?;
        let row = reports::insert_report(cx.db, caller.user_id, subject, self.reason.as_str(), &evidence, cx.now)?;
        Ok(Outcome::without_effects(Reported { report: views::report(row), existed: false }))
    }

    fn replays(&self) -> bool {
        true
    }

    fn replay(&self, caller: &Caller, cx: &mut Cx) -> Result<Option<Reported>> {
        let (subject, _) = self.subject(caller, cx)?;
        let found = reports::find_report(cx.db, caller.user_id, subject)?;
        Ok(found.map(|row| Reported { report: views::report(row), existed: true }))
    }
}

impl CreateReport {
    /// Loads the subject of the report and its evidence: the text of a message, or the names of a
    /// person. The caller must be able to see the subject, and it must belong to another user. A
    /// block does not prevent a report.
    fn subject(&self, caller: &Caller, cx: &mut Cx) -> Result<(Subject, String)> {
        match (self.user_id, self.message_id) {
            (Some(id), None) => {
                check_other(caller.user_id, id, false, cx)?;
                let User { username, display_name, .. } =
                    users::find_user(cx.db, id)?.ok_or(Error::NotFound("no such user"))?;
                Ok((Subject::User(id), format!("{display_name} (@{username})")))
            }
            (None, Some(id)) => {
                let message = get_visible_message(caller, id, cx)?;
                if message.sender_id == caller.user_id {
                    return Err(Error::Invalid("message_id must name a message of another user".into()));
                }
                Ok((Subject::Message(id), message.content))
            }
            (None, None) => Err(Error::Invalid("user_id or message_id is missing".into())),
            (Some(_), Some(_)) => Err(Error::Invalid("send user_id or message_id, not both".into())),
        }
    }
}

/// Checks the daily limit of reports.
///
/// # Errors
/// `RateLimited` until the oldest report of the last 24 hours is a day old.
fn check_rate(me: UserId, cx: &mut Cx) -> Result<()> {
    let Some(first) = reports::find_time_of(cx.db, me, MAX_A_DAY, cx.now.with_skew())? else { return Ok(()) };
    let wait = first.as_millis() - cx.now.before(DAY).as_millis();
    match u64::try_from(wait) {
        Ok(wait @ 1..) => Err(Error::RateLimited { limit: LIMIT, retry_in: Duration::from_millis(wait) }),
        _ => Ok(()),
    }
}
