//! AST → logical expression → [`Cell`].

use super::{Cell, Computed, Input};
use crate::error::{datafusion as df, wrap};
use crate::plan::{Names, Runtime, fields, placeholder_index, session_value};
use crate::sequence::{Drawn, Reference};
use crate::types::{self, sql_type_of};
use ::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use base::{Error, Result, SqlType};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, ScalarValue, TableReference};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{self, UnaryOperator, ValueWithSpan};
use std::sync::Arc;

/// Compiles expressions over the columns of one row.
pub struct Compiler<'a> {
    runtime: &'a Runtime,
    names: &'a Names<'a>,
    schema: DFSchemaRef,
    columns: Vec<SqlType>,
    /// Types of parameters as far as they are known; compiling adds to them.
    pub types: Vec<Option<SqlType>>,
    /// Something compiled takes new values from a sequence: whoever evaluates it reserves them.
    pub draws: bool,
}

impl<'a> Compiler<'a> {
    /// For expressions without columns.
    pub fn without_row(
        runtime: &'a Runtime,
        names: &'a Names<'a>,
        types: Vec<Option<SqlType>>,
    ) -> Compiler<'a> {
        let schema = Arc::new(DFSchema::empty());
        Compiler { runtime, names, schema, columns: Vec::new(), types, draws: false }
    }

    /// For expressions over rows: the parts side by side, each under a name of its own.
    pub fn over(
        runtime: &'a Runtime,
        names: &'a Names<'a>,
        parts: &[(&str, SchemaRef)],
        types: Vec<Option<SqlType>>,
    ) -> Result<Compiler<'a>> {
        let mut schema = DFSchema::empty();
        for (name, part) in parts {
            let name = TableReference::bare(*name);
            let part = DFSchema::try_from_qualified_schema(name, part).map_err(df)?;
            schema = schema.join(&part).map_err(df)?;
        }
        let columns = schema.fields().iter().map(|f| sql_type_of(f)).collect();
        Ok(Compiler { runtime, names, schema: Arc::new(schema), columns, types, draws: false })
    }

    /// The condition or value as DataFusion's expression; parameters are still open.
    pub fn logical(&mut self, ast: &ast::Expr) -> Result<Expr> {
        let rel = SqlToRel::new(self.names);
        let mut context = PlannerContext::new().with_prepare_param_data_types(fields(&self.types));
        let e = rel.sql_to_expr(ast.clone(), &self.schema, &mut context).map_err(df)?;
        let e = self.qualified(e)?;
        self.learn(&e)?;
        Ok(e)
    }

    /// Gives every column its table's name, and refuses ambiguous ones.
    fn qualified(&self, e: Expr) -> Result<Expr> {
        let columns = datafusion::logical_expr::utils::expr_to_columns;
        let mut used = std::collections::HashSet::new();
        columns(&e, &mut used).map_err(df)?;
        datafusion::logical_expr::expr_rewriter::normalize_col_with_schemas_and_ambiguity_check(
            e,
            &[&[&self.schema]],
            &[used],
        )
        .map_err(df)
    }

    /// Notes the parameter types that planning has found.
    fn learn(&mut self, e: &Expr) -> Result<()> {
        e.apply(|e| {
            if let Expr::Placeholder(p) = e
                && let Some(field) = &p.field
                && let Some(i) = placeholder_index(&p.id)
                && let Some(slot @ None) = self.types.get_mut(i)
            {
                *slot = Some(sql_type_of(field));
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map(|_| ())
        .map_err(df)
    }

    /// Compiles an expression. A bare parameter of unknown type takes `wanted`, else text.
    pub fn cell(&mut self, ast: &ast::Expr, wanted: Option<SqlType>) -> Result<Cell> {
        if let Some(cell) = self.simple(ast, wanted) {
            return Ok(cell);
        }
        let e = self.logical(ast)?;
        self.compile(e)
    }

    /// Literals and parameters need no planner.
    fn simple(&mut self, ast: &ast::Expr, wanted: Option<SqlType>) -> Option<Cell> {
        let constant = |v| Some(Cell::Constant(v));
        match ast {
            ast::Expr::Nested(inner) => self.simple(inner, wanted),
            ast::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
                ast::Expr::Value(ValueWithSpan { value: ast::Value::Number(n, _), .. }) => {
                    constant(ScalarValue::Int64(Some(format!("-{n}").parse().ok()?)))
                }
                _ => None,
            },
            ast::Expr::Value(ValueWithSpan { value, .. }) => match value {
                ast::Value::Number(n, _) => constant(ScalarValue::Int64(Some(n.parse().ok()?))),
                ast::Value::SingleQuotedString(s) => constant(ScalarValue::Utf8(Some(s.clone()))),
                ast::Value::Null => constant(ScalarValue::Null),
                ast::Value::Boolean(b) => constant(ScalarValue::Boolean(Some(*b))),
                ast::Value::Placeholder(id) => {
                    let i = placeholder_index(id)?;
                    let slot = self.types.get_mut(i)?;
                    let ty = *slot.get_or_insert(wanted.unwrap_or(SqlType::Text));
                    Some(Cell::Param(i, ty))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// A value of a sequence, if the function gives one.
    fn drawn(&mut self, f: &ScalarFunction) -> Result<Option<Drawn>> {
        let drawn = Drawn::read(self.names.catalog(), f)?;
        if let Some(Drawn::Next(reference)) = drawn {
            self.draws = true;
            if let Reference::Id(id) = reference {
                self.names.draw(id);
            }
        }
        if let Some(Drawn::Next(Reference::Param(i)) | Drawn::Current(Reference::Param(i))) = drawn
            && let Some(slot @ None) = self.types.get_mut(i)
        {
            *slot = Some(SqlType::Text);
        }
        Ok(drawn)
    }

    /// Compiles a planned expression.
    pub fn compile(&mut self, e: Expr) -> Result<Cell> {
        match &e {
            Expr::Literal(v, _) => return Ok(Cell::Constant(v.clone())),
            Expr::Placeholder(p) => {
                if let Some(i) = placeholder_index(&p.id)
                    && let Some(ty) = self.types.get(i).copied().flatten()
                {
                    return Ok(Cell::Param(i, ty));
                }
            }
            Expr::ScalarFunction(f) => {
                if let Some(value) = session_value(f.func.name(), &Default::default()) {
                    let ty = types::natural(&value.data_type());
                    return Ok(Cell::Session(f.func.name().to_owned(), ty));
                }
                if let Some(drawn) = self.drawn(f)? {
                    return Ok(Cell::Sequence(drawn));
                }
            }
            Expr::Column(c) => {
                let i = self.schema.index_of_column(c).map_err(df)?;
                return Ok(Cell::Column(i, self.columns[i]));
            }
            _ => {}
        }
        self.computed(e).map(Cell::Computed)
    }

    /// Compiles a planned expression into its general form.
    pub fn computed(&mut self, e: Expr) -> Result<Computed> {
        let mut inputs: Vec<Input> = Vec::new();
        let mut schema_fields: Vec<Field> = Vec::new();
        let mut column = |input: Input, field: Field| {
            let at = inputs.iter().position(|i| *i == input).unwrap_or_else(|| {
                schema_fields.push(field.with_name(format!("i{}", inputs.len())));
                inputs.push(input);
                inputs.len() - 1
            });
            Expr::Column(Column::new_unqualified(format!("i{at}")))
        };
        let mut calls = 0;
        let e = e
            .transform_down(|e| {
                let (input, field) = match &e {
                    Expr::Column(c) => {
                        let i = self.schema.index_of_column(c)?;
                        (Input::Row(i, self.columns[i]), self.schema.field(i).as_ref().clone())
                    }
                    Expr::Placeholder(p) => {
                        let Some(i) = placeholder_index(&p.id) else {
                            return Ok(Transformed::no(e));
                        };
                        let ty = self.types.get(i).copied().flatten().unwrap_or(SqlType::Text);
                        (Input::Param(i), types::field("", ty, true))
                    }
                    Expr::ScalarFunction(f) => {
                        let name = f.func.name();
                        match session_value(name, &Default::default()) {
                            Some(v) => (
                                Input::Session(name.to_owned()),
                                Field::new("", v.data_type(), true),
                            ),
                            None => match self.drawn(f).map_err(wrap)? {
                                Some(drawn) => {
                                    calls += 1;
                                    let field = Field::new("", DataType::Int64, true);
                                    (Input::Sequence(drawn, calls), field)
                                }
                                None => return Ok(Transformed::no(e)),
                            },
                        }
                    }
                    _ => return Ok(Transformed::no(e)),
                };
                let jump = TreeNodeRecursion::Jump;
                Ok(Transformed::new(column(input, field), true, jump))
            })
            .map_err(df)?
            .data;
        refuse_relational(&e)?;
        let schema: SchemaRef = Arc::new(Schema::new(schema_fields));
        let df_schema = DFSchema::try_from(schema.clone()).map_err(df)?;
        let expr = self.runtime.physical_expr(e, &df_schema).map_err(df)?;
        let field = expr.return_field(&schema).map_err(df)?;
        Ok(Computed { inputs, schema, expr, field })
    }
}

/// Subqueries, aggregates and windows need a plan.
fn refuse_relational(e: &Expr) -> Result<()> {
    let found = e
        .exists(|e| {
            Ok(matches!(
                e,
                Expr::ScalarSubquery(_)
                    | Expr::InSubquery(_)
                    | Expr::Exists(_)
                    | Expr::AggregateFunction(_)
                    | Expr::WindowFunction(_)
            ))
        })
        .map_err(df)?;
    if found {
        return Err(Error::unsupported("a subquery or aggregate here"));
    }
    Ok(())
}
