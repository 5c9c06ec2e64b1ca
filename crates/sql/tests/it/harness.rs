//! An engine, and sessions that run SQL on it and show results as text.

use arrow::record_batch::RecordBatch;
use base::{ClusterId, Error, NodeId, Result, Value};
use datafusion::sql::sqlparser::ast::ObjectName;
use futures::TryStreamExt;
use meta::{Bootstrap, Durability};
use sql::{
    CopyTarget, Executor, Outcome, Prepared, ResultColumn, Runtime, RuntimeSettings, statement,
};
use std::sync::Arc;
use txn::{Engine, EngineSettings, Isolation, Transaction, TxnOptions};

/// One engine with one database, `test`.
pub struct World {
    pub engine: Arc<Engine>,
    pub runtime: Arc<Runtime>,
    _dir: tempfile::TempDir,
}

/// A result as text.
#[derive(Debug, PartialEq)]
pub struct Shown {
    pub columns: Vec<String>,
    pub rows: Vec<String>,
    pub tag: String,
}

impl World {
    pub async fn new() -> World {
        World::with_partitions(4).await
    }

    pub async fn with_partitions(partitions: u16) -> World {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let world = World::open(dir).await;
        let made = world.engine.create_database("test", partitions, Durability::Async);
        made.await.expect("a database");
        world
    }

    /// With so many bytes for sorting, joining and grouping.
    pub async fn with_query_memory(memory_bytes: usize) -> World {
        let settings = RuntimeSettings { memory_bytes, ..RuntimeSettings::default() };
        let runtime = Runtime::new(&settings).expect("a runtime");
        World { runtime, ..World::new().await }
    }

    /// Shuts the engine down and opens its folder again.
    pub async fn reopen(self) -> World {
        let World { engine, _dir, .. } = self;
        engine.shutdown().await;
        drop(engine);
        World::open(_dir).await
    }

    async fn open(dir: tempfile::TempDir) -> World {
        let bootstrap = Bootstrap {
            cluster_id: ClusterId(1),
            name: "test".into(),
            node: NodeId(1),
            superuser: "root".into(),
            password: "secret".into(),
        };
        let env = env::real::env();
        let settings = EngineSettings::new(dir.path().to_owned(), bootstrap);
        let engine = Engine::open(env.clone(), settings).await.expect("an engine");
        let runtime = Runtime::new(&RuntimeSettings::default()).expect("a runtime");
        World { engine, runtime, _dir: dir }
    }

    pub fn session(&self) -> Session {
        self.session_of("root")
    }

    /// A connection of somebody.
    pub fn session_of(&self, user: &str) -> Session {
        let executor =
            Executor::new(self.runtime.clone(), self.engine.clone(), None, "test", user, 7);
        Session { engine: self.engine.clone(), executor, txn: None }
    }
}

/// A connection: statements run in its transaction, or each in its own.
pub struct Session {
    engine: Arc<Engine>,
    pub executor: Executor,
    txn: Option<Transaction>,
}

impl Session {
    pub fn begin_with(&mut self, isolation: Isolation) {
        let database = self.engine.database("test").expect("the database");
        self.txn = Some(database.begin(TxnOptions { isolation, read_only: false }));
    }

    pub fn begin(&mut self) {
        self.begin_with(Isolation::ReadCommitted);
    }

    pub async fn commit(&mut self) -> Result<()> {
        self.txn.take().expect("a transaction").commit().await.map(|_| ())
    }

    pub async fn rollback(&mut self) {
        self.txn.take().expect("a transaction").rollback().await;
    }

    pub fn txn(&mut self) -> &mut Transaction {
        self.txn.as_mut().expect("a transaction")
    }

    /// Runs statements; the last one's result.
    pub async fn run(&mut self, sql: &str) -> Result<Shown> {
        let mut last = None;
        for parsed in statement::parse(sql)? {
            last = Some(self.one(&parsed.stmt).await?);
        }
        last.ok_or_else(|| Error::internal("no statement"))
    }

    async fn one(&mut self, stmt: &statement::Stmt) -> Result<Shown> {
        let alone = self.txn.is_none() && Executor::may_stand_alone(stmt);
        if alone || Executor::stands_alone(stmt) {
            return show(self.executor.execute_alone(stmt).await?).await;
        }
        if let Some(txn) = &mut self.txn {
            return show(self.executor.execute_stmt(txn, stmt).await?).await;
        }
        self.begin();
        let txn = self.txn.as_mut().expect("a transaction");
        let result = match self.executor.execute_stmt(txn, stmt).await {
            Ok(outcome) => show(outcome).await,
            Err(e) => Err(e),
        };
        match result {
            Ok(shown) => self.commit().await.map(|()| shown),
            Err(e) => {
                self.rollback().await;
                Err(e)
            }
        }
    }

