//! Antipode.

use crate::args::Args;
use crate::side::{Endpoint, Result, Side, status_bytes};
use std::path::PathBuf;
use testkit::{PASSWORD, Server};

/// East, and west when there is a standby.
pub struct Ours {
    binary: String,
    version: String,
    east: Server,
    west: Option<Server>,
    // Last, so that it is removed after the servers have ended.
    dir: tempfile::TempDir,
}

const DATABASE: &str = "bench";

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
        let east = Server::start_with(&binary, 1, "east", dir.path(), flags);
        let partitions = args.partitions;
        east.admin(&format!("CREATE DATABASE {DATABASE} PARTITIONS {partitions}")).await;
        Ok(Ours { binary, version, east, west: None, dir })
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
        Ours::at(&self.east)
    }

    fn crash(&mut self) -> Result<()> {
        self.east.kill();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.east.try_run()
    }

    fn peak_memory(&self) -> Option<u64> {
        status_bytes(self.east.pid()?, "VmHWM")
    }

    fn stored(&self) -> PathBuf {
        self.east.data().join("db")
    }

    fn add_standby(&mut self) -> Result<Endpoint> {
        let west = Server::start(&self.binary, 2, "west", self.dir.path());
        let here = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| here.block_on(west.follow(&self.east, DATABASE)));
        let at = Ours::at(&west);
        self.west = Some(west);
        Ok(at)
    }

    fn stop_standby(&mut self) -> Result<()> {
        self.west.iter_mut().for_each(Server::kill);
        Ok(())
    }

    fn start_standby(&mut self) -> Result<()> {
        self.west.as_mut().map_or(Ok(()), Server::try_run)
    }
}
