//! What a client of the PostgreSQL protocol sends.

use super::disk::ty;
use super::{Target, choice, chosen};
use bytes::Bytes;
use session::copy::{CopyFormat, Lines};
use sql::statement::{CopyOptions, Stmt};
use wire_pg::{binary, message};

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "opening",
        about: "first packets",
        run: opening,
        seeds: openings,
        words: &["user\0"],
    },
    Target {
        name: "message",
        about: "messages",
        run: messages,
        seeds: some,
        words: &["\0", "S\0"],
    },
    Target {
        name: "binary",
        about: "parameters in binary",
        run: parameters,
        seeds: numbers,
        words: &[],
    },
    Target { name: "copy", about: "COPY's lines", run: copy, seeds: lines, words: COPY_WORDS },
];

const COPY_WORDS: &[&str] =
    &["\\N", "\\.", "\n", "\r\n", "\t", ",", "\"", "\"\"", "\\x", "\\", "é"];

fn opening(input: &[u8]) -> bool {
    message::decode_opening(Bytes::copy_from_slice(input)).is_ok()
}

fn openings() -> Vec<Vec<u8>> {
    let mut startup = 196_608i32.to_be_bytes().to_vec();
    startup.extend_from_slice(b"user\0root\0database\0bank\0\0");
    let mut cancel = 80_877_102i32.to_be_bytes().to_vec();
    cancel.extend_from_slice(&[0, 0, 0, 7, 0, 0, 0, 9]);
    vec![startup, cancel, 80_877_103i32.to_be_bytes().to_vec()]
}

fn messages(input: &[u8]) -> bool {
    let Some((kind, body)) = input.split_first() else { return false };
    let known = message::body_bytes_max(*kind).is_some();
    let decoded = message::decode(*kind, Bytes::copy_from_slice(body)).is_ok();
    assert!(known || !decoded, "a message of a type without a limit");
    decoded
}

fn some() -> Vec<Vec<u8>> {
    vec![
        b"QSELECT 1\0".to_vec(),
        b"Ps\0SELECT $1\0\0\x01\0\0\0\x14".to_vec(),
        b"Bp\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0".to_vec(),
        b"Ep\0\0\0\0\x05".to_vec(),
        b"DSs\0".to_vec(),
        b"CPp\0".to_vec(),
        b"d1\t2\n".to_vec(),
    ]
}

/// The first byte chooses the type and whether it is `json`.
fn parameters(input: &[u8]) -> bool {
    let (choice, bytes) = choice(input, 34);
    binary::read(ty(choice), choice > 16, &bytes).is_ok()
}

fn numbers() -> Vec<Vec<u8>> {
    vec![
        chosen(6, b"\0\x02\0\x01\0\0\0\x02\0\x0c\x0d\x80"),
        chosen(3, &7i64.to_be_bytes()),
        chosen(5, &0.5f64.to_be_bytes()),
        chosen(14, &(1i64 << 49).to_be_bytes()),
        chosen(15, &[7; 16]),
        chosen(16, b"\x01{\"a\":1}"),
    ]
}

/// The first byte chooses format and where the stream is cut into pieces; however it is cut, the
/// records must be the same.
fn copy(input: &[u8]) -> bool {
    let (choice, data) = choice(input, 64);
    let options = ["", " (FORMAT csv)", " (FORMAT csv, HEADER, QUOTE '''')", " (NULL 'x')"];
    let statement = format!("COPY t FROM STDIN{}", options[choice % 4]);
    let Ok(parsed) = sql::statement::parse(&statement) else { unreachable!("it is valid") };
    let Stmt::Copy(copy) = &parsed[0].stmt else { unreachable!("it is a COPY") };
    let whole = records(&copy.options, &data, data.len().max(1));
    let pieces = records(&copy.options, &data, choice / 4 + 1);
    assert_eq!(whole, pieces, "records depend on how the stream is cut");
    whole.1
}

type Record = Vec<Option<String>>;

/// All records until the end or the first error.
fn records(options: &CopyOptions, data: &Bytes, piece: usize) -> (Vec<Record>, bool) {
    let names = ["a".to_string(), "b".to_string()];
    let Ok(format) = CopyFormat::new(options) else { return (Vec::new(), false) };
    let mut lines = Lines::new(format, &names);
    let mut found = Vec::new();
    let mut pieces = data.chunks(piece);
    loop {
        match lines.next(&names) {
            Err(_) => return (found, false),
            Ok(true) => {
                let fields = (0..lines.count()).map(|i| lines.field(i).map(str::to_owned));
                found.push(fields.collect());
                let _ = (lines.line(), lines.record());
            }
            Ok(false) => match pieces.next() {
                Some(piece) => {
                    if lines.push(piece).is_err() {
                        return (found, false);
                    }
                }
                None if lines.has_ended() => return (found, true),
                None => lines.end(),
            },
        }
    }
}

fn lines() -> Vec<Vec<u8>> {
    vec![
        chosen(0, b"1\tone\n2\t\\N\n3\ta\\tb\\x41\\101\n\\.\n"),
        chosen(1, b"1,\"one, \"\"two\"\"\"\r\n2,\r\n"),
        chosen(2, b"a,b\n1,'x''y'\n"),
        chosen(9, "é,\"a\nb\"\n".as_bytes()),
    ]
}
