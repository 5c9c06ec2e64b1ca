//! Parser errors in PostgreSQL's words and with its positions.

use super::input::Walk;
use base::{Error, SqlState};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, TokenizerError};

/// Why a statement could not be read: the SQL parser's error, or one that is final already.
pub(super) enum Failure {
    /// To be turned into PostgreSQL's words.
    Syntax(ParserError),
    /// As it is.
    Final(Error),
}

impl From<ParserError> for Failure {
    fn from(e: ParserError) -> Failure {
        Failure::Syntax(e)
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Failure {
        Failure::Final(e)
    }
}

impl Failure {
    /// The error for the client. `end` is where the statement ends in `sql`, in bytes.
    pub(super) fn into_error(self, sql: &str, end: usize) -> Error {
        match self {
            Failure::Final(e) => e,
            Failure::Syntax(ParserError::RecursionLimitExceeded) => {
                Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "statement is nested too deeply")
            }
            Failure::Syntax(ParserError::TokenizerError(m) | ParserError::ParserError(m)) => {
                let (message, place) = split_place(&m);
                match place {
                    Some(place) => near(sql, Walk::new(sql).byte_of(place)),
                    None => near(sql, end),
                }
                .detail(message)
            }
        }
    }
}

/// `syntax error at or near "x"` for the word or sign at a byte offset.
pub(super) fn near(sql: &str, at: usize) -> Error {
    let message = match token_at(sql, at) {
        "" => "syntax error at end of input".to_string(),
        token => format!("syntax error at or near \"{token}\""),
    };
    Error::new(SqlState::SYNTAX_ERROR, message).at(position(sql, at))
}

/// An error of the tokenizer: an open quote, a bad escape, a sign that means nothing.
pub(super) fn from_tokenizer(sql: &str, e: TokenizerError) -> Error {
    let at = Walk::new(sql).byte_of(e.location);
    let what = e.message.to_ascii_lowercase();
    let message = if what.contains("unterminated string") {
        "unterminated quoted string"
    } else if what.contains("unterminated dollar") || what.contains("unterminated, expected $") {
        "unterminated dollar-quoted string"
    } else if what.contains("comment") {
        "unterminated /* comment"
    } else if what.contains("close delimiter") {
        "unterminated quoted identifier"
    } else {
        "syntax error"
    };
    Error::new(SqlState::SYNTAX_ERROR, format!("{message} at or near \"{}\"", shorten(&sql[at..])))
        .detail(e.message)
        .at(position(sql, at))
}

/// The 1-based character position of a byte offset.
pub(super) fn position(sql: &str, at: usize) -> usize {
    sql[..at].chars().count() + 1
}

/// Splits `message at Line: l, Column: c`.
fn split_place(message: &str) -> (&str, Option<Location>) {
    let read = || {
        let (head, tail) = message.rsplit_once(" at Line: ")?;
        let (line, column) = tail.split_once(", Column: ")?;
        Some((head, Location::new(line.parse().ok()?, column.parse().ok()?)))
    };
    match read() {
        Some((head, place)) => (head, Some(place)),
        None => (message, None),
    }
}

/// The word, number, string or sign that begins at a byte offset.
fn token_at(sql: &str, at: usize) -> &str {
    let rest = &sql[at..];
    let mut chars = rest.char_indices();
    let Some((_, first)) = chars.next() else {
        return "";
    };
    let len = if first.is_alphanumeric() || first == '_' {
        rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len())
    } else if first == '\'' || first == '"' {
        chars.find(|(_, c)| *c == first).map_or(rest.len(), |(i, _)| i + 1)
    } else {
        first.len_utf8()
    };
    &rest[..len]
}

/// What is shown of a text that has no end.
fn shorten(text: &str) -> &str {
    let end = text.char_indices().nth(40).map_or(text.len(), |(i, _)| i);
    text[..end].trim_end()
}
