//! `COPY … FROM STDIN` and `COPY … TO STDOUT`, text and csv.
//!
//! ```text
//!  client bytes ─▶ Lines (cut into records, unescape) ─▶ values ─▶ batch of rows ─▶ transaction
//!  batches of a query ─▶ Writer (escape) ─▶ chunks of about 64 KiB ─▶ client
//! ```
//!
//! Both directions hold one batch at a time, whatever the size of the table. A mistake in the data
//! names its line, its column and what was there.

mod fields;
mod lines;
mod writer;

use base::{Error, Result};
use sql::statement::{CopyOptions, Force};

pub use lines::{Lines, Place};
pub(crate) use writer::Writer;

/// What to do with a first line of column names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Header {
    No,
    Yes,
    /// Read it and insist that it names the columns.
    Match,
}

/// The columns an option applies to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Chosen {
    None,
    All,
    Columns(Vec<String>),
}

impl Chosen {
    pub(crate) fn has(&self, column: &str) -> bool {
        match self {
            Chosen::None => false,
            Chosen::All => true,
            Chosen::Columns(names) => names.iter().any(|n| n == column),
        }
    }
}

/// How the data is written.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyFormat {
    pub(crate) csv: bool,
    pub(crate) delimiter: u8,
    pub(crate) null: String,
    pub(crate) header: Header,
    pub(crate) quote: u8,
    pub(crate) escape: u8,
    pub(crate) force_quote: Chosen,
    pub(crate) force_not_null: Chosen,
    pub(crate) force_null: Chosen,
}

impl CopyFormat {
    /// From a statement's options.
    pub fn new(options: &CopyOptions) -> Result<CopyFormat> {
        let chosen = |force: &Force| match force {
            Force::None => Chosen::None,
            Force::All => Chosen::All,
            Force::Columns(names) => Chosen::Columns(names.clone()),
        };
        Ok(CopyFormat {
            csv: match options.format {
                sql::statement::CopyFormat::Text => false,
                sql::statement::CopyFormat::Csv => true,
                sql::statement::CopyFormat::Binary => {
                    return Err(Error::unsupported("COPY in binary format"));
                }
            },
            delimiter: options.delimiter,
            null: options.null.clone(),
            header: match (options.header, options.header_match) {
                (_, true) => Header::Match,
                (true, false) => Header::Yes,
                (false, false) => Header::No,
            },
            quote: options.quote,
            escape: options.escape,
            force_quote: chosen(&options.force_quote),
            force_not_null: chosen(&options.force_not_null),
            force_null: chosen(&options.force_null),
        })
    }
}

#[cfg(test)]
impl CopyFormat {
    /// PostgreSQL's text format with its defaults.
    pub(crate) fn text() -> CopyFormat {
        CopyFormat {
            csv: false,
            delimiter: b'\t',
            null: "\\N".into(),
            header: Header::No,
            quote: b'"',
            escape: b'"',
            force_quote: Chosen::None,
            force_not_null: Chosen::None,
            force_null: Chosen::None,
        }
    }

    /// PostgreSQL's csv format with its defaults.
    pub(crate) fn csv() -> CopyFormat {
        CopyFormat { csv: true, delimiter: b',', null: String::new(), ..CopyFormat::text() }
    }
}

#[cfg(test)]
mod tests;
