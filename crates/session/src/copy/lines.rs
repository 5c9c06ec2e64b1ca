//! Cuts a stream of COPY data into records of fields. Bytes come in pieces of any size; what is
//! kept between them is one unfinished record.

use super::{CopyFormat, Header};
use base::{Error, Result, SqlState};
use std::ops::Range;

/// No record may be larger: it must fit in memory several times over.
const RECORD_BYTES_MAX: usize = 256 << 20;

/// Where the text of a field is.
#[derive(Clone, Debug)]
pub(super) enum Field {
    Null,
    /// In the record as it came.
    Raw(Range<usize>),
    /// In the scratch space, unescaped.
    Unescaped(Range<usize>),
}

/// Where a record stands in the data: its line, and its bytes counted from the beginning.
#[derive(Clone, Debug)]
pub struct Place {
    line: u64,
    bytes: Range<u64>,
}

impl Place {
    /// Its line.
    pub fn line(&self) -> u64 {
        self.line
    }
}

/// How much is kept that nobody needs, at least: taking it away moves what stays.
const GARBAGE_BYTES: usize = 256 << 10;

/// The reader.
#[derive(Debug)]
pub struct Lines {
    pub(super) format: CopyFormat,
    /// Per column: whether an unquoted NULL text stays text, and whether a quoted one is NULL (csv).
    pub(super) force: Vec<(bool, bool)>,
    pub(super) buf: Vec<u8>,
    /// Where `buf` begins in the data, and from where on it may be asked for.
    base: u64,
    wanted: Option<u64>,
    /// Where the next record starts in `buf`.
    start: usize,
    /// How far the search for its end has got.
    scanned: usize,
    /// Inside quotes at `scanned` (csv).
    quoted: bool,
    /// The newline style of the first line.
    crlf: Option<bool>,
    /// Lines begun so far, 1 for the first.
    line: u64,
    /// Newlines inside the record being looked for (csv), and inside the current one: the line
    /// number of a record is that of its first line.
    inner: u64,
    carried: u64,
    header: Header,
    ended: bool,
    at_end_marker: bool,
    pub(super) fields: Vec<Field>,
    pub(super) scratch: Vec<u8>,
    pub(super) record: Range<usize>,
}

impl Lines {
    /// A reader of records with these columns.
    pub fn new(format: CopyFormat, columns: &[String]) -> Lines {
        let force = columns
            .iter()
            .map(|c| (format.force_not_null.has(c), format.force_null.has(c)))
            .collect();
        Lines {
            header: format.header,
            format,
            force,
            buf: Vec::new(),
            base: 0,
            wanted: None,
            start: 0,
            scanned: 0,
            quoted: false,
            crlf: None,
            line: 0,
            inner: 0,
            carried: 0,
            ended: false,
            at_end_marker: false,
            fields: Vec::new(),
            scratch: Vec::new(),
            record: 0..0,
        }
    }

