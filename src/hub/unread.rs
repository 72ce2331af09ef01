//! Unread counts of the connected users, and when to send them. Pure; the time is an argument.
//!
//! The unread messages of a user are counted from rows once, when the counts change for the first
//! time. From then on each change adjusts them. So a message costs an addition for each connected
//! reader, however much they have not read.
//!
//! While rows are counted, further changes happen. Each change carries the number of the
//! transaction that made it, and each count the number of the last transaction that it includes.
//! So every change counts exactly once.
//!
//! The first change is sent at once, and later changes within `EVERY` are merged into one.

use crate::ids::{ConversationId, MAX_UNREAD, UserId};
use crate::wire::{UnreadChange, UnreadUpdate};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Minimum interval between two unread updates of one user.
const EVERY: Duration = Duration::from_millis(250);
/// How long the counts of a user without a session are kept. A client that comes and goes has them
/// counted once in this time.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// Maximum number of changes that are remembered while rows are counted. With more, the rows are
/// counted again.
const MAX_SINCE: usize = 1_000;

/// A request to count unread messages from rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountRequest {
    pub user_id: UserId,
    /// The conversations to count; none for all conversations of the user.
    pub only: Option<Vec<ConversationId>>,
    /// Distinguishes this request from an earlier one, whose answer is no longer valid.
    number: u64,
}

/// The answer to a [`CountRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The number of the last transaction whose changes are included.
    pub commit: i64,
    /// The conversations with unread messages, with their platform and their count, from 1 to
    /// `MAX_UNREAD`.
    pub rows: Vec<(ConversationId, String, i64)>,
}

/// The next thing to do for a user.
#[derive(Debug, PartialEq)]
pub enum Due {
    Send(UserId, Update),
    Count(CountRequest),
}

/// The contents of an `unread_count_update`.
#[derive(Debug, PartialEq, Eq)]
pub struct Update {
    last: ConversationId,
    total: i64,
    is_capped: bool,
    platforms: BTreeMap<String, i64>,
    conversations: BTreeMap<ConversationId, i64>,
}

impl Update {
    pub fn body(&self) -> UnreadUpdate<'_> {
        UnreadUpdate {
            conversation_id: self.last,
            unread_count: self.conversations.get(&self.last).copied().unwrap_or(0),
            total_unread: self.total,
            is_capped: self.is_capped,
            unread_counts: &self.platforms,
            conversations: &self.conversations,
        }
    }
}

/// The counts of one user. Conversations without unread messages are absent.
#[derive(Debug, Default)]
struct Counts {
    conversations: HashMap<ConversationId, Count>,
    total: i64,
    /// Number of conversations with `MAX_UNREAD` or more.
    capped: usize,
    platforms: BTreeMap<String, i64>,
}

#[derive(Debug)]
struct Count {
    platform: String,
    count: i64,
}

impl Counts {
    fn get(&self, id: ConversationId) -> i64 {
        self.conversations.get(&id).map_or(0, |known| known.count)
    }

    fn set(&mut self, id: ConversationId, platform: &str, count: i64) {
        let before = match self.conversations.get_mut(&id) {
            Some(known) => std::mem::replace(&mut known.count, count),
            None => {
                let known = Count { platform: platform.to_owned(), count };
                self.conversations.insert(id, known);
                0
            }
        };
        self.total += count - before;
        self.capped = self.capped + usize::from(count == MAX_UNREAD) - usize::from(before == MAX_UNREAD);
        match self.platforms.get_mut(platform) {
            Some(all) => *all += count - before,
            None => drop(self.platforms.insert(platform.to_owned(), count - before)),
        }
        if count == 0 {
            self.conversations.remove(&id);
            self.platforms.retain(|_, count| *count > 0);
        }
    }

    fn add(&mut self, id: ConversationId, platform: &str) {
        let count = self.get(id);
        if count < MAX_UNREAD {
            self.set(id, platform, count + 1);
        }
    }

    /// Lowers the count, or sets it to zero.
    fn lower(&mut self, id: ConversationId, to: impl FnOnce(i64) -> i64) {
        if let Some(known) = self.conversations.get(&id) {
            let (platform, count) = (known.platform.clone(), to(known.count));
            self.set(id, &platform, count);
        }
    }
}

