//! The cluster's roles in its databases, so that whoever takes a database over has them.
//!
//! ```text
//!   metadata: roles ── publish ──▶ a row of the primary's catalog ── log ──▶ its standbys
//!                                                                              │ promotion
//!   metadata there: roles ◀── adopt: what is missing, what is newer ───────────┘
//! ```
//!
//! The row is data like all other: a promotion at a cut finds the roles of the cut.
//!
//! # On a crash
//! Between a change of roles and its row: whoever watches over it publishes again. Between a
//! promotion and adopting: the metadata says that it is still to be done, and [`Engine::open`] does.

use crate::database::Database;
use crate::engine::Engine;
use crate::transaction::TxnOptions;
use base::{Catalog, Result, Securable};
use bytes::Bytes;
use meta::{Command, DatabaseState, Principals};
use std::sync::Arc;

impl Engine {
    /// Sees to it that a primary carries the roles as they are now. `false`: it does already.
    ///
    /// # Errors
    /// Those of a write: 25006 if the database takes none.
    pub async fn publish_roles(&self, database: &Arc<Database>) -> Result<bool> {
        let mut txn = database.begin(TxnOptions::default());
        txn.start_statement().await?;
        if carried(txn.catalog().await?.as_ref())?
            == Some(self.meta.read(|s| s.principals(database.name())))
        {
            return Ok(false);
        }
        txn.begin_ddl().await?;
        // As they are now that nobody else changes the row.
        let now = self.meta.read(|s| s.principals(database.name()));
        txn.put_principals(Bytes::from(now.encode()?)).await?;
        txn.commit().await?;
        Ok(true)
    }

    /// Writes all owners, grants and defaults of a primary anew, and its roles: a standby that had its
    /// own until now has the primary's as soon as it has received this.
    ///
    /// # Errors
    /// Those of a write: 25006 if the database takes none.
    pub async fn publish_rights(&self, database: &Arc<Database>) -> Result<()> {
        let mut txn = database.begin(TxnOptions::default());
        txn.start_statement().await?;
        txn.begin_ddl().await?;
        let catalog = txn.catalog().await?;
        let relations = catalog.tables.keys().chain(catalog.sequences.keys());
        let relations = relations.map(|id| Securable::Relation(*id));
        for of in relations.chain([Securable::Schema, Securable::Database]) {
            // Also what is as at first here: there it may be otherwise.
            let access = catalog.access.get(&of).map(|a| a.as_ref().clone()).unwrap_or_default();
            txn.put_access(of, &access).await?;
        }
        txn.put_defaults(&catalog.defaults).await?;
        let roles = self.meta.read(|s| s.principals(database.name()));
        txn.put_principals(Bytes::from(roles.encode()?)).await?;
        txn.commit().await.map(drop)
    }

    /// True if a primary's standbys, or those it has had, are to be told of roles.
    pub fn carries_roles(&self, record: &meta::Database) -> bool {
        let told = record.slots.keys().any(|slot| !record.keeps_rights(slot));
        record.state == DatabaseState::Primary && told
    }

    /// Takes over the roles that came with a promoted database, if that is still to be done.
    pub async fn adopt_roles(&self, database: &Arc<Database>) -> Result<()> {
        if !self.record(database.name())?.adopting {
            return Ok(());
        }
        let mut txn = database.begin(TxnOptions { read_only: true, ..TxnOptions::default() });
        txn.start_statement().await?;
        let principals = carried(txn.catalog().await?.as_ref())?.unwrap_or_default();
        let (database, at_ms) = (database.id(), self.env.clock.now_ms());
        self.meta.apply(Command::AdoptRoles { database, principals, at_ms })?;
        Ok(())
    }

    /// As [`Engine::adopt_roles`]; a failure keeps no database from being opened.
    pub async fn adopt_or_say(&self, database: &Arc<Database>) {
        if let Err(error) = self.adopt_roles(database).await {
            tracing::error!(database = database.name(), %error, "taking over its roles failed");
            self.note(database.name(), "roles", &format!("not taken over: {error}"));
        }
    }
}

/// The roles that a database carries.
pub fn carried(catalog: &Catalog) -> Result<Option<Principals>> {
    catalog.principals.as_deref().map(Principals::decode).transpose()
}
