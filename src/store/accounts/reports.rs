//! Reports to the administrators. A user reports each user or message at most once.

use crate::error::{Error, Result};
use crate::ids::{MessageId, ReportId, Timestamp, UserId};
use crate::store::connection::id_list::{IdListMethods, id_list};
use crate::store::schema::reports;
use crate::store::{Db, on};
use diesel::prelude::*;

/// The subject of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    User(UserId),
    Message(MessageId),
}

/// A report that names a user or a message.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = reports)]
pub struct Report {
    pub id: ReportId,
    pub reporter_id: UserId,
    pub user_id: Option<UserId>,
    pub message_id: Option<MessageId>,
    pub reason: String,
    pub created_at: Timestamp,
    /// The reported content as it was then. `None` after it was erased.
    pub evidence: Option<String>,
}

/// Stores a report. Fails with `Conflict` when the reporter already reported the same subject.
pub fn insert_report(
    db: &mut Db,
    reporter: UserId,
    subject: Subject,
    reason: &str,
    evidence: &str,
    created_at: Timestamp,
) -> Result<Report> {
    let (user_id, message_id) = match subject {
        Subject::User(id) => (Some(id), None),
        Subject::Message(id) => (None, Some(id)),
    };
    let row = (
        reports::reporter_id.eq(reporter),
        reports::user_id.eq(user_id),
        reports::message_id.eq(message_id),
        reports::reason.eq(reason),
        reports::created_at.eq(created_at),
        reports::evidence.eq(Some(evidence).filter(|text| !text.is_empty())),
    );
    let inserted = on!(db, conn => diesel::insert_into(reports::table).values(row)
        .on_conflict_do_nothing().returning(Report::as_returning()).get_result(conn).optional())?;
    inserted.ok_or(Error::Conflict("you have reported this before"))
}

pub fn find_report(db: &mut Db, reporter: UserId, subject: Subject) -> Result<Option<Report>> {
    Ok(on!(db, conn => {
        let theirs = reports::table.select(Report::as_select()).filter(reports::reporter_id.eq(reporter));
        match subject {
            Subject::User(id) => theirs.filter(reports::user_id.eq(id)).first(conn).optional()?,
            Subject::Message(id) => theirs.filter(reports::message_id.eq(id)).first(conn).optional()?,
        }
    }))
}

/// The time of the reporter's `nth` last report, where 1 is the last. Reports made after `latest`
/// do not count, because a wrong clock may have stamped them.
pub fn find_time_of(db: &mut Db, reporter: UserId, nth: i64, latest: Timestamp) -> Result<Option<Timestamp>> {
    Ok(on!(db, conn => reports::table.select(reports::created_at)
        .filter(reports::reporter_id.eq(reporter).and(reports::created_at.le(latest)))
        .order(reports::id.desc()).offset(nth - 1).limit(1).first(conn).optional())?)
}

/// Lists the reports, newest first.
pub fn list_reports(db: &mut Db, before: ReportId, limit: i64) -> Result<Vec<Report>> {
    Ok(on!(db, conn => reports::table.select(Report::as_select())
        .filter(reports::id.lt(before)).order(reports::id.desc()).limit(limit).load(conn))?)
}

/// Erases the evidence of the oldest reports made before that time, at most `limit` of them.
/// Returns how many there were.
pub fn erase_evidence(db: &mut Db, before: Timestamp, limit: i64) -> Result<usize> {
    let old: Vec<ReportId> = on!(db, conn => reports::table.select(reports::id)
        .filter(reports::evidence.is_not_null().and(reports::created_at.lt(before)))
        .order(reports::created_at).limit(limit).load(conn))?;
    if old.is_empty() {
        return Ok(0);
    }
    let ids = id_list(&old)?;
    Ok(on!(db, conn => diesel::update(reports::table.filter(reports::id.among(&ids)))
        .set(reports::evidence.eq(None::<String>)).execute(conn))?)
}
