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

    /// Medians, and Antipode's as a multiple of the peer's.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED);
        let mut header = vec!["median of all runs".to_string()];
        header.extend(self.sides.iter().cloned());
        if self.sides.len() == 2 {
            header.push("ratio".into());
        }
        table.set_header(header);
        for (kind, figures) in &self.kinds {
            let medians: Vec<f64> = (0..self.sides.len()).map(|s| median(figures, s)).collect();
            let mut row = vec![kind.clone()];
            row.extend(medians.iter().map(|m| format!("{m:.0}")));
            if let [ours, theirs] = medians[..] {
                row.push(format!("{:.2}", ours / theirs));
            }
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
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
    fn the_table_has_medians_and_their_ratio() {
        let mut figures = Figures::new(vec!["a".into(), "b".into()]);
        for (side, value) in [(0, 10.0), (0, 30.0), (0, 20.0), (1, 8.0), (1, 12.0)] {
            figures.add("k", Figure { side, value });
        }
        let text = figures.table().to_string();
        assert!(text.contains("20") && text.contains("10") && text.contains("2.00"), "{text}");
    }
}