/// Rows that are being counted, and what changed since the request.
#[derive(Debug)]
struct Counting {
    only: Option<BTreeSet<ConversationId>>,
    number: u64,
    since: Vec<(i64, ConversationId, UnreadChange)>,
    has_lost: bool,
}

impl Counting {
    fn covers(&self, id: ConversationId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&id))
    }
}

#[derive(Debug, Default)]
struct User {
    /// None until they are counted.
    counts: Option<Counts>,
    /// Conversations whose count is unknown. The others are known.
    stale: BTreeSet<ConversationId>,
    counting: Option<Counting>,
    /// The conversations that changed since the last update, and the one that changed last.
    changed: BTreeSet<ConversationId>,
    last: Option<ConversationId>,
    /// The entry of `due`.
    due: Option<(Instant, u64)>,
    last_sent_at: Option<Instant>,
    /// When the user's last session ended.
    left_at: Option<Instant>,
}

impl User {
    fn apply(&mut self, id: ConversationId, change: &UnreadChange) {
        // Without counts everything is counted anyway.
        let Some(counts) = &mut self.counts else { return };
        if self.stale.contains(&id) {
            return;
        }
        match change {
            UnreadChange::Added { platform } => counts.add(id, platform),
            // There may be more than the cap.
            UnreadChange::Removed if counts.get(id) == MAX_UNREAD => drop(self.stale.insert(id)),
            UnreadChange::Removed => counts.lower(id, |count| count - 1),
            UnreadChange::Cleared => counts.lower(id, |_| 0),
            UnreadChange::Unknown => drop(self.stale.insert(id)),
        }
    }

    fn is_known(&self) -> bool {
        self.counts.is_some() && self.stale.is_empty() && self.counting.is_none()
    }

    /// Returns the update, unless rows must be counted first.
    fn take_update(&mut self, now: Instant) -> Option<Update> {
        let counts = self.counts.as_ref().filter(|_| self.is_known())?;
        let last = self.last.take()?;
        let changed = std::mem::take(&mut self.changed);
        self.last_sent_at = Some(now);
        Some(Update {
            last,
            total: counts.total,
            is_capped: counts.capped > 0,
            platforms: counts.platforms.clone(),
            conversations: changed.into_iter().map(|id| (id, counts.get(id))).collect(),
        })
    }
}

/// The unread counts of the users of this node.
#[derive(Debug, Default)]
pub struct UnreadTable {
    users: HashMap<UserId, User>,
    /// The users with changes to send, by due time. The number distinguishes two entries of the
    /// same instant.
    due: BTreeMap<(Instant, u64), UserId>,
    /// Users who left, in the order of their leaving. Some may have come back.
    left: VecDeque<(Instant, UserId)>,
    numbers: u64,
}

impl UnreadTable {
    /// Records a change that the transaction with this number made. `is_connected` says whether the
    /// user has a session.
    pub fn changed(
        &mut self,
        (user_id, is_connected): (UserId, impl FnOnce() -> bool),
        conversation_id: ConversationId,
        change: &UnreadChange,
        (commit, now): (i64, Instant),
    ) {
        let user = match self.users.get_mut(&user_id) {
            Some(user) => user,
            None if is_connected() => self.users.entry(user_id).or_default(),
            None => return,
        };
        match &mut user.counting {
            Some(counting) if counting.covers(conversation_id) => {
                if counting.since.len() < MAX_SINCE {
                    counting.since.push((commit, conversation_id, change.clone()));
                } else {
                    counting.has_lost = true;
                }
            }
            _ => user.apply(conversation_id, change),
        }
        if user.left_at.is_none() {
            user.changed.insert(conversation_id);
            user.last = Some(conversation_id);
            self.schedule(user_id, now);
        }
    }

    /// Makes the changes of a user due, unless they are due already or wait for rows.
    fn schedule(&mut self, user_id: UserId, now: Instant) {
        let Some(user) = self.users.get_mut(&user_id) else { return };
        if user.due.is_none() && user.counting.is_none() && user.last.is_some() {
            let at = user.last_sent_at.map_or(now, |last_sent_at| now.max(last_sent_at + EVERY));
            self.numbers += 1;
            user.due = Some((at, self.numbers));
            self.due.insert((at, self.numbers), user_id);
        }
    }

