//! The rows that both sides load, which follow from their numbers, and statements on them.

use crate::side::{Endpoint, Result};
use bytes::{BufMut, BytesMut};
use futures::SinkExt;
use std::ops::Range;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

const PIECE: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(600);

/// The table of [`load`].
const TABLE: &str = "CREATE TABLE load (id bigint PRIMARY KEY, kind integer NOT NULL, \
    amount numeric(12,2) NOT NULL, day date NOT NULL, remark text NOT NULL)";
/// Sums over all rows of it.
pub const SUMS: &str = "SELECT count(*), sum(amount), min(day), max(kind) FROM load";
/// Groups of half of them.
pub const GROUPS: &str = "SELECT kind, count(*), sum(amount), avg(amount) FROM load \
    WHERE day < date '2001-01-01' GROUP BY kind ORDER BY kind";

/// What the server said, or what happened to the connection.
pub fn told(e: tokio_postgres::Error) -> String {
    e.as_db_error().map_or_else(|| e.to_string(), ToString::to_string)
}

/// Runs statements.
pub async fn run(client: &Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(told)
}

/// Runs one; the seconds it took, with its rows.
pub async fn timed(client: &Client, sql: &str) -> Result<f64> {
    let started = Instant::now();
    client.simple_query(sql).await.map_err(told)?;
    Ok(started.elapsed().as_secs_f64())
}

/// Makes the table and loads it, so many rows in each transaction; the seconds that these took.
pub async fn load(client: &Client, rows: u64, at_once: u64) -> Result<f64> {
    run(client, TABLE).await?;
    copy(client, "load", 0..rows, at_once, row).await
}

/// Loads rows of any shape, so many in each transaction; the seconds it took, with the commits.
pub async fn copy(
    client: &Client,
    table: &str,
    rows: Range<u64>,
    at_once: u64,
    row: impl Fn(&mut BytesMut, u64),
) -> Result<f64> {
    let started = Instant::now();
    let mut id = rows.start;
    while id < rows.end {
        let sql = format!("COPY {table} FROM STDIN");
        let mut sink = pin!(client.copy_in::<_, bytes::Bytes>(&sql).await.map_err(told)?);
        let mut piece = BytesMut::with_capacity(PIECE + 1024);
        for id in id..rows.end.min(id + at_once.max(1)) {
            row(&mut piece, id);
            if piece.len() > PIECE {
                sink.send(piece.split().freeze()).await.map_err(told)?;
            }
        }
        sink.send(piece.freeze()).await.map_err(told)?;
        sink.close().await.map_err(told)?;
        id += at_once.max(1);
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Bits that follow from a number and look like none.
pub fn mixed(id: u64) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
}

/// About 75 bytes of text.
fn row(out: &mut BytesMut, id: u64) {
    let mixed = mixed(id);
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

/// Waits until a server that starts has run a statement.
pub async fn first(at: &Endpoint, sql: &str) -> Result<()> {
    match answers(at, sql, PATIENCE, |_| true).await {
        true => Ok(()),
        false => Err("it did not serve in time after its restart".into()),
    }
}

/// Waits until a query has this one value on a standby, which may be down or about to start.
pub async fn shows(standby: &Endpoint, query: &str, value: &str, patience: Duration) -> Result<()> {
    let wish = |rows: &[Vec<String>]| rows.first().is_some_and(|r| r[0] == value);
    match answers(standby, query, patience, wish).await {
        true => Ok(()),
        false => Err(format!("the standby never had what the primary has: {query} is not {value}")),
    }
}

/// Asks until the answer is as wished; false if it never is.
async fn answers(
    at: &Endpoint,
    sql: &str,
    patience: Duration,
    wish: impl Fn(&[Vec<String>]) -> bool,
) -> bool {
    let end = Instant::now() + patience;
    let mut client = None;
    while Instant::now() < end {
        if client.is_none() {
            client = at.connect().await.ok();
        }
        if let Some(open) = &client {
            match testkit::try_rows(open, sql).await {
                Ok(rows) if wish(&rows) => return true,
                Ok(_) => {}
                // Not there yet, or the connection is gone.
                Err(_) => client = None,
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}
