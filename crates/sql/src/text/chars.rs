//! Text with and without a length, and JSON.

use super::invalid;
use base::{Error, Result, SqlState, SqlType, Value};
use serde::de::IgnoredAny;

/// Any text without zero bytes.
pub(super) fn text(text: &str) -> Result<Value> {
    no_zero(text)?;
    Ok(Value::Text(text.into()))
}

/// At most `n` characters; blanks beyond are cut off.
pub(super) fn varchar(text: &str, n: u32) -> Result<Value> {
    no_zero(text)?;
    Ok(Value::Text(limited(text, n, SqlType::Varchar(n))?.into()))
}

/// Exactly `n` characters, padded with blanks.
pub(super) fn char(text: &str, n: u32) -> Result<Value> {
    no_zero(text)?;
    let text = limited(text, n, SqlType::Char(n))?;
    let missing = (n as usize).saturating_sub(length(text));
    let mut padded = String::with_capacity(text.len() + missing);
    padded.push_str(text);
    padded.extend(std::iter::repeat_n(' ', missing));
    Ok(Value::Text(padded.into()))
}

/// Valid JSON, kept as it is written.
pub(super) fn json(text: &str) -> Result<Value> {
    no_zero(text)?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(Value::Text(text.into())),
        Err(e) => Err(invalid("json", text).detail(e.to_string())),
    }
}

/// The text cut to `n` characters, if only blanks are lost by it.
fn limited(text: &str, n: u32, ty: SqlType) -> Result<&str> {
    let n = n as usize;
    if text.len() <= n {
        return Ok(text);
    }
    match text.char_indices().nth(n) {
        None => Ok(text),
        Some((end, _)) if text[end..].bytes().all(|b| b == b' ') => Ok(&text[..end]),
        Some(_) => Err(Error::new(
            SqlState::STRING_DATA_RIGHT_TRUNCATION,
            format!("value too long for type {ty}"),
        )),
    }
}

fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

fn no_zero(text: &str) -> Result<()> {
    if text.as_bytes().contains(&0) {
        return Err(Error::new(
            SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(())
}
