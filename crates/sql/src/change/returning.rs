//! RETURNING: expressions over the changed rows.

use super::Scope;
use super::ast::names_of;
use super::table::Target;
use crate::cell::{Cell, Compiler, Frame};
use crate::plan::{ResultColumn, Rows};
use crate::types;
use ::arrow::array::{RecordBatch, RecordBatchOptions};
use ::arrow::datatypes::Schema;
use base::{Error, Result, Value};
use datafusion::sql::sqlparser::ast::{SelectItem, SelectItemQualifiedWildcardKind};
use futures::StreamExt;
use std::sync::Arc;

/// Compiled RETURNING, or the result columns of a statement on one row.
#[derive(Debug)]
pub struct Returning {
    items: Vec<Cell>,
    /// What the client gets.
    pub columns: Vec<ResultColumn>,
    schema: Arc<Schema>,
}

impl Returning {
    /// Compiles result items over the rows of a table.
    pub fn compile(
        scope: &mut Scope<'_>,
        target: &Target,
        items: &[SelectItem],
    ) -> Result<Returning> {
        let parts = [(target.alias.as_str(), target.shape.schema.clone())];
        let types = std::mem::take(&mut scope.types);
        let mut compiler = Compiler::over(scope.runtime, scope.names, &parts, types)?;
        let mut cells = Vec::new();
        let mut named = Vec::new();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => {
                    named.push(names_of(std::slice::from_ref(item), 1).pop().flatten());
                    cells.push(compiler.cell(e, None)?);
                }
                SelectItem::Wildcard(_) => all_columns(target, &mut cells, &mut named),
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) if super::ast::last_part(name)? == target.alias => {
                    all_columns(target, &mut cells, &mut named);
                }
                other => return Err(Error::unsupported(format!("{other} here"))),
            }
        }
        if compiler.draws {
            return Err(Error::unsupported("nextval() in RETURNING"));
        }
        scope.types = compiler.types;
        Ok(Returning::new(cells, named))
    }

    fn new(items: Vec<Cell>, names: Vec<Option<String>>) -> Returning {
        let columns: Vec<ResultColumn> = items
            .iter()
            .zip(names)
            .map(|(cell, name)| ResultColumn {
                name: name.unwrap_or_else(|| "?column?".into()),
                ty: cell.ty(),
            })
            .collect();
        let fields: Vec<_> = columns.iter().map(|c| types::field(&c.name, c.ty, true)).collect();
        Returning { items, columns, schema: Arc::new(Schema::new(fields)) }
    }

    /// The result for some rows.
    pub fn batch(&self, rows: &[Vec<Value>], frame: &Frame) -> Result<RecordBatch> {
        let arrays = self
            .items
            .iter()
            .zip(&self.columns)
            .map(|(cell, column)| types::normalise(&cell.values(rows, frame)?, column.ty))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|e| Error::internal(format!("returning rows: {e}")))
    }

    /// The result for all rows, as a stream.
    pub fn rows(&self, rows: &[Vec<Value>], frame: &Frame) -> Result<Rows> {
        let batches: Vec<Result<RecordBatch>> = rows
            .chunks(8192)
            .map(|chunk| self.batch(chunk, frame))
            .map(Ok)
            .collect::<Result<_>>()?;
        Ok(futures::stream::iter(batches).boxed())
    }
}

fn all_columns(target: &Target, cells: &mut Vec<Cell>, names: &mut Vec<Option<String>>) {
    for (i, column) in target.shape.visible() {
        cells.push(Cell::Column(i, column.ty));
        names.push(Some(column.name.clone()));
    }
}
