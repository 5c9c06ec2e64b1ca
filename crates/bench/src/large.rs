//! A table five times as large as the memory that a server may use for itself.

use crate::args::Args;
use crate::load;
use crate::rows::{self, mixed, run};
use crate::side::{Result, Side};
use crate::table::{Figure, Figures};
use bytes::{BufMut, BytesMut};

/// Bytes of a row's text; with its numbers and keys a row takes a little more.
const TEXT: u64 = 900;
/// How many times the memory.
const TIMES: u64 = 5;
/// Rows of one transaction of the load.
const AT_ONCE: u64 = 8_192;

const TABLE: &str =
    "CREATE TABLE large (id bigint PRIMARY KEY, n bigint NOT NULL, v text NOT NULL)";

/// Measures all sides, which take turns.
pub async fn measure(args: &Args, sides: &[Box<dyn Side>], figures: &mut Figures) -> Result<()> {
    let rows = args.memory_mib * TIMES * (1 << 20) / TEXT;
    let mut note = |i: usize, kind: &str, value: f64| {
        eprintln!("{}: {kind} {value:.0}", sides[i].name());
        figures.add(kind, Figure { side: i, value });
    };
    for (i, side) in sides.iter().enumerate() {
        let client = side.endpoint().connect().await?;
        run(&client, TABLE).await?;
        let seconds = rows::copy(&client, "large", 0..rows, AT_ONCE, row).await?;
        note(i, "five times the memory, COPY: rows/s", rows as f64 / seconds);
        // Neither side shall pay for the load while the other one is measured.
        run(&client, "CHECKPOINT").await?;
    }
    for (what, statement) in [
        ("point reads", "SELECT n FROM large WHERE id = :id;"),
        ("updates", "UPDATE large SET n = n + 1 WHERE id = :id;"),
    ] {
        let script = format!("\\set id random(0, {})\n{statement}\n", rows - 1);
        for clients in &args.clients {
            let kind = format!("five times the memory, {what}, {clients} clients: commits/s");
            for _ in 0..args.runs {
                for (i, side) in sides.iter().enumerate() {
                    let run = load::run_text(args, &side.endpoint(), &script, *clients)?;
                    note(i, &kind, run.tps);
                }
            }
        }
    }
    for side in sides {
        if let Some(bytes) = side.peak_memory() {
            eprintln!("{}: took {} MiB of memory at most", side.name(), bytes >> 20);
        }
    }
    Ok(())
}

/// A row whose text hardly compresses.
fn row(out: &mut BytesMut, id: u64) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.put_slice(format!("{id}\t{id}\t").as_bytes());
    for piece in 0..TEXT / 10 {
        let mut bits = mixed(mixed(id * TEXT + piece) ^ id);
        for _ in 0..10 {
            out.put_u8(LETTERS[(bits & 63) as usize]);
            bits >>= 6;
        }
    }
    out.put_u8(b'\n');
}
