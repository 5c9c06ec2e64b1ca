//! `ALTER TABLE t ALTER COLUMN c …` as far as it is about an identity column: the SQL parser knows
//! little of it.

use super::Stmt;
use super::error::Failure;
use super::input::Input;
use super::sequence::{SequenceOptions, options};
use base::{Error, Identity, SqlState};
use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::tokenizer::Token;

/// What happens to an identity column.
#[derive(Clone, Debug, PartialEq)]
pub enum IdentityChange {
    /// `ADD GENERATED … AS IDENTITY [(…)]`
    Add {
        /// How values come about.
        identity: Identity,
        /// Of its sequence.
        options: SequenceOptions,
        /// `SEQUENCE NAME s`, as dumps say it.
        name: Option<ObjectName>,
    },
    /// `SET GENERATED …`, `SET INCREMENT …`, `RESTART …`
    Set {
        /// How values come about from now on.
        identity: Option<Identity>,
        /// Of its sequence.
        options: SequenceOptions,
    },
    /// `DROP IDENTITY [IF EXISTS]`
    Drop {
        /// No error if it is none.
        if_exists: bool,
    },
}

/// Words of options that can follow `SET`.
const SETTABLE: [&str; 8] =
    ["generated", "increment", "minvalue", "maxvalue", "no", "start", "cache", "cycle"];

/// True if an `ALTER TABLE` is about an identity column.
pub(super) fn is_identity(input: &Input<'_>) -> bool {
    // Past the table's name, which may have a schema.
    let Some(at) = (2..10).find(|n| input.word(*n) == "alter") else { return false };
    let column = at + 1 + usize::from(input.word(at + 1) == "column");
    let (first, second) = (input.word(column + 1), input.word(column + 2));
    match first.as_str() {
        "add" => second == "generated",
        "drop" => second == "identity",
        "restart" => true,
        "set" => SETTABLE.contains(&second.as_str()) || second == "restart",
        _ => false,
    }
}

/// `ALTER TABLE [IF EXISTS] [ONLY] t ALTER [COLUMN] c …`
pub(super) fn alter(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["alter", "table"])?;
    let if_exists = input.eat_all(&["if", "exists"]);
    input.eat("only");
    let table = input.parser.parse_object_name(false)?;
    input.expect("alter")?;
    input.eat("column");
    let column = input.name()?;
    let change = if input.eat_all(&["drop", "identity"]) {
        IdentityChange::Drop { if_exists: input.eat_all(&["if", "exists"]) }
    } else if input.eat("add") {
        let identity = generated(input)?;
        input.expect_all(&["as", "identity"])?;
        let (mut all, mut name) = (SequenceOptions::default(), None);
        if input.eat_sign(&Token::LParen) {
            if input.eat_all(&["sequence", "name"]) {
                name = Some(input.parser.parse_object_name(false)?);
            }
            all = options(input)?;
            input.parser.expect_token(&Token::RParen)?;
        }
        IdentityChange::Add { identity, options: all, name }
    } else {
        set(input)?
    };
    Ok(Stmt::AlterIdentity { table, if_exists, column, change: Box::new(change) })
}

/// Several of `SET GENERATED …`, `SET option` and `RESTART`.
fn set(input: &mut Input<'_>) -> Result<IdentityChange, Failure> {
    let (mut identity, mut all) = (None, SequenceOptions::default());
    loop {
        let begins = input.eat("set") || input.at("restart");
        if !begins {
            return Ok(IdentityChange::Set { identity, options: all });
        }
        if input.at("generated") {
            identity = Some(generated(input)?);
        } else {
            let next = options(input)?;
            all = all.and(next).map_err(Failure::Final)?;
        }
    }
}

fn generated(input: &mut Input<'_>) -> Result<Identity, Failure> {
    input.expect("generated")?;
    if input.eat("always") {
        return Ok(Identity::Always);
    }
    input.expect_all(&["by", "default"])?;
    Ok(Identity::ByDefault)
}

impl SequenceOptions {
    /// Both together.
    fn and(self, other: SequenceOptions) -> Result<SequenceOptions, Error> {
        Ok(SequenceOptions {
            ty: one_of(self.ty, other.ty)?,
            increment: one_of(self.increment, other.increment)?,
            min: one_of(self.min, other.min)?,
            max: one_of(self.max, other.max)?,
            start: one_of(self.start, other.start)?,
            restart: one_of(self.restart, other.restart)?,
            cache: one_of(self.cache, other.cache)?,
            cycle: one_of(self.cycle, other.cycle)?,
            owned_by: one_of(self.owned_by, other.owned_by)?,
        })
    }
}

fn one_of<T>(a: Option<T>, b: Option<T>) -> Result<Option<T>, Error> {
    match (a, b) {
        (Some(_), Some(_)) => {
            Err(Error::new(SqlState::SYNTAX_ERROR, "conflicting or redundant options"))
        }
        (a, b) => Ok(a.or(b)),
    }
}
