//! The last page: what happened, and whether it adds up.

use super::audit::Account;
use super::compare::Verdict;
use crate::words;
use comfy_table::{Table, presets};
use std::time::Duration;

/// Everything that was measured and checked.
pub struct Report {
    /// Every commit accounted for.
    pub account: Account,
    /// Transactions that were refused (conflict, read-only); nothing happened in them.
    pub refused: u64,
    /// Longest time without an acknowledged commit around the crash.
    pub crash_gap: Duration,
    /// Of that, the statement that promoted west.
    pub promotion: Duration,
    /// Longest time without an acknowledged commit around the planned hand-over.
    pub handover_gap: Duration,
    /// From the order to come back until east had caught up.
    pub failback: Duration,
    /// Bytes that the failback brought over the wire.
    pub failback_bytes: Option<u64>,
    /// Bytes of the database on disk.
    pub database_bytes: u64,
    /// Row-by-row comparison of both sides.
    pub verdicts: Vec<Verdict>,
    /// Whatever else must not be.
    pub oddities: Vec<String>,
}

impl Report {
    /// Everything that does not add up.
    fn mistakes(&self) -> Vec<String> {
        let differences = self
            .verdicts
            .iter()
            .filter_map(|v| Some(format!("table {} differs: {}", v.table, v.difference.as_ref()?)));
        let kept = self.account.mistakes.iter().cloned();
        kept.chain(self.oddities.iter().cloned()).chain(differences).collect()
    }

    /// Prints the page; true if all adds up.
    pub fn print(&self) -> bool {
        println!("\n{}", self.table());
        let mistakes = self.mistakes();
        if mistakes.is_empty() {
            println!("Everything adds up.");
            return true;
        }
        for mistake in mistakes.iter().take(20) {
            println!("DOES NOT ADD UP: {mistake}");
        }
        if mistakes.len() > 20 {
            println!("DOES NOT ADD UP: … and {} more", mistakes.len() - 20);
        }
        false
    }

    fn table(&self) -> Table {
        let a = &self.account;
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED);
        let mut row = |what: &str, value: String| {
            table.add_row([what.to_string(), value]);
        };
        let west = words::count(a.acknowledged - a.by_east);
        let told = format!(
            "{} (east {}, west {west})",
            words::count(a.acknowledged),
            words::count(a.by_east)
        );
        row("acknowledged commits", told);
        row("  found in the data", words::count(a.in_data));
        row("  stranded by the crash, all kept", words::count(a.stranded));
        row(
            "    information_schema.diverged_*",
            format!(
                "{} transactions, {} rows",
                words::count(a.diverged.0),
                words::count(a.diverged.1)
            ),
        );
        row("  lost, or found twice", a.mistakes.len().to_string());
        row(
            "COMMITs cut off by the crash",
            format!(
                "{}, of which {} happened",
                words::count(a.unknown.0),
                words::count(a.unknown.1)
            ),
        );
        row("refused, nothing happened", words::count(self.refused));
        row(
            "sum of all balances",
            format!(
                "{} (must be {})",
                words::count_signed(a.sum),
                words::count_signed(a.expected_sum)
            ),
        );
        row(
            "no writable database: crash",
            format!(
                "{} (STOP REPLICATING took {})",
                words::span(self.crash_gap),
                words::span(self.promotion)
            ),
        );
        row("no writable database: hand-over", words::span(self.handover_gap));
        row("failback until caught up", words::span(self.failback));
        row("  shipped by the failback", self.shipped());
        for v in &self.verdicts {
            let verdict = match &v.difference {
                None => format!("equal, {} rows", words::count(v.equal)),
                Some(_) => "DIFFERENT".into(),
            };
            row(&format!("east and west, table {}", v.table), verdict);
        }
        table
    }

    fn shipped(&self) -> String {
        let Some(bytes) = self.failback_bytes else { return "unknown".into() };
        let percent = bytes as f64 * 100.0 / self.database_bytes.max(1) as f64;
        let whole = words::bytes(self.database_bytes);
        format!("{} ({percent:.1} % of the database's {whole})", words::bytes(bytes))
    }
}
