//! The decoders, by where their bytes come from.

mod client;
mod disk;
mod files;
mod link;
mod schema;
mod text;

use bytes::Bytes;

/// One decoder under test.
#[derive(Debug)]
pub struct Target {
    /// How it is called on the command line, and its folder in the corpus.
    pub name: &'static str,
    /// What it decodes.
    pub about: &'static str,
    /// Decodes, and tells whether the input was accepted; panics if something is wrong with the
    /// decoder.
    pub run: fn(&[u8]) -> bool,
    /// Valid inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Pieces worth putting in, for inputs that are text.
    pub words: &'static [&'static str],
}

/// Every target.
pub fn all() -> Vec<Target> {
    [disk::TARGETS, schema::TARGETS, files::TARGETS, link::TARGETS, client::TARGETS, text::TARGETS]
        .into_iter()
        .flatten()
        .map(|t| Target { ..*t })
        .collect()
}

/// The first byte chooses, the rest is data.
fn choice(input: &[u8], among: usize) -> (usize, Bytes) {
    match input.split_first() {
        Some((first, rest)) => (usize::from(*first) % among, Bytes::copy_from_slice(rest)),
        None => (0, Bytes::new()),
    }
}

/// A seed for [`choice`].
fn chosen(choice: u8, data: &[u8]) -> Vec<u8> {
    let mut seed = vec![choice];
    seed.extend_from_slice(data);
    seed
}
