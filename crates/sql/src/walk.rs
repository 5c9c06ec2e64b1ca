//! Walks over syntax trees.
//!
//! The parser's own walk is generic: each kind of visitor compiles it anew for all some hundred kinds
//! of nodes. Here it is compiled once for reading and once for changing.

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, VisitMut,
    Visitor, VisitorMut,
};
use std::ops::ControlFlow;

/// Shows a tree to a visitor; tells whether it broke off.
pub fn read(ast: &impl Visit, visitor: &mut dyn Visitor<Break = ()>) -> ControlFlow<()> {
    ast.visit(&mut Reader(visitor))
}

/// Lets a visitor change a tree; tells whether it broke off.
pub fn change(
    ast: &mut impl VisitMut,
    visitor: &mut dyn VisitorMut<Break = ()>,
) -> ControlFlow<()> {
    ast.visit(&mut Changer(visitor))
}

struct Reader<'v>(&'v mut dyn Visitor<Break = ()>);

struct Changer<'v>(&'v mut dyn VisitorMut<Break = ()>);

macro_rules! forward {
    ($($method:ident: $node:ty),* $(,)?) => {
        impl Visitor for Reader<'_> {
            type Break = ();
            $(fn $method(&mut self, node: &$node) -> ControlFlow<()> {
                self.0.$method(node)
            })*
        }

        impl VisitorMut for Changer<'_> {
            type Break = ();
            $(fn $method(&mut self, node: &mut $node) -> ControlFlow<()> {
                self.0.$method(node)
            })*
        }
    };
}

forward! {
    pre_visit_query: Query,
    post_visit_query: Query,
    pre_visit_select: Select,
    post_visit_select: Select,
    pre_visit_relation: ObjectName,
    post_visit_relation: ObjectName,
    pre_visit_table_factor: TableFactor,
    post_visit_table_factor: TableFactor,
    pre_visit_expr: Expr,
    post_visit_expr: Expr,
    pre_visit_statement: Statement,
    post_visit_statement: Statement,
    pre_visit_value: ValueWithSpan,
    post_visit_value: ValueWithSpan,
}
