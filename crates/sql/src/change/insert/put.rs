//! Complete rows on their way into the table: lock, check, write.

use super::{Arbiter, Conflict, InsertPlan, Refusal, bulk};
use crate::change::entries::move_entries;
use crate::change::lock::lock_and_read;
use crate::change::{Changed, Run};
use crate::shape::{Place, Shape};
use base::{Error, Result, SqlState, Value};
use bytes::Bytes;
use format::index::{Entries, Entry};
use std::collections::BTreeMap;

/// A row that is to be inserted.
struct Wish {
    place: Place,
    row: Vec<Value>,
    entries: Vec<Entry>,
}

impl Wish {
    /// Everything another row could have as well.
    fn claims<'w>(&'w self, shape: &'w Shape) -> impl Iterator<Item = (Arbiter, Place)> + 'w {
        // A hidden key is new by construction: nobody else can have it.
        let key = (!shape.table.has_hidden_key()).then(|| (Arbiter::Key, self.place.clone()));
        let contested = self.entries.iter().enumerate().filter(|(_, e)| e.contested);
        let place = |(i, e): (usize, &Entry)| (Arbiter::Index(i), (self.place.0, e.key.clone()));
        key.into_iter().chain(contested.map(place))
    }
}

/// Who has what was claimed.
enum Holder {
    /// A row from before: itself or its index entry, as stored.
    Stored(Bytes),
    /// A row that this statement has written.
    Own,
}

/// Locks, checks and writes complete rows.
pub(super) async fn put(
    run: &mut Run<'_>,
    plan: &InsertPlan,
    rows: Vec<Vec<Value>>,
    changed: &mut Changed,
) -> Result<(), Refusal> {
    let shape = &plan.shape;
    for (at, row) in rows.iter().enumerate() {
        shape.check(row).map_err(Refusal::of(at))?;
    }
    run.txn.begin_writing().await?;
    if rows.len() >= bulk::ROWS_MIN && matches!(plan.conflict, Conflict::Fail) {
        let wait = run.wait_in(shape.table.storage);
        bulk::put_new(run, shape, &rows, wait).await?;
        rows.into_iter().for_each(|row| changed.add(plan, row));
        return Ok(());
    }
    let mut wishes = Vec::with_capacity(rows.len());
    for row in rows {
        let place = shape.place(&row);
        let entries = shape.entries(&row, &place)?;
        wishes.push(Wish { place, row, entries });
    }
    let mut holders = look(run, shape, &wishes).await?;
    let several = wishes.len() > 1;
    for (at, wish) in wishes.into_iter().enumerate() {
        let found: Vec<(Arbiter, Place)> =
            wish.claims(shape).filter(|(_, place)| holders.contains_key(place)).collect();
        if found.is_empty() {
            if several {
                let own = wish.claims(shape).map(|(_, place)| (place, Holder::Own));
                holders.extend(own);
            }
            write(run, shape, &wish)?;
            changed.add(plan, wish.row);
            continue;
        }
        let judged = judge(plan, &wish, found);
        let judged = judged.map_err(Refusal::of(at))?;
        if let Some((arbiter, place)) = judged {
            let old = existing(run, shape, arbiter, &place, holders.get(&place)).await?;
            if let Some(new) = update(run, plan, &mut holders, &old, wish.row).await? {
                changed.add(plan, new);
            }
            holders.insert(place, Holder::Own);
        }
    }
    Ok(())
}

impl Changed {
    fn add(&mut self, plan: &InsertPlan, row: Vec<Value>) {
        self.count += 1;
        if plan.returning.is_some() {
            self.rows.push(row);
        }
    }
}

/// Locks what is claimed and reads who has it, own earlier changes included.
async fn look(
    run: &mut Run<'_>,
    shape: &Shape,
    wishes: &[Wish],
) -> Result<BTreeMap<Place, Holder>> {
    let claims: Vec<Place> =
        wishes.iter().flat_map(|w| w.claims(shape)).map(|(_, place)| place).collect();
    let private = run.private.contains(&shape.table.storage);
    let found = lock_and_read(run, private, &claims).await?;
    let held = claims.into_iter().zip(found);
    Ok(held.filter_map(|(place, row)| Some((place, Holder::Stored(row?.row)))).collect())
}

/// Writes a row and its index entries, which are locked as far as need be.
fn write(run: &mut Run<'_>, shape: &Shape, wish: &Wish) -> Result<()> {
    let (partition, key) = &wish.place;
    run.txn.write(*partition, key.clone(), Some(shape.encode(&wish.row)))?;
    for entry in &wish.entries {
        let (key, row) = (entry.key.clone(), Some(entry.row.clone()));
        match entry.contested {
            true => run.txn.write(*partition, key, row)?,
            false => run.txn.write_entry(*partition, key, row)?,
        }
    }
    Ok(())
}

