//! Drills: the result of `DRILL`, and what is remembered of the last ones.

use super::columns::Kind;
use super::sheet::{Cell, Sheet, at_ms};
use super::source::Facts;
use arrow::array::RecordBatch;
use base::Result;

/// The columns of `DRILL`.
pub(super) const DRILLED: [(&str, Kind); 4] =
    [("step", Kind::Text), ("outcome", Kind::Text), ("ms", Kind::Int8), ("detail", Kind::Text)];

/// One step of a drill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillStep {
    /// Which.
    pub step: String,
    /// `ok` or `FAILED`; of the last one, `passed` or `FAILED`.
    pub outcome: &'static str,
    /// How long it took.
    pub ms: u64,
    /// For people.
    pub detail: String,
}

/// The result of `DRILL`.
pub fn drilled(steps: &[DrillStep]) -> Result<RecordBatch> {
    let mut sheet = Sheet::new(&DRILLED);
    for s in steps {
        sheet.full_row([(&s.step).into(), s.outcome.into(), s.ms.into(), (&s.detail).into()]);
    }
    sheet.batch()
}

/// `information_schema.drills`: the last one of each database.
pub(super) fn view(facts: &Facts, sheet: &mut Sheet) {
    for database in &facts.databases {
        let Some(drill) = &database.last_drill else { continue };
        let proven = database.last_proven.as_ref();
        sheet.row([
            ("database_name", (&database.name).into()),
            ("drill_time", at_ms(drill.at_ms)),
            ("cut", at_ms(drill.cut_ms)),
            ("outcome", if drill.passed { "passed" } else { "FAILED" }.into()),
            ("writable_ms", drill.writable_ms.into()),
            ("detail", (&drill.detail).into()),
            ("last_proven", proven.map_or(Cell::Null, |p| at_ms(p.at_ms))),
            ("last_proven_cut", proven.map_or(Cell::Null, |p| at_ms(p.cut_ms))),
        ]);
    }
}
