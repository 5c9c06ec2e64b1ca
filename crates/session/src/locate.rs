//! Where in a statement an error is: the place of the name or literal that its message is about.
//!
//! Syntax errors know their place. Errors found later (a table, column, function or type that is not
//! there, a literal that does not read as its type) come from a plan, which has forgotten the text;
//! but they name their culprit, and the first place where it stands in such a role is the one that
//! PostgreSQL's clients would underline.

use crate::lexer::{self, Spanned, Token};
use base::{Error, SqlState};

/// Words after which a relation is named.
const BEFORE_RELATIONS: [&str; 8] =
    ["from", "join", "into", "update", "only", "table", "using", "truncate"];

/// What a message is about.
enum Culprit<'m> {
    Column(&'m str),
    Relation(&'m str),
    /// A name before a dot.
    Qualifier(&'m str),
    Function(&'m str),
    Type(&'m str),
    Literal(&'m str),
}

impl Culprit<'_> {
    fn of(error: &Error) -> Option<Culprit<'_>> {
        let message = error.message.as_str();
        let quoted = || message.split('"').nth(1);
        let starts = |with: &str| message.starts_with(with);
        match error.state {
            SqlState::UNDEFINED_COLUMN | SqlState::AMBIGUOUS_COLUMN => {
                quoted().map(Culprit::Column)
            }
            SqlState::UNDEFINED_TABLE if starts("missing FROM-clause") => {
                quoted().map(Culprit::Qualifier)
            }
            SqlState::UNDEFINED_TABLE => quoted().map(Culprit::Relation),
            SqlState::UNDEFINED_OBJECT if starts("type ") => quoted().map(Culprit::Type),
            SqlState::UNDEFINED_FUNCTION => {
                let name = message.strip_prefix("function ")?;
                name.split([' ', '(']).next().map(Culprit::Function)
            }
            SqlState::INVALID_TEXT_REPRESENTATION | SqlState::INVALID_DATETIME_FORMAT => {
                let (_, value) = message.split_once(": \"")?;
                value.strip_suffix('"').map(Culprit::Literal)
            }
            _ => None,
        }
    }

    fn place(&self, tokens: &[Spanned]) -> Option<usize> {
        let all = 0..tokens.len();
        match self {
            Culprit::Literal(value) => {
                all.into_iter().find(|i| matches!(&tokens[*i].token, Token::Text(t) if t == value))
            }
            Culprit::Column(name) => all.into_iter().find(|i| {
                let found = Mention::at(tokens, *i, name);
                found.is_some_and(|m| m.next != Some('(') && !m.after_relation_word)
            }),
            Culprit::Relation(name) => {
                let mentions = || all.clone().filter_map(|i| Mention::at(tokens, i, name));
                let named = mentions().find(|m| m.after_relation_word);
                // The list of a FROM comes after that of a SELECT.
                let listed = || mentions().rfind(|m| m.after_comma);
                named.or_else(listed).or_else(|| mentions().next()).map(|m| m.index)
            }
            Culprit::Qualifier(name) => all
                .into_iter()
                .find(|i| Mention::at(tokens, *i, name).is_some_and(|m| m.next == Some('.'))),
            Culprit::Function(name) => all
                .into_iter()
                .find(|i| Mention::at(tokens, *i, name).is_some_and(|m| m.next == Some('('))),
            Culprit::Type(name) => {
                all.into_iter().rfind(|i| Mention::at(tokens, *i, name).is_some())
            }
        }
    }
}

/// A dotted name that stands in a statement.
struct Mention {
    index: usize,
    after_relation_word: bool,
    after_comma: bool,
    /// The sign that follows.
    next: Option<char>,
}

impl Mention {
    /// The name, if it begins at a token and is not the end of a longer one.
    fn at(tokens: &[Spanned], index: usize, name: &str) -> Option<Mention> {
        let symbol = |i: usize| match tokens.get(i).map(|t| &t.token) {
            Some(Token::Symbol(c)) => Some(*c),
            _ => None,
        };
        let before = index.checked_sub(1);
        if before.and_then(symbol) == Some('.') {
            return None;
        }
        let mut i = index;
        for (n, part) in name.split('.').enumerate() {
            if n > 0 {
                (symbol(i) == Some('.')).then_some(())?;
                i += 1;
            }
            match &tokens.get(i)?.token {
                Token::Word(word) | Token::Name(word) if word == part => i += 1,
                _ => return None,
            }
        }
        let after_relation_word = before.is_some_and(|b| match &tokens[b].token {
            Token::Word(word) => BEFORE_RELATIONS.contains(&word.as_str()),
            _ => false,
        });
        let after_comma = before.and_then(symbol) == Some(',');
        Some(Mention { index, after_relation_word, after_comma, next: symbol(i) })
    }
}

/// The 1-based character position of what an error is about, if it can be told.
pub(crate) fn locate(error: &Error, text: &str) -> Option<usize> {
    let culprit = Culprit::of(error)?;
    let tokens = lexer::tokens(text).ok()?;
    let at = tokens.get(culprit.place(&tokens)?)?.at;
    Some(text.get(..at)?.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(state: SqlState, message: &str, text: &str) -> Option<usize> {
        locate(&Error::new(state, message), text)
    }

    #[test]
    fn a_column_is_found_where_it_is_used_and_a_relation_where_it_is_named() {
        let column = |m: &str, text: &str| place(SqlState::UNDEFINED_COLUMN, m, text);
        assert_eq!(column("column \"x\" does not exist", "SELECT é, X FROM x"), Some(11));
        assert_eq!(column("column \"t.x\" does not exist", "select x, t.x from t"), Some(11));
        assert_eq!(column("column \"x\" does not exist", "select t.x, x(1) from x"), None);
        let of = "column \"b\" of relation \"t\" does not exist";
        assert_eq!(column(of, "insert into t (a, \"b\") values (1, 2)"), Some(19));
        let relation = |m: &str, text: &str| place(SqlState::UNDEFINED_TABLE, m, text);
        assert_eq!(relation("relation \"x\" does not exist", "select x from a, x"), Some(18));
        assert_eq!(relation("relation \"x\" does not exist", "select x from x"), Some(15));
        assert_eq!(relation("relation \"s.x\" does not exist", "update s.x set a = 1"), Some(8));
        let missing = "missing FROM-clause entry for table \"u\"";
        assert_eq!(relation(missing, "select u, u.a from t"), Some(11));
    }

    #[test]
    fn functions_types_and_literals_are_found() {
        let message = "function nope does not exist, or not with these arguments";
        let found = place(SqlState::UNDEFINED_FUNCTION, message, "select nope, nope(1)");
        assert_eq!(found, Some(14));
        let message = "type \"money\" does not exist";
        assert_eq!(place(SqlState::UNDEFINED_OBJECT, message, "select money::money"), Some(15));
        let message = "invalid input syntax for type bigint: \"1x\"";
        let found = place(SqlState::INVALID_TEXT_REPRESENTATION, message, "select '1'||'1x'::int8");
        assert_eq!(found, Some(13));
        assert_eq!(place(SqlState::DIVISION_BY_ZERO, "division by zero", "select 1/0"), None);
    }
}
