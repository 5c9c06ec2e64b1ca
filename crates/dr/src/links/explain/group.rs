//! What moving a replication group would do.

use super::{Kind, Lines};
use crate::json;
use crate::links::{FailoverRequest, GroupRequest, Links};
use base::{Error, Result};
use meta::DatabaseState;

impl Links {
    pub(super) async fn explain_group(
        &self,
        request: &GroupRequest,
        lines: &mut Lines,
    ) -> Result<()> {
        match request {
            GroupRequest::Failover { group, at, data_loss: true } => {
                let members = self.group_members(group)?;
                if members.iter().all(|m| m.state == DatabaseState::Primary) {
                    lines.step("nothing: all its databases are primaries here already");
                    return Ok(());
                }
                match self.group_loss(group, *at).await {
                    Ok(losses) => self.explain_group_loss(&losses, lines),
                    Err(error) => lines.blocker(&error),
                }
                Ok(())
            }
            GroupRequest::Failover { group, at, data_loss: false } => {
                for member in self.group_members(group)? {
                    let (database, at) = (member.name, *at);
                    let request = FailoverRequest { database, at, data_loss: false };
                    self.explain_member(&request.database.clone(), lines, async |lines| {
                        self.explain_failover(&request, lines).await
                    })
                    .await?;
                }
                Ok(())
            }
            GroupRequest::Switchover { group, to } => {
                for member in self.group_members(group)? {
                    self.explain_member(&member.name, lines, async |lines| {
                        self.explain_switchover(&member.name, to, lines).await
                    })
                    .await?;
                }
                Ok(())
            }
            _ => Err(Error::unsupported("EXPLAIN of this statement")),
        }
    }

    /// The steps once, everything else for each database.
    async fn explain_member(
        &self,
        database: &str,
        lines: &mut Lines,
        explain: impl AsyncFnOnce(&mut Lines) -> Result<()>,
    ) -> Result<()> {
        let first = lines.0.is_empty();
        let mut of_one = Lines::default();
        explain(&mut of_one).await?;
        of_one.0.retain(|line| first || line.kind != Kind::Step);
        for line in &mut of_one.0 {
            if line.kind != Kind::Step {
                line.item = format!("{database}: {}", line.item);
            }
        }
        lines.0.append(&mut of_one.0);
        Ok(())
    }

    fn explain_group_loss(&self, losses: &[(String, crate::Loss)], lines: &mut Lines) {
        let Some((_, first)) = losses.first() else { return };
        lines.step("wait for sources that take no writes; end the links");
        lines.step(format!(
            "keep what is later than the cut ({}) in the vaults",
            json::moment(first.cut)
        ));
        lines.step("begin a new epoch of all databases at that cut, by one record: from here on it has happened");
        lines.step("take writes here");
        for (database, loss) in losses {
            let mut of_one = Lines::default();
            super::promote::loss_lines(loss, &mut of_one);
            for line in &mut of_one.0 {
                line.item = format!("{database}: {}", line.item);
            }
            lines.0.append(&mut of_one.0);
        }
    }
}
