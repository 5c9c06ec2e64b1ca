//! Walks over the tokens of a session command.

use crate::command::{IsolationLevel, Modes};
use crate::lexer::{Spanned, Token};
use base::{Error, Result, SqlState};
use sql::statement::SystemTime;

/// Walks over the tokens of one statement.
pub(crate) struct Reader<'a> {
    sql: &'a str,
    tokens: &'a [Spanned],
    next: usize,
}

impl<'a> Reader<'a> {
    /// Begins after the first word.
    pub(crate) fn new(sql: &'a str, tokens: &'a [Spanned]) -> Reader<'a> {
        Reader { sql, tokens, next: 1 }
    }

    pub(crate) fn first_is(&self, word: &str) -> bool {
        matches!(self.tokens.first(), Some(t) if t.token == Token::Word(word.to_string()))
    }

    pub(crate) fn before_previous_is(&self, word: &str) -> bool {
        let at = self.next.wrapping_sub(2);
        matches!(self.tokens.get(at), Some(t) if matches!(&t.token, Token::Word(w) if w == word))
    }

    pub(crate) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|t| &t.token)
    }

    pub(crate) fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Word(w)) => Some(w),
            _ => None,
        }
    }

    pub(crate) fn eat(&mut self, word: &str) -> bool {
        let hit = self.peek_word() == Some(word);
        self.next += usize::from(hit);
        hit
    }

    pub(crate) fn eat_symbol(&mut self, symbol: char) -> bool {
        let hit = self.peek() == Some(&Token::Symbol(symbol));
        self.next += usize::from(hit);
        hit
    }

    pub(crate) fn eat_number(&mut self) -> Option<String> {
        let Some(Token::Number(text)) = self.peek() else { return None };
        let text = text.clone();
        self.next += 1;
        Some(text)
    }

    pub(crate) fn expect(&mut self, word: &str) -> Result<()> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(crate) fn expect_symbol(&mut self, symbol: char) -> Result<()> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(crate) fn word(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::Word(w)) => {
                let word = w.clone();
                self.next += 1;
                Ok(word)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A name, quoted or not.
    pub(crate) fn name(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::Word(w) | Token::Name(w)) => {
                let name = w.clone();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    pub(crate) fn name_or_all(&mut self) -> Result<Option<String>> {
        if self.peek_word() == Some("all") {
            self.next += 1;
            return Ok(None);
        }
        self.name().map(Some)
    }

    /// The text of comma-separated expressions up to the closing parenthesis.
    pub(crate) fn list_until_close(&mut self) -> Result<Vec<String>> {
        let mut items = Vec::new();
        let mut depth = 0;
        let mut start = self.here();
        loop {
            let at = self.here();
            let Some(token) = self.peek().cloned() else { return Err(self.unexpected()) };
            self.next += 1;
            match token {
                Token::Symbol('(' | '[') => depth += 1,
                Token::Symbol(')') if depth == 0 => {
                    let item = self.sql[start..at].trim();
                    if !item.is_empty() {
                        items.push(item.to_string());
                    }
                    return Ok(items);
                }
                Token::Symbol(')' | ']') => depth -= 1,
                Token::Symbol(',') if depth == 0 => {
                    items.push(self.sql[start..at].trim().to_string());
                    start = self.here();
                }
                _ => {}
            }
        }
    }

    /// Byte offset of the next token.
    pub(crate) fn here(&self) -> usize {
        self.tokens.get(self.next).map_or(self.sql.len(), |t| t.at)
    }

    /// All remaining text; the reader is at the end then.
    pub(crate) fn rest(&mut self) -> &'a str {
        let here = self.here();
        self.next = self.tokens.len();
        &self.sql[here..]
    }

    pub(crate) fn skip_one(&mut self) {
        self.next += 1;
    }

    pub(crate) fn skip_rest(&mut self) {
        self.next = self.tokens.len();
    }

    pub(crate) fn at_end(&self) -> bool {
        self.next >= self.tokens.len()
    }

    pub(crate) fn expect_end(&self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(crate) fn unexpected(&self) -> Error {
        self.syntax_error(self.next)
    }

    pub(crate) fn unexpected_previous(&self) -> Error {
        self.syntax_error(self.next.saturating_sub(1))
    }

    fn syntax_error(&self, index: usize) -> Error {
        let at = self.tokens.get(index).map_or(self.sql.len(), |t| t.at);
        let end = self.tokens.get(index + 1).map_or(self.sql.len(), |t| t.at);
        let near = self.sql[at..end].trim();
        let message = if near.is_empty() {
            "syntax error at end of input".to_string()
        } else {
            format!("syntax error at or near \"{near}\"")
        };
        Error::new(SqlState::SYNTAX_ERROR, message).at(self.sql[..at].chars().count() + 1)
    }

    pub(crate) fn work_and_chain(&mut self) -> Result<bool> {
        let _ = self.eat("work") || self.eat("transaction");
        if self.eat("prepared") {
            return Err(Error::unsupported("COMMIT PREPARED"));
        }
        self.chain()
    }

    pub(crate) fn chain(&mut self) -> Result<bool> {
        if !self.eat("and") {
            return Ok(false);
        }
        let no = self.eat("no");
        self.expect("chain")?;
        Ok(!no)
    }

    /// `OF SYSTEM TIME t`, after `AS`.
    fn system_time(&mut self) -> Result<SystemTime> {
        for word in ["of", "system", "time"] {
            self.expect(word)?;
        }
        let Some(Token::Text(text) | Token::Number(text)) = self.peek().cloned() else {
            return Err(self.unexpected());
        };
        let at = self.sql[..self.here()].chars().count() + 1;
        self.next += 1;
        SystemTime::parse(&text).map_err(|e| e.at(at))
    }

    /// `AS OF SYSTEM TIME t`, `ISOLATION LEVEL …`, `READ ONLY`, `READ WRITE`, `[NOT] DEFERRABLE`, with or without commas.
    pub(crate) fn modes(&mut self) -> Result<Modes> {
        let mut modes = Modes::default();
        while !self.at_end() {
            match self.word()?.as_str() {
                "isolation" => {
                    self.expect("level")?;
                    let mut level = self.word()?;
                    if level != "serializable" {
                        level = format!("{level} {}", self.word()?);
                    }
                    let found = IsolationLevel::parse(&level);
                    modes.isolation = Some(found.ok_or_else(|| self.unexpected_previous())?);
                }
                "read" => {
                    modes.read_only = Some(match self.word()?.as_str() {
                        "only" => true,
                        "write" => false,
                        _ => return Err(self.unexpected_previous()),
                    });
                }
                "as" => modes.as_of = Some(self.system_time()?),
                "not" => self.expect("deferrable")?,
                "deferrable" => {}
                _ => return Err(self.unexpected_previous()),
            }
            self.eat_symbol(',');
        }
        Ok(modes)
    }
}
