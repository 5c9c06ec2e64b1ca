//! `information_schema`, functions, casts and `SHOW`.

use super::fake::{Fake, lines, names, run};
use crate::statement::{Stmt, parse};
use crate::system::*;

async fn one(sql: &str) -> String {
    match run(sql).await {
        Ok(rows) => rows.join("\n"),
        Err(e) => panic!("{sql}: {e}"),
    }
}

#[tokio::test]
async fn standard_views_tell_tables_columns_and_keys() {
    let sql = "select table_name, table_type from information_schema.tables \
               where table_schema = 'public' order by 1";
    assert_eq!(one(sql).await, "Log|BASE TABLE\nt|BASE TABLE");
    let sql = "select column_name, ordinal_position, is_nullable, data_type, \
               character_maximum_length, numeric_precision, numeric_scale, column_default \
               from information_schema.columns where table_name = 't' order by ordinal_position";
    let expected = "id|1|NO|integer|-|32|0|-\n\
                    name|2|NO|character varying|20|-|-|'x'\n\
                    n|3|YES|numeric|-|10|2|-\n\
                    at|4|YES|timestamp with time zone|-|-|-|now()\n\
                    c|5|YES|character|84|-|-|-";
    assert_eq!(one(sql).await, expected);
    let sql = "select c.constraint_type, k.column_name from information_schema.table_constraints c \
               join information_schema.key_column_usage k using (constraint_name)";
    assert_eq!(one(sql).await, "PRIMARY KEY|id");
    let sql = "select count(*) from information_schema.columns where table_name = 'pg_class'";
    assert_eq!(one(sql).await, "33");
}

#[tokio::test]
async fn replication_views_tell_links_history_and_what_diverged() {
    let sql = "select database_name, role, partition_id, state, lag_records, replicated_at \
               from information_schema.replication_status";
    let expected = "shop|target|-|streaming|3|1970-01-01T00:00:01Z\nshop|target|0|streaming|3|-";
    assert_eq!(one(sql).await, expected);
    let sql = "select event, detail from information_schema.replication_history";
    assert_eq!(one(sql).await, "promote|cut 5");
    let sql = "select transaction_id, row_count, table_names, complete \
               from information_schema.diverged_transactions";
    assert_eq!(one(sql).await, "a-1|2|Log, t|true");
    let sql = "select table_name, row_key, old_row, new_row \
               from information_schema.diverged_rows where transaction_id = 'a-1' order by 1";
    assert_eq!(one(sql).await, "Log|[2]|{\"id\":1}|-\nt|[1]|{\"id\":1}|{\"id\":1}");
}

#[tokio::test]
async fn replicas_are_joined_with_their_databases_and_servers() {
    let sql = "select d.datname, r.name, s.host, r.alias, r.status, r.frequency, r.bw_limit, \
               r.last_replication_time from sys.replica as r \
               join pg_database as d on d.oid = r.database_id \
               join sys.remote_server as s using (remote_server_id)";
    assert_eq!(one(sql).await, "shop|r|ybeast|copy|RUNNING|60|-|-");
    let sql = "with both_of_them as (select *, true as active from sys.replica_status \
               union all select *, false from sys.log_replica_status) \
               select snapshot_id, state, active, elapsed_ms, remaining_ms, sent_bytes, end_time, \
               error_string from both_of_them order by 1";
    let expected = "6|DONE|false|500|0|77|1970-01-01T00:00:01.500Z|-\n\
                    7|DISCONNECTED|true|500|-|77|-|nobody answers";
    assert_eq!(one(sql).await, expected);
    let sql = "select name, is_readonly, is_hot_standby from sys.database order by database_id";
    assert_eq!(one(sql).await, "antipode|false|false\nshop|false|true");
}

#[tokio::test]
async fn names_and_numbers_of_relations() {
    for (sql, expected) in [
        ("select 't'::regclass::oid", "16388"),
        ("select 't'::regclass::text", "t"),
        ("select 'public.\"Log\"'::regclass::oid", "16392"),
        ("select relname from pg_class where oid = 'pg_catalog.pg_class'::regclass", "pg_class"),
        ("select to_regclass('t_pkey')", "t_pkey"),
        ("select to_regclass('nothing')", "-"),
        ("select to_regtype('int4')", "integer"),
        (
            "select atttypid::regtype from pg_attribute where attrelid = 't'::regclass and attnum = 3",
            "numeric",
        ),
        ("select format_type(1700, 655366)", "numeric(10,2)"),
        ("select format_type(1043, null)", "character varying"),
        ("select pg_size_pretty(20000000)", "19 MB"),
        ("select quote_ident('A b')", "\"A b\""),
        ("select current_setting('work')", "4MB"),
        ("select pg_catalog.lower('A')", "a"),
        ("select 'x'::name, 7::pg_catalog.int4", "x|7"),
        ("select pg_get_userbyid(10)", "ann"),
    ] {
        assert_eq!(one(sql).await, expected, "{sql}");
    }
    assert!(run("select 'nothing'::regclass").await.is_err_and(|e| e.contains("does not exist")));
}

#[tokio::test]
async fn what_is_rewritten_keeps_its_name() {
    for (sql, expected) in [
        ("select 't'::regclass::oid", vec!["oid"]),
        ("select oid::regclass, relname from pg_class", vec!["oid", "relname"]),
        ("select relname::name from pg_class", vec!["relname"]),
        ("select (select nspname from pg_namespace where oid = 11)", vec!["nspname"]),
    ] {
        assert_eq!(names(sql).await.unwrap(), expected, "{sql}");
    }
    assert!(run("select oid, oid::regclass from pg_class").await.is_ok());
}

#[test]
fn ordinary_statements_are_left_alone() {
    for sql in [
        "select * from t where id = 1",
        "update t set n = n + 1 where id = $1",
        "insert into t values (1, 'x'::text, 2::numeric(3,1), now())",
        "select count(*), max(n) from public.t join information on true",
        "select lower(name)::varchar(3) from t where name like 'a%'",
    ] {
        let Stmt::Sql(ast) = parse(sql).unwrap().remove(0).stmt else { panic!("{sql}") };
        assert!(!concerns(&ast), "{sql}");
    }
}

async fn shown(sql: &str) -> Vec<String> {
    let stmt = parse(sql).unwrap().remove(0).stmt;
    let batch = show(&Fake, &stmt).await.unwrap().expect("a SHOW statement");
    assert_eq!(Some(batch.schema()), show_schema(&stmt));
    lines(&batch)
}

#[tokio::test]
async fn show_statements_have_rows() {
    assert_eq!(shown("show databases").await, ["antipode", "shop"]);
    assert_eq!(shown("show databases extended").await[1], "shop|standby|4|sync|-|-||20000000");
    assert_eq!(shown("show tables").await, ["Log", "t"]);
    let status = shown("show replication status on shop").await;
    assert_eq!(status.len(), 1);
    assert!(status[0].starts_with("shop|target|east|streaming|7|"), "{status:?}");
    assert!(shown("show replication status on other").await.is_empty());
    let other = parse("select 1").unwrap().remove(0).stmt;
    assert_eq!(show(&Fake, &other).await.unwrap(), None);
}
