//! `nextval`, `currval`, `lastval` and `setval`.
//!
//! ```text
//!   in a query                             in values and defaults of an INSERT
//!   nextval('s') ─ plan ─▶ open call       nextval('s') ─ compile ─▶ Drawn::Next(s)
//!        │ bind                                 │ how many rows? ─▶ reserve as many at once
//!        ▼                                      ▼
//!   asynchronous call, batch by batch      taken one by one while rows are made
//!        └────────────────▶ Draws ◀─────────────┘
//!                             │ transaction's handle, session's memory, names
//!                             ▼
//!                      txn::SequenceHandle
//! ```
//!
//! # Invariants
//! * Every row gets a value of its own, in every place where a value is asked for.
//! * What `currval` tells is the session's own, whatever others draw, and outlives transactions.
//! * Where values cannot be reserved before they are needed, the statement is refused (0A000).

mod call;
mod cells;
mod memory;

pub use call::{bind, functions, is_drawing, is_known};
pub use cells::{Drawn, Reference, draws};
pub use memory::Memory;

use crate::privilege::{Identity, Object};
use crate::system;
use ::arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use ::arrow::datatypes::Schema;
use base::{
    Catalog, Column, Error, Privileges, Result, SequenceDescriptor, SqlState, SqlType, TableId,
};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName,
    Statement, Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use txn::SequenceHandle;

/// What one statement draws from sequences.
#[derive(Debug)]
pub struct Draws {
    handle: SequenceHandle,
    catalog: Arc<Catalog>,
    memory: Arc<Memory>,
    /// Who draws.
    by: Arc<Identity>,
    /// Reserved for rows that are about to be made.
    reserved: Mutex<BTreeMap<TableId, VecDeque<i64>>>,
    calls: AtomicU64,
}

impl Draws {
    /// For a statement of a transaction that sees `catalog`, in a session that remembers `memory`,
    /// and of this user.
    pub fn new(
        handle: SequenceHandle,
        catalog: Arc<Catalog>,
        memory: Arc<Memory>,
        by: Arc<Identity>,
    ) -> Draws {
        let (reserved, calls) = (Mutex::default(), AtomicU64::new(0));
        Draws { handle, catalog, memory, by, reserved, calls }
    }

    /// Nothing, if the user has one of these privileges on a sequence. An identity column's is used
    /// by whoever may insert rows.
    fn need(&self, id: TableId, any: Privileges) -> Result<()> {
        if self.by.superuser {
            return Ok(());
        }
        Object::schema(&self.catalog).need(&self.by, Privileges::USAGE)?;
        let Some(sequence) = self.catalog.sequences.get(&id) else { return Ok(()) };
        let of_identity = sequence.owner.filter(|o| o.identity.is_some());
        let table = of_identity.and_then(|o| self.catalog.tables.get(&o.table));
        let inserts = table.is_some_and(|table| {
            Object::table(&self.catalog, table).held(&self.by).has(Privileges::INSERT)
        });
        if inserts && any.has(Privileges::USAGE) {
            return Ok(());
        }
        Object::sequence(&self.catalog, sequence).need_any(&self.by, any)
    }

    /// The next values, as many as rows want one.
    pub async fn next(&self, id: TableId, count: usize) -> Result<Vec<i64>> {
        self.need(id, Privileges::USAGE.with(Privileges::UPDATE))?;
        let values = self.handle.next(id, count).await?;
        if let Some(last) = values.last() {
            self.memory.note(id, *last);
        }
        Ok(values)
    }

    /// Reserves values for rows that are about to be made.
    pub async fn reserve(&self, id: TableId, count: usize) -> Result<()> {
        self.need(id, Privileges::USAGE.with(Privileges::UPDATE))?;
        let values = self.handle.next(id, count).await?;
        self.reserved.lock().entry(id).or_default().extend(values);
        Ok(())
    }

