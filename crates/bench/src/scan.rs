//! Aggregates, a sort and a join over many rows: one node alone.

use crate::args::Args;
use crate::rows::{self, GROUPS, SUMS, run, timed};
use crate::side::{Result, Side};
use crate::table::{Figure, Figures};

/// Rows of one transaction of the load.
const AT_ONCE: u64 = 500_000;

/// What is measured.
const STATEMENTS: [(&str, &str); 6] = [
    ("count", "SELECT count(*) FROM load"),
    ("sums", SUMS),
    ("groups over half of the rows", GROUPS),
    ("groups by text", "SELECT substr(remark, 8, 2), count(*) FROM load GROUP BY 1 ORDER BY 1"),
    ("sort, first 100", "SELECT id, amount FROM load ORDER BY amount DESC, id LIMIT 100"),
    (
        "join with a small table",
        "SELECT k.name, count(*), sum(l.amount) FROM load l JOIN kinds k ON k.kind = l.kind \
         GROUP BY k.name ORDER BY k.name",
    ),
];

/// Measures one side.
pub async fn measure(
    args: &Args,
    index: usize,
    side: &dyn Side,
    figures: &mut Figures,
) -> Result<()> {
    let client = side.endpoint().connect().await?;
    let mut note = |kind: &str, value: f64| {
        eprintln!("{}: {kind} {value:.0}", side.name());
        figures.add(kind, Figure { side: index, value });
    };
    // The tables of `engine` may be there.
    run(&client, "DROP TABLE IF EXISTS load").await?;
    let rows = args.scan_rows as f64;
    let label = |what: &str| format!("scan of {} rows, {what}: rows/s", args.scan_rows);
    note(&label("COPY"), rows / rows::load(&client, args.scan_rows, AT_ONCE).await?);
    run(&client, "CREATE TABLE kinds (kind integer PRIMARY KEY, name text NOT NULL)").await?;
    run(&client, "INSERT INTO kinds SELECT n, 'kind ' || n FROM generate_series(0, 99) AS g(n)")
        .await?;
    // Both have their statistics, and what PostgreSQL writes at the first scan is written.
    run(&client, "CHECKPOINT").await?;
    for _ in 0..args.runs.max(2) {
        for (what, sql) in STATEMENTS {
            note(&label(what), rows / timed(&client, sql).await?);
        }
    }
    run(&client, "DROP TABLE load; DROP TABLE kinds").await
}