    /// Returns the next update that is due, or the request that it waits for. The update counts as
    /// sent from here on. While no further request `may_count`, users who need one wait.
    pub fn next_due(&mut self, now: Instant, may_count: bool) -> Option<Due> {
        loop {
            let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
            let user_id = first.remove();
            let Some(user) = self.users.get_mut(&user_id) else { continue };
            user.due = None;
            if user.is_known() {
                match user.take_update(now) {
                    Some(update) => return Some(Due::Send(user_id, update)),
                    None => continue,
                }
            }
            self.numbers += 1;
            if !may_count {
                user.due = Some((now + EVERY, self.numbers));
                self.due.insert((now + EVERY, self.numbers), user_id);
                continue;
            }
            let only = user.counts.is_some().then(|| std::mem::take(&mut user.stale));
            let request = CountRequest {
                user_id,
                only: only.as_ref().map(|only| only.iter().copied().collect()),
                number: self.numbers,
            };
            user.last_sent_at = Some(now);
            user.counting = Some(Counting { only, number: self.numbers, since: Vec::new(), has_lost: false });
            return Some(Due::Count(request));
        }
    }

    /// Takes the counts from rows. Returns the update to send.
    pub fn counted(&mut self, request: &CountRequest, counted: Counted, now: Instant) -> Option<Update> {
        let user = self.users.get_mut(&request.user_id)?;
        // A request from before `forget_all` is answered in vain.
        let Counting { only, since, has_lost, .. } =
            user.counting.take_if(|counting| counting.number == request.number)?;
        if has_lost {
            user.counts = None;
            user.stale.clear();
        } else {
            let counts = user.counts.get_or_insert_default();
            only.into_iter().flatten().for_each(|id| counts.lower(id, |_| 0));
            counted.rows.into_iter().for_each(|(id, platform, count)| counts.set(id, &platform, count));
            for (commit, id, change) in since {
                if commit > counted.commit {
                    user.apply(id, &change);
                }
            }
        }
        let is_here = user.left_at.is_none();
        let update = if is_here { user.take_update(now) } else { None };
        if update.is_none() {
            self.schedule(request.user_id, now);
        }
        update
    }

    /// Makes counts that could not be read from rows due again.
    pub fn count_failed(&mut self, request: &CountRequest, now: Instant) {
        let Some(user) = self.users.get_mut(&request.user_id) else { return };
        if user.counting.take_if(|counting| counting.number == request.number).is_some() {
            // The next count includes all changes in between.
            (user.counts, user.stale) = (None, BTreeSet::new());
            self.schedule(request.user_id, now);
        }
    }

