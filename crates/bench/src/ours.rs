//! Antipode.

use crate::args::Args;
use crate::side::{Endpoint, Result, Side, status_bytes};
use std::path::PathBuf;
use testkit::{PASSWORD, Server};

/// A primary, and a standby when there is one.
pub struct Ours {
    binary: String,
    version: String,
    primary: Server,
    standby: Option<Server>,
    // Last, so that it is removed after the servers have ended.
    dir: tempfile::TempDir,
}

const DATABASE: &str = "bench";
const NAMES: [&str; 2] = ["east", "west"];

impl Ours {
    /// Starts east, with more flags.
    pub async fn start(args: &Args, flags: &[&str]) -> Result<Ours> {
        let beside = std::env::current_exe().map_err(|e| e.to_string())?.with_file_name("antipode");
        let binary = args.antipode.clone().unwrap_or(beside);
        if !binary.is_file() {
            return Err(format!("{} is not there: build it, or give --antipode", binary.display()));
        }
        let binary = binary.display().to_string();
        let said = std::process::Command::new(&binary).arg("--version").output();
        let said = said.map_err(|e| format!("{binary}: {e}"))?;
        let version = String::from_utf8_lossy(&said.stdout).trim().to_string();
        let dir = args.folder()?;
        let primary = Server::start_with(&binary, 1, NAMES[0], dir.path(), flags);
        let partitions = args.partitions;
        primary.admin(&format!("CREATE DATABASE {DATABASE} PARTITIONS {partitions}")).await;
        Ok(Ours { binary, version, primary, standby: None, dir })
    }

    fn other(&self) -> Result<&Server> {
        self.standby.as_ref().ok_or_else(|| "there is no standby".into())
    }

    /// Primary and standby have changed their roles.
    fn swap(&mut self) -> Result<()> {
        let standby = self.standby.as_mut().ok_or("there is no standby")?;
        std::mem::swap(&mut self.primary, standby);
        Ok(())
    }

    fn at(server: &Server) -> Endpoint {
        Endpoint {
            port: server.port(),
            user: "root".into(),
            password: PASSWORD.into(),
            database: DATABASE.into(),
        }
    }
}

impl Side for Ours {
    fn name(&self) -> String {
        self.version.clone()
    }

    fn endpoint(&self) -> Endpoint {
        Ours::at(&self.primary)
    }

    fn crash(&mut self) -> Result<()> {
        self.primary.kill();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.primary.try_run()
    }

    fn peak_memory(&self) -> Option<u64> {
        status_bytes(self.primary.pid()?, "VmHWM")
    }

    fn stored(&self) -> PathBuf {
        self.primary.data().join("db")
    }

    fn add_standby(&mut self) -> Result<Endpoint> {
        let standby = Server::start(&self.binary, 2, NAMES[1], self.dir.path());
        wait(standby.follow(&self.primary, DATABASE));
        let at = Ours::at(&standby);
        self.standby = Some(standby);
        Ok(at)
    }

    fn stop_standby(&mut self) -> Result<()> {
        self.standby.iter_mut().for_each(Server::kill);
        Ok(())
    }

    fn start_standby(&mut self) -> Result<()> {
        self.standby.as_mut().map_or(Ok(()), Server::try_run)
    }

    fn standby(&self) -> Result<Endpoint> {
        self.other().map(Ours::at)
    }

    fn cut_link(&mut self) -> Result<()> {
        wait(self.other()?.admin(&format!("PAUSE REPLICATING {DATABASE}")));
        Ok(())
    }

    fn promote(&mut self) -> Result<()> {
        wait(self.other()?.admin(&format!("FAILOVER DATABASE {DATABASE} WITH DATA LOSS")));
        self.swap()
    }

    fn come_back(&mut self) -> Result<()> {
        self.start_standby()?;
        wait(self.other()?.come_back_to(&self.primary, DATABASE));
        Ok(())
    }

    fn hand_over(&mut self) -> Result<()> {
        let name = self.other()?.name();
        wait(self.primary.admin(&format!("SWITCHOVER DATABASE {DATABASE} TO {name}")));
        self.swap()
    }
}

/// Waits for a statement.
fn wait(statement: impl Future<Output = ()>) {
    let here = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| here.block_on(statement));
}
