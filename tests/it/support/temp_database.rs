//! A database for one test, of either kind, removed when the test ends.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// An empty database.
pub struct Scratch {
    /// The URL, in the form of `DATABASE_URL`.
    pub url: String,
    /// The Postgres server, and the database name in it.
    postgres: Option<(String, String)>,
    _dir: Option<TempDir>,
}

impl Scratch {
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite://{}/scratch.db", dir.path().display()), postgres: None, _dir: Some(dir) }
    }

    /// Creates it in the server that `scripts/test` and `scripts/with-servers` start.
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

    /// The file path, for SQLite.
    fn file(&self) -> Option<PathBuf> {
        self.url.strip_prefix("sqlite://").map(PathBuf::from)
    }

    /// A copy of the database, which must not be in use meanwhile.
    pub fn back_up(&self) -> Backup {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let Some((server, name)) = &self.postgres else {
            let backup = tempfile::tempdir().unwrap();
            copy_database(&self.file().expect("a file"), &backup.path().join("backup.db"));
            return Backup::File(backup);
        };
        let copy = format!("{name}_copy{}", NEXT.fetch_add(1, Ordering::Relaxed));
        run(server, &format!("CREATE DATABASE {copy} TEMPLATE {name}"));
        Backup::Database { server: server.clone(), name: copy }
    }

    /// Replaces the database, which must not be in use, by the copy.
    pub fn put_back(&self, backup: &Backup) {
        match (backup, &self.postgres) {
            (Backup::Database { name: copy, .. }, Some((server, name))) => {
                run(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
                run(server, &format!("CREATE DATABASE {name} TEMPLATE {copy}"));
            }
            (Backup::File(backup), _) => {
                copy_database(&backup.path().join("backup.db"), &self.file().expect("a file"));
            }
            (Backup::Database { .. }, None) => panic!("a backup of another database"),
        }
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

/// A copy of a database, deleted when it is dropped.
pub enum Backup {
    File(TempDir),
    Database { server: String, name: String },
}

impl Drop for Backup {
    fn drop(&mut self) {
        if let Self::Database { server, name } = self {
            run(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

/// Copies the SQLite file, and the log beside it, over others.
fn copy_database(from: &Path, to: &Path) {
    for end in ["", "-wal", "-shm"] {
        let with_end = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        let (from, to) = (with_end(from), with_end(to));
        if to.exists() {
            fs::remove_file(&to).unwrap();
        }
        // The third file belongs to a process that is gone.
        if end != "-shm" && from.exists() {
            fs::copy(&from, &to).unwrap();
        }
    }
}
