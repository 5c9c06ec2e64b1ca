//! Sizes.

/// How chunks are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most rows of a row group: what a scan decodes at once.
    pub row_group_rows: usize,
    /// The most rows of a page: what a point read decodes.
    pub page_rows: usize,
    /// About the most bytes of the rows of a page, all columns together: wide rows make shorter pages.
    pub page_bytes: usize,
    /// The most bytes of a row group, for wide rows.
    pub row_group_bytes: usize,
    /// About how large a chunk file gets: what a change rewrites.
    pub chunk_bytes: usize,
    /// The most runs of a key space: what a read may have to look through besides delta and base.
    pub runs_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            row_group_rows: 8192,
            page_rows: 1024,
            page_bytes: 64 << 10,
            row_group_bytes: 4 << 20,
            chunk_bytes: 16 << 20,
            runs_max: 8,
        }
    }
}
