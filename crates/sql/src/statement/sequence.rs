//! `CREATE SEQUENCE` and `ALTER SEQUENCE`.

use super::error::Failure;
use super::input::Input;
use super::{Stmt, near};
use base::{Error, SqlState};
use datafusion::sql::sqlparser::ast::{self, DataType, Expr, ObjectName};
use datafusion::sql::sqlparser::tokenizer::Token;

/// What is said of a sequence. `None`: nothing. `Some(None)`: `NO MINVALUE`, `OWNED BY NONE`, or
/// `RESTART` without a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SequenceOptions {
    /// `AS bigint`
    pub ty: Option<DataType>,
    /// `INCREMENT [BY] n`
    pub increment: Option<i64>,
    /// `MINVALUE n`, `NO MINVALUE`
    pub min: Option<Option<i64>>,
    /// `MAXVALUE n`, `NO MAXVALUE`
    pub max: Option<Option<i64>>,
    /// `START [WITH] n`
    pub start: Option<i64>,
    /// `RESTART [[WITH] n]`, only of a sequence that exists.
    pub restart: Option<Option<i64>>,
    /// `CACHE n`
    pub cache: Option<i64>,
    /// `CYCLE`, `NO CYCLE`
    pub cycle: Option<bool>,
    /// `OWNED BY table.column`, `OWNED BY NONE`
    pub owned_by: Option<Option<ObjectName>>,
}

/// What `ALTER SEQUENCE` changes.
#[derive(Clone, Debug, PartialEq)]
pub enum SequenceChange {
    /// Options.
    Options(SequenceOptions),
    /// `RENAME TO`
    Rename(String),
    /// `OWNER TO`
    Owner(super::RoleName),
}

/// `CREATE SEQUENCE [IF NOT EXISTS] s …`
pub(super) fn create(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect("create")?;
    if !input.eat("sequence") {
        return Err(Failure::Final(Error::unsupported("CREATE TEMPORARY SEQUENCE")));
    }
    let if_not_exists = input.eat_all(&["if", "not", "exists"]);
    let name = input.parser.parse_object_name(false)?;
    let options = options(input)?;
    if options.restart.is_some() {
        return input.wrong("options of a new sequence");
    }
    Ok(Stmt::CreateSequence { name, if_not_exists, options: Box::new(options) })
}

/// `ALTER SEQUENCE [IF EXISTS] s …`
pub(super) fn alter(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect_all(&["alter", "sequence"])?;
    let if_exists = input.eat_all(&["if", "exists"]);
    let name = input.parser.parse_object_name(false)?;
    let change = if input.eat_all(&["rename", "to"]) {
        SequenceChange::Rename(input.name()?)
    } else if input.eat_all(&["owner", "to"]) {
        SequenceChange::Owner(super::rights::role(input)?)
    } else if input.at("set") {
        return Err(Failure::Final(Error::unsupported("ALTER SEQUENCE … SET")));
    } else {
        let at = input.byte();
        let options = options(input)?;
        if options == SequenceOptions::default() {
            return Err(Failure::Final(near(input.sql, at)));
        }
        SequenceChange::Options(options)
    };
    Ok(Stmt::AlterSequence { name, if_exists, change: Box::new(change) })
}

/// Options in any order, each at most once.
pub(super) fn options(input: &mut Input<'_>) -> Result<SequenceOptions, Failure> {
    let mut o = SequenceOptions::default();
    loop {
        if input.eat("as") {
            let ty = input.parser.parse_data_type()?;
            once(&mut o.ty, ty)?;
        } else if input.eat("increment") {
            input.eat("by");
            once(&mut o.increment, integer(input)?)?;
        } else if input.eat("minvalue") {
            once(&mut o.min, Some(integer(input)?))?;
        } else if input.eat("maxvalue") {
            once(&mut o.max, Some(integer(input)?))?;
        } else if input.eat_all(&["no", "minvalue"]) {
            once(&mut o.min, None)?;
        } else if input.eat_all(&["no", "maxvalue"]) {
            once(&mut o.max, None)?;
        } else if input.eat_all(&["no", "cycle"]) {
            once(&mut o.cycle, false)?;
        } else if input.eat("cycle") {
            once(&mut o.cycle, true)?;
        } else if input.eat("start") {
            input.eat("with");
            once(&mut o.start, integer(input)?)?;
        } else if input.eat("restart") {
            let value =
                if input.eat("with") || at_number(input) { Some(integer(input)?) } else { None };
            once(&mut o.restart, value)?;
        } else if input.eat("cache") {
            once(&mut o.cache, integer(input)?)?;
        } else if input.eat_all(&["owned", "by"]) {
            let owner =
                if input.eat("none") { None } else { Some(input.parser.parse_object_name(false)?) };
            once(&mut o.owned_by, owner)?;
        } else {
            return Ok(o);
        }
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Error> {
    if slot.replace(value).is_some() {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "conflicting or redundant options"));
    }
    Ok(())
}

fn at_number(input: &Input<'_>) -> bool {
    matches!(input.parser.peek_token_ref().token, Token::Number(..) | Token::Minus | Token::Plus)
}

fn integer(input: &mut Input<'_>) -> Result<i64, Failure> {
    let negative = input.eat_sign(&Token::Minus);
    if !negative {
        input.eat_sign(&Token::Plus);
    }
    if let Token::Number(digits, _) = input.parser.peek_token().token {
        let text = if negative { format!("-{digits}") } else { digits };
        if let Ok(number) = text.parse() {
            input.parser.next_token();
            return Ok(number);
        }
    }
    input.wrong("a whole number")
}

impl SequenceOptions {
    /// The options of an identity column.
    pub fn of_identity(all: &[ast::SequenceOptions]) -> Result<SequenceOptions, Error> {
        let mut o = SequenceOptions::default();
        for option in all {
            match option {
                ast::SequenceOptions::IncrementBy(e, _) => once(&mut o.increment, number(e)?)?,
                ast::SequenceOptions::MinValue(e) => {
                    once(&mut o.min, e.as_ref().map(number).transpose()?)?;
                }
                ast::SequenceOptions::MaxValue(e) => {
                    once(&mut o.max, e.as_ref().map(number).transpose()?)?;
                }
                ast::SequenceOptions::StartWith(e, _) => once(&mut o.start, number(e)?)?,
                ast::SequenceOptions::Cache(e) => once(&mut o.cache, number(e)?)?,
                // The parser's flag is that of `NO`.
                ast::SequenceOptions::Cycle(no) => once(&mut o.cycle, !no)?,
            }
        }
        Ok(o)
    }
}

fn number(e: &Expr) -> Result<i64, Error> {
    let text = e.to_string().replace(' ', "");
    text.parse().map_err(|_| {
        Error::new(SqlState::SYNTAX_ERROR, format!("{text} is no whole number of 64 bits"))
    })
}
