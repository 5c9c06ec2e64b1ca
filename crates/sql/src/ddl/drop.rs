//! DROP TABLE and TRUNCATE.

use super::exclusively;
use crate::change::Run;
use base::{Result, SqlState};
use datafusion::sql::sqlparser::ast::ObjectName;

/// Drops tables.
pub async fn drop_tables(run: &mut Run<'_>, names: &[ObjectName], if_exists: bool) -> Result<()> {
    for name in names {
        match exclusively(run, name).await {
            Ok(table) => run.txn.drop_table(table.id).await?,
            Err(e) if if_exists && e.state == SqlState::UNDEFINED_TABLE => {}
            Err(e) if e.state == SqlState::UNDEFINED_TABLE => {
                let mut e = e;
                e.message = format!("table \"{name}\" does not exist");
                return Err(e);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Empties tables by giving them new key spaces, which it returns.
pub async fn truncate(
    run: &mut Run<'_>,
    names: &[&ObjectName],
    if_exists: bool,
) -> Result<Vec<base::StorageId>> {
    let mut fresh = Vec::new();
    for name in names {
        let table = match exclusively(run, name).await {
            Err(e) if if_exists && e.state == SqlState::UNDEFINED_TABLE => continue,
            other => other?,
        };
        let mut changed = table.as_ref().clone();
        changed.storage = run.txn.next_storage_id().await?;
        changed.version += 1;
        run.txn.put_table(&changed).await?;
        fresh.push(changed.storage);
    }
    Ok(fresh)
}