    /// Forgets all counts, because changes may have been missed.
    pub fn forget_all(&mut self, now: Instant) {
        for user in self.users.values_mut() {
            (user.counts, user.stale, user.counting) = (None, BTreeSet::new(), None);
        }
        let waiting: Vec<UserId> =
            self.users.iter().filter(|(_, user)| user.last.is_some()).map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|user_id| self.schedule(user_id, now));
    }

    /// Records that the user has a session.
    pub fn on_connect(&mut self, user_id: UserId) {
        if let Some(user) = self.users.get_mut(&user_id) {
            user.left_at = None;
        }
    }

    /// Records that the user's last session ended. The counts are kept for `KEPT_FOR`.
    pub fn on_disconnect(&mut self, user_id: UserId, now: Instant) {
        let Some(user) = self.users.get_mut(&user_id) else { return };
        if let Some(due) = user.due.take() {
            self.due.remove(&due);
        }
        user.changed.clear();
        (user.last, user.left_at) = (None, Some(now));
        self.left.push_back((now, user_id));
    }

    /// Forgets the users who left long ago.
    pub fn sweep(&mut self, now: Instant) {
        while let Some((left_at, user_id)) = self.left.front().copied()
            && now >= left_at + KEPT_FOR
        {
            self.left.pop_front();
            if self.users.get(&user_id).is_some_and(|user| user.left_at == Some(left_at)) {
                self.users.remove(&user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANN: UserId = UserId::new(1);
    const BOB: UserId = UserId::new(2);

    fn conversation(number: i64) -> ConversationId {
        ConversationId::new(number)
    }

    fn added() -> UnreadChange {
        UnreadChange::Added { platform: "chat".into() }
    }

    /// A table with a clock, and rows that it counts from.
    struct Rig {
        table: UnreadTable,
        now: Instant,
        commit: i64,
        rows: BTreeMap<(UserId, ConversationId), i64>,
    }

    impl Rig {
        fn new() -> Self {
            Self { table: UnreadTable::default(), now: Instant::now(), commit: 0, rows: BTreeMap::new() }
        }

        /// Changes the rows, and tells the table.
        fn change(&mut self, user_id: UserId, id: i64, change: &UnreadChange, to: impl FnOnce(i64) -> i64) {
            self.commit_silently(user_id, id, to);
            self.tell(user_id, id, change, self.commit);
        }

        fn commit_silently(&mut self, user_id: UserId, id: i64, to: impl FnOnce(i64) -> i64) {
            self.commit += 1;
            let count = self.rows.entry((user_id, conversation(id))).or_default();
            *count = to(*count);
        }

        fn tell(&mut self, user_id: UserId, id: i64, change: &UnreadChange, commit: i64) {
            self.table.changed((user_id, || true), conversation(id), change, (commit, self.now));
        }

        fn add(&mut self, user_id: UserId, id: i64) {
            self.change(user_id, id, &added(), |count| count + 1);
        }

        /// Counts from the rows as they are now.
        fn count(&self, request: &CountRequest) -> Counted {
            let is_asked = |id: &ConversationId| request.only.as_ref().is_none_or(|only| only.contains(id));
            let rows =
                self.rows.iter().filter(|((user, id), count)| *user == request.user_id && is_asked(id) && **count > 0);
            let row =
                |((_, id), count): (&(UserId, ConversationId), &i64)| (*id, "chat".into(), (*count).min(MAX_UNREAD));
            Counted { commit: self.commit, rows: rows.map(row).collect() }
        }

        fn due(&mut self) -> Option<Due> {
            self.table.next_due(self.now, true)
        }

        fn request(&mut self) -> CountRequest {
            match self.due() {
                Some(Due::Count(request)) => request,
                other => panic!("not a request: {other:?}"),
            }
        }

        /// Returns the next update, with the counts that it needs.
        fn update(&mut self) -> Option<Update> {
            match self.due()? {
                Due::Send(_, update) => Some(update),
                Due::Count(request) => {
                    let counted = self.count(&request);
                    self.table.counted(&request, counted, self.now)
                }
            }
        }

        fn totals(update: &Update) -> (i64, Vec<(i64, i64)>) {
            (update.total, update.conversations.iter().map(|(id, count)| (id.get(), *count)).collect())
        }
    }

    #[test]
    fn rows_are_counted_once_and_messages_add_to_them() {
        let mut rig = Rig::new();
        rig.rows.insert((ANN, conversation(2)), 5);
        rig.add(ANN, 1);
        assert_eq!(Rig::totals(&rig.update().unwrap()), (6, vec![(1, 1)]));
        for id in [2, 1, 3, 1] {
            rig.add(ANN, id);
        }
        rig.now += EVERY - Duration::from_millis(1);
        assert_eq!(rig.due(), None, "later changes are merged");
        rig.now += Duration::from_millis(1);
        let Some(Due::Send(ANN, update)) = rig.due() else { panic!("nothing has to be counted") };
        assert_eq!(Rig::totals(&update), (10, vec![(1, 3), (2, 6), (3, 1)]));
        assert_eq!((update.last, update.platforms.get("chat")), (conversation(1), Some(&10)));
        rig.now += EVERY * 2;
        assert_eq!(rig.due(), None);
    }

    #[test]
    fn a_change_during_the_count_counts_exactly_once() {
        let mut rig = Rig::new();
        rig.add(ANN, 1);
        let request = rig.request();
        rig.add(ANN, 1);
        let counted = rig.count(&request);
        rig.add(ANN, 1);
        let update = rig.table.counted(&request, counted, rig.now).unwrap();
        assert_eq!(Rig::totals(&update), (3, vec![(1, 3)]));
        // A commit is in the rows before the hub hears of it.
        rig.change(ANN, 1, &UnreadChange::Unknown, |_| 1);
        rig.now += EVERY;
        let request = rig.request();
        rig.commit_silently(ANN, 1, |count| count + 1);
        let counted = rig.count(&request);
        let commit = rig.commit;
        rig.tell(ANN, 1, &added(), commit);
        let update = rig.table.counted(&request, counted, rig.now).unwrap();
        assert_eq!(Rig::totals(&update), (2, vec![(1, 2)]));
    }

    #[test]
    fn counts_stop_at_the_cap_and_are_counted_again_below_it() {
        let mut rig = Rig::new();
        rig.rows.insert((ANN, conversation(1)), 998);
        rig.add(ANN, 1);
        assert!(!rig.update().unwrap().is_capped, "999 are all");
        for _ in 0..2 {
            rig.add(ANN, 1);
            rig.now += EVERY;
            let update = rig.update().unwrap();
            assert_eq!((update.total, update.is_capped), (1_000, true));
        }
        for (rows, expected) in [(1_000, (1_000, true)), (999, (999, false))] {
            rig.change(ANN, 1, &UnreadChange::Removed, |count| count - 1);
            assert_eq!(rig.rows[&(ANN, conversation(1))], rows);
            rig.now += EVERY;
            let update = rig.update().unwrap();
            assert_eq!((update.total, update.is_capped), expected);
        }
        rig.change(ANN, 1, &UnreadChange::Removed, |count| count - 1);
        rig.now += EVERY;
        assert!(matches!(rig.due(), Some(Due::Send(ANN, update)) if update.total == 998), "no rows are counted");
    }

    #[test]
    fn failed_counts_are_due_again() {
        let mut rig = Rig::new();
        rig.add(ANN, 1);
        let request = rig.request();
        rig.add(ANN, 2);
        rig.table.count_failed(&request, rig.now);
        assert_eq!(rig.due(), None, "not at once");
        rig.now += EVERY;
        assert_eq!(Rig::totals(&rig.update().unwrap()), (2, vec![(1, 1), (2, 1)]));
    }

    #[test]
    fn a_user_whose_rows_are_counted_does_not_delay_others() {
        let mut rig = Rig::new();
        rig.add(BOB, 1);
        rig.update().unwrap();
        rig.now += EVERY;
        rig.add(ANN, 1);
        rig.add(BOB, 1);
        assert!(matches!(rig.table.next_due(rig.now, false), Some(Due::Send(BOB, _))), "Ann waits for a free place");
        rig.now += EVERY;
        let ann = rig.request();
        rig.add(BOB, 1);
        assert_eq!(rig.update().unwrap().total, 3);
        rig.now += EVERY;
        rig.add(ANN, 1);
        assert_eq!(rig.due(), None, "one request at a time");
        let counted = rig.count(&ann);
        assert_eq!(rig.table.counted(&ann, counted, rig.now).unwrap().total, 2);
    }

    #[test]
    fn forgotten_counts_are_counted_again_and_old_answers_ignored() {
        let mut rig = Rig::new();
        rig.add(ANN, 1);
        let request = rig.request();
        let outdated = Counted { commit: 1, rows: Vec::new() };
        // A change that the hub was never told of.
        rig.commit_silently(ANN, 1, |count| count + 7);
        rig.table.forget_all(rig.now);
        assert_eq!(rig.table.counted(&request, outdated, rig.now), None);
        rig.now += EVERY;
        assert_eq!(rig.update().unwrap().total, 8);
    }

    #[test]
    fn more_changes_than_are_remembered_cause_another_count() {
        let mut rig = Rig::new();
        rig.add(ANN, 1);
        let request = rig.request();
        let outdated = rig.count(&request);
        for _ in 0..MAX_SINCE {
            rig.add(ANN, 2);
        }
        let update = rig.table.counted(&request, outdated, rig.now).unwrap();
        assert_eq!(update.conversations[&conversation(2)], 1_000, "all of them are remembered");

        rig.change(ANN, 2, &UnreadChange::Unknown, |_| 0);
        rig.now += EVERY;
        let request = rig.request();
        let outdated = rig.count(&request);
        for _ in 0..=MAX_SINCE {
            rig.add(ANN, 2);
        }
        assert_eq!(rig.table.counted(&request, outdated, rig.now), None);
        rig.now += EVERY;
        assert_eq!(rig.request().only, None, "everything is counted again");
    }

    #[test]
    fn counts_are_kept_for_a_while_after_the_user_left() {
        let mut rig = Rig::new();
        rig.add(ANN, 1);
        rig.update().unwrap();
        for _ in 0..3 {
            rig.table.on_disconnect(ANN, rig.now);
            rig.add(ANN, 1);
            rig.now += KEPT_FOR - Duration::from_millis(1);
            rig.table.sweep(rig.now);
            assert_eq!(rig.due(), None, "nobody would get it");
            rig.table.on_connect(ANN);
        }
        rig.add(ANN, 1);
        assert!(matches!(rig.due(), Some(Due::Send(ANN, update)) if update.total == 5));
        rig.table.on_disconnect(ANN, rig.now);
        rig.now += KEPT_FOR;
        rig.table.sweep(rig.now);
        assert!(rig.table.users.is_empty() && rig.table.due.is_empty() && rig.table.left.is_empty());
        rig.table.changed((ANN, || false), conversation(1), &added(), (9, rig.now));
        assert!(rig.table.users.is_empty(), "no user is remembered who was not connected");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(i64),
        Remove(i64),
        Clear(i64),
        Set(i64, i64),
        /// Asks for the next update, and answers a request only later.
        Wait,
        Answer,
        Fail,
        Leave,
        Come,
        Forget,
    }

    fn step() -> impl Strategy<Value = Step> {
        let id = 1..4_i64;
        prop_oneof![
            6 => id.clone().prop_map(Step::Add),
            2 => id.clone().prop_map(Step::Remove),
            1 => id.clone().prop_map(Step::Clear),
            2 => (id, prop_oneof![0..4_i64, 998..1_003_i64]).prop_map(|(id, to)| Step::Set(id, to)),
            4 => Just(Step::Wait),
            3 => Just(Step::Answer),
            1 => Just(Step::Fail),
            1 => Just(Step::Leave),
            1 => Just(Step::Come),
            1 => Just(Step::Forget),
        ]
    }

    proptest! {
        /// Whatever happens in between, every update has the counts of the rows.
        #[test]
        fn every_update_equals_a_count_of_the_rows(steps in proptest::collection::vec(step(), 0..80)) {
            let mut rig = Rig::new();
            let mut open: Vec<(CountRequest, Counted)> = Vec::new();
            let mut updates = Vec::new();
            for step in steps {
                updates.clear();
                match step {
                    Step::Add(id) => rig.add(ANN, id),
                    Step::Remove(id) if rig.rows.get(&(ANN, conversation(id))).is_some_and(|count| *count > 0) => {
                        rig.change(ANN, id, &UnreadChange::Removed, |count| count - 1);
                    }
                    Step::Remove(_) => {}
                    Step::Clear(id) => rig.change(ANN, id, &UnreadChange::Cleared, |_| 0),
                    Step::Set(id, to) => rig.change(ANN, id, &UnreadChange::Unknown, |_| to),
                    Step::Wait => {
                        rig.now += EVERY;
                        match rig.due() {
                            Some(Due::Send(_, update)) => updates.push(update),
                            Some(Due::Count(request)) => {
                                let counted = rig.count(&request);
                                open.push((request, counted));
                            }
                            None => {}
                        }
                    }
                    Step::Answer if !open.is_empty() => {
                        let (request, counted) = open.remove(0);
                        updates.extend(rig.table.counted(&request, counted, rig.now));
                    }
                    Step::Fail if !open.is_empty() => rig.table.count_failed(&open.remove(0).0, rig.now),
                    Step::Answer | Step::Fail => {}
                    Step::Leave => rig.table.on_disconnect(ANN, rig.now),
                    Step::Come => rig.table.on_connect(ANN),
                    Step::Forget => rig.table.forget_all(rig.now),
                }
                for update in &updates {
                    let rows: BTreeMap<ConversationId, i64> =
                        rig.rows.iter().map(|((_, id), count)| (*id, (*count).min(MAX_UNREAD))).collect();
                    prop_assert_eq!(update.total, rows.values().sum::<i64>());
                    prop_assert_eq!(update.is_capped, rows.values().any(|count| *count == MAX_UNREAD));
                    prop_assert_eq!(update.platforms.values().sum::<i64>(), update.total);
                    for (id, count) in &update.conversations {
                        prop_assert_eq!(count, rows.get(id).unwrap_or(&0));
                    }
                }
            }
        }
    }
}
