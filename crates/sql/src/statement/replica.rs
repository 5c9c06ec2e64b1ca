//! Replication as its source declares it: `CREATE REMOTE SERVER`, and what `ALTER DATABASE` says of
//! replicas.
//!
//! The words are Yellowbrick's. Option lists are written `(NAME value, NAME = value, …)`; a value is a
//! word, a string or a number.

mod options;

use super::Stmt;
use super::error::Failure;
use super::input::Input;
use base::Error;
use datafusion::sql::sqlparser::tokenizer::Token;
use options::{invalid, rate, replica_options, server_options, value};

/// A statement about remote servers or replicas.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplicaStmt {
    /// `CREATE REMOTE SERVER [IF NOT EXISTS] s WITH (HOST '…' …)`
    CreateServer {
        /// Its name.
        name: String,
        /// No error if it exists.
        if_not_exists: bool,
        /// What it is.
        options: ServerOptions,
    },
    /// `ALTER REMOTE SERVER s WITH (…)`
    AlterServer {
        /// Its name.
        name: String,
        /// Only what is to change.
        options: ServerOptions,
    },
    /// `DROP REMOTE SERVER [IF EXISTS] s`
    DropServer {
        /// Its name.
        name: String,
        /// No error if it does not exist.
        if_exists: bool,
    },
    /// `ALTER DATABASE d ADD REPLICA r TO s WITH (…)`
    Add {
        /// The database.
        database: String,
        /// The replica.
        name: String,
        /// The remote server.
        server: String,
        /// What is said of it.
        options: ReplicaOptions,
    },
    /// `ALTER DATABASE d ALTER REPLICA r …`
    Alter {
        /// The database.
        database: String,
        /// The replica.
        name: String,
        /// What is to be done.
        action: ReplicaAction,
    },
    /// `ALTER DATABASE d DROP REPLICA [IF EXISTS] r [FORCE]`
    Drop {
        /// The database.
        database: String,
        /// The replica.
        name: String,
        /// No error if it does not exist.
        if_exists: bool,
        /// Also if its target cannot be told.
        force: bool,
    },
    /// `ALTER DATABASE d SET HOT_STANDBY {ON|OFF}`: whether it can be read while it is a standby.
    HotStandby {
        /// The database.
        database: String,
        /// It can.
        on: bool,
    },
    /// `ALTER DATABASE d SET READONLY {ON|OFF}`
    ReadOnly {
        /// The database.
        database: String,
        /// It takes no writes.
        on: bool,
    },
    /// `ALTER DATABASE d {SET replication_bandwidth = '10 MB' | RESET replication_bandwidth}`
    Bandwidth {
        /// The database.
        database: String,
        /// Bytes to each target in a second; no limit if absent.
        bytes_per_second: Option<u64>,
    },
}

/// What is to be done with a replica.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplicaAction {
    /// `START`
    Start,
    /// `PAUSE`
    Pause,
    /// `RESUME`
    Resume,
    /// `FORCE`: one cycle now, while it is paused.
    Force,
    /// `PROMOTE [WITH DATA LOSS]`: the database, a standby here, becomes the primary.
    Promote {
        /// Without it, nothing may be lost.
        data_loss: bool,
    },
    /// `WITH (…)`: only what is to change.
    With(ReplicaOptions),
}

/// What is said of a remote server. Absent: nothing said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerOptions {
    /// Name or address.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// A superuser there.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<String>,
}

/// What is said of a replica. Absent: nothing said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaOptions {
    /// The database's name there.
    pub alias: Option<String>,
    /// Seconds from one cycle to the next; 0: all the time.
    pub frequency: Option<u64>,
    /// Bytes in a second; `Some(None)` takes the limit away.
    pub bytes_per_second: Option<Option<u64>>,
    /// The replica there that leads back.
    pub reverse: Option<String>,
    /// The target has users, grants and address rules of its own: `SECURITY_MODE 'NONE'`.
    pub own_rights: Option<bool>,
    /// Tables that the target does not get, by name.
    pub exclude: Option<Vec<String>>,
}

impl ReplicaStmt {
    /// The text for logs, if the statement's own text has a password in it.
    pub(super) fn hidden(&self) -> Option<&'static str> {
        match self {
            ReplicaStmt::CreateServer { options, .. } if options.password.is_some() => {
                Some("CREATE REMOTE SERVER <hidden>")
            }
            ReplicaStmt::AlterServer { options, .. } if options.password.is_some() => {
                Some("ALTER REMOTE SERVER <hidden>")
            }
            _ => None,
        }
    }
}

