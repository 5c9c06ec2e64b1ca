//! Links between clusters: `REPLICATE DATABASE` and its verbs.

use super::error::{self, Failure};
use super::input::{Input, Walk};
use super::{Durability, Stmt, database, source};

/// `REPLICATE DATABASE d [WITH {SYNC|ASYNC} DURABILITY] [WITH FORCE DIFFERENTIAL]
/// FROM user[:'password']@host[:port][/database]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replicate {
    /// The database here, the standby to be.
    pub database: String,
    /// How durable commits are once it is promoted; as at the source if absent.
    pub durability: Option<Durability>,
    /// It exists here already: find the common point and ship only what differs.
    pub differential: bool,
    /// User at the source.
    pub user: String,
    /// Its password there.
    pub password: Option<String>,
    /// Name or address of the source.
    pub host: String,
    /// 5432 if absent.
    pub port: Option<u16>,
    /// The same name as here if absent.
    pub source_database: Option<String>,
}

/// `REPLICATE DATABASE …`
pub(super) fn replicate(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["replicate", "database"])?;
    let name = input.name()?;
    let (mut durability, mut differential) = (None, false);
    while input.eat("with") {
        if input.eat("force") {
            input.expect("differential")?;
            differential = true;
        } else if let Some(given) = database::durability(input)? {
            durability = Some(given);
        } else {
            return input.wrong("SYNC DURABILITY, ASYNC DURABILITY or FORCE DIFFERENTIAL");
        }
    }
    input.expect("from")?;
    // An address is no SQL: `10.0.0.5:5432/d` falls into odd tokens, so it is read as text.
    let start = input.byte();
    let read = source::read(&input.sql[start..input.end]);
    let source = read.map_err(|wrong| {
        error::near(input.sql, start + wrong.at).detail(format!("expected {}", wrong.expected))
    })?;
    skip_to(input, start + source.len);
    Ok(Stmt::Replicate(Replicate {
        database: name,
        durability,
        differential,
        user: source.user,
        password: source.password,
        host: source.host,
        port: source.port,
        source_database: source.database,
    }))
}

/// `{PAUSE|CONTINUE|STOP} REPLICATING d`
pub(super) fn verb(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let verb = input.word(0);
    input.expect(&verb)?;
    input.expect("replicating")?;
    let database = input.name()?;
    Ok(match verb.as_str() {
        "pause" => Stmt::PauseReplicating { database },
        "continue" => Stmt::ContinueReplicating { database },
        _ => Stmt::StopReplicating { database },
    })
}

/// `SWITCHOVER DATABASE d TO cluster`; the cluster's name may be quoted either way.
pub(super) fn switchover(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["switchover", "database"])?;
    let database = input.name()?;
    input.expect("to")?;
    Ok(Stmt::Switchover { database, to: input.name()? })
}

/// `FAILOVER DATABASE d [AT TIME '…'] [WITH DATA LOSS]`
pub(super) fn failover(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["failover", "database"])?;
    let database = input.name()?;
    let (at, data_loss) = how(input)?;
    Ok(Stmt::Failover { database, at, data_loss })
}

/// `[AT TIME '…'] [WITH DATA LOSS]`
pub(super) fn how(input: &mut Input<'_>) -> Result<(Option<String>, bool), Failure> {
    let at = match input.eat("at") {
        true => {
            input.expect("time")?;
            Some(input.string()?)
        }
        false => None,
    };
    let data_loss = input.eat("with");
    if data_loss {
        input.expect_all(&["data", "loss"])?;
    }
    Ok((at, data_loss))
}

/// `VERIFY DATABASE d`
pub(super) fn verify(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["verify", "database"])?;
    Ok(Stmt::Verify { database: input.name()? })
}

/// `REAPPLY DIVERGED TRANSACTION 'id' [IF UNCHANGED | FORCE]`
pub(super) fn reapply(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["reapply", "diverged", "transaction"])?;
    let transaction = input.string()?;
    let force = input.eat("force");
    if !force && input.eat("if") {
        input.expect("unchanged")?;
    }
    Ok(Stmt::Reapply { transaction, force })
}

/// `DISMISS DIVERGED TRANSACTION 'id' REASON '…'`
pub(super) fn dismiss(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["dismiss", "diverged", "transaction"])?;
    let transaction = input.string()?;
    input.expect("reason")?;
    Ok(Stmt::Dismiss { transaction, reason: input.string()? })
}

/// Takes the tokens that begin before a byte offset.
fn skip_to(input: &mut Input<'_>, byte: usize) {
    let mut walk = Walk::new(input.sql);
    loop {
        let next = input.parser.peek_token();
        let past = walk.byte_of(next.span.start) >= byte;
        if next.token == datafusion::sql::sqlparser::tokenizer::Token::EOF || past {
            return;
        }
        input.parser.next_token();
    }
}
