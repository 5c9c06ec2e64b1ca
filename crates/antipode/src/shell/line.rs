//! The interactive loop: lines with history, statements over several lines.

use super::meta::Next;
use super::{Shell, split};
use reedline::{
    FileBackedHistory, Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal,
    ValidationResult, Validator,
};
use std::borrow::Cow;
use std::process::ExitCode;

const HISTORY_LINES: usize = 5_000;

/// Reads and runs until `\q` or Ctrl-D.
pub fn run(shell: &mut Shell) -> ExitCode {
    println!("antipode {} · \\? for help, \\q to leave", env!("CARGO_PKG_VERSION"));
    let mut editor = Reedline::create().with_validator(Box::new(Statement));
    if let Some(home) = std::env::home_dir() {
        match FileBackedHistory::with_file(HISTORY_LINES, home.join(".antipode_history")) {
            Ok(history) => editor = editor.with_history(Box::new(history)),
            Err(e) => eprintln!("no history: {e}"),
        }
    }
    loop {
        match editor.read_line(&Place(shell.database.clone())) {
            Ok(Signal::Success(text)) => {
                for statement in split::statements(&text).0 {
                    if !statement.starts_with('\\') {
                        shell.run(statement);
                    } else if let Next::Leave = shell.backslash(statement) {
                        return ExitCode::SUCCESS;
                    }
                }
                if shell.client.is_closed() {
                    let database = shell.database.clone();
                    shell.reconnect(&database);
                }
            }
            Ok(Signal::CtrlD) => return ExitCode::SUCCESS,
            Ok(_) => {}
            Err(e) => return super::fail(&format!("cannot read from the terminal: {e}")),
        }
    }
}

/// Asks for another line until the statement is complete.
struct Statement;

impl Validator for Statement {
    fn validate(&self, line: &str) -> ValidationResult {
        if split::is_complete(line) {
            ValidationResult::Complete
        } else {
            ValidationResult::Incomplete
        }
    }
}

/// The prompt: the database's name.
struct Place(String);

impl Prompt for Place {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("…> ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }
}