/// `{CREATE|ALTER|DROP} REMOTE SERVER …`
pub(super) fn server(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let verb = input.word(0);
    input.expect(&verb)?;
    input.expect_all(&["remote", "server"])?;
    let stmt = match verb.as_str() {
        "drop" => {
            let if_exists = input.eat_all(&["if", "exists"]);
            ReplicaStmt::DropServer { name: input.name()?, if_exists }
        }
        "alter" => {
            let name = input.name()?;
            ReplicaStmt::AlterServer { name, options: server_options(input)? }
        }
        _ => {
            let if_not_exists = input.eat_all(&["if", "not", "exists"]);
            let name = input.name()?;
            let options = server_options(input)?;
            if options.host.is_none() {
                return Err(invalid("a remote server needs a HOST"));
            }
            ReplicaStmt::CreateServer { name, if_not_exists, options }
        }
    };
    Ok(Stmt::Replica(stmt))
}

/// What `ALTER DATABASE d` says of replicas; `None` if it is about something else.
pub(super) fn of_database(input: &mut Input<'_>, database: &str) -> Result<Option<Stmt>, Failure> {
    let words = [input.word(0), input.word(1)];
    let database = database.to_owned();
    let stmt = match [words[0].as_str(), words[1].as_str()] {
        ["add", "replica"] => add(input, database)?,
        ["alter", "replica"] => alter(input, database)?,
        ["drop", "replica"] => {
            input.expect_all(&["drop", "replica"])?;
            let if_exists = input.eat_all(&["if", "exists"]);
            let name = input.name()?;
            ReplicaStmt::Drop { database, name, if_exists, force: input.eat("force") }
        }
        ["set", "hot_standby"] => ReplicaStmt::HotStandby { database, on: switch(input)? },
        ["set", "readonly"] => ReplicaStmt::ReadOnly { database, on: switch(input)? },
        ["set" | "reset", "replication_bandwidth"] => bandwidth(input, database)?,
        _ => return Ok(None),
    };
    Ok(Some(Stmt::Replica(stmt)))
}

fn add(input: &mut Input<'_>, database: String) -> Result<ReplicaStmt, Failure> {
    input.expect_all(&["add", "replica"])?;
    let name = input.name()?;
    input.expect("to")?;
    let server = input.name()?;
    let options = if input.at("with") { replica_options(input)? } else { Default::default() };
    Ok(ReplicaStmt::Add { database, name, server, options })
}

fn alter(input: &mut Input<'_>, database: String) -> Result<ReplicaStmt, Failure> {
    input.expect_all(&["alter", "replica"])?;
    let name = input.name()?;
    let verb = input.word(0);
    let action = match verb.as_str() {
        "with" => ReplicaAction::With(replica_options(input)?),
        "start" => ReplicaAction::Start,
        "pause" => ReplicaAction::Pause,
        "resume" => ReplicaAction::Resume,
        "force" => ReplicaAction::Force,
        "promote" => ReplicaAction::Promote { data_loss: false },
        _ => return input.wrong("START, PAUSE, RESUME, FORCE, PROMOTE or WITH"),
    };
    let action = match action {
        with @ ReplicaAction::With(_) => with,
        ReplicaAction::Promote { .. } => {
            input.expect("promote")?;
            let data_loss = input.eat("with");
            if data_loss {
                input.expect_all(&["data", "loss"])?;
            }
            ReplicaAction::Promote { data_loss }
        }
        other => {
            input.expect(&verb)?;
            if input.eat_all(&["with", "chain"]) {
                return Err(Failure::Final(Error::unsupported("START WITH CHAIN").hint(
                    "there are no backup chains: START copies what the target does not have",
                )));
            }
            other
        }
    };
    Ok(ReplicaStmt::Alter { database, name, action })
}

/// `SET name [=|TO] {ON|OFF}`
fn switch(input: &mut Input<'_>) -> Result<bool, Failure> {
    input.expect("set")?;
    let name = input.word(0);
    input.expect(&name)?;
    if !input.eat_sign(&Token::Eq) {
        input.eat("to");
    }
    for (word, on) in [("on", true), ("true", true), ("off", false), ("false", false)] {
        if input.eat(word) {
            return Ok(on);
        }
    }
    input.wrong("ON or OFF")
}

fn bandwidth(input: &mut Input<'_>, database: String) -> Result<ReplicaStmt, Failure> {
    let reset = input.eat("reset");
    if !reset {
        input.expect("set")?;
    }
    input.expect("replication_bandwidth")?;
    if reset {
        return Ok(ReplicaStmt::Bandwidth { database, bytes_per_second: None });
    }
    if !input.eat_sign(&Token::Eq) {
        input.expect("to")?;
    }
    let bytes_per_second =
        if input.eat("default") { None } else { rate("replication_bandwidth", &value(input)?)? };
    Ok(ReplicaStmt::Bandwidth { database, bytes_per_second })
}

#[cfg(test)]
mod tests;
