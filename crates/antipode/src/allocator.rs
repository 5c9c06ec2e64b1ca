//! The allocator, and how soon it gives memory back to the system.
//!
//! Row versions, pages of chunks and write sets come and go in amounts that are a good part of
//! `memory-limit`. By itself mimalloc keeps what was freed for a second and more before it gives it
//! back, while other threads already ask the system for new memory: with a limit of 256 MiB the
//! process was larger by a third of it than all that it held. Giving back sooner costs time of the
//! system (measured for a load: 28 % more processor time at 50 ms, 62 % if it is done at once), so it
//! is done only where the limit is small.

#![allow(unsafe_code, reason = "the allocator's settings have no safe interface")]

use std::ffi::{c_int, c_long};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3: milliseconds until freed memory is given back.
const PURGE_DELAY: c_int = 15;
/// What it is if nobody says otherwise.
const USUAL: c_long = 1000;
/// What it is where memory is scarce.
const SOON: c_long = 100;
/// With a limit below this it is.
const SCARCE: u64 = 1 << 30;

unsafe extern "C" {
    fn mi_option_get(option: c_int) -> c_long;
    fn mi_option_set(option: c_int, value: c_long);
}

/// Lets freed memory go back sooner if the limit of all memory is small, unless the environment
/// (`MIMALLOC_PURGE_DELAY`) says how soon. True if it does so.
pub fn suit(memory_limit: u64) -> bool {
    // SAFETY: both take and return plain numbers, and may be called by any thread at any time.
    unsafe {
        let wanted = memory_limit < SCARCE && mi_option_get(PURGE_DELAY) == USUAL;
        if wanted {
            mi_option_set(PURGE_DELAY, SOON);
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when another version of the allocator counts its settings differently.
    #[test]
    fn the_setting_is_the_one_that_is_meant() {
        assert!(!suit(SCARCE), "there is enough");
        assert!(suit(SCARCE - 1), "it had its usual value");
        assert!(!suit(SCARCE - 1), "it has another one now");
    }
}
