//! The statements a session answers itself: transactions, settings, prepared statements, cursors.

use crate::lexer;
use crate::reader::Reader;
use base::{Error, Result};
use sql::statement::SystemTime;

/// Isolation levels a client can ask for. `READ UNCOMMITTED` is `READ COMMITTED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsolationLevel {
    /// A new snapshot for each statement.
    ReadCommitted,
    /// One snapshot; the first of two writers wins.
    RepeatableRead,
    /// As if one after the other.
    Serializable,
}

impl IsolationLevel {
    /// As `SHOW transaction_isolation` prints it.
    pub fn name(self) -> &'static str {
        match self {
            IsolationLevel::ReadCommitted => "read committed",
            IsolationLevel::RepeatableRead => "repeatable read",
            IsolationLevel::Serializable => "serializable",
        }
    }

    /// From the words of a statement or the value of a setting.
    pub fn parse(text: &str) -> Option<IsolationLevel> {
        match text.to_ascii_lowercase().as_str() {
            "read committed" | "read uncommitted" => Some(IsolationLevel::ReadCommitted),
            "repeatable read" => Some(IsolationLevel::RepeatableRead),
            "serializable" => Some(IsolationLevel::Serializable),
            _ => None,
        }
    }
}

/// What `BEGIN` and `SET TRANSACTION` can choose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Modes {
    pub(crate) isolation: Option<IsolationLevel>,
    pub(crate) read_only: Option<bool>,
    /// Read the past.
    pub(crate) as_of: Option<SystemTime>,
}

/// How far a `SET` reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reach {
    Session,
    Transaction,
}

/// A statement that concerns the session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// `BEGIN` or `START TRANSACTION`; the tag differs.
    Begin {
        modes: Modes,
        tag: &'static str,
    },
    /// `COMMIT`, `END`
    Commit {
        chain: bool,
    },
    /// `ROLLBACK`, `ABORT`
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    SetTransaction(Modes),
    SetSessionCharacteristics(Modes),
    /// `SET name = value`; `None` is `DEFAULT`.
    Set {
        name: String,
        value: Option<String>,
        reach: Reach,
    },
    Show(String),
    ShowAll,
    /// `SHOW GLOBAL [name]`: what the sessions of the whole cluster begin with.
    ShowGlobal(Option<String>),
    /// `RESET name`; `None` is `ALL`.
    Reset(Option<String>),
    Prepare {
        name: String,
        types: Vec<String>,
        sql: String,
        offset: usize,
    },
    /// `EXECUTE name (arguments)`; the arguments as SQL text.
    Execute {
        name: String,
        arguments: Vec<String>,
    },
    /// `DEALLOCATE name`; `None` is `ALL`.
    Deallocate(Option<String>),
    Discard {
        all: bool,
        tag: &'static str,
    },
    Declare {
        name: String,
        hold: bool,
        sql: String,
        offset: usize,
    },
    /// `FETCH` / `MOVE`: how many rows forward, `None` for all.
    Fetch {
        name: String,
        count: Option<usize>,
        moves: bool,
    },
    /// `CLOSE name`; `None` is `ALL`.
    Close(Option<String>),
    /// Accepted and without effect here; the command tag.
    Nothing(&'static str),
}

/// Reads one statement; `None` if it is not the session's business.
pub(crate) fn parse(sql: &str) -> Result<Option<Command>> {
    let mut buf = [0; 16];
    let word = lexer::first_word(sql, &mut buf);
    let parse: fn(&mut Reader<'_>) -> Result<Option<Command>> = match word {
        "begin" | "start" => begin,
        "commit" | "end" => |r| Ok(Some(Command::Commit { chain: r.work_and_chain()? })),
        "rollback" | "abort" => rollback,
        "savepoint" => |r| Ok(Some(Command::Savepoint(r.name()?))),
        "release" => |r| {
            r.eat("savepoint");
            Ok(Some(Command::Release(r.name()?)))
        },
        "set" => crate::set::set,
        "show" => crate::set::show,
        "reset" => crate::set::reset,
        "prepare" => prepare,
        "execute" => execute,
        "deallocate" => |r| {
            r.eat("prepare");
            Ok(Some(Command::Deallocate(r.name_or_all()?)))
        },
        "discard" => discard,
        "declare" => declare,
        "fetch" | "move" => fetch,
        "close" => |r| Ok(Some(Command::Close(r.name_or_all()?))),
        "listen" | "unlisten" | "notify" => |r| {
            if r.first_is("unlisten") {
                r.skip_rest();
                return Ok(Some(Command::Nothing("UNLISTEN")));
            }
            Err(Error::unsupported("LISTEN/NOTIFY"))
        },
        _ => return Ok(None),
    };
    let tokens = lexer::tokens(sql)?;
    let mut reader = Reader::new(sql, &tokens);
    let command = parse(&mut reader)?;
    if command.is_some() {
        reader.expect_end()?;
    }
    Ok(command)
}