    /// Takes more bytes. What was read already and is not marked is thrown away first.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.at_end_marker {
            return Ok(());
        }
        let wanted = self.wanted.map_or(self.start, |from| (from - self.base) as usize);
        if wanted == self.buf.len() || wanted >= GARBAGE_BYTES {
            self.buf.drain(..wanted);
            self.base += wanted as u64;
            self.scanned -= wanted;
            self.start -= wanted;
        }
        if self.buf.len() - self.start + bytes.len() > RECORD_BYTES_MAX {
            return Err(Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("a COPY record is larger than {} MiB", RECORD_BYTES_MAX >> 20),
            ));
        }
        self.buf.extend_from_slice(bytes);
        Ok(())
    }

    /// No more bytes will come: a last line without newline counts.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// True after [`Lines::end`].
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The line number of the current record.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Keeps the current record to be asked for until [`Lines::unmark`].
    pub fn mark(&mut self) -> Place {
        let from = self.base + self.record.start as u64;
        self.wanted.get_or_insert(from);
        Place { line: self.line, bytes: from..self.base + self.record.end as u64 }
    }

    /// Forgets all marks.
    pub fn unmark(&mut self) {
        self.wanted = None;
    }

    /// A marked record as it came, for error messages.
    pub fn record_of(&self, place: &Place) -> String {
        let at = |offset: u64| offset.saturating_sub(self.base) as usize;
        self.shown(at(place.bytes.start)..at(place.bytes.end))
    }

    /// The current record as it came, for error messages.
    pub fn record(&self) -> String {
        self.shown(self.record.clone())
    }

    fn shown(&self, record: Range<usize>) -> String {
        let raw = self.buf.get(record).unwrap_or_default();
        let text = String::from_utf8_lossy(raw);
        match text.char_indices().nth(100) {
            Some((cut, _)) => format!("{}...", &text[..cut]),
            None => text.into_owned(),
        }
    }

    /// How many fields the current record has.
    pub fn count(&self) -> usize {
        self.fields.len()
    }

    /// A field of the current record; `None` is NULL.
    pub fn field(&self, index: usize) -> Option<&str> {
        let bytes = match self.fields.get(index)? {
            Field::Null => return None,
            Field::Raw(range) => &self.buf[range.clone()],
            Field::Unescaped(range) => &self.scratch[range.clone()],
        };
        // Checked as a whole when the record was cut; delimiters are ASCII, so its parts are too.
        Some(std::str::from_utf8(bytes).unwrap_or_default())
    }

    /// Goes to the next complete record; false if more bytes are needed (or, after
    /// [`Lines::end`], if there is none). `names` are the columns a header has to match.
    pub fn next(&mut self, names: &[String]) -> Result<bool> {
        loop {
            if !self.cut()? {
                return Ok(false);
            }
            match std::mem::replace(&mut self.header, Header::No) {
                Header::No => {}
                Header::Yes => continue,
                Header::Match => {
                    self.split()?;
                    self.match_header(names)?;
                    continue;
                }
            }
            self.split()?;
            return Ok(true);
        }
    }

    /// Finds the end of the next record.
    fn cut(&mut self) -> Result<bool> {
        if self.at_end_marker {
            return Ok(false);
        }
        let Some(end) = self.find_newline() else {
            return self.last_line();
        };
        let mut stop = end;
        let has_cr = stop > self.start && self.buf[stop - 1] == b'\r';
        let crlf = *self.crlf.get_or_insert(has_cr);
        if crlf && has_cr {
            stop -= 1;
        }
        self.take_record(stop, end + 1)
    }

    fn last_line(&mut self) -> Result<bool> {
        if !self.ended {
            return Ok(false);
        }
        if self.quoted {
            self.line += 1 + self.carried;
            self.record = self.start..self.buf.len();
            return Err(bad("unterminated CSV quoted field"));
        }
        if self.start == self.buf.len() {
            return Ok(false);
        }
        let mut stop = self.buf.len();
        if self.crlf == Some(true) && self.buf[stop - 1] == b'\r' {
            stop -= 1;
        }
        self.take_record(stop, self.buf.len())
    }

    fn take_record(&mut self, stop: usize, next: usize) -> Result<bool> {
        self.line += 1 + self.carried;
        self.carried = std::mem::take(&mut self.inner);
        self.record = self.start..stop;
        self.start = next;
        self.scanned = next;
        self.quoted = false;
        let record = &self.buf[self.record.clone()];
        if record == b"\\." {
            self.at_end_marker = true;
            self.start = self.buf.len();
            self.scanned = self.start;
            return Ok(false);
        }
        if let Err(error) = std::str::from_utf8(record) {
            let from = error.valid_up_to();
            let to = (from + error.error_len().unwrap_or(1)).min(record.len());
            let hex: Vec<String> = record[from..to].iter().map(|b| format!("0x{b:02x}")).collect();
            return Err(Error::new(
                SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                format!("invalid byte sequence for encoding \"UTF8\": {}", hex.join(" ")),
            ));
        }
        Ok(true)
    }

    /// Position of the newline that ends the record, remembering how far it looked.
    fn find_newline(&mut self) -> Option<usize> {
        let bytes = &self.buf;
        let mut at = self.scanned;
        if !self.format.csv {
            while at < bytes.len() {
                match bytes[at] {
                    b'\n' => {
                        self.scanned = at;
                        return Some(at);
                    }
                    b'\\' => at += 2,
                    _ => at += 1,
                }
            }
            // A backslash at the very end: look at it again together with what follows it.
            self.scanned = if at > bytes.len() { bytes.len() - 1 } else { at };
            return None;
        }
        let (quote, escape) = (self.format.quote, self.format.escape);
        while at < bytes.len() {
            let b = bytes[at];
            if self.quoted && b == escape && escape != quote {
                if at + 1 >= bytes.len() && !self.ended {
                    break;
                }
                let escapes = bytes.get(at + 1).is_some_and(|n| *n == quote || *n == escape);
                at += if escapes { 2 } else { 1 };
                continue;
            }
            if b == quote {
                // A doubled quote closes and opens again: the same as staying inside.
                self.quoted = !self.quoted;
            } else if b == b'\n' {
                if !self.quoted {
                    self.scanned = at;
                    return Some(at);
                }
                self.inner += 1;
            }
            at += 1;
        }
        self.scanned = at;
        None
    }

    fn match_header(&self, names: &[String]) -> Result<()> {
        if self.count() != names.len() {
            return Err(bad(format!(
                "wrong number of fields in header line: got {}, expected {}",
                self.count(),
                names.len()
            )));
        }
        for (i, name) in names.iter().enumerate() {
            let got = self.field(i).unwrap_or("");
            if got != name {
                return Err(bad(format!(
                    "column name mismatch in header line field {}: got \"{got}\", expected \"{name}\"",
                    i + 1
                )));
            }
        }
        Ok(())
    }
}

pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::new(SqlState::BAD_COPY_FILE_FORMAT, message)
}
