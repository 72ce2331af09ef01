//! Tests the arithmetic of `sync` against brute force. Whatever happens in a conversation while a
//! client is away, the client ends up with what it may see. The same check must fail when one
//! decision of the cursor is wrong.

use super::cursor::{Cursor, Step};
use crate::ids::{ConversationId, Rev, Seq};
use crate::policy::SyncLimits;
use crate::store::messaging::changes::ConversationHead;
use std::collections::BTreeMap;

const SEEDS: u64 = 3_000;

/// The decisions of the cursor, so that a test can replace one with a wrong one.
#[derive(Clone, Copy)]
struct Decisions {
    begin: fn(&ConversationHead, i64) -> Option<Cursor>,
    wanted: fn(&Cursor, usize, &SyncLimits) -> usize,
    first_wanted: fn(&Cursor, usize, &SyncLimits) -> Seq,
    is_missed: fn(&Cursor, Rev) -> bool,
    /// Whether a message counts as a change, given whether it is visible.
    counts: fn(bool) -> bool,
    needs_reset: fn(&Cursor, usize, &SyncLimits) -> bool,
    first: fn(&Cursor, &[Rev], usize) -> Step,
    is_complete: fn(&Cursor, Step) -> bool,
}

const RIGHT: Decisions = Decisions {
    begin: |head, held| Cursor::new(head, Some(held), true),
    wanted: Cursor::wanted,
    first_wanted: Cursor::first_wanted,
    is_missed: Cursor::is_missed,
    counts: |_| true,
    needs_reset: Cursor::needs_reset,
    first: Cursor::first,
    is_complete: Cursor::is_complete,
};

#[derive(Clone, Copy, Debug)]
struct Row {
    seq: i64,
    rev: i64,
    is_changed: bool,
    is_hidden: bool,
}

/// The stored conversation, as one of its participants sees it.
#[derive(Debug, Default)]
struct Table {
    rev: i64,
    messages: Vec<Row>,
    /// The rev of each participant, by user.
    participants: BTreeMap<usize, i64>,
    cleared_seq: i64,
    visible_from_seq: i64,
}

impl Table {
    fn next_rev(&mut self) -> i64 {
        self.rev += 1;
        self.rev
    }

    fn happen(&mut self, draw: &mut impl FnMut(usize) -> usize) {
        let count = self.messages.len();
        match draw(20) {
            0..=6 => {
                let rev = self.next_rev();
                self.messages.push(Row { seq: count as i64 + 1, rev, is_changed: false, is_hidden: false });
            }
            7..=11 if count > 0 => {
                let rev = self.next_rev();
                let message = &mut self.messages[draw(count)];
                (message.rev, message.is_changed) = (rev, true);
            }
            12..=14 if count > 0 => self.messages[draw(count)].is_hidden = true,
            15..=17 => {
                let rev = self.next_rev();
                self.participants.insert(draw(4), rev);
            }
            18 if draw(4) == 0 => self.cleared_seq = count as i64,
            // The group gets a new title.
            _ => drop(self.next_rev()),
        }
    }

    fn shows(&self, message: &Row) -> bool {
        message.seq >= self.visible_from_seq && message.seq > self.cleared_seq && !message.is_hidden
    }
}

/// The data that a client holds.
#[derive(Debug, Default)]
struct Client {
    position: i64,
    /// The first message that the client holds. It gets older ones from history.
    from: i64,
    /// The rev of each message, by seq.
    messages: BTreeMap<i64, i64>,
    participants: BTreeMap<usize, i64>,
}

impl Client {
    /// A client that holds everything.
    fn of(table: &Table) -> Self {
        let shown = table.messages.iter().filter(|message| table.shows(message));
        Self {
            position: table.rev,
            from: 1,
            messages: shown.map(|message| (message.seq, message.rev)).collect(),
            participants: table.participants.clone(),
        }
    }

