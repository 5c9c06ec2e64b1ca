//! `GRANT`, `REVOKE`, owners, defaults of sessions: rows of the database they are about, changed in the
//! user's transaction like descriptors of tables. Those of another database than the one connected to
//! are changed by a transaction of their own, at once.

mod owner;
mod shown;

use super::administer::rows_of;
use super::{Executor, Outcome};
use crate::change::{Run, schema_and_name, writable};
use crate::privilege::{self, Identity, Kind, Need, Object};
use crate::statement::{Grant, Objects, Rights, RoleName, Sessions};
use crate::system;
use base::{
    Access, AclItem, Catalog, Error, Privileges, Result, Securable, SessionDefaults, SqlState,
};
use datafusion::sql::sqlparser::ast::ObjectName;
use std::sync::Arc;
use txn::{Isolation, Transaction, TxnOptions};

impl Executor {
    /// Nothing, if the user has what a statement takes.
    ///
    /// # Errors
    /// 42501
    pub(super) async fn check_needs(&self, txn: &mut Transaction, needs: &[Need]) -> Result<()> {
        let by = self.identity();
        if by.superuser || needs.is_empty() {
            return Ok(());
        }
        let own = txn.catalog().await?;
        // What may be done is decided by the rights of now, whatever time is read.
        let newest = match txn.options().isolation {
            Isolation::ReadCommitted if !txn.is_past() => own.clone(),
            _ => txn.database().newest_catalog().await?,
        };
        Object::schema(&newest).need(&by, Privileges::USAGE)?;
        for need in needs {
            let known = |c: &Catalog| {
                let id = need.relation;
                c.tables.contains_key(&id) || c.sequences.contains_key(&id)
            };
            need.check(if known(&newest) { &newest } else { &own }, &by)?;
        }
        Ok(())
    }

    /// Runs a statement about rights within a transaction.
    pub(super) async fn rights(&self, run: &mut Run<'_>, rights: &Rights) -> Result<Outcome> {
        match rights {
            Rights::Grant(grant) => {
                for name in &grant.roles {
                    self.grantee(name, run.by)?;
                }
                if let Objects::Databases(names) = &grant.on {
                    for name in names {
                        self.grant_on_database(run, name, grant).await?;
                    }
                } else {
                    run.txn.begin_ddl().await?;
                    let catalog = run.txn.catalog().await?;
                    for (of, object) in objects(&catalog, &grant.on)? {
                        self.grant(run.txn, run.by, (of, &object), grant).await?;
                    }
                }
            }
            Rights::Owner { on, to } => self.give(run, on, to).await?,
            Rights::Owned { roles, to } => self.owned(run, roles, to.as_ref()).await?,
            Rights::Default { of, setting, value } => {
                self.set_default(run, of, setting.as_deref(), value.as_deref()).await?;
            }
            Rights::Show(who) => {
                let rows = self.shown_grants(run, who.as_ref()).await?;
                return Ok(rows_of(system::grants(rows)?, "SHOW"));
            }
            Rights::Membership { .. }
            | Rights::Rename { .. }
            | Rights::CreateRule { .. }
            | Rights::DropRule { .. } => {
                return Err(Error::internal("this statement belongs to no transaction"));
            }
        }
        Ok(Outcome::command(rights.tag()))
    }

    /// Runs `work` on the catalog of a database: in the statement's transaction if it is the one
    /// connected to.
    async fn in_database(
        &self,
        run: &mut Run<'_>,
        name: &str,
        work: impl AsyncFnOnce(&mut Transaction, &Identity, Arc<Catalog>) -> Result<()>,
    ) -> Result<()> {
        if name == self.database {
            run.txn.begin_ddl().await?;
            let catalog = run.txn.catalog().await?;
            return work(run.txn, run.by, catalog).await;
        }
        let mut txn = self.engine.database(name)?.begin(TxnOptions::default());
        txn.start_statement().await?;
        txn.begin_ddl().await?;
        let catalog = txn.catalog().await?;
        work(&mut txn, run.by, catalog).await?;
        txn.commit().await.map(drop)
    }

    async fn grant_on_database(&self, run: &mut Run<'_>, name: &str, grant: &Grant) -> Result<()> {
        self.in_database(run, name, async |txn, by, catalog| {
            let object = Object::database(&catalog, name);
            self.grant(txn, by, (Securable::Database, &object), grant).await
        })
        .await
    }

