use super::*;
use base::SqlState;

fn one(sql: &str) -> Command {
    parse(sql).expect("parses").expect("is a session command")
}

#[test]
fn transaction_statements_in_all_spellings() {
    let plain = Command::Begin { modes: Modes::default(), tag: "BEGIN" };
    for sql in ["BEGIN", "begin work", "Begin Transaction"] {
        assert_eq!(one(sql), plain);
    }
    assert_eq!(
        one("START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
        Command::Begin {
            modes: Modes {
                isolation: Some(IsolationLevel::RepeatableRead),
                read_only: Some(true),
                as_of: None,
            },
            tag: "START TRANSACTION"
        }
    );
    assert_eq!(one("END"), Command::Commit { chain: false });
    assert_eq!(one("commit work and no chain"), Command::Commit { chain: false });
    assert_eq!(one("COMMIT AND CHAIN"), Command::Commit { chain: true });
    assert_eq!(one("ABORT"), Command::Rollback { chain: false });
    assert_eq!(one("ROLLBACK TO SAVEPOINT a"), Command::RollbackTo("a".into()));
    assert_eq!(one("rollback work to \"A b\""), Command::RollbackTo("A b".into()));
    assert_eq!(one("release savepoint a"), Command::Release("a".into()));
}

#[test]
fn settings_in_all_spellings() {
    let set = |name: &str, value: Option<&str>| Command::Set {
        name: name.into(),
        value: value.map(Into::into),
        reach: Reach::Session,
    };
    assert_eq!(one("SET extra_float_digits = 3"), set("extra_float_digits", Some("3")));
    assert_eq!(one("set session x.y to off"), set("x.y", Some("off")));
    assert_eq!(one("SET search_path TO a, \"B\", 'c'"), set("search_path", Some("a, B, c")));
    assert_eq!(one("SET TIME ZONE 'UTC'"), set("timezone", Some("UTC")));
    assert_eq!(one("SET TIME ZONE -3"), set("timezone", Some("-3")));
    assert_eq!(one("SET NAMES 'utf8'"), set("client_encoding", Some("utf8")));
    assert_eq!(one("SET a = DEFAULT"), set("a", None));
    assert_eq!(
        one("SET LOCAL a = 1"),
        Command::Set { name: "a".into(), value: Some("1".into()), reach: Reach::Transaction }
    );
    assert_eq!(
        one("SHOW TRANSACTION ISOLATION LEVEL"),
        Command::Show("transaction_isolation".into())
    );
    assert_eq!(one("show all"), Command::ShowAll);
    assert_eq!(one("RESET ALL"), Command::Reset(None));
    assert_eq!(parse("SHOW DATABASES EXTENDED").expect("parses"), None);
    assert_eq!(parse("show replication status").expect("parses"), None);
}

#[test]
fn prepare_and_execute_keep_the_text() {
    assert_eq!(
        one("PREPARE p (int, numeric(10,2)) AS SELECT $1"),
        Command::Prepare {
            name: "p".into(),
            types: vec!["int".into(), "numeric(10,2)".into()],
            sql: "SELECT $1".into(),
            offset: 34
        }
    );
    assert_eq!(
        one("EXECUTE p (1, f(2, 'a,b'), null)"),
        Command::Execute {
            name: "p".into(),
            arguments: vec!["1".into(), "f(2, 'a,b')".into(), "null".into()]
        }
    );
    assert_eq!(one("DEALLOCATE PREPARE ALL"), Command::Deallocate(None));
}

#[test]
fn syntax_errors_say_where() {
    let error = parse("BEGIN ISOLATION LEVEL nonsense here").expect_err("no such level");
    assert_eq!(error.state, SqlState::SYNTAX_ERROR);
    let error = parse("COMMIT now").expect_err("trailing word");
    assert_eq!(error.message, "syntax error at or near \"now\"");
    assert_eq!(error.position, Some(8));
}

#[test]
fn other_statements_are_not_ours() {
    for sql in ["select 1", "insert into t values (1)", "vacuum t", "explain begin", "(select 1)"] {
        assert_eq!(parse(sql).expect("parses"), None);
    }
}