    /// Makes one request and applies its answer. Returns whether the answer says that it is
    /// complete.
    fn sync(&mut self, table: &Table, limits: &SyncLimits, by: &Decisions) -> Result<bool, String> {
        let head = ConversationHead {
            id: ConversationId::new(1),
            last_seq: Seq::new(table.messages.len() as i64),
            rev: Rev::new(table.rev),
            is_shown: true,
        };
        let Some(cursor) = (by.begin)(&head, self.position) else { return Ok(true) };
        let (most, newest) = (limits.changes + 1, limits.reset_messages.min(limits.messages));
        let is_missed = |rev: i64| (by.is_missed)(&cursor, Rev::new(rev));
        let mut changed: Vec<&Row> =
            table.messages.iter().filter(|message| message.is_changed && is_missed(message.rev)).collect();
        changed.sort_by_key(|message| message.rev);
        changed.truncate(most);
        let mut found: BTreeMap<i64, &Row> = changed.into_iter().map(|message| (message.seq, message)).collect();
        let wanted = (by.wanted)(&cursor, newest, limits);
        found.extend(table.messages.iter().rev().take(wanted).map(|message| (message.seq, message)));
        let mut participants: Vec<(usize, i64)> =
            table.participants.iter().map(|(user, rev)| (*user, *rev)).filter(|(_, rev)| is_missed(*rev)).collect();
        participants.sort_by_key(|(_, rev)| *rev);
        participants.truncate(most);

        let missed = found.values().filter(|message| is_missed(message.rev) && (by.counts)(table.shows(message)));
        let changes = missed.count() + participants.len();
        let mut shown: Vec<&Row> = found.into_values().filter(|message| table.shows(message)).collect();
        let step = if (by.needs_reset)(&cursor, changes, limits) {
            let first = (by.first_wanted)(&cursor, newest, limits);
            shown.retain(|message| message.seq >= first.get());
            shown.drain(..shown.len().saturating_sub(newest));
            Step::Reset
        } else {
            shown.retain(|message| is_missed(message.rev));
            shown.sort_by_key(|message| message.rev);
            let revs: Vec<Rev> = shown.iter().map(|message| Rev::new(message.rev)).collect();
            (by.first)(&cursor, &revs, limits.messages)
        };
        match step {
            Step::Reset => {
                self.messages.clear();
                self.from = shown.first().map_or(table.messages.len() as i64 + 1, |message| message.seq);
                self.participants = table.participants.clone();
            }
            Step::Changes { messages, rev } => {
                shown.truncate(messages);
                self.participants.extend(participants.into_iter().filter(|(_, changed)| *changed <= rev.get()));
            }
        }
        self.messages.extend(shown.iter().filter(|message| message.seq >= self.from).map(|row| (row.seq, row.rev)));
        if !cursor.leads_on(step) {
            return Err(format!("a sync from {} makes no progress", self.position));
        }
        self.position = cursor.leads_to(step).get();
        Ok((by.is_complete)(&cursor, step))
    }

    /// Compares the client with the tables. The client itself leaves out messages that it knows to
    /// be hidden or cleared.
    fn compare(&self, table: &Table) -> Result<(), String> {
        let expected: BTreeMap<i64, i64> = table
            .messages
            .iter()
            .filter(|message| table.shows(message) && message.seq >= self.from)
            .map(|message| (message.seq, message.rev))
            .collect();
        let shows = |seq: &i64| table.messages.get(*seq as usize - 1).is_some_and(|message| table.shows(message));
        let held: BTreeMap<i64, i64> =
            self.messages.iter().map(|(seq, rev)| (*seq, *rev)).filter(|(seq, _)| shows(seq)).collect();
        let is_equal = held == expected && self.participants == table.participants && self.position == table.rev;
        if is_equal { Ok(()) } else { Err(format!("{self:?} differs from {table:?}")) }
    }
}

