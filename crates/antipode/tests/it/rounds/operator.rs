//! What an operator does, by the verbs that the documentation has, until it is known to have worked.

use super::stage::{Stage, told};
use std::time::{Duration, Instant};
use testkit::{Line, try_rows};

/// Nothing takes longer than this once everything runs again.
const LIMIT: Duration = Duration::from_secs(90);

/// What a side says of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `primary`, `standby` …
    pub role: String,
    /// The number of the promotion epoch.
    pub epoch: u64,
}

impl Stage {
    /// What a side says of the database.
    pub async fn standing(&self, side: usize) -> Result<Standing, String> {
        let client = self.sides[side].connect("antipode").await?;
        let sql = "SELECT role, epoch FROM sys.database WHERE name = 'd'";
        let rows = try_rows(&client, sql).await.map_err(|e| told(&e))?;
        let row = rows.into_iter().next().ok_or("there is no database")?;
        let epoch = row[1].split('@').next().and_then(|n| n.parse().ok());
        Ok(Standing { role: row[0].clone(), epoch: epoch.ok_or(format!("epoch {}", row[1]))? })
    }

    /// Repeats `step` until it gives something.
    pub async fn until<T>(
        &self,
        what: &str,
        mut step: impl AsyncFnMut() -> Result<Option<T>, String>,
    ) -> T {
        let end = Instant::now() + LIMIT;
        let mut why = String::new();
        loop {
            match step().await {
                Ok(Some(value)) => return value,
                Ok(None) => {}
                Err(error) => why = error,
            }
            if Instant::now() > end {
                let sides = [self.standing(0).await, self.standing(1).await];
                panic!("{what}: not within {LIMIT:?}: {why}\n{sides:?}{}", self.links().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What both sides say of their links, for reports.
    async fn links(&self) -> String {
        let mut text = String::new();
        for side in &self.sides {
            let status = "SELECT role, state, lag_records, last_error FROM \
                          information_schema.replication_status WHERE partition_id IS NULL";
            let rows = match side.connect("antipode").await {
                Ok(client) => try_rows(&client, status).await.map_err(|e| told(&e)),
                Err(error) => Err(error),
            };
            text += &format!("\n{}: {rows:?}", side.name);
        }
        text
    }

    /// `FAILOVER … WITH DATA LOSS`
    pub async fn failover(&self, side: usize) {
        self.until("FAILOVER", async || {
            self.sides[side].admin("FAILOVER DATABASE d WITH DATA LOSS").await.map(Some)
        })
        .await;
    }

    /// `SWITCHOVER`, typed in one side, until the standby has taken over from epoch `from`.
    pub async fn switchover(&self, typed: usize, to: usize, from: u64) {
        let sql = self.switchover_to(to);
        self.until("SWITCHOVER", async || {
            let there = self.standing(to).await?;
            if there.role == "primary" && there.epoch > from {
                return Ok(Some(()));
            }
            self.sides[typed].admin(&sql).await.map(|()| None)
        })
        .await;
    }

    /// The statement.
    pub fn switchover_to(&self, to: usize) -> String {
        format!("SWITCHOVER DATABASE d TO {}", self.sides[to].name)
    }

    /// A former primary comes back by difference.
    pub async fn come_back(&self, side: usize) {
        let from = self.sides[1 - side].source();
        let sql = format!("REPLICATE DATABASE d WITH FORCE DIFFERENTIAL FROM {from}");
        self.until("REPLICATE", async || {
            if self.standing(side).await?.role != "primary" {
                return Ok(Some(()));
            }
            self.sides[side].admin(&sql).await.map(|()| None)
        })
        .await;
    }

    /// Repairs everything: lines, processes, and whoever is no standby although the other side was
    /// promoted after it. Returns once the standby follows and has everything up to a moment ago.
    pub async fn settle(&mut self) {
        self.set_link(Line::Open);
        for side in 0..2 {
            self.sides[side].door.set(Line::Open);
            self.run(side);
        }
        let primary = self
            .until("two primaries or none", async || {
                let (east, west) = (self.standing(0).await?, self.standing(1).await?);
                let is_primary = [east.role == "primary", west.role == "primary"];
                match is_primary {
                    [true, true] => Ok(Some(usize::from(west.epoch > east.epoch))),
                    [false, false] => Err(format!("{east:?} and {west:?}")),
                    [_, west] => Ok(Some(usize::from(west))),
                }
            })
            .await;
        self.serve(primary);
        self.come_back(self.standby()).await;
        self.await_standby().await;
    }

    /// Waits until the standby follows.
    pub async fn await_standby(&self) {
        let sql = "SELECT count(*) FROM information_schema.replication_status \
                   WHERE role = 'target' AND partition_id IS NULL AND state = 'streaming'";
        self.until("the standby follows", async || {
            let side = self.standby();
            if self.standing(side).await?.role != "standby" {
                return Err("it is no standby".to_owned());
            }
            let client = self.sides[side].connect("antipode").await?;
            let rows = try_rows(&client, sql).await.map_err(|e| told(&e))?;
            Ok((rows == [["1"]]).then_some(()))
        })
        .await;
    }
}
