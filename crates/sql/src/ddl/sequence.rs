//! CREATE, ALTER and DROP SEQUENCE.

use crate::change::{Run, schema_and_name};
use crate::privilege::{self, Object};
use crate::sequence::is_used;
use crate::statement::{RoleName, SequenceChange, SequenceOptions};
use crate::types::sql_type;
use base::{
    Catalog, Error, Result, Securable, SequenceDescriptor, SequenceOwner, SqlState, SqlType,
    TableId,
};
use datafusion::sql::sqlparser::ast::ObjectName;
use partition::LockMode;
use std::sync::Arc;

/// Creates a sequence.
pub async fn create_sequence(
    run: &mut Run<'_>,
    name: &ObjectName,
    if_not_exists: bool,
    options: &SequenceOptions,
) -> Result<()> {
    let (schema, name) = schema_and_name(name)?;
    let schema = super::public(schema)?;
    run.txn.begin_ddl().await?;
    super::may_create(run).await?;
    let catalog = run.txn.catalog().await?;
    let taken =
        catalog.table(&schema, &name).is_some() || catalog.sequence(&schema, &name).is_some();
    if taken && if_not_exists {
        return Ok(());
    }
    let mut sequence = blank(TableId(0), schema, name, SqlType::BigInt);
    shape(&mut sequence, options, true)?;
    if let Some(owner) = &options.owned_by {
        sequence.owner = owner_named(&catalog, owner.as_ref())?;
    }
    add(run, sequence).await
}

/// Adds a sequence under a number of its own.
pub(super) async fn add(run: &mut Run<'_>, mut sequence: SequenceDescriptor) -> Result<()> {
    sequence.id = run.txn.next_table_id().await?;
    let at = (sequence.start, false);
    run.txn.put_sequence(&sequence, Some(at)).await?;
    super::own(run, sequence.id).await
}

/// A sequence of which nothing is said yet.
pub(super) fn blank(id: TableId, schema: String, name: String, ty: SqlType) -> SequenceDescriptor {
    SequenceDescriptor {
        id,
        schema,
        name,
        ty,
        start: 1,
        increment: 1,
        min: 1,
        max: limits(ty).1,
        cache: 1,
        cycle: false,
        owner: None,
        generation: 1,
        version: 1,
    }
}

/// The least and the greatest value of an integer type.
fn limits(ty: SqlType) -> (i64, i64) {
    match ty {
        SqlType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        SqlType::Int => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

fn invalid(message: String) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// Applies options to a sequence, `new` or as it was.
///
/// # Errors
/// 22023 if they do not go together.
pub(super) fn shape(s: &mut SequenceDescriptor, o: &SequenceOptions, new: bool) -> Result<()> {
    let (old_min, old_max) = limits(s.ty);
    let mut reset = (new, new);
    if let Some(ty) = &o.ty {
        let ty = sql_type(ty)?;
        if !matches!(ty, SqlType::SmallInt | SqlType::Int | SqlType::BigInt) {
            return Err(invalid("sequence type must be smallint, integer, or bigint".into()));
        }
        // Bounds that were those of the type go along with it.
        reset = (new || s.min == old_min, new || s.max == old_max);
        s.ty = ty;
    }
    if let Some(increment) = o.increment {
        if increment == 0 {
            return Err(invalid("INCREMENT must not be zero".into()));
        }
        s.increment = increment;
    }
    let (type_min, type_max) = limits(s.ty);
    let (usual_min, usual_max) = if s.increment > 0 { (1, type_max) } else { (type_min, -1) };
    match o.min {
        Some(min) => s.min = min.unwrap_or(usual_min),
        None if reset.0 => s.min = usual_min,
        None => {}
    }
    match o.max {
        Some(max) => s.max = max.unwrap_or(usual_max),
        None if reset.1 => s.max = usual_max,
        None => {}
    }
    for (what, value) in [("MAXVALUE", s.max), ("MINVALUE", s.min)] {
        if !(type_min..=type_max).contains(&value) {
            let ty = s.ty;
            return Err(invalid(format!(
                "{what} ({value}) is out of range for sequence data type {ty}"
            )));
        }
    }
    if s.min >= s.max {
        return Err(invalid(format!(
            "MINVALUE ({}) must be less than MAXVALUE ({})",
            s.min, s.max
        )));
    }
    match o.start {
        Some(start) => s.start = start,
        None if new => s.start = if s.increment > 0 { s.min } else { s.max },
        None => {}
    }
    within(s, "START", s.start)?;
    if let Some(cache) = o.cache {
        if cache <= 0 {
            return Err(invalid(format!("CACHE ({cache}) must be greater than zero")));
        }
        s.cache = cache;
    }
    s.cycle = o.cycle.unwrap_or(s.cycle);
    Ok(())
}

fn within(s: &SequenceDescriptor, what: &str, value: i64) -> Result<()> {
    if value < s.min {
        let min = s.min;
        return Err(invalid(format!(
            "{what} value ({value}) cannot be less than MINVALUE ({min})"
        )));
    }
    if value > s.max {
        let max = s.max;
        return Err(invalid(format!(
            "{what} value ({value}) cannot be greater than MAXVALUE ({max})"
        )));
    }
    Ok(())
}

/// The column that `OWNED BY` names.
fn owner_named(catalog: &Catalog, name: Option<&ObjectName>) -> Result<Option<SequenceOwner>> {
    let Some(name) = name else { return Ok(None) };
    let mut parts = name.clone();
    let column = parts.0.pop().and_then(|p| p.as_ident().map(crate::change::fold));
    let Some(column) = column.filter(|_| !parts.0.is_empty()) else {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "invalid OWNED BY option")
            .hint("Specify OWNED BY table.column or OWNED BY NONE."));
    };
    let table = crate::change::writable(catalog, &parts)?;
    let found = table.column_named(&column).filter(|c| !c.hidden).ok_or_else(|| {
        let table = &table.name;
        let message = format!("column \"{column}\" of relation \"{table}\" does not exist");
        Error::new(SqlState::UNDEFINED_COLUMN, message)
    })?;
    Ok(Some(SequenceOwner { table: table.id, column: found.id, identity: None }))
}

