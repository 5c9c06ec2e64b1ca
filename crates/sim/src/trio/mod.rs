//! Three clusters: a source with two standbys, and an operator who moves the primary among them, by
//! every verb there is, in any order.
//!
//! ```text
//!   clients, loads, roles ──▶ east ──▶ west
//!                              └─────▶ north        whoever is promoted: the others are attached to it
//! ```
//!
//! What [`crate`] asks of two regions holds here, too, as far as it is about one or two of them. What is
//! new: a standby that is attached to another source by difference, or called there by a replica;
//! stragglers that go on following somebody who is gone; promotions by mistake, of which the one with
//! the highest epoch counts; databases in a group, with roles and grants, and rows that come in blocks; a
//! table that is not replicated; promotions at an older time.

mod attach;
mod chief;
mod healing;
mod loads;
mod promote;
mod replicas;

use crate::dice::Dice;
use crate::locals;
use crate::plan::Plan;
use crate::run::{Options, Report, crowd, report, set_stage, watched};
use chief::Chief;
use env::sim::World;

/// What is only so with three clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast {
    /// There is a second database, in a group with the first one.
    pub group: bool,
    /// Promotions may be at a time before the newest one.
    pub past: bool,
    /// There is a table that is not replicated.
    pub local: bool,
}

/// Runs one seed.
pub fn run(options: Options) -> Report {
    watched(options, play)
}

async fn play(world: World, options: Options) -> Report {
    let (east, west, north) = (world.node(), world.node(), world.node());
    let dice = || Dice::new(world.node().env().rng);
    let drawing = dice();
    let rounds = options.rounds.unwrap_or(drawing.range(2, 6) as u32);
    let mut plan = Plan::draw(options.seed, Some(rounds), &drawing);
    plan.full_trace = options.full_trace;
    // That needs an operator who knows of two regions only.
    plan.forgets = false;
    let seed = options.seed;
    let cast = Cast { group: seed % 3 == 1, past: seed % 5 == 1, local: seed % 7 == 3 };
    let nodes = vec![("east", 1, east), ("west", 2, west), ("north", 3, north)];
    let stage = set_stage(&world, options, &plan, nodes);
    stage.trace.say(format_args!("{cast:?}"));
    let mut chief = Chief::new(stage.clone(), cast, dice());
    crowd(&stage, &dice);
    stage.spawn(loads::blocks(stage.clone(), dice()));
    stage.spawn(loads::rights(stage.clone(), dice()));
    if cast.group {
        stage.spawn(loads::orders(stage.clone(), dice()));
    }
    if cast.local {
        stage.spawn(locals::write(stage.clone(), dice()));
    }
    stage.verdict.check(chief.work(&dice()).await);
    report(&stage, "--trio ")
}
