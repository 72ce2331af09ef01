//! Who may do what: pure functions from facts to a verdict. They read nothing
//! and know no sockets; the operation brings the facts and owns the write.

use crate::error::Error;
use crate::ids::{Role, Timestamp, UserId};
use std::time::Duration;

/// What holds for the whole hub; most of it the operator decides.
#[derive(Clone, Debug)]
pub struct Rules {
    pub message_policy: MessagePolicy,
    /// Unicode scalar values in a message.
    pub max_message_chars: usize,
    pub registration_is_open: bool,
    /// In one group.
    pub max_participants: usize,
    pub sync: SyncLimits,
}

/// How much one answer of `sync` holds.
#[derive(Clone, Copy, Debug)]
pub struct SyncLimits {
    pub messages: usize,
    pub conversations: usize,
    /// Of JSON; the first conversation of an answer comes however large it is.
    pub bytes: usize,
    /// A client that is further behind gets the conversation anew.
    pub changes: usize,
    /// Newest messages that come with a conversation anew.
    pub reset_messages: usize,
    /// Rows of the caller's own: blocks, contacts, places and hidden messages.
    pub own_rows: usize,
}

impl SyncLimits {
    pub const DEFAULT: Self =
        Self { messages: 500, conversations: 1_000, bytes: 1 << 20, changes: 500, reset_messages: 50, own_rows: 1_000 };
}

#[cfg(test)]
impl Rules {
    /// For tests that are not about them.
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
    /// Anyone may write to anyone who has not blocked them.
    Open,
    /// Only to people who have the sender as a contact, or wrote first.
    Contacts,
}

/// What matters between the sender and the other person of a direct
/// conversation.
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

/// Why not. The texts go to the asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    RecipientClosed,
    SenderBlocks,
    /// Blocked, or not known well enough; never says which.
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
            // As where there never was one.
            Denied::RecipientClosed => Error::NotFound("no such user"),
            Denied::SenderBlocks => Error::Forbidden("you have blocked this person"),
            Denied::NotTheSender => Error::Forbidden("only its sender may change a message"),
            Denied::NotToBeAdded => Error::Forbidden("you may not add one of these users"),
            Denied::NotYourGroup => Error::Forbidden("your role in this group does not allow it"),
            Denied::NotAnAdmin => Error::Forbidden("only administrators may do this"),
            Denied::AccountDisabled => Error::Forbidden("this account is disabled"),
            Denied::NotWelcome => Error::Forbidden("you may not write to this person"),
        }
    }
}

/// May one change what a message says, or take it back?
pub fn may_change(one: UserId, sender: UserId) -> Result<(), Denied> {
    if one == sender { Ok(()) } else { Err(Denied::NotTheSender) }
}

/// May the sender write to, or be seen typing by, the other person?
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

/// What matters between one and somebody one brings into a group.
#[derive(Clone, Copy, Debug)]
pub struct Invitation {
    /// By either.
    pub is_blocked: bool,
    /// They have one as a contact, or wrote to one before.
    pub is_known: bool,
    /// They left a group that one had brought them into.
    pub has_declined: bool,
}

/// May one add this person to a group?
pub fn may_invite(policy: MessagePolicy, invitation: &Invitation) -> Result<(), Denied> {
    let is_wanted = invitation.is_known || (policy == MessagePolicy::Open && !invitation.has_declined);
    if invitation.is_blocked || !is_wanted {
        return Err(Denied::NotToBeAdded);
    }
    Ok(())
}

/// Groups that one person may be in.
pub const MAX_GROUPS: i64 = 5_000;
/// Groups that one person makes in any 24 hours.
pub const MAX_GROUPS_A_DAY: i64 = 200;
/// The time over which daily quotas count.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Rules {
    /// Strangers that one person brings into groups in any 24 hours: the largest
    /// group can be made of them once.
    pub fn max_strangers_a_day(&self) -> i64 {
        i64::try_from(self.max_participants).unwrap_or(i64::MAX).max(1_000)
    }
}

/// How long until `wanted` more fit into a daily quota of `most`, by what was
/// used so far, the oldest first; nothing where they fit now. What lies more
/// than a day ahead of a clock that was put back does not count.
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

/// May one add people and rename the group?
pub fn may_manage(role: Role) -> Result<(), Denied> {
    if role >= Role::Admin { Ok(()) } else { Err(Denied::NotYourGroup) }
}

/// May one remove somebody else? Owners everybody, admins members.
pub fn may_remove(role: Role, theirs: Role) -> Result<(), Denied> {
    if role == Role::Owner || (role == Role::Admin && theirs == Role::Member) {
        Ok(())
    } else {
        Err(Denied::NotYourGroup)
    }
}

/// May one give roles?
pub fn may_set_role(role: Role) -> Result<(), Denied> {
    if role == Role::Owner { Ok(()) } else { Err(Denied::NotYourGroup) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination of facts, against the rule said in another way.
    #[test]
    fn one_may_write_unless_blocked_closed_or_unknown_under_the_contacts_policy() {
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

    /// Every combination of facts, against the rule said in another way.
    #[test]
    fn one_may_add_whom_one_may_write_to_and_is_never_told_why_not() {
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
    fn a_quota_frees_what_is_a_day_old() {
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
    fn what_a_role_allows_is_this_table() {
        use Role::{Admin, Member, Owner};
        // Who; whether they add and rename, and give roles; whom they remove.
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
    fn a_message_is_changed_by_its_sender_alone() {
        assert_eq!(may_change(UserId::new(1), UserId::new(1)), Ok(()));
        assert_eq!(may_change(UserId::new(1), UserId::new(2)), Err(Denied::NotTheSender));
    }

    #[test]
    fn being_blocked_and_being_unknown_read_the_same() {
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
