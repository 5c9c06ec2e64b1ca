//! `antipode start`.

use crate::settings::{Settings, StartArgs};
use std::process::ExitCode;

/// The database that every node lets its users connect to, for statements about other databases.
pub const ADMIN_DATABASE: &str = "antipode";

/// Runs the command.
pub fn command(args: &StartArgs) -> ExitCode {
    match Settings::load(args) {
        Ok(settings) => {
            println!("{settings:?} {}", args.exit_with_parent);
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            for mistake in mistakes {
                eprintln!("antipode: {mistake}");
            }
            ExitCode::from(2)
        }
    }
}
