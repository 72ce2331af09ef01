//! Detects whether the database is still the one that this hub wrote last. A restored backup is
//! not: it lost what was acknowledged since, while clients still hold those messages.
//!
//! Each start of a hub is a row of `hub_runs`. Each transaction counts itself in that row, in the
//! transaction itself. After the COMMIT, and before its answers, the count is written into the data
//! directory. A database without that run, or with a lower count, lost data: a new epoch begins.

use super::epoch::random_name;
use super::marker::{self, Found, Marker};
use crate::error::{Error, Result};
use crate::ids::Timestamp;
use crate::store::messaging::statements::{CountOnPostgres, CountOnSqlite, TotalChanges};
use crate::store::schema::hub_runs;
use crate::store::{Db, begin_epoch, on};
use diesel::prelude::*;
use std::path::Path;

/// The number of `hub_runs` rows that are kept.
const MAX_RUNS: i64 = 1_000;

/// One run of a hub. It counts the transactions that the hub commits.
pub struct History {
    run: i64,
    /// The last number given to a transaction, whether it was committed or not.
    commits: i64,
    /// The number of the transaction that is about to be committed, if it changed a row.
    pending: Option<i64>,
    /// The last number that is known to be committed.
    committed: i64,
    /// SQLite: the number of changed rows when the transaction began.
    changes_before: i64,
    /// `None` for a hub that runs beside another one.
    marker: Option<Marker>,
}

impl History {
    /// Begins a run. Returns it and the current epoch, which differs from `epoch` when the database
    /// is not the one of the last run. Without a data directory nothing is compared.
    pub fn begin(db: &mut Db, data_dir: Option<&Path>, epoch: String, now: Timestamp) -> Result<(Self, String)> {
        let found = data_dir.map_or(Ok(Found::Nothing), marker::find)?;
        let nonce = random_name();
        let (run, epoch) = db.write_transaction(|db| {
            let epoch = match what_is_wrong(db, &found, data_dir.is_some())? {
                Some(why) => {
                    log::warn!("a new epoch begins, and every client loads everything again: {why}");
                    begin_epoch(db, now)?
                }
                None => epoch,
            };
            Ok((insert_run(db, &nonce, now)?, epoch))
        })?;
        // The marker begins only now: a start that fails before this is compared with the last run.
        let marker = data_dir.map(|dir| Marker::begin(dir, &nonce)).transpose()?;
        Ok((Self { run, commits: 0, pending: None, committed: 0, changes_before: 0, marker }, epoch))
    }

    /// The number of this run.
    pub fn run(&self) -> i64 {
        self.run
    }

    /// The number of the last transaction that is known to be committed and that changed a row.
    pub fn committed(&self) -> i64 {
        self.committed
    }

    /// Runs at the beginning of a transaction.
    pub fn on_begin(&mut self, db: &mut Db) -> Result<()> {
        self.pending = None;
        if let Db::Sqlite(conn) = db {
            self.changes_before = TotalChanges.get_result(conn)?;
        }
        Ok(())
    }

    /// Runs at the end of a transaction, inside it. Counts the transaction if it changed a row.
    pub fn before_commit(&mut self, db: &mut Db) -> Result<()> {
        // No number is used twice, because the result of the last transaction may be unknown.
        self.commits += 1;
        let Self { run, commits, changes_before, .. } = *self;
        let counted = match db {
            Db::Sqlite(conn) => CountOnSqlite { run, commits, changes_before }.execute(conn)?,
            Db::Postgres(conn) => CountOnPostgres { run, commits }.execute(conn)?,
        };
        self.pending = (counted > 0).then_some(commits);
        Ok(())
    }

    /// Records that the transaction is committed.
    pub fn on_commit(&mut self) {
        if let Some(commits) = self.pending.take() {
            self.committed = commits;
            if let Some(marker) = &mut self.marker {
                marker.record(commits);
            }
        }
    }

    /// Checks on a new connection that the database has every transaction that this run committed.
    /// A database that took over from another may lack some.
    ///
    /// # Errors
    /// `Internal`: the database lost transactions.
    pub fn check(&self, db: &mut Db) -> Result<()> {
        match find_last_commit(db, self.run)? {
            Some(commits) if commits >= self.committed => Ok(()),
            _ => Err(Error::Internal(
                "the database lost acknowledged messages; the next start begins a new epoch".into(),
            )),
        }
    }
}

/// Finds the number of the last transaction of a run that the caller's snapshot includes.
pub fn find_last_commit(db: &mut Db, run: i64) -> Result<Option<i64>> {
    let rows = hub_runs::table.filter(hub_runs::id.eq(run)).select(hub_runs::commits);
    Ok(on!(db, conn => rows.first(conn).optional())?)
}

/// The reason why the database is not the one of the last run. `None` if it is.
fn what_is_wrong(db: &mut Db, found: &Found, is_compared: bool) -> Result<Option<&'static str>> {
    Ok(match found {
        Found::Touched(why) => Some(*why),
        Found::Run { nonce, commits } => match find_commits(db, nonce)? {
            Some(stored) if stored >= *commits => None,
            Some(_) => Some("the database lacks the hub's last commit, as after a restored backup"),
            None => Some("the database does not know the hub's last run, as after a restored backup"),
        },
        // The file was copied without its directory. A hub on Postgres may run on another host each
        // time.
        Found::Nothing if is_compared && matches!(db, Db::Sqlite(_)) && has_runs(db)? => {
            Some("the database was written with another data directory")
        }
        Found::Nothing => None,
    })
}

fn find_commits(db: &mut Db, nonce: &str) -> Result<Option<i64>> {
    let rows = hub_runs::table.filter(hub_runs::nonce.eq(nonce)).select(hub_runs::commits);
    Ok(on!(db, conn => rows.first(conn).optional())?)
}

fn has_runs(db: &mut Db) -> Result<bool> {
    Ok(on!(db, conn => diesel::select(diesel::dsl::exists(hub_runs::table.select(hub_runs::id))).get_result(conn))?)
}

fn insert_run(db: &mut Db, nonce: &str, now: Timestamp) -> Result<i64> {
    let row = (hub_runs::nonce.eq(nonce), hub_runs::started_at.eq(now));
    let run: i64 = on!(db, conn => diesel::insert_into(hub_runs::table).values(row)
        .returning(hub_runs::id).get_result(conn))?;
    on!(db, conn => diesel::delete(hub_runs::table.filter(hub_runs::id.le(run - MAX_RUNS))).execute(conn))?;
    Ok(run)
}
