//! Messages of the program go to standard error; what is told is chosen by `ANTIPODE_LOG`.

use crate::cli::Command;
use tracing_subscriber::EnvFilter;

/// Starts logging: servers tell what they do, client commands only what goes wrong.
pub fn start(command: &Command) {
    let usual = match command {
        Command::Start(_) => "info",
        _ => "warn",
    };
    let (filter, complaint) = match std::env::var("ANTIPODE_LOG") {
        Ok(text) => match EnvFilter::try_new(&text) {
            Ok(filter) => (filter, None),
            Err(e) => (EnvFilter::new(usual), Some(format!("ANTIPODE_LOG=\"{text}\": {e}"))),
        },
        Err(_) => (EnvFilter::new(usual), None),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(true)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}; using \"{usual}\"");
    }
}
