//! Answers as tables or as plain lines.

use crate::client::Answer;
use comfy_table::{CellAlignment, Table, presets};
use std::io::{IsTerminal, Write};

/// Prints an answer. A reader that went away (`| head`) is no error.
pub fn show(answer: &Answer, plain: bool) {
    let mut out = std::io::stdout().lock();
    let _ = if answer.columns.is_empty() {
        if plain { Ok(()) } else { writeln!(out, "OK, {}", rows(answer.affected)) }
    } else if plain {
        lines(&mut out, answer)
    } else {
        let table = table(answer);
        let shown = match table.width() {
            Some(width) if too_wide(&table, width) => records(answer),
            _ => table.to_string(),
        };
        writeln!(out, "{shown}\n({})", rows(answer.rows.len() as u64))
    };
}

/// True if a table does not fit the terminal.
fn too_wide(table: &Table, width: u16) -> bool {
    std::io::stdout().is_terminal()
        && width >= 40
        && table.lines().next().is_some_and(|line| line.chars().count() > usize::from(width))
}

/// One line for each field: for rows that are too wide for a table.
fn records(answer: &Answer) -> String {
    let name = answer.columns.iter().map(|c| c.chars().count()).max().unwrap_or(0);
    let mut text = Vec::new();
    for (i, row) in answer.rows.iter().enumerate() {
        text.push(format!("─ row {} ─", i + 1));
        for (column, value) in answer.columns.iter().zip(row) {
            text.push(format!("{column:>name$} │ {}", value.as_deref().unwrap_or("NULL")));
        }
    }
    text.join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_rows_are_written_field_by_field() {
        let answer = Answer {
            columns: vec!["a".into(), "long".into()],
            rows: vec![vec![Some("1".into()), None], vec![Some("2".into()), Some("x".into())]],
            affected: 2,
        };
        let wanted = "─ row 1 ─\n   a │ 1\nlong │ NULL\n─ row 2 ─\n   a │ 2\nlong │ x";
        assert_eq!(records(&answer), wanted);
        assert!(table(&answer).to_string().contains("NULL"));
    }
}
