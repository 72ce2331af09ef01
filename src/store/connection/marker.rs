//! The state that a hub keeps outside its database: the name of its run and its number of commits.
//! It is a file in the data directory. The hub rewrites it after each commit and before the
//! answers, so it is right even after the process was killed.
//!
//! An operator may restore the whole data directory. So a second file, the seal, is written once at
//! each start. The first file records when the seal was last changed, by a time that only the
//! system sets (`ctime`). Copying the files back changes that time.

use crate::error::{Error, Result};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MARKER: &str = "history";
const SEAL: &str = "history.seal";
const VERSION: &str = "switchboard-history-1";

/// The marker file, open for the life of a hub.
pub(crate) struct Marker {
    path: PathBuf,
    file: File,
    nonce: String,
    seal: String,
    /// The last write failed, and the failure is logged.
    is_failing: bool,
}

/// The state of the marker at a start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No hub of this version ran with this data directory.
    Nothing,
    /// The run that wrote the marker, and the number of its commits.
    Run { nonce: String, commits: i64 },
    /// The files were changed after the hub wrote them. The text gives the evidence.
    Touched(&'static str),
}

/// The time when a file was last changed. No program can set it.
fn touched_at(file: &Metadata) -> String {
    format!("{}.{:09}", file.ctime(), file.ctime_nsec())
}

/// Whether no other program set the times of the file since it was written. The times are equal
/// after a write. Most copies keep one of them and cannot keep the other.
fn is_as_written(file: &Metadata) -> bool {
    (file.ctime(), file.ctime_nsec()) == (file.mtime(), file.mtime_nsec())
}

/// Replaces the seal's time where the file system keeps no such times.
const UNSEALED: &str = "none";

