//! The faults, each with what an operator does about it until the standby is to be looked after
//! ([`Stage::settle`] does that).

use super::stage::Stage;
use super::{Dice, ms};
use rand::Rng;
use std::future::Future;
use std::time::Duration;
use testkit::Line;

/// What happens in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The primary dies, the standby is promoted, the old primary comes back by difference.
    LosePrimary,
    /// The standby dies and starts again.
    LoseStandby,
    /// Both die and start again; nobody is promoted.
    LoseBoth,
    /// The clusters do not hear each other for a while.
    CutLink,
    /// They do not, and the standby is promoted although the primary lives and takes writes.
    Split,
    /// Clients are cut off in the middle of whatever they do.
    CutClients,
    /// A planned switch.
    Switchover,
    /// A planned switch, in which one side dies or the line between them.
    BrokenSwitchover,
    /// The primary dies, and then the standby while it is promoted.
    BrokenPromotion,
    /// One side dies while the former primary comes back.
    BrokenFailback,
}

/// All of them.
pub const ALL: [Fault; 10] = [
    Fault::LosePrimary,
    Fault::LoseStandby,
    Fault::LoseBoth,
    Fault::CutLink,
    Fault::Split,
    Fault::CutClients,
    Fault::Switchover,
    Fault::BrokenSwitchover,
    Fault::BrokenPromotion,
    Fault::BrokenFailback,
];

/// One of the ways to be cut off.
fn cut(dice: &mut Dice) -> Line {
    if dice.random() { Line::Silent } else { Line::Severed }
}

async fn pause(dice: &mut Dice, low: u64, high: u64) {
    tokio::time::sleep(ms(dice, low, high)).await;
}

