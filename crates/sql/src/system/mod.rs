//! The system schemas `information_schema`, `pg_catalog` and `sys`, and the results of `SHOW`.
//!
//! ```text
//!   AST ── concerns it the system? ── no ─▶ nothing to do (every ordinary statement)
//!            │ yes
//!            ▼
//!        rewrite: what DataFusion cannot plan is said in another way
//!            │
//!            ▼
//!        which tables and functions does it name? ──▶ SystemSource: facts
//!                                                          │
//!                 Scope { tables, functions } ◀────────────┘  for the planner, this statement only
//! ```
//!
//! Clients ask these schemas a lot: `psql` sends nine queries for one `\d t`. The answers are made
//! from plain facts (the catalog at the statement's snapshot, metadata, links), a few kilobytes,
//! when a statement names the table; nothing is kept up to date in between.
//!
//! # Steps
//! 1. [`scope`] looks at the statement. An ordinary one is left alone.
//! 2. The statement is rewritten: `pg_catalog.` before functions goes, casts to `regclass` and its
//!    kin become function calls, `OPERATOR(pg_catalog.~)` becomes `~`, `COLLATE` goes, a query over
//!    a table that is always empty becomes an empty query (so nobody has to plan its expressions).
//! 3. Facts are gathered for the tables it still names, and put into Arrow batches.
//!
//! # Invariants
//! * Object numbers are the same on every node and after every restart.
//! * A plan made with a scope holds its facts: it must not be kept for another execution.
//! * A column that is not known here has PostgreSQL's name and type and a harmless value.

mod cluster;
mod columns;
mod dr;
mod drill;
mod engine;
mod functions;
mod indexes;
mod keys;
mod mention;
mod oids;
mod protection;
mod relations;
mod replicas;
mod replication;
mod rewrite;
mod rights;
mod sequences;
mod sheet;
mod show;
mod source;
mod standard;
mod storage;
mod types;

#[cfg(test)]
mod tests;

pub use drill::{DrillStep, drilled};
pub use engine::{Activity, EngineSource};
pub use show::{
    GrantRow, explained, failed_over, forgotten, grants, receipt, show, show_schema, verified,
};
pub use source::{
    CycleFact, DatabaseFact, DivergedFact, DrillFact, EventFact, Fate, GroupFact, LinkFact,
    ProtectionFact, ReplicaFact, ReplicationFact, RightsFact, ServerFact, SessionFact, SettingFact,
    StorageFact, SystemSource, UsageFact, UserFact, WindowFact,
};

pub(crate) use functions::answers::split_name;
pub(crate) use keys::quoted;
pub(crate) use oids::table as relation_oid;

use base::{Error, Result};
use columns::{RELATIONS, Relation};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::logical_expr::ScalarUDF;
use datafusion::sql::sqlparser::ast::Statement;
use sheet::Sheet;
use source::Facts;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one statement finds of the system, on top of the ordinary tables and functions.
#[derive(Default)]
pub struct Scope {
    /// System tables by schema and name.
    pub tables: BTreeMap<(String, String), Arc<dyn TableProvider>>,
    /// Functions by name. They go before ordinary ones.
    pub functions: BTreeMap<String, Arc<ScalarUDF>>,
}

/// True if a statement names a system table or function, or something that needs rewriting.
pub fn concerns(ast: &Statement) -> bool {
    mention::concerns(ast)
}

/// Rewrites a statement if it concerns the system, and gives it what it needs. `None`: it does not.
pub async fn scope(source: &dyn SystemSource, ast: &mut Statement) -> Result<Option<Scope>> {
    if !concerns(ast) {
        return Ok(None);
    }
    rewrite::rewrite(ast);
    let names = mention::relations(ast);
    let wants = |some: &[&str]| names.iter().any(|(_, name)| some.contains(&name.as_str()));
    let facts = Arc::new(Facts::gather(source, wants).await?);
    let mut scope = Scope { functions: functions::all(&facts), ..Scope::default() };
    for key in names {
        if let Some(relation) = RELATIONS.get(&key) {
            scope.tables.insert(key, table(&facts, relation)?);
        }
    }
    Ok(Some(scope))
}

fn table(facts: &Facts, relation: &Relation) -> Result<Arc<dyn TableProvider>> {
    let mut sheet = Sheet::of(relation);
    fill(facts, relation, &mut sheet);
    let table = MemTable::try_new(sheet.schema(), vec![vec![sheet.batch()?]])
        .map_err(|e| Error::internal(format!("system table {}: {e}", relation.name)))?;
    Ok(Arc::new(table))
}

