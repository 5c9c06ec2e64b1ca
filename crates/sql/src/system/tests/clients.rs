//! What clients really send: `psql`'s backslash commands (as version 15 sends them) and `pgbench`.

use super::fake::run;

const QUERIES: &str = include_str!("queries.sql");

/// `(command, query)`, with the number of table `t` put in.
fn queries() -> Vec<(&'static str, String)> {
    let pieces = QUERIES.split("-- ").filter_map(|piece| piece.trim().split_once('\n'));
    pieces.map(|(head, sql)| (head, sql.replace("{t}", "16388"))).collect()
}

async fn rows(command: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (head, sql) in queries().into_iter().filter(|(head, _)| *head == command) {
        match run(&sql).await {
            Ok(rows) => all.push(rows),
            Err(e) => panic!("{head}: {e}\n{sql}"),
        }
    }
    all
}

#[tokio::test]
async fn every_query_runs() {
    let mut wrong = Vec::new();
    for (head, sql) in queries() {
        if let Err(e) = run(&sql).await {
            wrong.push(format!("{head}: {e}"));
        }
    }
    assert!(wrong.is_empty(), "{} fail:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

#[tokio::test]
async fn psql_lists_tables_users_databases_and_schemas() {
    let tables = ["public|Log|table|ann", "public|t|table|ann"];
    assert_eq!(rows("\\d").await, [tables]);
    assert_eq!(rows("\\dt").await, [tables]);
    assert_eq!(rows("\\di").await, [["public|t_pkey|index|ann|t"]]);
    assert_eq!(
        rows("\\l").await,
        [["antipode|ann|UTF8|C.UTF-8|C.UTF-8|-|libc|-", "shop|ann|UTF8|C.UTF-8|C.UTF-8|-|libc|-"]]
    );
    assert_eq!(
        rows("\\du").await,
        [[
            "ann|true|true|true|true|true|-1|-|{}|true|true",
            "bob|false|true|false|false|true|-1|-|{}|false|false"
        ]]
    );
    assert_eq!(rows("\\dn").await, [["public|ann", "sys|ann"]]);
}

#[tokio::test]
async fn psql_describes_a_table() {
    let all = rows("\\d t").await;
    assert_eq!(all[0], ["16388|public|t"]);
    assert_eq!(all[1], ["0|r|true|false|false|false|false|false|false||0||p|d|heap"]);
    assert_eq!(
        all[2],
        [
            "id|integer|-|true|-||",
            "name|character varying(20)|'x'|true|-||",
            "n|numeric(10,2)|-|false|-||",
            "at|timestamp with time zone|now()|false|-||",
            "c|character(84)|-|false|-||",
        ]
    );
    assert_eq!(
        all[3],
        ["t_pkey|true|true|false|true|CREATE UNIQUE INDEX t_pkey ON public.t USING btree (id)\
          |PRIMARY KEY (id)|p|false|false|false|0"]
    );
    assert!(all[4..].iter().all(Vec::is_empty));
}

#[tokio::test]
async fn pgbench_finds_its_table() {
    assert_eq!(rows("pgbench").await, [["2|-|0"]]);
}

#[tokio::test]
async fn other_clients_get_their_answers() {
    assert_eq!(rows("completion").await, [["t|-"]]);
    assert_eq!(rows("tokio-postgres").await, [["jsonb|b|0|-|0|pg_catalog|0"]]);
    assert_eq!(rows("sqlalchemy").await, [["t"]]);
    assert_eq!(rows("jdbc tables").await, [["-|public|t|TABLE|-|||"]]);
    let columns = rows("jdbc columns").await;
    assert_eq!(columns[0].len(), 5);
    assert_eq!(columns[0][1], "public|t|name|1043|true|24|-1|-1|2|-|-|'x'|-|0|b");
    assert_eq!(rows("jdbc keys").await, [["t|id|t_pkey"]]);
    assert_eq!(rows("grafana").await, [["\"Log\"", "t"]]);
    assert_eq!(rows("dbeaver").await, [["16385|antipode", "16386|shop"]]);
}