    /// Grants on, or revokes on, one object.
    async fn grant(
        &self,
        txn: &mut Transaction,
        by: &Identity,
        (of, object): (Securable, &Object),
        grant: &Grant,
    ) -> Result<()> {
        let wanted = grant.privileges.unwrap_or(object.kind.all());
        if let Some((_, _, word)) = wanted.without(object.kind.all()).each().next() {
            let message = format!("invalid privilege type {word} for {}", object.kind.name());
            return Err(Error::new(SqlState::INVALID_GRANT_OPERATION, message));
        }
        let allowed = object.grantable(by).both(wanted);
        if allowed.is_empty() {
            return Err(object.denied());
        }
        let missing = !wanted.without(allowed).is_empty() && grant.privileges.is_some();
        if missing {
            let done = if grant.revoke { "revoked" } else { "granted" };
            let message = format!("not all privileges could be {done} for \"{}\"", object.name);
            self.notice(Error::new(SqlState("01007"), message));
        }
        let grantor = grantor(object, by, allowed);
        let mut items = object.acl().into_owned();
        for role in &grant.roles {
            let grantee = self.grantee(role, by)?;
            if !grant.revoke {
                let grantable = if grant.option { allowed } else { Privileges::NONE };
                if grantee.is_none() && grant.option {
                    let message = "grant options can only be granted to roles";
                    return Err(Error::new(SqlState::INVALID_GRANT_OPERATION, message));
                }
                let grantor = grantor.clone();
                let item = AclItem { grantee, grantor, privileges: allowed, grantable };
                privilege::grant(&mut items, item);
            } else if !privilege::revoke(
                &mut items,
                grantee.as_deref(),
                &grantor,
                allowed,
                grant.option,
                grant.cascade,
            ) {
                let state = SqlState::DEPENDENT_OBJECTS_STILL_EXIST;
                return Err(Error::new(state, "dependent privileges exist")
                    .hint("Use CASCADE to revoke them too."));
            }
        }
        let access = Access { owner: object.access().owner.clone(), acl: Some(items) };
        txn.put_access(of, &access).await
    }

    /// The role that a grant is to, `None` for everybody.
    fn grantee(&self, role: &RoleName, by: &Identity) -> Result<Option<String>> {
        match role {
            RoleName::Public => Ok(None),
            other => self.role_named(other, by).map(Some),
        }
    }

    /// `ALTER {DATABASE d|ROLE r IN DATABASE d} {SET|RESET} …`
    async fn set_default(
        &self,
        run: &mut Run<'_>,
        of: &Sessions,
        setting: Option<&str>,
        value: Option<&str>,
    ) -> Result<()> {
        let (role, name) = match of {
            Sessions::Database(name) => (String::new(), name),
            Sessions::RoleInDatabase(role, name) => (self.role_named(role, run.by)?, name),
            _ => return Err(Error::internal("this statement belongs to no transaction")),
        };
        self.in_database(run, name, async |txn, by, catalog| {
            Object::database(&catalog, name).need_owner(by)?;
            let mut defaults: SessionDefaults = catalog.defaults.as_ref().clone();
            match (setting, value) {
                (None, _) => defaults.retain(|(of, _), _| *of != role),
                (Some(setting), None) => drop(defaults.remove(&(role, setting.to_owned()))),
                (Some(setting), Some(value)) => {
                    defaults.insert((role, setting.to_owned()), value.to_owned());
                }
            }
            txn.put_defaults(&defaults).await
        })
        .await
    }
}

/// Who counts as the one who grants: the owner, also if somebody does it in its place; else a role
/// that was given the right to.
fn grantor(object: &Object, by: &Identity, wanted: Privileges) -> String {
    if object.is_owned(by) {
        return object.owner.clone().unwrap_or_default();
    }
    let items = object.acl();
    let mut may = items
        .iter()
        .filter(|i| !i.grantable.both(wanted).is_empty())
        .filter_map(|i| i.grantee.clone())
        .filter(|name| by.roles.contains(name));
    let first = may.next();
    let own = may.any(|name| name == by.user);
    first.filter(|_| !own).unwrap_or_else(|| by.user.clone())
}

/// The objects that a statement names, but for databases.
fn objects(catalog: &Catalog, on: &Objects) -> Result<Vec<(Securable, Object)>> {
    match on {
        Objects::Tables(names) => names.iter().map(|n| relation(catalog, n, None)).collect(),
        Objects::Sequences(names) => {
            names.iter().map(|n| relation(catalog, n, Some(Kind::Sequence))).collect()
        }
        Objects::All { sequences, schemas } => {
            schemas.iter().try_for_each(|s| public(s))?;
            let tables = catalog.tables.values();
            let tables = tables.map(|t| (Securable::Relation(t.id), Object::table(catalog, t)));
            let all = catalog.sequences.values();
            let all = all.map(|s| (Securable::Relation(s.id), Object::sequence(catalog, s)));
            Ok(if *sequences { all.collect() } else { tables.collect() })
        }
        Objects::Schemas(names) => {
            names.iter().try_for_each(|s| public(s))?;
            Ok(vec![(Securable::Schema, Object::schema(catalog))])
        }
        Objects::Databases(_) => Err(Error::internal("a database is no object of itself")),
    }
}

fn public(schema: &str) -> Result<()> {
    if schema == "public" {
        return Ok(());
    }
    let message = format!("schema \"{schema}\" does not exist");
    Err(Error::new(SqlState::INVALID_SCHEMA_NAME, message))
}

fn relation(
    catalog: &Catalog,
    name: &ObjectName,
    only: Option<Kind>,
) -> Result<(Securable, Object)> {
    let (schema, plain) = schema_and_name(name)?;
    let schema = schema.unwrap_or_else(|| "public".into());
    if let Some(sequence) = catalog.sequence(&schema, &plain) {
        return Ok((Securable::Relation(sequence.id), Object::sequence(catalog, sequence)));
    }
    let table = writable(catalog, name)?;
    if only == Some(Kind::Sequence) {
        let message = format!("\"{plain}\" is not a sequence");
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
    }
    Ok((Securable::Relation(table.id), Object::table(catalog, &table)))
}
