//! `SHOW GRANTS`.

use super::super::Executor;
use crate::change::Run;
use crate::privilege::{self, Object};
use crate::statement::RoleName;
use crate::system::GrantRow;
use base::{AclItem, Catalog, Privileges, Result};
use std::collections::BTreeSet;

impl Executor {
    /// `SHOW GRANTS`: of a role, or of everybody, in the database connected to.
    pub(super) async fn shown_grants(
        &self,
        run: &mut Run<'_>,
        who: Option<&RoleName>,
    ) -> Result<Vec<GrantRow>> {
        let who = match who {
            None => None,
            Some(role) => {
                let name = self.grantee(role, run.by)?;
                Some(self.engine.meta.read(|s| match &name {
                    Some(name) => s.roles_of(name, true),
                    None => Default::default(),
                }))
            }
        };
        let catalog = run.txn.catalog().await?;
        let mut rows = Vec::new();
        let nobody = self.engine.meta.read(privilege::nobody);
        for object in everything(&catalog, &self.database) {
            for item in object.acl().iter() {
                let fits = |all: &BTreeSet<String>| {
                    item.grantee.as_ref().is_none_or(|name| all.contains(name))
                };
                if who.as_ref().is_none_or(fits) {
                    rows.extend(lines(&object, item, &nobody));
                }
            }
        }
        for m in self.engine.meta.read(|s| s.memberships.clone()) {
            if who.as_ref().is_none_or(|all| all.contains(&m.member)) {
                rows.push(GrantRow {
                    kind: "role",
                    object: m.role,
                    grantee: m.member,
                    privilege: "MEMBER",
                    grantable: m.admin,
                    grantor: m.grantor,
                });
            }
        }
        Ok(rows)
    }
}

/// The lines that one grant has in `SHOW GRANTS`.
fn lines(object: &Object, item: &AclItem, nobody: &str) -> Vec<GrantRow> {
    let line = |(one, _, privilege): (Privileges, char, &'static str)| GrantRow {
        kind: object.kind.name(),
        object: object.name.clone(),
        grantee: item.grantee.clone().unwrap_or_else(|| "PUBLIC".into()),
        privilege,
        grantable: item.grantable.has(one),
        grantor: if item.grantor.is_empty() { nobody.to_owned() } else { item.grantor.clone() },
    };
    item.privileges.each().map(line).collect()
}

/// Everything in a database that has rights.
fn everything(catalog: &Catalog, database: &str) -> Vec<Object> {
    let tables = catalog.tables.values().map(|t| Object::table(catalog, t));
    let sequences = catalog.sequences.values().map(|s| Object::sequence(catalog, s));
    let own = [Object::database(catalog, database), Object::schema(catalog)];
    own.into_iter().chain(tables).chain(sequences).collect()
}
