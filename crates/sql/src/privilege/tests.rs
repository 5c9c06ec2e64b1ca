use super::*;
use base::{Access, TableId};
use std::sync::Arc;

fn somebody(name: &str, roles: &[&str]) -> Identity {
    let roles: BTreeSet<String> = roles.iter().chain([&name]).map(|r| (*r).to_owned()).collect();
    Identity { user: name.into(), memberships: roles.clone(), roles, ..Identity::default() }
}

fn object(kind: Kind, owner: Option<&str>, acl: Option<Vec<AclItem>>) -> Object {
    let owner = owner.map(str::to_owned);
    let access = Arc::new(Access { owner: owner.clone(), acl });
    Object { kind, name: "o".into(), owner, access }
}

fn item(grantee: Option<&str>, grantor: &str, what: Privileges, option: Privileges) -> AclItem {
    let (grantee, grantor) = (grantee.map(str::to_owned), grantor.to_owned());
    AclItem { grantee, grantor, privileges: what, grantable: option }
}

#[test]
fn without_grants_an_object_is_its_owners_and_a_databases_door_is_open() {
    let (ann, bob) = (somebody("ann", &[]), somebody("bob", &[]));
    let table = object(Kind::Table, Some("ann"), None);
    assert_eq!(table.held(&ann), Kind::Table.all());
    assert_eq!(table.held(&bob), Privileges::NONE);
    assert!(table.is_owned(&ann) && !table.is_owned(&bob));
    assert_eq!(table.need_owner(&bob).unwrap_err().message, "must be owner of table o");
    let nobodys = object(Kind::Table, None, None);
    assert!(!nobodys.is_owned(&ann) && nobodys.is_owned(&Identity::superuser("root")));
    let database = object(Kind::Database, Some("ann"), None);
    assert!(database.held(&bob).has(Privileges::CONNECT));
    assert!(!database.held(&bob).has(Privileges::CREATE));
    let schema = object(Kind::Schema, Some("ann"), None);
    assert_eq!(schema.held(&bob), Privileges::USAGE);
}

#[test]
fn grants_reach_members_and_everybody() {
    let select = Privileges::SELECT;
    let items = vec![item(Some("readers"), "ann", select, Privileges::NONE)];
    let table = object(Kind::Table, Some("ann"), Some(items.clone()));
    assert!(table.held(&somebody("bob", &["readers"])).has(select));
    assert!(!table.held(&somebody("eve", &[])).has(select));
    // An owner can take its own privileges away; that it may grant them stays.
    let ann = somebody("ann", &[]);
    assert_eq!(table.held(&ann), Privileges::NONE);
    assert_eq!(table.grantable(&ann), Kind::Table.all());
    let public = vec![item(None, "ann", select, Privileges::NONE)];
    assert!(object(Kind::Table, Some("ann"), Some(public)).held(&somebody("eve", &[])).has(select));
}

#[test]
fn revoking_a_grant_option_takes_along_what_was_granted_with_it() {
    let (select, none) = (Privileges::SELECT, Privileges::NONE);
    let mut items = vec![
        item(Some("bob"), "ann", select.with(Privileges::INSERT), select),
        item(Some("eve"), "bob", select, none),
    ];
    let before = items.clone();
    assert!(!revoke(&mut items, Some("bob"), "ann", select, false, false));
    assert_eq!(items, before, "refused, so nothing has changed");
    assert!(revoke(&mut items, Some("bob"), "ann", select, true, true));
    let left = item(Some("bob"), "ann", select.with(Privileges::INSERT), none);
    assert_eq!(items, [left], "the option and what hung on it are gone");
    assert!(revoke(&mut items, Some("bob"), "ann", Privileges::INSERT, false, false));
    assert!(revoke(&mut items, Some("bob"), "ann", select, false, false));
    assert!(items.is_empty());
}

#[test]
fn lists_are_shown_as_postgresql_shows_them() {
    let all = item(Some("ann"), "ann", Kind::Table.all(), Privileges::NONE);
    assert_eq!(shown(&all, "root"), "ann=arwdDxt/ann");
    let some =
        item(Some("a b"), "ann", Privileges::SELECT.with(Privileges::UPDATE), Privileges::SELECT);
    assert_eq!(shown(&some, "root"), "\"a b\"=r*w/ann");
    let database = defaults(Kind::Database, None);
    assert_eq!(shown(&database[0], "root"), "=Tc/root");
}

#[test]
fn a_role_is_found_renamed_and_relieved_of_what_it_has() {
    let mut catalog = Catalog::default();
    let granted = vec![item(Some("bob"), "ann", Privileges::SELECT, Privileges::NONE)];
    let access = Access { owner: Some("ann".into()), acl: Some(granted) };
    catalog.access.insert(Securable::Relation(TableId(7)), Arc::new(access));
    assert_eq!(mentions(&catalog, "d", "ann"), ["owner of relation 7"]);
    assert_eq!(mentions(&catalog, "d", "bob"), ["privileges for relation 7"]);
    assert!(mentions(&catalog, "d", "eve").is_empty());
    let renamed = rename(&catalog, "bob", "rob");
    assert_eq!(renamed[0].1.acl.as_ref().unwrap()[0].grantee.as_deref(), Some("rob"));
    let given = reassign(&catalog, "ann", "eve");
    assert_eq!(given[0].1.owner.as_deref(), Some("eve"));
    assert_eq!(given[0].1.acl.as_ref().unwrap()[0].grantor, "eve");
    assert!(drop_owned(&catalog, "bob")[0].1.acl.as_ref().unwrap().is_empty());
    assert!(drop_owned(&catalog, "eve").is_empty());
}
