//! Permission rules: pure functions from facts to a verdict. They read nothing and know no sockets.
//! The operation loads the facts and writes the result.

use crate::error::Error;
use crate::ids::{Role, Timestamp, UserId};
use std::time::Duration;

/// Rules of the whole hub. The operator sets most of them.
#[derive(Clone, Debug)]
pub struct Rules {
    pub message_policy: MessagePolicy,
    /// Most Unicode scalar values in a message.
    pub max_message_chars: usize,
    pub registration_is_open: bool,
    /// Most participants of one group.
    pub max_participants: usize,
    pub sync: SyncLimits,
}

/// Bounds of one answer of `sync`.
#[derive(Clone, Copy, Debug)]
pub struct SyncLimits {
    pub messages: usize,
    pub conversations: usize,
    /// Most bytes of JSON. The first conversation of an answer is sent whatever its size.
    pub bytes: usize,
    /// Most changes of a conversation. A client that missed more gets the conversation as a reset.
    pub changes: usize,
    /// Newest messages in a reset of a conversation.
    pub reset_messages: usize,
    /// Most rows of the caller's private state: blocks, contacts, own settings of conversations and
    /// hidden messages.
    pub own_rows: usize,
}

impl SyncLimits {
    pub const DEFAULT: Self =
        Self { messages: 500, conversations: 1_000, bytes: 1 << 20, changes: 500, reset_messages: 50, own_rows: 1_000 };
}

impl Rules {
    /// Rules for tests and benchmarks that do not test the rules.
    pub const OPEN: Self = Self {
        message_policy: MessagePolicy::Open,
        max_message_chars: 1_000,
        registration_is_open: true,
        max_participants: 1_000,
        sync: SyncLimits::DEFAULT,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessagePolicy {
    /// Any user may message any user who has not blocked them.
    Open,
    /// A user may message only users who have the sender as a contact or wrote first.
    Contacts,
}

/// Relation between the sender and the other user of a direct conversation.
#[derive(Clone, Copy, Debug)]
pub struct Relation {
    pub recipient_is_closed: bool,
    pub sender_blocks: bool,
    pub recipient_blocks: bool,
    /// The recipient has the sender as a contact.
    pub recipient_trusts: bool,
    /// The recipient wrote to the sender before.
    pub recipient_wrote: bool,
}

/// Reason for a refusal. The texts go to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    RecipientClosed,
    SenderBlocks,
    /// The caller is blocked, or not known well enough. The error never says which.
    NotWelcome,
    NotTheSender,
    NotToBeAdded,
    NotYourGroup,
    NotAnAdmin,
    AccountDisabled,
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        match denied {
            // The same answer as for a user who never existed.
            Denied::RecipientClosed => Error::NotFound("no such user"),
            Denied::SenderBlocks => Error::Forbidden("you have blocked this person"),
            Denied::NotTheSender => Error::Forbidden("only its sender may change a message"),
            Denied::NotToBeAdded => Error::Forbidden("you may not add one of these users"),
            Denied::NotYourGroup => Error::Forbidden("your role in this group does not allow it"),
            Denied::NotAnAdmin => Error::Forbidden("only administrators may do this"),
            Denied::AccountDisabled => Error::Forbidden("this account is disabled"),
            Denied::NotWelcome => Error::Forbidden("you may not message this person"),
        }
    }
}

/// Checks that a user may edit or delete a message for everyone.
pub fn may_change(one: UserId, sender: UserId) -> Result<(), Denied> {
    if one == sender { Ok(()) } else { Err(Denied::NotTheSender) }
}

/// Checks that the sender may message the other user and show them typing.
pub fn may_message(policy: MessagePolicy, relation: &Relation) -> Result<(), Denied> {
    if relation.recipient_is_closed {
        return Err(Denied::RecipientClosed);
    }
    if relation.sender_blocks {
        return Err(Denied::SenderBlocks);
    }
    let is_known = relation.recipient_trusts || relation.recipient_wrote;
    if relation.recipient_blocks || (policy == MessagePolicy::Contacts && !is_known) {
        return Err(Denied::NotWelcome);
    }
    Ok(())
}

/// Relation between a member and a user whom the member adds to a group.
#[derive(Clone, Copy, Debug)]
pub struct Invitation {
    /// Either user has blocked the other.
    pub is_blocked: bool,
    /// The invited user has the member as a contact, or wrote to the member before.
    pub is_known: bool,
    /// The invited user left a group that the member had added them to.
    pub has_declined: bool,
}

/// Checks that a member may add this user to a group.
pub fn may_invite(policy: MessagePolicy, invitation: &Invitation) -> Result<(), Denied> {
    let is_wanted = invitation.is_known || (policy == MessagePolicy::Open && !invitation.has_declined);
    if invitation.is_blocked || !is_wanted {
        return Err(Denied::NotToBeAdded);
    }
    Ok(())
}

/// Most groups that one user may be in.
pub const MAX_GROUPS: i64 = 5_000;
/// Most groups that one user creates in any 24 hours.
pub const MAX_GROUPS_A_DAY: i64 = 200;
/// The time over which daily quotas count.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Rules {
    /// Most strangers that one user adds to groups in any 24 hours: enough to fill the largest
    /// group once.
    pub fn max_strangers_a_day(&self) -> i64 {
        i64::try_from(self.max_participants).unwrap_or(i64::MAX).max(1_000)
    }
}

