use super::*;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use base::{Error, SqlState};
use proptest::prelude::*;
use std::sync::Arc;

type Rows = Vec<Vec<Option<String>>>;

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("c{i}")).collect()
}

fn read(format: &CopyFormat, data: &[u8], piece: usize, columns: usize) -> Result<Rows, Error> {
    let names = names(columns);
    let mut lines = Lines::new(format.clone(), &names);
    let mut rows = Vec::new();
    let mut drain = |lines: &mut Lines| -> Result<(), Error> {
        while lines.next(&names)? {
            rows.push((0..lines.count()).map(|i| lines.field(i).map(str::to_string)).collect());
        }
        Ok(())
    };
    for bytes in data.chunks(piece.max(1)) {
        lines.push(bytes)?;
        drain(&mut lines)?;
    }
    lines.end();
    drain(&mut lines)?;
    Ok(rows)
}

fn read_text(data: &str) -> Rows {
    read(&CopyFormat::text(), data.as_bytes(), 3, 2).expect("reads")
}

fn read_csv(data: &str) -> Rows {
    read(&CopyFormat::csv(), data.as_bytes(), 3, 2).expect("reads")
}

fn row(fields: &[Option<&str>]) -> Vec<Option<String>> {
    fields.iter().map(|f| f.map(str::to_string)).collect()
}

fn write(format: &CopyFormat, rows: &Rows, columns: usize) -> Vec<u8> {
    let arrays = (0..columns).map(|c| {
        let values: StringArray = rows.iter().map(|r| r[c].as_deref()).collect();
        (format!("c{c}"), Arc::new(values) as ArrayRef)
    });
    let batch =
        RecordBatch::try_from_iter_with_nullable(arrays.map(|(n, a)| (n, a, true))).expect("batch");
    let mut writer = Writer::new(format.clone(), names(columns));
    for i in 0..rows.len() {
        writer.write(&batch, i).expect("writes");
    }
    assert_eq!(writer.rows() as usize, rows.len());
    writer.take().map_or_else(Vec::new, |c| c.data.to_vec())
}

#[test]
fn text_escapes_nulls_and_the_end_marker() {
    assert_eq!(
        read_text("1\t\\N\n\\\\N\ta\\tb\\n\\x41\\101\\q\n\t\n\\.\nignored"),
        [
            row(&[Some("1"), None]),
            row(&[Some("\\N"), Some("a\tb\nAAq")]),
            row(&[Some(""), Some("")])
        ]
    );
}

#[test]
fn text_backslash_newline_is_data_and_crlf_lines_work() {
    assert_eq!(read_text("a\\\nb\tc\n"), [row(&[Some("a\nb"), Some("c")])]);
    assert_eq!(
        read_text("a\tb\r\nc\td\r\n"),
        [row(&[Some("a"), Some("b")]), row(&[Some("c"), Some("d")])]
    );
    assert_eq!(
        read_text("a\tb\nc\td"),
        [row(&[Some("a"), Some("b")]), row(&[Some("c"), Some("d")])]
    );
}

#[test]
fn text_errors_name_the_line() {
    let names = names(1);
    let mut lines = Lines::new(CopyFormat::text(), &names);
    lines.push(b"ok\nb\rad\n").expect("push");
    assert!(lines.next(&names).expect("first line"));
    let error = lines.next(&names).expect_err("carriage return");
    assert_eq!((error.state, lines.line()), (SqlState::BAD_COPY_FILE_FORMAT, 2));
    assert_eq!(lines.record(), "b\rad");
    let error = read(&CopyFormat::text(), b"a\xff\n", 1, 1).expect_err("not UTF-8");
    assert_eq!(error.state, SqlState::CHARACTER_NOT_IN_REPERTOIRE);
    let error = read(&CopyFormat::text(), b"a\\xff\n", 1, 1).expect_err("not UTF-8");
    assert_eq!(error.state, SqlState::CHARACTER_NOT_IN_REPERTOIRE);
}

#[test]
fn csv_quotes_newlines_and_nulls() {
    assert_eq!(
        read_csv("a,\"b \"\"x\"\" , y\"\n\"two\nlines\",\n,\"\"\n"),
        [
            row(&[Some("a"), Some("b \"x\" , y")]),
            row(&[Some("two\nlines"), None]),
            row(&[None, Some("")])
        ]
    );
    assert_eq!(
        read_csv("a,b\r\nc,d\r\n\\.\r\nx"),
        [row(&[Some("a"), Some("b")]), row(&[Some("c"), Some("d")])]
    );
}

#[test]
fn csv_options() {
    let mut format = CopyFormat::csv();
    format.escape = b'\\';
    format.header = Header::Yes;
    format.null = "NA".into();
    assert_eq!(
        read(&format, b"x,y\n\"a\\\"b\",NA\n", 1, 2).expect("reads"),
        [row(&[Some("a\"b"), None])]
    );
    format.header = Header::Match;
    let error = read(&format, b"c0,y\n", 1, 2).expect_err("wrong name");
    assert!(error.message.contains("field 2: got \"y\", expected \"c1\""), "{error}");
    let mut format = CopyFormat::csv();
    format.force_null = Chosen::Columns(vec!["c0".into()]);
    format.force_not_null = Chosen::Columns(vec!["c1".into()]);
    assert_eq!(read(&format, b"\"\",\n", 1, 2).expect("reads"), [row(&[None, Some("")])]);
}

#[test]
fn csv_line_numbers_count_lines_inside_quotes() {
    let names = names(1);
    let mut lines = Lines::new(CopyFormat::csv(), &names);
    for b in b"\"a\nb\"\nc\n\"open".chunks(2) {
        lines.push(b).expect("push");
    }
    assert!(lines.next(&names).expect("first"));
    assert_eq!(lines.line(), 1);
    assert!(lines.next(&names).expect("second"));
    assert_eq!(lines.line(), 3);
    assert!(!lines.next(&names).expect("not complete"));
    lines.end();
    let error = lines.next(&names).expect_err("open quote");
    assert_eq!((error.state, lines.line()), (SqlState::BAD_COPY_FILE_FORMAT, 4));
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        rows in prop::collection::vec(
            prop::collection::vec(
                prop::option::of("([a-c\\\\N\"',;|\n\r\t.é ]|\\PC){0,8}"), 3..=3), 0..6),
        csv in any::<bool>(),
        pipe in any::<bool>(),
        escape in any::<bool>(),
        piece in 1_usize..40,
    ) {
        let mut format = if csv { CopyFormat::csv() } else { CopyFormat::text() };
        if pipe {
            format.delimiter = b'|';
        }
        if csv && escape {
            format.escape = b'\\';
        }
        let data = write(&format, &rows, 3);
        let got = read(&format, &data, piece, 3).expect("reads back");
        prop_assert_eq!(got, rows);
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        data in prop::collection::vec(prop_oneof![
            Just(b'\n'), Just(b'\\'), Just(b'"'), Just(b','), Just(b'\r'), any::<u8>()], 0..200),
        csv in any::<bool>(),
        piece in 1_usize..40,
    ) {
        let format = if csv { CopyFormat::csv() } else { CopyFormat::text() };
        let whole = read(&format, &data, data.len().max(1), 2).map_err(|e| e.into_report().message);
        let pieces = read(&format, &data, piece, 2).map_err(|e| e.into_report().message);
        prop_assert_eq!(whole, pieces);
    }
}
