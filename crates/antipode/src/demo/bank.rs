//! The bank: its tables, its accounts, and reading them back.

use super::fault::{Doing, Result};
use super::screen::Screen;
use bytes::Bytes;
use futures::{SinkExt, TryStreamExt};
use std::collections::BTreeMap;
use std::fmt::Write;
use tokio_postgres::{Client, SimpleQueryMessage};

/// What every account begins with.
pub const DEPOSIT: i64 = 1_000;

const TABLES: &str = "
CREATE TABLE accounts (id bigint PRIMARY KEY, owner text NOT NULL, balance bigint NOT NULL);
CREATE TABLE transfers (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL,
    amount bigint NOT NULL)";

/// Makes the tables.
pub async fn create_tables(client: &Client) -> Result<()> {
    for statement in TABLES.split(';') {
        client.batch_execute(statement).await.doing("CREATE TABLE")?;
    }
    Ok(())
}

/// Loads the accounts with COPY.
pub async fn load(client: &Client, accounts: u64, screen: &Screen) -> Result<()> {
    let copy = "COPY accounts (id, owner, balance) FROM STDIN";
    let sink = client.copy_in::<_, Bytes>(copy).await.doing("COPY accounts")?;
    tokio::pin!(sink);
    let mut bar = screen.bar("accounts loaded", accounts);
    let mut lines = String::new();
    for id in 1..=accounts {
        // A fixed mix of the number, so that owners do not compress to nothing.
        let mix = id.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) ^ id;
        let again = mix.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let _ = writeln!(lines, "{id}\towner {mix:016x} {again:016x}\t{DEPOSIT}");
        if lines.len() > 64 << 10 || id == accounts {
            sink.send(Bytes::from(std::mem::take(&mut lines))).await.doing("COPY accounts")?;
            bar.at(id);
        }
    }
    sink.finish().await.doing("COPY accounts")?;
    bar.finish();
    Ok(())
}

/// A row of `transfers`: from, to, amount.
pub type Transfer = (i64, i64, i64);

/// All transfers in a region, by id.
pub async fn transfers(client: &Client) -> Result<BTreeMap<i64, Transfer>> {
    let mut found = BTreeMap::new();
    rows(client, "SELECT id, src, dst, amount FROM transfers", |row| {
        found.insert(row[0], (row[1], row[2], row[3]));
    })
    .await?;
    Ok(found)
}

/// All balances in a region, by account.
pub async fn balances(client: &Client) -> Result<BTreeMap<i64, i64>> {
    let mut found = BTreeMap::new();
    rows(client, "SELECT id, balance FROM accounts", |row| {
        found.insert(row[0], row[1]);
    })
    .await?;
    Ok(found)
}

/// Streams rows of whole numbers.
async fn rows(client: &Client, sql: &str, mut each: impl FnMut(&[i64])) -> Result<()> {
    let messages = client.simple_query_raw(sql).await.doing(sql)?;
    tokio::pin!(messages);
    let mut values = Vec::new();
    while let Some(message) = messages.try_next().await.doing(sql)? {
        if let SimpleQueryMessage::Row(row) = message {
            values.clear();
            for i in 0..row.len() {
                let value = row.get(i).and_then(|v| v.parse().ok());
                values.push(value.ok_or_else(|| not_a_number(sql, row.get(i)))?);
            }
            each(&values);
        }
    }
    Ok(())
}

fn not_a_number(sql: &str, value: Option<&str>) -> super::fault::Fault {
    super::fault::Fault::new(format!("{sql}: {value:?} is not a whole number"))
}
