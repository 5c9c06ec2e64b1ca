//! # Every index matches its table
//! Every read that succeeds, on a primary or a standby, at any moment, shows for every index that is
//! ready in the catalog of that moment exactly one entry for every row of its table, and no others:
//! while others write, after a crash at any step of making it, and after going back over that.

use crate::picture::Picture;
use crate::verdict::Violation;

/// Checks one picture.
pub fn check(picture: &Picture) -> Result<(), Violation> {
    match &picture.wrong_index {
        None => Ok(()),
        Some(what) => Err(Violation::new("index_matches", what.clone())),
    }
}
