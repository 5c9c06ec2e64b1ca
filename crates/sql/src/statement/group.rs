//! Replication groups: databases that change sides together.

use super::Stmt;
use super::error::Failure;
use super::input::Input;

/// A statement about a replication group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStmt {
    /// The group.
    pub group: String,
    /// What is to be done with it.
    pub action: GroupAction,
}

/// What is to be done with a replication group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupAction {
    /// `CREATE REPLICATION GROUP g FOR DATABASE a, b`
    Create(Vec<String>),
    /// `ALTER REPLICATION GROUP g ADD DATABASE a, b`
    Add(Vec<String>),
    /// `ALTER REPLICATION GROUP g DROP DATABASE a, b`
    Remove(Vec<String>),
    /// `DROP REPLICATION GROUP [IF EXISTS] g`
    Drop {
        /// No error if there is none.
        if_exists: bool,
    },
    /// `FAILOVER REPLICATION GROUP g [AT TIME '…'] [WITH DATA LOSS]`
    Failover {
        /// The cut, as it was typed.
        at: Option<String>,
        /// `WITH DATA LOSS`
        data_loss: bool,
    },
    /// `SWITCHOVER REPLICATION GROUP g TO cluster`
    Switchover {
        /// The cluster.
        to: String,
    },
}

impl GroupStmt {
    /// True if it answers with a row for each database.
    pub fn promotes(&self) -> bool {
        matches!(self.action, GroupAction::Failover { .. } | GroupAction::Switchover { .. })
    }

    /// The command tag.
    pub fn tag(&self) -> &'static str {
        match self.action {
            GroupAction::Create(_) => "CREATE REPLICATION GROUP",
            GroupAction::Add(_) | GroupAction::Remove(_) => "ALTER REPLICATION GROUP",
            GroupAction::Drop { .. } => "DROP REPLICATION GROUP",
            GroupAction::Failover { .. } => "FAILOVER",
            GroupAction::Switchover { .. } => "SWITCHOVER",
        }
    }
}

/// Reads one, from its verb on.
pub(super) fn group(input: &mut Input<'_>) -> Result<Stmt, Failure> {
    let verb = input.word(0);
    input.expect(&verb)?;
    input.expect_all(&["replication", "group"])?;
    let if_exists = verb == "drop" && input.eat_all(&["if", "exists"]);
    let group = input.name()?;
    let action = match verb.as_str() {
        "create" => {
            input.expect("for")?;
            GroupAction::Create(databases(input)?)
        }
        "alter" if input.eat("add") => GroupAction::Add(databases(input)?),
        "alter" => {
            input.expect("drop")?;
            GroupAction::Remove(databases(input)?)
        }
        "drop" => GroupAction::Drop { if_exists },
        "switchover" => {
            input.expect("to")?;
            GroupAction::Switchover { to: input.name()? }
        }
        _ => {
            let (at, data_loss) = super::link::how(input)?;
            GroupAction::Failover { at, data_loss }
        }
    };
    Ok(Stmt::Group(GroupStmt { group, action }))
}

fn databases(input: &mut Input<'_>) -> Result<Vec<String>, Failure> {
    if !input.eat("database") {
        input.expect("databases")?;
    }
    let names = input.parser.parse_comma_separated(|p| p.parse_identifier())?;
    Ok(names.iter().map(super::input::fold).collect())
}