    /// A value that was reserved.
    pub fn take(&self, id: TableId) -> Result<i64> {
        let value = self.reserved.lock().get_mut(&id).and_then(VecDeque::pop_front);
        let value = value.ok_or_else(|| Error::unsupported("nextval() here"))?;
        self.memory.note(id, value);
        Ok(value)
    }

    /// The last value this session got of a sequence.
    pub fn current(&self, id: TableId) -> Result<i64> {
        self.need(id, Privileges::USAGE.with(Privileges::SELECT))?;
        self.memory.current(id).ok_or_else(|| {
            let name = self.catalog.sequences.get(&id).map_or("", |s| s.name.as_str());
            Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("currval of sequence \"{name}\" is not yet defined in this session"),
            )
        })
    }

    /// The last value this session got of any.
    pub fn last(&self) -> Result<i64> {
        let known = self.memory.last().filter(|(id, _)| self.catalog.sequences.contains_key(id));
        if let Some((id, _)) = &known {
            self.need(*id, Privileges::USAGE.with(Privileges::SELECT))?;
        }
        known.map(|(_, value)| value).ok_or_else(|| {
            Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "lastval is not yet defined in this session",
            )
        })
    }

    /// Makes a sequence stand at a value.
    pub async fn set(&self, id: TableId, value: i64, called: bool) -> Result<()> {
        self.need(id, Privileges::UPDATE)?;
        self.handle.set(id, value, called).await?;
        if called {
            self.memory.set(id, value);
        }
        Ok(())
    }

    /// The sequence that a text names.
    pub fn resolve(&self, text: &str) -> Result<TableId> {
        resolve(&self.catalog, text).map(|s| s.id)
    }

    /// A number for a call, so that no two calls are taken for the same.
    fn number(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }
}

/// The sequence that a text names: a name, with or without schema, or a number.
///
/// # Errors
/// 42P01 if there is nothing of that name, 42809 if it is no sequence.
pub fn resolve<'c>(catalog: &'c Catalog, text: &str) -> Result<&'c Arc<SequenceDescriptor>> {
    if let Ok(oid) = text.trim().parse::<i64>() {
        let found = catalog.sequences.values().find(|s| system::relation_oid(s.id) == oid);
        return found.ok_or_else(|| {
            let message = format!("relation with OID {oid} does not exist");
            Error::new(SqlState::UNDEFINED_TABLE, message)
        });
    }
    let parts = system::split_name(text);
    let (schema, name) = match parts.as_slice() {
        [name] => ("public", name.as_str()),
        [.., schema, name] => (schema.as_str(), name.as_str()),
        [] => ("", ""),
    };
    if let Some(found) = catalog.sequence(schema, name) {
        return Ok(found);
    }
    if catalog.table(schema, name).is_some() {
        let message = format!("\"{name}\" is not a sequence");
        return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
    }
    Err(crate::plan::no_table(text))
}

/// The default of a column that takes its values from a sequence.
pub fn default_text(s: &SequenceDescriptor) -> String {
    let name = system::quoted(&s.name).replace('\'', "''");
    format!("nextval('{name}'::regclass)")
}

/// The next value of exactly this sequence, whatever its name.
pub fn call_text(s: &SequenceDescriptor) -> String {
    format!("nextval('{}')", system::relation_oid(s.id))
}

/// True if a column's default takes values from this sequence.
pub fn is_used(catalog: &Catalog, column: &Column, s: &SequenceDescriptor) -> bool {
    let Some(text) = column.default.as_deref().filter(|text| text.contains("nextval")) else {
        return false;
    };
    let Ok(e) = crate::change::parse_expr(text) else { return false };
    struct Named(Vec<String>);
    impl Visitor for Named {
        type Break = ();
        fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
            if let Some(Expr::Value(ValueWithSpan { value, .. })) = first_argument(e)
                && let Value::SingleQuotedString(name) = value
            {
                self.0.push(name.clone());
            }
            ControlFlow::Continue(())
        }
    }
    let mut named = Named(Vec::new());
    let _ = read(&e, &mut named);
    named.0.iter().any(|name| resolve(catalog, name).is_ok_and(|found| found.id == s.id))
}