/// Returns how long until `wanted` more fit into a daily quota of `most`, or nothing where they fit
/// now. `used` lists the earlier amounts, oldest first. Amounts more than a day ahead do not count:
/// the clock was put back since.
pub fn wait_for_quota(used: &[(Timestamp, i64)], wanted: i64, most: i64, now: Timestamp) -> Option<Duration> {
    let day = DAY.as_millis() as i64;
    let left = |at: &Timestamp| at.as_millis() + day - now.as_millis();
    let counted = || used.iter().filter(|(at, _)| (1..=2 * day).contains(&left(at)));
    let mut over = counted().map(|(_, amount)| amount).sum::<i64>() + wanted - most;
    if over <= 0 {
        return None;
    }
    let mut wait = day;
    for (at, amount) in counted() {
        over -= amount;
        if over <= 0 {
            wait = left(at).min(day);
            break;
        }
    }
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
}

/// Checks that a member may add users and rename the group.
pub fn may_manage(role: Role) -> Result<(), Denied> {
    if role >= Role::Admin { Ok(()) } else { Err(Denied::NotYourGroup) }
}

/// Checks that a member may remove another member. Owners remove any member, admins plain members.
pub fn may_remove(role: Role, theirs: Role) -> Result<(), Denied> {
    if role == Role::Owner || (role == Role::Admin && theirs == Role::Member) {
        Ok(())
    } else {
        Err(Denied::NotYourGroup)
    }
}

/// Checks that a member may give roles.
pub fn may_set_role(role: Role) -> Result<(), Denied> {
    if role == Role::Owner { Ok(()) } else { Err(Denied::NotYourGroup) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks every combination of facts against a second statement of the rule.
    #[test]
    fn blocks_closed_accounts_and_contacts_policy_forbid_messages() {
        for bits in 0..64_u8 {
            let bit = |n: u8| bits & (1 << n) != 0;
            let relation = Relation {
                recipient_is_closed: bit(0),
                sender_blocks: bit(1),
                recipient_blocks: bit(2),
                recipient_trusts: bit(3),
                recipient_wrote: bit(4),
            };
            let policy = if bit(5) { MessagePolicy::Contacts } else { MessagePolicy::Open };
            let nothing_in_the_way = !bit(0) && !bit(1) && !bit(2);
            let welcome = !bit(5) || bit(3) || bit(4);
            assert_eq!(
                may_message(policy, &relation).is_ok(),
                nothing_in_the_way && welcome,
                "{policy:?} {relation:?}"
            );
        }
    }

    /// Checks every combination of facts against a second statement of the rule.
    #[test]
    fn an_invitation_follows_the_message_rule_and_hides_the_reason() {
        for bits in 0..16_u8 {
            let bit = |n: u8| bits & (1 << n) != 0;
            let invitation = Invitation { is_blocked: bit(0), is_known: bit(1), has_declined: bit(3) };
            let policy = if bit(2) { MessagePolicy::Contacts } else { MessagePolicy::Open };
            let welcome = !bit(0) && (bit(1) || !(bit(2) || bit(3)));
            let expected = if welcome { Ok(()) } else { Err(Denied::NotToBeAdded) };
            assert_eq!(may_invite(policy, &invitation), expected, "{policy:?} {invitation:?}");
        }
    }

    #[test]
    fn a_quota_expires_after_a_day() {
        let hour = 60 * 60 * 1000;
        let now = Timestamp::from_millis(100 * hour);
        let at = |hours_ago: i64, amount| (Timestamp::from_millis((100 - hours_ago) * hour), amount);
        let hours = |n: u64| Some(Duration::from_secs(n * 60 * 60));
        for (used, wanted, expected) in [
            (vec![], 10, None),
            (vec![], 11, hours(24)),
            (vec![at(1, 9)], 1, None),
            (vec![at(1, 9)], 2, hours(23)),
            (vec![at(20, 1), at(1, 9)], 1, hours(4)),
            (vec![at(20, 1), at(1, 9)], 2, hours(23)),
            (vec![at(24, 10)], 10, None),
            (vec![at(-2, 10)], 1, hours(24)),
            (vec![at(-25, 10)], 10, None),
        ] {
            assert_eq!(wait_for_quota(&used, wanted, 10, now), expected, "{wanted} more after {used:?}");
        }
    }

    #[test]
    fn each_role_allows_exactly_the_listed_actions() {
        use Role::{Admin, Member, Owner};
        // Role; whether it adds users and renames; whether it gives roles; the roles that it
        // removes.
        let table: [(Role, bool, bool, &[Role]); 3] = [
            (Owner, true, true, &[Owner, Admin, Member]),
            (Admin, true, false, &[Member]),
            (Member, false, false, &[]),
        ];
        for (role, manages, gives_roles, removes) in table {
            assert_eq!(may_manage(role).is_ok(), manages, "{role:?}");
            assert_eq!(may_set_role(role).is_ok(), gives_roles, "{role:?}");
            for theirs in [Owner, Admin, Member] {
                assert_eq!(may_remove(role, theirs).is_ok(), removes.contains(&theirs), "{role:?} {theirs:?}");
            }
        }
    }

    #[test]
    fn only_the_sender_may_change_a_message() {
        assert_eq!(may_change(UserId::new(1), UserId::new(1)), Ok(()));
        assert_eq!(may_change(UserId::new(1), UserId::new(2)), Err(Denied::NotTheSender));
    }

    #[test]
    fn blocked_and_unknown_senders_get_the_same_error() {
        let stranger = Relation {
            recipient_is_closed: false,
            sender_blocks: false,
            recipient_blocks: false,
            recipient_trusts: false,
            recipient_wrote: false,
        };
        let blocked = Relation { recipient_blocks: true, ..stranger };
        assert_eq!(may_message(MessagePolicy::Contacts, &stranger), may_message(MessagePolicy::Open, &blocked));
    }
}
