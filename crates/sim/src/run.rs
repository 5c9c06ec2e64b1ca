//! One run: the stage, the actors, the story, the verdict.

use crate::dice::Dice;
use crate::operator::Operator;
use crate::plan::Plan;
use crate::region::Region;
use crate::stage::Stage;
use crate::trace::Trace;
use crate::verdict::Violation;
use crate::weather::Weather;
use crate::{biography, branches, client, healing, indexes, mischief, panics, reader};
use dr::memory::Network;
use env::sim::World;
use std::sync::Arc;
use std::time::Duration;

/// What to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Everything follows from it.
    pub seed: u64,
    /// How many times the primary changes sides; drawn from the seed if not given.
    pub rounds: Option<u32>,
    /// Keep the small events in the trace too.
    pub full_trace: bool,
    /// Print the trace while it is written.
    pub verbose: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The run's parameters.
    pub plan: Plan,
    /// What happened.
    pub trace: String,
    /// Transactions acknowledged, failed and unknown.
    pub transactions: (usize, usize, usize),
    /// Simulated time.
    pub took: Duration,
    /// What did not hold.
    pub violation: Option<Violation>,
}

impl Report {
    /// The one line that repeats a failed run.
    pub fn replay(&self) -> String {
        let (seed, rounds) = (self.seed, self.plan.rounds);
        format!("cargo run -p antipode-sim -- --seed {seed} --rounds {rounds} --verbose")
    }
}

/// Runs one seed.
pub fn run(options: Options) -> Report {
    panics::watch();
    let mut report = env::sim::run(options.seed, |world| play(world, options));
    if let Some(panic) = panics::first() {
        report.violation.get_or_insert(Violation::new("no_bug_told", panic));
    }
    report
}

async fn play(world: World, options: Options) -> Report {
    // One machine per actor: each has chance of its own. The order is part of what a seed means.
    let (east, west) = (world.node(), world.node());
    let dice = || Dice::new(world.node().env().rng);
    let mut plan = Plan::draw(options.seed, options.rounds, &dice());
    plan.full_trace = options.full_trace;
    let trace = Arc::new(Trace::new(world.clone(), options.full_trace, options.verbose));
    trace.say(format_args!("{plan:?}"));
    let network = Network::default();
    let weather = Arc::new(Weather::default());
    network.set_faults(weather.faults(dice(), trace.clone()));
    let outside = world.node().env();
    let region = |name, id, node| {
        let (outside, network, trace) = (outside.clone(), network.clone(), trace.clone());
        Arc::new(Region::new(name, id, &plan, node, outside, network, trace))
    };
    let regions = [region("east", 1, east), region("west", 2, west)];
    let stage = Arc::new(Stage::new(
        plan.clone(),
        world.clone(),
        outside.clone(),
        trace.clone(),
        weather,
        regions,
    ));
    let mut operator = Operator::new(stage.clone(), dice());
    stage.spawn(mischief::network(stage.clone(), dice()));
    stage.spawn(mischief::machines(stage.clone(), dice()));
    stage.spawn(mischief::people(stage.clone(), dice()));
    stage.spawn(mischief::caretaker(stage.clone(), dice()));
    stage.spawn(reader::run(stage.clone(), dice()));
    for number in 0..plan.clients {
        stage.spawn(client::run(stage.clone(), number, dice()));
    }
    stage.spawn(indexes::run(stage.clone(), dice()));
    stage.spawn(branches::run(stage.clone(), dice()));
    stage.verdict.check(story(&mut operator, &dice()).await);
    stage.finish();
    let violation = stage.verdict.get().map(|violation| with_biography(&stage, violation));
    if let Some(violation) = &violation {
        trace.say(format_args!("VIOLATION {violation}"));
    }
    Report {
        seed: options.seed,
        plan,
        trace: trace.text(),
        transactions: stage.ledger.counts(),
        took: stage.now(),
        violation,
    }
}

/// Adds what the logs say about the transfer in question.
fn with_biography(stage: &Stage, mut violation: Violation) -> Violation {
    let Some(id) = violation.transfer else { return violation };
    for region in &stage.regions {
        let database = region.access().and_then(|access| access.database().ok());
        if let Some(database) = database {
            let life = biography::of(database.local_partitions(), id);
            violation.what += &format!("\n  {}: {life}", region.name);
        }
    }
    violation
}

async fn story(operator: &mut Operator, dice: &Dice) -> Result<(), Violation> {
    operator.begin().await?;
    for _ in 0..operator.stage.plan.rounds {
        operator.round().await?;
    }
    healing::heal(operator, dice).await
}
