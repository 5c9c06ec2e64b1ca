//! Dates and times in the many other forms PostgreSQL reads: `Jan 8, 1999`, `8-Jan-1999`,
//! `1/8/1999` (month first), `19990108`, `04:05 PM`, `20240229T101112Z`, `44-03-15 BC`.
//!
//! The text falls into fields; what a field is follows from its signs and from what is known
//! already. The order of year, month and day is found at the end.

use super::calendar::{DAY, Day};
use super::datetime::{Bad, Parts, clock, digits, of_day, offset};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const SPECIAL: [&str; 10] = [
    "infinity",
    "-infinity",
    "+infinity",
    "inf",
    "-inf",
    "now",
    "today",
    "tomorrow",
    "yesterday",
    "allballs",
];

/// What has been gathered so far.
#[derive(Default)]
struct Gathered {
    time_first: bool,
    /// Numbers of the date in order, with their count of digits.
    numbers: Vec<(u32, usize)>,
    month: Option<u32>,
    clock: Option<i64>,
    offset: Option<i64>,
    afternoon: Option<bool>,
    bc: bool,
}

/// Reads a text in any form. `time_first`: digits without signs are a time, not a date.
pub(super) fn read(text: &str, time_first: bool) -> Result<Parts, Bad> {
    if !text.is_ascii() {
        return Err(Bad::Syntax);
    }
    let text = text.trim_ascii().to_ascii_lowercase();
    if SPECIAL.contains(&text.as_str()) {
        return Err(Bad::Special);
    }
    if text == "epoch" {
        return Ok(Parts { day: Day::new(1970, 1, 1), clock: Some(0), offset: Some(0) });
    }
    let mut gathered = Gathered { time_first, ..Gathered::default() };
    for field in text.split([' ', '\t', '\n', ',']).filter(|f| !f.is_empty()) {
        gathered.field(field)?;
    }
    gathered.finish()
}

impl Gathered {
    fn field(&mut self, field: &str) -> Result<(), Bad> {
        let first = field.as_bytes()[0];
        let has_date = self.has_whole_date();
        if matches!(first, b'+' | b'-') {
            return self.zone(field);
        }
        if first.is_ascii_alphabetic() {
            // `jan-08-1999`
            return if field.contains('-') { self.date(field) } else { self.word(field) };
        }
        // `20240229t101112`, `1999-1-8t04:05z`: a date, a t and a time.
        if let Some((date, time)) = field.split_once('t')
            && time.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && !has_date
        {
            self.date(date)?;
            return self.time(time);
        }
        let plain = field.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if field.contains(':') || has_date || (self.time_first && plain) {
            return self.time(field);
        }
        self.date(field)
    }