/// Runs a client that disconnects and comes back, with limits of a few rows.
fn goes_away_and_comes_back(seed: u64, by: &Decisions) -> Result<(), String> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    let limits =
        SyncLimits { messages: 1 + draw(5), changes: 1 + draw(6), reset_messages: 1 + draw(5), ..SyncLimits::DEFAULT };
    let mut table = Table { rev: 1, visible_from_seq: 1, ..Table::default() };
    let lives = 1 + draw(20);
    for _ in 0..lives {
        table.happen(&mut draw);
    }
    if draw(4) == 0 {
        table.visible_from_seq = table.messages.len() as i64 + 1;
    }
    let mut client = Client::of(&table);
    if draw(8) == 0 {
        client.position += 1_000;
    }
    for _ in 0..draw(25) {
        table.happen(&mut draw);
    }
    for _ in 0..100 {
        if client.sync(&table, &limits, by)? {
            return client.compare(&table);
        }
        // Changes go on while the client syncs.
        if draw(3) == 0 {
            table.happen(&mut draw);
        }
    }
    Err("it never comes to an end".into())
}

#[test]
fn a_client_ends_with_everything_visible_to_it() {
    for seed in 0..10 * SEEDS {
        if let Err(difference) = goes_away_and_comes_back(seed, &RIGHT) {
            panic!("seed {seed}: {difference}");
        }
    }
}

#[test]
fn every_wrong_decision_is_detected() {
    let faults: &[(&str, Decisions)] = &[
        (
            "a position ahead is up to date",
            Decisions {
                begin: |head, held| (held < head.rev.get()).then(|| Cursor::new(head, Some(held), true)).flatten(),
                ..RIGHT
            },
        ),
        (
            "the rev before the newest is up to date",
            Decisions {
                begin: |head, held| (held + 1 != head.rev.get()).then(|| Cursor::new(head, Some(held), true)).flatten(),
                ..RIGHT
            },
        ),
        (
            "one message too few is loaded",
            Decisions { wanted: |cursor, newest, limits| cursor.wanted(newest, limits).saturating_sub(1), ..RIGHT },
        ),
        (
            "as many as the limit are loaded, so that one more does not show",
            Decisions { wanted: |cursor, newest, limits| cursor.wanted(newest, limits).min(limits.changes), ..RIGHT },
        ),
        (
            "a changed older message comes with a reset conversation",
            Decisions { first_wanted: |_, _, _| Seq::new(1), ..RIGHT },
        ),
        (
            "the change at the position itself is missed",
            Decisions { is_missed: |cursor, rev| cursor.position.is_some_and(|position| rev >= position), ..RIGHT },
        ),
        (
            "the change after the position is not missed",
            Decisions {
                is_missed: |cursor, rev| cursor.position.is_some_and(|position| rev.get() > position.get() + 1),
                ..RIGHT
            },
        ),
        ("hidden or cleared messages do not count", Decisions { counts: |shows| shows, ..RIGHT }),
        (
            "no number of changes causes a reset",
            Decisions { needs_reset: |cursor, _, _| cursor.position.is_none(), ..RIGHT },
        ),
        (
            "one change more than the limit is sent",
            Decisions {
                needs_reset: |cursor, changes, limits| cursor.needs_reset(changes.saturating_sub(1), limits),
                ..RIGHT
            },
        ),
        (
            "a truncated answer skips the omitted changes",
            Decisions {
                first: |cursor, shown, messages| match cursor.first(shown, messages) {
                    Step::Changes { messages, rev } if messages < shown.len() => {
                        Step::Changes { messages, rev: Rev::new(rev.get() + 1) }
                    }
                    step => step,
                },
                ..RIGHT
            },
        ),
        (
            "a truncated answer leads to the end",
            Decisions {
                first: |cursor, shown, messages| match cursor.first(shown, messages) {
                    Step::Changes { messages, .. } => cursor.first(&shown[..messages], messages),
                    step => step,
                },
                ..RIGHT
            },
        ),
        ("a truncated answer is complete", Decisions { is_complete: |_, _| true, ..RIGHT }),
    ];
    for (what, decisions) in faults {
        let is_detected = (0..SEEDS).any(|seed| goes_away_and_comes_back(seed, decisions).is_err());
        assert!(is_detected, "no seed detects that {what}");
    }
}
