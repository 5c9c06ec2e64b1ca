//! What the databases keep, and for how long.

use super::sheet::{Cell, Sheet, at_ms};
use super::source::{Facts, WindowFact};
use base::Timestamp;
use txn::Engine;

/// The windows of all open databases, by name.
pub(super) fn windows_of(engine: &Engine) -> Vec<WindowFact> {
    let own = |name: &str| engine.record(name).is_ok_and(|r| r.version_retention_ms.is_some());
    let one = |database: std::sync::Arc<txn::Database>| WindowFact {
        database: database.name().to_owned(),
        retention_ms: u64::try_from(database.version_retention().as_millis()).unwrap_or(u64::MAX),
        is_default: !own(database.name()),
        window: database.window().ok().map(|w| (w.oldest, w.newest)),
    };
    engine.databases().into_iter().map(one).collect()
}

/// `information_schema.version_windows`
pub(super) fn windows(facts: &Facts, sheet: &mut Sheet) {
    for fact in &facts.windows {
        // Nothing is older than the database: its first version is readable.
        let oldest = fact.window.map(|w| w.0).filter(|ts| *ts > Timestamp::ZERO);
        let newest = fact.window.map(|w| w.1);
        let time = |ts: Option<Timestamp>| ts.map_or(Cell::Null, |ts| at_ms(ts.ms()));
        sheet.row([
            ("database_name", (&fact.database).into()),
            ("version_retention_ms", fact.retention_ms.into()),
            ("is_default", fact.is_default.into()),
            ("oldest_time", time(oldest)),
            ("newest_time", time(newest)),
            ("oldest_hybrid_time", oldest.map(|ts| ts.0).into()),
            ("newest_hybrid_time", newest.map(|ts| ts.0).into()),
        ]);
    }
}
