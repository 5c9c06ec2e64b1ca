//! Lifting literals out of a statement's text, so that statements that differ only in them share a
//! plan. No parsing happens on a hit.
//!
//! ```text
//!   UPDATE t SET a = a + 5 WHERE id = 'x'
//!   UPDATE t SET a = a + $1 WHERE id = $2       [5: bigint, 'x': as its place says]
//! ```

use super::{Executor, LIFTED, Prepared};
use crate::statement::{self, Stmt};
use base::{Result, SqlType, Value};
use datafusion::sql::sqlparser::ast::Statement;
use std::sync::Arc;
use txn::Transaction;

/// Longer texts are not looked at.
const LONGEST: usize = 4096;

/// A literal taken out.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// An integer.
    Int(i64),
    /// A quoted text, which takes the type of its place.
    Text(String),
}

/// The text with `$1`, `$2` … for its literals; `None` if there are none or the text has something
/// that needs the real parser (parameters, comments, escapes, several statements).
pub fn normalise(sql: &str) -> Option<(String, Vec<Literal>)> {
    if sql.len() > LONGEST {
        return None;
    }
    let bytes = sql.as_bytes();
    let mut out = String::with_capacity(sql.len() + 8);
    let mut literals = Vec::new();
    let mut i = 0;
    let mut in_word = false;
    while i < bytes.len() {
        let b = bytes[i];
        match b {
            b'\'' if !in_word => {
                let (text, next) = quoted(sql, i)?;
                literals.push(Literal::Text(text));
                out.push_str(&format!("${}", literals.len()));
                i = next;
                continue;
            }
            b'0'..=b'9' if !in_word => {
                let end = i + bytes[i..].iter().take_while(|b| b.is_ascii_digit()).count();
                let next = bytes.get(end).copied().unwrap_or(b' ');
                if next == b'.' || next == b'_' || next.is_ascii_alphabetic() {
                    // A decimal keeps its own scale: leave it to the parser.
                    let rest = bytes[i..].iter();
                    let len = rest.take_while(|b| b.is_ascii_alphanumeric() || **b == b'.').count();
                    out.push_str(&sql[i..i + len]);
                    i += len;
                    continue;
                }
                literals.push(Literal::Int(sql[i..end].parse().ok()?));
                out.push_str(&format!("${}", literals.len()));
                i = end;
                continue;
            }
            b'"' => {
                let end = i + 1 + sql[i + 1..].find('"')?;
                out.push_str(&sql[i..=end]);
                i = end + 1;
                in_word = false;
                continue;
            }
            b'.' if bytes.get(i + 1).is_some_and(u8::is_ascii_digit) => return None,
            b'$' | b'\'' | b'\\' => return None,
            b'-' if bytes.get(i + 1) == Some(&b'-') => return None,
            b'/' if bytes.get(i + 1) == Some(&b'*') => return None,
            b';' => {
                if !sql[i + 1..].trim().is_empty() {
                    return None;
                }
                break;
            }
            _ => {}
        }
        in_word = b == b'_' || b.is_ascii_alphanumeric() || b >= 0x80;
        let len = sql[i..].chars().next().map_or(1, char::len_utf8);
        out.push_str(&sql[i..i + len]);
        i += len;
    }
    (!literals.is_empty()).then_some((out, literals))
}

/// A quoted text from its opening quote, and where it ends.
fn quoted(sql: &str, start: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut at = start + 1;
    loop {
        let end = at + sql[at..].find('\'')?;
        text.push_str(&sql[at..end]);
        if sql.as_bytes().get(end + 1) != Some(&b'\'') {
            return Some((text, end + 1));
        }
        text.push('\'');
        at = end + 2;
    }
}

impl Executor {
    /// A plan for a simple-protocol text, if it is a single statement of a shape worth remembering:
    /// the prepared statement and the values of its literals. `None`: parse and prepare it as usual.
    ///
    /// # Errors
    /// 22P02 and its kin if a quoted literal does not read as the type its place wants.
    pub async fn lift(
        &self,
        txn: &mut Transaction,
        sql: &str,
    ) -> Result<Option<(Arc<Prepared>, Vec<Value>)>> {
        let Some((text, literals)) = normalise(sql) else { return Ok(None) };
        let mut known = self.lifted.lock().get(&text).cloned();
        self.snapshot(txn).await?;
        if let Some(Some(prepared)) = &known
            && !self.is_current(txn, prepared).await?
        {
            known = None;
        }
        let prepared = match known {
            Some(known) => known,
            None => match self.prepare_lifted(txn, &text, &literals).await {
                Ok(made) => {
                    let mut lifted = self.lifted.lock();
                    if lifted.len() >= LIFTED {
                        lifted.clear();
                    }
                    lifted.insert(text, made.clone());
                    made
                }
                // It may work later (a table that is not there yet): nothing is remembered.
                Err(_) => None,
            },
        };
        let Some(prepared) = prepared else { return Ok(None) };
        if prepared.params.len() != literals.len() {
            return Ok(None);
        }
        let mut values = Vec::with_capacity(literals.len());
        for (literal, ty) in literals.into_iter().zip(&prepared.params) {
            values.push(match literal {
                Literal::Int(v) if *ty == SqlType::BigInt => Value::Int(v),
                Literal::Int(_) => return Ok(None),
                Literal::Text(text) => crate::text::parse(*ty, &text)?,
            });
        }
        Ok(Some((prepared, values)))
    }

    /// Only statements about one row and small inserts are worth it; errors are left to the ordinary
    /// way to report.
    async fn prepare_lifted(
        &self,
        txn: &mut Transaction,
        text: &str,
        literals: &[Literal],
    ) -> Result<Option<Arc<Prepared>>> {
        let Ok(mut parsed) = statement::parse(text) else { return Ok(None) };
        let (Some(one), true) = (parsed.pop(), parsed.is_empty()) else { return Ok(None) };
        let insert = match &one.stmt {
            Stmt::Sql(ast) => match ast.as_ref() {
                Statement::Insert(_) => true,
                Statement::Query(_) | Statement::Update(_) | Statement::Delete(_) => false,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let types = literals.iter().map(|literal| match literal {
            Literal::Int(_) => Some(SqlType::BigInt),
            Literal::Text(_) => None,
        });
        let stmt = Arc::new(one.stmt);
        let prepared = self.prepare_plan(txn, stmt, types.collect(), false).await?;
        Ok((insert || prepared.is_point()).then(|| Arc::new(prepared)))
    }
}
