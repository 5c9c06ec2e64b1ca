//! Am I protected right now? And what changes sides together.

use super::sheet::{Cell, Sheet, at_ms};
use super::source::{Facts, GroupFact, ProtectionFact};
use base::Timestamp;
use dr::{Links, SlotStatus};
use meta::DatabaseState;
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, Engine};

/// How well each open database is protected.
pub(super) fn of(engine: &Engine, links: Option<&Links>) -> Vec<ProtectionFact> {
    let slots = links.map(Links::slots).unwrap_or_default();
    engine.databases().iter().map(|database| one(engine, database, &slots)).collect()
}

fn one(engine: &Engine, database: &Arc<Database>, slots: &[SlotStatus]) -> ProtectionFact {
    let live = |s: &&SlotStatus| s.database == database.name() && s.dropped.is_none();
    let live: Vec<&SlotStatus> = slots.iter().filter(live).collect();
    let (now, cover) = (engine.oracle.now(), database.cover());
    let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let primary = database.state() == DatabaseState::Primary;
    ProtectionFact {
        database: database.name().to_owned(),
        role: database.state().name().to_owned(),
        standbys: (live.iter().filter(|s| s.connected).count(), live.len()),
        lag_ms: primary.then(|| ms(cover.lag(now))),
        limit: cover.limit().map(|l| (ms(l.max), l.blocks)),
        exceeded: primary && cover.exceeded(now).is_some(),
    }
}

/// `information_schema.protection_status`
pub(super) fn status(facts: &Facts, sheet: &mut Sheet) {
    for fact in &facts.protection {
        let (connected, standbys) = fact.standbys;
        let on_exceed = fact.limit.map(|(_, blocks)| if blocks { "block" } else { "warn" });
        sheet.row([
            ("database_name", (&fact.database).into()),
            ("role", (&fact.role).into()),
            ("standbys", standbys.into()),
            ("connected_standbys", connected.into()),
            ("uncovered_ms", fact.lag_ms.into()),
            ("max_replication_lag_ms", fact.limit.map(|(ms, _)| ms).into()),
            ("on_exceed", on_exceed.into()),
            ("exceeded", fact.exceeded.into()),
        ]);
    }
}

/// The databases that are in a replication group.
pub(super) fn groups_of(engine: &Engine) -> Vec<GroupFact> {
    let open = engine.databases();
    let mut facts: Vec<GroupFact> = Vec::new();
    for database in &open {
        let Ok(record) = engine.record(database.name()) else { continue };
        let Some(group) = record.group else { continue };
        let standby = database.state() == DatabaseState::Standby;
        facts.push(GroupFact {
            group,
            database: record.name,
            role: database.state().name().to_owned(),
            replicated: standby.then(|| database.replicated_time()),
            cut: None,
        });
    }
    let times = facts.clone();
    for fact in facts.iter_mut().filter(|f| f.replicated.is_some()) {
        let of_group = times.iter().filter(|other| other.group == fact.group);
        // One that is no standby yet has no time, and so the group has no cut.
        fact.cut = of_group.map(|other| other.replicated).min().flatten();
    }
    facts
}

/// `information_schema.replication_groups`
pub(super) fn groups(facts: &Facts, sheet: &mut Sheet) {
    let time = |ts: Option<Timestamp>| ts.map_or(Cell::Null, |ts| at_ms(ts.ms()));
    for fact in &facts.groups {
        sheet.row([
            ("group_name", (&fact.group).into()),
            ("database_name", (&fact.database).into()),
            ("role", (&fact.role).into()),
            ("replicated_at", time(fact.replicated)),
            ("group_cut", time(fact.cut)),
        ]);
    }
}
