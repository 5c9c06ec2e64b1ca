//! Keeps what primaries carry of the cluster's roles up to date, for their standbys.

use super::Links;
use base::{DatabaseId, Epoch, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use txn::{Database, Engine};

/// How often it is looked whether roles have changed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long it may take to write them down: a change of the schema may be in the way.
const LIMIT: Duration = Duration::from_secs(5);

impl Links {
    /// Publishes roles for as long as this node runs. Whoever changes a role publishes it at once;
    /// this is for what came between, and for standbys that are new.
    pub(super) fn keep_roles(self: &Arc<Self>) {
        let (links, env) = (Arc::downgrade(self), self.engine.env.clone());
        let keep = async move {
            let mut known: BTreeMap<DatabaseId, (Epoch, Timestamp)> = BTreeMap::new();
            loop {
                env.sleep(LOOK_EVERY).await;
                let Some(links) = links.upgrade() else { return };
                for database in links.engine.databases() {
                    links.keep_roles_of(&database, &mut known).await;
                }
            }
        };
        self.engine.env.tasks.spawn("roles", Box::pin(keep));
    }

    async fn keep_roles_of(
        &self,
        database: &Arc<Database>,
        known: &mut BTreeMap<DatabaseId, (Epoch, Timestamp)>,
    ) {
        let found = self.engine.meta.read(|s| {
            let record = s.databases.get(&database.id()).filter(|r| self.engine.carries_roles(r));
            record.map(|r| (r.promotion_epoch, s.roles_changed))
        });
        let Some(now) = found else { return };
        if known.get(&database.id()) == Some(&now) || database.gated().is_some() {
            return;
        }
        if publish_in_time(&self.engine, database).await {
            known.insert(database.id(), now);
        }
    }
}

/// True if a primary carries the roles as they are now.
pub(crate) async fn publish_in_time(engine: &Engine, database: &Arc<Database>) -> bool {
    tokio::select! {
        biased;
        published = engine.publish_roles(database) => match published {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(database = database.name(), %error, "roles are not carried yet");
                false
            }
        },
        () = engine.env.sleep(LIMIT) => false,
    }
}
