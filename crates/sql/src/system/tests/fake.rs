//! A source of made-up facts, and DataFusion over it.

use crate::statement::{Stmt, parse};
use crate::system::*;
use base::{Catalog, Column, SqlType, StorageId, TableDescriptor, TableId, Timestamp, Value};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider,
};
use datafusion::prelude::{SessionConfig, SessionContext};

/// Two tables, two users, three databases, a link and a diverged transaction.
pub(super) struct Fake;

fn column(id: u32, name: &str, ty: SqlType, not_null: bool, default: Option<&str>) -> Column {
    Column {
        id,
        name: name.into(),
        ty,
        not_null,
        default: default.map(String::from),
        missing: Value::Null,
        hidden: name.starts_with('_'),
    }
}

fn table(id: u32, name: &str, columns: Vec<Column>, primary_key: Vec<u32>) -> TableDescriptor {
    TableDescriptor {
        id: TableId(id),
        schema: "public".into(),
        name: name.into(),
        storage: StorageId(100 + id),
        indexes: Vec::new(),
        next_column_id: columns.len() as u32 + 1,
        columns,
        shard_key: primary_key.clone(),
        primary_key,
        version: 1,
    }
}

#[async_trait::async_trait]
impl SystemSource for Fake {
    fn database(&self) -> String {
        "shop".into()
    }

    fn catalog(&self) -> Arc<Catalog> {
        let numeric = SqlType::Numeric { precision: 10, scale: 2 };
        let t = table(
            1,
            "t",
            vec![
                column(1, "id", SqlType::Int, true, None),
                column(2, "name", SqlType::Varchar(20), true, Some("'x'")),
                column(3, "n", numeric, false, None),
                column(4, "at", SqlType::TimestampTz, false, Some("now()")),
                column(5, "c", SqlType::Char(84), false, None),
            ],
            vec![1],
        );
        let log = table(
            2,
            "Log",
            vec![
                column(1, "line", SqlType::Text, false, None),
                column(2, "_row", SqlType::BigInt, true, None),
            ],
            vec![2],
        );
        let tables = [t, log].map(|t| (t.id, Arc::new(t)));
        Arc::new(Catalog { stamp: Timestamp(1), tables: tables.into(), ..Catalog::default() })
    }

    async fn databases(&self) -> Result<Vec<DatabaseFact>> {
        let one = |id, name: &str, role: &str| DatabaseFact {
            id,
            name: name.into(),
            partitions: 4,
            role: role.into(),
            durability: "sync".into(),
            bytes: 20_000_000,
            ..DatabaseFact::default()
        };
        Ok(vec![one(1, "antipode", "primary"), one(2, "shop", "standby")])
    }

    async fn users(&self) -> Result<Vec<UserFact>> {
        let one = |name: &str, superuser| UserFact {
            name: name.into(),
            superuser,
            login: true,
            inherit: true,
            ..UserFact::default()
        };
        Ok(vec![one("ann", true), one("bob", false)])
    }

    fn user(&self) -> String {
        "ann".into()
    }

    async fn links(&self) -> Result<Vec<LinkFact>> {
        let whole = LinkFact {
            database: "shop".into(),
            role: "target".into(),
            peer: "east".into(),
            state: "streaming".into(),
            lag_records: Some(3),
            lag_rows: Some(7),
            replicated_ms: Some(1000),
            ..LinkFact::default()
        };
        let part = LinkFact { partition: Some(0), replicated_ms: None, ..whole.clone() };
        Ok(vec![whole, part])
    }

    async fn history(&self) -> Result<Vec<EventFact>> {
        Ok(vec![EventFact {
            id: 1,
            at_ms: 0,
            database: "shop".into(),
            event: "promote".into(),
            detail: "cut 5".into(),
            epoch: Some("2@1.1".into()),
            cut_ms: Some(5),
            who: Some("ann".into()),
        }])
    }

    async fn diverged(&self) -> Result<Vec<DivergedFact>> {
        let one = |table: &str, key: &str, new: Option<&str>| DivergedFact {
            database: "shop".into(),
            txn: "a-1".into(),
            commit_ms: 1_500,
            origin: 1,
            complete: true,
            decided: true,
            by_content: false,
            table: table.into(),
            key: key.into(),
            old: Some("{\"id\":1}".into()),
            new: new.map(String::from),
            ..DivergedFact::default()
        };
        Ok(vec![one("t", "[1]", Some("{\"id\":1}")), one("Log", "[2]", None)])
    }

