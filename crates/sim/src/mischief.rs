//! What goes wrong by itself: machines, network, and people who change the schema meanwhile.
//!
//! Three actors, each doing one thing after the other. In calm times they only put right what they
//! have done.

use crate::bank::{self, Change};
use crate::dice::Dice;
use crate::plan::DATABASE;
use crate::region::{Access, Region};
use crate::stage::Stage;
use crate::weather::Sky;
use base::SqlState;
use std::sync::Arc;
use std::time::Duration;

/// Waits for the next piece of mischief; false if there shall be none.
async fn next(stage: &Stage, dice: &Dice) -> bool {
    let mean = stage.plan.mischief_ms.max(100);
    stage.sleep(dice.ms(1, 2 * mean)).await;
    stage.plan.mischief_ms > 0 && !stage.is_calm()
}

/// The network.
pub async fn network(stage: Arc<Stage>, dice: Dice) {
    while !stage.is_over() {
        if !next(&stage, &dice).await {
            continue;
        }
        let sky = match dice.range(0, 3) {
            0 => Sky { cut: true, ..Sky::default() },
            1 => Sky { lost: dice.range(1, 8), answer_lost: dice.range(0, 8), ..Sky::default() },
            2 => {
                Sky { late: dice.range(5, 60), late_ms: dice.pick(&[5, 50, 800]), ..Sky::default() }
            }
            _ => Sky { answer_lost: dice.range(5, 20), ..Sky::default() },
        };
        stage.trace.say(format_args!("network {sky:?}"));
        stage.weather.set(sky);
        patient(&stage, dice.ms(50, 5_000)).await;
        stage.weather.set(Sky::default());
        stage.trace.say("network is fine");
    }
}

/// Waits, but not longer than the time is not calm.
async fn patient(stage: &Stage, time: Duration) {
    let end = stage.now() + time;
    while stage.now() < end && !stage.is_calm() {
        stage.sleep(Duration::from_millis(20)).await;
    }
}

/// The machines.
pub async fn machines(stage: Arc<Stage>, dice: Dice) {
    while !stage.is_over() {
        if !next(&stage, &dice).await {
            continue;
        }
        let region = stage.regions[stage.any(&dice)].clone();
        if !region.is_held() {
            hurt(&stage, &region, &dice).await;
        }
    }
}

async fn hurt(stage: &Stage, region: &Region, dice: &Dice) {
    let name = region.name;
    match dice.range(0, 11) {
        0 | 1 => region.stop(true),
        2 => region.stop(false),
        3 | 4 => {
            let changes = dice.range(0, 80);
            stage.trace.say(format_args!("{name} will lose power in {changes} disk changes"));
            region.node.crash_after(changes);
        }
        5 => {
            let changes = dice.range(0, 80);
            stage.trace.say(format_args!("{name} will be killed in {changes} disk changes"));
            region.node.kill_after(changes);
        }
        6 | 7 => {
            let room = dice.pick(&[0, 1_000, 40_000, 200_000]);
            stage.trace.say(format_args!("{name} has {room} bytes left on its disk"));
            region.node.set_capacity(Some(region.node.used_bytes() + room));
            patient(stage, dice.ms(100, 6_000)).await;
            region.node.set_capacity(None);
            stage.trace.say(format_args!("{name} has room on its disk"));
        }
        8 => {
            let far = dice.pick(&[2_000, 2_000, 2_000, 60_000, 3_600_000]);
            let skew = dice.range(0, 2 * far) as i64 - far as i64;
            stage.trace.say(format_args!("{name}'s clock is off by {skew} ms"));
            region.node.set_clock_skew(skew);
        }
        9 => region.shut_down().await,
        _ => {
            let what = dice.range(0, 2);
            stage.trace.say(format_args!("{name}'s disk fails (kind {what})"));
            region.disk_fails(what, true);
            patient(stage, dice.ms(1, 1_000)).await;
            region.disk_fails(what, false);
            stage.trace.say(format_args!("{name}'s disk works"));
            if what > 0 {
                // What the disk holds is not known after a failed write or sync: the metadata
                // takes nothing more, and says that the process is to be started again.
                region.stop(dice.chance(50));
            }
        }
    }
}

