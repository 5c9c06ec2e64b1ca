//! The options of `COPY`: reading both generations of them, filling in defaults, refusing nonsense.

use super::{CopyFormat, CopyOptions, Force};
use crate::statement::error::Failure;
use crate::statement::input::{self, Input};
use base::{Error, SqlState};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Options as given, before defaults.
#[derive(Default)]
pub(super) struct Given {
    pub(super) format: Option<CopyFormat>,
    pub(super) delimiter: Option<String>,
    null: Option<String>,
    header: Option<(bool, bool)>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Force,
    force_not_null: Force,
    force_null: Force,
    freeze: bool,
}

/// `(FORMAT csv, HEADER, DELIMITER ',' …)` after the opening parenthesis.
pub(super) fn new_options(input: &mut Input<'_>, given: &mut Given) -> Result<(), Failure> {
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
pub(super) fn old_options(input: &mut Input<'_>, given: &mut Given) -> Result<(), Failure> {
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
    pub(super) fn resolve(self, to: bool) -> Result<CopyOptions, Failure> {
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
