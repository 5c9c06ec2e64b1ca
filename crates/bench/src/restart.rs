//! The start after a crash, with much in the log.

use crate::args::Args;
use crate::rows::{self, run};
use crate::side::{Result, Side};
use crate::table::{Figure, Figures};
use std::time::Instant;

/// About the bytes of a row of the table that is loaded, as text.
const ROW: u64 = 75;
/// Rows of one transaction of the load, and rows that one transaction updates.
const AT_ONCE: u64 = 200_000;

/// Measures one side: half of the changes are new rows, half are updates of these.
pub async fn measure(
    args: &Args,
    index: usize,
    side: &mut dyn Side,
    figures: &mut Figures,
) -> Result<()> {
    let at = side.endpoint();
    let client = at.connect().await?;
    let rows = (args.change_mib << 20) / 2 / ROW;
    rows::load(&client, rows, AT_ONCE).await?;
    let mut from = 0;
    while from < rows {
        let to = from + AT_ONCE;
        let sql = format!("UPDATE load SET amount = amount + 1 WHERE id >= {from} AND id < {to}");
        run(&client, &sql).await?;
        from = to;
    }
    drop(client);
    side.crash()?;
    let started = Instant::now();
    side.restart()?;
    for (what, sql) in [
        ("first read", "SELECT amount FROM load WHERE id = 0"),
        ("first write", "UPDATE load SET amount = amount + 1 WHERE id = 0"),
    ] {
        rows::first(&at, sql).await?;
        let value = started.elapsed().as_secs_f64();
        let kind = format!("crash after {} MiB of changes, {what}: seconds", args.change_mib);
        eprintln!("{}: {kind} {value:.2}", side.name());
        figures.add(&kind, Figure { side: index, value });
    }
    let count = testkit::one(&at.connect().await?, "SELECT count(*) FROM load").await;
    match count == rows.to_string() {
        true => Ok(()),
        false => Err(format!("{}: {count} rows of {rows} are there", side.name())),
    }
}
