use super::*;
use crate::NewDatabase;
use crate::apply::apply;
use crate::command::Command;
use crate::roles::{DroppedRole, RoleChange};
use crate::scram::Verifier;
use crate::state::{Cluster, DatabaseState, Durability};
use base::{ClusterId, Epoch, LineId, NodeId, SqlState, Timestamp};

fn verifier(password: &str) -> Verifier {
    Verifier::new(password, b"salt of 16 bytes", 4096)
}

/// A cluster with a superuser, and a database.
fn state() -> (State, DatabaseId) {
    let (id, name, node, secret) = (ClusterId(1), "east".into(), NodeId(1), "s".into());
    let mut state = State::new(Cluster { id, name, node, secret });
    let (name, verifier) = ("root".into(), verifier("root"));
    apply(&mut state, Command::CreateUser { name, verifier, superuser: true }).unwrap();
    let new = NewDatabase {
        attached: false,
        name: "d".into(),
        line: LineId(1),
        partitions: 1,
        durability: Durability::Sync,
        state: DatabaseState::Primary,
        epoch: Epoch::default(),
        link: None,
        at_ms: 0,
        by: None,
        branch: None,
    };
    apply(&mut state, Command::CreateDatabase(new)).unwrap();
    let database = *state.databases.keys().next().unwrap();
    (state, database)
}

fn create(state: &mut State, name: &str, id: u64, at: u64) {
    let role = User { id, changed: Timestamp(at), ..User::new(verifier(name)) };
    apply(state, Command::CreateRole { name: name.into(), role }).unwrap();
}

fn member(role: &str, member: &str, at: u64) -> Membership {
    let (role, member, at) = (role.into(), member.into(), Timestamp(at));
    Membership { role, member, admin: false, grantor: "root".into(), at }
}

/// What a database says that came from elsewhere.
fn theirs(roles: &[(&str, u64, u64)], as_of: u64) -> Principals {
    let one = |(name, id, at): &(&str, u64, u64)| {
        let role = User { id: *id, changed: Timestamp(*at), ..User::new(verifier("theirs")) };
        ((*name).to_owned(), role)
    };
    let roles = roles.iter().map(one).collect();
    Principals { roles, as_of: Timestamp(as_of), ..Principals::default() }
}

fn adopted(state: &State, database: DatabaseId, principals: Principals) -> State {
    let mut after = state.clone();
    apply(&mut after, Command::AdoptRoles { database, principals, at_ms: 5 }).unwrap();
    after
}

