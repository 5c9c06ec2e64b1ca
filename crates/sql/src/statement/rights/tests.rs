use super::*;
use crate::statement::parse;
use base::SqlState;

fn one(sql: &str) -> Rights {
    match parse(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}")).remove(0).stmt {
        Stmt::Rights(rights) => *rights,
        other => panic!("{sql} was read as {other:?}"),
    }
}

fn grant(sql: &str) -> Grant {
    match one(sql) {
        Rights::Grant(grant) => grant,
        other => panic!("{sql} was read as {other:?}"),
    }
}

fn named(name: &str) -> RoleName {
    RoleName::Named(name.into())
}

#[test]
fn grants_name_privileges_objects_and_roles() {
    let both = Privileges::SELECT.with(Privileges::INSERT);
    let g = grant("GRANT SELECT, INSERT ON TABLE a, public.b TO Ann, PUBLIC WITH GRANT OPTION");
    assert_eq!((g.privileges, g.option, g.revoke), (Some(both), true, false));
    assert_eq!(g.roles, [named("ann"), RoleName::Public]);
    assert!(matches!(&g.on, Objects::Tables(names) if names.len() == 2), "{:?}", g.on);
    let g = grant("revoke grant option for select on t from group ann cascade");
    assert!(g.revoke && g.option && g.cascade);
    assert_eq!(grant("grant all on t to a").privileges, None);
    assert_eq!(grant("grant all privileges on t to a").privileges, None);
    let all = grant("grant select on all sequences in schema public to current_user");
    let (sequences, schemas) = (true, vec!["public".to_string()]);
    assert_eq!(all.on, Objects::All { sequences, schemas });
    assert_eq!(all.roles, [RoleName::Current]);
    let on = |sql| grant(sql).on;
    assert_eq!(on("grant connect, temp on database d to a"), Objects::Databases(vec!["d".into()]));
    assert_eq!(on("grant usage on schema public to a"), Objects::Schemas(vec!["public".into()]));
    assert!(matches!(on("grant usage on sequence s to a"), Objects::Sequences(_)));
}

#[test]
fn roles_are_granted_without_on() {
    let membership = |revoke, admin| Rights::Membership {
        revoke,
        roles: vec![named("a"), named("b")],
        members: vec![named("c")],
        admin,
    };
    assert_eq!(one("grant a, b to c"), membership(false, false));
    assert_eq!(
        one("grant a, b to c with admin option granted by current_user"),
        membership(false, true)
    );
    assert_eq!(one("revoke admin option for a, b from c"), membership(true, true));
    assert_eq!(one("revoke a, b from c cascade"), membership(true, false));
    assert!(one("grant a to c").stands_alone());
    assert!(!one("grant select on a to c").stands_alone());
}

#[test]
fn owners_names_and_defaults() {
    let Rights::Owner { on, to } = one("alter database d owner to a") else { panic!("no owner") };
    assert_eq!((on, to), (Objects::Databases(vec!["d".into()]), named("a")));
    assert_eq!(
        one("alter user a rename to \"B\""),
        Rights::Rename { role: named("a"), to: "B".into() }
    );
    let default = |of, setting: Option<&str>, value: Option<&str>| Rights::Default {
        of,
        setting: setting.map(str::to_owned),
        value: value.map(str::to_owned),
    };
    let d = || "d".to_string();
    for (sql, expected) in [
        (
            "set global lock_timeout = '5s'",
            default(Sessions::All, Some("lock_timeout"), Some("5s")),
        ),
        ("alter system reset all", default(Sessions::All, None, None)),
        (
            "alter database d set search_path to a, \"B\"",
            default(Sessions::Database(d()), Some("search_path"), Some("a, B")),
        ),
        (
            "alter database d set jit to default",
            default(Sessions::Database(d()), Some("jit"), None),
        ),
        (
            "alter role a set my.own = -5",
            default(Sessions::Role(named("a")), Some("my.own"), Some("-5")),
        ),
        (
            "alter role a in database d reset jit",
            default(Sessions::RoleInDatabase(named("a"), d()), Some("jit"), None),
        ),
        ("alter role all set jit = on", default(Sessions::All, Some("jit"), Some("on"))),
    ] {
        assert_eq!(one(sql), expected, "{sql}");
    }
    let kept = parse("alter database d set version_retention = '1 h'").expect("as before");
    assert!(matches!(kept[0].stmt, Stmt::SetVersionRetention { .. }));
}

#[test]
fn what_is_not_there_says_so() {
    for sql in [
        "grant select (a) on t to b",
        "grant execute on function f to b",
        "alter default privileges grant select on tables to b",
        "grant a to b with inherit true",
    ] {
        let state = parse(sql).expect_err(sql).state;
        assert_eq!(state, SqlState::FEATURE_NOT_SUPPORTED, "{sql}");
    }
    for sql in ["grant nonsense on t to b", "grant all to b", "grant select on t", "revoke a to b"]
    {
        assert_eq!(parse(sql).expect_err(sql).state, SqlState::SYNTAX_ERROR, "{sql}");
    }
}

#[test]
fn address_rules_say_who_where_and_from_where() {
    let rule =
        one("CREATE ADDRESS RULE office FOR ann ON DATABASE d FROM '10.0.0.0/8' ALLOW PRIORITY -3");
    let Rights::CreateRule { name, role, database, network, allow, priority, force, .. } = rule
    else {
        panic!("no rule")
    };
    assert_eq!(
        (name.as_str(), role, database.as_deref()),
        ("office", Some(named("ann")), Some("d"))
    );
    assert_eq!((network.as_str(), allow, priority, force), ("10.0.0.0/8", true, -3, false));
    let all = one("create address rule if not exists r for all from '::/0' deny force");
    assert!(matches!(all, Rights::CreateRule { role: None, allow: false, force: true, .. }));
    let drop = one("drop address rule if exists r");
    assert_eq!(drop, Rights::DropRule { name: "r".into(), if_exists: true, force: false });
    assert!(parse("create address rule r for all from '::/0'").is_err());
}
