//! Gates: `FLUSH TABLES`, `SET DATABASE … READ ONLY`, `UNLOCK TABLES`.

use super::Executor;
use super::failover::moment;
use crate::statement::{Expiry, GateMode};
use crate::text;
use base::{Error, Result, SqlState, SqlType, Value};
use meta::{DatabaseState, Purpose};
use txn::GateRequest;

impl Executor {
    /// The database named, or all that may take writes.
    fn named_or_all(&self, database: Option<&str>) -> Result<Vec<String>> {
        match database {
            Some(name) => Ok(vec![self.engine.database(name)?.name().to_owned()]),
            None => {
                let all = self.engine.databases();
                let kept = |name| self.engine.record(name).ok().and_then(|r| r.branch);
                let own = |name| kept(name).is_none_or(|branch| branch.purpose == Purpose::Own);
                let primary = all.iter().filter(|d| d.state() == DatabaseState::Primary);
                let primary = primary.filter(|d| own(d.name()));
                Ok(primary.map(|d| d.name().to_owned()).collect())
            }
        }
    }

    pub(super) async fn flush(
        &self,
        database: Option<&str>,
        mode: GateMode,
    ) -> Result<&'static str> {
        let queues = mode == GateMode::ReadLock;
        let what =
            if queues { "FLUSH TABLES WITH READ LOCK" } else { "FLUSH TABLES WITH READ ONLY" };
        for name in self.named_or_all(database)? {
            self.gate(&name, what, None, queues).await?;
        }
        Ok("FLUSH TABLES")
    }

    pub(super) fn unlock(&self, database: Option<&str>, force: bool) -> Result<&'static str> {
        for name in self.named_or_all(database)? {
            match &self.links {
                Some(links) => links.unlock(&name, force, &self.user)?,
                None => self.engine.ungate(&name, &self.user)?,
            }
        }
        Ok("UNLOCK TABLES")
    }

    /// `SET DATABASE … READ ONLY`
    pub(super) async fn set_read_only(
        &self,
        database: &str,
        reason: &str,
        expires: Option<&Expiry>,
    ) -> Result<&'static str> {
        if reason.trim().is_empty() {
            let message = "a database is made read-only for a reason";
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
        let at_ms = match expires {
            None => None,
            Some(Expiry::At(time)) => Some(moment(time)?.ms()),
            Some(Expiry::In(time)) => Some(self.engine.env.clock.now_ms() + milliseconds(time)?),
        };
        let reason = match at_ms {
            None => reason.to_owned(),
            Some(ms) => {
                let micros = i64::try_from(ms).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000);
                let until = text::format(SqlType::TimestampTz, &Value::Micros(micros));
                format!("{reason} (until {until})")
            }
        };
        self.gate(database, &reason, at_ms, false).await?;
        Ok("SET DATABASE")
    }

    pub(super) async fn gate(
        &self,
        name: &str,
        reason: &str,
        expires_ms: Option<u64>,
        queues: bool,
    ) -> Result<()> {
        let (owner, reason) = (self.user.clone(), reason.to_owned());
        let request = GateRequest { owner, reason, expires_ms, queues };
        match &self.links {
            Some(links) => links.gate(name, request).await,
            None => self.engine.gate_as(name, request).await,
        }
    }
}

/// How long `10 min` is.
fn milliseconds(span: &str) -> Result<u64> {
    let invalid = || {
        let message = format!("invalid length of time: \"{span}\"");
        Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
            .hint("for instance '10 min' or '2 h'")
    };
    let span = span.trim();
    let digits = span.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
    let (number, unit) = span.split_at(digits);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" => 1,
        "s" | "sec" | "second" | "seconds" => 1_000,
        "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return Err(invalid()),
    };
    let number: u64 = number.parse().map_err(|_| invalid())?;
    number.checked_mul(unit).filter(|ms| (1..1 << 45).contains(ms)).ok_or_else(invalid)
}
