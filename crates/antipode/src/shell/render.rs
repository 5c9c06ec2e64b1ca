//! Answers as tables or as plain lines.

use crate::client::Answer;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::io::{IsTerminal, Write};

/// Prints an answer. A reader that went away (`| head`) is no error.
pub fn show(answer: &Answer, plain: bool) {
    let mut out = std::io::stdout().lock();
    let _ = if answer.columns.is_empty() {
        if plain { Ok(()) } else { writeln!(out, "OK, {}", rows(answer.affected)) }
    } else if plain {
        lines(&mut out, answer)
    } else {
        writeln!(out, "{}\n({})", table(answer), rows(answer.rows.len() as u64))
    };
}

fn rows(n: u64) -> String {
    if n == 1 { "1 row".into() } else { format!("{n} rows") }
}

fn lines(out: &mut impl Write, answer: &Answer) -> std::io::Result<()> {
    for row in &answer.rows {
        let fields: Vec<&str> = row.iter().map(|v| v.as_deref().unwrap_or("")).collect();
        writeln!(out, "{}", fields.join("\t"))?;
    }
    Ok(())
}

/// An answer as a table; columns that hold only numbers stand to the right.
pub fn table(answer: &Answer) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_header(&answer.columns);
    // Some terminals do not tell how wide they are.
    if std::io::stdout().is_terminal() && table.width().is_some_and(|w| w >= 40) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for row in &answer.rows {
        table.add_row(row.iter().map(|v| v.as_deref().unwrap_or("NULL")));
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        if is_numeric(answer, i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn is_numeric(answer: &Answer, column: usize) -> bool {
    let mut values = answer.rows.iter().filter_map(|r| r.get(column)?.as_deref()).peekable();
    values.peek().is_some() && values.all(|v| v.parse::<f64>().is_ok())
}
