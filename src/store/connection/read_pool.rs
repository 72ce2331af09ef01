//! Connections for reading, each lent for one snapshot.
//!
//! A read waits in async code before the pool, never on a thread, and at most `MAX_WAIT`.
//! [`ReadGates`] decides which read is next.

use super::read_gates::{ReadGates, ReadTerms};
use super::time_budget;
use crate::background::Threads;
use crate::error::{Error, Result};
use crate::store::{Cost, Db, Target};
use diesel::r2d2::{ManageConnection, NopErrorHandler, Pool};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The longest time that a read waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// The longest time that a heavy read waits behind those of other users.
const MAX_HEAVY_WAIT: Duration = Duration::from_secs(8);
/// The time budget of a read once it runs.
const BUDGET: Duration = Duration::from_secs(5);

/// A pool of read-only connections. It is cheap to clone.
#[derive(Clone)]
pub struct ReadPool {
    pool: Pool<Opener>,
    gates: Arc<ReadGates>,
    /// Threads for heavy reads, as many as may run at once.
    threads: Arc<Threads>,
}

impl ReadPool {
    /// Creates a pool that opens up to `size` connections, each when it is needed. It opens none in
    /// advance, so none is still being opened when the hub ends.
    ///
    /// # Errors
    /// The system cannot start the threads.
    pub fn new(target: Target, size: u32) -> Result<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        // Threads of this process yield to the others. A Postgres backend often runs on this
        // machine and has the usual priority. So half of the cores are left to messages.
        let most_heavy = match target {
            Target::Sqlite(_) => cores,
            Target::Postgres(_) => (cores / 2).max(1),
        };
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .connection_timeout(MAX_WAIT)
            // The pool logs every attempt as an error. The caller gets the last one.
            .error_handler(Box::new(NopErrorHandler))
            .build_unchecked(Opener(target));
        let gates = Arc::new(ReadGates::new(size as usize, most_heavy, cores));
        let threads =
            Threads::start("heavy-read", gates.most_heavy()).map_err(|error| Error::Internal(error.into()))?;
        Ok(Self { pool, gates, threads: Arc::new(threads) })
    }

    /// Runs `work` on a blocking thread inside one read-only transaction. Heavy work runs on a
    /// thread of low priority, so that it delays no message.
    ///
    /// # Errors
    /// `TooManyAtOnce` and `Unavailable` when the turn of the read did not come in time, or when
    /// the read took too long.
    pub async fn read<T, F>(&self, terms: ReadTerms, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
    {
        let now = Instant::now();
        let permit = self.gates.pass(terms, now + MAX_WAIT, now + MAX_HEAVY_WAIT).await?;
        let pool = self.pool.clone();
        let read = move || {
            let _permit = permit;
            let mut db = pool.get().map_err(away)?;
            let outcome = time_budget::within(BUDGET, || db.snapshot(work));
            if terms.cost == Cost::Heavy {
                db.release_memory();
            }
            match outcome {
                Err(Error::DatabaseBusy(_)) if terms.cost == Cost::Heavy => {
                    Err(Error::Unavailable("the request took too long: ask for less"))
                }
                outcome => outcome,
            }
        };
        if terms.cost == Cost::Heavy {
            let (reader, answer) = oneshot::channel();
            // There is no receiver when the request was dropped.
            self.threads.run(|| drop(reader.send(read())));
            answer.await.map_err(|_| Error::bug("a read panicked"))?
        } else {
            tokio::task::spawn_blocking(read).await.map_err(|panic| Error::Internal(panic.into()))?
        }
    }
}

fn away(error: impl std::fmt::Display) -> Error {
    Error::DatabaseAway(error.to_string().into())
}

struct Opener(Target);

impl ManageConnection for Opener {
    type Connection = Db;
    type Error = Error;

    fn connect(&self) -> Result<Db> {
        self.0.open_for_reading()
    }

    fn is_valid(&self, db: &mut Db) -> Result<()> {
        match db {
            // A file does not disappear between two reads.
            Db::Sqlite(_) => Ok(()),
            Db::Postgres(_) => super::probe::probe(db),
        }
    }

