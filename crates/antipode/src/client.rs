//! How this program's own client commands talk to a server: SQL over the PostgreSQL protocol.

use clap::Args;
use std::time::Duration;
use tokio_postgres::error::{DbError, ErrorPosition};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// Where to connect, and as whom. The variables of PostgreSQL's own clients hold too.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// Host of the server
    #[arg(long, short = 'h', env = "PGHOST", default_value = "127.0.0.1")]
    pub host: String,
    /// Port of the server
    #[arg(long, short = 'p', env = "PGPORT", default_value_t = 5432)]
    pub port: u16,
    /// User
    #[arg(long, short = 'U', env = "PGUSER", default_value = "root")]
    pub user: String,
    /// Password (better: the variable, so that it is not seen in the list of processes)
    #[arg(long, env = "PGPASSWORD", hide_env_values = true)]
    pub password: Option<String>,
}

impl Target {
    /// Connects to a database.
    pub async fn connect(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .dbname(database)
            .application_name("antipode")
            .connect_timeout(Duration::from_secs(10));
        if let Some(password) = &self.password {
            config.password(password);
        }
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(async move {
            if let Err(e) = connection.await {
                tracing::debug!("connection ended: {e}");
            }
        });
        Ok(client)
    }
}

/// An answer as text: every value as the server wrote it, NULL as `None`.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Names, empty for a statement without rows.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows read or changed, as the server counts them.
    pub affected: u64,
}

impl Answer {
    /// One field by its column's name, whatever the case.
    pub fn field(&self, row: usize, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|c| c.eq_ignore_ascii_case(column))?;
        self.rows.get(row)?.get(at)?.as_deref()
    }

    /// The only field of a one-row answer.
    pub fn single(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }
}

/// Runs one or several statements and gathers their answers.
pub async fn ask_all(client: &Client, sql: &str) -> Result<Vec<Answer>, tokio_postgres::Error> {
    let mut answers = Vec::new();
    let mut current = Answer::default();
    for message in client.simple_query(sql).await? {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                current.columns = columns.iter().map(|c| c.name().to_string()).collect();
            }
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|i| row.get(i).map(str::to_string));
                current.rows.push(values.collect());
            }
            SimpleQueryMessage::CommandComplete(affected) => {
                current.affected = affected;
                answers.push(std::mem::take(&mut current));
            }
            _ => {}
        }
    }
    Ok(answers)
}

/// Runs one statement.
pub async fn ask(client: &Client, sql: &str) -> Result<Answer, tokio_postgres::Error> {
    Ok(ask_all(client, sql).await?.pop().unwrap_or_default())
}

/// An error in one line: message, detail, hint and SQLSTATE.
pub fn explain(e: &tokio_postgres::Error) -> String {
    let Some(db) = e.as_db_error() else { return chain(e) };
    let mut line = format!("{} (SQLSTATE {})", db.message(), db.code().code());
    for more in [db.detail(), db.hint()].into_iter().flatten() {
        line.push_str("; ");
        line.push_str(more);
    }
    line
}

fn chain(e: &dyn std::error::Error) -> String {
    let mut line = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        let text = e.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = e.source();
    }
    line
}

/// An error as a shell shows it: the message, the line it is about with a caret, detail and hint.
pub fn explain_in(sql: &str, e: &tokio_postgres::Error) -> String {
    let Some(db) = e.as_db_error() else { return format!("ERROR: {}", chain(e)) };
    let mut text = format!("{}: {} ({})", db.severity(), db.message(), db.code().code());
    if let Some((line, caret)) = pointed(sql, db) {
        text.push_str(&format!("\n  {line}\n  {caret}"));
    }
    for (what, more) in [("DETAIL", db.detail()), ("HINT", db.hint())] {
        if let Some(more) = more {
            text.push_str(&format!("\n{what}: {more}"));
        }
    }
    text
}

/// The line of the statement that an error points at, and a line with a caret below the place.
fn pointed(sql: &str, e: &DbError) -> Option<(String, String)> {
    let Some(ErrorPosition::Original(position)) = e.position() else { return None };
    caret(sql, *position as usize)
}

fn caret(sql: &str, position: usize) -> Option<(String, String)> {
    let before: String = sql.chars().take(position.checked_sub(1)?).collect();
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let line = sql.get(start..)?.lines().next().unwrap_or_default();
    let indent = before.get(start..)?.chars().count();
    Some((line.replace('\t', " "), format!("{}^", " ".repeat(indent))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caret_stands_below_the_place_in_its_line() {
        let sql = "SELECT 1\nFROM nowhere";
        assert_eq!(caret(sql, 15), Some(("FROM nowhere".into(), "     ^".into())));
        assert_eq!(caret("é x", 3), Some(("é x".into(), "  ^".into())));
        assert_eq!(caret(sql, 0), None);
    }
}
