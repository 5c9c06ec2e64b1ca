//! `COPY … FROM STDIN` and `COPY … TO STDOUT`, with the options of both generations:
//! `WITH (FORMAT csv, HEADER)` and `WITH CSV HEADER`.

use super::Stmt;
use super::error::Failure;
use super::input::{self, Input};
use base::{Error, Result, SqlState};
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Query};
use datafusion::sql::sqlparser::tokenizer::Token;

/// A `COPY`.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// What is read or written.
    pub source: CopySource,
    /// True for `TO STDOUT`, false for `FROM STDIN`.
    pub to: bool,
    /// Format and its details.
    pub options: CopyOptions,
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

/// Options as given, before defaults.
#[derive(Default)]
struct Given {
    format: Option<CopyFormat>,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<(bool, bool)>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Force,
    force_not_null: Force,
    force_null: Force,
    freeze: bool,
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
        new_options(input, &mut given)?;
    } else {
        old_options(input, &mut given)?;
    }
    if input.at("where") {
        return Err(Failure::Final(Error::unsupported("COPY … WHERE")));
    }
    Ok(Stmt::Copy(Copy { source, to, options: given.resolve(to)? }))
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

/// `(FORMAT csv, HEADER, DELIMITER ',' …)` after the opening parenthesis.
fn new_options(input: &mut Input<'_>, given: &mut Given) -> Result<(), Failure> {
    loop {
        let word = input.word(0);
        if word.is_empty() {
            return input.wrong("a COPY option");
        }
        input.parser.next_token();
        match word.as_str() {
            "format" => given.format = Some(format(input)?),
            "delimiter" => given.delimiter = Some(input.string()?),
            "null" => given.null = Some(input.string()?),
            "quote" => given.quote = Some(input.string()?),
            "escape" => given.escape = Some(input.string()?),
            "header" if input.eat("match") => given.header = Some((true, true)),
            "header" => given.header = Some((boolean(input)?, false)),
            "freeze" => given.freeze = boolean(input)?,
            "encoding" => utf8(&input.string()?)?,
            "force_quote" => given.force_quote = columns(input, true)?,
            "force_not_null" => given.force_not_null = columns(input, true)?,
            "force_null" => given.force_null = columns(input, true)?,
            _ => return Err(wrong(format!("option \"{word}\" not recognized"))),
        }
        if !input.eat_sign(&Token::Comma) {
            input.parser.expect_token(&Token::RParen)?;
            return Ok(());
        }
    }
}

/// `CSV HEADER DELIMITER AS ',' …`
fn old_options(input: &mut Input<'_>, given: &mut Given) -> Result<(), Failure> {
    loop {
        let word = input.word(0);
        match word.as_str() {
            "csv" | "binary" | "header" | "freeze" | "delimiter" | "null" | "quote" | "escape"
            | "encoding" | "force" => input.parser.next_token(),
            _ => return Ok(()),
        };
        match word.as_str() {
            "csv" => given.format = Some(CopyFormat::Csv),
            "binary" => given.format = Some(CopyFormat::Binary),
            "header" => given.header = Some((true, false)),
            "freeze" => given.freeze = true,
            "delimiter" => given.delimiter = Some(as_string(input)?),
            "null" => given.null = Some(as_string(input)?),
            "quote" => given.quote = Some(as_string(input)?),
            "escape" => given.escape = Some(as_string(input)?),
            "encoding" => utf8(&input.string()?)?,
            _ => force(input, given)?,
        }
    }
}

/// `FORCE QUOTE …`, `FORCE NOT NULL …` and `FORCE NULL …` after `FORCE`.
fn force(input: &mut Input<'_>, given: &mut Given) -> Result<(), Failure> {
    if input.eat("quote") {
        given.force_quote = columns(input, false)?;
    } else if input.eat_all(&["not", "null"]) {
        given.force_not_null = columns(input, false)?;
    } else {
        input.expect("null")?;
        given.force_null = columns(input, false)?;
    }
    Ok(())
}

fn as_string(input: &mut Input<'_>) -> Result<String, Failure> {
    input.eat("as");
    input.string()
}

fn format(input: &mut Input<'_>) -> Result<CopyFormat, Failure> {
    let name = match input.parser.peek_token_ref().token {
        Token::SingleQuotedString(_) => input.string()?,
        _ => input.name()?,
    };
    match name.to_ascii_lowercase().as_str() {
        "text" => Ok(CopyFormat::Text),
        "csv" => Ok(CopyFormat::Csv),
        "binary" => Ok(CopyFormat::Binary),
        _ => Err(invalid(format!("COPY format \"{name}\" not recognized"))),
    }
}

