//! The allocator, and how soon it gives memory back to the system.
//!
//! Row versions, pages of chunks and write sets come and go in amounts that are a good part of
//! `memory-limit`. By itself mimalloc keeps what was freed for a second and more before it gives it
//! back, while other threads already ask the system for new memory: with a limit of 256 MiB the
//! process was larger by a third of it than all that it held. Giving back sooner costs time of the
//! system (measured for a load: 28 % more processor time at 50 ms, 62 % if it is done at once), so it
//! is done as far as it is needed: [`watch`] looks at what the process takes, and
//!
//! | `memory-limit` | the process takes | given back after |
//! |---|---|---|
//! | 1 GiB or more | less than three quarters of the limit | 1 s |
//! | | more | 0.1 s |
//! | less | less than three quarters of the limit | 0.1 s |
//! | | more | at once |

#![allow(unsafe_code, reason = "the allocator's settings have no safe interface")]

use std::ffi::{c_int, c_long};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3: milliseconds until freed memory is given back.
const PURGE_DELAY: c_int = 15;
/// What it is if nobody says otherwise.
const USUAL: c_long = 1000;
/// What it is where memory is scarce.
const SOON: c_long = 100;
const AT_ONCE: c_long = 0;
/// With a limit below this it is.
const SCARCE: u64 = 1 << 30;
/// How often [`watch`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);

unsafe extern "C" {
    fn mi_option_get(option: c_int) -> c_long;
    fn mi_option_set(option: c_int, value: c_long);
}

fn delay() -> c_long {
    // SAFETY: takes and returns a plain number, and may be called by any thread at any time.
    unsafe { mi_option_get(PURGE_DELAY) }
}

fn set_delay(milliseconds: c_long) {
    // SAFETY: takes plain numbers, and may be called by any thread at any time.
    unsafe { mi_option_set(PURGE_DELAY, milliseconds) }
}

/// Lets freed memory go back the sooner the less there is of it, unless the environment
/// (`MIMALLOC_PURGE_DELAY`) does. Never ends.
pub async fn watch(memory_limit: u64) {
    if delay() != USUAL {
        return;
    }
    let mut pressed = false;
    // Where the system does not tell what a process takes, only the limit counts.
    loop {
        pressed = resident().is_some_and(|bytes| is_pressed(pressed, bytes, memory_limit));
        let wanted = wanted(pressed, memory_limit);
        if delay() != wanted {
            set_delay(wanted);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// If the process takes so much that freed memory has to go. What lies between the two marks
/// leaves it as it was.
fn is_pressed(was: bool, resident: u64, limit: u64) -> bool {
    resident > limit / 4 * 3 || (was && resident > limit / 8 * 5)
}

fn wanted(pressed: bool, limit: u64) -> c_long {
    match (limit < SCARCE, pressed) {
        (false, false) => USUAL,
        (false, true) | (true, false) => SOON,
        (true, true) => AT_ONCE,
    }
}

/// Bytes of memory the process takes, with the pages of its file, if the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when another version of the allocator counts its settings differently.
    #[test]
    fn the_setting_is_the_one_that_is_meant() {
        assert_eq!(delay(), USUAL);
        set_delay(SOON);
        assert_eq!(delay(), SOON);
        set_delay(USUAL);
    }

    #[test]
    fn memory_goes_back_the_sooner_the_less_there_is() {
        let limit = 800 << 20;
        let (mut pressed, mut delays) = (false, Vec::new());
        for mib in [100, 590, 610, 550, 490, 590] {
            pressed = is_pressed(pressed, mib << 20, limit);
            delays.push(wanted(pressed, limit));
        }
        assert_eq!(delays, [SOON, SOON, AT_ONCE, AT_ONCE, SOON, SOON]);
        assert_eq!([false, true].map(|pressed| wanted(pressed, SCARCE)), [USUAL, SOON]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_what_a_process_takes() {
        let before = resident().expect("told");
        let more = vec![1_u8; 64 << 20];
        let after = resident().expect("told");
        assert!(after >= before + (60 << 20), "{before} and {} more: {after}", more.len());
    }
}