pub(crate) fn find(data_dir: &Path) -> Result<Found> {
    let path = data_dir.join(MARKER);
    let failed = |error: io::Error| failure("read", &path, &error);
    let (text, times) = match File::open(&path) {
        Ok(file) => (io::read_to_string(&file).unwrap_or_default(), file.metadata().map_err(failed)?),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(failed(error)),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let [VERSION, nonce, commits, seal] = words[..] else {
        return Ok(Found::Touched("the hub's own record of its history cannot be read"));
    };
    let Ok(commits) = commits.parse() else {
        return Ok(Found::Touched("the hub's own record of its history cannot be read"));
    };
    if seal != UNSEALED {
        let is_sealed = std::fs::metadata(data_dir.join(SEAL)).is_ok_and(|file| touched_at(&file) == seal);
        if !is_sealed || !is_as_written(&times) {
            return Ok(Found::Touched("the files of the data directory were copied back, or touched"));
        }
    }
    Ok(Found::Run { nonce: nonce.to_owned(), commits })
}

impl Marker {
    /// Begins the marker of a run.
    pub fn begin(data_dir: &Path, nonce: &str) -> Result<Self> {
        let path = data_dir.join(SEAL);
        let failed = |error: io::Error| failure("write", &path, &error);
        let file = open(&path).map_err(failed)?;
        file.write_all_at(format!("{nonce}\n").as_bytes(), 0).and_then(|()| file.sync_all()).map_err(failed)?;
        let seal = touched_at(&file.metadata().map_err(failed)?);

        let path = data_dir.join(MARKER);
        let file = open(&path).map_err(|error| failure("write", &path, &error))?;
        let mut marker = Self { path, file, nonce: nonce.to_owned(), seal, is_failing: false };
        let failed = |marker: &Self, error: io::Error| failure("write", &marker.path, &error);
        marker.write(0).map_err(|error| failed(&marker, error))?;
        if !marker.file.metadata().is_ok_and(|file| is_as_written(&file)) {
            log::warn!(
                "the file system of the data directory records no change times: the hub cannot notice a restored copy of the whole directory"
            );
            marker.seal = UNSEALED.into();
            marker.write(0).map_err(|error| failed(&marker, error))?;
        }
        marker.file.sync_all().map_err(|error| failed(&marker, error))?;
        Ok(marker)
    }

    /// Writes the same number of bytes each time, in one write. However the process ends, the file
    /// has either the old number or the new one.
    fn write(&self, commits: i64) -> io::Result<()> {
        let Self { nonce, seal, .. } = self;
        self.file.write_all_at(format!("{VERSION} {nonce} {commits:020} {seal:>32}\n").as_bytes(), 0)
    }

    /// Records that `commits` transactions are committed. If the write fails, a restored backup may
    /// later go unnoticed. The messages are safe.
    pub fn record(&mut self, commits: i64) {
        let outcome = self.write(commits);
        if let Err(error) = &outcome
            && !self.is_failing
        {
            log::error!("cannot write {}: {error}; a restored backup may not be noticed", self.path.display());
        }
        self.is_failing = outcome.is_err();
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn failure(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::Internal(format!("cannot {what} {}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "0123456789abcdef0123456789abcdef";

    fn begun() -> (tempfile::TempDir, Marker) {
        let dir = tempfile::tempdir().unwrap();
        let marker = Marker::begin(dir.path(), NONCE).unwrap();
        (dir, marker)
    }

    fn found(commits: i64) -> Found {
        Found::Run { nonce: NONCE.into(), commits }
    }

    #[test]
    fn a_directory_without_a_record_has_no_history() {
        assert_eq!(find(tempfile::tempdir().unwrap().path()).unwrap(), Found::Nothing);
    }

    #[test]
    fn the_last_number_is_found_again_even_while_running() {
        let (dir, mut marker) = begun();
        assert_eq!(find(dir.path()).unwrap(), found(0));
        for commits in [1, 2, 1_000_000, i64::MAX] {
            marker.record(commits);
            assert_eq!(find(dir.path()).unwrap(), found(commits));
        }
        drop(marker);
        assert_eq!(find(dir.path()).unwrap(), found(i64::MAX));
        Marker::begin(dir.path(), NONCE).unwrap();
        assert_eq!(find(dir.path()).unwrap(), found(0));
    }

    #[test]
    fn files_copied_back_are_detected_in_every_way() {
        type Copy = fn(&Path, &Path);
        let copies: [(&str, Copy); 3] = [
            ("copied over the others", |from, to| {
                std::fs::copy(from, to).unwrap();
            }),
            ("removed, and copied", |from, to| {
                std::fs::remove_file(to).unwrap();
                std::fs::copy(from, to).unwrap();
            }),
            ("copied over the others, with their times", |from, to| {
                std::fs::copy(from, to).unwrap();
                let modified = std::fs::metadata(from).unwrap().modified().unwrap();
                File::options().write(true).open(to).unwrap().set_modified(modified).unwrap();
            }),
        ];
        for (how, copy) in copies {
            let (dir, mut marker) = begun();
            marker.record(5);
            let backup = tempfile::tempdir().unwrap();
            for name in [MARKER, SEAL] {
                std::fs::copy(dir.path().join(name), backup.path().join(name)).unwrap();
            }
            marker.record(9);
            assert_eq!(find(dir.path()).unwrap(), found(9));
            for name in [MARKER, SEAL] {
                copy(&backup.path().join(name), &dir.path().join(name));
            }
            assert!(matches!(find(dir.path()).unwrap(), Found::Touched(_)), "{how}");
        }
    }

    #[test]
    fn an_unreadable_record_is_not_trusted() {
        let (dir, _marker) = begun();
        for text in
            ["", "switchboard-history-1", "switchboard-history-1 a b c", "switchboard-history-2 a 1 none", "\u{0}"]
        {
            std::fs::write(dir.path().join(MARKER), text).unwrap();
            assert!(matches!(find(dir.path()).unwrap(), Found::Touched(_)), "{text:?}");
        }
    }
}
