//! Replication groups: databases of one cluster that change sides together, at one cut.
//!
//! A group is a name that its databases bear. It is given at their primary; a standby hears of it
//! with each acknowledgement. One whose source cannot be heard can leave it, for the case that all
//! have no moment in common and the source is lost; a source that is heard again puts it back. Timestamps are the cluster's, so one timestamp is a consistent point of
//! all databases. On the standby none of them writes to chunks what is newer than what all have (see
//! `txn`'s `group`), and a promotion takes the newest moment that all have; one metadata record
//! promotes them all. A handover gates them all, waits for all, and takes them over with one record.

use super::Links;
use super::failover::{Failover, Loss};
use super::promote::{Order, check_standby};
use base::{Error, Result, SqlState, Timestamp};
use meta::{Command, Database as Record, DatabaseState};

/// What is to be done with a group.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupRequest {
    /// `CREATE REPLICATION GROUP g FOR DATABASE a, b`
    Create {
        /// Its name.
        group: String,
        /// Its databases.
        databases: Vec<String>,
    },
    /// `ALTER REPLICATION GROUP g {ADD | DROP} DATABASE a, b`
    Alter {
        /// Its name.
        group: String,
        /// `ADD`
        add: bool,
        /// Which databases.
        databases: Vec<String>,
    },
    /// `DROP REPLICATION GROUP [IF EXISTS] g`
    Drop {
        /// Its name.
        group: String,
        /// No error if there is none.
        if_exists: bool,
    },
    /// `FAILOVER REPLICATION GROUP g [AT TIME '…'] [WITH DATA LOSS]`
    Failover {
        /// Its name.
        group: String,
        /// The cut; the newest one if not given.
        at: Option<Timestamp>,
        /// `WITH DATA LOSS`.
        data_loss: bool,
    },
    /// `SWITCHOVER REPLICATION GROUP g TO cluster`
    Switchover {
        /// Its name.
        group: String,
        /// The cluster.
        to: String,
    },
}

/// What became of one database of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouped {
    /// The database.
    pub database: String,
    /// How it was promoted.
    pub done: Failover,
}

/// Refuses to promote one of a group without the others.
pub(crate) fn check_alone(record: &Record, verb: &str) -> Result<()> {
    let Some(group) = &record.group else { return Ok(()) };
    let message = format!("database \"{}\" is in the replication group \"{group}\"", record.name);
    Err(prerequisite(message)
        .detail("Its databases change sides together. Nothing has happened.")
        .hint(format!(
            "{} REPLICATION GROUP {group} …, or at the primary: ALTER REPLICATION GROUP {group} \
             DROP DATABASE {}",
            if verb == "SWITCHOVER" { verb } else { "FAILOVER" },
            record.name
        )))
}

impl Links {
    /// Carries out what is asked for. Answers for each database that was promoted.
    ///
    /// # Errors
    /// 42704 for a group that is not there, 42710 for one that is, 3D000 for a database that is not
    /// there, 55000 for what is not possible now: nothing has happened then.
    pub async fn group(&self, request: GroupRequest, by: &str) -> Result<Vec<Grouped>> {
        match request {
            GroupRequest::Create { group, databases } => {
                if !self.engine.group(&group).is_empty() {
                    let message = format!("replication group \"{group}\" already exists");
                    return Err(Error::new(SqlState::DUPLICATE_OBJECT, message));
                }
                self.put(&databases, None, Some(&group), by)
            }
            GroupRequest::Alter { group, add, databases } => {
                self.group_members(&group)?;
                match add {
                    true => self.put(&databases, None, Some(&group), by),
                    false => self.put(&databases, Some(&group), None, by),
                }
            }
            GroupRequest::Drop { group, if_exists } => {
                if if_exists && self.engine.group(&group).is_empty() {
                    return Ok(Vec::new());
                }
                let members = self.group_members(&group)?;
                let names: Vec<String> = members.into_iter().map(|m| m.name).collect();
                self.put(&names, Some(&group), None, by)
            }
            GroupRequest::Failover { group, at, data_loss } => {
                self.failover_group(&group, at, data_loss, by).await
            }
            GroupRequest::Switchover { group, to } => self.switch_group(&group, &to, by).await,
        }
    }

    /// The databases of a group here.
    pub(super) fn group_members(&self, group: &str) -> Result<Vec<Record>> {
        let members = self.engine.group(group);
        if members.is_empty() {
            let message = format!("replication group \"{group}\" does not exist");
            return Err(Error::new(SqlState::UNDEFINED_OBJECT, message)
                .hint("a group is made at the primary of its databases"));
        }
        Ok(members)
    }

