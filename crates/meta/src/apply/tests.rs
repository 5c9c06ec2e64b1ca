use super::*;
use crate::scram::Verifier;
use crate::state::*;
use crate::{Command, NewDatabase};
use base::*;

fn state() -> State {
    State::new(Cluster {
        id: ClusterId(1),
        name: "east".into(),
        node: NodeId(1),
        secret: "s".into(),
    })
}

fn epoch(number: u32, cluster: u8) -> Epoch {
    Epoch { number, cluster: ClusterId(cluster), node: NodeId(1) }
}

fn link() -> Link {
    Link {
        source: Source {
            host: "h".into(),
            port: 1,
            user: "u".into(),
            password: "p".into(),
            database: "d".into(),
        },
        source_cluster: ClusterId(2),
        paused: false,
        differential: false,
        last_error: None,
        since_ms: 5,
        verified: None,
    }
}

#[test]
fn new_partitions_are_prepared_beside_the_old_ones_and_take_their_place_in_one_step() {
    let mut state = state();
    apply(&mut state, create("d", false)).unwrap();
    let id = DatabaseId(1);
    let old = state.databases[&id].partitions.clone();
    let mut on = |command| apply(&mut state, command);
    assert!(on(Command::PrepareIncoming { database: id }).is_err(), "a primary");
    let command = Command::PutLink {
        database: id,
        link: link(),
        state: DatabaseState::Rewinding { since_ms: 1 },
        by: None,
    };
    on(command).unwrap();
    let standby = DatabaseState::Standby;
    assert!(on(Command::TakeIncoming { database: id, state: standby }).is_err(), "none yet");
    on(Command::PrepareIncoming { database: id }).unwrap();
    let Response::Database { logs, .. } = on(Command::PrepareIncoming { database: id }).unwrap()
    else {
        panic!("no logs")
    };
    assert_eq!(state.databases[&id].partitions, old);
    assert_eq!(state.databases[&id].incoming, logs);
    apply(&mut state, Command::TakeIncoming { database: id, state: standby }).unwrap();
    let record = &state.databases[&id];
    assert_eq!((&record.partitions, record.state), (&logs, standby));
    assert!(record.incoming.is_empty() && record.slots.is_empty());
}

fn slot() -> Slot {
    Slot {
        target_cluster: ClusterId(2),
        target_name: "west".into(),
        acked: vec![Lsn(10), Lsn(20)],
        replicated: Timestamp(7),
        last_seen_ms: 1,
        dropped: None,
    }
}

fn create(name: &str, target: bool) -> Command {
    Command::CreateDatabase(NewDatabase {
        attached: false,
        branch: None,
        name: name.into(),
        line: LineId(u128::MAX),
        partitions: 2,
        durability: Durability::Sync,
        state: if target { DatabaseState::Copying } else { DatabaseState::Primary },
        epoch: epoch(1, 2),
        link: target.then(link),
        at_ms: 3,
        by: None,
    })
}

fn promote(number: u32) -> Command {
    Command::Promote {
        database: DatabaseId(1),
        cut: Timestamp(100),
        epoch: epoch(number, 1),
        reason: "test".into(),
        at_ms: 9,
        keep: Some(("2/d".into(), slot())),
        by: Some("ann".into()),
        former: None,
    }
}

#[test]
fn databases_and_logs_get_ids_that_are_never_reused() {
    let mut s = state();
    let first = apply(&mut s, create("a", false)).unwrap();
    assert_eq!(first, Response::Database { id: DatabaseId(1), logs: vec![LogId(1), LogId(2)] });
    apply(&mut s, Command::DropDatabase { database: DatabaseId(1), at_ms: 4 }).unwrap();
    let second = apply(&mut s, create("a", false)).unwrap();
    assert_eq!(second, Response::Database { id: DatabaseId(2), logs: vec![LogId(3), LogId(4)] });
    assert_eq!(s.applied, 3);
    let taken = apply(&mut s.clone(), create("a", false)).unwrap_err();
    assert_eq!(taken.state, SqlState::DUPLICATE_DATABASE);
}

#[test]
fn promotion_needs_a_standby_and_a_higher_epoch_and_repeats_quietly() {
    let mut s = state();
    apply(&mut s, create("d", true)).unwrap();
    assert!(apply(&mut s.clone(), promote(2)).is_err(), "still copying");
    let standby =
        Command::SetDatabaseState { database: DatabaseId(1), state: DatabaseState::Standby };
    apply(&mut s, standby).unwrap();
    assert!(apply(&mut s.clone(), promote(1)).is_err(), "epoch not higher");
    apply(&mut s, promote(2)).unwrap();
    apply(&mut s, promote(2)).unwrap();
    let d = s.database("d").unwrap();
    assert_eq!((d.state, &d.link), (DatabaseState::Primary, &None));
    assert_eq!(d.slot_floor(1), Some(Lsn(21)));
    assert_eq!(d.slot_time(), Some(Timestamp(7)));
    assert_eq!(s.history.iter().filter(|h| h.kind == "promote").count(), 1);
}

