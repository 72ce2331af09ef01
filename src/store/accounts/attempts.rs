//! Rate limits on attempts. A bucket has a number of places, and each attempt takes a place until
//! its time is over. The key of the table makes the limit exact between nodes, and bounds the rows.

use crate::error::Result;
use crate::ids::Timestamp;
use crate::store::schema::attempts;
use crate::store::{Db, on};
use diesel::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The attempts that are counted together. It reveals neither a name nor an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket([u8; 32]);

impl Bucket {
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

/// A place that an attempt took.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    bucket: Bucket,
    number: i64,
}

/// The result of taking a place.
#[derive(Clone, Copy, Debug)]
pub enum Taken {
    Place(Place),
    /// All places are taken until this time.
    FullUntil(Timestamp),
}

/// Takes one of the bucket's `places` until `free_at`. A place that is taken until much later, by
/// more than clocks may differ, was taken by a wrong clock. It counts as free.
pub fn take(db: &mut Db, bucket: Bucket, places: i64, now: Timestamp, free_at: Timestamp) -> Result<Taken> {
    let mut taken: BTreeMap<i64, Timestamp> = on!(db, conn => attempts::table
        .select((attempts::place, attempts::free_at))
        .filter(attempts::bucket.eq(bucket.0.to_vec()))
        .filter(attempts::free_at.gt(now).and(attempts::free_at.le(free_at.with_skew())))
        .load::<(i64, Timestamp)>(conn))?
    .into_iter()
    .collect();
    while let Some(number) = (0..places).find(|number| !taken.contains_key(number)) {
        let place = Place { bucket, number };
        if insert(db, place, now, free_at)? {
            return Ok(Taken::Place(place));
        }
        // Another node took it at the same moment.
        taken.insert(number, free_at);
    }
    Ok(Taken::FullUntil(taken.into_values().min().unwrap_or(free_at)))
}

/// Inserts the place. Returns false when another attempt has it.
fn insert(db: &mut Db, place: Place, now: Timestamp, free_at: Timestamp) -> Result<bool> {
    use diesel::query_dsl::methods::FilterDsl;
    let row =
        (attempts::bucket.eq(place.bucket.0.to_vec()), attempts::place.eq(place.number), attempts::free_at.eq(free_at));
    let inserted = on!(db, conn => diesel::insert_into(attempts::table).values(row)
        .on_conflict((attempts::bucket, attempts::place)).do_update().set(attempts::free_at.eq(free_at))
        .filter(attempts::free_at.le(now).or(attempts::free_at.gt(free_at.with_skew()))).execute(conn))?;
    Ok(inserted == 1)
}

/// Gives the place back, as if it had not been taken.
pub fn give_back(db: &mut Db, place: Place) -> Result<()> {
    let its = attempts::bucket.eq(place.bucket.0.to_vec()).and(attempts::place.eq(place.number));
    on!(db, conn => diesel::delete(attempts::table.filter(its)).execute(conn))?;
    Ok(())
}

/// Deletes the places whose time is over, and those that are taken beyond `latest`.
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

    fn took(db: &mut Db, bucket: Bucket, now: i64) -> Option<Place> {
        match db.write_transaction(|db| take(db, bucket, 3, at(now), at(now + 100))).unwrap() {
            Taken::Place(place) => Some(place),
            Taken::FullUntil(_) => None,
        }
    }

    fn count(db: &mut Db) -> i64 {
        on!(db, conn => attempts::table.count().get_result(conn)).unwrap()
    }

    both_databases!(a_bucket_has_so_many_places_until_their_time_is_over);
    fn a_bucket_has_so_many_places_until_their_time_is_over(scratch: Scratch) {
        let mut db = opened(&scratch);
        let (one, other) = (Bucket::of(&["ab", "c"]), Bucket::of(&["a", "bc"]));
        for now in [1000, 1010, 1020] {
            assert!(took(&mut db, one, now).is_some());
        }
        let full = db.write_transaction(|db| take(db, one, 3, at(1099), at(1199))).unwrap();
        assert!(matches!(full, Taken::FullUntil(first) if first == at(1100)), "{full:?}");
        assert!(took(&mut db, other, 1099).is_some(), "the parts are told apart");
        assert!(took(&mut db, one, 1100).is_some(), "the first is over");
        assert!(took(&mut db, one, 1100).is_none());
        assert_eq!(count(&mut db), 4, "a place is one row, however often it is taken");
    }

    both_databases!(what_is_given_back_or_over_is_gone);
    fn what_is_given_back_or_over_is_gone(scratch: Scratch) {
        let mut db = opened(&scratch);
        let bucket = Bucket::of(&["a"]);
        let places = [1000, 1000, 1010].map(|now| took(&mut db, bucket, now).unwrap());
        db.write_transaction(|db| give_back(db, places[0])).unwrap();
        assert!(took(&mut db, bucket, 1020).is_some());
        assert!(took(&mut db, bucket, 1020).is_none());
        db.write_transaction(|db| delete_over(db, at(1110), at(10_000))).unwrap();
        assert_eq!(count(&mut db), 1);
    }

    #[test]
    fn two_nodes_never_take_more_than_there_are() {
        let scratch = Scratch::postgres();
        drop(opened(&scratch));
        let bucket = Bucket::of(&["a"]);
        let node = || {
            let mut db = scratch.open();
            move || (0..20).filter(|_| took(&mut db, bucket, 1000).is_some()).count()
        };
        let (one, other) = (node(), node());
        let taken = std::thread::scope(|scope| {
            let (one, other) = (scope.spawn(one), scope.spawn(other));
            one.join().unwrap() + other.join().unwrap()
        });
        assert_eq!(taken, 3);
    }
}
