//! `EXCLUDE`: tables that a replica's target does not get.
//!
//! Which tables are replicated is said for the database (`DR TABLE`), not for each of its targets. So a
//! replica that leaves tables out makes them tables of this cluster alone, in the transaction that
//! declares it, and is refused where somebody else gets them already. As long as it is declared they
//! stay so: also a table that is made anew under such a name, and whatever `DR TABLE` is told.

use super::Executor;
use crate::change::{Run, last_part};
use crate::ddl::{self, DrTables};
use base::{Catalog, Error, Result, SqlState, StorageId};
use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use meta::{Database as Record, DatabaseState};

impl Executor {
    /// Does `declare` with tables left out from then on. Neither happens without the other, but for a
    /// crash in between: then `START` says so.
    pub(super) async fn excluding(
        &self,
        database: &str,
        replica: &str,
        tables: &[String],
        declare: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        if tables.is_empty() {
            return declare().await;
        }
        let record = self.engine.record(database)?;
        if record.state != DatabaseState::Primary {
            let message = format!("database \"{database}\" is {} here", record.state.name());
            return Err(prerequisite(message)
                .detail("Which tables come to a standby is said at its source.")
                .hint("leave EXCLUDE out: what is not replicated there is not replicated back"));
        }
        let open = self.engine.database(database)?;
        self.begin(&open, async |run| {
            run.txn.begin_ddl().await?;
            let catalog = run.txn.catalog().await?;
            if replicated(&catalog, tables)? {
                nobody_else_gets(&record, replica)?;
            }
            for table in tables {
                keep(run, table).await?;
            }
            declare().await
        })
        .await
    }

    /// A new table whose name some replica leaves out is of this cluster alone; tells the key spaces it
    /// has got.
    pub(in crate::executor) async fn keep_new(
        &self,
        run: &mut Run<'_>,
        name: &ObjectName,
        made: Option<StorageId>,
    ) -> Result<Vec<StorageId>> {
        let Some(storage) = made.filter(|s| !s.is_local()) else {
            return Ok(made.into_iter().collect());
        };
        let Some(name) = self.left_out(run, name)? else { return Ok(vec![storage]) };
        let mut all = keep(run, &name).await?;
        all.push(storage);
        Ok(all)
    }

    /// As [`Executor::keep_new`], for a table that was made together with rows.
    pub(in crate::executor) async fn keep_created(
        &self,
        run: &mut Run<'_>,
        name: &ObjectName,
    ) -> Result<()> {
        if let Some(table) = self.left_out(run, name)? {
            let fresh = keep(run, &table).await?;
            self.tell_if_local(name, fresh.first().copied());
        }
        Ok(())
    }

    /// The last part of a table's name, if some replica leaves out what is called so.
    fn left_out(&self, run: &Run<'_>, name: &ObjectName) -> Result<Option<String>> {
        let name = last_part(name)?;
        let record = self.engine.record(run.txn.database().name())?;
        Ok(excluding_replica(&record, &name).map(|_| name))
    }

    /// An error if a table is to be replicated that some replica leaves out.
    pub(in crate::executor) fn check_excluded(
        &self,
        database: &str,
        wanted: &DrTables,
    ) -> Result<()> {
        let record = self.engine.record(database)?;
        let found = match wanted {
            DrTables::One { disable: true, .. } => None,
            DrTables::One { table, disable: false } => {
                excluding_replica(&record, &last_part(table)?)
            }
            DrTables::All => {
                record.replicas.iter().find(|(_, r)| !r.options.exclude.is_empty()).map(|r| r.0)
            }
        };
        let Some(replica) = found else { return Ok(()) };
        let list = record.replicas[replica].options.exclude.join(", ");
        Err(prerequisite(format!("replica \"{replica}\" leaves tables out: {list}")).hint(format!(
            "ALTER DATABASE {database} ALTER REPLICA {replica} WITH (EXCLUDE '') ends that; they stay \
             as they are until DR TABLE says otherwise"
        )))
    }
}

/// The replica that leaves a table out, if one does.
fn excluding_replica<'r>(record: &'r Record, table: &str) -> Option<&'r String> {
    let leaves_out = |r: &meta::Replica| r.options.exclude.iter().any(|t| t == table);
    record.replicas.iter().find(|(_, r)| leaves_out(r)).map(|(name, _)| name)
}

/// True if one of some tables is replicated.
///
/// # Errors
/// 42P01 if one is not there.
fn replicated(catalog: &Catalog, tables: &[String]) -> Result<bool> {
    let mut any = false;
    for name in tables {
        let table = catalog.table("public", name).ok_or_else(|| {
            let message = format!("table \"{name}\" does not exist");
            Error::new(SqlState::UNDEFINED_TABLE, message)
                .hint("EXCLUDE lists tables: there is one schema, public")
        })?;
        any |= !table.storage.is_local();
    }
    Ok(any)
}

/// An error if a database is replicated by more than the replica that is declared.
fn nobody_else_gets(record: &Record, replica: &str) -> Result<()> {
    let other = record.replicas.keys().find(|name| *name != replica);
    let slot = record.slots.values().find(|slot| slot.dropped.is_none());
    let who = match (other, slot) {
        (None, None) => return Ok(()),
        (Some(other), _) => format!("replica \"{other}\""),
        (None, Some(slot)) => format!("cluster \"{}\"", slot.target_name),
    };
    let message = format!("database \"{}\" is replicated to {who} with these tables", record.name);
    Err(prerequisite(message)
        .detail(
            "Tables are left out for all targets of a database, and there they would be emptied.",
        )
        .hint("DR TABLE t DISABLE, in that database, does that; then EXCLUDE lists them"))
}

async fn keep(run: &mut Run<'_>, table: &str) -> Result<Vec<StorageId>> {
    let table = ObjectName::from(vec![Ident::with_quote('"', table)]);
    let chosen = ddl::replicate_tables(run, &DrTables::One { table, disable: true }).await?;
    Ok(chosen.fresh)
}

fn prerequisite(message: String) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}
