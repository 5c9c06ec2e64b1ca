//! # Roles come with their database
//! A cluster whose database is the primary has every role that the database carries, as it was
//! changed there or later.

use crate::region::Access;
use crate::verdict::Violation;

/// Checks a primary. What cannot be read now proves nothing.
pub async fn check(access: &Access, name: &str) -> Result<(), Violation> {
    let Ok(database) = access.database() else { return Ok(()) };
    let Ok(catalog) = database.newest_catalog().await else { return Ok(()) };
    // A failure to take roles over is told, and made good by the next restart.
    let adopting = access.record().is_ok_and(|record| record.adopting);
    let Some(row) = txn::carried(&catalog).ok().flatten().filter(|_| !adopting) else {
        return Ok(());
    };
    for (role, carried) in row.roles {
        let here = access.engine.meta.read(|s| s.users.get(&role).cloned());
        let wrong = match here {
            None => "is missing".to_owned(),
            Some(here) if here.id == carried.id && here.changed < carried.changed => {
                format!("is as of {}, the database has {}", here.changed, carried.changed)
            }
            Some(_) => continue,
        };
        return Err(Violation::new("roles_of_cut", format!("role {role} at {name} {wrong}")));
    }
    Ok(())
}
