//! PostgreSQL's own client programs.

use crate::server::{PASSWORD, Server};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A client program that is installed.
#[derive(Clone, Debug)]
pub struct Tool {
    path: PathBuf,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// True for exit code 0.
    pub fine: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Output {
    /// Standard output of a run that must be fine.
    pub fn expect_fine(self, what: &str) -> String {
        assert!(self.fine, "{what} failed\n--- out\n{}\n--- err\n{}", self.out, self.err);
        self.out
    }
}

/// `psql`, or `None` with a visible SKIP line.
pub fn psql(test: &str) -> Option<Tool> {
    Tool::find("psql", test)
}

/// `pgbench`, or `None` with a visible SKIP line.
pub fn pgbench(test: &str) -> Option<Tool> {
    Tool::find("pgbench", test)
}

impl Tool {
    fn find(name: &str, test: &str) -> Option<Tool> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        // Debian keeps pgbench out of the path.
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        places.extend(versions.flatten().map(|v| v.path().join("bin")));
        if let Some(path) = places.iter().map(|p| p.join(name)).find(|p| p.is_file()) {
            return Some(Tool { path });
        }
        let required = std::env::var("ANTIPODE_REQUIRE_CLIENTS").is_ok_and(|v| v == "1");
        assert!(!required, "{test} needs {name}, which is not installed");
        // Written past the test harness, which hides the output of tests that pass.
        let line = format!("SKIP {test}: {name} is not installed\n");
        let _ = std::fs::write("/dev/stderr", &line);
        None
    }

    /// Runs it as `root` against a database of a server.
    pub fn run(&self, server: &Server, database: &str, arguments: &[&str]) -> Output {
        let output = self
            .command(server, database)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the program can be started");
        Output {
            fine: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The command, for callers that run it beside other work.
    pub fn command(&self, server: &Server, database: &str) -> Command {
        let mut command = Command::new(&self.path);
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", server.port().to_string())
            .env("PGUSER", "root")
            .env("PGPASSWORD", PASSWORD)
            .env("PGDATABASE", database)
            .env("PGCONNECT_TIMEOUT", "10")
            .env_remove("PGOPTIONS");
        command
    }
}