#[test]
fn a_commands_of_an_early_version_make_users_that_may_log_in() {
    let text = r#"{"CreateUser":{"name":"u","verifier":V,"superuser":false}}"#;
    let text = text.replace('V', &serde_json::to_string(&verifier("x")).unwrap());
    let mut s = state().0;
    apply(&mut s, serde_json::from_str(&text).unwrap()).unwrap();
    assert!(s.users["u"].login && s.users["u"].inherit && s.users["u"].id == 0);
    let stored = r#"{"verifier":V,"superuser":true}"#;
    let stored = stored.replace('V', &serde_json::to_string(&verifier("x")).unwrap());
    let user: User = serde_json::from_str(&stored).unwrap();
    assert!(user.login && user.superuser && !user.createdb);
    let dropped: Command = serde_json::from_str(r#"{"DropUser":{"name":"u"}}"#).unwrap();
    apply(&mut s, dropped).unwrap();
}

#[test]
fn a_role_keeps_its_memberships_under_a_new_name() {
    let mut s = state().0;
    create(&mut s, "team", 1, 1);
    create(&mut s, "bob", 2, 2);
    apply(&mut s, Command::GrantRole(member("team", "bob", 3))).unwrap();
    let rename = Command::RenameRole { name: "bob".into(), to: "rob".into(), at: Timestamp(4) };
    apply(&mut s, rename.clone()).unwrap();
    assert!(s.roles_of("rob", true).contains("team"));
    assert_eq!(apply(&mut s, rename).unwrap_err().state, SqlState::UNDEFINED_OBJECT);
    assert_eq!(s.roles_changed, Timestamp(4));
    let drop = Command::DropUser { name: "team".into(), at: Timestamp(5) };
    apply(&mut s, drop).unwrap();
    assert!(s.memberships.is_empty());
    let gone = DroppedRole { id: 1, name: "team".into(), at: Timestamp(5) };
    assert_eq!(s.dropped_roles, [gone]);
    for name in ["public", "pg_x", "none", "cluster:3", ""] {
        let role = User::new(verifier("x"));
        let create = Command::CreateRole { name: name.into(), role };
        assert!(apply(&mut s.clone(), create).is_err(), "{name}");
    }
}

#[test]
fn the_last_who_may_do_everything_can_log_in() {
    let mut s = state().0;
    let mut change = RoleChange { login: Some(false), ..RoleChange::default() };
    let name = || "root".to_string();
    let alter = |change: &RoleChange| Command::AlterRole { name: name(), change: change.clone() };
    assert!(apply(&mut s.clone(), alter(&change)).is_err());
    change = RoleChange { superuser: Some(false), ..RoleChange::default() };
    assert!(apply(&mut s.clone(), alter(&change)).is_err());
    create(&mut s, "boss", 1, 1);
    let superuser = RoleChange { superuser: Some(true), ..RoleChange::default() };
    apply(&mut s, Command::AlterRole { name: "boss".into(), change: superuser }).unwrap();
    apply(&mut s, alter(&change)).unwrap();
}

#[test]
fn roles_that_come_along_are_made_once_and_own_ones_stay() {
    let (mut s, database) = state();
    create(&mut s, "mine", 9, 9);
    let came = theirs(&[("mine", 8, 100), ("new", 7, 3), ("cluster:2", 6, 3)], 100);
    let after = adopted(&s, database, came.clone());
    assert_eq!(after.users["mine"], s.users["mine"]);
    assert_eq!(after.users["new"], came.roles["new"]);
    assert!(!after.users.contains_key("cluster:2"), "a name that no role can have");
    assert_eq!(after.roles_changed, Timestamp(100));
    let told = |s: &State| s.history.last().unwrap().detail.clone();
    assert_eq!(told(&after), "made: new; left as they are here: mine");
    let again = adopted(&after, database, came);
    assert_eq!(again.users, after.users);
    assert_eq!(told(&again), "left as they are here: mine");
}

#[test]
fn of_a_role_that_is_the_same_the_later_change_counts() {
    let (mut s, database) = state();
    create(&mut s, "bob", 7, 50);
    let older = adopted(&s, database, theirs(&[("bob", 7, 40)], 40));
    assert_eq!(older.users["bob"], s.users["bob"]);
    let newer = adopted(&s, database, theirs(&[("bob", 7, 60)], 60));
    assert_eq!(newer.users["bob"].verifier, verifier("theirs"));
}

#[test]
fn who_was_dropped_or_renamed_there_is_shut_out_here() {
    let (mut s, database) = state();
    for (name, id) in [("gone", 7), ("old", 8), ("own", 9), ("kept", 10)] {
        create(&mut s, name, id, 5);
    }
    let mut came = theirs(&[("new", 8, 20)], 30);
    let dropped = |id, at| DroppedRole { id, name: "x".into(), at: Timestamp(at) };
    // What was changed here after it was dropped there is wanted here.
    came.dropped = vec![dropped(7, 20), dropped(10, 3)];
    let after = adopted(&s, database, came);
    let may = |name: &str| after.users[name].login;
    assert!(!may("gone") && !may("old") && may("own") && may("kept") && may("new"));
}

#[test]
fn memberships_follow_the_roles_that_came_along() {
    let (mut s, database) = state();
    for (name, id) in [("team", 7), ("bob", 8), ("club", 9), ("eve", 10)] {
        create(&mut s, name, id, 5);
    }
    apply(&mut s, Command::GrantRole(member("team", "bob", 6))).unwrap();
    apply(&mut s, Command::GrantRole(member("team", "eve", 50))).unwrap();
    // There `club` is another role, and bob has left the team.
    let mut came = theirs(
        &[("team", 7, 5), ("bob", 8, 5), ("club", 70, 5), ("eve", 10, 5), ("zoe", 11, 5)],
        30,
    );
    came.memberships =
        vec![member("team", "zoe", 20), member("club", "zoe", 20), member("root", "zoe", 20)];
    let after = adopted(&s, database, came);
    let pairs: Vec<(&str, &str)> =
        after.memberships.iter().map(|m| (m.role.as_str(), m.member.as_str())).collect();
    assert_eq!(pairs, [("team", "eve"), ("team", "zoe")]);
}

#[test]
fn address_rules_of_the_database_come_along_and_go() {
    let (mut s, database) = state();
    create(&mut s, "bob", 7, 5);
    let rule = |name: &str, database: Option<&str>, id, at| AddressRule {
        name: name.into(),
        role: Some("bob".into()),
        database: database.map(str::to_owned),
        network: "10.0.0.0/8".parse().unwrap(),
        allow: true,
        priority: 0,
        id,
        changed: Timestamp(at),
    };
    let own = [
        rule("everywhere", None, 1, 5),
        rule("other", Some("e"), 2, 5),
        rule("gone", Some("d"), 3, 5),
        rule("later", Some("d"), 4, 50),
        rule("kept", Some("d"), 5, 5),
    ];
    for rule in own {
        apply(&mut s, Command::CreateAddressRule(rule)).unwrap();
    }
    let mut came = theirs(&[("bob", 7, 5)], 30);
    // There the database has another name.
    came.address_rules = vec![rule("kept", Some("x"), 5, 5), rule("other", Some("x"), 6, 20)];
    let after = adopted(&s, database, came);
    let shown: Vec<(&str, Option<&str>)> = after
        .address_rules
        .values()
        .map(|rule| (rule.name.as_str(), rule.database.as_deref()))
        .collect();
    let d = Some("d");
    let wanted =
        [("everywhere", None), ("kept", d), ("later", d), ("other", Some("e")), ("other_6", d)];
    assert_eq!(shown, wanted);
    apply(&mut s, Command::DropUser { name: "bob".into(), at: Timestamp(60) }).unwrap();
    assert!(s.address_rules.is_empty());
}
