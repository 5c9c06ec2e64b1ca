//! Load, scans, a hot row, restart: one node alone.

use crate::args::Args;
use crate::load;
use crate::side::{Endpoint, Result, Side};
use crate::table::{Figure, Figures};
use bytes::{BufMut, BytesMut};
use futures::SinkExt;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

const HOT_CLIENTS: u32 = 32;
const PIECE: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(600);

const TABLE: &str = "CREATE TABLE load (id bigint PRIMARY KEY, kind integer NOT NULL, \
    amount numeric(12,2) NOT NULL, day date NOT NULL, remark text NOT NULL)";
const SUMS: &str = "SELECT count(*), sum(amount), min(day), max(kind) FROM load";
const GROUPS: &str = "SELECT kind, count(*), sum(amount), avg(amount) FROM load \
    WHERE day < date '2001-01-01' GROUP BY kind ORDER BY kind";

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
    note("COPY: rows/s", rows / load_table(&client, args.rows).await?);
    for _ in 0..args.runs.max(2) {
        note("sums over all rows: rows/s", rows / timed(&client, SUMS).await?);
        note("groups over half of the rows: rows/s", rows / timed(&client, GROUPS).await?);
    }
    note("hot row, 32 clients: commits/s", hot_row(args, &at, &client).await?);
    drop(client);
    side.crash()?;
    let started = Instant::now();
    side.restart()?;
    first_read(&at).await?;
    let value = started.elapsed().as_secs_f64();
    eprintln!("{}: restart after a crash {value:.2} s", side.name());
    figures.add("restart after a crash: seconds", Figure { side: index, value });
    run(&at.connect().await?, "CHECKPOINT").await?;
    let value = settled_bytes(&side.stored(), empty).await / rows;
    eprintln!("{}: {value:.1} bytes on disk for each row", side.name());
    figures.add("space of a row on disk: bytes", Figure { side: index, value });
    Ok(())
}

fn told(e: tokio_postgres::Error) -> String {
    e.as_db_error().map_or_else(|| e.to_string(), ToString::to_string)
}

async fn run(client: &Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(told)
}

async fn timed(client: &Client, sql: &str) -> Result<f64> {
    let started = Instant::now();
    client.simple_query(sql).await.map_err(told)?;
    Ok(started.elapsed().as_secs_f64())
}

/// Loads the table by COPY; the seconds it took, with its commit.
async fn load_table(client: &Client, rows: u64) -> Result<f64> {
    run(client, TABLE).await?;
    let started = Instant::now();
    let sink = client.copy_in::<_, bytes::Bytes>("COPY load FROM STDIN").await.map_err(told)?;
    let mut sink = pin!(sink);
    let mut piece = BytesMut::with_capacity(PIECE + 1024);
    for id in 0..rows {
        row(&mut piece, id);
        if piece.len() > PIECE {
            sink.send(piece.split().freeze()).await.map_err(told)?;
        }
    }
    sink.send(piece.freeze()).await.map_err(told)?;
    sink.close().await.map_err(told)?;
    Ok(started.elapsed().as_secs_f64())
}

/// About 75 bytes of text that follow from the row's number.
fn row(out: &mut BytesMut, id: u64) {
    let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
    let (year, month, day) = (1995 + mixed % 12, 1 + mixed / 12 % 12, 1 + mixed / 144 % 28);
    let (kind, cents) = (mixed % 100, mixed / 7 % 10_000_000);
    let text = format!(
        "{id}\t{kind}\t{}.{:02}\t{year}-{month:02}-{day:02}\tremark {mixed:016x}{:016x}\n",
        cents / 100,
        cents % 100,
        mixed.rotate_left(7),
    );
    out.put_slice(text.as_bytes());
}

/// Commits per second of many clients that update one row.
async fn hot_row(args: &Args, at: &Endpoint, client: &Client) -> Result<f64> {
    run(client, "CREATE TABLE hot (id integer PRIMARY KEY, n bigint NOT NULL)").await?;
    run(client, "INSERT INTO hot VALUES (1, 0)").await?;
    let dir = args.folder()?;
    let script = dir.path().join("hot.sql");
    let text = "UPDATE hot SET n = n + 1 WHERE id = 1;\n";
    std::fs::write(&script, text).map_err(|e| e.to_string())?;
    Ok(load::run_file(args, at, &script, HOT_CLIENTS)?.tps)
}

/// Waits until a row can be read.
async fn first_read(at: &Endpoint) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Ok(client) = at.connect().await
            && run(&client, "SELECT amount FROM load WHERE id = 0").await.is_ok()
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err("it did not serve in time after its restart".into())
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
