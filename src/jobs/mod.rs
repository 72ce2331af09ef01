//! Background jobs: what a running hub does by itself, by the clock or because something was
//! written. One file for each; the [`driver`] runs and supervises them.

pub mod announce_presence;
pub mod count_unread;
pub mod driver;
pub mod end_revoked;
pub mod erase_evidence;
pub mod index_messages;
pub mod last_seen;
pub mod prune_receipts;
pub mod publish_receipts;
mod session_owners;
pub mod settle_groups;
pub mod sweep;
pub mod touch_logins;

use crate::clock::Clock;
use crate::dispatch::Dispatcher;
use crate::hub::{Announcements, Hub};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The dependencies of the jobs.
pub struct JobParts {
    pub dispatcher: Dispatcher,
    pub hub: Hub,
    pub clock: Clock,
    pub announcements: Announcements,
    /// The number of this run of the hub.
    pub run: i64,
    /// Notified when positions move that are published later.
    pub moved: Arc<Notify>,
    pub indexing: index_messages::IndexMessagesJob,
    pub login_lifetime: Duration,
    pub report_retention: Duration,
}

/// Starts every job. The driver stops them in the reverse order.
pub fn start(jobs: &mut driver::Jobs, parts: JobParts) {
    let JobParts { dispatcher, hub, clock, announcements, moved, indexing, .. } = parts;
    let Announcements { transitions, count_requests } = announcements;
    jobs.start(sweep::SweepJob(dispatcher.clone()));
    jobs.start(announce_presence::AnnouncePresenceJob {
        transitions,
        dispatcher: dispatcher.clone(),
        hub: hub.clone(),
    });
    jobs.start(count_unread::CountUnreadJob::new(count_requests, dispatcher.clone(), hub.clone(), parts.run));
    jobs.start(touch_logins::TouchLoginsJob::new(dispatcher.clone(), hub, clock, parts.login_lifetime));
    jobs.start(end_revoked::EndRevokedJob::new(dispatcher.clone()));
    jobs.start(settle_groups::SettleGroupsJob(dispatcher.clone()));
    jobs.start(publish_receipts::PublishReceiptsJob::new(dispatcher.clone(), moved));
    jobs.start(prune_receipts::PruneReceiptsJob(dispatcher.clone()));
    jobs.start(erase_evidence::EraseEvidenceJob { dispatcher, retention: parts.report_retention });
    jobs.start(indexing);
}
