//! The token stream of one statement: cutting a text into statements, and reading words.

use super::error::{self, Failure};
use base::Result;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

static DIALECT: PostgreSqlDialect = PostgreSqlDialect {};

/// Nesting the SQL parser accepts before it says the statement is too complex.
const DEPTH_MAX: usize = 100;

/// The tokens of one statement and where its text stands, in bytes.
pub(super) struct Piece {
    pub(super) tokens: Vec<TokenWithSpan>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Cuts a text into statements at its `;` tokens. Empty statements vanish.
pub(super) fn split(sql: &str) -> Result<Vec<Piece>> {
    let tokens = Tokenizer::new(&DIALECT, sql)
        .tokenize_with_location()
        .map_err(|e| error::from_tokenizer(sql, e))?;
    let mut walk = Walk::new(sql);
    let mut pieces = Vec::new();
    let mut piece: Option<Piece> = None;
    for token in tokens {
        match &token.token {
            Token::SemiColon => pieces.extend(piece.take()),
            Token::Whitespace(_) => {
                if let Some(piece) = &mut piece {
                    piece.tokens.push(token);
                }
            }
            _ => {
                let start = walk.byte_of(token.span.start);
                let end = walk.byte_of(token.span.end);
                let piece = piece.get_or_insert(Piece { tokens: Vec::new(), start, end });
                piece.end = end;
                piece.tokens.push(token);
            }
        }
    }
    pieces.extend(piece);
    Ok(pieces)
}

/// Turns ascending (line, column) places into byte offsets in one pass over the text.
pub(super) struct Walk<'a> {
    rest: std::str::CharIndices<'a>,
    line: u64,
    column: u64,
    len: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(sql: &'a str) -> Walk<'a> {
        Walk { rest: sql.char_indices(), line: 1, column: 1, len: sql.len() }
    }

    /// The byte offset of a place that is not before the last one asked for.
    pub(super) fn byte_of(&mut self, place: Location) -> usize {
        while (self.line, self.column) < (place.line, place.column) {
            match self.rest.next() {
                Some((_, '\n')) => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => return self.len,
            }
        }
        self.rest.offset()
    }
}

/// One statement being read.
pub(super) struct Input<'a> {
    /// The whole text, of which the statement is a part.
    pub(super) sql: &'a str,
    /// Where the statement's text ends, in bytes.
    pub(super) end: usize,
    /// The SQL parser, standing at the next token.
    pub(super) parser: Parser<'static>,
}

impl<'a> Input<'a> {
    pub(super) fn new(sql: &'a str, piece: Piece) -> Input<'a> {
        let parser = Parser::new(&DIALECT)
            .with_recursion_limit(DEPTH_MAX)
            .with_tokens_with_locations(piece.tokens);
        Input { sql, end: piece.end, parser }
    }

    /// The `n`th word from here in lower case; empty if it is quoted or no word.
    pub(super) fn word(&self, n: usize) -> String {
        match &self.parser.peek_nth_token_ref(n).token {
            Token::Word(w) if w.quote_style.is_none() => w.value.to_ascii_lowercase(),
            _ => String::new(),
        }
    }

    /// True if the next word is this one (lower case).
    pub(super) fn at(&self, word: &str) -> bool {
        match &self.parser.peek_token_ref().token {
            Token::Word(w) => w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word),
            _ => false,
        }
    }

    /// Takes the next word if it is this one.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let there = self.at(word);
        if there {
            self.parser.next_token();
        }
        there
    }

    /// Takes these words if all of them come next.
    pub(super) fn eat_all(&mut self, words: &[&str]) -> bool {
        let there = words.iter().enumerate().all(|(n, word)| self.word(n) == *word);
        if there {
            words.iter().for_each(|_| drop(self.parser.next_token()));
        }
        there
    }

    /// Takes the next token if it is this sign.
    pub(super) fn eat_sign(&mut self, sign: &Token) -> bool {
        self.parser.consume_token(sign)
    }

    /// Takes this word or fails.
    pub(super) fn expect(&mut self, word: &str) -> Result<(), Failure> {
        if self.eat(word) {
            return Ok(());
        }
        self.wrong(&word.to_ascii_uppercase())
    }

    /// Takes these words or fails at the first that is missing.
    pub(super) fn expect_all(&mut self, words: &[&str]) -> Result<(), Failure> {
        words.iter().try_for_each(|word| self.expect(word))
    }

    /// Fails at the next token.
    pub(super) fn wrong<T>(&self, expected: &str) -> Result<T, Failure> {
        Ok(self.parser.expected(expected, self.parser.peek_token())?)
    }

    /// Takes a name, folded.
    pub(super) fn name(&mut self) -> Result<String, Failure> {
        Ok(fold(&self.parser.parse_identifier()?))
    }

    /// Takes a string literal.
    pub(super) fn string(&mut self) -> Result<String, Failure> {
        match self.parser.peek_token().token {
            Token::SingleQuotedString(s)
            | Token::EscapedStringLiteral(s)
            | Token::UnicodeStringLiteral(s) => {
                self.parser.next_token();
                Ok(s)
            }
            _ => self.wrong("a string"),
        }
    }

    /// Takes an unsigned number.
    pub(super) fn number(&mut self) -> Result<u64, Failure> {
        if let Token::Number(digits, _) = self.parser.peek_token().token
            && let Ok(number) = digits.parse()
        {
            self.parser.next_token();
            return Ok(number);
        }
        self.wrong("a whole number")
    }

    /// Where the next token stands, in bytes of the whole text.
    pub(super) fn byte(&self) -> usize {
        match self.parser.peek_token_ref() {
            TokenWithSpan { token: Token::EOF, .. } => self.end,
            token => Walk::new(self.sql).byte_of(token.span.start),
        }
    }

    /// Takes all tokens that are left.
    pub(super) fn skip_rest(&mut self) {
        while self.parser.next_token().token != Token::EOF {}
    }

    /// Fails if anything is left.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        match self.parser.peek_token_ref().token {
            Token::EOF => Ok(()),
            _ => self.wrong("end of statement"),
        }
    }
}

/// The name an identifier stands for: lower case unless it was quoted.
pub fn fold(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