/// What to do about a row of whose claims others have these: `None` leaves it out, else the row to
/// be changed in its place is the one that has this.
///
/// # Errors
/// 23505
fn judge(
    plan: &InsertPlan,
    wish: &Wish,
    found: Vec<(Arbiter, Place)>,
) -> Result<Option<(Arbiter, Place)>> {
    let wanted = match plan.conflict {
        Conflict::Fail => None,
        Conflict::Skip(None) => return Ok(None),
        Conflict::Skip(Some(arbiter)) | Conflict::Update(arbiter, ..) => Some(arbiter),
    };
    let first = found.first().map(|(arbiter, _)| *arbiter);
    match found.into_iter().find(|(arbiter, _)| Some(*arbiter) == wanted) {
        Some(found) => Ok(matches!(plan.conflict, Conflict::Update(..)).then_some(found)),
        None => Err(match first {
            Some(Arbiter::Index(i)) => plan.shape.duplicate_in(&plan.shape.indexes[i], &wish.row),
            _ => plan.shape.duplicate(&wish.row),
        }),
    }
}

/// The row in the way, locked, and where it is.
async fn existing(
    run: &mut Run<'_>,
    shape: &Shape,
    arbiter: Arbiter,
    place: &Place,
    holder: Option<&Holder>,
) -> Result<(Place, Vec<Value>)> {
    let Some(Holder::Stored(stored)) = holder else {
        return Err(Error::new(
            SqlState::CARDINALITY_VIOLATION,
            "ON CONFLICT DO UPDATE command cannot affect row a second time",
        ));
    };
    let Arbiter::Index(i) = arbiter else { return Ok((place.clone(), shape.decode(stored)?)) };
    let index = &shape.indexes[i].index;
    let key = Entries::of(&shape.table, index).row_key_of(&place.1, stored)?;
    let place = (place.0, key);
    let private = run.private.contains(&shape.table.storage);
    let found = lock_and_read(run, private, std::slice::from_ref(&place)).await?.pop().flatten();
    match found {
        Some(row) => Ok((place, shape.decode(&row.row)?)),
        None => Err(lost_row(&index.name)),
    }
}

/// An entry without its row.
pub fn lost_row(index: &str) -> Error {
    Error::corrupt(format!("index \"{index}\" has an entry for a row that is not there"))
        .hint("REINDEX makes the index anew")
}

/// Changes the row in the way as DO UPDATE says; `None` if its condition does not hold.
async fn update(
    run: &mut Run<'_>,
    plan: &InsertPlan,
    holders: &mut BTreeMap<Place, Holder>,
    (place, old): &(Place, Vec<Value>),
    proposed: Vec<Value>,
) -> Result<Option<Vec<Value>>> {
    let shape = &plan.shape;
    let Some(new) = merged(run, plan, old, proposed)? else { return Ok(None) };
    run.txn.write(place.0, place.1.clone(), Some(shape.encode(&new)))?;
    let pair = (Some((place, old.as_slice())), Some((place, new.as_slice())));
    move_entries(run, shape, &[pair]).await?;
    // The rows to come must see what this one has given up, and what it has now.
    let (before, after) = (shape.entries(old, place)?, shape.entries(&new, place)?);
    for (before, after) in before.into_iter().zip(after).filter(|(a, b)| a != b) {
        holders.remove(&(place.0, before.key));
        if after.contested {
            holders.insert((place.0, after.key), Holder::Own);
        }
    }
    Ok(Some(new))
}

/// The existing row as DO UPDATE changes it; `None` if its condition does not hold.
fn merged(
    run: &Run<'_>,
    plan: &InsertPlan,
    old: &[Value],
    proposed: Vec<Value>,
) -> Result<Option<Vec<Value>>> {
    let Conflict::Update(_, sets, condition) = &plan.conflict else { return Ok(None) };
    let mut both = old.to_vec();
    both.extend(proposed);
    if let Some(condition) = condition
        && !condition.holds(&both, run.frame)?
    {
        return Ok(None);
    }
    let mut new = old.to_vec();
    for (position, cell) in sets {
        let column = &plan.shape.columns()[*position];
        new[*position] = cell.assign(&both, run.frame, column.ty, &column.name)?;
    }
    plan.shape.check(&new)?;
    Ok(Some(new))
}
