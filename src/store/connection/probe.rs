//! Checks whether the database answers, on a separate connection. The probe neither waits behind
//! the reads of other callers nor takes a connection from them.

use crate::error::{Error, Result};
use crate::store::{Db, Target};
use diesel::prelude::*;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The probe. It is cheap to clone, and asks one question at a time.
#[derive(Clone)]
pub struct Probe {
    target: Target,
    /// `None` until it is needed, and after it broke.
    db: Arc<Mutex<Option<Db>>>,
}

impl Probe {
    pub fn new(target: Target) -> Self {
        Self { target, db: Arc::default() }
    }

    /// Waits until the database answers, for as long as it takes. The caller sets a deadline.
    pub async fn ask(&self) -> Result<()> {
        let mut db = Arc::clone(&self.db).lock_owned().await;
        let target = self.target.clone();
        let asking = move || {
            if let Some(kept) = &mut *db
                && probe(kept).is_ok()
            {
                return Ok(());
            }
            // The server may have ended the connection long ago.
            *db = None;
            let mut opened = target.open_for_reading()?;
            probe(&mut opened)?;
            *db = Some(opened);
            Ok(())
        };
        tokio::task::spawn_blocking(asking).await.map_err(|panic| Error::Internal(panic.into()))?
    }
}

/// Runs the cheapest query that proves the database answers.
pub fn probe(db: &mut Db) -> Result<()> {
    crate::store::on!(db, conn => diesel::select(1.into_sql::<diesel::sql_types::Integer>()).execute(conn))?;
    Ok(())
}
