//! Page sizes of lists.

use crate::error::{Error, Result};

/// Checks the requested page size against its bounds.
pub(crate) fn page_size(limit: Option<i64>, default: i64, max: i64) -> Result<i64> {
    match limit.unwrap_or(default) {
        size if (1..=max).contains(&size) => Ok(size),
        _ => Err(Error::Invalid(format!("limit must be from 1 to {max}").into())),
    }
}
