//! What a running hub does by itself, by the clock or because something was
//! written: one task for each, until it is aborted.
//!
//! The dispatcher logs what goes wrong in any of them, and it is tried again.

use crate::clock::Clock;
use crate::dispatch::Dispatcher;
use crate::error::{Error, Result};
use crate::hub::{Holder, Hub, Transition, UnreadChange};
use crate::ids::UserId;
use crate::ops::groups::settle_groups::{AreGroupsDue, SettleGroups};
use crate::ops::logins::attempts::SweepAttempts;
use crate::ops::logins::end_revoked::{EndRevoked, FindRevoked};
use crate::ops::logins::touch_logins::TouchLogins;
use crate::ops::moderation::erase_evidence::EraseEvidence;
use crate::ops::op::System;
use crate::ops::presence::announce_presence::AnnouncePresence;
use crate::ops::presence::write_last_seen::WriteLastSeen;
use crate::ops::receipts::announce_unread::AnnounceUnread;
use crate::ops::receipts::prune_receipts::PruneReceipts;
use crate::ops::receipts::publish_receipts::PublishReceipts;
use crate::ops::search::index_messages::IndexMessages;
use crate::ops::search::merge_index::MergeIndex;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio::time::MissedTickBehavior;

/// How often limits of quiet users are forgotten and the parts looked after.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A login whose socket is open is written down as used so often, or four times
/// in its life if that is more.
const TOUCH_EVERY: Duration = Duration::from_secs(60 * 60);
/// How often it is looked whether those who are here still may be.
const REVOKE_EVERY: Duration = Duration::from_secs(3);
/// How often the job looks for groups to settle. Between two portions it leaves
/// the writer to others for as long as the last one took.
const SETTLE_EVERY: Duration = Duration::from_secs(2);
/// How often the evidence of old reports is erased.
const ERASE_EVERY: Duration = Duration::from_secs(60 * 60);
/// Pause before what failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is written meanwhile is indexed for searching together.
const GATHER: Duration = Duration::from_millis(100);
/// And while there is more, this many times as long as indexing took is left
/// to others: a busy writer takes longer, and is asked less often.
const REST: u32 = 9;
/// The same, while there is more to merge: merging takes several turns for each batch, and
/// indexing waits for it.
const MERGE_REST: u32 = 2;

/// Has the store find out who may know of each change, one after another.
pub async fn announce_presence(mut transitions: mpsc::Receiver<Transition>, dispatcher: Dispatcher, hub: Hub) {
    while let Some(transition) = transitions.recv().await {
        let Transition { user_id, is_online } = transition;
        let is_told = dispatcher.call(System, AnnouncePresence { user_id, is_online }).await.is_ok();
        if !is_told {
            // The dispatcher logged why; the hub brings the change up again.
            tokio::time::sleep(RETRY_AFTER).await;
        }
        if hub.settle(transition, is_told).await.is_err() {
            return;
        }
    }
}

/// Has the store work out unread counts, one user after another.
pub async fn announce_unread(mut changes: mpsc::Receiver<UnreadChange>, dispatcher: Dispatcher, hub: Hub) {
    while let Some(change) = changes.recv().await {
        let UnreadChange { user_id, changed } = change.clone();
        // The dispatcher logged why; the hub brings the counts up again.
        if dispatcher.call(System, AnnounceUnread { user_id, changed }).await.is_err() {
            tokio::time::sleep(RETRY_AFTER).await;
            if hub.recount(change).await.is_err() {
                return;
            }
        }
    }
}

/// Moves of positions in groups are told together after this.
const GATHER_RECEIPTS: Duration = Duration::from_millis(100);
/// How often old marks of receipts are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// Tells what moved in groups, the moves of some time together. Begins with what an earlier process
/// left untold.
pub async fn publish_receipts(dispatcher: Dispatcher, moved: Arc<Notify>) {
    let mut after = None;
    loop {
        match dispatcher.call(System, PublishReceipts { after }).await {
            Ok(Some(last)) => after = Some(last),
            Ok(None) => {
                after = None;
                moved.notified().await;
                tokio::time::sleep(GATHER_RECEIPTS).await;
            }
            // The dispatcher logged why.
            Err(_) => tokio::time::sleep(RETRY_AFTER).await,
        }
    }
}

/// Deletes old marks of receipts, and leaves most of the time to others while there are more.
pub async fn prune_receipts(dispatcher: Dispatcher) {
    loop {
        let began = Instant::now();
        let pause = match dispatcher.call(System, PruneReceipts).await {
            Ok(true) => began.elapsed() * REST,
            // The dispatcher logged what went wrong.
            Ok(false) | Err(_) => PRUNE_EVERY,
        };
        tokio::time::sleep(pause).await;
    }
}

/// Has new messages indexed, many together, and the index merged where the database
/// does not do that by itself: on Postgres it would be an empty transaction for each batch.
pub async fn index(dispatcher: Dispatcher, written: Arc<Notify>, merges: bool) {
    loop {
        let began = Instant::now();
        let is_more = match dispatcher.call(System, IndexMessages).await {
            Ok(is_more) => is_more,
            // The dispatcher logged why.
            Err(_) => {
                tokio::time::sleep(RETRY_AFTER).await;
                continue;
            }
        };
        let pause = began.elapsed() * REST;
        if merges {
            merge(&dispatcher).await;
        }
        if is_more {
            tokio::time::sleep(pause).await;
        } else {
            written.notified().await;
            tokio::time::sleep(GATHER).await;
        }
    }
}