    /// Runs one statement with parameters.
    pub async fn with(&mut self, sql: &str, params: &[Value]) -> Result<Shown> {
        let parsed = statement::parse(sql)?.remove(0);
        let own = self.txn.is_none();
        if own {
            self.begin();
        }
        let txn = self.txn.as_mut().expect("a transaction");
        let result = match self.executor.prepare(txn, &parsed.stmt, &[]).await {
            Ok(prepared) => match self.executor.execute(txn, &prepared, params).await {
                Ok(outcome) => show(outcome).await,
                Err(e) => Err(e),
            },
            Err(e) => Err(e),
        };
        if own {
            match &result {
                Ok(_) => self.commit().await?,
                Err(_) => self.rollback().await,
            }
        }
        result
    }

    /// See [`Executor::lift`].
    pub async fn lift(&mut self, sql: &str) -> Option<(Arc<Prepared>, Vec<Value>)> {
        let txn = self.txn.as_mut().expect("a transaction");
        self.executor.lift(txn, sql).await.expect("lifted")
    }

    /// See [`Executor::execute`].
    pub async fn execute(&mut self, prepared: &Prepared, params: &[Value]) -> Result<Outcome> {
        let txn = self.txn.as_mut().expect("a transaction");
        self.executor.execute(txn, prepared, params).await
    }

    /// See [`Executor::prepare`].
    pub async fn prepare(&mut self, sql: &str) -> Arc<Prepared> {
        let parsed = statement::parse(sql).expect("a statement").remove(0);
        let txn = self.txn.as_mut().expect("a transaction");
        self.executor.prepare(txn, &parsed.stmt, &[]).await.expect("prepared")
    }

    /// See [`Executor::copy_target`].
    pub async fn copy_target(
        &mut self,
        table: &ObjectName,
        names: &[String],
    ) -> Result<CopyTarget> {
        let txn = self.txn.as_mut().expect("a transaction");
        self.executor.copy_target(txn, table, names).await
    }

    /// See [`Executor::copy_rows`].
    pub async fn copy_rows(&mut self, to: &CopyTarget, rows: Vec<Vec<Value>>) -> Result<u64> {
        let txn = self.txn.as_mut().expect("a transaction");
        self.executor.copy_rows(txn, to, rows).await.map_err(Into::into)
    }

    /// The rows of a query, one string per row, columns joined by `|`.
    pub async fn rows(&mut self, sql: &str) -> Vec<String> {
        match self.run(sql).await {
            Ok(shown) => shown.rows,
            Err(e) => panic!("{sql}: {e:?}"),
        }
    }

    /// The tag of a statement that succeeds.
    pub async fn tag(&mut self, sql: &str) -> String {
        match self.run(sql).await {
            Ok(shown) => shown.tag,
            Err(e) => panic!("{sql}: {e:?}"),
        }
    }

    /// The error of a statement that fails: SQLSTATE and message.
    pub async fn fails(&mut self, sql: &str) -> (&'static str, String) {
        match self.run(sql).await {
            Ok(shown) => panic!("{sql} succeeded: {shown:?}"),
            Err(e) => (e.state.0, e.into_report().message),
        }
    }
}

/// Reads an outcome to its end.
pub async fn show(outcome: Outcome) -> Result<Shown> {
    match outcome {
        Outcome::Command { tag } => Ok(Shown { columns: Vec::new(), rows: Vec::new(), tag }),
        Outcome::Rows { columns, rows, verb } => {
            let batches: Vec<RecordBatch> = rows.try_collect().await?;
            let rows: Vec<String> = batches.iter().flat_map(|b| lines(b, &columns)).collect();
            Ok(Shown {
                columns: columns.into_iter().map(|c| c.name).collect(),
                tag: format!("{verb} {}", rows.len()),
                rows,
            })
        }
    }
}

fn lines(batch: &RecordBatch, columns: &[ResultColumn]) -> Vec<String> {
    (0..batch.num_rows())
        .map(|row| {
            let cells = batch.columns().iter().zip(columns).map(|(array, column)| {
                assert_eq!(array.data_type(), &sql::types::arrow_type(column.ty));
                match state::value_at(array.as_ref(), row, column.ty) {
                    Value::Null => "NULL".to_owned(),
                    value => sql::text::format(column.ty, &value),
                }
            });
            cells.collect::<Vec<_>>().join("|")
        })
        .collect()
}
