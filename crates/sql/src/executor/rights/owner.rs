//! Owners, and who may be one.

use super::super::Executor;
use super::objects;
use crate::change::Run;
use crate::privilege::{self, Identity, Object};
use crate::statement::{Objects, RoleName};
use base::{Error, Result, Securable, SqlState};
use txn::Transaction;

impl Executor {
    /// A role that must exist.
    pub(in crate::executor) fn role_named(&self, role: &RoleName, by: &Identity) -> Result<String> {
        let name = match role {
            RoleName::Current => &by.user,
            RoleName::Named(name) => name,
            RoleName::Public => "public",
        };
        if self.engine.meta.read(|s| s.users.contains_key(name)) {
            return Ok(name.to_owned());
        }
        let message = format!("role \"{name}\" does not exist");
        Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
    }

    /// A role that the user may give things to: itself, or one it is a member of.
    pub(in crate::executor) fn receiver(&self, role: &RoleName, by: &Identity) -> Result<String> {
        let name = self.role_named(role, by)?;
        if by.superuser || by.memberships.contains(&name) {
            return Ok(name);
        }
        let message = format!("must be able to SET ROLE \"{name}\"");
        Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message))
    }

    /// `ALTER {DATABASE|SCHEMA} … OWNER TO`
    pub(super) async fn give(&self, run: &mut Run<'_>, on: &Objects, to: &RoleName) -> Result<()> {
        let to = self.receiver(to, run.by)?;
        match on {
            Objects::Databases(names) => {
                for name in names {
                    self.in_database(run, name, async |txn, by, catalog| {
                        let object = Object::database(&catalog, name);
                        object.need_owner(by)?;
                        give_one(txn, Securable::Database, &object, &to).await
                    })
                    .await?;
                }
            }
            other => {
                run.txn.begin_ddl().await?;
                let catalog = run.txn.catalog().await?;
                for (of, object) in objects(&catalog, other)? {
                    object.need_owner(run.by)?;
                    give_one(run.txn, of, &object, &to).await?;
                }
            }
        }
        Ok(())
    }

    /// `REASSIGN OWNED` and `DROP OWNED`, in the database connected to.
    pub(super) async fn owned(
        &self,
        run: &mut Run<'_>,
        roles: &[RoleName],
        to: Option<&RoleName>,
    ) -> Result<()> {
        let to = to.map(|to| self.receiver(to, run.by)).transpose()?;
        for role in roles {
            let from = self.receiver(role, run.by)?;
            run.txn.begin_ddl().await?;
            let catalog = run.txn.catalog().await?;
            let changes = match &to {
                Some(to) => privilege::reassign(&catalog, &from, to),
                None => {
                    let mut owned =
                        catalog.access.values().filter(|a| a.owner.as_ref() == Some(&from));
                    if owned.next().is_some() {
                        return Err(Error::unsupported("DROP OWNED BY a role that owns objects")
                            .hint("REASSIGN OWNED BY … TO … first, or drop them one by one"));
                    }
                    privilege::drop_owned(&catalog, &from)
                }
            };
            for (of, access) in changes {
                run.txn.put_access(of, &access).await?;
            }
            if to.is_none() && catalog.defaults.keys().any(|(of, _)| *of == from) {
                let mut defaults = catalog.defaults.as_ref().clone();
                defaults.retain(|(of, _), _| *of != from);
                run.txn.put_defaults(&defaults).await?;
            }
        }
        Ok(())
    }
}

async fn give_one(txn: &mut Transaction, of: Securable, object: &Object, to: &str) -> Result<()> {
    let access = object.access();
    txn.put_access(of, &privilege::given(access, access.owner.as_deref(), to)).await
}