    /// A date, or one number of it.
    fn date(&mut self, field: &str) -> Result<(), Bad> {
        let pieces: Vec<&str> = field.split(['-', '/', '.']).collect();
        if let [number] = pieces[..]
            && matches!(number.len(), 6 | 8)
            && self.numbers.is_empty()
            && self.month.is_none()
        {
            return self.run_together(number);
        }
        for piece in pieces {
            if piece.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) {
                self.word(piece)?;
            } else {
                self.numbers.push((digits(piece.as_bytes()).ok_or(Bad::Syntax)?, piece.len()));
            }
        }
        Ok(())
    }

    /// `YYYYMMDD` or `YYMMDD`.
    fn run_together(&mut self, text: &str) -> Result<(), Bad> {
        let (year, rest) = text.split_at(text.len() - 4);
        let number = |t: &str| digits(t.as_bytes()).ok_or(Bad::Syntax);
        let (month, day) = (number(&rest[..2])?, number(&rest[2..])?);
        let year = full_year(number(year)?, year.len());
        self.numbers.extend([(year as u32, 4), (month, 2), (day, 2)]);
        Ok(())
    }

    /// A time with what sticks to its end: `04:05:06.789-08:00`, `04:05pm`, `101112z`.
    fn time(&mut self, field: &str) -> Result<(), Bad> {
        if self.clock.is_some() {
            return Err(Bad::Syntax);
        }
        let end = field.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.');
        let (time, rest) = field.split_at(end.unwrap_or(field.len()));
        let whole = time.split('.').next().unwrap_or(time);
        let read = if time.contains(':') {
            clock(time.as_bytes())
        } else {
            let pair = |i: usize| whole.get(i..i + 2).and_then(|t| digits(t.as_bytes()));
            match whole.len() {
                4 => pair(0).zip(pair(2)).map(|(h, m)| of_day(h, m, 0, 0)),
                6 => pair(0).zip(pair(2)).zip(pair(4)).map(|((h, m), s)| of_day(h, m, s, 0)),
                _ => None,
            }
        };
        self.clock = Some(read.ok_or(Bad::Syntax)??);
        match rest.as_bytes().first() {
            None => Ok(()),
            Some(b'+' | b'-') => self.zone(rest),
            Some(_) => self.word(rest),
        }
    }

    fn zone(&mut self, field: &str) -> Result<(), Bad> {
        if self.clock.is_none() || self.offset.is_some() {
            return Err(Bad::Syntax);
        }
        self.offset = Some(offset(field.as_bytes()).ok_or(Bad::Syntax)??);
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Bad> {
        let abbreviates = |name: &str| word.len() >= 3 && name.starts_with(word);
        let position = MONTHS.iter().position(|name| abbreviates(name));
        match word {
            "am" | "pm" if self.clock.is_some() => self.afternoon = Some(word == "pm"),
            "bc" => self.bc = true,
            "ad" | "t" => {}
            "z" | "zulu" | "utc" | "gmt" | "ut" => self.offset = Some(0),
            _ if position.is_some() && self.month.is_none() => {
                self.month = position.map(|m| m as u32 + 1);
            }
            _ if WEEKDAYS.iter().any(|name| abbreviates(name)) => {}
            _ if self.clock.is_some() && self.has_whole_date() => return Err(Bad::Zone),
            _ => return Err(Bad::Syntax),
        }
        Ok(())
    }

    fn has_whole_date(&self) -> bool {
        self.numbers.len() + usize::from(self.month.is_some()) == 3
    }

    fn finish(mut self) -> Result<Parts, Bad> {
        let dated = !self.numbers.is_empty() || self.month.is_some();
        let day = if dated { Some(self.assemble()?) } else { None };
        if let (Some(afternoon), Some(clock)) = (self.afternoon, self.clock) {
            let half = DAY / 2;
            if clock >= half + DAY / 24 {
                return Err(Bad::Range);
            }
            self.clock = Some(clock % half + if afternoon { half } else { 0 });
        }
        Ok(Parts { day, clock: self.clock, offset: self.offset })
    }

    /// Year, month and day from the numbers: a month's name is sure, a number of more than two
    /// digits is the year, else the month comes first and the year last.
    fn assemble(&self) -> Result<Day, Bad> {
        let (year, month, day) = match (self.month, self.numbers.as_slice()) {
            (Some(month), [a, b]) if a.1 > 2 => (a, month, b.0),
            (Some(month), [a, b]) => (b, month, a.0),
            (None, [a, b, c]) if a.1 > 2 => (a, b.0, c.0),
            (None, [a, b, c]) => (c, a.0, b.0),
            _ => return Err(Bad::Syntax),
        };
        let mut number = full_year(year.0, if self.bc { 4 } else { year.1 });
        if number == 0 {
            return Err(Bad::Range);
        }
        if self.bc {
            number = 1 - number;
        }
        Day::new(number, month, day).ok_or(Bad::Range)
    }
}

/// A year of two digits is between 1970 and 2069.
fn full_year(year: u32, len: usize) -> i32 {
    let year = year as i32;
    match (len, year) {
        (1 | 2, 0..70) => year + 2000,
        (1 | 2, _) => year + 1900,
        _ => year,
    }
}
