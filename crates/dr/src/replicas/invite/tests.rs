use super::*;
use base::{DatabaseId, LineId, LogId, NodeId};
use meta::{Durability, Link};
use std::collections::BTreeMap;

fn epoch(number: u32) -> Epoch {
    Epoch { number, cluster: ClusterId(1), node: NodeId(1) }
}

fn invitation(number: u32) -> Invitation {
    Invitation {
        database: "copy".into(),
        address: ("east".into(), 5432),
        source_database: "d".into(),
        line: LineId(7),
        cluster: ClusterId(1),
        cluster_name: "east".into(),
        promotion_epoch: epoch(number),
        durability: Durability::Sync,
        step: InvitationStep::Ask,
    }
}

fn record(line: u128, number: u32, link: Option<(u8, &str)>) -> Record {
    let link = link.map(|(cluster, database)| Link {
        verified: None,
        source: Source {
            host: "east".into(),
            port: 5432,
            user: "root".into(),
            password: String::new(),
            database: database.into(),
        },
        source_cluster: ClusterId(cluster),
        paused: false,
        differential: false,
        last_error: None,
        since_ms: 0,
    });
    let state = if link.is_some() { DatabaseState::Standby } else { DatabaseState::Primary };
    Record {
        group: None,
        max_lag: None,
        branch: None,
        last_drill: None,
        last_proven: None,
        incoming: Vec::new(),
        adopting: false,
        own_rights: false,
        id: DatabaseId(1),
        name: "copy".into(),
        line: LineId(line),
        partitions: vec![LogId(1)],
        durability: Durability::Sync,
        state,
        promotion_epoch: epoch(number),
        promotion: None,
        gate: None,
        link,
        slots: BTreeMap::new(),
        handover: None,
        version_retention_ms: None,
        replicas: BTreeMap::new(),
        bytes_per_second: None,
        hidden: false,
    }
}

#[test]
fn only_a_former_primary_of_the_same_line_is_called_back() {
    let of = |record: &Record, number| Standing::of(Some(record), &invitation(number));
    let standing = |record: &Record, number| of(record, number).expect("fine");
    assert_eq!(Standing::of(None, &invitation(1)).expect("fine"), Standing::Absent);
    let follows = record(7, 1, Some((1, "d")));
    assert_eq!(standing(&follows, 1), Standing::Follows { paused: false });
    let former = record(7, 1, None);
    assert_eq!(standing(&former, 2), Standing::Former);
    assert_eq!(standing(&former, 1), Standing::Newer);
    assert_eq!(standing(&record(7, 3, None), 2), Standing::Newer);
    let refused = |record: &Record| of(record, 9).expect_err("refused").state;
    assert_eq!(refused(&record(8, 1, None)), SqlState::DUPLICATE_DATABASE);
    // Of one that follows another source, the later promotion decides.
    let others = SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
    assert_eq!(refused(&record(7, 9, Some((3, "d")))), others);
    assert_eq!(refused(&record(7, 9, Some((1, "e")))), others);
    assert_eq!(standing(&record(7, 1, Some((3, "d"))), 2), Standing::Former);
    let copying = Record { state: DatabaseState::Copying, ..record(7, 1, Some((3, "d"))) };
    assert_eq!(refused(&copying), others);
}

#[test]
fn login_of_a_cluster_makes_no_database_and_speaks_for_itself_only() {
    assert!(check_asker("root", ClusterId(1), false).is_ok());
    assert!(check_asker("cluster:1", ClusterId(1), true).is_ok());
    assert!(check_asker("cluster:1", ClusterId(1), false).is_err());
    assert!(check_asker("cluster:2", ClusterId(1), true).is_err());
}