#[test]
fn slot_positions_never_go_back_and_a_given_up_slot_keeps_nothing() {
    let mut s = state();
    apply(&mut s, create("d", false)).unwrap();
    let (database, name) = (DatabaseId(1), "2/d".to_string());
    apply(&mut s, Command::PutSlot { database, name: name.clone(), slot: slot() }).unwrap();
    let ack = |a, b| Command::AckSlot {
        database,
        name: name.clone(),
        acked: vec![Lsn(a), Lsn(b)],
        replicated: Timestamp(1),
        at_ms: 0,
    };
    apply(&mut s, ack(5, 30)).unwrap();
    assert_eq!(s.databases[&database].slots[&name].acked, [Lsn(10), Lsn(30)]);
    let reason = Some("too old".to_string());
    let drop = Command::DropSlot { database, name: name.clone(), reason, at_ms: 1 };
    apply(&mut s, drop).unwrap();
    assert_eq!(s.databases[&database].slot_floor(0), None);
    assert!(apply(&mut s, ack(50, 50)).is_err());
}

#[test]
fn a_partner_is_forgotten_with_all_its_slots_and_nobody_elses() {
    let mut s = state();
    apply(&mut s, create("d", false)).unwrap();
    let database = DatabaseId(1);
    let put = |name: &str, cluster, dropped: Option<&str>| Command::PutSlot {
        database,
        name: name.into(),
        slot: Slot {
            target_cluster: ClusterId(cluster),
            dropped: dropped.map(str::to_owned),
            ..slot()
        },
    };
    for command in [put("2/d", 2, None), put("2/e", 2, Some("too old")), put("3/d", 3, None)] {
        apply(&mut s, command).unwrap();
    }
    let handover = Handover {
        id: 1,
        peer: ClusterId(2),
        peer_name: "west".into(),
        at_ms: 1,
        side: HandoverSide::Taken { former: link().source },
    };
    apply(&mut s, Command::PutHandover { database, handover }).unwrap();
    assert!(s.databases[&database].is_followed());
    let forget = |cluster| Command::ForgetPartner {
        database,
        cluster: ClusterId(cluster),
        detail: "west is forgotten".into(),
        at_ms: 4,
        by: Some("ann".into()),
    };
    apply(&mut s, forget(2)).unwrap();
    let d = &s.databases[&database];
    assert_eq!(d.slots.keys().collect::<Vec<_>>(), ["3/d"]);
    assert!(d.handover.is_none() && d.is_followed());
    let last = s.history.last().unwrap();
    assert_eq!((last.kind.as_str(), last.who.as_deref()), ("reset", Some("ann")));
    apply(&mut s, forget(3)).unwrap();
    assert!(!s.databases[&database].is_followed());
    // A handover that binds this side is not ended by it.
    let giving = Handover {
        id: 2,
        peer: ClusterId(2),
        peer_name: "west".into(),
        at_ms: 1,
        side: HandoverSide::Giving { password: "p".into(), gate: None },
    };
    apply(&mut s, Command::PutHandover { database, handover: giving }).unwrap();
    apply(&mut s, forget(2)).unwrap();
    assert!(s.databases[&database].handover.is_some());
}

#[test]
fn last_superuser_stays() {
    let mut s = state();
    let verifier = Verifier::new("p", b"salt", 1);
    let user = |name: &str, superuser| Command::CreateUser {
        name: name.into(),
        verifier: verifier.clone(),
        superuser,
    };
    apply(&mut s, user("root", true)).unwrap();
    apply(&mut s, user("guest", false)).unwrap();
    assert!(
        apply(&mut s.clone(), Command::DropUser { name: "root".into(), at: Timestamp::ZERO })
            .is_err()
    );
    let demote = Command::AlterUser { name: "root".into(), verifier: None, superuser: Some(false) };
    assert!(apply(&mut s.clone(), demote).is_err());
    apply(&mut s, Command::DropUser { name: "guest".into(), at: Timestamp::ZERO }).unwrap();
    assert!(
        apply(&mut s.clone(), Command::DropUser { name: "guest".into(), at: Timestamp::ZERO })
            .is_err()
    );
}

#[test]
fn gate_expires_when_it_is_time_and_not_before() {
    let mut s = state();
    apply(&mut s, create("d", false)).unwrap();
    let database = DatabaseId(1);
    let gate = Gate {
        reason: "r".into(),
        owner: "bob".into(),
        at_ms: 10,
        expires_ms: Some(20),
        queues: false,
    };
    apply(&mut s, Command::SetGate { database, gate }).unwrap();
    for (at_ms, gated) in [(19, true), (20, false), (21, false)] {
        apply(&mut s, Command::ExpireGate { database, at_ms }).unwrap();
        assert_eq!(s.databases[&database].gate.is_some(), gated, "at {at_ms}");
    }
    let last = s.history.last().unwrap();
    assert_eq!((last.kind.as_str(), last.who.as_deref()), ("ungate", Some("expiry")));
    assert_eq!(s.history.len(), 3);
}

