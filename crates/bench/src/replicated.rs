//! The figures with a standby.

use crate::args::Args;
use crate::load;
use crate::rows;
use crate::side::{Endpoint, Result, Side};
use crate::table::{Figure, Figures};
use std::time::{Duration, Instant};

/// A TPC-B transaction updates three rows and inserts one.
const ROWS_OF_TPCB: u64 = 4;
const CLIENTS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(600);

/// Measures replication and catching up.
pub async fn measure(
    args: &Args,
    index: usize,
    side: &mut dyn Side,
    figures: &mut Figures,
) -> Result<()> {
    let primary = side.endpoint();
    let standby = side.add_standby()?;
    wait_equal(&primary, &standby).await?;
    for _ in 0..args.runs {
        let started = Instant::now();
        let run = load::run(args, &primary, "tpcb-like", CLIENTS)?;
        wait_equal(&primary, &standby).await?;
        let rows = run.transactions * ROWS_OF_TPCB;
        let value = rows as f64 / started.elapsed().as_secs_f64();
        eprintln!("{}: {:.0} commits/s with a standby, {value:.0} rows/s", side.name(), run.tps);
        let tps = Figure { side: index, value: run.tps };
        figures.add("tpcb-like, 8 clients, with a standby: commits/s", tps);
        figures.add("replicated rows/s", Figure { side: index, value });
    }
    for _ in 0..args.runs {
        side.stop_standby()?;
        let run = load::run(args, &primary, "tpcb-like", CLIENTS)?;
        let started = Instant::now();
        side.start_standby()?;
        wait_equal(&primary, &standby).await?;
        let rows = run.transactions * ROWS_OF_TPCB;
        let value = rows as f64 / started.elapsed().as_secs_f64();
        eprintln!("{}: caught up with {rows} rows at {value:.0} rows/s", side.name());
        figures.add("catch-up rows/s, start included", Figure { side: index, value });
    }
    Ok(())
}

/// Waits until the standby has as many rows in pgbench's history as the primary.
async fn wait_equal(primary: &Endpoint, standby: &Endpoint) -> Result<()> {
    let count = "SELECT count(*) FROM pgbench_history";
    let wanted = testkit::one(&primary.connect().await?, count).await;
    rows::shows(standby, count, &wanted, PATIENCE).await
}
