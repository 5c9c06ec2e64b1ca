//! Disaster recovery: copy, catch-up, switchover, failover, failback by difference.
//!
//! ```text
//!   load ─► copy ─► catch up ─► hand over ─► for each size: ─┐
//!                    (bulk, small)  (there and back)          │
//!     cut the link ─► 1 MB that the standby never sees ─► crash ─► promote ─► first write
//!                       ─► changes of that size ─► the old primary comes back by difference
//! ```
//!
//! Both sides go through the same steps with the same rows. A megabyte of changes is
//! [`ROWS_OF_A_MEGABYTE`] rows of about 125 bytes; how much log a system makes of it is its affair.
//! Bytes shipped are what the loopback interface carried, so nothing else may use it meanwhile.

mod rows;
mod writer;

use crate::args::Args;
use crate::load;
use crate::side::{Endpoint, Result, Side};
use crate::table::{Figure, Figures};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;
use writer::Writer;

pub use rows::ROWS_OF_A_MEGABYTE;

/// Changes of the old primary that the standby never saw, in each failback.
const DIVERGED_MEGABYTES: u64 = 1;
const CLIENTS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(1800);

/// One side on its way through the steps.
struct Course<'a> {
    args: &'a Args,
    side: &'a mut dyn Side,
    index: usize,
    figures: &'a mut Figures,
    rows: rows::Rows,
}

