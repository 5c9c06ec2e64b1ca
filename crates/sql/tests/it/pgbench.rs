//! What pgbench does, without pgbench.
#![expect(clippy::disallowed_methods, reason = "sessions of a test run beside each other")]

use crate::harness::{Session, World, show};
use base::Value;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName};

const ACCOUNTS: i64 = 2000;

async fn initialised() -> (World, Session) {
    let world = World::new().await;
    let mut s = world.session();
    s.run(
        "drop table if exists pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers;
         create table pgbench_history(tid int,bid int,aid int,delta int,mtime timestamp,filler char(22));
         create table pgbench_tellers(tid int not null,bid int,tbalance int,filler char(84)) with (fillfactor=100);
         create table pgbench_accounts(aid int not null,bid int,abalance int,filler char(84)) with (fillfactor=100);
         create table pgbench_branches(bid int not null,bbalance int,filler char(88)) with (fillfactor=100)",
    )
    .await
    .expect("tables");
    s.begin();
    s.run("truncate table pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers")
        .await
        .expect("empty");
    fill(&mut s, "pgbench_branches", 1, |i| vec![Value::Int(i), Value::Int(0), Value::Null]).await;
    fill(&mut s, "pgbench_tellers", 10, |i| {
        vec![Value::Int(i), Value::Int(1), Value::Int(0), Value::Null]
    })
    .await;
    fill(&mut s, "pgbench_accounts", ACCOUNTS, |i| {
        let filler = Value::Text(" ".repeat(84).into());
        vec![Value::Int(i), Value::Int(1), Value::Int(0), filler]
    })
    .await;
    s.commit().await.expect("a commit");
    s.run(
        "vacuum analyze pgbench_branches;
         alter table pgbench_branches add primary key (bid);
         alter table pgbench_tellers add primary key (tid);
         alter table pgbench_accounts add primary key (aid)",
    )
    .await
    .expect("keys");
    (world, s)
}

async fn fill(s: &mut Session, table: &str, rows: i64, row: impl Fn(i64) -> Vec<Value>) {
    let name = ObjectName::from(vec![Ident::new(table)]);
    let target = s.copy_target(&name, &[]).await.expect("a target");
    let all: Vec<Vec<Value>> = (1..=rows).map(row).collect();
    for chunk in all.chunks(500) {
        assert_eq!(s.copy_rows(&target, chunk.to_vec()).await.expect("rows"), chunk.len() as u64);
    }
}

async fn sums(s: &mut Session) -> Vec<String> {
    s.rows(
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM \
         pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM \
         pgbench_history), (SELECT count(*) FROM pgbench_history)",
    )
    .await
}

#[tokio::test]
async fn tpcb_with_literals_takes_the_fast_path_and_keeps_the_sums() {
    let (_world, mut s) = initialised().await;
    let count = s.rows("select count(*) from pgbench_accounts").await;
    assert_eq!(count, [ACCOUNTS.to_string()]);
    let mut lifted = 0;
    for i in 1..=20 {
        let (aid, tid, delta) = (i * 37 % ACCOUNTS + 1, i % 10 + 1, i * 100 - 900);
        s.begin();
        for sql in [
            format!("UPDATE pgbench_accounts SET abalance = abalance + {delta} WHERE aid = {aid};"),
            format!("SELECT abalance FROM pgbench_accounts WHERE aid = {aid};"),
            format!("UPDATE pgbench_tellers SET tbalance = tbalance + {delta} WHERE tid = {tid};"),
            format!("UPDATE pgbench_branches SET bbalance = bbalance + {delta} WHERE bid = 1;"),
            format!(
                "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ({tid}, 1, {aid}, \
                 {delta}, CURRENT_TIMESTAMP);"
            ),
        ] {
            let (prepared, values) = s.lift(&sql).await.expect("a lifted statement");
            lifted += 1;
            show(s.execute(&prepared, &values).await.expect("done")).await.expect("rows");
        }
        s.commit().await.expect("a commit");
    }
    assert_eq!(lifted, 100);
    assert_eq!(sums(&mut s).await, ["3000|3000|3000|3000|20"]);
}

#[tokio::test]
async fn tpcb_with_parameters_keeps_the_sums_over_several_sessions() {
    let (world, mut s) = initialised().await;
    let mut tasks = Vec::new();
    for client in 0..4i64 {
        let mut c = world.session();
        tasks.push(tokio::spawn(async move {
            let mut done = 0;
            for i in 0..15i64 {
                let (aid, delta) = (Value::Int(client * 100 + i + 1), Value::Int(i - 5));
                c.begin();
                for (sql, params) in [
                    (
                        "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2",
                        vec![delta.clone(), aid.clone()],
                    ),
                    (
                        "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2",
                        vec![delta.clone(), Value::Int(i % 10 + 1)],
                    ),
                    (
                        "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2",
                        vec![delta.clone(), Value::Int(1)],
                    ),
                    (
                        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, \
                         $4, CURRENT_TIMESTAMP)",
                        vec![Value::Int(1), Value::Int(1), aid.clone(), delta.clone()],
                    ),
                ] {
                    c.with(sql, &params).await.expect(sql);
                }
                c.commit().await.expect("a commit");
                done += i - 5;
            }
            done
        }));
    }
    let mut total = 0;
    for task in tasks {
        total += task.await.expect("a client");
    }
    assert_eq!(sums(&mut s).await, [format!("{total}|{total}|{total}|{total}|60")]);
}