    /// Moves databases from one group (or none) to another (or none).
    fn put(
        &self,
        databases: &[String],
        from: Option<&String>,
        to: Option<&String>,
        by: &str,
    ) -> Result<Vec<Grouped>> {
        let mut ids = Vec::with_capacity(databases.len());
        for name in databases {
            let record = self.engine.record(name)?;
            let given_up = to.is_none() && record.state.is_target() && !self.hears_source(name);
            if record.state != DatabaseState::Primary && !given_up {
                let message = format!("database \"{name}\" is {} here", record.state.name());
                return Err(prerequisite(message).hint(
                    "run the statement at its primary; a standby can leave its group if its source cannot be \
                     heard",
                ));
            }
            if record.group.as_ref() != from && record.group.as_ref() != to {
                let now = record.group.unwrap_or_else(|| "none".to_owned());
                let message = format!("database \"{name}\" is in another replication group: {now}");
                return Err(prerequisite(message));
            }
            ids.push(record.id);
        }
        let (at_ms, by) = (self.engine.env.clock.now_ms(), Some(by.to_owned()));
        let group = to.cloned();
        self.engine.meta.apply(Command::SetGroup { databases: ids, group, at_ms, by })?;
        Ok(Vec::new())
    }

    /// True if the source of a database that follows is connected now.
    pub(super) fn hears_source(&self, name: &str) -> bool {
        self.status().iter().any(|s| s.database == name && s.connected)
    }

    /// What the source says about the group of a database that follows it.
    pub(crate) fn join_group(&self, name: &str, group: &str) -> Result<()> {
        let record = self.engine.record(name)?;
        let group = Some(group.to_owned()).filter(|g| !g.is_empty());
        if record.group == group || !record.state.is_target() {
            return Ok(());
        }
        let (at_ms, by) = (self.engine.env.clock.now_ms(), Some("its primary".to_owned()));
        let databases = vec![record.id];
        self.engine.meta.apply(Command::SetGroup { databases, group, at_ms, by }).map(drop)
    }

    async fn failover_group(
        &self,
        group: &str,
        at: Option<Timestamp>,
        data_loss: bool,
        by: &str,
    ) -> Result<Vec<Grouped>> {
        let members = self.group_members(group)?;
        if members.iter().all(|m| m.state == DatabaseState::Primary) {
            return self.group_failed_over(group).await;
        }
        members.iter().try_for_each(check_standby)?;
        if !data_loss {
            if at.is_some() {
                let message = "a promotion at an older time gives up what was committed after it";
                return Err(prerequisite(message).detail("Nothing has happened.").hint(
                    "if that is meant: FAILOVER REPLICATION GROUP … AT TIME … WITH DATA LOSS",
                ));
            }
            let here = self.engine.meta.read(|s| s.cluster.name.clone());
            return self.switch_group(group, &here, by).await;
        }
        let names: Vec<String> = members.into_iter().map(|m| m.name).collect();
        let reason = format!("FAILOVER REPLICATION GROUP {group} WITH DATA LOSS");
        let order = Order { reason, by: by.to_owned(), at, ..Order::default() };
        let (links, databases) = (self.this()?, names.clone());
        let promoted = self.apart("promotion", async move {
            let _changing = links.changing.lock().await;
            links.end_and_promote(&databases, order).await
        });
        let promoted = promoted.await?;
        let done = names.into_iter().zip(promoted);
        let done = done.map(|(database, p)| Grouped { database, done: p.into() });
        Ok(done.collect())
    }

    /// All databases are primaries here: those that were promoted say so, and are opened if an error
    /// has kept them from that.
    async fn group_failed_over(&self, group: &str) -> Result<Vec<Grouped>> {
        let _changing = self.changing.lock().await;
        let mut all = Vec::new();
        for record in self.group_members(group)? {
            let Some(promotion) = &record.promotion else { continue };
            self.complete(&record.name, promotion).await?;
            let done = Failover::earlier(promotion);
            all.push(Grouped { database: record.name, done });
        }
        Ok(all)
    }

    async fn switch_group(&self, group: &str, to: &str, by: &str) -> Result<Vec<Grouped>> {
        let members = self.group_members(group)?;
        let here = self.engine.meta.read(|s| s.cluster.name.clone());
        let done = if to == here {
            let first = members.first().map(|m| m.name.clone()).unwrap_or_default();
            let (links, by) = (self.this()?, by.to_owned());
            self.apart("handover", async move { links.take_over(&first, &by, Vec::new()).await })
                .await?
        } else {
            for member in &members {
                self.check_giving(member, to)?;
            }
            let given = members.iter().map(async |member| {
                let done = self.give_away(member, to).await?;
                Ok::<_, Error>((member.name.clone(), done))
            });
            futures::future::try_join_all(given).await?
        };
        let one =
            |(database, done): (String, crate::Switchover)| Grouped { database, done: done.into() };
        Ok(done.into_iter().map(one).collect())
    }

    /// The cut that a promotion of a group would have now, and what it would give up of each
    /// database, as last known.
    ///
    /// # Errors
    /// 55000 if it is not possible now.
    pub async fn group_loss(
        &self,
        group: &str,
        at: Option<Timestamp>,
    ) -> Result<Vec<(String, Loss)>> {
        let members = self.group_members(group)?;
        members.iter().try_for_each(check_standby)?;
        let times = members.iter().filter_map(|m| self.engine.database(&m.name).ok());
        let newest = times.map(|d| d.replicated_time()).min().unwrap_or_default();
        let mut all = Vec::with_capacity(members.len());
        for member in &members {
            let loss = self.loss(&member.name, Some(at.unwrap_or(newest))).await?;
            all.push((member.name.clone(), loss));
        }
        Ok(all)
    }
}

fn prerequisite(message: impl Into<String>) -> Error {
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message.into())
}
