//! Cutting a text into statements at `;`, with an eye for quotes and comments.

/// The complete statements of a text, and what follows the last `;`. A line that begins with a
/// backslash outside of a statement is one of its own.
pub fn statements(text: &str) -> (Vec<&str>, &str) {
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if text[start..at].trim().is_empty() => {
                let end = text[at..].find('\n').map_or(text.len(), |n| at + n + 1);
                found.push(text[at..end].trim());
                (start, at) = (end, end);
            }
            b';' => {
                let statement = text[start..at].trim();
                if !statement.is_empty() {
                    found.push(statement);
                }
                at += 1;
                start = at;
            }
            _ => at = skip(text, at),
        }
    }
    (found, &text[start..])
}

/// True if a text needs no further line: nothing open, and ended by `;` or a backslash command.
pub fn is_complete(text: &str) -> bool {
    let rest = statements(text).1.trim();
    rest.is_empty()
}

/// The place after the quoted piece, comment or single byte at `at`.
fn skip(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let end = |n: Option<usize>| n.map_or(text.len(), |n| at + n);
    match rest.as_bytes()[0] {
        b'\'' => {
            let escapes = at > 0 && matches!(text.as_bytes()[at - 1], b'e' | b'E');
            end(quoted(rest, '\'', escapes))
        }
        b'"' => end(quoted(rest, '"', false)),
        b'-' if rest.starts_with("--") => end(rest.find('\n')),
        b'/' if rest.starts_with("/*") => {
            end(rest.get(2..).and_then(|r| r.find("*/")).map(|n| n + 4))
        }
        b'$' => match dollar_tag(rest) {
            Some(tag) => end(rest[tag.len()..].find(tag).map(|n| n + 2 * tag.len())),
            None => at + 1,
        },
        _ => at + 1,
    }
}

/// Length of a quoted piece that begins at 0. A doubled quote simply begins the next piece.
fn quoted(rest: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if escapes => escaped = true,
            c if c == quote => return Some(i + 1),
            _ => {}
        }
    }
    None
}

/// `$$` or `$name$` at the beginning of a text.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 1;
    let name = &rest[1..end];
    let fine = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    fine.then(|| &rest[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_comments_hide_semicolons() {
        let text = "SELECT ';'; -- not; here\nSELECT \";\", $a$;$a$, E'\\';' /* ; */; tail";
        let (found, rest) = statements(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], "SELECT ';'");
        assert_eq!(rest, " tail");
    }

    #[test]
    fn backslash_lines_stand_alone() {
        let (found, rest) = statements("\\dt\nSELECT 1;\n\\q");
        assert_eq!(found, ["\\dt", "SELECT 1", "\\q"]);
        assert_eq!(rest, "");
    }

    #[test]
    fn open_statements_are_not_complete() {
        assert!(is_complete("SELECT 1;"));
        assert!(is_complete("\\dt"));
        assert!(!is_complete("SELECT 1"));
        assert!(!is_complete("SELECT ';"));
        assert!(!is_complete("SELECT $1"));
        assert!(!is_complete("SELECT 'it''s;"));
        assert!(is_complete("SELECT 'it''s';"));
    }
}
