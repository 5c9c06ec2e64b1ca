use super::*;
use crate::statement::parse;
use base::SqlState;

fn one(sql: &str) -> ReplicaStmt {
    let mut all = parse(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    match all.remove(0).stmt {
        Stmt::Replica(stmt) => stmt,
        other => panic!("{sql}: {other:?}"),
    }
}

fn refused(sql: &str) -> SqlState {
    parse(sql).expect_err(sql).state
}

fn name(s: &str) -> String {
    s.into()
}

#[test]
fn remote_servers_in_all_forms() {
    let host = ServerOptions { host: Some(name("ybeast")), ..ServerOptions::default() };
    let create = |options: &ServerOptions| ReplicaStmt::CreateServer {
        name: name("ybwest"),
        if_not_exists: false,
        options: options.clone(),
    };
    assert_eq!(one("create remote server ybwest with (host 'ybeast');"), create(&host));
    assert_eq!(one("create remote server ybwest with(host 'ybeast')"), create(&host));
    let full = ServerOptions {
        host: Some(name("https://ybeast")),
        port: Some(5433),
        user: Some(name("root")),
        password: Some(name("a 'b'")),
    };
    let sql = "CREATE REMOTE SERVER ybwest WITH \
               (HOST = 'https://ybeast:5433', USER root, PASSWORD 'a ''b''')";
    assert_eq!(one(sql), create(&full));
    let six = ServerOptions { host: Some(name("::1")), ..ServerOptions::default() };
    assert_eq!(one("create remote server ybwest with (host '::1')"), create(&six));
    let shown = parse(sql).unwrap()[0].shown().to_owned();
    assert_eq!(shown, "CREATE REMOTE SERVER <hidden>");
    assert_eq!(
        one("ALTER REMOTE SERVER \"S\" WITH (PORT 7)"),
        ReplicaStmt::AlterServer {
            name: name("S"),
            options: ServerOptions { port: Some(7), ..ServerOptions::default() }
        }
    );
    assert_eq!(
        one("drop remote server if exists s"),
        ReplicaStmt::DropServer { name: name("s"), if_exists: true }
    );
    for bad in [
        "create remote server s with (port 5432)",
        "create remote server s with (host '')",
        "create remote server s with (host 'h', port 70000)",
        "create remote server s with (host 'h', color 'red')",
    ] {
        assert_eq!(refused(bad), SqlState::INVALID_PARAMETER_VALUE, "{bad}");
    }
    for bad in [
        "create remote server s",
        "create remote server s with (host 'a', host 'b')",
        "create remote server s with (host 'a' port 1)",
    ] {
        assert_eq!(refused(bad), SqlState::SYNTAX_ERROR, "{bad}");
    }
}

#[test]
fn replicas_in_the_words_of_the_walk_through() {
    let options = ReplicaOptions {
        alias: Some(name("premdb_replicated")),
        frequency: Some(60),
        ..ReplicaOptions::default()
    };
    assert_eq!(
        one("alter database premdb add replica premdb_replica to ybwest \n\
             with (alias premdb_replicated, frequency 60);"),
        ReplicaStmt::Add {
            database: name("premdb"),
            name: name("premdb_replica"),
            server: name("ybwest"),
            options: options.clone(),
        }
    );
    assert_eq!(
        one("alter database premdb_replicated add replica reverse_premdb_replica to ybeast \
             with(alias premdb, reverse_replica premdb_replica, frequency 60)"),
        ReplicaStmt::Add {
            database: name("premdb_replicated"),
            name: name("reverse_premdb_replica"),
            server: name("ybeast"),
            options: ReplicaOptions {
                alias: Some(name("premdb")),
                reverse: Some(name("premdb_replica")),
                ..options
            },
        }
    );
    let loss = |data_loss| ReplicaAction::Promote { data_loss };
    let minute = ReplicaOptions { frequency: Some(60), ..ReplicaOptions::default() };
    for (text, action) in [
        ("start", ReplicaAction::Start),
        ("PAUSE", ReplicaAction::Pause),
        ("resume", ReplicaAction::Resume),
        ("force", ReplicaAction::Force),
        ("promote", loss(false)),
        ("promote with data loss", loss(true)),
        ("with (frequency '1 min')", ReplicaAction::With(minute)),
    ] {
        let stmt = one(&format!("alter database d alter replica r {text}"));
        let want = ReplicaStmt::Alter { database: name("d"), name: name("r"), action };
        assert_eq!(stmt, want, "{text}");
    }
    assert_eq!(
        one("alter database d drop replica if exists r force"),
        ReplicaStmt::Drop { database: name("d"), name: name("r"), if_exists: true, force: true }
    );
    let explained = parse("explain alter database d alter replica r promote").unwrap();
    assert!(matches!(&explained[0].stmt, Stmt::Explain(inner)
        if matches!(inner.as_ref(), Stmt::Replica(ReplicaStmt::Alter { .. }))));
}

#[test]
fn limits_and_switches_of_a_database() {
    let limit = |sql: &str| match one(sql) {
        ReplicaStmt::Bandwidth { bytes_per_second, .. } => bytes_per_second,
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(limit("alter database d set replication_bandwidth = '10 MB'"), Some(10 << 20));
    assert_eq!(limit("alter database d set replication_bandwidth to '500kB'"), Some(500 << 10));
    assert_eq!(limit("alter database d set replication_bandwidth = 3"), Some(3 << 20));
    assert_eq!(limit("alter database d set replication_bandwidth to default"), None);
    assert_eq!(limit("alter database d set replication_bandwidth = 0"), None);
    assert_eq!(limit("alter database d reset replication_bandwidth"), None);
    for bad in ["'1 kB'", "'10 mbit'", "'much'", "'-3'"] {
        let sql = format!("alter database d set replication_bandwidth = {bad}");
        assert_eq!(refused(&sql), SqlState::INVALID_PARAMETER_VALUE, "{bad}");
    }
    let standby = |on| ReplicaStmt::HotStandby { database: name("d"), on };
    assert_eq!(one("alter database d set hot_standby off"), standby(false));
    assert_eq!(one("ALTER DATABASE d SET HOT_STANDBY = ON"), standby(true));
    let readonly = ReplicaStmt::ReadOnly { database: name("d"), on: true };
    assert_eq!(one("alter database d set readonly to on"), readonly);
}

#[test]
fn what_is_not_there_yet_says_so() {
    for sql in [
        "alter database d add replica r to s with (table_level_restart true)",
        "alter database d alter replica r start with chain c",
        "create database d hot_standby on",
    ] {
        assert_eq!(refused(sql), SqlState::FEATURE_NOT_SUPPORTED, "{sql}");
    }
    assert!(parse("create database d hot_standby off").is_ok());
    let all = "alter database d add replica r to s with (security_mode 'ALL', bw_limit 10)";
    assert!(matches!(one(all), ReplicaStmt::Add { options, .. }
        if options.bytes_per_second == Some(Some(10 << 20)) && options.own_rights == Some(false)));
    let none = "alter database d alter replica r with (SECURITY_MODE = none)";
    assert!(matches!(one(none), ReplicaStmt::Alter { action: ReplicaAction::With(o), .. }
        if o.own_rights == Some(true)));
    let list = "alter database d add replica r to s with (exclude 't, public.\"U\",t')";
    assert!(matches!(one(list), ReplicaStmt::Add { options, .. }
        if options.exclude == Some(vec!["t".to_owned(), "U".to_owned()])));
    let none = "alter database d alter replica r with (exclude '')";
    assert!(matches!(one(none), ReplicaStmt::Alter { action: ReplicaAction::With(o), .. }
        if o.exclude == Some(Vec::new())));
    let schema = "alter database d add replica r to s with (exclude 'tmp.t')";
    assert_eq!(refused(schema), SqlState::INVALID_SCHEMA_NAME);
    for bad in [
        "exclude 'public'",
        "exclude 't,'",
        "exclude 't u'",
        "security_mode 'some'",
        "frequency 100000",
        "frequency '1500 ms'",
        "bw_limit 'x'",
        "colour red",
    ] {
        let sql = format!("alter database d alter replica r with ({bad})");
        assert_eq!(refused(&sql), SqlState::INVALID_PARAMETER_VALUE, "{bad}");
    }
}
