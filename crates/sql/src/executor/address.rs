//! Address rules.

use super::Executor;
use crate::privilege::{self, Identity};
use crate::statement::Rights;
use base::{Error, Result, SqlState, Timestamp};
use meta::{AddressRule, Command, address};

impl Executor {
    /// `CREATE` and `DROP ADDRESS RULE`.
    pub(super) fn change_rules(&self, rights: &Rights, by: &Identity, at: Timestamp) -> Result<()> {
        if !by.superuser {
            let detail =
                "Only roles with the SUPERUSER attribute may say from where others connect.";
            return Err(privilege::denied("change address rules", detail));
        }
        let (command, force) = match rights {
            Rights::CreateRule { name, if_not_exists, force, .. } => {
                if *if_not_exists && self.engine.meta.read(|s| s.address_rules.contains_key(name)) {
                    let message = format!("address rule \"{name}\" already exists, skipping");
                    self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
                    return Ok(());
                }
                (Command::CreateAddressRule(self.new_rule(rights, by, at)?), *force)
            }
            Rights::DropRule { name, if_exists, force } => {
                if *if_exists && !self.engine.meta.read(|s| s.address_rules.contains_key(name)) {
                    let message = format!("address rule \"{name}\" does not exist, skipping");
                    self.notice(Error::new(SqlState::SUCCESSFUL_COMPLETION, message));
                    return Ok(());
                }
                (Command::DropAddressRule { name: name.clone(), at }, *force)
            }
            _ => return Err(Error::internal("this statement is about no address rule")),
        };
        if !force {
            self.check_stays_in(&command, by)?;
        }
        self.engine.meta.apply(command).map(drop)
    }

    fn new_rule(&self, rights: &Rights, by: &Identity, at: Timestamp) -> Result<AddressRule> {
        let Rights::CreateRule { name, role, database, network, allow, priority, .. } = rights
        else {
            return Err(Error::internal("this statement makes no address rule"));
        };
        if let Some(database) = database {
            self.engine.record(database)?;
        }
        Ok(AddressRule {
            name: name.clone(),
            role: role.as_ref().map(|role| self.role_named(role, by)).transpose()?,
            database: database.clone(),
            network: network.parse()?,
            allow: *allow,
            priority: *priority,
            id: self.new_id(),
            changed: at,
        })
    }

    /// Nothing, if the user could connect again from where it is.
    fn check_stays_in(&self, command: &Command, by: &Identity) -> Result<()> {
        let Some(from) = *self.address.lock() else { return Ok(()) };
        let mut rules = self.engine.meta.read(|s| s.address_rules.clone());
        match command {
            Command::CreateAddressRule(rule) => drop(rules.insert(rule.name.clone(), rule.clone())),
            Command::DropAddressRule { name, .. } => drop(rules.remove(name)),
            _ => {}
        }
        let admitted = address::admit(rules.values(), &by.memberships, &self.database, from);
        if admitted.is_ok() {
            return Ok(());
        }
        let message = format!("user \"{}\" could not connect again from {from}", by.user);
        Err(Error::new(SqlState::OBJECT_IN_USE, message)
            .detail("Nothing has happened.")
            .hint("allow your own address first, or add FORCE if that is what you want"))
    }
}
