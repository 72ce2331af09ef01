//! Announces that users came online or went offline, to the users who may know it.

use crate::error::Result;
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Op, Outcome, System};
use crate::store::accounts::{presence, users};
use crate::wire::{self, Effect, OnlineStatus};

/// A user in more groups is announced in a transaction of their own, because many others may see
/// them.
const MOST_GROUPS: i64 = 20;

#[derive(Clone, Debug)]
pub struct AnnouncePresence {
    /// Users, each once, and whether they are online now. At most some hundred.
    pub changes: Vec<(UserId, bool)>,
}

/// The result of an announcement.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Users who have to be announced alone.
    pub left: Vec<UserId>,
}

impl Op<System> for AnnouncePresence {
    type Output = Announced;
    const NAME: &'static str = "announce_presence";
    // Runs in the writer, even without a write, so that no event overtakes a block committed before
    // it.
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Announced>> {
        let mut changes = self.changes.clone();
        let people: Vec<UserId> = changes.iter().map(|(user_id, _)| *user_id).collect();
        let group_counts = users::list_group_counts(cx.db, &people)?;
        let is_large = |user_id: &UserId| group_counts.get(user_id).is_some_and(|count| *count > MOST_GROUPS);
        let left: Vec<UserId> = match people[..] {
            [_] => Vec::new(),
            _ => people.into_iter().filter(is_large).collect(),
        };
        changes.retain(|(user_id, _)| !left.contains(user_id));
        let gone: Vec<UserId> =
            changes.iter().filter(|(_, is_online)| !is_online).map(|(user_id, _)| *user_id).collect();
        if !gone.is_empty() {
            users::set_last_seen(cx.db, &gone, cx.now)?;
        }
        // Closing an account notifies its viewers itself.
        let subjects: Vec<UserId> = changes.iter().map(|(user_id, _)| *user_id).collect();
        let last_seen = users::list_last_seen(cx.db, &subjects)?;
        changes.retain(|(user_id, _)| last_seen.contains_key(user_id));
        let mut viewers = presence::list_viewers(cx.db, &subjects)?;
        let effects = changes.into_iter().map(|(user_id, is_online)| {
            let last_seen_at = last_seen.get(&user_id).copied().flatten();
            let frame = wire::encode("user_online_status", cx.now, &OnlineStatus { user_id, is_online, last_seen_at });
            Effect::Status { to: viewers.remove(&user_id).unwrap_or_default(), user_id, frame }
        });
        Ok(Outcome { effects: effects.collect(), output: Announced { left } })
    }
}
