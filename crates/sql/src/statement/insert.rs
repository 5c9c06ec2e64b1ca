//! `INSERT … OVERRIDING {SYSTEM|USER} VALUE`, which the SQL parser does not know.

use super::Stmt;
use super::error::Failure;
use super::input::Input;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Insert, Setting, Statement};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

/// The name of the setting in which the clause travels: the parser's tree has settings for another
/// dialect's INSERT, of which no statement here has any.
const SETTING: &str = "overriding";

/// What becomes of values that a statement gives for identity columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overriding {
    /// They count, even if the column is always generated.
    System,
    /// They are left out: the column generates its own.
    User,
}

/// What an INSERT says of it.
pub fn overriding(ast: &Insert) -> Option<Overriding> {
    let said = ast.settings.iter().flatten().find(|s| s.key.value == SETTING)?;
    Some(match &said.value {
        Expr::Identifier(i) if i.value == "user" => Overriding::User,
        _ => Overriding::System,
    })
}

/// `INSERT INTO t [(a, b)] [OVERRIDING {SYSTEM|USER} VALUE] …`
pub(super) fn insert(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let Some(at) = clause(input) else {
        return Ok(Stmt::Sql(Box::new(input.parser.parse_statement()?)));
    };
    let which = input.word(at + 1);
    let mut tokens = Vec::new();
    while let Some(token) = input.parser.next_token_no_skip() {
        tokens.push(token.clone());
    }
    tokens.retain(|t| !matches!(t.token, Token::Whitespace(_)));
    tokens.drain(at..at + 3);
    let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(tokens);
    let mut statement = parser.parse_statement()?;
    let left = parser.peek_token();
    if left.token != Token::EOF {
        return Ok(parser.expected("end of statement", left)?);
    }
    if let Statement::Insert(ast) = &mut statement {
        let value = Expr::Identifier(Ident::new(which));
        ast.settings = Some(vec![Setting { key: Ident::new(SETTING), value }]);
    }
    Ok(Stmt::Sql(Box::new(statement)))
}

/// Where the clause begins, before the values.
fn clause(input: &Input<'_>) -> Option<usize> {
    let mut depth = 0_i32;
    for n in 0.. {
        match &input.parser.peek_nth_token_ref(n).token {
            Token::EOF => return None,
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::Word(_) if depth == 0 => match input.word(n).as_str() {
                "values" | "select" | "with" | "default" | "table" => return None,
                "overriding"
                    if matches!(input.word(n + 1).as_str(), "system" | "user")
                        && input.word(n + 2) == "value" =>
                {
                    return Some(n);
                }
                _ => {}
            },
            _ => {}
        }
    }
    None
}
