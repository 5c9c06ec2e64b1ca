//! What promotions would do: `FAILOVER`, `STOP REPLICATING`, `SWITCHOVER`.

use super::{Kind, Lines};
use crate::json;
use crate::links::{FailoverRequest, Links, Loss, check_standby};
use crate::peer::Positions;
use base::{Error, Result, SqlState};
use meta::{Database as Record, DatabaseState};

impl Links {
    pub(crate) async fn explain_failover(
        &self,
        request: &FailoverRequest,
        lines: &mut Lines,
    ) -> Result<()> {
        let record = self.engine.record(&request.database)?;
        if record.state == DatabaseState::Primary {
            match &record.promotion {
                Some(p) => lines.step(format!(
                    "nothing: it is the primary here already ({}, epoch {})",
                    p.reason, p.epoch
                )),
                None => lines.blocker(&refused("it is the primary here and follows nobody")),
            }
            return Ok(());
        }
        match request.data_loss {
            true => self.explain_loss(&record, request, lines).await,
            false if request.at.is_some() => {
                lines.blocker(&refused("AT TIME gives something up: WITH DATA LOSS"));
                Ok(())
            }
            false => self.explain_take_over(&record, lines).await,
        }
    }

    pub(super) async fn explain_stop(&self, database: &str, lines: &mut Lines) -> Result<()> {
        let record = self.engine.record(database)?;
        let request = FailoverRequest { database: database.to_owned(), at: None, data_loss: true };
        self.explain_loss(&record, &request, lines).await
    }

    /// A promotion with what is here.
    async fn explain_loss(
        &self,
        record: &Record,
        request: &FailoverRequest,
        lines: &mut Lines,
    ) -> Result<()> {
        if let Err(error) = check_standby(record).and_then(|()| self.running(&record.name)) {
            lines.blocker(&error);
            return Ok(());
        }
        let loss = match self.loss(&record.name, request.at).await {
            Ok(loss) => loss,
            Err(error) => {
                lines.blocker(&error);
                return Ok(());
            }
        };
        if loss.connected && loss.gated && request.at.is_none() {
            lines.step("wait until everything of the source, which takes no writes, is here");
        }
        lines.step("end the link");
        lines.step(format!(
            "keep what is later than the cut ({}) in the vault",
            json::moment(loss.cut)
        ));
        lines.step("begin a new epoch at the cut, durably: from here on it has happened");
        lines.step("take writes here");
        let drop = "keep the log from here on for the former source, so that it can come back by \
                    difference";
        lines.step(drop);
        if loss.connected && !loss.gated {
            let source = "the source is alive and goes on taking writes until it hears of the \
                          promotion; what it takes is kept as diverged when it comes back";
            lines.add(Kind::Loss, "source", source);
        }
        loss_lines(&loss, lines);
        Ok(())
    }

    /// A lossless take-over by the standby here.
    async fn explain_take_over(&self, record: &Record, lines: &mut Lines) -> Result<()> {
        let positions = self.at_once(self.ask_positions(&record.name)).await;
        if let Err(error) = self.can_take_over(record) {
            lines.blocker(&error);
        }
        handover_steps(lines);
        lines.figure(Kind::Loss, "transactions", 0, "");
        match positions {
            Err(error) => lines.blocker(&error),
            Ok(positions) => self.estimate(record, &positions, lines)?,
        }
        Ok(())
    }

    /// What is still to come here before the source's gate is drained.
    fn estimate(&self, record: &Record, there: &Positions, lines: &mut Lines) -> Result<()> {
        let database = self.engine.database(&record.name)?;
        let ends = database.local_partitions().iter().map(|p| p.end());
        let missing = there.partitions.iter().zip(ends);
        let missing: u64 = missing.map(|((end, _), here)| end.0.saturating_sub(here.0)).sum();
        lines.figure(Kind::Estimate, "records to receive", missing, "");
        let status = self.status().into_iter().find(|s| s.database == record.name);
        let ms = status.map_or(0, |s| s.catch_up_ms.unwrap_or(0).max(s.lag_ms.unwrap_or(0)));
        lines.figure(Kind::Estimate, "milliseconds without writes", ms + 50, "at least, about");
        Ok(())
    }

    pub(super) async fn explain_switchover(
        &self,
        database: &str,
        to: &str,
        lines: &mut Lines,
    ) -> Result<()> {
        let record = self.engine.record(database)?;
        if to == self.engine.meta.read(|s| s.cluster.name.clone()) {
            if record.state == DatabaseState::Primary {
                lines.blocker(&refused("it is the primary here already"));
                return Ok(());
            }
            return self.explain_take_over(&record, lines).await;
        }
        match self.check_giving(&record, to) {
            Err(error) => lines.blocker(&error),
            Ok(slot) => {
                lines.figure(Kind::Estimate, "records to send", slot.lag_records, "");
                let ms = slot.lag_ms + 50;
                lines.figure(Kind::Estimate, "milliseconds without writes", ms, "at least, about");
            }
        }
        handover_steps(lines);
        lines.figure(Kind::Loss, "transactions", 0, "");
        Ok(())
    }
}

fn handover_steps(lines: &mut Lines) {
    lines.step("the primary takes no more writes; transactions that have written may end (10 s)");
    lines.step("the standby waits until it has everything");
    lines.step("the standby begins a new epoch, durably: from here on it has happened");
    lines.step("the standby takes writes");
    lines.step("the former primary follows it");
}

pub(super) fn loss_lines(loss: &Loss, lines: &mut Lines) {
    let ago = match loss.known_ms_ago {
        None => "not known: nothing was heard of the source since this node started".to_owned(),
        Some(ms) => format!("as known {:.1} s ago", ms as f64 / 1_000.0),
    };
    if let Some(ms) = loss.known_ms_ago {
        lines.figure(Kind::Loss, "transactions", loss.transactions, &format!("about, {ago}"));
        lines.figure(Kind::Loss, "rows", loss.rows, &format!("about, {ago}"));
        lines.figure(Kind::Loss, "bytes", loss.bytes, &format!("of log, about, {ago}"));
        lines.figure(Kind::Loss, "milliseconds since last known", ms, "");
    } else {
        lines.add(Kind::Loss, "transactions", ago);
    }
    lines.figure(
        Kind::Loss,
        "transactions set aside",
        loss.set_aside,
        &format!("({} rows) that are here, but later than the cut", loss.set_aside_rows),
    );
    if let Some(since) = loss.set_aside_since {
        lines.moment(Kind::Loss, "oldest commit set aside", since, "");
    }
    lines.moment(Kind::Loss, "cut", loss.cut, ": nothing up to here is lost");
    lines.figure(Kind::Loss, "milliseconds at most", loss.ms, "from the cut to now");
}

fn refused(message: &str) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}