    fn has_broken(&self, db: &mut Db) -> bool {
        use diesel::r2d2::R2D2Connection;
        crate::store::on!(db, conn => conn.is_broken())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch::{Scratch, both_databases, execute, list_marks, mark};
    use std::sync::mpsc::channel;
    use std::time::Instant;

    const ANYBODY: ReadTerms = ReadTerms { cost: Cost::Light, owner: None };

    /// Runs an async test on one thread, beside the blocking threads.
    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    fn a_read_waits_at_most_two_seconds_for_a_connection(scratch: Scratch) {
        let scratch = scratch.with_marks();
        block_on(async {
            let reads = ReadPool::new(scratch.target.clone(), 1).unwrap();
            let (open, is_open) = channel::<()>();
            let (entered, is_entered) = oneshot::channel();
            let (lent, reader) = (reads.clone(), async move |reads: ReadPool| {
                let work = move |_: &mut Db| {
                    entered.send(()).unwrap();
                    // Dropping the sender ends the wait.
                    let _ = is_open.recv();
                    Ok(())
                };
                reads.read(ANYBODY, work).await
            });
            let holder = tokio::spawn(reader(lent));
            is_entered.await.unwrap();
            let began_at = Instant::now();
            let refused = reads.read(ANYBODY, |db| Ok(list_marks(db))).await;
            assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
            // The limit is far from what the pool would wait by itself.
            assert!((MAX_WAIT..5 * MAX_WAIT).contains(&began_at.elapsed()), "{:?}", began_at.elapsed());
            drop(open);
            holder.await.unwrap().unwrap();
            reads.read(ANYBODY, |db| Ok(list_marks(db))).await.expect("the connection is free again");
        });
    }
    both_databases!(a_read_waits_at_most_two_seconds_for_a_connection);

    fn a_read_sees_one_snapshot_despite_concurrent_writes(scratch: Scratch) {
        let scratch = scratch.with_marks();
        block_on(async {
            let reads = ReadPool::new(scratch.target.clone(), 2).unwrap();
            let target = scratch.target.clone();
            let (before, after) = reads
                .read(ANYBODY, move |db| {
                    let before = list_marks(db);
                    mark(&mut target.open()?, 1)?;
                    Ok((before, list_marks(db)))
                })
                .await
                .unwrap();
            assert_eq!((before, after), (vec![], vec![]));
            assert_eq!(reads.read(ANYBODY, |db| Ok(list_marks(db))).await.unwrap(), [1], "the next one sees it");
        });
    }
    both_databases!(a_read_sees_one_snapshot_despite_concurrent_writes);

    fn a_read_cannot_write(scratch: Scratch) {
        let scratch = scratch.with_marks();
        block_on(async {
            let reads = ReadPool::new(scratch.target.clone(), 1).unwrap();
            for sql in ["INSERT INTO marks VALUES (1)", "DELETE FROM marks", "DROP TABLE marks"] {
                let outcome = reads.read(ANYBODY, move |db| Ok(execute(db, sql)?)).await;
                assert!(outcome.is_err(), "{sql}");
            }
            assert_eq!(reads.read(ANYBODY, |db| Ok(list_marks(db))).await.unwrap(), [0i64; 0]);
        });
    }
    both_databases!(a_read_cannot_write);

    fn a_failing_or_panicking_read_loses_no_connection(scratch: Scratch) {
        let scratch = scratch.with_marks();
        block_on(async {
            let reads = ReadPool::new(scratch.target.clone(), 1).unwrap();
            let panicked = reads.read::<(), _>(ANYBODY, |_| panic!("as this test wants it")).await;
            assert!(matches!(panicked, Err(Error::Internal(_))), "{panicked:?}");
            let failed = reads.read::<(), _>(ANYBODY, |_| Err(Error::Forbidden("no"))).await;
            assert!(matches!(failed, Err(Error::Forbidden("no"))), "{failed:?}");
            mark(&mut scratch.open(), 1).unwrap();
            assert_eq!(
                reads.read(ANYBODY, |db| Ok(list_marks(db))).await.unwrap(),
                [1],
                "and no old snapshot is left open"
            );
        });
    }
    both_databases!(a_failing_or_panicking_read_loses_no_connection);

    #[test]
    fn a_slow_heavy_read_is_refused_with_advice() {
        let scratch = Scratch::postgres();
        block_on(async {
            let reads = ReadPool::new(scratch.target.clone(), 1).unwrap();
            let heavy = ReadTerms { cost: Cost::Heavy, owner: None };
            let work = |db: &mut Db| Ok(execute(db, "SET LOCAL statement_timeout = '1ms'; SELECT pg_sleep(1)")?);
            let refused = reads.read(heavy, work).await;
            assert!(matches!(refused, Err(Error::Unavailable(why)) if why.contains("ask for less")));
            reads.read(heavy, |_| Ok(())).await.expect("the connection is kept");
        });
    }

    #[test]
    fn the_pool_replaces_connections_that_the_server_ended() {
        let scratch = Scratch::postgres().with_marks();
        block_on(async {
            let reads = ReadPool::new(scratch.target.clone(), 1).unwrap();
            reads.read(ANYBODY, |db| Ok(list_marks(db))).await.unwrap();
            let others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";
            execute(&mut scratch.open(), others).unwrap();
            assert_eq!(reads.read(ANYBODY, |db| Ok(list_marks(db))).await.unwrap(), [0i64; 0]);
        });
    }
}
