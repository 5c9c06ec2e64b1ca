//! `BEGIN`, `COMMIT`, `ROLLBACK`, savepoints: the statements that move a [`Block`] along.

use crate::block::{Block, Running, Savepoint, failed_block};
use crate::command::{Command, Modes};
use crate::notice::Notice;
use crate::session::{Session, isolation};
use base::{Error, Result, SqlState};
use txn::TxnOptions;

impl Session {
    /// `BEGIN`, `COMMIT` and all around them. Answers with the command tag.
    pub(crate) async fn transaction_command(&mut self, command: &Command) -> Result<String> {
        match command {
            Command::Begin { modes, tag } => self.begin(*modes, tag),
            Command::Commit { chain } => self.commit_command(*chain).await,
            Command::Rollback { chain } => self.rollback_command(*chain).await,
            Command::Savepoint(name) => {
                let mark = self.settings.mark();
                let running = self.block.open("SAVEPOINT")?;
                running.txn.savepoint(name);
                running.savepoints.push(Savepoint { name: name.clone(), mark });
                Ok("SAVEPOINT".into())
            }
            Command::Release(name) => {
                let running = self.block.open("RELEASE SAVEPOINT")?;
                let at = running.savepoint(name)?;
                running.txn.release(name)?;
                running.savepoints.truncate(at);
                Ok("RELEASE".into())
            }
            Command::RollbackTo(name) => self.rollback_to(name),
            Command::SetTransaction(modes) => self.set_transaction(*modes),
            other => Err(Error::internal(format!("{other:?} is not about transactions"))),
        }
    }

    fn begin(&mut self, modes: Modes, tag: &str) -> Result<String> {
        match self.block.take() {
            Block::Idle => {
                let mut running = self.new_running(self.options(modes))?;
                self.read_as_of(&mut running, modes)?;
                self.block = Block::Open(running);
            }
            // Within a script the block swallows what was done before it.
            Block::Implicit(mut running) => {
                let changed = running.txn.set_options(self.options(modes));
                let changed = changed.and_then(|()| self.read_as_of(&mut running, modes));
                self.block = Block::Open(running);
                changed?;
            }
            open => {
                self.block = open;
                self.notices.push(Notice::warning(
                    SqlState::ACTIVE_SQL_TRANSACTION,
                    "there is already a transaction in progress",
                ));
            }
        }
        Ok(tag.to_string())
    }

    /// Sends a transaction into the past, if the modes say so.
    fn read_as_of(&self, running: &mut Running, modes: Modes) -> Result<()> {
        let Some(time) = modes.as_of else { return Ok(()) };
        if modes.read_only == Some(false) {
            return Err(Error::new(
                SqlState::INVALID_PARAMETER_VALUE,
                "a transaction AS OF SYSTEM TIME cannot be READ WRITE",
            ));
        }
        running.txn.read_as_of(self.executor.resolve(time))
    }

    async fn commit_command(&mut self, chain: bool) -> Result<String> {
        match self.block.take() {
            Block::Open(running) => {
                let options = running.txn.options();
                self.commit(running).await?;
                self.chain(chain, options)?;
                Ok("COMMIT".into())
            }
            Block::Failed(running, mark) => {
                let options = self.options_of(running.as_deref());
                self.roll_back(running, &mark).await;
                self.chain(chain, options)?;
                Ok("ROLLBACK".into())
            }
            idle => {
                self.block = idle;
                self.outside("COMMIT", chain)?;
                self.end_implicit().await?;
                Ok("COMMIT".into())
            }
        }
    }

    async fn rollback_command(&mut self, chain: bool) -> Result<String> {
        match self.block.take() {
            Block::Open(running) => {
                let (options, mark) = (running.txn.options(), running.mark.clone());
                self.roll_back(Some(running), &mark).await;
                self.chain(chain, options)?;
            }
            Block::Failed(running, mark) => {
                let options = self.options_of(running.as_deref());
                self.roll_back(running, &mark).await;
                self.chain(chain, options)?;
            }
            idle => {
                self.block = idle;
                self.outside("ROLLBACK", chain)?;
                if let Block::Implicit(running) = self.block.take() {
                    let mark = running.mark.clone();
                    self.roll_back(Some(running), &mark).await;
                }
            }
        }
        Ok("ROLLBACK".into())
    }

    fn options_of(&self, running: Option<&Running>) -> TxnOptions {
        running.map_or_else(|| self.options(Modes::default()), |r| r.txn.options())
    }

    /// `AND CHAIN`: the next transaction begins at once, with the same options.
    fn chain(&mut self, chain: bool, options: TxnOptions) -> Result<()> {
        if chain {
            self.block = Block::Open(self.new_running(options)?);
        }
        Ok(())
    }

    fn outside(&mut self, what: &str, chain: bool) -> Result<()> {
        if chain {
            return Err(Error::new(
                SqlState::NO_ACTIVE_SQL_TRANSACTION,
                format!("{what} AND CHAIN can only be used in transaction blocks"),
            ));
        }
        self.notices.push(Notice::warning(
            SqlState::NO_ACTIVE_SQL_TRANSACTION,
            "there is no transaction in progress",
        ));
        Ok(())
    }

    fn rollback_to(&mut self, name: &str) -> Result<String> {
        let running = match &mut self.block {
            Block::Open(running) | Block::Failed(Some(running), _) => running,
            Block::Failed(None, _) => {
                return Err(Error::new(
                    SqlState::INVALID_SAVEPOINT,
                    format!("savepoint \"{name}\" does not exist"),
                ));
            }
            _ => {
                self.block.open("ROLLBACK TO SAVEPOINT")?;
                return Err(failed_block());
            }
        };
        let at = running.savepoint(name)?;
        running.txn.rollback_to(name)?;
        running.savepoints.truncate(at + 1);
        if let Some(savepoint) = running.savepoints.last() {
            self.settings.back_to(&savepoint.mark);
        }
        self.block = match self.block.take() {
            Block::Failed(Some(running), _) => Block::Open(running),
            other => other,
        };
        self.obey_settings();
        Ok("ROLLBACK".into())
    }

    pub(crate) fn set_transaction(&mut self, modes: Modes) -> Result<String> {
        match &mut self.block {
            Block::Open(_) if modes.as_of.is_some() => {
                let Block::Open(mut running) = self.block.take() else {
                    return Err(failed_block());
                };
                let changed = self.read_as_of(&mut running, modes);
                self.block = Block::Open(running);
                changed?;
                let rest = Modes { as_of: None, ..modes };
                if rest != Modes::default() {
                    return self.set_transaction(rest);
                }
            }
            Block::Open(running) => {
                let mut options = running.txn.options();
                if let Some(level) = modes.isolation {
                    options.isolation = isolation(level);
                }
                if let Some(read_only) = modes.read_only {
                    options.read_only = read_only;
                }
                running.txn.set_options(options)?;
            }
            Block::Failed(..) => return Err(failed_block()),
            Block::Idle | Block::Implicit(_) => self.notices.push(Notice::warning(
                SqlState::NO_ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION can only be used in transaction blocks",
            )),
        }
        Ok("SET".into())
    }
}