/// True if a statement calls a function of sequences.
pub fn concerns(ast: &Statement) -> bool {
    struct Any;
    impl Visitor for Any {
        type Break = ();
        fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
            match first_argument(e) {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        }
    }
    read(ast, &mut Any).is_break()
}

/// The sequences that a statement reads like tables.
pub fn read_as_tables(catalog: &Catalog, ast: &Statement) -> Vec<Arc<SequenceDescriptor>> {
    struct Relations<'c>(&'c Catalog, Vec<Arc<SequenceDescriptor>>);
    impl Visitor for Relations<'_> {
        type Break = ();
        fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
            if let Ok((schema, name)) = crate::change::schema_and_name(name) {
                let schema = schema.as_deref().unwrap_or("public");
                self.1.extend(self.0.sequence(schema, &name).cloned());
            }
            ControlFlow::Continue(())
        }
    }
    let mut found = Relations(catalog, Vec::new());
    if !catalog.sequences.is_empty() {
        let _ = read(ast, &mut found);
    }
    found.1
}

/// What `SELECT * FROM s` shows: where it stands, and how many values are reserved beyond that.
pub fn as_table(((last, called), reserved): ((i64, bool), u64)) -> Result<Arc<dyn TableProvider>> {
    let field = |name, ty| crate::types::field(name, ty, false);
    let schema = Arc::new(Schema::new(vec![
        field("last_value", SqlType::BigInt),
        field("log_cnt", SqlType::BigInt),
        field("is_called", SqlType::Bool),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![last])),
        Arc::new(Int64Array::from(vec![i64::try_from(reserved).unwrap_or(i64::MAX)])),
        Arc::new(BooleanArray::from(vec![called])),
    ];
    let failed = |e: String| Error::internal(format!("showing a sequence: {e}"));
    let batch = RecordBatch::try_new(schema.clone(), columns).map_err(|e| failed(e.to_string()))?;
    let table = MemTable::try_new(schema, vec![vec![batch]]).map_err(|e| failed(e.to_string()))?;
    Ok(Arc::new(table))
}

fn read(e: &impl Visit, visitor: &mut dyn Visitor<Break = ()>) -> ControlFlow<()> {
    crate::walk::read(e, visitor)
}

/// The first argument of a function of sequences.
fn first_argument(e: &Expr) -> Option<&Expr> {
    let Expr::Function(f) = e else { return None };
    let name = f.name.0.last()?.as_ident().map(crate::change::fold)?;
    let FunctionArguments::List(list) = &f.args else { return None };
    match list.args.first() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))) if is_known(&name) => Some(arg),
        _ => None,
    }
}

/// Takes `::regclass` from the names of sequences: they are looked up when they are needed.
pub fn plain_names(ast: &mut impl VisitMut) {
    struct Plain;
    impl VisitorMut for Plain {
        type Break = ();
        fn pre_visit_expr(&mut self, e: &mut Expr) -> ControlFlow<()> {
            if first_argument(e).is_some_and(is_regclass)
                && let Expr::Function(f) = e
                && let FunctionArguments::List(list) = &mut f.args
                && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))) =
                    list.args.first_mut()
                && let Expr::Cast { expr, .. } = arg
            {
                *arg = expr.as_ref().clone();
            }
            ControlFlow::Continue(())
        }
    }
    let _ = crate::walk::change(ast, &mut Plain);
}

/// `x::regclass`, also in two steps (`'s'::text::regclass`).
fn is_regclass(e: &Expr) -> bool {
    matches!(
        e,
        Expr::Cast {
            kind: CastKind::DoubleColon | CastKind::Cast,
            data_type: DataType::Regclass,
            ..
        }
    )
}
