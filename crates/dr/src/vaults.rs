//! The vaults of this node's databases, opened when first needed.

use crate::vault::Vault;
use base::{DatabaseId, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use txn::Engine;

/// Opens each vault once.
#[derive(Debug)]
pub(crate) struct Vaults {
    engine: Arc<Engine>,
    open: Mutex<BTreeMap<DatabaseId, Arc<Vault>>>,
}

impl Vaults {
    pub(crate) fn new(engine: Arc<Engine>) -> Vaults {
        Vaults { engine, open: Mutex::default() }
    }

    /// True if a database has ever had something in its vault.
    pub(crate) fn exists(&self, database: DatabaseId) -> bool {
        self.engine.env.disk.exists(&self.dir(database).join("parts"))
    }

    fn dir(&self, database: DatabaseId) -> PathBuf {
        self.engine.database_dir(database).join("vault")
    }

    /// The vault of a database.
    pub(crate) fn of(&self, database: DatabaseId) -> Result<Arc<Vault>> {
        let mut open = self.open.lock();
        if let Some(vault) = open.get(&database) {
            return Ok(vault.clone());
        }
        let vault = Arc::new(Vault::open(self.engine.env.clone(), self.dir(database))?);
        open.insert(database, vault.clone());
        Ok(vault)
    }
}