/// Alters a sequence.
pub async fn alter_sequence(
    run: &mut Run<'_>,
    name: &ObjectName,
    if_exists: bool,
    change: &SequenceChange,
) -> Result<()> {
    let old = match exclusively(run, name).await {
        Err(e) if if_exists && e.state == SqlState::UNDEFINED_TABLE => return Ok(()),
        other => other?,
    };
    let mut new = old.as_ref().clone();
    new.version += 1;
    let options = match change {
        SequenceChange::Owner(role) => {
            let of = Securable::Relation(old.id);
            let access = run.txn.catalog().await?.access(of);
            let owner = match role {
                RoleName::Named(name) => name,
                _ => &run.by.user,
            };
            let given = privilege::given(&access, access.owner.as_deref(), owner);
            return run.txn.put_access(of, &given).await;
        }
        SequenceChange::Rename(name) => {
            return rename(run, &old, SequenceDescriptor { name: name.clone(), ..new }).await;
        }
        SequenceChange::Options(options) => options,
    };
    let identity = old.owner.is_some_and(|o| o.identity.is_some());
    if let Some(owner) = &options.owned_by {
        if identity {
            let message = "cannot change ownership of identity sequence";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        let catalog = run.txn.catalog().await?;
        new.owner = owner_named(&catalog, owner.as_ref())?;
    }
    let alone = SequenceOptions { owned_by: options.owned_by.clone(), ..Default::default() };
    if *options == alone {
        return run.txn.put_sequence(&new, None).await;
    }
    shape(&mut new, options, false)?;
    move_to(run, &old, new, options.restart).await
}

/// Puts a changed sequence in the place of the old one: where it was, or where it is to restart.
pub(super) async fn move_to(
    run: &mut Run<'_>,
    old: &SequenceDescriptor,
    mut new: SequenceDescriptor,
    restart: Option<Option<i64>>,
) -> Result<()> {
    let at = match restart {
        Some(value) => (value.unwrap_or(new.start), false),
        None => run.txn.sequence_position(old).await?,
    };
    within(&new, "RESTART", at.0)?;
    new.generation += 1;
    run.txn.put_sequence(&new, Some(at)).await?;
    run.txn.retire_sequence(old).await
}

/// Renames it, also where defaults name it.
async fn rename(
    run: &mut Run<'_>,
    old: &SequenceDescriptor,
    new: SequenceDescriptor,
) -> Result<()> {
    let catalog = run.txn.catalog().await?;
    for table in catalog.tables.values() {
        if !table.columns.iter().any(|c| is_used(&catalog, c, old)) {
            continue;
        }
        let mut changed = super::exclusively_by_id(run, table.id).await?.as_ref().clone();
        for column in &mut changed.columns {
            if is_used(&catalog, column, old) {
                column.default = Some(crate::sequence::default_text(&new));
            }
        }
        changed.version += 1;
        run.txn.put_table(&changed).await?;
    }
    run.txn.put_sequence(&new, None).await
}

/// Drops sequences.
pub async fn drop_sequences(
    run: &mut Run<'_>,
    names: &[ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<()> {
    for name in names {
        let sequence = match exclusively(run, name).await {
            Ok(sequence) => sequence,
            Err(e) if if_exists && e.state == SqlState::UNDEFINED_TABLE => continue,
            Err(mut e) if e.state == SqlState::UNDEFINED_TABLE => {
                e.message = format!("sequence \"{name}\" does not exist");
                return Err(e);
            }
            Err(e) => return Err(e),
        };
        release_users(run, &sequence, cascade).await?;
        run.txn.drop_sequence(&sequence).await?;
    }
    Ok(())
}

/// Takes a sequence out of the defaults that use it, if that was asked for.
async fn release_users(run: &mut Run<'_>, s: &SequenceDescriptor, cascade: bool) -> Result<()> {
    let catalog = run.txn.catalog().await?;
    let refuse = |message: &str| {
        let message = format!("cannot drop sequence {} because {message}", s.name);
        Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
    };
    for table in catalog.tables.values() {
        for column in &table.columns {
            let identity = catalog.identity(table.id, column.id).is_some_and(|i| i.id == s.id);
            let what = format!("column {} of table {}", column.name, table.name);
            if identity {
                return Err(refuse(&format!("{what} requires it"))
                    .hint(format!("You can drop {what} instead.")));
            }
            if is_used(&catalog, column, s) && !cascade {
                return Err(refuse("other objects depend on it")
                    .detail(format!("default value for {what} depends on sequence {}", s.name))
                    .hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
        }
        if table.columns.iter().any(|c| is_used(&catalog, c, s)) {
            let mut changed = super::exclusively_by_id(run, table.id).await?.as_ref().clone();
            for column in &mut changed.columns {
                if is_used(&catalog, column, s) {
                    column.default = None;
                }
            }
            changed.version += 1;
            run.txn.put_table(&changed).await?;
        }
    }
    Ok(())
}

/// Drops the sequences that belong to a table, or to one of its columns.
pub(super) async fn drop_owned(
    run: &mut Run<'_>,
    table: TableId,
    column: Option<u32>,
) -> Result<()> {
    let catalog = run.txn.catalog().await?;
    for sequence in catalog.owned_by(table) {
        if column.is_none_or(|c| sequence.owner.is_some_and(|o| o.column == c)) {
            let sequence = lock(run, sequence.id).await?;
            run.txn.drop_sequence(&sequence).await?;
        }
    }
    Ok(())
}

/// Makes the sequences that belong to a table begin anew.
pub(super) async fn restart_owned(run: &mut Run<'_>, table: TableId) -> Result<()> {
    let catalog = run.txn.catalog().await?;
    for sequence in catalog.owned_by(table) {
        let old = lock(run, sequence.id).await?;
        let new = SequenceDescriptor { version: old.version + 1, ..old.as_ref().clone() };
        move_to(run, &old, new, Some(None)).await?;
    }
    Ok(())
}

/// Locks a sequence of the user's own for a change and returns the newest descriptor.
async fn exclusively(run: &mut Run<'_>, name: &ObjectName) -> Result<Arc<SequenceDescriptor>> {
    run.txn.begin_ddl().await?;
    let catalog = run.txn.catalog().await?;
    let (schema, bare) = schema_and_name(name)?;
    let schema = schema.unwrap_or_else(|| "public".into());
    match catalog.sequence(&schema, &bare) {
        Some(found) => {
            Object::sequence(&catalog, found).need_owner(run.by)?;
            lock(run, found.id).await
        }
        None if catalog.table(&schema, &bare).is_some() => {
            Err(Error::new(SqlState::WRONG_OBJECT_TYPE, format!("\"{bare}\" is not a sequence"))
                .hint("Use DROP TABLE or ALTER TABLE for a table."))
        }
        None => Err(Error::new(
            SqlState::UNDEFINED_TABLE,
            format!("relation \"{name}\" does not exist"),
        )),
    }
}

pub(super) async fn lock(run: &mut Run<'_>, id: TableId) -> Result<Arc<SequenceDescriptor>> {
    loop {
        let wait = run.wait;
        let stale = run.txn.lock_table(id, LockMode::Exclusive, wait).await?;
        if stale {
            run.txn.start_statement().await?;
        }
        let catalog = run.txn.catalog().await?;
        match catalog.sequences.get(&id) {
            Some(found) if !stale => return Ok(found.clone()),
            Some(_) => {}
            None => {
                return Err(Error::new(SqlState::UNDEFINED_TABLE, "the sequence was dropped"));
            }
        }
    }
}
