//! `antipode demo`: the whole promise on one machine, in under a minute.
//!
//! ```text
//!   clients ──► east ═════════► west         1 load, replicate, run transfers
//!   clients ──X east ✝          west         2 SIGKILL in the middle of the traffic
//!   clients ───────────────────► west        3 promote, go on
//!               east ◄═════════ west         4 east comes back by difference
//!   clients ──► east ═════════► west         5 hand over back
//!                 account for every commit   6 report
//! ```
//!
//! East and west are real server processes of this very program with folders of their own. The
//! demonstration is only a client: all it does and all it knows goes through SQL.
//!
//! # What is proved at the end
//! Every transfer inserts a row with an id that its client chose, and the client writes down what
//! it was told. At the end each acknowledged id must be found exactly once: in the data, or, if
//! the crash of east stranded it, in `information_schema.diverged_rows`. Balances must follow from
//! the transfers, their sum must be what was loaded, and both sides must be equal row by row.
//! Anything else is exit code 1.

mod args;
mod audit;
mod bank;
mod compare;
mod fault;
mod gauge;
mod journal;
mod region;
mod report;
mod screen;
mod story;
mod traffic;

pub use args::DemoArgs;

use fault::Fault;
use screen::Screen;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the command.
pub fn command(args: &DemoArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("antipode: cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    let screen = Screen::new();
    let code = runtime.block_on(async {
        // Whatever ends the story, dropping it ends both servers and removes the folder.
        tokio::select! {
            biased;
            code = interruption() => {
                screen.clear();
                eprintln!("antipode: interrupted; servers stopped");
                ExitCode::from(code)
            }
            code = play(args, &screen) => code,
        }
    });
    runtime.shutdown_background();
    code
}

/// Waits for SIGINT or SIGTERM; the exit code that tells which.
async fn interruption() -> u8 {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => 130,
        _ = terminate.recv() => 143,
    }
}

async fn play(args: &DemoArgs, screen: &Screen) -> ExitCode {
    let folder = match Folder::make(args) {
        Ok(folder) => folder,
        Err(e) => {
            eprintln!("antipode: {e}");
            return ExitCode::from(2);
        }
    };
    let outcome = story::tell(args, screen, folder.path()).await;
    screen.clear();
    let fine = match &outcome {
        Ok(report) => report.print(),
        Err(e) => {
            eprintln!("antipode: the demo failed: {e}");
            story::print_logs(folder.path());
            false
        }
    };
    if args.keep {
        println!("data and logs are kept in {}", folder.path().display());
    }
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The folder of both regions; removed at the end unless it is to be kept.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn make(args: &DemoArgs) -> Result<Folder, Fault> {
        let path = match &args.dir {
            Some(dir) => dir.clone(),
            None => std::env::temp_dir().join(format!("antipode-demo-{}", std::process::id())),
        };
        let shown = path.display();
        let used = std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some());
        if used {
            return Err(Fault::new(format!("folder {shown} is not empty: give another --dir")));
        }
        std::fs::create_dir_all(&path)
            .map_err(|e| Fault::new(format!("cannot make folder {shown}: {e}")))?;
        Ok(Folder { path, keep: args.keep })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
