//! Address rules: from where a role may connect.
//!
//! Rules concern a role (and its members) or everybody, in one database or in all. Of those that concern
//! a connection, the first that its address matches decides: by priority, at the same one `DENY`
//! before `ALLOW`. If none matches, it is let in unless there is an `ALLOW` among them: then only what
//! is listed may come.

use base::{Error, Result, SqlState, Timestamp};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// How many bits are the same.
    pub bits: u8,
}

impl Network {
    /// True if an address is in it. An IPv4 address in IPv6 clothes counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(one)) => {
                same(network.to_bits().into(), one.to_bits().into(), self.bits, 32)
            }
            (IpAddr::V6(network), IpAddr::V6(one)) => {
                same(network.to_bits(), one.to_bits(), self.bits, 128)
            }
            _ => false,
        }
    }
}

/// True if the first `bits` of `width` are the same.
fn same(a: u128, b: u128, bits: u8, width: u8) -> bool {
    (a ^ b).checked_shr(u32::from(width - bits.min(width))).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = Error;

    /// `10.0.0.0/8`, `2001:db8::/32`, or one address.
    fn from_str(text: &str) -> Result<Network> {
        let invalid = || {
            let message = format!("invalid network: \"{text}\"");
            Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
                .hint("for instance '10.0.0.0/8', '2001:db8::/32' or '192.0.2.7'")
        };
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| invalid())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.unwrap_or(width);
        let first = match address {
            IpAddr::V4(a) => {
                same(a.to_bits().into(), first_bits(a.to_bits().into(), bits, 32), 32, 32)
            }
            IpAddr::V6(a) => same(a.to_bits(), first_bits(a.to_bits(), bits, 128), 128, 128),
        };
        if bits > width {
            return Err(invalid());
        }
        if !first {
            return Err(invalid().detail("The address has bits to the right of the mask."));
        }
        Ok(Network { address, bits })
    }
}

/// An address with all but its first `bits` taken away.
fn first_bits(address: u128, bits: u8, width: u8) -> u128 {
    let rest = u32::from(width - bits.min(width));
    address.checked_shr(rest).and_then(|a| a.checked_shl(rest)).unwrap_or(0)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// From where somebody may connect, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRule {
    /// Its name.
    pub name: String,
    /// Whom it concerns; `None`: everybody.
    pub role: Option<String>,
    /// Where; `None`: in all databases.
    pub database: Option<String>,
    /// From where.
    pub network: Network,
    /// Lets in, or keeps out.
    pub allow: bool,
    /// A higher one is looked at first.
    pub priority: i32,
    /// Random; the same in all clusters that the rule was carried to.
    pub id: u64,
    /// When it was made.
    pub changed: Timestamp,
}

/// Nothing, if somebody with these roles may connect to a database from an address.
///
/// # Errors
/// The name of the rule that keeps it out; `None` if it is in no list of those who may come.
pub fn admit<'r>(
    rules: impl IntoIterator<Item = &'r AddressRule>,
    roles: &BTreeSet<String>,
    database: &str,
    address: IpAddr,
) -> Result<(), Option<&'r str>> {
    let concerns = |rule: &&AddressRule| {
        rule.role.as_ref().is_none_or(|role| roles.contains(role))
            && rule.database.as_ref().is_none_or(|name| name == database)
    };
    let mut rules: Vec<&AddressRule> = rules.into_iter().filter(concerns).collect();
    rules.sort_by_key(|rule| (Reverse(rule.priority), rule.allow, &rule.name));
    match rules.iter().find(|rule| rule.network.contains(address)) {
        Some(rule) if rule.allow => Ok(()),
        Some(rule) => Err(Some(&rule.name)),
        None if rules.iter().any(|rule| rule.allow) => Err(None),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, network: &str, allow: bool) -> AddressRule {
        AddressRule {
            name: name.into(),
            role: None,
            database: None,
            network: network.parse().unwrap(),
            allow,
            priority: 0,
            id: 1,
            changed: Timestamp::ZERO,
        }
    }

    fn decide<'r>(rules: &'r [AddressRule], from: &str) -> Result<(), Option<&'r str>> {
        let roles = BTreeSet::from(["bob".to_string(), "staff".to_string()]);
        admit(rules, &roles, "d", from.parse().unwrap())
    }

    #[test]
    fn networks_are_read_and_contain_their_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.200.3.4", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("10.1.0.0/16", "::ffff:10.1.2.3", "10.2.0.1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::/0", "::1", "127.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
            assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
        }
        for wrong in ["", "10", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/x", "a.b.c.d"] {
            let error = wrong.parse::<Network>().expect_err(wrong);
            assert_eq!(error.state, SqlState::INVALID_TEXT_REPRESENTATION, "{wrong}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        assert_eq!(decide(&[], "1.2.3.4"), Ok(()));
        let deny = [rule("bad", "1.2.3.0/24", false)];
        assert_eq!(decide(&deny, "1.2.3.4"), Err(Some("bad")));
        assert_eq!(decide(&deny, "1.2.4.4"), Ok(()), "nothing is listed: others may come");
        let list = [rule("office", "10.0.0.0/8", true), rule("guests", "10.9.0.0/16", false)];
        assert_eq!(decide(&list, "10.1.1.1"), Ok(()));
        assert_eq!(decide(&list, "10.9.1.1"), Err(Some("guests")), "to keep out goes first");
        assert_eq!(decide(&list, "9.9.9.9"), Err(None), "only who is listed may come");
        let mut first = rule("even so", "10.9.7.0/24", true);
        first.priority = 5;
        let list = [list.as_slice(), &[first]].concat();
        assert_eq!(decide(&list, "10.9.7.7"), Ok(()));
    }

    #[test]
    fn rules_concern_members_of_a_role_and_one_database() {
        let mut one = rule("r", "0.0.0.0/0", false);
        one.role = Some("staff".into());
        assert_eq!(decide(&[one.clone()], "1.1.1.1"), Err(Some("r")));
        one.role = Some("others".into());
        assert_eq!(decide(&[one.clone()], "1.1.1.1"), Ok(()));
        one.role = None;
        one.database = Some("other".into());
        assert_eq!(decide(&[one.clone()], "1.1.1.1"), Ok(()));
        one.database = Some("d".into());
        assert_eq!(decide(&[one], "1.1.1.1"), Err(Some("r")));
    }
}