#[test]
fn history_is_bounded() {
    let mut s = state();
    for at_ms in 0..(HISTORY_ROWS as u64 + 10) {
        note(&mut s, HistoryRow::new(at_ms, "d", "k", ""));
    }
    assert_eq!((s.history.len(), s.history[0].at_ms), (HISTORY_ROWS, 10));
    assert_eq!((s.history[0].id, s.events), (11, HISTORY_ROWS as u64 + 10));
}

#[test]
fn a_bad_line_does_not_push_out_what_else_happened() {
    let mut s = state();
    apply(&mut s, create("d", true)).unwrap();
    for at_ms in 1..3_000 {
        let error = (at_ms % 2 == 1).then(|| format!("broken at {at_ms}"));
        apply(&mut s, Command::LinkError { database: DatabaseId(1), error, at_ms }).unwrap();
    }
    assert_eq!((s.history[0].kind.as_str(), s.history.len()), ("create", 1 + LINK_ROWS));
    let (last, before) = (&s.history[LINK_ROWS], &s.history[LINK_ROWS - 1]);
    assert_eq!((last.kind.as_str(), last.detail.as_str()), ("link down", "broken at 2999"));
    assert_eq!((before.kind.as_str(), before.id + 1), ("link up", last.id));
}

#[test]
fn history_tells_who_did_what_in_which_epoch_at_which_cut() {
    let mut s = state();
    let database = DatabaseId(1);
    let by = Some("ann".to_owned());
    apply(&mut s, create("d", true)).unwrap();
    let pause = |paused| Command::PauseLink { database, paused, at_ms: 5, by: by.clone() };
    apply(&mut s, pause(true)).unwrap();
    apply(&mut s, pause(true)).unwrap();
    apply(&mut s, pause(false)).unwrap();
    apply(&mut s, Command::SetDatabaseState { database, state: DatabaseState::Standby }).unwrap();
    apply(&mut s, promote(2)).unwrap();
    let gate = Gate {
        reason: "moving".into(),
        owner: "bob".into(),
        at_ms: 10,
        expires_ms: None,
        queues: false,
    };
    apply(&mut s, Command::SetGate { database, gate }).unwrap();
    apply(&mut s, Command::ClearGate { database, at_ms: 11, by: by.clone() }).unwrap();
    let raise = |number| Command::RaiseEpoch { database, epoch: epoch(number, 2), at_ms: 12 };
    apply(&mut s, raise(1)).unwrap();
    apply(&mut s, raise(3)).unwrap();
    let shown = |r: &HistoryRow| {
        let epoch = r.epoch.map_or(0, |e| e.number);
        (r.id, r.kind.clone(), epoch, r.cut.map(|c| c.0), r.who.clone().unwrap_or_default())
    };
    let all: Vec<_> = s.history.iter().map(shown).collect();
    let row = |id, kind: &str, epoch, cut, who: &str| (id, kind.into(), epoch, cut, who.into());
    let want = [
        row(1, "create", 1, None, ""),
        row(2, "pause", 1, None, "ann"),
        row(3, "continue", 1, None, "ann"),
        row(4, "promote", 2, Some(100), "ann"),
        row(5, "gate", 2, None, "bob"),
        row(6, "ungate", 2, None, "ann"),
        row(7, "epoch", 3, None, ""),
    ];
    assert_eq!(all, want);
}

/// A folder of the first version: its commands and its state lack what came later.
#[test]
fn commands_and_rows_of_the_first_version_are_read() {
    let old = [
        r#"{"PauseLink":{"database":1,"paused":true}}"#,
        r#"{"ClearGate":{"database":1,"at_ms":3}}"#,
        r#"{"LinkError":{"database":1,"error":"x"}}"#,
        r#"{"RaiseEpoch":{"database":1,"epoch":{"number":7,"cluster":2,"node":1}}}"#,
        r#"{"History":{"at_ms":1,"database":"d","kind":"role","detail":"from a to b"}}"#,
    ];
    let mut s = state();
    apply(&mut s, create("d", true)).unwrap();
    for text in old {
        let command = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        apply(&mut s, command).unwrap();
    }
    let kinds: Vec<_> = s.history.iter().map(|h| h.kind.as_str()).collect();
    assert_eq!(kinds, ["create", "role"], "no event without its time");
    assert_eq!(s.databases[&DatabaseId(1)].promotion_epoch, epoch(7, 2));
    let new = serde_json::to_string(&s).unwrap();
    let old = new.replace(",\"events\":2", "").replace("\"id\":2,\"at_ms\"", "\"at_ms\"");
    assert!(old.len() < new.len() - 15, "{new}");
    let read = serde_json::from_str::<State>(&old).unwrap();
    assert_eq!((read.events, read.history[1].id), (0, 0));
}

