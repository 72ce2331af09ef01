//! The data directory and the secret stored in it.

use crate::clock::random_bytes;
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

pub(super) fn make(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::internal(format!("DATA_DIR: cannot make the directory {}: {error}", path.display())))
}

/// Returns the key that signs access tokens. The hub creates it once and stores it where only the
/// hub's system user can read it.
pub(super) fn own_secret(data_dir: &Path) -> Result<Vec<u8>> {
    let path = data_dir.join("jwt.key");
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Error::internal(format!("DATA_DIR: cannot {what} {}: {error}", path.display()))
    };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let secret = BASE64.encode(random_bytes::<32>());
            file.write_all(secret.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(|error| failed("write", &error))?;
            Ok(secret.into_bytes())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let secret = fs::read(&path).map_err(|error| failed("read", &error))?;
            match secret.len() >= 32 {
                true => Ok(secret),
                false => Err(failed("use", &"it is shorter than 32 bytes; remove it, and the hub creates a new one")),
            }
        }
        Err(error) => Err(failed("write", &error)),
    }
}
