//! `GET /api/admin/reports`: what people reported, newest first. A message is
//! shown as it is now, and as it was when it was reported, to administrators
//! who are not in its conversation too.

use super::admin::check_admin;
use crate::auth::Caller;
use crate::error::Result;
use crate::ids::{MAX_ID, MessageId, ReportId, Timestamp, UserId};
use crate::ops::op::{Access, Cx, Op, Outcome};
use crate::ops::page::page_size;
use crate::ops::views;
use crate::store::accounts::reports;
use crate::store::messaging::messages;
use crate::wire::{MessageView, ReportView};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;

const DEFAULT_PAGE: i64 = 50;
const MAX_PAGE: i64 = 100;

#[derive(Clone, Copy, Debug, JsonSchema)]
pub struct ListReports {
    /// Only older ones than this.
    pub before: Option<ReportId>,
    #[schemars(range(min = 1, max = MAX_PAGE))]
    pub limit: Option<i64>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReportPage {
    /// Newest first.
    pub reports: Vec<Row>,
    /// To ask on with as `before`; none when there is nothing more.
    pub next: Option<ReportId>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReportRow")]
pub struct Row {
    #[serde(flatten)]
    pub report: ReportView,
    /// Of a report of a message, as it is now.
    pub message: Option<MessageView>,
    /// What was reported, as it was then; none after `REPORT_RETENTION`.
    pub evidence: Option<Evidence>,
}

/// What was reported, whatever became of it since.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Evidence {
    /// The content of the message, or the display name and username of the person.
    pub text: String,
    /// The sender, or the person.
    pub user_id: UserId,
    /// When the message was sent, or the person was reported.
    pub created_at: Timestamp,
}

impl Op for ListReports {
    type Output = ReportPage;
    const NAME: &'static str = "list_reports";
    const ACCESS: Access = Access::Read;

    fn run(&self, caller: &Caller, cx: &mut Cx) -> Result<Outcome<ReportPage>> {
        check_admin(caller, cx)?;
        let size = page_size(self.limit, DEFAULT_PAGE, MAX_PAGE)?;
        // One more, to know whether there is more.
        let mut rows = reports::list_reports(cx.db, self.before.unwrap_or(ReportId::new(MAX_ID)), size + 1)?;
        let has_more = rows.len() > size as usize;
        rows.truncate(size as usize);
        let next = rows.last().map(|row| row.id).filter(|_| has_more);
        let ids: Vec<MessageId> = rows.iter().filter_map(|row| row.message_id).collect();
        let found = messages::list_by_ids(cx.db, &ids)?;
        let found = views::history(cx.db, found)?.into_iter().map(|message| (message.id, message));
        let found: HashMap<MessageId, MessageView> = found.collect();
        let message = |id: MessageId| found.get(&id).cloned();
        let reports = rows.into_iter().map(|mut row| {
            let message = row.message_id.and_then(message);
            let author = match &message {
                Some(message) => Some((message.sender_id, message.created_at)),
                None => row.user_id.map(|user_id| (user_id, row.created_at)),
            };
            let evidence = row.evidence.take().zip(author);
            let evidence = evidence.map(|(text, (user_id, created_at))| Evidence { text, user_id, created_at });
            Row { report: views::report(row), message, evidence }
        });
        Ok(Outcome::without_effects(ReportPage { reports: reports.collect(), next }))
    }
}
