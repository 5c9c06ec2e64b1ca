//! The table a statement changes.

use super::Scope;
use super::ast::{fold, schema_and_name};
use crate::plan::TARGET;
use crate::shape::Shape;
use base::{Catalog, Error, Result, SqlState, TableDescriptor};
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, TableAlias, TableFactor, TableWithJoins,
};
use std::sync::Arc;

/// A table to change and the name by which the statement calls it.
pub struct Target {
    /// The table.
    pub shape: Arc<Shape>,
    /// Its alias or name.
    pub alias: String,
}

/// The user table of this name.
pub fn writable(catalog: &Catalog, name: &ObjectName) -> Result<Arc<TableDescriptor>> {
    let (schema, table) = schema_and_name(name)?;
    let schema = schema.unwrap_or_else(|| "public".into());
    if let Some(found) = catalog.table(&schema, &table) {
        return Ok(found.clone());
    }
    if catalog.sequence(&schema, &table).is_some() {
        return Err(Error::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!("cannot change sequence \"{table}\""),
        ));
    }
    if matches!(schema.as_str(), "information_schema" | "pg_catalog" | "sys") {
        return Err(Error::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            format!("\"{name}\" is a system view: it cannot be changed"),
        ));
    }
    Err(Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist")))
}

impl Target {
    /// By name.
    pub fn named(scope: &Scope<'_>, name: &ObjectName, alias: Option<String>) -> Result<Target> {
        let table = writable(scope.catalog, name)?;
        let alias = alias.unwrap_or_else(|| table.name.clone());
        Ok(Target { shape: Arc::new(Shape::new(table, scope.partitions)), alias })
    }

    /// As the relation of an UPDATE or DELETE.
    pub fn of(scope: &Scope<'_>, relation: &TableWithJoins) -> Result<Target> {
        match &relation.relation {
            TableFactor::Table { name, alias, args: None, .. } if relation.joins.is_empty() => {
                let alias = alias.as_ref().map(|a| fold(&a.name));
                Target::named(scope, name, alias)
            }
            _ => Err(Error::unsupported("changing anything but a table")),
        }
    }

    /// The relation that reads the target with its hidden columns, under the statement's name.
    pub fn relation(&self) -> TableWithJoins {
        let quoted = |s: &str| Ident::with_quote('"', s);
        let relation = TableFactor::Table {
            name: ObjectName(vec![ObjectNamePart::Identifier(quoted(TARGET))]),
            alias: Some(TableAlias {
                explicit: true,
                name: quoted(&self.alias),
                columns: Vec::new(),
                at: None,
            }),
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        TableWithJoins { relation, joins: Vec::new() }
    }

    /// The key columns as expressions.
    pub fn key_idents(&self) -> Vec<Vec<Ident>> {
        let quoted = |s: &str| Ident::with_quote('"', s);
        self.shape
            .key
            .iter()
            .map(|i| vec![quoted(&self.alias), quoted(&self.shape.columns()[*i].name)])
            .collect()
    }
}
