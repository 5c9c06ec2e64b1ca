//! DROP TABLE and TRUNCATE.

use super::sequence::{drop_owned, restart_owned};
use super::{exclusively, exclusively_if};
use crate::change::Run;
use crate::privilege::{Identity, Object};
use base::{Error, Privileges, Result, SqlState};
use datafusion::sql::sqlparser::ast::ObjectName;

/// Drops tables.
pub async fn drop_tables(run: &mut Run<'_>, names: &[ObjectName], if_exists: bool) -> Result<()> {
    for name in names {
        match exclusively(run, name).await {
            Ok(table) => {
                drop_owned(run, table.id, None).await?;
                run.txn.drop_table(table.id).await?;
            }
            Err(e) if if_exists && e.state == SqlState::UNDEFINED_TABLE => {}
            Err(e) if e.state == SqlState::UNDEFINED_TABLE => {
                let mut e = e;
                e.message = format!("table \"{name}\" does not exist");
                return Err(e);
            }
            Err(e) if e.state == SqlState::WRONG_OBJECT_TYPE => {
                return Err(Error::new(e.state, format!("\"{name}\" is not a table"))
                    .hint("Use DROP SEQUENCE to remove a sequence."));
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Empties tables by giving them new key spaces, which it returns; sequences that belong to them
/// begin anew if that is wanted.
pub async fn truncate(
    run: &mut Run<'_>,
    names: &[&ObjectName],
    if_exists: bool,
    restart_identity: bool,
) -> Result<Vec<base::StorageId>> {
    let mut fresh = Vec::new();
    for name in names {
        let may = |object: &Object, by: &Identity| object.need(by, Privileges::TRUNCATE);
        let table = match exclusively_if(run, name, may).await {
            Err(e) if if_exists && e.state == SqlState::UNDEFINED_TABLE => continue,
            other => other?,
        };
        let mut changed = table.as_ref().clone();
        let local = table.storage.is_local();
        changed.storage = run.txn.next_storage_id().await?.with_local(local);
        for index in &mut changed.indexes {
            index.storage = run.txn.next_index_storage_id(changed.storage).await?;
        }
        changed.version += 1;
        run.txn.put_table(&changed).await?;
        if restart_identity {
            restart_owned(run, table.id).await?;
        }
        fresh.push(changed.storage);
    }
    Ok(fresh)
}
