//! The network's faults, judged call by call.

use crate::dice::Dice;
use crate::trace::Trace;
use dr::memory::{Call, Faults, Verdict};
use parking_lot::Mutex;
use std::sync::Arc;

/// What the network is like at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sky {
    /// Nothing passes.
    pub cut: bool,
    /// Percent of calls and batches that do not arrive.
    pub lost: u64,
    /// Percent of those whose answer is lost.
    pub answer_lost: u64,
    /// Percent of those that are late.
    pub late: u64,
    /// How late at most.
    pub late_ms: u64,
}

/// The network's present state, shared with those who change it.
#[derive(Debug, Default)]
pub struct Weather {
    sky: Mutex<Sky>,
    /// A cut that the story wants, whatever the mischief does.
    split: Mutex<bool>,
    /// Who is cut off from all others, as the story wants it.
    alone: Mutex<Option<&'static str>>,
}

impl Weather {
    /// Makes the network like this from now on.
    pub fn set(&self, sky: Sky) {
        *self.sky.lock() = sky;
    }

    /// Cuts the link until told otherwise.
    pub fn split(&self, on: bool) {
        *self.split.lock() = on;
    }

    /// Cuts one region off from all others, or nobody.
    pub fn isolate(&self, name: Option<&'static str>) {
        *self.alone.lock() = name;
    }

    fn judge(&self, call: &Call, dice: &Dice) -> Verdict {
        let sky = *self.sky.lock();
        let is_alone = |name: &str| call.from == name || call.to.split(':').next() == Some(name);
        let alone = self.alone.lock().is_some_and(is_alone);
        if sky.cut || *self.split.lock() || alone {
            return Verdict::Cut;
        }
        // Signs of life and batches are many: they get their faults more rarely.
        let rare = matches!(call.what, "batch" | "ack");
        let chance = |percent: u64| dice.range(0, 999) < if rare { percent } else { percent * 10 };
        if chance(sky.lost) {
            Verdict::Cut
        } else if chance(sky.answer_lost) {
            Verdict::CutAnswer
        } else if chance(sky.late) {
            Verdict::Delay(dice.ms(1, sky.late_ms.max(1)))
        } else {
            Verdict::Pass
        }
    }

    /// As the network wants it.
    pub fn faults(self: &Arc<Self>, dice: Dice, trace: Arc<Trace>) -> Faults {
        let weather = self.clone();
        Arc::new(move |call| {
            let verdict = weather.judge(call, &dice);
            trace.whisper(|| format!("net {} > {} {}: {verdict:?}", call.from, call.to, call.what));
            verdict
        })
    }
}
