//! Small damage: what a torn write, a flipped bit, a wrong length or a hostile client makes of
//! valid bytes.

use rand::seq::IndexedRandom;
use rand::{Rng, RngCore};

/// No input grows beyond this many bytes.
const BYTES_MAX: usize = 16 << 10;

/// Values at the edges of lengths and counts.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX as u64,
    u64::MAX,
];

/// Damages `bytes` in one to four places; `other` lends pieces.
pub(crate) fn mutate(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], rng: &mut impl RngCore) {
    for _ in 0..rng.random_range(1..=4) {
        damage(bytes, other, words, rng);
        bytes.truncate(BYTES_MAX);
    }
}

fn damage(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], rng: &mut impl RngCore) {
    let at = rng.random_range(0..=bytes.len());
    match rng.random_range(0..9) {
        0 => flip(bytes, at, rng),
        1 => overwrite(bytes, at, &[rng.random()]),
        2 => overwrite(bytes, at, &edge(rng)),
        3 => insert(bytes, at, &edge(rng)),
        4 => bytes.truncate(at),
        5 => {
            let end = piece_end(at, bytes.len(), rng);
            bytes.drain(at..end);
        }
        6 => {
            let end = piece_end(at, bytes.len(), rng);
            let again = bytes[at..end].to_vec();
            insert(bytes, at, &again);
        }
        7 => {
            let from = rng.random_range(0..=other.len());
            let end = piece_end(from, other.len(), rng);
            insert(bytes, at, &other[from..end]);
        }
        _ => match words.choose(rng) {
            Some(word) => insert(bytes, at, word.as_bytes()),
            None => insert(bytes, at, &[rng.random()]),
        },
    }
}

fn flip(bytes: &mut [u8], at: usize, rng: &mut impl RngCore) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << rng.random_range(0..8);
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, new) in bytes[at..].iter_mut().zip(with) {
        *byte = *new;
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}

/// The end of a piece that starts at `from`: mostly short.
fn piece_end(from: usize, len: usize, rng: &mut impl RngCore) -> usize {
    let longest = if rng.random_ratio(1, 8) { len - from } else { (len - from).min(16) };
    from + rng.random_range(0..=longest)
}

/// An integer of one to eight bytes, in either byte order.
fn edge(rng: &mut impl RngCore) -> Vec<u8> {
    let value = EDGES.choose(rng).copied().unwrap_or_default();
    let width = [1, 2, 4, 8].choose(rng).copied().unwrap_or(1);
    match rng.random() {
        true => value.to_le_bytes()[..width].to_vec(),
        false => value.to_be_bytes()[8 - width..].to_vec(),
    }
}
