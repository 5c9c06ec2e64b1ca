//! Row by row: are two regions equal?

use super::fault::{Doing, Result};
use futures::TryStreamExt;
use std::pin::Pin;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow, SimpleQueryStream};

/// What a comparison of one table found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which table.
    pub table: &'static str,
    /// Rows that are the same on both sides.
    pub equal: u64,
    /// The first difference, if there is one.
    pub difference: Option<String>,
}

/// Reads a table in the order of its key on both sides and compares every field.
pub async fn table(east: &Client, west: &Client, table: &'static str) -> Result<Verdict> {
    let sql = format!("SELECT * FROM {table} ORDER BY id");
    let mut left = Rows::open(east, &sql).await.doing(format!("{sql} on east"))?;
    let mut right = Rows::open(west, &sql).await.doing(format!("{sql} on west"))?;
    let mut verdict = Verdict { table, equal: 0, difference: None };
    loop {
        let a = left.next().await.doing(format!("{sql} on east"))?;
        let b = right.next().await.doing(format!("{sql} on west"))?;
        match (a, b) {
            (None, None) => return Ok(verdict),
            (Some(a), Some(b)) if fields(&a) == fields(&b) => verdict.equal += 1,
            (a, b) => {
                let shown = |row: Option<SimpleQueryRow>| match row {
                    Some(row) => format!("{:?}", fields(&row)),
                    None => "no more rows".into(),
                };
                verdict.difference = Some(format!(
                    "after {} equal rows: east has {}, west has {}",
                    verdict.equal,
                    shown(a),
                    shown(b)
                ));
                return Ok(verdict);
            }
        }
    }
}

fn fields(row: &SimpleQueryRow) -> Vec<Option<&str>> {
    (0..row.len()).map(|i| row.get(i)).collect()
}

struct Rows(Pin<Box<SimpleQueryStream>>);

impl Rows {
    async fn open(client: &Client, sql: &str) -> std::result::Result<Rows, tokio_postgres::Error> {
        Ok(Rows(Box::pin(client.simple_query_raw(sql).await?)))
    }

    async fn next(&mut self) -> std::result::Result<Option<SimpleQueryRow>, tokio_postgres::Error> {
        while let Some(message) = self.0.try_next().await? {
            if let SimpleQueryMessage::Row(row) = message {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}
