//! Roles: rows of the cluster's metadata, durable at once. Each change is told to the databases that
//! carry the roles along (see `txn`'s `principals`).

mod may;

use self::may::{may_manage, may_set};
use super::{Executor, Outcome};
use crate::privilege;
use crate::statement::{Rights, RoleName, Sessions, UserOptions};
use base::{Error, Result, SqlState, Timestamp};
use meta::scram::Verifier;
use meta::{Command, DatabaseState, Membership, RoleChange, User};
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, TxnOptions};

/// How long a statement about roles waits until its databases carry the change. Whoever looks after
/// links carries it later then.
const TELL: Duration = Duration::from_secs(3);

impl Executor {
    pub(super) async fn create_user(
        &self,
        name: &str,
        if_not_exists: bool,
        options: &UserOptions,
    ) -> Result<&'static str> {
        let by = self.identity();
        let what = "create role";
        may_manage(&by, what)?;
        may_set(&by, options, what)?;
        let at = self.engine.oracle.next();
        let role = User {
            superuser: options.superuser == Some(true),
            login: options.login == Some(true),
            createdb: options.createdb == Some(true),
            createrole: options.createrole == Some(true),
            replication: options.replication == Some(true),
            inherit: options.inherit != Some(false),
            id: self.new_id(),
            changed: at,
            ..User::new(self.verifier(name, options.password.as_deref().unwrap_or_default()))
        };
        let mut commands = vec![Command::CreateRole { name: name.to_owned(), role }];
        for group in &options.in_roles {
            let group = self.role_named(group, &by)?;
            self.may_admit(&by, &group)?;
            commands.push(self.member(&group, name, false, at));
        }
        for (member, admin) in &options.members {
            let member = self.role_named(member, &by)?;
            commands.push(self.member(name, &member, *admin, at));
        }
        match self.engine.meta.apply(Command::Batch(commands)) {
            Err(e) if if_not_exists && e.state == SqlState::DUPLICATE_OBJECT => {
                let message = format!("role \"{name}\" already exists, skipping");
                self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
            }
            other => drop(other?),
        }
        self.tell_roles().await;
        Ok("CREATE ROLE")
    }

    pub(super) async fn alter_user(
        &self,
        role: &RoleName,
        options: &UserOptions,
    ) -> Result<&'static str> {
        let by = self.identity();
        let name = self.role_named(role, &by)?;
        let only_password = UserOptions { password: None, ..options.clone() };
        let own_password = name == by.user && only_password == UserOptions::default();
        if !own_password {
            may_manage(&by, "alter role")?;
            may_set(&by, options, "alter role")?;
            self.may_touch(&by, &name, "alter role")?;
        }
        let change = RoleChange {
            verifier: options.password.as_deref().map(|p| self.verifier(&name, p)),
            superuser: options.superuser,
            login: options.login,
            createdb: options.createdb,
            createrole: options.createrole,
            replication: options.replication,
            inherit: options.inherit,
            id: self.new_id(),
            at: self.engine.oracle.next(),
        };
        self.engine.meta.apply(Command::AlterRole { name, change })?;
        self.tell_roles().await;
        Ok("ALTER ROLE")
    }

    pub(super) async fn drop_users(
        &self,
        names: &[String],
        if_exists: bool,
    ) -> Result<&'static str> {
        let by = self.identity();
        may_manage(&by, "drop role")?;
        for name in names {
            if *name == by.user {
                let message = "current user cannot be dropped";
                return Err(Error::new(SqlState::OBJECT_IN_USE, message));
            }
            match self.role_named(&RoleName::Named(name.clone()), &by) {
                Err(e) if if_exists && e.state == SqlState::UNDEFINED_OBJECT => {
                    let message = format!("{}, skipping", e.message);
                    self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
                    continue;
                }
                other => drop(other?),
            }
            self.may_touch(&by, name, "drop role")?;
            self.check_unused(name).await?;
            let at = self.engine.oracle.next();
            self.engine.meta.apply(Command::DropUser { name: name.clone(), at })?;
        }
        self.tell_roles().await;
        Ok("DROP ROLE")
    }

    /// Runs a statement about roles.
    pub(super) async fn roles(&self, rights: &Rights) -> Result<Outcome> {
        let (by, at) = (self.identity(), self.engine.oracle.next());
        match rights {
            Rights::CreateRule { .. } | Rights::DropRule { .. } => {
                self.change_rules(rights, &by, at)?;
            }
            Rights::Membership { revoke, roles, members, admin } => {
                let mut commands = Vec::new();
                for role in roles {
                    let role = self.role_named(role, &by)?;
                    self.may_admit(&by, &role)?;
                    for member in members {
                        let member = self.role_named(member, &by)?;
                        commands.push(match revoke {
                            false => self.member(&role, &member, *admin, at),
                            true => {
                                let (role, admin_only) = (role.clone(), *admin);
                                Command::RevokeRole { role, member, admin_only, at }
                            }
                        });
                    }
                }
                self.engine.meta.apply(Command::Batch(commands))?;
            }
            Rights::Rename { role, to } => {
                let name = self.role_named(role, &by)?;
                may_manage(&by, "rename role")?;
                self.may_touch(&by, &name, "rename role")?;
                if name == by.user {
                    let message = "session user cannot be renamed";
                    return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
                }
                self.rename_role(&name, to, at).await?;
            }
            Rights::Default { of: Sessions::Role(role), setting, value } => {
                let name = self.role_named(role, &by)?;
                if name != by.user {
                    may_manage(&by, "alter role")?;
                    self.may_touch(&by, &name, "alter role")?;
                }
                let (setting, value) = (setting.clone(), value.clone());
                self.engine.meta.apply(Command::SetRoleSetting { name, setting, value, at })?;
            }
            Rights::Default { of: Sessions::All, setting, value } => {
                if !by.superuser {
                    let message = "permission denied to set parameters of the whole cluster";
                    return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message));
                }
                let (setting, value) = (setting.clone(), value.clone());
                self.engine.meta.apply(Command::SetGlobal { setting, value })?;
                return Ok(Outcome::command(rights.tag()));
            }
            _ => return Err(Error::internal("this statement belongs in a transaction")),
        }
        self.tell_roles().await;
        Ok(Outcome::command(rights.tag()))
    }

    fn member(&self, role: &str, member: &str, admin: bool, at: Timestamp) -> Command {
        let grantor = self.user.clone();
        let (role, member) = (role.to_owned(), member.to_owned());
        Command::GrantRole(Membership { role, member, admin, grantor, at })
    }

    fn verifier(&self, name: &str, password: &str) -> Verifier {
        match password {
            "" => self.engine.meta.no_password(name),
            password => self.engine.meta.new_verifier(password),
        }
    }

    /// An identity for a role; not 0.
    pub(super) fn new_id(&self) -> u64 {
        self.engine.env.rng.next_u64() | 1
    }

    /// The open databases that are primaries here.
    fn primaries(&self) -> Vec<Arc<Database>> {
        let mut all = self.engine.databases();
        all.retain(|d| d.state() == DatabaseState::Primary);
        all
    }

    /// Nothing, if no database of this cluster has anything of a role's.
    async fn check_unused(&self, role: &str) -> Result<()> {
        let mut found = Vec::new();
        for database in self.primaries() {
            let catalog = database.newest_catalog().await?;
            let own = database.name() == self.database;
            let mut here = privilege::mentions(&catalog, database.name(), role);
            if !own {
                let name = database.name();
                here.iter_mut().filter(|m| !m.contains(" database ")).for_each(|m| {
                    m.push_str(&format!(" in database {name}"));
                });
            }
            found.extend(here);
        }
        if found.is_empty() {
            return Ok(());
        }
        let message =
            format!("role \"{role}\" cannot be dropped because some objects depend on it");
        Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
            .detail(found.join("\n"))
            .hint("REASSIGN OWNED BY … TO … and DROP OWNED BY … in each of these databases"))
    }

    /// Renames a role, and its grants in all databases. The databases come first: while a role of the
    /// new name does not exist, what is granted to it is nobody's.
    async fn rename_role(&self, old: &str, new: &str, at: Timestamp) -> Result<()> {
        let mut changed = Vec::new();
        for database in self.primaries() {
            let mut txn = database.begin(TxnOptions::default());
            txn.start_statement().await?;
            if !has_role(txn.catalog().await?.as_ref(), database.name(), old) {
                continue;
            }
            txn.begin_ddl().await?;
            let catalog = txn.catalog().await?;
            for (of, access) in privilege::rename(&catalog, old, new) {
                txn.put_access(of, &access).await?;
            }
            if catalog.defaults.keys().any(|(of, _)| of == old) {
                let moved = |((of, name), value): (&(String, String), &String)| {
                    let of = if of == old { new } else { of };
                    ((of.to_owned(), name.clone()), value.clone())
                };
                let defaults = catalog.defaults.iter().map(moved).collect();
                txn.put_defaults(&defaults).await?;
            }
            changed.push(txn);
        }
        let (name, to) = (old.to_owned(), new.to_owned());
        self.engine.meta.apply(Command::RenameRole { name, to, at })?;
        let mut failed = Vec::new();
        for txn in changed {
            let name = txn.database().name().to_owned();
            if let Err(error) = txn.commit().await {
                failed.push(format!("{name}: {}", error.message));
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        let message = format!("role \"{old}\" is \"{new}\" now, but not everywhere");
        Err(Error::new(SqlState::TRANSACTION_RESOLUTION_UNKNOWN, message)
            .detail(failed.join("\n"))
            .hint(format!("grant to \"{new}\" there what \"{old}\" had (SHOW GRANTS)")))
    }

    /// Tells the databases that carry roles along what has changed.
    pub(super) async fn tell_roles(&self) {
        for database in self.primaries() {
            let told = self.engine.record(database.name());
            if !told.is_ok_and(|record| self.engine.carries_roles(&record)) {
                continue;
            }
            let late = tokio::select! {
                biased;
                told = self.engine.publish_roles(&database) => told.err().map(|e| e.into_report().message),
                () = self.engine.env.sleep(TELL) => {
                    Some("another change of the schema is in the way".to_owned())
                }
            };
            if let Some(why) = late {
                let name = database.name();
                let message = format!("the standbys of database \"{name}\" are not told yet");
                let detail = format!("They are as soon as that is over: {why}.");
                self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message).detail(detail));
            }
        }
    }
}

fn has_role(catalog: &base::Catalog, database: &str, role: &str) -> bool {
    !privilege::mentions(catalog, database, role).is_empty()
}
