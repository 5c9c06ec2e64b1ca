use super::*;
use base::SqlState;

/// The only statement of a text.
fn one(sql: &str) -> Stmt {
    let mut all = parse(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    assert_eq!(all.len(), 1, "{sql}");
    all.remove(0).stmt
}

fn name(text: &str) -> String {
    text.to_string()
}

/// The error of a text: SQLSTATE, message and position.
fn error(sql: &str) -> (SqlState, String, Option<usize>) {
    match parse(sql) {
        Ok(all) => panic!("{sql} was read as {all:?}"),
        Err(e) => (e.state, e.message.clone(), e.position),
    }
}

#[test]
fn several_statements_keep_their_own_texts() {
    let all =
        parse("  select 1 ; -- a comment;\n/* ; */ insert into t values (';');;commit").unwrap();
    let texts: Vec<&str> = all.iter().map(|p| p.text.as_str()).collect();
    assert_eq!(texts, ["select 1", "insert into t values (';')", "commit"]);
    assert!(all.iter().all(|p| matches!(p.stmt, Stmt::Sql(_))));
}

#[test]
fn nothing_but_blanks_is_no_statement() {
    for sql in ["", " ", ";", " ; ;\n", "-- only a comment", "/* a /* nested */ one */ ;"] {
        assert_eq!(parse(sql).unwrap(), [], "{sql}");
    }
}

#[test]
fn create_database_in_all_forms() {
    let database = |partitions, durability, if_not_exists| Stmt::CreateDatabase {
        name: name("d"),
        if_not_exists,
        partitions,
        durability,
    };
    let (sync, asynchronous) = (Some(Durability::Sync), Some(Durability::Async));
    for (sql, expected) in [
        ("CREATE DATABASE d", database(None, None, false)),
        ("create database D partitions 8", database(Some(8), None, false)),
        ("create database if not exists d partitions = 2", database(Some(2), None, true)),
        ("create database d with sync durability", database(None, sync, false)),
        (
            "create database d PARTITIONS 4 WITH ASYNC DURABILITY",
            database(Some(4), asynchronous, false),
        ),
        (
            "create database d with async durability partitions 4",
            database(Some(4), asynchronous, false),
        ),
        (
            "CREATE DATABASE d WITH OWNER = postgres ENCODING 'UTF8' LC_COLLATE = 'C' \
             CONNECTION LIMIT = -1",
            database(None, None, false),
        ),
        ("create database d template template0 encoding 'UTF8'", database(None, None, false)),
    ] {
        assert_eq!(one(sql), expected, "{sql}");
    }
    assert_eq!(error("create database d partitions 0").0, SqlState::INVALID_PARAMETER_VALUE);
    assert_eq!(error("create database d partitions 0").2, Some(30));
    assert_eq!(
        one("drop database if exists d with (force)"),
        Stmt::DropDatabase { name: name("d"), if_exists: true }
    );
}

#[test]
fn replicate_database_in_all_forms() {
    let base = Replicate {
        database: name("d"),
        durability: None,
        differential: false,
        user: name("root"),
        password: None,
        host: name("db2"),
        port: None,
        source_database: None,
    };
    for (sql, expected) in [
        ("REPLICATE DATABASE d FROM root@db2", base.clone()),
        (
            "replicate database d from root:'p''w;@'@10.0.0.5:5433/Other",
            Replicate {
                password: Some(name("p'w;@")),
                host: name("10.0.0.5"),
                port: Some(5433),
                source_database: Some(name("other")),
                ..base.clone()
            },
        ),
        (
            "replicate database d with async durability with force differential \
             from root@db-2.example.com:5432",
            Replicate {
                durability: Some(Durability::Async),
                differential: true,
                host: name("db-2.example.com"),
                port: Some(5432),
                ..base.clone()
            },
        ),
        (
            "replicate database d with force differential with sync durability from root@[::1]:1/d",
            Replicate {
                durability: Some(Durability::Sync),
                differential: true,
                host: name("::1"),
                port: Some(1),
                source_database: Some(name("d")),
                ..base.clone()
            },
        ),
        (
            "replicate database \"D\" from 'Root':\"pw\"@'my host':7/\"My DB\" ;",
            Replicate {
                database: name("D"),
                user: name("Root"),
                password: Some(name("pw")),
                host: name("my host"),
                port: Some(7),
                source_database: Some(name("My DB")),
                ..base.clone()
            },
        ),
        (
            "replicate database d from root:secret@db2 -- the end",
            Replicate { password: Some(name("secret")), ..base.clone() },
        ),
        (
            "replicate\ndatabase d\nfrom root@127.0.0.1:15432/d",
            Replicate {
                host: name("127.0.0.1"),
                port: Some(15432),
                source_database: Some(name("d")),
                ..base.clone()
            },
        ),
    ] {
        assert_eq!(one(sql), Stmt::Replicate(expected), "{sql}");
    }
    let text = "REPLICATE DATABASE d FROM root:'pw'@h";
    assert!(!parse(text).unwrap()[0].shown().contains("pw"));
}

#[test]
fn replicate_verbs_gates_and_lists() {
    let d = || Some(name("d"));
    for (sql, expected) in [
        ("pause replicating d", Stmt::PauseReplicating { database: name("d") }),
        ("CONTINUE REPLICATING D", Stmt::ContinueReplicating { database: name("d") }),
        ("stop replicating \"D\"", Stmt::StopReplicating { database: name("D") }),
        (
            "flush tables with read only",
            Stmt::FlushTables { database: None, mode: GateMode::ReadOnly },
        ),
        (
            "FLUSH TABLES ON d WITH READ LOCK",
            Stmt::FlushTables { database: d(), mode: GateMode::ReadLock },
        ),
        (
            "SET DATABASE d READ ONLY REASON 'audit'",
            Stmt::SetReadOnly { database: name("d"), reason: name("audit"), expires: None },
        ),
        (
            "set database d read only reason 'a' expires in '10 min'",
            Stmt::SetReadOnly {
                database: name("d"),
                reason: name("a"),
                expires: Some(Expiry::In("10 min".into())),
            },
        ),
        (
            "set database d read only reason 'a' expires '2030-01-01'",
            Stmt::SetReadOnly {
                database: name("d"),
                reason: name("a"),
                expires: Some(Expiry::At("2030-01-01".into())),
            },
        ),
        ("set database d read write", Stmt::SetReadWrite { database: name("d") }),
        ("unlock tables", Stmt::UnlockTables { database: None, force: false }),
        ("unlock tables on d", Stmt::UnlockTables { database: d(), force: false }),
        ("unlock tables on d force", Stmt::UnlockTables { database: d(), force: true }),
        (
            "switchover database d to west",
            Stmt::Switchover { database: name("d"), to: name("west") },
        ),
        (
            "SWITCHOVER DATABASE d TO 'us-west'",
            Stmt::Switchover { database: name("d"), to: name("us-west") },
        ),
        ("failover database d", Stmt::Failover { database: name("d"), at: None, data_loss: false }),
        (
            "FAILOVER DATABASE d AT TIME '2026-01-01 00:00:00' WITH DATA LOSS",
            Stmt::Failover {
                database: name("d"),
                at: Some("2026-01-01 00:00:00".into()),
                data_loss: true,
            },
        ),
        ("verify database d", Stmt::Verify { database: name("d") }),
        ("drill database d", Stmt::Drill { database: name("d"), checks: vec![] }),
        (
            "DRILL DATABASE d CHECK 'select true', 'select 1 = 1'",
            Stmt::Drill {
                database: name("d"),
                checks: vec![name("select true"), name("select 1 = 1")],
            },
        ),
        ("open diverged as database x", Stmt::OpenDiverged { of: None, name: name("x") }),
        (
            "OPEN DIVERGED TRANSACTIONS AS DATABASE x",
            Stmt::OpenDiverged { of: None, name: name("x") },
        ),
        (
            "open diverged transactions of d as database x",
            Stmt::OpenDiverged { of: d(), name: name("x") },
        ),
        (
            "create database x branch of d",
            Stmt::CreateBranch {
                name: name("x"),
                if_not_exists: false,
                source: name("d"),
                at: None,
            },
        ),
        (
            "create database if not exists x branch of d as of system time '-10s'",
            Stmt::CreateBranch {
                name: name("x"),
                if_not_exists: true,
                source: name("d"),
                at: Some(SystemTime::Ago(10_000)),
            },
        ),
        (
            "reapply diverged transaction 'a-1'",
            Stmt::Reapply { transaction: name("a-1"), force: false },
        ),
        (
            "REAPPLY DIVERGED TRANSACTION 'a-1' IF UNCHANGED",
            Stmt::Reapply { transaction: name("a-1"), force: false },
        ),
        (
            "reapply diverged transaction 'a-1' force",
            Stmt::Reapply { transaction: name("a-1"), force: true },
        ),
        (
            "dismiss diverged transaction 'a-1' reason 'a test'",
            Stmt::Dismiss { transaction: name("a-1"), reason: name("a test") },
        ),
        ("show replication status", Stmt::ShowReplicationStatus { database: None }),
        ("show replication status on d", Stmt::ShowReplicationStatus { database: d() }),
        ("show databases", Stmt::ShowDatabases { extended: false }),
        ("SHOW DATABASES EXTENDED", Stmt::ShowDatabases { extended: true }),
        ("show tables", Stmt::ShowTables),
        ("vacuum analyze pgbench_branches", Stmt::Noop { tag: "VACUUM" }),
        ("vacuum (verbose, analyze) t", Stmt::Noop { tag: "VACUUM" }),
        ("analyze", Stmt::Noop { tag: "ANALYZE" }),
        ("CHECKPOINT", Stmt::Checkpoint),
    ] {
        assert_eq!(one(sql), expected, "{sql}");
    }
    let inner = Stmt::StopReplicating { database: name("d") };
    assert_eq!(one("explain stop replicating d"), Stmt::Explain(Box::new(inner)));
    assert!(matches!(one("explain select 1"), Stmt::Sql(_)));
}

#[test]
fn users_in_all_forms() {
    let create = |password: Option<&str>, superuser, login| Stmt::CreateUser {
        name: name("u"),
        if_not_exists: false,
        options: UserOptions {
            password: password.map(name),
            superuser,
            login: Some(login),
            ..UserOptions::default()
        },
    };
    for (sql, expected) in [
        ("create user u", create(None, None, true)),
        ("create role U", create(None, None, false)),
        ("create role u login password 'x'", create(Some("x"), None, true)),
        (
            "create user u with encrypted password 'x' superuser",
            create(Some("x"), Some(true), true),
        ),
        (
            "create user u nosuperuser nobypassrls password null",
            create(Some(""), Some(false), true),
        ),
        ("create user u identified by 'x'", create(Some("x"), None, true)),
    ] {
        assert_eq!(one(sql), expected, "{sql}");
    }
    assert_eq!(
        one("alter user u with password 'y' nologin"),
        Stmt::AlterUser {
            name: RoleName::Named(name("u")),
            options: UserOptions {
                password: Some(name("y")),
                login: Some(false),
                ..UserOptions::default()
            },
        }
    );
    assert_eq!(
        one("drop role if exists a, \"B\""),
        Stmt::DropUser { names: vec![name("a"), name("B")], if_exists: true }
    );
    let Stmt::CreateUser { options, .. } =
        one("create role r createdb in role a role b admin c, d")
    else {
        panic!("not read as a role")
    };
    assert_eq!((options.createdb, options.login), (Some(true), Some(false)));
    assert_eq!(options.in_roles, [RoleName::Named(name("a"))]);
    let members = [("b", false), ("c", true), ("d", true)];
    assert_eq!(options.members, members.map(|(m, admin)| (RoleName::Named(name(m)), admin)));
}

#[test]
fn shard_key_inside_after_or_absent() {
    let key = |sql: &str| match one(sql) {
        Stmt::CreateTable { ast, shard_key } => {
            let columns: Vec<String> = ast.columns.iter().map(|c| c.name.value.clone()).collect();
            assert_eq!(columns, ["a", "b"], "{sql}");
            shard_key.map(|key| key.iter().map(|i| i.value.clone()).collect::<Vec<_>>())
        }
        other => panic!("{sql} was read as {other:?}"),
    };
    let ab = || Some(vec![name("a"), name("b")]);
    assert_eq!(key("create table t (a int primary key, b text)"), None);
    assert_eq!(key("create table t (a int, b text, shard key (a, b), primary key (a, b))"), ab());
    assert_eq!(key("create table t (shard key (a, b), a int, b char(84))"), ab());
    assert_eq!(key("create table t (a int, b text, SHARD KEY sk (a, b))"), ab());
    assert_eq!(key("create table t (a int, b text) shard key (a, b)"), ab());
    assert_eq!(key("create table t (a int, b int) shard key (a,b) with (fillfactor=100)"), ab());
    assert_eq!(key("create table t (a int, b int) with (fillfactor=100) shard key (a,b)"), ab());
    assert_eq!(key("create unlogged table if not exists t (a int, b int)"), None);
    let (state, _, position) = error("create table t (a int, shard key (a), shard key (a))");
    assert_eq!((state, position), (SqlState::SYNTAX_ERROR, Some(39)));
    assert_eq!(error("create table t (a int, shard key ())").2, Some(35));
}

#[test]
fn copy_in_all_forms() {
    let copy = |sql: &str| match one(sql) {
        Stmt::Copy(copy) => copy,
        other => panic!("{sql} was read as {other:?}"),
    };
    let text = copy("copy t from stdin");
    assert!(!text.to);
    assert_eq!(text.options.delimiter, b'\t');
    assert_eq!(text.options.null, "\\N");
    assert_eq!(text.options.format, CopyFormat::Text);
    assert!(copy("copy pgbench_accounts from stdin with (freeze on)").options.freeze);

    for sql in [
        "COPY public.t (a, \"B\") FROM STDIN WITH CSV HEADER DELIMITER ';' NULL AS 'NA'",
        "copy public.t(a,\"B\") from stdin with (format csv, header, delimiter ';', null 'NA')",
        "copy public.t(a,\"B\") from stdin (format 'CSV', header true, delimiter ';', null 'NA')",
    ] {
        let csv = copy(sql);
        assert_eq!(csv.options.format, CopyFormat::Csv, "{sql}");
        assert!(csv.options.header);
        assert_eq!((csv.options.delimiter, csv.options.null.as_str()), (b';', "NA"));
        assert_eq!((csv.options.quote, csv.options.escape), (b'"', b'"'));
        match csv.source {
            CopySource::Table { name, columns } => {
                assert_eq!(name.to_string(), "public.t");
                assert_eq!(columns.len(), 2);
            }
            CopySource::Query(_) => panic!("{sql}"),
        }
    }
    let query = copy("copy (select a, b from t order by a) to stdout with csv force quote a, b");
    assert!(query.to && matches!(query.source, CopySource::Query(_)));
    assert_eq!(query.options.force_quote, Force::Columns(vec![name("a"), name("b")]));
    assert_eq!(
        copy("copy t to stdout (format csv, force_quote *)").options.force_quote,
        Force::All
    );
    assert_eq!(copy("copy binary t to stdout").options.format, CopyFormat::Binary);
    assert_eq!(copy("copy t from stdin using delimiters '|'").options.delimiter, b'|');
    assert_eq!(copy(r"copy t from stdin with delimiter E'\t' null ''").options.null, "");

    assert_eq!(error("copy t from '/etc/passwd'").0, SqlState::FEATURE_NOT_SUPPORTED);
    assert_eq!(error("copy t from stdin with (format xml)").0, SqlState::INVALID_PARAMETER_VALUE);
    assert_eq!(error("copy t from stdin with (quote '''')").0, SqlState::FEATURE_NOT_SUPPORTED);
    assert_eq!(error("copy (select 1) from stdin").0, SqlState::SYNTAX_ERROR);
}

#[test]
fn syntax_errors_name_the_place() {
    for (sql, message, position) in [
        ("selec 1", "syntax error at or near \"selec\"", 1),
        ("select 1 from", "syntax error at end of input", 14),
        ("select 1;\nselect * fro t", "syntax error at or near \"t\"", 24),
        ("select 'ä', (1 + )", "syntax error at or near \")\"", 18),
        ("insert into t values (1,", "syntax error at end of input", 25),
        ("update t where a = 1", "syntax error at or near \"where\"", 10),
        ("select 1 1", "syntax error at or near \"1\"", 10),
        ("select 'abc", "unterminated quoted string at or near \"'abc\"", 8),
        ("select \"abc", "unterminated quoted identifier at or near \"\"abc\"", 8),
        ("replicate database d from root", "syntax error at end of input", 31),
        ("replicate database d from root@h:0", "syntax error at or near \"0\"", 34),
        ("replicate database d", "syntax error at end of input", 21),
        ("replicate database d from u@h x", "syntax error at or near \"x\"", 31),
        ("stop replicating", "syntax error at end of input", 17),
        ("stop replicating a b", "syntax error at or near \"b\"", 20),
        ("flush tables with read write", "syntax error at or near \"write\"", 24),
        ("create user u password secret", "syntax error at or near \"secret\"", 24),
        ("create table t (a int,, b int)", "syntax error at or near \",\"", 23),
        ("copy t from stdin with (format csv", "syntax error at end of input", 35),
    ] {
        let (state, found, at) = error(sql);
        assert_eq!(state, SqlState::SYNTAX_ERROR, "{sql}");
        assert_eq!((found.as_str(), at), (message, Some(position)), "{sql}");
    }
}

#[test]
fn nesting_has_a_limit_and_long_chains_have_none() {
    let deep = format!("select {}1{}", "(".repeat(2000), ")".repeat(2000));
    assert_eq!(error(&deep).0, SqlState::PROGRAM_LIMIT_EXCEEDED);
    let long = format!("select 1 where {}", vec!["a = 1"; 2000].join(" or "));
    assert!(parse(&long).is_ok());
}

#[test]
fn what_clients_send_is_read() {
    for sql in [
        "BEGIN",
        "begin isolation level serializable, read only",
        "start transaction isolation level repeatable read",
        "END",
        "end transaction",
        "commit",
        "rollback",
        "abort",
        "savepoint a",
        "release savepoint a",
        "rollback to savepoint a",
        "truncate table a, b",
        "truncate pgbench_accounts, pgbench_branches",
        "drop table if exists a, b, c",
        "alter table t add primary key (a, b)",
        "alter table t add column c numeric(10, 2) not null default 0",
        "alter table t drop column if exists c",
        "create table t(bid int not null,filler char(88)) with (fillfactor=100)",
        "create table t (like s)",
        "insert into t values (1, default) returning *",
        "insert into t default values",
        "insert into t (a) values (1) on conflict do nothing",
        "update t set a = a + 1 where b = $1 returning a",
        "delete from t using s where t.a = s.a",
        "select * from t for update skip locked",
        "show transaction isolation level",
        "show server_version",
        "show all",
        "set extra_float_digits = 3",
        "set session characteristics as transaction isolation level serializable",
        "set time zone 'UTC'",
        "set transaction isolation level serializable",
        "set application_name to 'x'",
        "reset all",
        "reset search_path",
        "discard all",
        "deallocate all",
        "deallocate p",
        "prepare p as select $1",
        "execute p(1)",
        "values (1), (2)",
        "with a as (select 1) select * from a",
        "explain analyze select 1",
        "lock table t in exclusive mode",
        "select a::text, b::numeric(3,1), interval '1 day', date '2020-01-01' from t",
        "select n.nspname operator(pg_catalog.~) '^(t)$' collate pg_catalog.default",
        "grant select on t to u",
        "comment on table t is 'x'",
        "create index i on t (a)",
    ] {
        parse(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
}

#[test]
fn explained_links_show_no_password_either() {
    let sql = "EXPLAIN REPLICATE DATABASE d FROM root:'secret'@east:5432/d";
    let shown = parse(sql).expect("reads")[0].shown().to_owned();
    assert!(shown.starts_with("EXPLAIN REPLICATE") && !shown.contains("secret"), "{shown}");
}