#[test]
fn state_and_commands_survive_json() {
    let mut s = state();
    apply(&mut s, create("d", true)).unwrap();
    let since = DatabaseState::Rewinding { since_ms: 3 };
    let all = Command::Batch(vec![
        Command::PutSlot { database: DatabaseId(1), name: "x".into(), slot: slot() },
        Command::SetDatabaseState { database: DatabaseId(1), state: since },
        Command::OracleBound(Timestamp::MAX),
    ]);
    let text = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), all);
    apply(&mut s, all).unwrap();
    let text = serde_json::to_string(&s).unwrap();
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), s);
}

fn branch(purpose: Purpose) -> Command {
    let Command::CreateDatabase(new) = create("b", false) else { panic!("another command") };
    let (of, name, cut) = (DatabaseId(1), "a".to_owned(), Timestamp(50));
    let branch = Some(Branch { of, name, cut, purpose });
    Command::CreateDatabase(NewDatabase { state: DatabaseState::Branching, branch, ..new })
}

fn finish(gate: Option<Gate>) -> Command {
    Command::FinishBranch { database: DatabaseId(2), gate, at_ms: 8, by: Some("ann".into()) }
}

#[test]
fn a_branch_is_a_primary_once_it_is_finished_and_not_before() {
    let mut s = state();
    apply(&mut s, create("a", false)).unwrap();
    let (database, ms) = (DatabaseId(1), Some(7_000));
    apply(&mut s, Command::SetVersionRetention { database, ms, at_ms: 4 }).unwrap();
    apply(&mut s, branch(Purpose::Own)).unwrap();
    assert!(s.database("b").unwrap().is_passing());
    assert_eq!(s.history.last().unwrap().kind, "version retention", "nothing to tell yet");
    let put = Command::PutLink {
        database: DatabaseId(2),
        link: link(),
        state: DatabaseState::Copying,
        by: None,
    };
    let refused = apply(&mut s.clone(), put).unwrap_err();
    assert_eq!(refused.state, SqlState::OBJECT_IN_USE);
    apply(&mut s, finish(None)).unwrap();
    let made = s.database("b").unwrap();
    assert_eq!((made.state, made.version_retention_ms), (DatabaseState::Primary, ms));
    assert!(!made.is_passing());
    let told = s.history.last().unwrap();
    assert_eq!((told.kind.as_str(), told.cut), ("branch", Some(Timestamp(50))));
    assert!(apply(&mut s, finish(None)).is_err(), "once");
}

#[test]
fn a_drill_is_told_of_once_and_proves_something_if_it_is_passed() {
    let mut s = state();
    apply(&mut s, create("a", false)).unwrap();
    let before = s.history.len();
    apply(&mut s, branch(Purpose::Drill)).unwrap();
    apply(&mut s, finish(None)).unwrap();
    assert!(s.database("b").unwrap().is_passing(), "it does not outlive the process");
    apply(&mut s, Command::DropDatabase { database: DatabaseId(2), at_ms: 9 }).unwrap();
    assert_eq!(s.history.len(), before);
    for (at_ms, passed) in [(10, true), (11, false)] {
        let detail = "writable after 3 ms".to_owned();
        let drill = Drill { at_ms, cut: Timestamp(50), passed, writable_ms: 3, detail };
        apply(&mut s, Command::Drilled { database: DatabaseId(1), drill, by: None }).unwrap();
    }
    let tried = s.database("a").unwrap();
    let at = |drill: &Option<Drill>| drill.as_ref().map(|d| d.at_ms);
    assert_eq!((at(&tried.last_proven), at(&tried.last_drill)), (Some(10), Some(11)));
    let told: Vec<&str> = s.history[before..].iter().map(|row| row.detail.as_str()).collect();
    assert_eq!(told, ["passed: writable after 3 ms", "FAILED: writable after 3 ms"]);
}

#[test]
fn metadata_of_before_branches_is_read() {
    let mut s = state();
    apply(&mut s, create("a", false)).unwrap();
    // A JSON value holds no larger number.
    s.databases.get_mut(&DatabaseId(1)).unwrap().line = LineId(5);
    let mut old = serde_json::to_value(&s).unwrap();
    let database = old["databases"]["1"].as_object_mut().unwrap();
    for field in ["branch", "last_drill", "last_proven"] {
        assert!(database.remove(field).is_some(), "{field}");
    }
    assert_eq!(serde_json::from_value::<State>(old).unwrap(), s);
}
