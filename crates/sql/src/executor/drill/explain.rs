//! What a drill would do, without doing it.

use super::check_standby;
use crate::executor::Executor;
use base::Result;
use dr::{Explained, ExplainedKind};

impl Executor {
    /// What a drill would do.
    pub(in crate::executor) fn explain_drill(
        &self,
        name: &str,
        checks: &[String],
    ) -> Result<Vec<Explained>> {
        let database = self.engine.database(name)?;
        let mut lines = Vec::new();
        let mut add = |kind, item: &str, value: String, number: Option<u64>| {
            let number = number.and_then(|n| i64::try_from(n).ok());
            lines.push(Explained { kind, item: item.to_owned(), value, number });
        };
        let steps = [
            "make a branch at the newest cut; files are shared, replication goes on",
            "open it for writes: this is what is timed as the promotion",
            "make a table in it, write a row, read it back",
            "read all rows of all tables, and compare the indexes of small ones with them",
        ];
        let checks = checks.iter().map(|text| format!("check that this returns true: {text}"));
        let steps = steps.into_iter().map(str::to_owned).chain(checks);
        let last = "drop the branch, and note the outcome".to_owned();
        for (n, step) in steps.chain([last]).enumerate() {
            add(ExplainedKind::Step, &(n + 1).to_string(), step, None);
        }
        let newest = database.replicated_time();
        let age = self.engine.env.clock.now_ms().saturating_sub(newest.ms());
        let local = database.local_partitions();
        let shared: u64 = local.iter().flat_map(|p| files(&p.manifest())).sum();
        let delta: u64 = local.iter().map(|p| p.delta_bytes() as u64).sum();
        let estimate = ExplainedKind::Estimate;
        add(estimate, "cut_age_ms", format!("{age} from the newest cut to now"), Some(age));
        add(estimate, "shared_bytes", format!("{shared} of files, not copied"), Some(shared));
        add(estimate, "written_bytes", format!("at most {delta}, from memory"), Some(delta));
        if let Err(error) = check_standby(&self.engine, name) {
            add(ExplainedKind::Blocker, error.state.0, error.into_report().message, None);
        }
        Ok(lines)
    }
}

fn files(manifest: &format::Manifest) -> Vec<u64> {
    manifest.chunks().map(|c| c.bytes).collect()
}
