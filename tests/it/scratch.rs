//! A database for one test, of either kind, gone when the test ends.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// An empty database.
pub struct Scratch {
    /// As `DATABASE_URL` takes it.
    pub url: String,
    /// Of Postgres: the server, and the name in it.
    postgres: Option<(String, String)>,
    _dir: Option<TempDir>,
}

impl Scratch {
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite://{}/scratch.db", dir.path().display()), postgres: None, _dir: Some(dir) }
    }

    /// In the server that `scripts/test` and `scripts/with-servers` start.
    pub fn postgres() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
            panic!("TEST_POSTGRES_URL is not set: run scripts/test, or scripts/with-servers cargo test");
        };
        let name = format!("scratch_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(&server, &format!("CREATE DATABASE {name}"));
        let (before, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{before}/{name}"), postgres: Some((server, name)), _dir: None }
    }

    pub fn name(&self) -> &'static str {
        if self.postgres.is_some() { "Postgres" } else { "SQLite" }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.postgres {
            run(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

fn run(server: &str, sql: &str) {
    let mut conn = PgConnection::establish(server).expect("the PostgreSQL of TEST_POSTGRES_URL answers");
    conn.batch_execute(sql).expect(sql);
}
