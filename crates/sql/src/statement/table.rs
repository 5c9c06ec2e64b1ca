//! `CREATE TABLE` with a shard key.

use super::Stmt;
use super::error::{self, Failure};
use super::input::{Input, Walk};
use datafusion::sql::sqlparser::ast::{Ident, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use std::ops::Range;

/// `CREATE [UNLOGGED] TABLE t (…)`, with `SHARD KEY (a, b)` as a table constraint or at the end.
pub(super) fn create(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let mut tokens = Vec::new();
    while let Some(token) = input.parser.next_token_no_skip() {
        tokens.push(token.clone());
    }
    tokens.retain(|t| !matches!(t.token, Token::Whitespace(_)));
    // Without a log nothing could be replicated, so such a table is an ordinary one.
    if tokens.get(1).is_some_and(|t| is_word(&t.token, "unlogged")) {
        tokens.remove(1);
    }
    let shard_key = take_shard_key(input, &mut tokens)?;
    order_identity(&mut tokens);
    let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(tokens);
    let statement = parser.parse_statement()?;
    let left = parser.peek_token();
    if left.token != Token::EOF {
        return Ok(parser.expected("end of statement", left)?);
    }
    match statement {
        Statement::CreateTable(ast) => Ok(Stmt::CreateTable { ast: Box::new(ast), shard_key }),
        other if shard_key.is_none() => Ok(Stmt::Sql(Box::new(other))),
        _ => Err(Failure::Final(base::Error::unsupported("SHARD KEY on anything but a table"))),
    }
}

/// `ALTER TABLE …`
pub(super) fn alter(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let mut tokens = Vec::new();
    while let Some(token) = input.parser.next_token_no_skip() {
        tokens.push(token.clone());
    }
    tokens.retain(|t| !matches!(t.token, Token::Whitespace(_)));
    order_identity(&mut tokens);
    let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(tokens);
    let statement = parser.parse_statement()?;
    let left = parser.peek_token();
    if left.token != Token::EOF {
        return Ok(parser.expected("end of statement", left)?);
    }
    Ok(Stmt::Sql(Box::new(statement)))
}

/// `DROP INDEX CONCURRENTLY …`: as without that word, for the statement holds nobody up either way.
pub(super) fn drop_index(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let mut tokens = Vec::new();
    while let Some(token) = input.parser.next_token_no_skip() {
        tokens.push(token.clone());
    }
    tokens.retain(|t| !matches!(t.token, Token::Whitespace(_)));
    tokens.remove(2);
    let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(tokens);
    let statement = parser.parse_statement()?;
    let left = parser.peek_token();
    if left.token != Token::EOF {
        return Ok(parser.expected("end of statement", left)?);
    }
    Ok(Stmt::Sql(Box::new(statement)))
}

/// Puts the options of identity columns in the one order that the SQL parser reads.
fn order_identity(tokens: &mut [TokenWithSpan]) {
    let mut from = 0;
    while let Some(at) = tokens[from..].windows(3).position(|w| {
        is_word(&w[0].token, "as")
            && is_word(&w[1].token, "identity")
            && w[2].token == Token::LParen
    }) {
        let start = from + at + 3;
        let inside = tokens[start..].iter().take_while(|t| t.token != Token::RParen).count();
        let options = &mut tokens[start..start + inside];
        let mut groups: Vec<Vec<TokenWithSpan>> = Vec::new();
        for (i, token) in options.iter().enumerate() {
            let after_no = i > 0 && is_word(&options[i - 1].token, "no");
            match groups.last_mut() {
                Some(group) if after_no || !begins_option(&token.token) => {
                    group.push(token.clone())
                }
                _ => groups.push(vec![token.clone()]),
            }
        }
        groups.sort_by_key(|group| rank(group));
        for (slot, token) in options.iter_mut().zip(groups.into_iter().flatten()) {
            *slot = token;
        }
        from = start + inside;
    }
}

const OPTIONS: [&str; 6] = ["increment", "minvalue", "maxvalue", "start", "cache", "cycle"];

fn begins_option(token: &Token) -> bool {
    is_word(token, "no") || OPTIONS.iter().any(|word| is_word(token, word))
}

fn rank(group: &[TokenWithSpan]) -> usize {
    let is = |word: &&str| group.iter().take(2).any(|t| is_word(&t.token, word));
    OPTIONS.iter().position(is).unwrap_or(OPTIONS.len())
}

/// Cuts the shard key and one comma beside it out of the tokens.
fn take_shard_key(
    input: &Input<'_>,
    tokens: &mut Vec<TokenWithSpan>,
) -> Result<Option<Vec<Ident>>, Failure> {
    let Some(clause) = find(tokens) else {
        return Ok(None);
    };
    let mut parser = Parser::new(&PostgreSqlDialect {})
        .with_tokens_with_locations(tokens[clause.clone()].to_vec());
    parser.next_token();
    parser.next_token();
    if parser.peek_token_ref().token != Token::LParen {
        parser.parse_identifier()?;
    }
    parser.expect_token(&Token::LParen)?;
    let columns = parser.parse_comma_separated(Parser::parse_identifier)?;
    parser.expect_token(&Token::RParen)?;
    let end = clause.start + parser.index();
    let before = clause.start > 0 && tokens[clause.start - 1].token == Token::Comma;
    let after = tokens.get(end).is_some_and(|t| t.token == Token::Comma);
    let cut = match (before, after) {
        (true, _) => clause.start - 1..end,
        (false, true) => clause.start..end + 1,
        (false, false) => clause.start..end,
    };
    tokens.drain(cut);
    if let Some(second) = find(tokens) {
        let at = Walk::new(input.sql).byte_of(tokens[second.start].span.start);
        return Err(Failure::Final(error::near(input.sql, at).detail("a second shard key")));
    }
    Ok(Some(columns))
}

/// The tokens from `SHARD KEY` on, if it stands where a constraint or an option can stand.
fn find(tokens: &[TokenWithSpan]) -> Option<Range<usize>> {
    let mut depth = 0;
    for (i, pair) in tokens.windows(2).enumerate() {
        match pair[0].token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        let here = is_word(&pair[0].token, "shard") && is_word(&pair[1].token, "key");
        let begins = i > 0
            && match tokens[i - 1].token {
                Token::Comma | Token::LParen => depth == 1,
                _ => depth == 0,
            };
        if here && begins {
            return Some(i..tokens.len());
        }
    }
    None
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}
