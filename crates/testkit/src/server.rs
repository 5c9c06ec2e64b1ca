//! A server process of the built binary.

use crate::sql;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// The password of `root` in every test.
pub const PASSWORD: &str = "p'w \\1"; // a quote, a blank and a backslash: they must not matter

const START_LIMIT: Duration = Duration::from_secs(60);

/// A server with a folder of its own. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    binary: PathBuf,
    cluster_id: u8,
    name: String,
    data: PathBuf,
    more: Vec<String>,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts a server on a free port with its data in `dir/name`.
    pub fn start(binary: &str, cluster_id: u8, name: &str, dir: &Path) -> Server {
        Server::start_with(binary, cluster_id, name, dir, &[])
    }

    /// The same with more flags.
    pub fn start_with(
        binary: &str,
        cluster_id: u8,
        name: &str,
        dir: &Path,
        more: &[&str],
    ) -> Server {
        let mut server = Server {
            binary: binary.into(),
            cluster_id,
            name: name.into(),
            data: dir.join(name),
            more: more.iter().map(|s| s.to_string()).collect(),
            port: 0,
            child: None,
        };
        server.run();
        server
    }

    /// Starts the process again, on the port it had, and waits until it serves.
    pub fn run(&mut self) {
        if let Err(why) = self.try_run() {
            panic!("{} did not start: {why}\n{}", self.name, self.log_tail());
        }
    }

    /// Starts the process again; an error if it ends before it serves.
    pub fn try_run(&mut self) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(self.log_path());
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.map_err(|e| e.to_string())?)
            .spawn()
            .map_err(|e| format!("{}: {e}", self.binary.display()))?;
        let stdout = child.stdout.take().expect("standard output is piped");
        self.child = Some(child);
        let (tx, rx) = mpsc::channel();
        std::thread::spawn(move || {
            // Reads to the end, so that the server never blocks on a full pipe.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("listening on ") {
                    let _ = tx.send(address.to_string());
                }
            }
        });
        match rx.recv_timeout(START_LIMIT) {
            Ok(address) => {
                let port = address.rsplit(':').next().and_then(|p| p.parse().ok());
                self.port = port.ok_or(format!("no port in {address}"))?;
                Ok(())
            }
            Err(_) => Err("it never said that it listens".into()),
        }
    }

    /// The command line of this server, for tests that expect it to fail.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(["start", "--exit-with-parent"])
            .args(["--cluster-id", &self.cluster_id.to_string(), "--name", &self.name])
            .arg("--data")
            .arg(&self.data)
            .arg("--listen")
            .arg(format!("127.0.0.1:{}", self.port))
            .args(&self.more)
            .env("ANTIPODE_PASSWORD", PASSWORD)
            // What a test is told would be a mistake among the settings of a server.
            .env_remove("ANTIPODE_ROUNDS")
            .env_remove("ANTIPODE_SEED");
        command
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name of its cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Other flags for the next start.
    pub fn set_flags(&mut self, more: &[&str]) {
        self.more = more.iter().map(|s| s.to_string()).collect();
    }

    /// What another server writes after `FROM` to follow a database of this one.
    pub fn source(&self, database: &str) -> String {
        let password = PASSWORD.replace('\'', "''");
        format!("root:'{password}'@127.0.0.1:{}/{database}", self.port)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.is_ok_and(|s| s.success()), "cannot send SIGTERM");
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                return status;
            }
            if Instant::now() > limit {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{} did not stop within 30 s of SIGTERM\n{}", self.name, self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A connection as `root`.
    pub async fn connect(&self, database: &str) -> Client {
        match sql::connect(self.port, "root", PASSWORD, database).await {
            Ok(client) => client,
            Err(e) => panic!("connect to {}: {e:?}\n{}", self.name, self.log_tail()),
        }
    }

    /// Where its messages go.
    pub fn log_path(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    /// Its last messages, for a test that fails.
    pub fn log_tail(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = File::open(self.log_path()) {
            let _ = file.read_to_string(&mut text);
        }
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(30)..];
        format!("--- log of {}\n{}", self.name, last.join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        self.kill();
    }
}
