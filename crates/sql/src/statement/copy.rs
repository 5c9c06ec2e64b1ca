//! `COPY … FROM STDIN` and `COPY … TO STDOUT`, with the options of both generations:
//! `WITH (FORMAT csv, HEADER)` and `WITH CSV HEADER`.

mod options;

use super::error::Failure;
use super::input::Input;
use super::{Stmt, SystemTime};
use base::{Error, SqlState};
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Query};
use datafusion::sql::sqlparser::tokenizer::Token;
use options::Given;

/// A `COPY`.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// What is read or written.
    pub source: CopySource,
    /// True for `TO STDOUT`, false for `FROM STDIN`.
    pub to: bool,
    /// Format and its details.
    pub options: CopyOptions,
    /// `TO`: as of when the rows are read, if not now.
    pub as_of: Option<SystemTime>,
}

/// What a `COPY` reads or writes.
#[derive(Clone, Debug, PartialEq)]
pub enum CopySource {
    /// A table, all columns if none are named.
    Table {
        /// Its name.
        name: ObjectName,
        /// The columns in the order of the data.
        columns: Vec<Ident>,
    },
    /// The rows of a query.
    Query(Box<Query>),
}

/// How the data is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyFormat {
    /// Lines with tabs and backslashes.
    #[default]
    Text,
    /// Comma-separated values.
    Csv,
    /// PostgreSQL's binary format.
    Binary,
}

/// Columns an option is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Force {
    /// No column.
    #[default]
    None,
    /// Every column.
    All,
    /// These, folded.
    Columns(Vec<String>),
}

/// The options of a `COPY`, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// Text, CSV or binary.
    pub format: CopyFormat,
    /// Between fields.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: String,
    /// A first line with column names.
    pub header: bool,
    /// Its names must be those of the columns.
    pub header_match: bool,
    /// Around CSV values.
    pub quote: u8,
    /// Before a quote inside a CSV value.
    pub escape: u8,
    /// CSV output: columns that are always quoted.
    pub force_quote: Force,
    /// CSV input: columns in which the NULL text is just text.
    pub force_not_null: Force,
    /// CSV input: columns in which the NULL text is NULL even in quotes.
    pub force_null: Force,
    /// The rows may be written as if they had always been there; only a hint.
    pub freeze: bool,
}

/// `COPY {t [(a, b)] | (query)} {FROM STDIN | TO STDOUT} [[WITH] options]`
pub(super) fn copy(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    input.expect("copy")?;
    let mut given = Given::default();
    if input.word(1) != "from" && input.word(1) != "to" && input.eat("binary") {
        given.format = Some(CopyFormat::Binary);
    }
    let source = source(input)?;
    let to = input.eat("to");
    if !to {
        input.expect("from")?;
        if matches!(source, CopySource::Query(_)) {
            return input.wrong("TO after a query");
        }
    }
    if !input.eat("stdin") && !input.eat("stdout") {
        return file(input);
    }
    if input.eat("using") || input.at("delimiters") {
        input.expect("delimiters")?;
        given.delimiter = Some(input.string()?);
    }
    input.eat("with");
    if input.eat_sign(&Token::LParen) {
        options::new_options(input, &mut given)?;
    } else {
        options::old_options(input, &mut given)?;
    }
    if input.at("where") {
        return Err(Failure::Final(Error::unsupported("COPY … WHERE")));
    }
    Ok(Stmt::Copy(Copy { source, to, options: given.resolve(to)?, as_of: None }))
}

fn source(input: &mut Input<'_>) -> Result<CopySource, Failure> {
    if input.eat_sign(&Token::LParen) {
        let query = input.parser.parse_query()?;
        input.parser.expect_token(&Token::RParen)?;
        return Ok(CopySource::Query(query));
    }
    let name = input.parser.parse_object_name(false)?;
    let columns = if input.eat_sign(&Token::LParen) {
        let columns = input.parser.parse_comma_separated(|p| p.parse_identifier())?;
        input.parser.expect_token(&Token::RParen)?;
        columns
    } else {
        Vec::new()
    };
    Ok(CopySource::Table { name, columns })
}

/// Files of the server are out of a client's reach here.
fn file(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    if !input.eat("program") {
        input.string()?;
    }
    Err(Failure::Final(
        Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "COPY from or to a file or program of the server is not supported",
        )
        .hint("use COPY … FROM STDIN or TO STDOUT; psql's \\copy does"),
    ))
}
