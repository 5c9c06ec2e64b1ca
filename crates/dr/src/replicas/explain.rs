//! `EXPLAIN ALTER DATABASE … REPLICA …`

use crate::links::{FailoverRequest, Lines, Links};
use base::{Epoch, Result};
use meta::{DatabaseState, Replica, Wanted};

impl Links {
    /// What `PROMOTE` would do: what the failover would, and what comes after it.
    pub(crate) async fn explain_promote(
        &self,
        database: &str,
        name: &str,
        data_loss: bool,
        lines: &mut Lines,
    ) -> Result<()> {
        let (record, replica) = self.declared(database, name)?;
        if let Err(error) = self.promotion_of(&record, name, &replica, "") {
            lines.blocker(&error);
        }
        let request = FailoverRequest { database: database.to_owned(), at: None, data_loss };
        self.explain_failover(&request, lines).await?;
        if record.state == DatabaseState::Primary {
            return Ok(());
        }
        match record.own_rights {
            true => {
                lines.step("users, roles, grants and address rules: those of this cluster stay")
            }
            false => {
                lines.step("roles and address rules that came along are taken over, as of the cut")
            }
        }
        if replica.options.own_rights != record.own_rights {
            lines.step(rights_from_here(&replica));
        }
        let target = record.link.as_ref().map(|link| link.source_cluster);
        if let (true, Err(error)) = (data_loss, self.target(&Replica { target, ..replica.clone() }))
        {
            lines.step(format!(
                "replica {name} runs, but cannot call the former source back: {}",
                error.message
            ));
        } else {
            lines.step(format!(
                "replica {name} runs: database {} at {} follows, by difference, as soon as it is \
                 reached; what only it has is kept in the diverged tables",
                replica.options.alias, replica.server
            ));
        }
        Ok(())
    }

    /// What `START` would do.
    pub(crate) async fn explain_start(
        &self,
        database: &str,
        name: &str,
        lines: &mut Lines,
    ) -> Result<()> {
        let (record, replica) = match self.source_of(database, name) {
            Ok(found) => found,
            Err(error) => {
                lines.blocker(&error);
                return Ok(());
            }
        };
        lines.step(format!("ask remote server {} whether it can follow", replica.server));
        lines.step("note what it logs in with here, and that the replica runs");
        lines.step(rights_from_here(&replica));
        if !replica.options.exclude.is_empty() {
            let tables = replica.options.exclude.join(", ");
            lines
                .step(format!("rows of {tables} stay here: only what these tables are goes along"));
        }
        if let Err(error) = self.check_excluded(database, name, &replica).await {
            lines.blocker(&error);
        }
        match self.at_once(self.ask(&record, &replica)).await {
            Err(error) => lines.blocker(&error),
            Ok((_, answer)) if answer.follows => {
                lines.step(format!("{} follows already: it goes on", answer.cluster_name));
            }
            Ok((_, answer)) if answer.promotion_epoch == Epoch::default() => {
                let (at, alias) = (&answer.cluster_name, &replica.options.alias);
                lines.step(format!("{at} makes database {alias} and copies everything"));
                let open = self.engine.database(database)?;
                let partitions = open.local_partitions().iter();
                let bytes = partitions
                    .flat_map(|p| p.manifest().chunks().map(|c| c.bytes).collect::<Vec<_>>());
                lines.estimate("bytes of chunks to copy", bytes.sum());
            }
            Ok((_, answer)) => {
                lines.step(format!("{}, a former primary, comes back", answer.cluster_name));
            }
        }
        Ok(())
    }

    /// What `DROP REPLICA` would do.
    pub(crate) fn explain_drop(&self, database: &str, name: &str, lines: &mut Lines) -> Result<()> {
        let (record, replica) = self.declared(database, name)?;
        if record.state == DatabaseState::Primary && replica.wanted != Wanted::NotStarted {
            lines.step(format!("tell {} to follow no more", replica.server));
            lines.step("keep the log no more for it: to come back later it may need a full copy");
        }
        lines.step("forget the replica; the database at the remote server stays");
        Ok(())
    }
}

/// What becomes of users and grants of this side.
fn rights_from_here(replica: &Replica) -> String {
    match replica.options.own_rights {
        true => format!(
            "users, roles, grants and address rules stay here: {} has its own (SECURITY_MODE NONE)",
            replica.server
        ),
        false => format!(
            "users, roles, grants and address rules go to {} (SECURITY_MODE ALL)",
            replica.server
        ),
    }
}
