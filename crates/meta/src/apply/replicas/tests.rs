use crate::apply::apply;
use crate::state::{Cluster, DatabaseState, Durability, Link, Source, State};
use crate::{
    CYCLES_MAX, Command, Cycle, CycleState, NewDatabase, RemoteServer, Replica, ReplicaCommand,
    ReplicaOptions, Slot, Wanted,
};
use base::{ClusterId, DatabaseId, Epoch, LineId, Lsn, NodeId, SqlState, Timestamp};

const D: DatabaseId = DatabaseId(1);

fn state() -> State {
    let (id, node) = (ClusterId(1), NodeId(1));
    let mut state = State::new(Cluster { id, name: "west".into(), node, secret: "s".into() });
    let create = Command::CreateDatabase(NewDatabase {
        attached: false,
        name: "d".into(),
        line: LineId(1),
        partitions: 1,
        durability: Durability::Sync,
        state: DatabaseState::Primary,
        epoch: Epoch { number: 1, cluster: id, node },
        link: None,
        at_ms: 1,
        by: None,
        branch: None,
    });
    apply(&mut state, create).unwrap();
    state
}

fn server(host: &str) -> RemoteServer {
    RemoteServer { id: 0, host: host.into(), port: 5432, user: None, password: None }
}

fn put(name: &str, host: &str, replace: bool) -> Command {
    let (name, server) = (name.into(), server(host));
    ReplicaCommand::PutRemoteServer { name, server, replace }.into()
}

fn add(name: &str, to: &str) -> Command {
    let options = ReplicaOptions {
        alias: "copy".into(),
        frequency_ms: 0,
        bytes_per_second: None,
        reverse: None,
        own_rights: false,
        exclude: Vec::new(),
    };
    let replica = Replica {
        id: 0,
        server: to.into(),
        options,
        wanted: Wanted::NotStarted,
        target: None,
        last_cycle: 0,
        cycles: Vec::new(),
        since_ms: 2,
    };
    ReplicaCommand::AddReplica { database: D, name: name.into(), replica, by: None }.into()
}

fn set(wanted: Wanted, target: Option<u8>) -> Command {
    let (name, target) = ("r".into(), target.map(ClusterId));
    ReplicaCommand::SetReplica { database: D, name, wanted, target, at_ms: 3, by: None }.into()
}

fn refused(state: &State, command: Command) -> SqlState {
    apply(&mut state.clone(), command).expect_err("refused").state
}

fn replica(state: &State) -> &Replica {
    &state.databases[&D].replicas["r"]
}

