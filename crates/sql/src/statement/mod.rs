//! Statements: what a client's text asks for.
//!
//! ```text
//!  text ──tokens──┬─ statement ; statement ; …
//!                 │      first words ours?  ── yes ─▶ copy, create, gate, link, user … ─▶ Stmt
//!                 │                         └─ no ──▶ the SQL parser ─▶ Stmt::Sql(ast)
//!                 └─ an error is turned into PostgreSQL's words, with a character position
//! ```
//!
//! The SQL grammar itself is the parser's that DataFusion brings along, in its PostgreSQL
//! dialect. Around it stands this module, because statements about replication, gates, users and
//! partitions are not in that grammar, and because `COPY`, `VACUUM` and `SHARD KEY` are, but not
//! in the form clients send them.
//!
//! The text is cut into statements by its `;` tokens before anything is parsed, so each statement
//! keeps its own text and the positions of errors count from the start of the whole text, as
//! clients expect.

mod as_of;
mod branch;
mod copy;
mod database;
mod error;
mod gate;
mod group;
mod identity;
mod input;
mod insert;
mod link;
mod replica;
mod reset;
mod rights;
mod sequence;
mod source;
mod table;
mod user;

#[cfg(test)]
mod tests;

pub use as_of::{SystemTime, interval_ms};
pub use copy::{Copy, CopyFormat, CopyOptions, CopySource, Force};
pub use group::{GroupAction, GroupStmt};
pub use identity::IdentityChange;
pub use input::fold;
pub use insert::{Overriding, overriding};
pub use link::Replicate;
pub use replica::{ReplicaAction, ReplicaOptions, ReplicaStmt, ServerOptions};
pub use rights::{Grant, Objects, Rights, RoleName, Sessions};
pub use sequence::{SequenceChange, SequenceOptions};
pub use user::UserOptions;

use base::{Error, Result};
use datafusion::sql::sqlparser::ast::{self, Ident};
use error::{Failure, near};
use input::Input;
use std::time::Duration;

/// One statement and the text it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What it asks for.
    pub stmt: Stmt,
    /// Its own text: no surrounding blanks, comments or `;`.
    pub text: String,
}

impl Parsed {
    /// The text for logs and activity views: without passwords.
    pub fn shown(&self) -> &str {
        match &self.stmt {
            Stmt::Replicate(r) if r.password.is_some() => "REPLICATE DATABASE <hidden>",
            Stmt::Explain(inner) if matches!(inner.as_ref(), Stmt::Replicate(r) if r.password.is_some()) => {
                "EXPLAIN REPLICATE DATABASE <hidden>"
            }
            Stmt::CreateUser { options, .. } if options.password.is_some() => {
                "CREATE USER <hidden>"
            }
            Stmt::AlterUser { options, .. } if options.password.is_some() => "ALTER USER <hidden>",
            Stmt::Replica(stmt) => stmt.hidden().unwrap_or(&self.text),
            _ => &self.text,
        }
    }
}

/// Whether a commit waits for its copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A commit is answered once it is on disk.
    Sync,
    /// A commit is answered before it is on disk.
    Async,
}

/// What `FLUSH TABLES` does to new writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateMode {
    /// They fail.
    ReadOnly,
    /// They wait.
    ReadLock,
}

/// When something ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// `'2026-11-29 10:00'`
    At(String),
    /// `IN '10 min'`
    In(String),
}

