//! Load, scans, a hot row, restart: one node alone.

use crate::args::Args;
use crate::load;
use crate::rows::{self, GROUPS, SUMS, run, timed};
use crate::side::{Endpoint, Result, Side};
use crate::table::{Figure, Figures};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

const HOT_CLIENTS: u32 = 32;

/// Measures one side.
pub async fn measure(
    args: &Args,
    index: usize,
    side: &mut dyn Side,
    figures: &mut Figures,
) -> Result<()> {
    let at = side.endpoint();
    let client = at.connect().await?;
    let mut note = |kind: &str, value: f64| {
        eprintln!("{}: {kind} {value:.2}", side.name());
        figures.add(kind, Figure { side: index, value });
    };
    let empty = folder_bytes(&side.stored());
    let rows = args.rows as f64;
    note("COPY: rows/s", rows / rows::load(&client, args.rows, args.rows).await?);
    for _ in 0..args.runs.max(2) {
        note("sums over all rows: rows/s", rows / timed(&client, SUMS).await?);
        note("groups over half of the rows: rows/s", rows / timed(&client, GROUPS).await?);
    }
    note("hot row, 32 clients: commits/s", hot_row(args, &at, &client).await?);
    drop(client);
    side.crash()?;
    let started = Instant::now();
    side.restart()?;
    rows::first(&at, "SELECT amount FROM load WHERE id = 0").await?;
    let value = started.elapsed().as_secs_f64();
    eprintln!("{}: restart after a crash {value:.2} s", side.name());
    figures.add("restart after a crash: seconds", Figure { side: index, value });
    run(&at.connect().await?, "CHECKPOINT").await?;
    let value = settled_bytes(&side.stored(), empty).await / rows;
    eprintln!("{}: {value:.1} bytes on disk for each row", side.name());
    figures.add("space of a row on disk: bytes", Figure { side: index, value });
    Ok(())
}

/// Commits per second of many clients that update one row.
async fn hot_row(args: &Args, at: &Endpoint, client: &Client) -> Result<f64> {
    run(client, "CREATE TABLE hot (id integer PRIMARY KEY, n bigint NOT NULL)").await?;
    run(client, "INSERT INTO hot VALUES (1, 0)").await?;
    let script = "UPDATE hot SET n = n + 1 WHERE id = 1;\n";
    Ok(load::run_text(args, at, script, HOT_CLIENTS)?.tps)
}

/// Bytes of a folder beyond `before`, when they no longer change.
async fn settled_bytes(dir: &Path, before: u64) -> f64 {
    let mut last = folder_bytes(dir);
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = folder_bytes(dir);
        if now == last && now > before {
            break;
        }
        last = now;
    }
    last.saturating_sub(before) as f64
}

fn folder_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => folder_bytes(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
