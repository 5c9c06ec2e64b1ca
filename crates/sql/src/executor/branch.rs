//! `CREATE DATABASE … BRANCH OF` and `OPEN DIVERGED`.

use super::Executor;
use crate::statement::SystemTime;
use base::{Error, Result, SqlState};
use meta::Purpose;
use txn::BranchOrder;

impl Executor {
    pub(super) async fn create_branch(
        &self,
        name: &str,
        if_not_exists: bool,
        source: &str,
        at: Option<SystemTime>,
    ) -> Result<&'static str> {
        let order = BranchOrder {
            source: source.to_owned(),
            name: name.to_owned(),
            at: at.map(|at| self.resolve(at)),
            purpose: Purpose::Own,
            by: Some(self.user.clone()),
        };
        match self.engine.branch(order).await {
            Err(e) if if_not_exists && e.state == SqlState::DUPLICATE_DATABASE => {}
            other => drop(other?),
        }
        Ok("CREATE DATABASE")
    }

    pub(super) async fn open_diverged(&self, of: Option<&str>, name: &str) -> Result<&'static str> {
        let of = of.unwrap_or(&self.database);
        let opened = self.links()?.open_diverged(of, name, &self.user).await?;
        let mut message = format!(
            "database \"{name}\" shows what the lost primary of \"{of}\" had: {} transactions that \
             were not seen here, in {} rows",
            opened.transactions, opened.rows
        );
        if opened.left_out > 0 {
            message += &format!(
                "; {} more are left out, because parts of them are missing or their outcome is not \
                 known",
                opened.left_out
            );
        }
        if opened.indexes > 0 {
            message += &format!("; {} indexes are not valid there, and not used", opened.indexes);
        }
        self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
        Ok("OPEN DIVERGED")
    }
}