/// Merges what indexing left in pieces.
async fn merge(dispatcher: &Dispatcher) {
    loop {
        let began = Instant::now();
        match dispatcher.call(System, MergeIndex).await {
            Ok(true) => tokio::time::sleep(began.elapsed() * MERGE_REST).await,
            // The dispatcher logged an error; the next batch merges more.
            Ok(false) | Err(_) => return,
        }
    }
}

/// Users whose `last_seen_at` is written at once.
const LAST_SEEN_BATCH: usize = 1_000;

/// Writes down that these users were here until now.
///
/// # Errors
/// Those of the writer, which the dispatcher logged. The rest is not written then.
pub async fn write_last_seen(dispatcher: &Dispatcher, users: &[UserId]) -> Result<()> {
    for users in users.chunks(LAST_SEEN_BATCH) {
        dispatcher.call(System, WriteLastSeen { users: users.to_vec() }).await?;
    }
    Ok(())
}

/// Keeps the logins of open sockets alive: a socket may go on for longer than
/// an unused login lives, without a request beside it. Writes down also that
/// their users are here, so that after a crash they were seen within the hour.
pub async fn touch_logins(dispatcher: Dispatcher, hub: Hub, clock: Clock, lifetime: Duration) {
    let every = TOUCH_EVERY.min(lifetime / 4);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut touched = clock.now();
    loop {
        looks.tick().await;
        let now = clock.now();
        // A clock that was put back begins anew.
        touched = touched.min(now);
        if now.before(every) < touched {
            continue;
        }
        let touching = for_holders(&hub, async |holders| {
            let logins = holders.iter().filter_map(|holder| holder.login_id).collect();
            dispatcher.call(System, TouchLogins { logins }).await?;
            let users: Vec<UserId> = holders.iter().map(|holder| holder.user_id).collect();
            write_last_seen(&dispatcher, &users).await
        });
        if touching.await.is_ok() {
            touched = now;
        }
    }
}

/// Ends the sessions of those who were shut out where this hub did not hear of
/// it: by another node, or in the database.
pub async fn end_revoked(dispatcher: Dispatcher, hub: Hub) {
    let mut looks = tokio::time::interval(REVOKE_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let ending = for_holders(&hub, async |holders| {
            let owners = holders.iter().map(|holder| (holder.user_id, holder.login_id)).collect();
            let owners = dispatcher.call(System, FindRevoked { owners }).await?;
            if owners.is_empty() {
                return Ok(());
            }
            dispatcher.call(System, EndRevoked { owners }).await.map(drop)
        });
        // Without a hub, nobody is here.
        let _ = ending.await;
    }
}

/// Settles the groups of closed and disabled accounts, a portion at a time.
pub async fn settle_groups(dispatcher: Dispatcher) {
    let mut looks = tokio::time::interval(SETTLE_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        // The dispatcher logs what fails, and the next tick tries again.
        while let Ok(true) = dispatcher.call(System, AreGroupsDue).await {
            let began = Instant::now();
            if dispatcher.call(System, SettleGroups).await.is_err() {
                break;
            }
            tokio::time::sleep(began.elapsed()).await;
        }
    }
}

/// Erases the evidence of reports that are older than `retention`.
pub async fn erase_evidence(dispatcher: Dispatcher, retention: Duration) {
    let mut looks = tokio::time::interval(ERASE_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        // The dispatcher logs what goes wrong; the next look tries again.
        while let Ok(true) = dispatcher.call(System, EraseEvidence { retention }).await {
            tokio::time::sleep(GATHER).await;
        }
    }
}

/// Whoever has open sessions, a portion at a time; one that fails is tried again,
/// so that those behind it have their turn. Fails while no hub runs.
async fn for_holders(hub: &Hub, work: impl AsyncFn(&[Holder]) -> Result<()>) -> Result<()> {
    let mut last = None;
    loop {
        let holders = hub.holders(last).await?;
        if holders.is_empty() {
            return Ok(());
        }
        match work(&holders).await {
            Ok(()) => last = holders.last().copied(),
            Err(_) => tokio::time::sleep(RETRY_AFTER).await,
        }
    }
}

/// Returns only when a part has died that the rest cannot do without: better
/// to end, and be started again, than to serve without it.
pub async fn look_after(dispatcher: &Dispatcher, hub: &Hub, writer_thread: &JoinHandle<()>) -> Error {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    // What was left over is swept at once.
    let mut since_sweep = SWEEP_EVERY;
    loop {
        looks.tick().await;
        if writer_thread.is_finished() {
            return Error::bug("the writer has died");
        }
        if !hub.is_running() {
            return Error::bug("the hub has died");
        }
        since_sweep += LOOK_EVERY;
        if since_sweep >= SWEEP_EVERY {
            since_sweep = Duration::ZERO;
            dispatcher.sweep_limits();
            let dispatcher = dispatcher.clone();
            // Nobody waits for it; the dispatcher logs what goes wrong.
            actix_web::rt::spawn(async move { dispatcher.call(System, SweepAttempts).await.map(drop) });
        }
    }
}
