//! One region: a server process of this program with its own folder.

use super::fault::{Doing, Fault, Result};
use crate::client::{self, Answer, Target};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio_postgres::Client;

/// The bank's database.
pub const DATABASE: &str = "bank";

/// A region whose process runs, or is dead at the moment.
pub struct Region {
    name: &'static str,
    cluster_id: u8,
    dir: PathBuf,
    target: Target,
    child: Option<Child>,
}

impl Region {
    /// Starts the region's server with an empty folder.
    pub async fn start(
        name: &'static str,
        cluster_id: u8,
        dir: &Path,
        port: u16,
        password: &str,
    ) -> Result<Region> {
        let target = Target {
            host: "127.0.0.1".into(),
            port,
            user: "root".into(),
            password: Some(password.into()),
        };
        let mut region = Region { name, cluster_id, dir: dir.into(), target, child: None };
        region.run().await?;
        Ok(region)
    }

    /// `east` or `west`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where its clients connect.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What the other region writes after `FROM` to follow this one.
    pub fn source_clause(&self) -> String {
        let password = self.target.password.as_deref().unwrap_or_default();
        format!("root:'{password}'@127.0.0.1:{}/{DATABASE}", self.target.port)
    }

    /// Starts the process, on the port it had if it had one, and waits until it serves.
    pub async fn run(&mut self) -> Result<()> {
        let log = self.dir.join(format!("{}.log", self.name));
        let log = File::options().create(true).append(true).open(&log)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["start", "--exit-with-parent", "--name", self.name, "--user", "root"])
            .arg("--cluster-id")
            .arg(self.cluster_id.to_string())
            .arg("--data")
            .arg(self.dir.join(self.name))
            .arg("--listen")
            .arg(format!("127.0.0.1:{}", self.target.port))
            .env("ANTIPODE_PASSWORD", self.target.password.as_deref().unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .doing(format!("start {}", self.name))?;
        let stdout = child.stdout.take();
        self.child = Some(child);
        let Some(stdout) = stdout else { return Err(Fault::new("no standard output")) };
        let port = tokio::task::spawn_blocking(move || ready_port(BufReader::new(stdout)));
        match tokio::time::timeout(Duration::from_secs(120), port).await {
            Ok(Ok(Some(port))) => {
                self.target.port = port;
                Ok(())
            }
            Ok(_) => Err(Fault::new(format!("{} did not start", self.name))),
            Err(_) => Err(Fault::new(format!("{} did not start within two minutes", self.name))),
        }
    }

    /// SIGKILL: the process is gone at once, as in a disaster.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// A connection to the bank's database.
    pub async fn connect(&self) -> Result<Client> {
        self.target.connect(DATABASE).await.doing(format!("connect to {}", self.name))
    }

    /// Runs a statement that concerns the node as a whole, on a connection of its own.
    pub async fn command(&self, sql: &str) -> Result<Answer> {
        // The password is part of REPLICATE and of no use in a message.
        let shown = sql.split(" FROM ").next().unwrap_or(sql);
        let doing = format!("{shown} on {}", self.name);
        let client = self.target.connect(crate::start::ADMIN_DATABASE).await.doing(&doing)?;
        client::ask(&client, sql).await.doing(&doing)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Reads what the server prints until it says on which port it listens.
fn ready_port(stdout: impl BufRead) -> Option<u16> {
    for line in stdout.lines() {
        let line = line.ok()?;
        if let Some(address) = line.strip_prefix("listening on ") {
            return address.rsplit(':').next()?.parse().ok();
        }
    }
    None
}
