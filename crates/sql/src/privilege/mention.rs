//! Where a catalog mentions a role: what keeps it from being dropped, and what changes when it is
//! renamed or its things go to somebody else.

use base::{Access, AclItem, Catalog, Securable};

/// What a role owns and was granted in a database, in words; empty if it has no part in it.
pub fn mentions(catalog: &Catalog, database: &str, role: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (of, access) in &catalog.access {
        let what = name(catalog, database, *of);
        if access.owner.as_deref() == Some(role) {
            found.push(format!("owner of {what}"));
        } else if access.acl.iter().flatten().any(|item| is_party(item, role)) {
            found.push(format!("privileges for {what}"));
        }
    }
    if catalog.defaults.keys().any(|(of, _)| of == role) {
        found.push(format!("defaults of sessions in database {database}"));
    }
    found
}

fn is_party(item: &AclItem, role: &str) -> bool {
    item.grantee.as_deref() == Some(role) || item.grantor == role
}

fn name(catalog: &Catalog, database: &str, of: Securable) -> String {
    match of {
        Securable::Database => format!("database {database}"),
        Securable::Schema => "schema public".to_owned(),
        Securable::Relation(id) => match (catalog.tables.get(&id), catalog.sequences.get(&id)) {
            (Some(table), _) => format!("table {}", table.name),
            (None, Some(sequence)) => format!("sequence {}", sequence.name),
            (None, None) => format!("relation {id}"),
        },
    }
}

/// What changes when a role gets another name.
pub fn rename(catalog: &Catalog, old: &str, new: &str) -> Vec<(Securable, Access)> {
    let renamed = |name: &String| if name == old { new.to_owned() } else { name.clone() };
    changed(catalog, |access| Access {
        owner: access.owner.as_ref().map(renamed),
        acl: access.acl.as_ref().map(|items| {
            let one = |item: &AclItem| AclItem {
                grantee: item.grantee.as_ref().map(renamed),
                grantor: renamed(&item.grantor),
                ..item.clone()
            };
            items.iter().map(one).collect()
        }),
    })
}

/// What changes when what a role owns goes to another one, which then also is the one who has
/// granted what the former owner has granted.
pub fn reassign(catalog: &Catalog, from: &str, to: &str) -> Vec<(Securable, Access)> {
    changed(catalog, |access| match access.owner.as_deref() == Some(from) {
        true => given(access, Some(from), to),
        false => access.clone(),
    })
}

/// An object's rights after it was given to a new owner.
pub fn given(access: &Access, from: Option<&str>, to: &str) -> Access {
    let acl = access.acl.as_ref().map(|items| {
        let mut merged: Vec<AclItem> = Vec::new();
        for item in items {
            let is_old = |name: &str| name == from.unwrap_or_default();
            let grantee = match &item.grantee {
                Some(name) if is_old(name) && is_old(&item.grantor) => Some(to.to_owned()),
                other => other.clone(),
            };
            let grantor = if is_old(&item.grantor) { to.to_owned() } else { item.grantor.clone() };
            super::grant(&mut merged, AclItem { grantee, grantor, ..item.clone() });
        }
        merged
    });
    Access { owner: Some(to.to_owned()), acl }
}

/// What changes when everything is revoked that a role was granted.
pub fn drop_owned(catalog: &Catalog, role: &str) -> Vec<(Securable, Access)> {
    changed(catalog, |access| {
        let keep = |item: &&AclItem| !is_party(item, role);
        let acl = access.acl.as_ref().map(|items| items.iter().filter(keep).cloned().collect());
        Access { acl, ..access.clone() }
    })
}

fn changed(catalog: &Catalog, change: impl Fn(&Access) -> Access) -> Vec<(Securable, Access)> {
    let all = catalog.access.iter().map(|(of, access)| (*of, change(access)));
    all.filter(|(of, new)| catalog.access.get(of).is_none_or(|old| **old != *new)).collect()
}
