//! The vaults of this node's databases, opened when first needed.

use crate::vault::Vault;
use base::{DatabaseId, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
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

    /// The vault of a database.
    pub(crate) fn of(&self, database: DatabaseId) -> Result<Arc<Vault>> {
        let mut open = self.open.lock();
        if let Some(vault) = open.get(&database) {
            return Ok(vault.clone());
        }
        let dir = self.engine.database_dir(database).join("vault");
        let vault = Arc::new(Vault::open(self.engine.env.clone(), dir)?);
        open.insert(database, vault.clone());
        Ok(vault)
    }
}