/// Starts what is down, after a while, unless it is held.
pub async fn caretaker(stage: Arc<Stage>, dice: Dice) {
    while !stage.is_over() {
        stage.sleep(dice.ms(20, 200)).await;
        for region in &stage.regions {
            if region.access().is_some() || region.is_held() {
                continue;
            }
            stage.sleep(dice.ms(10, 2_000)).await;
            if region.is_held() {
                continue;
            }
            let doom = dice.chance(15) && stage.plan.mischief_ms > 0 && !stage.is_calm();
            let doom = doom.then(|| dice.range(0, 60));
            if let Err(error) = region.start_doomed(doom).await {
                let bug = [SqlState::INTERNAL_ERROR, SqlState::DATA_CORRUPTED];
                if bug.contains(&error.state) {
                    let what = format!("{} does not start: {error}", region.name);
                    stage.verdict.report(crate::Violation::new("no_bug_told", what));
                }
            }
        }
    }
}

/// People who know nothing of all that: spills, pauses, changes of schema.
pub async fn people(stage: Arc<Stage>, dice: Dice) {
    let mut extras = 0;
    while !stage.is_over() {
        stage.sleep(dice.ms(100, 3_000)).await;
        if stage.is_calm() {
            continue;
        }
        let kind = dice.range(0, 9);
        let any = stage.any(&dice);
        let region = match kind {
            0..=6 => Some(any),
            _ => stage.route().to,
        };
        let Some(region) = region.map(|r| stage.regions[r].clone()) else { continue };
        let Some(access) = region.access() else { continue };
        match kind {
            0..=4 => spill(&stage, &region, &access).await,
            5 | 6 => pause(&stage, &region, &dice).await,
            _ => {
                extras += 1;
                change_schema(&stage, &region, &access, extras, &dice).await;
            }
        }
    }
}

async fn spill(stage: &Stage, region: &Region, access: &Access) {
    let Ok(database) = access.database() else { return };
    let spilled = region.while_alive(access.life, access.engine.spill_above(&database, 0)).await;
    if let Some(Err(error)) = &spilled {
        stage.judge_error(region, access, "spill", error);
    }
    stage.trace.say(format_args!("spill at {}: {}", region.name, ended(&spilled)));
}

fn ended<T>(done: &Option<base::Result<T>>) -> String {
    match done {
        Some(Ok(_)) => "done".to_owned(),
        Some(Err(error)) => format!("{error}"),
        None => "died".to_owned(),
    }
}

/// Pauses the link, and sees to it that it goes on.
async fn pause(stage: &Stage, region: &Region, dice: &Dice) {
    let Some(access) = region.access() else { return };
    let paused = region.while_alive(access.life, access.links.pause(DATABASE, "people")).await;
    stage.trace.say(format_args!("pause at {}: {}", region.name, ended(&paused)));
    patient(stage, dice.ms(100, 3_000)).await;
    loop {
        let linked = async || {
            let access = region.access()?;
            let record = access.record().ok()?;
            record.link.is_some().then_some(access)
        };
        if let Some(access) = linked().await {
            let resumed =
                region.while_alive(access.life, access.links.resume(DATABASE, "people")).await;
            if matches!(resumed, Some(Ok(()))) {
                stage.trace.say(format_args!("resume at {}", region.name));
                return;
            }
        } else if region.access().is_some() {
            return;
        }
        if stage.is_over() {
            return;
        }
        stage.sleep(Duration::from_millis(100)).await;
    }
}

async fn change_schema(stage: &Stage, region: &Region, access: &Access, n: u32, dice: &Dice) {
    let Ok(database) = access.database() else { return };
    let name = format!("extra{n}");
    let other = format!("extra{}", dice.range(1, u64::from(n)));
    let kind = dice.range(0, 3);
    let work = async {
        match kind {
            0 => bank::create_extra(&database, &name).await,
            1 => bank::alter(&database, "transfers", Change::AddColumn).await,
            2 => bank::alter(&database, &other, Change::Truncate).await,
            _ => bank::alter(&database, &other, Change::Drop).await,
        }
    };
    let done = region.while_alive(access.life, work).await;
    if let Some(Err(error)) = &done {
        stage.judge_error(region, access, "schema change", error);
    }
    stage.trace.say(format_args!("schema change {kind} at {}: {}", region.name, ended(&done)));
}