    async fn servers(&self) -> Result<Vec<ServerFact>> {
        let (name, host, user) = ("ybwest".into(), "ybeast".into(), Some("root".into()));
        Ok(vec![ServerFact { id: 1, name, host, port: 5432, user }])
    }

    async fn replicas(&self) -> Result<Vec<ReplicaFact>> {
        let ended = CycleFact {
            id: "6".into(),
            elapsed_ms: Some(500),
            started_ms: Some(1_000),
            ended_ms: Some(1_500),
            state: "DONE".into(),
            sent_bytes: Some(77),
            cut_ms: Some(1_000),
            ..CycleFact::default()
        };
        let now = CycleFact {
            id: "7".into(),
            ended_ms: None,
            cut_ms: None,
            state: "DISCONNECTED".into(),
            error: Some("nobody answers".into()),
            ..ended.clone()
        };
        Ok(vec![ReplicaFact {
            id: 2,
            database: 2,
            name: "r".into(),
            server: "ybwest".into(),
            alias: "copy".into(),
            status: "RUNNING".into(),
            frequency_ms: 60_000,
            now,
            ended: vec![ended],
            ..ReplicaFact::default()
        }])
    }

    async fn settings(&self) -> Result<Vec<SettingFact>> {
        Ok(vec![SettingFact { name: "work".into(), value: "4MB".into(), description: "".into() }])
    }
}

/// The names of a statement's result columns.
pub(super) async fn names(sql: &str) -> Result<Vec<String>, String> {
    let batches = batches(sql).await?;
    let batch = batches.first().ok_or("no batch")?;
    Ok(batch.schema().fields().iter().map(|f| f.name().clone()).collect())
}

/// Runs a statement; the rows as text, `|` between cells, `-` for NULL.
pub(super) async fn run(sql: &str) -> Result<Vec<String>, String> {
    Ok(batches(sql).await?.iter().flat_map(lines).collect())
}

async fn batches(sql: &str) -> Result<Vec<RecordBatch>, String> {
    let Stmt::Sql(mut ast) = parse(sql).map_err(|e| e.to_string())?.remove(0).stmt else {
        return Err(format!("no plain SQL: {sql}"));
    };
    let scope = scope(&Fake, &mut ast).await.map_err(|e| e.to_string())?;
    let shown = ast.to_string();
    let context = context(scope.unwrap_or_default());
    let statement = datafusion::sql::parser::Statement::Statement(ast);
    let run = async {
        let plan = context.state().statement_to_plan(statement).await?;
        context.execute_logical_plan(plan).await?.collect().await
    };
    run.await.map_err(|e| format!("{e}\nin {shown}"))
}

fn context(scope: Scope) -> SessionContext {
    let mut config = SessionConfig::new().with_create_default_catalog_and_schema(false);
    config.options_mut().catalog.default_catalog = "shop".into();
    config.options_mut().catalog.default_schema = "pg_catalog".into();
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    config.options_mut().sql_parser.default_null_ordering = "nulls_max".into();
    let context = SessionContext::new_with_config(config);
    let catalog = MemoryCatalogProvider::new();
    for schema in ["pg_catalog", "information_schema", "sys"] {
        let provider = Arc::new(MemorySchemaProvider::new());
        for ((_, name), table) in scope.tables.iter().filter(|((s, _), _)| s == schema) {
            provider.register_table(name.clone(), table.clone()).expect("registered");
        }
        catalog.register_schema(schema, provider).expect("registered");
    }
    context.register_catalog("shop", Arc::new(catalog));
    for function in scope.functions.into_values() {
        context.register_udf(function.as_ref().clone());
    }
    context
}

/// The rows of a batch as text.
pub(super) fn lines(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let formatters: Vec<_> = batch
        .columns()
        .iter()
        .map(|c| ArrayFormatter::try_new(c, &options).expect("a type with a text form"))
        .collect();
    let line = |row: usize| {
        formatters.iter().map(|f| f.value(row).to_string()).collect::<Vec<_>>().join("|")
    };
    (0..batch.num_rows()).map(line).collect()
}