/// A statement. Names are folded the PostgreSQL way: lower case unless quoted.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// Anything the SQL parser reads by itself.
    Sql(Box<ast::Statement>),
    /// `SELECT … AS OF SYSTEM TIME t`
    AsOf {
        /// A query, or EXPLAIN of one.
        stmt: Box<Stmt>,
        /// When.
        time: SystemTime,
    },
    /// `CREATE TABLE …`
    CreateTable {
        /// Without the shard key. Storage parameters in it (`WITH (fillfactor=100)`) mean nothing.
        ast: Box<ast::CreateTable>,
        /// `SHARD KEY (a, b)`, inside the parentheses or after them.
        shard_key: Option<Vec<Ident>>,
    },
    /// `CREATE SEQUENCE [IF NOT EXISTS] s …`
    CreateSequence {
        /// Its name.
        name: ast::ObjectName,
        /// No error if it exists.
        if_not_exists: bool,
        /// What is said of it.
        options: Box<SequenceOptions>,
    },
    /// `ALTER SEQUENCE [IF EXISTS] s …`
    AlterSequence {
        /// Its name.
        name: ast::ObjectName,
        /// No error if it does not exist.
        if_exists: bool,
        /// What changes.
        change: Box<SequenceChange>,
    },
    /// `ALTER TABLE t ALTER COLUMN c {ADD|SET|DROP} …` of an identity column.
    AlterIdentity {
        /// The table.
        table: ast::ObjectName,
        /// No error if it does not exist.
        if_exists: bool,
        /// The column.
        column: String,
        /// What changes.
        change: Box<IdentityChange>,
    },
    /// `CREATE DATABASE [IF NOT EXISTS] d [PARTITIONS n] [WITH {SYNC|ASYNC} DURABILITY]`
    CreateDatabase {
        /// Its name.
        name: String,
        /// No error if it exists.
        if_not_exists: bool,
        /// How many partitions.
        partitions: Option<u16>,
        /// How durable commits are.
        durability: Option<Durability>,
    },
    /// `CREATE DATABASE [IF NOT EXISTS] d BRANCH OF s [AS OF SYSTEM TIME t]`
    CreateBranch {
        /// Its name.
        name: String,
        /// No error if it exists.
        if_not_exists: bool,
        /// What it begins with.
        source: String,
        /// As of when; now if absent.
        at: Option<SystemTime>,
    },
    /// `DRILL DATABASE d [CHECK 'SELECT …' [, …]]`: try the standby out.
    Drill {
        /// The standby.
        database: String,
        /// Queries that each must return one row, `true`.
        checks: Vec<String>,
    },
    /// `OPEN DIVERGED [TRANSACTIONS [OF d]] AS DATABASE x`
    OpenDiverged {
        /// Whose; the database connected to if absent.
        of: Option<String>,
        /// The name to open them under.
        name: String,
    },
    /// `ALTER DATABASE d {SET version_retention = '1 h' | RESET version_retention}`
    SetVersionRetention {
        /// Its name.
        database: String,
        /// For how long old row versions stay readable; as the node's setting says if absent.
        retention: Option<Duration>,
    },
    /// `ALTER DATABASE d {SET MAX_REPLICATION_LAG '5 s' [ON EXCEED {WARN | BLOCK}] | RESET …}`
    SetMaxReplicationLag {
        /// Its name.
        database: String,
        /// How much of it may have no copy on a standby; any amount if absent.
        limit: Option<txn::LagLimit>,
    },
    /// `DROP DATABASE [IF EXISTS] d`
    DropDatabase {
        /// Its name.
        name: String,
        /// No error if it does not exist.
        if_exists: bool,
    },
    /// `REPLICATE DATABASE d … FROM user@host`
    Replicate(Replicate),
    /// `CREATE REMOTE SERVER`, and what `ALTER DATABASE` says of replicas.
    Replica(ReplicaStmt),
    /// `PAUSE REPLICATING d`
    PauseReplicating {
        /// The standby.
        database: String,
    },
    /// `CONTINUE REPLICATING d`
    ContinueReplicating {
        /// The standby.
        database: String,
    },
    /// `STOP REPLICATING d`: promote it.
    StopReplicating {
        /// The standby.
        database: String,
    },
    /// `FLUSH TABLES [ON d] WITH READ {ONLY|LOCK}`
    FlushTables {
        /// One database; all of them if absent.
        database: Option<String>,
        /// What happens to new writers.
        mode: GateMode,
    },
    /// `UNLOCK TABLES [ON d] [FORCE]`
    UnlockTables {
        /// One database; all of them if absent.
        database: Option<String>,
        /// Also one that is bound by a planned handover.
        force: bool,
    },
    /// `SET DATABASE d READ ONLY REASON '…' [EXPIRES …]`
    SetReadOnly {
        /// Which.
        database: String,
        /// Why, for those who are refused.
        reason: String,
        /// When it ends by itself.
        expires: Option<Expiry>,
    },
    /// `SET DATABASE d READ WRITE`
    SetReadWrite {
        /// Which.
        database: String,
    },
    /// `SWITCHOVER DATABASE d TO cluster`: planned, nothing lost.
    Switchover {
        /// Which.
        database: String,
        /// The cluster that takes over.
        to: String,
    },
    /// `FAILOVER DATABASE d [AT TIME '…'] [WITH DATA LOSS]`: promote the standby here.
    Failover {
        /// Which.
        database: String,
        /// Everything later is given up.
        at: Option<String>,
        /// Without it, nothing may be lost.
        data_loss: bool,
    },
    /// `RESET REPLICATION TO {CLUSTER c | ALL} [FORCE]`: forget who is gone.
    ResetReplication(dr::ResetRequest),
    /// `DR TABLE {t [DISABLE] | *}`: which tables are replicated.
    DrTable(crate::ddl::DrTables),
    /// `VERIFY DATABASE d`: compare the standby here with its source.
    Verify {
        /// Which.
        database: String,
    },
    /// `REAPPLY DIVERGED TRANSACTION 'id' [IF UNCHANGED | FORCE]`
    Reapply {
        /// Which, as `information_schema.diverged_transactions` names it.
        transaction: String,
        /// Whatever its rows are now.
        force: bool,
    },
    /// `DISMISS DIVERGED TRANSACTION 'id' REASON '…'`
    Dismiss {
        /// Which.
        transaction: String,
        /// Why it is of no interest.
        reason: String,
    },
    /// `SHOW REPLICATION STATUS [ON d]`
    ShowReplicationStatus {
        /// One database; all of them if absent.
        database: Option<String>,
    },
    /// `SHOW DATABASES [EXTENDED]`
    ShowDatabases {
        /// With partitions, role, size and position.
        extended: bool,
    },
    /// `SHOW TABLES`
    ShowTables,
    /// `CREATE {USER|ROLE} u …`
    CreateUser {
        /// Its name.
        name: String,
        /// No error if it exists.
        if_not_exists: bool,
        /// Password and rights. `CREATE USER` may log in, `CREATE ROLE` only if it says so.
        options: UserOptions,
    },
    /// `ALTER {USER|ROLE} u …`
    AlterUser {
        /// Who.
        name: RoleName,
        /// Only what is to change.
        options: UserOptions,
    },
    /// `DROP {USER|ROLE} [IF EXISTS] u, …`
    DropUser {
        /// Their names.
        names: Vec<String>,
        /// No error if one does not exist.
        if_exists: bool,
    },
    /// `GRANT`, `REVOKE`, owners, defaults of sessions.
    Rights(Box<Rights>),
    /// `REINDEX {INDEX|TABLE} n`
    Reindex {
        /// One index; all of a table if false.
        index: bool,
        /// Its name, or the table's.
        name: ast::ObjectName,
    },
    /// `COPY … FROM STDIN` and `COPY … TO STDOUT`
    Copy(Copy),
    /// `CHECKPOINT`: writes down all that is only in memory and in the log.
    Checkpoint,
    /// Accepted, nothing to do: `VACUUM`, `ANALYZE` …
    Noop {
        /// The command tag to answer with.
        tag: &'static str,
    },
    /// Anything about a replication group.
    Group(GroupStmt),
    /// `EXPLAIN` of a statement the SQL parser does not know.
    Explain(Box<Stmt>),
}

