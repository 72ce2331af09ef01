//! `GET /api/admin/reports`: lists the reports, newest first. An entry shows the message as it is
//! now and as it was when it was reported. Administrators see it even if they are not in the
//! conversation.

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
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const DEFAULT_PAGE: i64 = 50;
const MAX_PAGE: i64 = 100;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct ListReports {
    /// Only reports older than this one.
    pub before: Option<ReportId>,
    #[schemars(range(min = 1, max = MAX_PAGE))]
    pub limit: Option<i64>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReportPage {
    /// Newest first.
    pub reports: Vec<ReportEntry>,
    /// The value of `before` for the next page. None on the last page.
    pub next: Option<ReportId>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReportRow")]
pub struct ReportEntry {
    #[serde(flatten)]
    pub report: ReportView,
    /// The reported message as it is now. Absent in reports of a person.
    pub message: Option<MessageView>,
    /// The reported content as it was at the time of the report. None after `REPORT_RETENTION`.
    pub evidence: Option<Evidence>,
}

/// The reported content as it was at the time of the report, whatever changed since.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Evidence {
    /// The content of the message, or the display name and username of the person.
    pub text: String,
    /// The sender of the message, or the reported person.
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
        // One row more than the page shows whether there are more.
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
            ReportEntry { report: views::report(row), message, evidence }
        });
        Ok(Outcome::without_effects(ReportPage { reports: reports.collect(), next }))
    }
}
