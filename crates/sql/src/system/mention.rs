//! Finding out whether a statement concerns the system, and which tables it names.

use super::columns::RELATIONS;
use super::functions;
use crate::statement::fold;
use crate::walk;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, FunctionArguments, ObjectName, ObjectNamePart, Statement,
    Visitor,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// True if a statement names a system table or function, or has something that needs rewriting.
pub(super) fn concerns(ast: &Statement) -> bool {
    struct Any;
    impl Visitor for Any {
        type Break = ();

        fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
            stop_if(relation(name).is_some() || is_prefixed(name))
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            stop_if(is_ours(expr))
        }
    }
    walk::read(ast, &mut Any).is_break()
}

/// The system tables a statement names, by schema and name.
pub(super) fn relations(ast: &Statement) -> BTreeSet<(String, String)> {
    struct All(BTreeSet<(String, String)>);
    impl Visitor for All {
        type Break = ();

        fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
            self.0.extend(relation(name));
            ControlFlow::Continue(())
        }
    }
    let mut all = All(BTreeSet::new());
    let _ = walk::read(ast, &mut all);
    all.0
}

/// The system table that a name means. Without a schema, `pg_catalog` is searched first.
pub(super) fn relation(name: &ObjectName) -> Option<(String, String)> {
    let parts = parts(name);
    let key = match parts.as_slice() {
        // Only these can be in the map: spares ordinary names the lookup.
        [table] if table.starts_with("pg_") => ("pg_catalog".to_string(), table.clone()),
        [.., schema, table] if is_system(schema) => (schema.clone(), table.clone()),
        _ => return None,
    };
    RELATIONS.contains_key(&key).then_some(key)
}

/// The parts of a name, folded.
pub(super) fn parts(name: &ObjectName) -> Vec<String> {
    let ident = |part: &ObjectNamePart| part.as_ident().map(fold);
    name.0.iter().filter_map(ident).collect()
}

fn is_system(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema" | "sys")
}

fn is_prefixed(name: &ObjectName) -> bool {
    name.0.len() > 1 && parts(name).first().is_some_and(|p| is_system(p))
}

fn is_ours(expr: &Expr) -> bool {
    match expr {
        Expr::Collate { .. } => true,
        Expr::BinaryOp { op: BinaryOperator::PGCustomBinaryOperator(_), .. } => true,
        Expr::Cast { data_type: DataType::Regclass, .. } => true,
        Expr::Cast { data_type: DataType::Custom(name, _), .. } => is_catalog_type(name),
        Expr::Function(f) => {
            matches!(f.args, FunctionArguments::Subquery(_))
                || is_prefixed(&f.name)
                || parts(&f.name).last().is_some_and(|name| functions::is_known(name))
        }
        _ => false,
    }
}

/// True for types that only the catalogs use, and for any type with its schema.
fn is_catalog_type(name: &ObjectName) -> bool {
    let parts = parts(name);
    match parts.as_slice() {
        [schema, _] => schema == "pg_catalog",
        [name] => {
            name.starts_with("reg")
                || matches!(
                    name.as_str(),
                    "oid"
                        | "name"
                        | "char"
                        | "xid"
                        | "cid"
                        | "cstring"
                        | "aclitem"
                        | "pg_node_tree"
                )
        }
        _ => false,
    }
}

fn stop_if(found: bool) -> ControlFlow<()> {
    if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
