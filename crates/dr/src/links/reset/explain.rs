//! `EXPLAIN RESET REPLICATION …`

use super::super::explain::{Kind, Lines};
use super::{Links, ResetRequest, Tie, check_gone};
use base::Result;

impl Links {
    /// What forgetting somebody would do: what goes, what takes writes by it, and what the partner
    /// will need should it return.
    pub(in crate::links) fn explain_reset(
        &self,
        request: &ResetRequest,
        lines: &mut Lines,
    ) -> Result<()> {
        let ties = match self.ties(&request.partner) {
            Ok(ties) => ties,
            Err(error) => {
                lines.blocker(&error);
                return Ok(());
            }
        };
        if ties.is_empty() {
            lines.step("nothing: no database here is replicated to anybody");
        }
        for tie in &ties {
            if let (false, Err(error)) = (request.force, check_gone(tie)) {
                lines.blocker(&error);
            }
            self.explain_tie(tie, lines)?;
        }
        Ok(())
    }

    fn explain_tie(&self, tie: &Tie, lines: &mut Lines) -> Result<()> {
        let (name, who) = (&tie.record.name, tie.who());
        if tie.giving.is_some() {
            lines.step(format!("give up the handover of database {name} to {who}: it opens again"));
        }
        for slot in &tie.slots {
            let why = slot.dropped.clone().unwrap_or_else(|| match slot.connected {
                true => "connected: it makes itself a new one with its next greeting".to_owned(),
                false => "not heard of lately".to_owned(),
            });
            lines.step(format!("drop slot {} of database {name}, of {who}: {why}", slot.slot));
        }
        if tie.untold {
            lines.step(format!("tell {who} no more that database {name} was handed over by it"));
        }
        for replica in &tie.replicas {
            lines.step(format!("call {who} no more: replica {replica} of {name} is NOT_STARTED"));
        }
        let bytes = self.released_bytes(tie)?;
        lines.figure(Kind::Estimate, "bytes of log released", bytes, &format!("of {name}"));
        let after = "by log as long as that is there, else by content: both sides' contents are \
                     compared, and only rows that differ travel";
        lines.add(Kind::Estimate, "should it return", after);
        if let Some(at) = tie.promotable_at() {
            let note = format!(
                ": up to here {who} has everything of database {name}, and may have been promoted; \
                 then both sides take writes, and this one's are taken out when it comes back"
            );
            lines.moment(Kind::Loss, "promotable at", at, &note);
        }
        self.explain_opening(tie, lines)
    }

    /// What the database does without anybody to follow it.
    fn explain_opening(&self, tie: &Tie, lines: &mut Lines) -> Result<()> {
        let record = tie.rest();
        let database = self.engine.database(&record.name)?;
        if self.engine.awaits_standby(&database) && self.engine.all_agreed(&record) {
            lines.step(format!(
                "open database {}: since its restart it waits for {}",
                record.name,
                tie.who()
            ));
        }
        let alone = record.slots.values().all(|slot| slot.dropped.is_some());
        if alone && !tie.slots.is_empty() {
            let lag = match record.max_lag {
                Some(limit) if limit.blocks => "; its MAX_REPLICATION_LAG holds writers back",
                _ => "",
            };
            let told = format!("{} has no copy in another cluster then{lag}", record.name);
            lines.add(Kind::Loss, "protection", told);
        }
        Ok(())
    }
}