#[test]
fn names_are_unique_and_numbers_never_given_twice() {
    let mut s = state();
    apply(&mut s, put("east", "a", false)).unwrap();
    assert_eq!(refused(&s, put("east", "b", false)), SqlState::DUPLICATE_OBJECT);
    assert_eq!(refused(&s, put("north", "b", true)), SqlState::UNDEFINED_OBJECT);
    apply(&mut s, put("east", "b", true)).unwrap();
    let east = &s.remote_servers["east"];
    assert_eq!((east.id, east.host.as_str()), (1, "b"));
    assert_eq!(refused(&s, add("r", "north")), SqlState::UNDEFINED_OBJECT);
    apply(&mut s, add("r", "east")).unwrap();
    assert_eq!(refused(&s, add("r", "east")), SqlState::DUPLICATE_OBJECT);
    assert_eq!(refused(&s, add("another", "east")), SqlState::DUPLICATE_OBJECT);
    assert_eq!(replica(&s).id, 2);
    let drop = ReplicaCommand::DropRemoteServer { name: "east".into() };
    assert_eq!(refused(&s, drop.clone().into()), SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
    let forget = ReplicaCommand::DropReplica { database: D, name: "r".into(), at_ms: 4, by: None };
    apply(&mut s, forget.clone().into()).unwrap();
    assert_eq!(refused(&s, forget.into()), SqlState::UNDEFINED_OBJECT);
    apply(&mut s, add("r", "east")).unwrap();
    assert_eq!(replica(&s).id, 3);
}

#[test]
fn replica_that_is_dropped_keeps_no_log() {
    let mut s = state();
    apply(&mut s, put("east", "a", false)).unwrap();
    apply(&mut s, add("r", "east")).unwrap();
    apply(&mut s, set(Wanted::Running, Some(2))).unwrap();
    apply(&mut s, set(Wanted::Paused, None)).unwrap();
    assert_eq!(replica(&s).slot().as_deref(), Some("2/copy"));
    let slot = Slot {
        target_cluster: ClusterId(2),
        target_name: "east".into(),
        acked: vec![Lsn(1)],
        replicated: Timestamp(1),
        last_seen_ms: 1,
        dropped: None,
    };
    for name in ["2/copy", "3/other"] {
        let (name, slot) = (name.into(), slot.clone());
        apply(&mut s, Command::PutSlot { database: D, name, slot }).unwrap();
    }
    let drop = ReplicaCommand::DropReplica { database: D, name: "r".into(), at_ms: 4, by: None };
    apply(&mut s, drop.into()).unwrap();
    let left: Vec<_> = s.databases[&D].slots.keys().collect();
    assert_eq!(left, ["3/other"]);
}

#[test]
fn database_that_becomes_a_target_stops_its_replicas() {
    let mut s = state();
    apply(&mut s, put("east", "a", false)).unwrap();
    apply(&mut s, add("r", "east")).unwrap();
    apply(&mut s, set(Wanted::Running, Some(2))).unwrap();
    let source = Source {
        host: "a".into(),
        port: 1,
        user: "u".into(),
        password: "p".into(),
        database: "copy".into(),
    };
    let link = Link {
        verified: None,
        source,
        source_cluster: ClusterId(2),
        paused: false,
        differential: true,
        last_error: None,
        since_ms: 5,
    };
    let role = DatabaseState::Rewinding { since_ms: 5 };
    apply(&mut s, Command::PutLink { database: D, link, state: role, by: None }).unwrap();
    assert_eq!(replica(&s).wanted, Wanted::NotStarted);
}

#[test]
fn cycles_are_numbered_and_the_newest_are_kept() {
    let mut s = state();
    apply(&mut s, put("east", "a", false)).unwrap();
    apply(&mut s, add("r", "east")).unwrap();
    assert_eq!(replica(&s).last_cut(), None);
    for n in 1..=CYCLES_MAX as u64 + 5 {
        let state = if n % 5 == 0 { CycleState::Paused } else { CycleState::Done };
        let cycle = Cycle {
            id: 0,
            started_ms: n,
            ended_ms: n,
            state,
            error: None,
            sent_bytes: 0,
            cut: Timestamp(n),
        };
        let note = ReplicaCommand::NoteCycle { database: D, name: "r".into(), cycle };
        apply(&mut s, note.into()).unwrap();
    }
    let cycles = &replica(&s).cycles;
    assert_eq!((cycles.len(), cycles[0].id, cycles[CYCLES_MAX - 1].id), (CYCLES_MAX, 6, 205));
    assert_eq!(replica(&s).last_cut(), Some(Timestamp(204)), "the last one was broken off");
}

#[test]
fn first_login_at_another_cluster_stays() {
    let mut s = state();
    for password in ["first", "second"] {
        let login = ReplicaCommand::PutLogin { cluster: ClusterId(2), password: password.into() };
        apply(&mut s, login.into()).unwrap();
    }
    assert_eq!(s.logins[&ClusterId(2)], "first");
}

/// What an earlier version has written, which knew nothing of all this.
#[test]
fn state_without_replicas_is_read() {
    let mut s = state();
    s.remote_servers.clear();
    let mut json = serde_json::to_value(&s).unwrap();
    let top = json.as_object_mut().unwrap();
    for new in ["logins", "remote_servers", "last_object"] {
        top.remove(new).unwrap();
    }
    let databases = top["databases"].as_object_mut().unwrap();
    for database in databases.values_mut() {
        for new in ["replicas", "bytes_per_second", "hidden"] {
            database.as_object_mut().unwrap().remove(new).unwrap();
        }
    }
    assert_eq!(serde_json::from_value::<State>(json).unwrap(), s);
}

/// As a version wrote it that knew neither.
#[test]
fn replica_of_an_early_version_is_read() {
    let old = r#"{"alias":"copy","frequency_ms":0,"bytes_per_second":null,"reverse":null}"#;
    let options: ReplicaOptions = serde_json::from_str(old).expect("readable");
    assert!(!options.own_rights && options.exclude.is_empty());
}
