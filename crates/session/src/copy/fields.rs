//! Cuts one record of COPY data into fields and takes their escapes out.

use super::CopyFormat;
use super::lines::{Field, Lines, bad};
use base::{Error, Result, SqlState};

impl Lines {
    /// Cuts the current record into fields.
    pub(super) fn split(&mut self) -> Result<()> {
        self.fields.clear();
        self.scratch.clear();
        if self.format.csv {
            self.split_csv()?;
        } else {
            self.split_text()?;
        }
        if !self.scratch.is_empty() && std::str::from_utf8(&self.scratch).is_err() {
            return Err(Error::new(
                SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                "invalid byte sequence for encoding \"UTF8\" after backslash escapes",
            ));
        }
        Ok(())
    }

    fn split_text(&mut self) -> Result<()> {
        let delimiter = self.format.delimiter;
        let null = self.format.null.as_bytes();
        let (mut at, end) = (self.record.start, self.record.end);
        loop {
            let start = at;
            let mut escaped = false;
            while at < end && self.buf[at] != delimiter {
                match self.buf[at] {
                    b'\\' => {
                        escaped = true;
                        at += 1;
                    }
                    b'\r' => {
                        return Err(bad("literal carriage return found in data")
                            .hint("Use \"\\r\" to represent carriage return."));
                    }
                    _ => {}
                }
                at += 1;
            }
            at = at.min(end);
            if &self.buf[start..at] == null {
                self.fields.push(Field::Null);
            } else if escaped {
                let from = self.scratch.len();
                unescape_text(&self.buf[start..at], &mut self.scratch);
                self.fields.push(Field::Unescaped(from..self.scratch.len()));
            } else {
                self.fields.push(Field::Raw(start..at));
            }
            if at >= end {
                return Ok(());
            }
            at += 1;
        }
    }

    fn split_csv(&mut self) -> Result<()> {
        let (mut at, end) = (self.record.start, self.record.end);
        loop {
            let start = at;
            at = self.csv_field_end(start, end);
            self.push_csv_field(start, at);
            if at >= end {
                return Ok(());
            }
            at += 1;
        }
    }

    /// The delimiter that ends the csv field at `start`, or `end`.
    fn csv_field_end(&self, start: usize, end: usize) -> usize {
        let CopyFormat { delimiter, quote, escape, .. } = self.format;
        let mut at = start;
        let mut quoted = false;
        while at < end {
            let b = self.buf[at];
            if quoted && b == escape && at + 1 < end && {
                let next = self.buf[at + 1];
                next == quote || next == escape
            } {
                at += 2;
            } else if b == quote {
                quoted = !quoted;
                at += 1;
            } else if !quoted && b == delimiter {
                return at;
            } else {
                at += 1;
            }
        }
        end
    }

    fn push_csv_field(&mut self, start: usize, stop: usize) {
        let CopyFormat { quote, escape, .. } = self.format;
        let column = self.fields.len();
        let (not_null, force_null) = self.force.get(column).copied().unwrap_or_default();
        let raw = &self.buf[start..stop];
        if !raw.contains(&quote) {
            let null = !not_null && raw == self.format.null.as_bytes();
            self.fields.push(if null { Field::Null } else { Field::Raw(start..stop) });
            return;
        }
        let from = self.scratch.len();
        let (mut quoted, mut at) = (false, 0);
        while at < raw.len() {
            let b = raw[at];
            let next = raw.get(at + 1).copied();
            if quoted && b == escape && next.is_some_and(|n| n == quote || n == escape) {
                self.scratch.extend(next);
                at += 2;
            } else if b == quote {
                quoted = !quoted;
                at += 1;
            } else {
                self.scratch.push(b);
                at += 1;
            }
        }
        if force_null && self.scratch[from..] == *self.format.null.as_bytes() {
            self.fields.push(Field::Null);
        } else {
            self.fields.push(Field::Unescaped(from..self.scratch.len()));
        }
    }
}

fn unescape_text(raw: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < raw.len() {
        let b = raw[at];
        at += 1;
        if b != b'\\' || at == raw.len() {
            out.push(b);
            continue;
        }
        let c = raw[at];
        at += 1;
        match c {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'0'..=b'7' => {
                let mut code = u32::from(c - b'0');
                for _ in 0..2 {
                    let Some(d @ b'0'..=b'7') = raw.get(at).copied() else { break };
                    code = code * 8 + u32::from(d - b'0');
                    at += 1;
                }
                out.push(code as u8);
            }
            b'x' if raw.get(at).is_some_and(u8::is_ascii_hexdigit) => {
                let mut code = 0;
                for _ in 0..2 {
                    let Some(d) = raw.get(at).and_then(|b| char::from(*b).to_digit(16)) else {
                        break;
                    };
                    code = code * 16 + d;
                    at += 1;
                }
                out.push(code as u8);
            }
            other => out.push(other),
        }
    }
}
