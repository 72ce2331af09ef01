//! A backup of the database, and the plan's knowledge at the time of the backup. After a restore,
//! everything acknowledged since is gone, and clients are ahead of the hub.

use super::groups::Founding;
use super::ledger::Ledger;
use super::properties::{self, Order};
use super::world::World;
use crate::load::random::Random;
use crate::support::temp_database;
use std::fs;
use tempfile::TempDir;

pub struct Backup {
    database: temp_database::Backup,
    /// The contents of the data directory.
    files: TempDir,
    ledger: Ledger,
    order: Order,
    foundings: Vec<Founding>,
}

impl World {
    pub async fn back_up(&mut self, random: &mut Random) {
        self.stop(random).await;
        self.take_backup();
        self.start_again().await;
    }

    fn take_backup(&mut self) {
        let files = tempfile::tempdir().unwrap();
        for file in fs::read_dir(self.sandbox.path("data")).unwrap() {
            let path = file.unwrap().path();
            fs::copy(&path, files.path().join(path.file_name().expect("a name"))).unwrap();
        }
        self.backup = Some(Backup {
            database: self.database.back_up(),
            files,
            ledger: self.ledger.clone(),
            order: self.order.clone(),
            foundings: self.foundings.clone(),
        });
    }

    /// The first restore has no backup, so one is made for the next.
    pub async fn put_back(&mut self, random: &mut Random) {
        self.end_by_kill(random).await;
        let Some(backup) = self.backup.take() else {
            self.take_backup();
            return self.start_again().await;
        };
        self.database.put_back(&backup.database);
        if random.below(2) == 0 {
            for file in fs::read_dir(backup.files.path()).unwrap() {
                let path = file.unwrap().path();
                let to = self.sandbox.path("data").join(path.file_name().expect("a name"));
                fs::copy(&path, to).unwrap();
            }
        }
        self.counts.backups_put_back += 1;
        self.ledger.put_back(&backup.ledger);
        self.order = backup.order.clone();
        self.foundings.clone_from(&backup.foundings);
        self.backup = Some(backup);
        self.start_again().await;
        // A client does nothing before it knows the current state.
        for at in 0..self.devices.len() {
            let device = &mut self.devices[at];
            device.connect().await;
            device.settle(&mut self.order).await;
            properties::a_reconnected_device_misses_nothing(&self.devices[at], &self.tables.look());
        }
    }
}