/// Measures one side with a database of `gigabytes`.
pub async fn measure(
    args: &Args,
    index: usize,
    side: &mut dyn Side,
    figures: &mut Figures,
) -> Result<()> {
    let mut course = Course { args, side, index, figures, rows: rows::Rows::default() };
    course.load().await?;
    course.copy().await?;
    course.standby_cost().await?;
    for megabytes in &args.catch_up {
        course.catch_up(*megabytes, Kind::Bulk).await?;
        course.catch_up(*megabytes, Kind::Small).await?;
    }
    for _ in 0..args.runs.max(1) * 2 {
        course.hand_over().await?;
    }
    for megabytes in &args.changes {
        course.fail_over(*megabytes).await?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Bulk,
    Small,
}

impl Course<'_> {
    fn note(&mut self, kind: &str, value: f64) {
        eprintln!("{}: {kind} {value:.3}", self.side.name());
        self.figures.add(kind, Figure { side: self.index, value });
    }

    async fn load(&mut self) -> Result<()> {
        let client = self.side.endpoint().connect().await?;
        rows::create(&client).await?;
        let rows = self.args.megabytes * ROWS_OF_A_MEGABYTE;
        let started = Instant::now();
        self.rows.insert(&client, rows).await?;
        self.note("load by COPY: rows/s", rows as f64 / started.elapsed().as_secs_f64());
        crate::rows::run(&client, "CHECKPOINT").await
    }

    /// A full copy of a database at rest, until the standby can be read at what the primary has.
    async fn copy(&mut self) -> Result<()> {
        let (started, before) = (Instant::now(), carried()?);
        let standby = block_in_place(|| self.side.add_standby())?;
        self.level(&standby).await?;
        let seconds = started.elapsed().as_secs_f64();
        self.note("full copy: seconds", seconds);
        self.note("full copy, shipped: bytes", (carried()? - before) as f64);
        Ok(())
    }

    /// What a standby costs the primary's commits.
    async fn standby_cost(&mut self) -> Result<()> {
        let at = self.side.endpoint();
        let script = format!(
            "\\set id random(0, {})\nUPDATE item SET a = a + 1 WHERE id = :id;\n",
            self.rows.count() - 1
        );
        let with = load::run_text(self.args, &at, &script, CLIENTS)?.tps;
        block_in_place(|| self.side.stop_standby())?;
        let without = load::run_text(self.args, &at, &script, CLIENTS)?.tps;
        block_in_place(|| self.side.start_standby())?;
        let standby = self.side.standby()?;
        self.level(&standby).await?;
        self.note("one-row updates, 8 clients, with a standby: commits/s", with);
        self.note("the same without: commits/s", without);
        Ok(())
    }

    async fn catch_up(&mut self, megabytes: u64, kind: Kind) -> Result<()> {
        block_in_place(|| self.side.stop_standby())?;
        self.change(megabytes, kind).await?;
        let (started, before) = (Instant::now(), carried()?);
        block_in_place(|| self.side.start_standby())?;
        let standby = self.side.standby()?;
        self.level(&standby).await?;
        let seconds = started.elapsed().as_secs_f64();
        let what = match kind {
            Kind::Bulk => "COPY",
            Kind::Small => "updates of 100 rows",
        };
        self.note(&format!("catch-up, {megabytes} MB by {what}: seconds"), seconds);
        let label = format!("catch-up, {megabytes} MB by {what}, shipped: bytes");
        self.note(&label, (carried()? - before) as f64);
        Ok(())
    }

    /// A planned switch while a client writes.
    async fn hand_over(&mut self) -> Result<()> {
        let writer = Writer::start(self.both()?).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let started = Instant::now();
        block_in_place(|| self.side.hand_over())?;
        let standby = self.side.standby()?;
        self.level(&standby).await?;
        let whole = started.elapsed().as_secs_f64();
        writer.moved().await?;
        let gap = writer.stop().await?.longest_gap();
        self.note("switchover, without writes: seconds", gap);
        self.note("switchover, until the old primary follows: seconds", whole);
        Ok(())
    }

    /// The primary dies, the standby takes over, changes come, the old primary comes back.
    async fn fail_over(&mut self, megabytes: u64) -> Result<()> {
        let standby = self.side.standby()?;
        self.level(&standby).await?;
        block_in_place(|| self.side.cut_link())?;
        self.change(DIVERGED_MEGABYTES, Kind::Small).await?;
        let writer = Writer::start(self.both()?).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        block_in_place(|| self.side.crash())?;
        // From when it is gone: ending all of PostgreSQL's processes takes its time.
        let killed = Instant::now();
        block_in_place(|| self.side.promote())?;
        writer.moved().await?;
        let record = writer.stop().await?;
        let first = record.first_after(killed).ok_or("no write came through after the failover")?;
        self.note("failover, until the first write: seconds", first);
        self.change(megabytes, Kind::Small).await?;
        let (started, before) = (Instant::now(), carried()?);
        block_in_place(|| self.side.come_back())?;
        let standby = self.side.standby()?;
        self.level(&standby).await?;
        let seconds = started.elapsed().as_secs_f64();
        self.note(&format!("failback, {megabytes} MB changed: seconds"), seconds);
        let label = format!("failback, {megabytes} MB changed, shipped: bytes");
        self.note(&label, (carried()? - before) as f64);
        Ok(())
    }

    async fn change(&mut self, megabytes: u64, kind: Kind) -> Result<()> {
        let at = self.side.endpoint();
        let rows = megabytes * ROWS_OF_A_MEGABYTE;
        eprintln!("{}: changing {rows} rows", self.side.name());
        match kind {
            Kind::Bulk => self.rows.insert(&at.connect().await?, rows).await,
            Kind::Small => self.rows.update(&at, rows, CLIENTS).await,
        }
    }

    fn both(&self) -> Result<[Endpoint; 2]> {
        Ok([self.side.endpoint(), self.side.standby()?])
    }

    /// Waits until the standby shows what the primary has committed by now.
    async fn level(&mut self, standby: &Endpoint) -> Result<()> {
        let primary = self.side.endpoint().connect().await?;
        let mark = self.rows.mark(&primary).await?;
        let query = format!("SELECT count(*) FROM mark WHERE id = {mark}");
        crate::rows::shows(standby, &query, "1", PATIENCE).await
    }
}

/// Bytes that the loopback interface has carried.
fn carried() -> Result<u64> {
    let file = "/proc/net/dev";
    let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    let line = text.lines().find_map(|l| l.trim().strip_prefix("lo:"));
    let bytes = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok());
    bytes.ok_or_else(|| format!("{file} does not tell what the loopback interface carried"))
}
