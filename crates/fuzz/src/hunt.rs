//! One target, many inputs.

use crate::Target;
use crate::mutate::mutate;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An input that made a target panic.
#[derive(Debug)]
pub struct Finding {
    /// The bytes.
    pub input: Vec<u8>,
    /// What the panic said.
    pub said: String,
}

/// A hunt for panics in one target: the same seed tries the same inputs.
#[derive(Debug)]
pub struct Hunt<'a> {
    target: &'a Target,
    pool: Vec<Vec<u8>>,
    words: Vec<&'static str>,
    rng: ChaCha8Rng,
}

impl<'a> Hunt<'a> {
    /// Starts from the target's seeds and `kept`.
    pub fn new(target: &'a Target, kept: Vec<Vec<u8>>, seed: u64) -> Hunt<'a> {
        let mut pool = (target.seeds)();
        pool.extend(kept);
        if pool.is_empty() {
            pool.push(Vec::new());
        }
        Hunt { target, pool, words: target.words.to_vec(), rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Every input of the pool as it is; how many were accepted.
    ///
    /// # Errors
    /// The first finding.
    pub fn pool(&self) -> Result<usize, Finding> {
        self.pool.iter().try_fold(0, |n, input| Ok(n + usize::from(try_one(self.target, input)?)))
    }

    /// One damaged input; true if it was accepted all the same.
    ///
    /// # Errors
    /// The finding, if the target panics.
    pub fn step(&mut self) -> Result<bool, Finding> {
        let mut input = self.pool.choose(&mut self.rng).cloned().unwrap_or_default();
        let other = self.pool.choose(&mut self.rng).cloned().unwrap_or_default();
        mutate(&mut input, &other, &self.words, &mut self.rng);
        let accepted = try_one(self.target, &input)?;
        // Damage upon damage reaches further; the pool keeps a bounded number of such inputs.
        if self.rng.random_ratio(1, 64) {
            match self.pool.len() {
                0..512 => self.pool.push(input),
                len => {
                    let fixed = (self.target.seeds)().len();
                    let at = self.rng.random_range(fixed.min(len - 1)..len);
                    self.pool[at] = input;
                }
            }
        }
        Ok(accepted)
    }
}

/// Runs a target on one input; true if it was accepted.
///
/// # Errors
/// The finding, if it panics.
pub fn try_one(target: &Target, input: &[u8]) -> Result<bool, Finding> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned());
        Finding { input: input.to_vec(), said }
    })
}
