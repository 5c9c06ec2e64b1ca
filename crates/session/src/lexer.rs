//! Just enough lexing to cut a script into statements and to read the session's own commands.
//!
//! Everything that is not about the session (queries, DML, DDL) goes to the `sql` room as text; what
//! is needed here is to find the semicolons that separate statements, which means knowing strings,
//! quoted names, dollar quotes and nested comments.

use base::{Error, Result, SqlState};
use std::ops::Range;

/// One token of a session command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A bare word, folded to lower case.
    Word(String),
    /// A `"quoted"` name, as written.
    Name(String),
    /// A string literal, its escapes resolved.
    Text(String),
    /// A number.
    Number(String),
    /// Anything else.
    Symbol(char),
}

/// A token and where it starts (byte offset).
#[derive(Clone, Debug)]
pub(crate) struct Spanned {
    pub(crate) token: Token,
    pub(crate) at: usize,
}

/// Cuts a script at its top-level semicolons. Pieces carry no leading white space or comments;
/// empty ones are left out.
pub(crate) fn split(sql: &str) -> Vec<Range<usize>> {
    let bytes = sql.as_bytes();
    let mut pieces = Vec::new();
    let mut at = skip_blank(bytes, 0);
    let mut start = at;
    let mut end = at;
    while at < bytes.len() {
        if bytes[at] == b';' {
            if end > start {
                pieces.push(start..end);
            }
            at = skip_blank(bytes, at + 1);
            start = at;
            end = at;
        } else {
            at = skip_token(bytes, at);
            end = at;
            at = skip_blank(bytes, at);
        }
    }
    if end > start {
        pieces.push(start..end);
    }
    pieces
}

/// The first bare word, folded to lower case into `buf`; empty if it does not start with one or if
/// it is too long to be a keyword.
pub(crate) fn first_word<'a>(sql: &str, buf: &'a mut [u8; 16]) -> &'a str {
    let bytes = sql.as_bytes();
    let len = bytes.iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'_').count();
    if len > buf.len() {
        return "";
    }
    for (to, from) in buf.iter_mut().zip(&bytes[..len]) {
        *to = from.to_ascii_lowercase();
    }
    std::str::from_utf8(&buf[..len]).unwrap_or("")
}

/// All tokens of one statement.
pub(crate) fn tokens(sql: &str) -> Result<Vec<Spanned>> {
    let bytes = sql.as_bytes();
    let mut out = Vec::new();
    let mut at = skip_blank(bytes, 0);
    while at < bytes.len() {
        let end = skip_token(bytes, at);
        out.push(Spanned { token: token(sql, at, end)?, at });
        at = skip_blank(bytes, end);
    }
    Ok(out)
}

fn token(sql: &str, at: usize, end: usize) -> Result<Token> {
    let bytes = sql.as_bytes();
    let raw = &sql[at..end];
    let unterminated = |what: &str| {
        Error::new(SqlState::SYNTAX_ERROR, format!("unterminated {what} at or near \"{raw}\""))
            .at(sql[..at].chars().count() + 1)
    };
    Ok(match bytes[at] {
        b'\'' => {
            if raw.len() < 2 || !raw.ends_with('\'') {
                return Err(unterminated("quoted string"));
            }
            Token::Text(raw[1..raw.len() - 1].replace("''", "'"))
        }
        b'"' => {
            if raw.len() < 2 || !raw.ends_with('"') {
                return Err(unterminated("quoted identifier"));
            }
            Token::Name(raw[1..raw.len() - 1].replace("\"\"", "\""))
        }
        b'e' | b'E' if bytes.get(at + 1) == Some(&b'\'') => {
            if raw.len() < 3 || !raw.ends_with('\'') {
                return Err(unterminated("quoted string"));
            }
            Token::Text(unescape(&raw[2..raw.len() - 1]))
        }
        b'$' if raw.len() >= 4 && raw.ends_with('$') => {
            let tag = raw[1..].find('$').map_or(0, |n| n + 2);
            Token::Text(raw.get(tag..raw.len() - tag).unwrap_or("").to_string())
        }
        b if b.is_ascii_digit() || (b == b'.' && raw.len() > 1) => Token::Number(raw.to_string()),
        b if is_word_start(b) => Token::Word(raw.to_lowercase()),
        _ => Token::Symbol(raw.chars().next().unwrap_or(' ')),
    })
}

fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.peek() == Some(&'\'') => {
                chars.next();
                out.push('\'');
            }
            '\\' => out.push(match chars.next() {
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('x') => {
                    let mut code = 0;
                    for _ in 0..2 {
                        let Some(digit) = chars.peek().and_then(|c| c.to_digit(16)) else { break };
                        code = code * 16 + digit;
                        chars.next();
                    }
                    char::from_u32(code).unwrap_or('\u{fffd}')
                }
                Some(other) => other,
                None => '\\',
            }),
            other => out.push(other),
        }
    }
    out
}

fn is_word_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn is_word(b: u8) -> bool {
    is_word_start(b) || b.is_ascii_digit() || b == b'$'
}

/// Past white space and comments.
fn skip_blank(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c | 0x0b => at += 1,
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => at = skip_comment(bytes, at),
            _ => return at,
        }
    }
    at
}

fn skip_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// The end of the token at `at`; the end of the text for an unterminated one.
fn skip_token(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        b'\'' => skip_quoted(bytes, at, b'\'', false),
        b'"' => skip_quoted(bytes, at, b'"', false),
        b'e' | b'E' if bytes.get(at + 1) == Some(&b'\'') => skip_quoted(bytes, at + 1, b'\'', true),
        b'$' => skip_dollar(bytes, at),
        b if is_word_start(b) => skip_while(bytes, at, is_word),
        b if b.is_ascii_digit() => {
            skip_while(bytes, at, |b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_')
        }
        b'.' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
            skip_while(bytes, at + 1, |b| b.is_ascii_alphanumeric())
        }
        _ => at + 1,
    }
}

fn skip_while(bytes: &[u8], at: usize, keep: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|b| !keep(*b)).map_or(bytes.len(), |n| at + n)
}

fn skip_quoted(bytes: &[u8], at: usize, quote: u8, backslashes: bool) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if backslashes => at += 2,
            b if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `$tag$ … $tag$`, or a parameter `$1`.
fn skip_dollar(bytes: &[u8], at: usize) -> usize {
    let name = skip_while(bytes, at + 1, |b| is_word(b) && b != b'$');
    let starts_with_digit = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
    if bytes.get(name) != Some(&b'$') || starts_with_digit {
        return name.max(at + 1);
    }
    let tag = &bytes[at..=name];
    let body = name + 1;
    bytes[body..]
        .windows(tag.len())
        .position(|w| w == tag)
        .map_or(bytes.len(), |n| body + n + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(sql: &str) -> Vec<&str> {
        split(sql).into_iter().map(|r| &sql[r]).collect()
    }

    #[test]
    fn semicolons_in_strings_names_comments_and_dollar_quotes_do_not_cut() {
        assert_eq!(
            pieces("select ';' ; -- a;b\n select \"a;b\";; /* ; /* ; */ ; */ select $x$ ; $x$ ;"),
            ["select ';'", "select \"a;b\"", "select $x$ ; $x$"]
        );
        assert_eq!(pieces("select E'it\\'s;' , $1;"), ["select E'it\\'s;' , $1"]);
        assert_eq!(pieces("  -- nothing\n ; /* x */ "), Vec::<&str>::new());
        assert_eq!(pieces("select 'open ; "), ["select 'open ; "]);
        assert_eq!(pieces("begin; copy t from stdin"), ["begin", "copy t from stdin"]);
    }

    #[test]
    fn tokens_resolve_escapes_and_fold_words() {
        let got: Vec<Token> = tokens("SET x TO 'it''s', E'a\\tb', \"Q\"\"q\", 1.5, $$d$$")
            .expect("lexes")
            .into_iter()
            .map(|t| t.token)
            .collect();
        assert_eq!(got[0], Token::Word("set".into()));
        assert_eq!(got[3], Token::Text("it's".into()));
        assert_eq!(got[5], Token::Text("a\tb".into()));
        assert_eq!(got[7], Token::Name("Q\"q".into()));
        assert_eq!(got[9], Token::Number("1.5".into()));
        assert_eq!(got[11], Token::Text("d".into()));
    }

    #[test]
    fn unterminated_string_is_a_syntax_error_with_its_position() {
        let error = tokens("set x = 'abc").expect_err("open string");
        assert_eq!((error.state, error.position), (SqlState::SYNTAX_ERROR, Some(9)));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_cut_without_panic(sql in ".*") {
            for piece in split(&sql) {
                let _ = tokens(&sql[piece]);
            }
        }
    }
}
