//! The figures side by side.

use comfy_table::{CellAlignment, Table, presets};

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Which side.
    pub side: usize,
    /// How much.
    pub value: f64,
}

/// All measurements, in the order in which their kinds came.
#[derive(Debug)]
pub struct Figures {
    sides: Vec<String>,
    kinds: Vec<(String, Vec<Figure>)>,
}

impl Figures {
    /// No figures yet.
    pub fn new(sides: Vec<String>) -> Figures {
        Figures { sides, kinds: Vec::new() }
    }

    /// Adds a measurement.
    pub fn add(&mut self, kind: &str, figure: Figure) {
        match self.kinds.iter_mut().find(|(k, _)| k == kind) {
            Some((_, figures)) => figures.push(figure),
            None => self.kinds.push((kind.into(), vec![figure])),
        }
    }

    /// Medians, and by which factor Antipode is ahead: above 1 it is better, whether more or less of
    /// the figure is.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED);
        let mut header = vec!["median of all runs".to_string()];
        header.extend(self.sides.iter().cloned());
        if self.sides.len() == 2 {
            header.push("ahead by".into());
        }
        table.set_header(header);
        for (kind, figures) in &self.kinds {
            let medians: Vec<f64> = (0..self.sides.len()).map(|s| median(figures, s)).collect();
            let mut row = vec![kind.clone()];
            row.extend(medians.iter().map(|m| shown(*m)));
            if let [ours, theirs] = medians[..] {
                let ahead = if is_cost(kind) { theirs / ours } else { ours / theirs };
                row.push(format!("{ahead:.2}"));
            }
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

/// True for figures of which less is better.
fn is_cost(kind: &str) -> bool {
    kind.ends_with(": seconds") || kind.ends_with(": bytes")
}

fn shown(value: f64) -> String {
    match value {
        v if v < 100.0 => format!("{v:.2}"),
        v => format!("{v:.0}"),
    }
}

fn median(figures: &[Figure], side: usize) -> f64 {
    let mut values: Vec<f64> = figures.iter().filter(|f| f.side == side).map(|f| f.value).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_medians_and_who_is_ahead() {
        let mut figures = Figures::new(vec!["a".into(), "b".into()]);
        for (side, value) in [(0, 100.0), (0, 300.0), (0, 200.0), (1, 80.0), (1, 120.0)] {
            figures.add("load: rows/s", Figure { side, value });
            figures.add("restart: seconds", Figure { side, value });
        }
        let text = figures.table().to_string();
        let row = |kind: &str| text.lines().find(|l| l.contains(kind)).unwrap_or_default();
        assert!(row("load").contains("200") && row("load").contains("2.00"), "{text}");
        assert!(row("restart").contains("100") && row("restart").contains("0.50"), "{text}");
    }
}
