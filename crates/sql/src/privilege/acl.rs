//! Lists of grants: what is in them at first, how they change, how they are shown.

use super::Kind;
use base::{AclItem, Privileges};

/// Stands for the owner of what has none.
const NOBODY: &str = "";

/// What holds as long as nothing was granted or revoked.
pub fn defaults(kind: Kind, owner: Option<&str>) -> Vec<AclItem> {
    let grantor = owner.unwrap_or(NOBODY).to_owned();
    let mut items = Vec::new();
    if !kind.public().is_empty() {
        items.push(AclItem {
            grantee: None,
            grantor: grantor.clone(),
            privileges: kind.public(),
            grantable: Privileges::NONE,
        });
    }
    if let Some(owner) = owner {
        items.push(AclItem {
            grantee: Some(owner.to_owned()),
            grantor,
            privileges: kind.all(),
            grantable: Privileges::NONE,
        });
    }
    items
}

/// Adds a grant to a list.
pub fn grant(items: &mut Vec<AclItem>, new: AclItem) {
    let same = |i: &&mut AclItem| i.grantee == new.grantee && i.grantor == new.grantor;
    match items.iter_mut().find(same) {
        Some(there) => {
            there.privileges = there.privileges.with(new.privileges);
            there.grantable = there.grantable.with(new.grantable);
        }
        None => items.push(new),
    }
}

/// Takes privileges away from somebody, or only the right to grant them on. Of the grants that
/// others have made by virtue of what is gone, those that depend on it go too if `cascade` says so.
/// `false`: there are such and it does not; then nothing has changed.
#[must_use]
pub fn revoke(
    items: &mut Vec<AclItem>,
    grantee: Option<&str>,
    grantor: &str,
    what: Privileges,
    option_only: bool,
    cascade: bool,
) -> bool {
    let mut after = items.clone();
    let mut lost = Privileges::NONE;
    for item in after.iter_mut() {
        if item.grantee.as_deref() == grantee && item.grantor == grantor {
            lost = lost.with(item.grantable.both(what));
            item.grantable = item.grantable.without(what);
            if !option_only {
                item.privileges = item.privileges.without(what);
            }
        }
    }
    if let Some(name) = grantee {
        let still = |p: Privileges| {
            after.iter().any(|i| i.grantee.as_deref() == Some(name) && i.grantable.has(p))
        };
        let gone = lost.each().filter(|(p, ..)| !still(*p));
        let gone = gone.fold(Privileges::NONE, |all, (p, ..)| all.with(p));
        let dependent: Vec<Option<String>> = after
            .iter()
            .filter(|i| i.grantor == name && i.grantee.as_deref() != Some(name))
            .filter(|i| !i.privileges.both(gone).is_empty())
            .map(|i| i.grantee.clone())
            .collect();
        if !dependent.is_empty() && !cascade {
            return false;
        }
        for grantee in dependent {
            if !revoke(&mut after, grantee.as_deref(), name, gone, false, true) {
                return false;
            }
        }
    }
    after.retain(|item| !item.privileges.is_empty());
    *items = after;
    true
}

/// As `\dp` shows it: `bob=arw*/ann`.
pub fn shown(item: &AclItem, nobody: &str) -> String {
    let quoted = |name: &str| match name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    };
    let mut text = item.grantee.as_deref().map(quoted).unwrap_or_default();
    text.push('=');
    for (one, letter, _) in item.privileges.each() {
        text.push(letter);
        if item.grantable.has(one) {
            text.push('*');
        }
    }
    text.push('/');
    text.push_str(&quoted(if item.grantor == NOBODY { nobody } else { &item.grantor }));
    text
}