/// The rows of a table. Those not listed are always empty.
fn fill(facts: &Facts, relation: &Relation, sheet: &mut Sheet) {
    match (relation.schema.as_str(), relation.name.as_str()) {
        ("pg_catalog", "pg_class") => relations::classes(facts, sheet),
        ("pg_catalog", "pg_attribute") => relations::attributes(facts, sheet),
        ("pg_catalog", "pg_attrdef") => relations::defaults(facts, sheet),
        ("pg_catalog", "pg_index") => indexes::rows(facts, sheet),
        ("pg_catalog", "pg_constraint") => indexes::constraints(facts, sheet),
        ("pg_catalog", "pg_namespace") => relations::namespaces(facts, sheet),
        ("pg_catalog", "pg_tables") => relations::table_list(facts, sheet),
        ("pg_catalog", "pg_indexes") => indexes::list(facts, sheet),
        ("pg_catalog", "pg_sequence") => sequences::rows(facts, sheet),
        ("pg_catalog", "pg_sequences") => sequences::list(facts, sheet),
        ("pg_catalog", "pg_depend") => sequences::owners(facts, sheet),
        ("information_schema", "sequences") => sequences::standard(facts, sheet),
        ("pg_catalog", "pg_type") => cluster::types(sheet),
        ("pg_catalog", "pg_am") => cluster::access_methods(sheet),
        ("pg_catalog", "pg_tablespace") => cluster::tablespaces(sheet),
        ("pg_catalog", "pg_database") => cluster::databases(facts, sheet),
        ("pg_catalog", "pg_roles" | "pg_authid") => cluster::roles(facts, sheet),
        ("pg_catalog", "pg_user") => cluster::users(facts, sheet),
        ("pg_catalog", "pg_auth_members") => rights::members(facts, sheet),
        ("pg_catalog", "pg_db_role_setting") => rights::defaults(facts, sheet),
        ("information_schema", "carried_roles") => rights::carried(facts, sheet),
        ("information_schema", "address_rules") => rights::address_rules(facts, sheet),
        ("information_schema", "enabled_roles") => rights::enabled(facts, sheet),
        ("information_schema", "applicable_roles") => rights::applicable(facts, sheet),
        ("information_schema", "table_privileges" | "role_table_grants") => {
            rights::tables(facts, sheet);
        }
        ("pg_catalog", "pg_settings") => cluster::settings(facts, sheet),
        ("pg_catalog", "pg_stat_activity") => cluster::activity(facts, sheet),
        ("information_schema", "schemata") => standard::schemata(facts, sheet),
        ("information_schema", "tables") => standard::tables_of(facts, sheet),
        ("information_schema", "columns") => standard::columns_of(facts, sheet),
        ("information_schema", "table_constraints") => standard::constraints(facts, sheet),
        ("information_schema", "key_column_usage") => standard::key_columns(facts, sheet),
        ("information_schema", "replication_status" | "mv_replication_status") => {
            replication::status(&facts.links, sheet);
        }
        ("information_schema", "drills") => drill::view(facts, sheet),
        ("information_schema", "replication_history") => replication::history(facts, sheet),
        ("information_schema", "diverged_transactions") => {
            replication::diverged_transactions(facts, sheet);
        }
        ("information_schema", "dr_tables") => dr::tables(facts, sheet),
        ("information_schema", "dr_role") => dr::roles(facts, sheet),
        ("information_schema", "dr_producer") => dr::producers(facts, sheet),
        ("information_schema", "dr_consumer") => dr::consumers(facts, sheet),
        ("information_schema", "protection_status") => protection::status(facts, sheet),
        ("information_schema", "replication_groups") => protection::groups(facts, sheet),
        ("information_schema", "storage_status") => storage::status(facts, sheet),
        ("information_schema", "engine_status") => storage::usage(facts, sheet),
        ("information_schema", "version_windows") => storage::windows(facts, sheet),
        ("sys", "database") => replicas::databases(facts, sheet),
        ("sys", "remote_server") => replicas::servers(facts, sheet),
        ("sys", "replica") => replicas::replicas(facts, sheet),
        ("sys", "replica_status") => replicas::status(facts, sheet),
        ("sys", "log_replica_status") => replicas::log(facts, sheet),
        ("information_schema", "diverged_rows") => replication::diverged_rows(facts, sheet),
        _ => {}
    }
}
