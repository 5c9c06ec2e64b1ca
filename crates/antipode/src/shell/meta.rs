//! Backslash commands.

use super::{Shell, render};
use crate::client;

/// What follows a command.
pub enum Next {
    /// The shell goes on; false if the command failed.
    Stay(bool),
    /// The shell ends.
    Leave,
}

const HELP: &str = "\
\\l            databases
\\dt           tables
\\d [TABLE]    tables, or one table's columns
\\c DATABASE   connect to another database
\\timing       show how long statements take, or stop doing so
\\q            leave
\\?            this help
Statements end with ';' and may take several lines. Ctrl-C cancels a running one.
REPLICATE DATABASE d FROM user:'password'@host:port[/db];   make a standby here
SHOW REPLICATION STATUS;   SHOW DATABASES EXTENDED;   VERIFY DATABASE d;
[EXPLAIN] SWITCHOVER DATABASE d TO cluster;                hand over, losing nothing
[EXPLAIN] FAILOVER DATABASE d [WITH DATA LOSS];            make the standby here the primary";

const TABLES: &str = "SELECT table_schema AS schema, table_name AS name, table_type AS type \
    FROM information_schema.tables WHERE table_schema <> 'information_schema' \
    AND table_schema <> 'pg_catalog' ORDER BY 1, 2";

impl Shell {
    /// Runs a backslash command.
    pub(super) fn backslash(&mut self, line: &str) -> Next {
        let mut words = line.trim_end_matches(';').split_whitespace();
        let (command, argument) = (words.next().unwrap_or_default(), words.next());
        match (command, argument) {
            ("\\q", _) => return Next::Leave,
            ("\\?" | "\\h", _) => println!("{HELP}"),
            ("\\timing", _) => {
                self.timing = !self.timing;
                println!("timing is {}", if self.timing { "on" } else { "off" });
            }
            ("\\l", _) => return Next::Stay(self.run("SHOW DATABASES EXTENDED")),
            ("\\dt", _) | ("\\d", None) => return Next::Stay(self.run(TABLES)),
            ("\\d", Some(table)) => return Next::Stay(self.columns(table)),
            ("\\c", Some(database)) => return Next::Stay(self.reconnect(database)),
            _ => {
                eprintln!("no command {line}; \\? lists them");
                return Next::Stay(false);
            }
        }
        Next::Stay(true)
    }

    fn columns(&mut self, table: &str) -> bool {
        let name = table.replace('\'', "''");
        let sql = format!(
            "SELECT column_name AS column, data_type AS type, is_nullable AS nullable, \
             column_default AS \"default\" FROM information_schema.columns \
             WHERE table_name = '{name}' ORDER BY ordinal_position"
        );
        match self.runtime.block_on(client::ask(&self.client, &sql)) {
            Ok(answer) if answer.rows.is_empty() => {
                eprintln!("no table {table} in database {}", self.database);
                false
            }
            Ok(answer) => {
                render::show(&answer, self.plain);
                true
            }
            Err(e) => {
                eprintln!("{}", client::explain_in(&sql, &e));
                false
            }
        }
    }
}
