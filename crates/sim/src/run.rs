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
use env::sim::{SimNode, World};
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
    /// What chooses this kind of run on the command line.
    pub flag: &'static str,
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
        let (seed, rounds, flag) = (self.seed, self.plan.rounds, self.flag);
        format!("cargo run -p antipode-sim -- {flag}--seed {seed} --rounds {rounds} --verbose")
    }
}

/// Runs one seed.
pub fn run(options: Options) -> Report {
    watched(options, play)
}

/// Runs one seed of a kind of run; a panic anywhere counts as a violation.
pub(crate) fn watched<F: Future<Output = Report>>(
    options: Options,
    play: impl FnOnce(World, Options) -> F,
) -> Report {
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
    let stage = set_stage(&world, options, &plan, vec![("east", 1, east), ("west", 2, west)]);
    let mut operator = Operator::new(stage.clone(), dice());
    crowd(&stage, &dice);
    stage.verdict.check(story(&mut operator, &dice()).await);
    report(&stage, "")
}

/// Everybody who has a part in every run, in an order that is part of what a seed means.
pub(crate) fn crowd(stage: &Arc<Stage>, dice: &impl Fn() -> Dice) {
    stage.spawn(mischief::network(stage.clone(), dice()));
    stage.spawn(mischief::machines(stage.clone(), dice()));
    stage.spawn(mischief::people(stage.clone(), dice()));
    stage.spawn(mischief::caretaker(stage.clone(), dice()));
    stage.spawn(reader::run(stage.clone(), dice()));
    for number in 0..stage.plan.clients {
        stage.spawn(client::run(stage.clone(), number, dice()));
    }
    stage.spawn(indexes::run(stage.clone(), dice()));
    stage.spawn(branches::run(stage.clone(), dice()));
}

/// The stage of a run, with its regions down.
pub(crate) fn set_stage(
    world: &World,
    options: Options,
    plan: &Plan,
    nodes: Vec<(&'static str, u8, SimNode)>,
) -> Arc<Stage> {
    let trace = Arc::new(Trace::new(world.clone(), options.full_trace, options.verbose));
    trace.say(format_args!("{plan:?}"));
    let network = Network::default();
    let weather = Arc::new(Weather::default());
    network.set_faults(weather.faults(Dice::new(world.node().env().rng), trace.clone()));
    let outside = world.node().env();
    let region = |(name, id, node)| {
        let (outside, network, trace) = (outside.clone(), network.clone(), trace.clone());
        Arc::new(Region::new(name, id, plan, node, outside, network, trace))
    };
    let regions = nodes.into_iter().map(region).collect();
    Arc::new(Stage::new(plan.clone(), world.clone(), outside.clone(), trace, weather, regions))
}

/// What came of a run that is over.
pub(crate) fn report(stage: &Stage, flag: &'static str) -> Report {
    stage.finish();
    let violation = stage.verdict.get().map(|violation| with_biography(stage, violation));
    if let Some(violation) = &violation {
        stage.trace.say(format_args!("VIOLATION {violation}"));
    }
    Report {
        seed: stage.plan.seed,
        flag,
        plan: stage.plan.clone(),
        trace: stage.trace.text(),
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
