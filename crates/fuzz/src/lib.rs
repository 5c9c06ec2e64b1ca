//! Hostile bytes for every decoder: whatever comes from a disk, a link or a client is taken apart
//! by a function that must refuse nonsense with an error, never panic, and, where it accepts, must
//! mean the same after another round trip.
//!
//! ```text
//!   seeds (valid encodings) ┐
//!   corpus/TARGET/* ────────┼─► mutate ─► target(bytes)     a panic is a finding:
//!   what a run found new ───┘   seeded                      the input is written to corpus/TARGET
//! ```
//!
//! # How to use it
//! * `antipode-fuzz` goes through all targets for `--seconds` each; names choose some of them.
//! * A finding is printed with the file it was written to. Keep that file: the test of this room
//!   feeds the whole corpus, and a few thousand mutations of a fixed seed, to every target.
//! * `antipode-fuzz TARGET --replay FILE` runs one input, for a debugger.
//!
//! # A new decoder
//! Add it to the file of `targets/` where its bytes come from, with at least one valid encoding as a
//! seed: mutations of nonsense are seldom more than nonsense.
//!
//! Inputs are chosen by chance from one seed, without feedback from coverage; the same functions can
//! be driven by any fuzzer that hands them a slice.

mod corpus;
mod hunt;
mod mutate;
mod targets;

pub use corpus::Corpus;
pub use hunt::{Finding, Hunt, try_one};
pub use targets::{Target, all};
