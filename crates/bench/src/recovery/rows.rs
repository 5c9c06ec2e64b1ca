//! The rows that are copied, changed and shipped.

use crate::rows::{copy, mixed, run, told};
use crate::side::{Endpoint, Result};
use bytes::{BufMut, BytesMut};
use futures::future::try_join_all;
use tokio_postgres::Client;

/// Rows of about 125 bytes.
pub const ROWS_OF_A_MEGABYTE: u64 = 8_000;

const TABLE: &str =
    "CREATE TABLE item (id bigint PRIMARY KEY, a integer NOT NULL, b text NOT NULL)";
const MARK: &str = "CREATE TABLE mark (id bigint PRIMARY KEY)";
const ACKS: &str = "CREATE TABLE acks (id bigint PRIMARY KEY)";
/// Rows of one COPY, so that no transaction grows with the database.
const COPY_ROWS: u64 = 400_000;
/// Rows that one transaction updates.
const UPDATED: u64 = 100;

/// How many there are.
#[derive(Default)]
pub struct Rows {
    count: u64,
    marks: u64,
    rounds: u64,
}

/// The tables.
pub async fn create(client: &Client) -> Result<()> {
    for table in [TABLE, MARK, ACKS] {
        run(client, table).await?;
    }
    Ok(())
}

impl Rows {
    /// Rows by now.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds rows by COPY.
    pub async fn insert(&mut self, client: &Client, rows: u64) -> Result<()> {
        let end = self.count + rows;
        copy(client, "item", self.count..end, COPY_ROWS, row).await?;
        self.count = end;
        Ok(())
    }

    /// Updates rows all over the table, a few neighbours in each transaction.
    pub async fn update(&mut self, at: &Endpoint, rows: u64, clients: u32) -> Result<()> {
        let (transactions, clients) = (rows / UPDATED, u64::from(clients));
        let spans = (self.count / UPDATED).max(1);
        self.rounds += 1;
        let round = self.rounds;
        let work = (0..clients).map(|own| async move {
            let client = at.connect().await?;
            let sql = "UPDATE item SET a = a + 1 WHERE id >= $1 AND id < $2";
            let update = client.prepare(sql).await.map_err(told)?;
            let mut n = own;
            while n < transactions {
                // No two transactions of a round want the same rows unless the table is that small.
                let span = (n * 7919 + round * 104_729) % spans;
                let (from, to) = ((span * UPDATED) as i64, ((span + 1) * UPDATED) as i64);
                client.execute(&update, &[&from, &to]).await.map_err(told)?;
                n += clients;
            }
            Ok::<_, String>(())
        });
        try_join_all(work).await.map(drop)
    }

    /// Commits a mark that can be looked for elsewhere.
    pub async fn mark(&mut self, client: &Client) -> Result<u64> {
        self.marks += 1;
        let mark = self.marks;
        run(client, &format!("INSERT INTO mark VALUES ({mark})")).await?;
        Ok(mark)
    }
}

fn row(out: &mut BytesMut, id: u64) {
    let mixed = mixed(id);
    let text = format!(
        "{id}\t{}\titem {mixed:016x}{:016x} and {:016x}{:016x} of its own, shelf {}\n",
        mixed % 1_000_000,
        mixed.rotate_left(7),
        mixed.rotate_left(19),
        mixed.wrapping_mul(31),
        mixed % 5_000,
    );
    out.put_slice(text.as_bytes());
}