/// Reads all statements of a text. An empty text is no statements.
///
/// ```
/// use sql::statement::{parse, Stmt};
/// let all = parse("select 1; STOP REPLICATING Orders").unwrap();
/// assert_eq!(all[0].text, "select 1");
/// assert_eq!(all[1].stmt, Stmt::StopReplicating { database: "orders".into() });
/// ```
pub fn parse(sql: &str) -> Result<Vec<Parsed>> {
    let pieces = input::split(sql)?;
    let mut all = Vec::with_capacity(pieces.len());
    for mut piece in pieces {
        let time = as_of::take(sql, &mut piece)?;
        let text = sql[piece.start..piece.end].to_string();
        let end = piece.end;
        let mut input = Input::new(sql, piece);
        let stmt = statement(&mut input)
            .and_then(|stmt| input.finish().map(|()| stmt))
            .and_then(|stmt| as_of::apply(stmt, time));
        match stmt {
            Ok(stmt) => all.push(Parsed { stmt, text }),
            Err(failure) => return Err(failure.into_error(sql, end)),
        }
    }
    Ok(all)
}

/// Reads one statement; what is left over is the caller's to refuse.
fn statement(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let words = [input.word(0), input.word(1), input.word(2)];
    let words = [words[0].as_str(), words[1].as_str(), words[2].as_str()];
    match words {
        ["create", "database", _] => database::create(input),
        ["drop", "database", _] => database::drop(input),
        ["alter", "database", _] => database::alter(input),
        ["create", "user" | "role" | "group", _] => user::create(input),
        ["alter", "user" | "role", _] => user::alter(input),
        ["drop", "user" | "role" | "group", _] => user::drop(input),
        ["grant" | "revoke", _, _] => rights::grant(input),
        ["create", "address", "rule"] => rights::create_rule(input),
        ["drop", "address", "rule"] => rights::drop_rule(input),
        ["reassign", "owned", _] | ["drop", "owned", _] => rights::owned(input),
        ["alter", "schema", _] => rights::alter_schema(input),
        ["alter", "system", _] => rights::alter_system(input),
        ["alter", "default", "privileges"] => {
            Err(Failure::Final(Error::unsupported("ALTER DEFAULT PRIVILEGES")))
        }
        ["set", "global", _] => rights::set_global(input),
        ["show", "grants", _] => rights::show_grants(input),
        ["create", "sequence", _] | ["create", "temp" | "temporary", "sequence"] => {
            sequence::create(input)
        }
        ["alter", "sequence", _] => sequence::alter(input),
        ["alter", "table", _] if identity::is_identity(input) => identity::alter(input),
        ["alter", "table", _] => table::alter(input),
        ["drop", "index", "concurrently"] => table::drop_index(input),
        ["insert", _, _] => insert::insert(input),
        ["create", "table" | "unlogged" | "temp" | "temporary" | "global" | "local", _] => {
            table::create(input)
        }
        ["replicate", "database", _] => link::replicate(input),
        ["create" | "alter" | "drop", "remote", "server"] => replica::server(input),
        ["pause" | "continue" | "stop", "replicating", _] => link::verb(input),
        ["flush", "tables", _] => gate::flush(input),
        ["unlock", "tables", _] => gate::unlock(input),
        ["set", "database", _] => gate::set_database(input),
        ["switchover", "database", _] => link::switchover(input),
        ["failover", "database", _] => link::failover(input),
        ["create" | "alter" | "drop" | "switchover" | "failover", "replication", "group"] => {
            group::group(input)
        }
        ["reset", "replication", _] | ["dr", _, _] => reset::reset(input),
        ["verify", "database", _] => link::verify(input),
        ["drill", "database", _] => branch::drill(input),
        ["open", "diverged", _] => branch::open_diverged(input),
        ["reapply", "diverged", "transaction"] => link::reapply(input),
        ["dismiss", "diverged", "transaction"] => link::dismiss(input),
        ["show", "replication", "status"] => gate::show_status(input),
        ["show", "databases" | "tables", _] => gate::show_list(input),
        ["copy", _, _] => copy::copy(input),
        ["reindex", _, _] => gate::reindex(input),
        ["checkpoint", _, _] => {
            input.expect("checkpoint")?;
            Ok(Stmt::Checkpoint)
        }
        ["vacuum" | "analyze" | "analyse" | "cluster", _, _] => Ok(gate::noop(input)),
        ["abort", _, _] => gate::abort(input),
        ["explain", first, second] if is_ours(first, second) => {
            input.expect("explain")?;
            Ok(Stmt::Explain(Box::new(statement(input)?)))
        }
        _ => Ok(Stmt::Sql(Box::new(input.parser.parse_statement()?))),
    }
}

/// True for the first two words of the statements about replication and gates.
fn is_ours(first: &str, second: &str) -> bool {
    matches!(
        (first, second),
        ("replicate" | "alter", "database")
            | ("pause" | "continue" | "stop", "replicating")
            | ("flush" | "unlock", "tables")
            | ("switchover" | "failover" | "drill", "database")
            | ("switchover" | "failover" | "reset", "replication")
            | ("dr", "reset")
    )
}