/// An optional on or off; on if absent.
fn boolean(input: &mut Input<'_>) -> Result<bool, Failure> {
    let word = match &input.parser.peek_token_ref().token {
        Token::Word(w) => w.value.to_ascii_lowercase(),
        Token::Number(n, _) => n.clone(),
        Token::SingleQuotedString(s) => s.to_ascii_lowercase(),
        _ => return Ok(true),
    };
    input.parser.next_token();
    match word.as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(wrong(format!("\"{word}\" is not a Boolean value"))),
    }
}

fn columns(input: &mut Input<'_>, in_parentheses: bool) -> Result<Force, Failure> {
    if input.eat_sign(&Token::Mul) {
        return Ok(Force::All);
    }
    if in_parentheses {
        input.parser.expect_token(&Token::LParen)?;
    }
    let names = input.parser.parse_comma_separated(|p| p.parse_identifier())?;
    if in_parentheses {
        input.parser.expect_token(&Token::RParen)?;
    }
    Ok(Force::Columns(names.iter().map(input::fold).collect()))
}

fn utf8(encoding: &str) -> Result<(), Failure> {
    match encoding.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        _ => Err(Failure::Final(Error::unsupported(format!("COPY in encoding \"{encoding}\"")))),
    }
}

fn wrong(message: impl Into<String>) -> Failure {
    Failure::Final(Error::new(SqlState::SYNTAX_ERROR, message))
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::Final(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
}

impl Given {
    /// Fills in defaults and refuses what makes no sense.
    fn resolve(self, to: bool) -> Result<CopyOptions, Failure> {
        let format = self.format.unwrap_or_default();
        let csv = format == CopyFormat::Csv;
        if !csv {
            self.refuse_csv_only()?;
        }
        if format == CopyFormat::Binary && (self.delimiter.is_some() || self.null.is_some()) {
            return Err(wrong("cannot specify DELIMITER or NULL in BINARY mode"));
        }
        let (header, header_match) = self.header.unwrap_or_default();
        if header && format == CopyFormat::Binary {
            return Err(wrong("cannot specify HEADER in BINARY mode"));
        }
        if header_match && to {
            return Err(wrong("cannot use \"match\" with HEADER in COPY TO"));
        }
        let delimiter = one_byte("delimiter", self.delimiter, if csv { b',' } else { b'\t' })?;
        let quote = one_byte("quote", self.quote, b'"')?;
        let escape = one_byte("escape", self.escape, quote)?;
        let null = self.null.unwrap_or_else(|| if csv { "" } else { "\\N" }.to_string());
        if matches!(delimiter, b'\n' | b'\r') || null.contains(['\n', '\r']) {
            return Err(invalid("COPY delimiter and null cannot be newline or carriage return"));
        }
        if !csv && (delimiter.is_ascii_alphanumeric() || matches!(delimiter, b'\\' | b'.')) {
            let shown = delimiter as char;
            return Err(invalid(format!("COPY delimiter cannot be \"{shown}\"")));
        }
        if csv && delimiter == quote {
            return Err(invalid("COPY delimiter and quote must be different"));
        }
        if format != CopyFormat::Binary && null.as_bytes().contains(&delimiter) {
            return Err(invalid("COPY delimiter must not appear in the NULL specification"));
        }
        Ok(CopyOptions {
            format,
            delimiter,
            null,
            header,
            header_match,
            quote,
            escape,
            force_quote: self.force_quote,
            force_not_null: self.force_not_null,
            force_null: self.force_null,
            freeze: self.freeze,
        })
    }

    fn refuse_csv_only(&self) -> Result<(), Failure> {
        let what = if self.quote.is_some() {
            "quote"
        } else if self.escape.is_some() {
            "escape"
        } else if self.force_quote != Force::None {
            "force quote"
        } else if self.force_not_null != Force::None {
            "force not null"
        } else if self.force_null != Force::None {
            "force null"
        } else {
            return Ok(());
        };
        Err(Failure::Final(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("COPY {what} available only in CSV mode"),
        )))
    }
}

fn one_byte(what: &str, given: Option<String>, default: u8) -> Result<u8, Failure> {
    match given.as_deref().map(str::as_bytes) {
        None => Ok(default),
        Some([byte]) => Ok(*byte),
        Some(_) => Err(Failure::Final(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("COPY {what} must be a single one-byte character"),
        ))),
    }
}
