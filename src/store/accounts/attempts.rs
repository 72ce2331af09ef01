//! Rate limits on attempts. A limit has a number of slots for each key, and each attempt takes one
//! of them until its time is over. The primary key makes the limit exact between nodes, and bounds
//! the rows.

use crate::error::Result;
use crate::ids::Timestamp;
use crate::store::schema::attempts;
use crate::store::{Db, on};
use diesel::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The key of the attempts that are counted together. It reveals neither a name nor an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitKey([u8; 32]);

impl LimitKey {
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

/// A slot that an attempt took.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    key: LimitKey,
    number: i64,
}

/// The result of taking a slot.
#[derive(Clone, Copy, Debug)]
pub enum Acquired {
    Slot(Slot),
    /// All slots are taken until this time.
    FullUntil(Timestamp),
}

/// Takes one of the key's `slots` until `free_at`. A slot that is taken until much later, by
/// more than clocks may differ, was taken by a wrong clock. It counts as free.
pub fn take(db: &mut Db, key: LimitKey, slots: i64, now: Timestamp, free_at: Timestamp) -> Result<Acquired> {
    let mut taken: BTreeMap<i64, Timestamp> = on!(db, conn => attempts::table
        .select((attempts::place, attempts::free_at))
        .filter(attempts::bucket.eq(key.0.to_vec()))
        .filter(attempts::free_at.gt(now).and(attempts::free_at.le(free_at.with_skew())))
        .load::<(i64, Timestamp)>(conn))?
    .into_iter()
    .collect();
    while let Some(number) = (0..slots).find(|number| !taken.contains_key(number)) {
        let slot = Slot { key, number };
        if insert(db, slot, now, free_at)? {
            return Ok(Acquired::Slot(slot));
        }
        // Another node took it at the same moment.
        taken.insert(number, free_at);
    }
    Ok(Acquired::FullUntil(taken.into_values().min().unwrap_or(free_at)))
}

/// Inserts the slot. Returns false when another attempt has it.
fn insert(db: &mut Db, slot: Slot, now: Timestamp, free_at: Timestamp) -> Result<bool> {
    use diesel::query_dsl::methods::FilterDsl;
    let row =
        (attempts::bucket.eq(slot.key.0.to_vec()), attempts::place.eq(slot.number), attempts::free_at.eq(free_at));
    let inserted = on!(db, conn => diesel::insert_into(attempts::table).values(row)
        .on_conflict((attempts::bucket, attempts::place)).do_update().set(attempts::free_at.eq(free_at))
        .filter(attempts::free_at.le(now).or(attempts::free_at.gt(free_at.with_skew()))).execute(conn))?;
    Ok(inserted == 1)
}

/// Gives the slot back, as if it had not been taken.
pub fn refund(db: &mut Db, slot: Slot) -> Result<()> {
    let its = attempts::bucket.eq(slot.key.0.to_vec()).and(attempts::place.eq(slot.number));
    on!(db, conn => diesel::delete(attempts::table.filter(its)).execute(conn))?;
    Ok(())
}

/// Deletes the slots whose time is over, and those that are taken beyond `latest`.
pub fn delete_over(db: &mut Db, now: Timestamp, latest: Timestamp) -> Result<()> {
    on!(db, conn => diesel::delete(attempts::table
        .filter(attempts::free_at.le(now).or(attempts::free_at.gt(latest)))).execute(conn))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::prepare;
    use crate::store::scratch::{Scratch, both_databases};

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn opened(scratch: &Scratch) -> Db {
        let mut db = scratch.open();
        prepare(&mut db, at(1)).unwrap();
        db
    }

    fn took(db: &mut Db, key: LimitKey, now: i64) -> Option<Slot> {
        match db.write_transaction(|db| take(db, key, 3, at(now), at(now + 100))).unwrap() {
            Acquired::Slot(slot) => Some(slot),
            Acquired::FullUntil(_) => None,
        }
    }

    fn count(db: &mut Db) -> i64 {
        on!(db, conn => attempts::table.count().get_result(conn)).unwrap()
    }

    both_databases!(a_key_has_a_limited_number_of_slots_until_they_expire);
    fn a_key_has_a_limited_number_of_slots_until_they_expire(scratch: Scratch) {
        let mut db = opened(&scratch);
        let (one, other) = (LimitKey::of(&["ab", "c"]), LimitKey::of(&["a", "bc"]));
        for now in [1000, 1010, 1020] {
            assert!(took(&mut db, one, now).is_some());
        }
        let full = db.write_transaction(|db| take(db, one, 3, at(1099), at(1199))).unwrap();
        assert!(matches!(full, Acquired::FullUntil(first) if first == at(1100)), "{full:?}");
        assert!(took(&mut db, other, 1099).is_some(), "keys with different parts differ");
        assert!(took(&mut db, one, 1100).is_some(), "the first is over");
        assert!(took(&mut db, one, 1100).is_none());
        assert_eq!(count(&mut db), 4, "a slot is one row, even if it is reused");
    }

    both_databases!(refunded_and_expired_slots_are_deleted);
    fn refunded_and_expired_slots_are_deleted(scratch: Scratch) {
        let mut db = opened(&scratch);
        let key = LimitKey::of(&["a"]);
        let slots = [1000, 1000, 1010].map(|now| took(&mut db, key, now).unwrap());
        db.write_transaction(|db| refund(db, slots[0])).unwrap();
        assert!(took(&mut db, key, 1020).is_some());
        assert!(took(&mut db, key, 1020).is_none());
        db.write_transaction(|db| delete_over(db, at(1110), at(10_000))).unwrap();
        assert_eq!(count(&mut db), 1);
    }

    #[test]
    fn two_nodes_never_take_more_slots_than_the_limit() {
        let scratch = Scratch::postgres();
        drop(opened(&scratch));
        let key = LimitKey::of(&["a"]);
        let node = || {
            let mut db = scratch.open();
            move || (0..20).filter(|_| took(&mut db, key, 1000).is_some()).count()
        };
        let (one, other) = (node(), node());
        let taken = std::thread::scope(|scope| {
            let (one, other) = (scope.spawn(one), scope.spawn(other));
            one.join().unwrap() + other.join().unwrap()
        });
        assert_eq!(taken, 3);
    }
}
