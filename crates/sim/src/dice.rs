//! Chance for one actor: each draws from a stream of its own, so that what one actor does never
//! changes another's luck.

use env::{Env, Rng};
use std::sync::Arc;
use std::time::Duration;

/// One actor's dice.
#[derive(Clone, Debug)]
pub struct Dice(Arc<dyn Rng>);

impl Dice {
    /// Dice that draw from `rng`.
    pub fn new(rng: Arc<dyn Rng>) -> Dice {
        Dice(rng)
    }

    /// From `low` to `high`, both included.
    pub fn range(&self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    /// True in so many of a hundred cases.
    pub fn chance(&self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    /// One of these.
    pub fn pick<T: Copy>(&self, from: &[T]) -> T {
        from[self.0.below(from.len() as u64) as usize]
    }

    /// A time in milliseconds, both ends included.
    pub fn ms(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.range(low, high))
    }
}

/// Pauses that an actor makes between the steps of its work.
#[derive(Clone, Debug)]
pub struct Pauses {
    env: Env,
    dice: Dice,
    percent: u64,
    ms_max: u64,
}

impl Pauses {
    /// A pause of up to `ms_max` in so many of a hundred cases.
    pub fn new(env: Env, dice: Dice, percent: u64, ms_max: u64) -> Pauses {
        Pauses { env, dice, percent, ms_max }
    }

    /// Perhaps one pause.
    pub async fn take(&self) {
        if self.percent > 0 && self.dice.chance(self.percent) {
            self.env.sleep(self.dice.ms(0, self.ms_max)).await;
        }
    }
}
