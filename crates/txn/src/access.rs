//! Owners, grants and defaults of sessions: rows of the catalog like descriptors, changed one
//! transaction at a time.

use crate::database::Database;
use crate::transaction::Transaction;
use base::{Access, Catalog, Result, Securable, SessionDefaults, TableId};
use bytes::Bytes;
use format::access::{self, Fact};
use partition::{LockMode, LockWait};
use std::sync::Arc;

impl Transaction {
    /// Sets owner and grants of an object.
    pub async fn put_access(&mut self, of: Securable, access: &Access) -> Result<()> {
        let row = Fact::Access(of, access.clone()).encode();
        self.put_fact(access::key(of), Some(format::row::encode(&row))).await
    }

    /// Sets what new sessions begin with.
    pub async fn put_defaults(&mut self, defaults: &SessionDefaults) -> Result<()> {
        let row = Fact::Defaults(defaults.clone()).encode();
        self.put_fact(access::defaults_key(), Some(format::row::encode(&row))).await
    }

    /// Sets the roles that whoever takes this database over is told of.
    pub async fn put_principals(&mut self, principals: Bytes) -> Result<()> {
        let row = Fact::Principals(principals).encode();
        self.put_fact(access::principals_key(), Some(format::row::encode(&row))).await
    }

    /// A dropped table or sequence takes its owner and grants along.
    pub(crate) async fn forget_access(&mut self, table: TableId) -> Result<()> {
        let of = Securable::Relation(table);
        if self.catalog().await?.access.contains_key(&of) {
            self.put_fact(access::key(of), None).await?;
        }
        Ok(())
    }

    async fn put_fact(&mut self, key: Bytes, row: Option<Bytes>) -> Result<()> {
        self.begin_ddl().await?;
        let wanted = [(0, key.clone())];
        self.lock(&wanted, LockMode::Exclusive, LockWait::Block(None)).await?;
        self.latest(&wanted).await?;
        self.write(0, key, row)
    }
}

impl Database {
    /// The tables, owners and grants as they are now; on a standby: as far as it shows anything.
    ///
    /// # Errors
    /// 57P03 if it cannot be read now.
    pub async fn newest_catalog(self: &Arc<Self>) -> Result<Arc<Catalog>> {
        let snapshot = self.snapshot()?;
        self.catalog(snapshot.ts()).await
    }
}
