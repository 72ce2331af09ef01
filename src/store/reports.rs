//! What people told the administrators of: each of them a person or a message
//! at most once.

use super::Db;
use super::on;
use super::schema::reports;
use crate::error::{Error, Result};
use crate::ids::{MessageId, ReportId, Timestamp, UserId};
use diesel::prelude::*;

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    User(UserId),
    Message(MessageId),
}

/// Names a person or a message.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = reports)]
pub struct Report {
    pub id: ReportId,
    pub reporter_id: UserId,
    pub user_id: Option<UserId>,
    pub message_id: Option<MessageId>,
    pub reason: String,
    pub created_at: Timestamp,
}

/// Fails with `Conflict` when the reporter reported this before.
pub fn insert_report(
    db: &mut Db,
    reporter: UserId,
    subject: Subject,
    reason: &str,
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

/// When the reporter made the `nth` last of their reports, of those made by `latest`: a clock that
/// was wrong may have stamped others; 1 is the last.
pub fn find_time_of(db: &mut Db, reporter: UserId, nth: i64, latest: Timestamp) -> Result<Option<Timestamp>> {
    Ok(on!(db, conn => reports::table.select(reports::created_at)
        .filter(reports::reporter_id.eq(reporter).and(reports::created_at.le(latest)))
        .order(reports::id.desc()).offset(nth - 1).limit(1).first(conn).optional())?)
}

/// Newest first.
pub fn list_reports(db: &mut Db, before: ReportId, limit: i64) -> Result<Vec<Report>> {
    Ok(on!(db, conn => reports::table.select(Report::as_select())
        .filter(reports::id.lt(before)).order(reports::id.desc()).limit(limit).load(conn))?)
}