fn begin(r: &mut Reader<'_>) -> Result<Option<Command>> {
    let tag = if r.first_is("start") {
        r.expect("transaction")?;
        "START TRANSACTION"
    } else {
        let _ = r.eat("work") || r.eat("transaction");
        "BEGIN"
    };
    Ok(Some(Command::Begin { modes: r.modes()?, tag }))
}

fn rollback(r: &mut Reader<'_>) -> Result<Option<Command>> {
    let _ = r.eat("work") || r.eat("transaction");
    if r.eat("to") {
        r.eat("savepoint");
        return Ok(Some(Command::RollbackTo(r.name()?)));
    }
    Ok(Some(Command::Rollback { chain: r.chain()? }))
}

fn prepare(r: &mut Reader<'_>) -> Result<Option<Command>> {
    if r.eat("transaction") {
        return Err(Error::unsupported("PREPARE TRANSACTION"));
    }
    let name = r.name()?;
    let mut types = Vec::new();
    if r.eat_symbol('(') {
        types = r.list_until_close()?;
    }
    r.expect("as")?;
    let offset = r.here();
    let sql = r.rest().to_string();
    Ok(Some(Command::Prepare { name, types, sql, offset }))
}

fn execute(r: &mut Reader<'_>) -> Result<Option<Command>> {
    let name = r.name()?;
    let arguments = if r.eat_symbol('(') { r.list_until_close()? } else { Vec::new() };
    Ok(Some(Command::Execute { name, arguments }))
}

fn discard(r: &mut Reader<'_>) -> Result<Option<Command>> {
    let tag = match r.word()?.as_str() {
        "all" => return Ok(Some(Command::Discard { all: true, tag: "DISCARD ALL" })),
        "plans" => "DISCARD PLANS",
        "sequences" => "DISCARD SEQUENCES",
        "temp" | "temporary" => "DISCARD TEMP",
        _ => return Err(r.unexpected_previous()),
    };
    Ok(Some(Command::Discard { all: false, tag }))
}

fn declare(r: &mut Reader<'_>) -> Result<Option<Command>> {
    let name = r.name()?;
    loop {
        match r.word()?.as_str() {
            "cursor" => break,
            "binary" => return Err(Error::unsupported("DECLARE … BINARY CURSOR")),
            "insensitive" | "asensitive" | "no" => {}
            "scroll" => {
                if !r.before_previous_is("no") {
                    return Err(Error::unsupported("a scrollable cursor"));
                }
            }
            _ => return Err(r.unexpected_previous()),
        }
    }
    let hold = if r.eat("with") {
        r.expect("hold")?;
        true
    } else {
        if r.eat("without") {
            r.expect("hold")?;
        }
        false
    };
    r.expect("for")?;
    let offset = r.here();
    let sql = r.rest().to_string();
    Ok(Some(Command::Declare { name, hold, sql, offset }))
}

fn fetch(r: &mut Reader<'_>) -> Result<Option<Command>> {
    let moves = r.first_is("move");
    let mut count = Some(1);
    if r.eat("forward") || r.eat("next") {
    } else if r.eat("prior") || r.eat("backward") || r.eat("first") || r.eat("last") {
        return Err(Error::unsupported("moving a cursor backwards"));
    }
    if r.eat("all") {
        count = None;
    } else if let Some(n) = r.eat_number() {
        count = Some(n.parse().map_err(|_| r.unexpected_previous())?);
    }
    let _ = r.eat("from") || r.eat("in");
    Ok(Some(Command::Fetch { name: r.name()?, count, moves }))
}

#[cfg(test)]
mod tests;