/// Work that ends with this.
struct Ends(tokio::task::AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Lets time pass while `work` is under way, whose outcome does not matter: whoever ordered it repeats
/// the order.
async fn meanwhile(work: impl Future + Send + 'static, during: Duration) -> Ends {
    let task = tokio::spawn(async move {
        let _ = work.await;
    });
    tokio::time::sleep(during).await;
    Ends(task.abort_handle())
}

impl Fault {
    /// Lets it happen, to the present primary or its standby.
    pub async fn strike(self, stage: &mut Stage, dice: &mut Dice) {
        if dice.random_range(0..3) == 0 {
            let side = &stage.sides[dice.random_range(0..2)];
            // A standby may refuse it.
            let _ = side.admin("CHECKPOINT").await;
        }
        match self {
            Fault::LosePrimary => lose_primary(stage, dice).await,
            Fault::LoseStandby => {
                let standby = stage.standby();
                stage.kill(standby);
                pause(dice, 0, 3_000).await;
            }
            Fault::LoseBoth => {
                let first = dice.random_range(0..2);
                stage.kill(first);
                pause(dice, 0, 300).await;
                stage.kill(1 - first);
                pause(dice, 0, 500).await;
                stage.run(dice.random_range(0..2));
                pause(dice, 0, 500).await;
            }
            Fault::CutLink => {
                stage.set_link(cut(dice));
                pause(dice, 100, 5_000).await;
            }
            Fault::Split => split(stage, dice).await,
            Fault::CutClients => {
                for _ in 0..dice.random_range(1..6) {
                    let door = stage.sides[stage.primary].door.clone();
                    door.set(cut(dice));
                    pause(dice, 10, 800).await;
                    door.set(Line::Open);
                    pause(dice, 10, 800).await;
                }
            }
            Fault::Switchover => switchover(stage, dice).await,
            Fault::BrokenSwitchover => broken_switchover(stage, dice).await,
            Fault::BrokenPromotion => broken_promotion(stage, dice).await,
            Fault::BrokenFailback => broken_failback(stage, dice).await,
        }
    }
}

/// The primary is gone, and the standby serves in its place.
async fn fail_over(stage: &mut Stage, dice: &mut Dice) -> usize {
    let (old, new) = (stage.primary, stage.standby());
    stage.kill(old);
    stage.send(None, None);
    pause(dice, 0, 800).await;
    stage.failover(new).await;
    stage.serve(new);
    pause(dice, 0, 2_000).await;
    old
}

async fn lose_primary(stage: &mut Stage, dice: &mut Dice) {
    let old = fail_over(stage, dice).await;
    stage.run(old);
    if dice.random() {
        // It must not take anything.
        stage.send(Some(stage.primary), Some(old));
        pause(dice, 0, 1_000).await;
    }
    stage.come_back(old).await;
}

async fn split(stage: &mut Stage, dice: &mut Dice) {
    let (old, new) = (stage.primary, stage.standby());
    stage.set_link(cut(dice));
    pause(dice, 0, 2_000).await;
    stage.failover(new).await;
    stage.serve(new);
    stage.send(Some(new), Some(old));
    pause(dice, 0, 2_500).await;
    stage.set_link(Line::Open);
    pause(dice, 0, 1_000).await;
    stage.come_back(old).await;
}

async fn switchover(stage: &mut Stage, dice: &mut Dice) {
    let (old, new) = (stage.primary, stage.standby());
    let before = stage.stranded().await;
    let epoch = stage.standing(old).await.expect("the primary answers").epoch;
    stage.switchover(dice.random_range(0..2), new, epoch).await;
    stage.settle().await;
    assert_eq!(stage.primary, new);
    assert_eq!(stage.stranded().await, before, "a switchover strands nothing");
}

async fn broken_switchover(stage: &mut Stage, dice: &mut Dice) {
    let (old, new) = (stage.primary, stage.standby());
    let epoch = stage.standing(old).await.expect("the primary answers").epoch;
    let typed = dice.random_range(0..2);
    let client = stage.sides[typed].connect("antipode").await.expect("it answers");
    let sql = stage.switchover_to(new);
    let under_way = async move { client.simple_query(&sql).await.map(drop) };
    let under_way = meanwhile(under_way, ms(dice, 0, 250)).await;
    match dice.random_range(0..5) {
        0 | 1 => stage.kill(old),
        2 | 3 => stage.kill(new),
        _ => stage.set_link(cut(dice)),
    }
    pause(dice, 0, 1_500).await;
    drop(under_way);
    stage.set_link(Line::Open);
    for side in [old, new] {
        stage.run(side);
    }
    stage.switchover(typed, new, epoch).await;
    stage.serve(new);
}

async fn broken_promotion(stage: &mut Stage, dice: &mut Dice) {
    let (old, new) = (stage.primary, stage.standby());
    let client = stage.sides[new].connect("antipode").await.expect("it answers");
    stage.kill(old);
    stage.send(None, None);
    let sql = "FAILOVER DATABASE d WITH DATA LOSS";
    let under_way = async move { client.simple_query(sql).await.map(drop) };
    let under_way = meanwhile(under_way, ms(dice, 0, 60)).await;
    stage.kill(new);
    drop(under_way);
    pause(dice, 0, 500).await;
    stage.run(new);
    stage.failover(new).await;
    stage.serve(new);
    pause(dice, 0, 1_500).await;
    stage.run(old);
    stage.come_back(old).await;
}

async fn broken_failback(stage: &mut Stage, dice: &mut Dice) {
    let old = fail_over(stage, dice).await;
    stage.run(old);
    let client = stage.sides[old].connect("antipode").await.expect("it answers");
    let from = stage.sides[stage.primary].source();
    let sql = format!("REPLICATE DATABASE d WITH FORCE DIFFERENTIAL FROM {from}");
    let under_way = async move { client.simple_query(&sql).await.map(drop) };
    let under_way = meanwhile(under_way, ms(dice, 0, 500)).await;
    let victim = dice.random_range(0..2);
    stage.kill(victim);
    drop(under_way);
    pause(dice, 0, 1_000).await;
    stage.run(victim);
}
