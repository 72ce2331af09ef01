//! Announces that a user came online or went offline, to the users who may know it.

use crate::error::Result;
use crate::ids::UserId;
use crate::ops::op::{Access, Cx, Done, Op, Outcome, System};
use crate::store::accounts::presence;
use crate::store::accounts::users::{self, AccountStatus};
use crate::wire::{self, Effect, OnlineStatus};

#[derive(Clone, Copy, Debug)]
pub struct AnnouncePresence {
    pub user_id: UserId,
    pub is_online: bool,
}

impl Op<System> for AnnouncePresence {
    type Output = Done;
    const NAME: &'static str = "announce_presence";
    // Runs in the writer, even without a write, so that no event overtakes a block committed before
    // it.
    const ACCESS: Access = Access::Write;

    fn run(&self, _: &System, cx: &mut Cx) -> Result<Outcome<Done>> {
        let Self { user_id, is_online } = *self;
        if !is_online {
            users::set_last_seen(cx.db, &[user_id], cx.now)?;
        }
        // Closing an account notifies its viewers itself.
        if users::get_account_status(cx.db, user_id)? == AccountStatus::Closed {
            return Ok(Outcome::without_effects(Done {}));
        }
        let to = presence::list_viewers(cx.db, user_id)?;
        let last_seen_at = users::find_last_seen(cx.db, user_id)?;
        let frame = wire::encode("user_online_status", cx.now, &OnlineStatus { user_id, is_online, last_seen_at });
        Ok(Outcome { output: Done {}, effects: vec![Effect::Status { to, user_id, frame }] })
    }
}
