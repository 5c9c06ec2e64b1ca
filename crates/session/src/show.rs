//! `SET`, `SHOW`, `RESET`, `DISCARD` and their kin.

use crate::block::Block;
use crate::command::{Command, Modes, Reach};
use crate::notice::Notice;
use crate::portal::no_portal;
use crate::prepared::no_statement;
use crate::reply::{Cursor, Reply, Tag};
use crate::session::{Session, level};
use crate::settings;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use base::{Error, Result, SqlState, SqlType};
use sql::ResultColumn;
use std::sync::Arc;

/// What clients are told of a database.
#[derive(Default)]
struct Role {
    standby: bool,
    /// Takes no writes: a standby, or gated.
    closed: bool,
    epoch: u32,
}

impl Session {
    pub(crate) fn settings_command(&mut self, command: &Command) -> Result<Reply> {
        let tag = match command {
            Command::Set { name, value, reach } => self.set(name, value.as_deref(), *reach)?,
            Command::SetSessionCharacteristics(modes) => self.set_characteristics(*modes)?,
            Command::Show(name) => return self.show(name),
            Command::ShowAll => return self.show_all(),
            Command::ShowGlobal(name) => return self.show_global(name.as_deref()),
            Command::Reset(Some(name)) => {
                self.settings.set(name, None, false)?;
                self.obey_settings();
                "RESET"
            }
            Command::Reset(None) => {
                self.settings.reset_all();
                self.obey_settings();
                "RESET"
            }
            Command::Deallocate(Some(name)) => {
                self.statements.remove(name).ok_or_else(|| no_statement(name))?;
                "DEALLOCATE"
            }
            Command::Deallocate(None) => {
                self.statements.clear();
                "DEALLOCATE ALL"
            }
            Command::Nothing(tag) => *tag,
            Command::Discard { all: false, tag } => {
                if *tag == "DISCARD SEQUENCES" {
                    self.executor.discard_sequences();
                }
                *tag
            }
            Command::Discard { all: true, tag } => {
                self.discard_all()?;
                *tag
            }
            Command::Close(Some(name)) => {
                self.portals.remove(name).ok_or_else(|| no_portal(name))?;
                "CLOSE CURSOR"
            }
            Command::Close(None) => {
                self.portals.clear();
                "CLOSE CURSOR ALL"
            }
            other => return Err(Error::internal(format!("{other:?} went the wrong way"))),
        };
        Ok(Reply::Command(tag.into()))
    }

    fn set(&mut self, name: &str, value: Option<&str>, reach: Reach) -> Result<&'static str> {
        // Spelled as a setting, but it is the transaction's.
        if let Some(modes) = transaction_setting(name, value)? {
            self.set_transaction(modes)?;
            return Ok("SET");
        }
        let local = reach == Reach::Transaction;
        self.settings.set(name, value, local)?;
        if local && !matches!(self.block, Block::Open(_)) {
            self.settings.end_transaction();
            self.notices.push(Notice::warning(
                SqlState::NO_ACTIVE_SQL_TRANSACTION,
                "SET LOCAL can only be used in transaction blocks",
            ));
        }
        if let Some(value) = value
            && name.eq_ignore_ascii_case("timezone")
        {
            self.warn_about_zone(value);
        }
        self.obey_settings();
        Ok("SET")
    }

    pub(crate) fn warn_about_zone(&mut self, zone: &str) {
        if !settings::is_utc(zone) {
            let text =
                format!("time zone \"{zone}\" is not supported yet, the session stays in UTC");
            self.notices.push(Notice::warning(SqlState::FEATURE_NOT_SUPPORTED, text));
        }
    }

    fn set_characteristics(&mut self, modes: Modes) -> Result<&'static str> {
        if modes.as_of.is_some() {
            return Err(Error::unsupported("AS OF SYSTEM TIME for a whole session"));
        }
        if let Some(level) = modes.isolation {
            self.settings.set("default_transaction_isolation", Some(level.name()), false)?;
        }
        if let Some(read_only) = modes.read_only {
            let value = if read_only { "on" } else { "off" };
            self.settings.set("default_transaction_read_only", Some(value), false)?;
        }
        Ok("SET")
    }

    fn discard_all(&mut self) -> Result<()> {
        if let Block::Open(_) = self.block {
            return Err(Error::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                "DISCARD ALL cannot run inside a transaction block",
            ));
        }
        self.portals.clear();
        self.statements.clear();
        self.settings.reset_all();
        self.executor.discard_sequences();
        self.obey_settings();
        Ok(())
    }

    /// A setting's value now.
    pub(crate) fn setting(&self, name: &str) -> Result<String> {
        let value = self.settings.get(name)?;
        let on_off = |on: bool| if on { "on" } else { "off" }.to_string();
        let options = match &self.block {
            Block::Implicit(running) | Block::Open(running) | Block::Failed(Some(running), _) => {
                Some(running.txn.options())
            }
            Block::Idle | Block::Failed(None, _) => None,
        };
        let obeyed = self.settings.obeyed();
        Ok(match settings::canonical(name)?.as_str() {
            "transaction_isolation" => {
                options.map_or(obeyed.isolation, |o| level(o.isolation)).name().to_string()
            }
            "transaction_read_only" => {
                on_off(options.map_or(obeyed.read_only, |o| o.read_only) || self.role().closed)
            }
            "default_transaction_read_only" => on_off(value == "on" || self.role().closed),
            "in_hot_standby" => on_off(self.role().standby),
            "is_superuser" => {
                let meta = &self.front().engine().meta;
                on_off(meta.read(|s| s.users.get(&self.user).is_some_and(|u| u.superuser)))
            }
            "session_authorization" => self.user.clone(),
            "antipode.promotion_epoch" | "promotion_epoch" => self.role().epoch.to_string(),
            _ => value,
        })
    }

    /// The database's role, from the metadata: what the open database knows follows a moment later.
    fn role(&self) -> Role {
        self.front().engine().meta.read(|s| {
            s.database(&self.database).map_or_else(Role::default, |d| {
                let standby = d.state != meta::DatabaseState::Primary;
                let closed = standby || d.gate.is_some();
                Role { standby, closed, epoch: d.promotion_epoch.number }
            })
        })
    }

    fn show(&self, name: &str) -> Result<Reply> {
        let shown = settings::canonical(name)?;
        rows(&[&shown], vec![vec![self.setting(name)?]])
    }

    fn show_all(&self) -> Result<Reply> {
        let all = settings::all()
            .map(|(name, about)| Ok(vec![name.to_string(), self.setting(name)?, about.to_string()]))
            .collect::<Result<Vec<_>>>()?;
        rows(&["name", "setting", "description"], all)
    }

    /// All global defaults that were set, or the one asked for, set or not.
    fn show_global(&self, name: Option<&str>) -> Result<Reply> {
        let set = self.front().engine().meta.read(|s| s.settings.clone());
        let line = |(name, value): (String, String)| vec![name, value];
        let lines = match name {
            None => set.into_iter().map(line).collect(),
            Some(name) => {
                let name = settings::canonical(name)?;
                let value = set.get(&name).cloned();
                vec![vec![name.clone(), value.unwrap_or_else(|| settings::built_in(&name))]]
            }
        };
        rows(&["name", "setting"], lines)
    }

    /// The columns a session command returns.
    pub(crate) fn command_columns(&self, command: &Command) -> Result<Option<Arc<[ResultColumn]>>> {
        Ok(match command {
            Command::Show(name) => Some(columns(&[&settings::canonical(name)?])),
            Command::ShowAll => Some(columns(&["name", "setting", "description"])),
            Command::ShowGlobal(_) => Some(columns(&["name", "setting"])),
            Command::Execute { name, .. } => self.statement(name)?.columns.clone(),
            Command::Fetch { name, moves: false, .. } => self.portal_columns(name)?,
            _ => None,
        })
    }
}

/// `SET transaction_isolation = …` means the running transaction.
fn transaction_setting(name: &str, value: Option<&str>) -> Result<Option<Modes>> {
    let Some(value) = value else { return Ok(None) };
    let invalid = || {
        Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("invalid value for parameter \"{name}\": \"{value}\""),
        )
    };
    let read_only = |on| Modes { read_only: Some(on), ..Modes::default() };
    match name.to_ascii_lowercase().as_str() {
        "transaction_isolation" => {
            let level = crate::command::IsolationLevel::parse(value).ok_or_else(invalid)?;
            Ok(Some(Modes { isolation: Some(level), ..Modes::default() }))
        }
        "transaction_read_only" => match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "1" => Ok(Some(read_only(true))),
            "off" | "false" | "0" => Ok(Some(read_only(false))),
            _ => Err(invalid()),
        },
        _ => Ok(None),
    }
}

fn columns(names: &[&str]) -> Arc<[ResultColumn]> {
    names.iter().map(|n| ResultColumn { name: (*n).to_string(), ty: SqlType::Text }).collect()
}

/// An answer of text columns.
fn rows(names: &[&str], rows: Vec<Vec<String>>) -> Result<Reply> {
    let arrays: Vec<ArrayRef> = (0..names.len())
        .map(|i| Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r[i]))) as ArrayRef)
        .collect();
    let fields: Vec<Field> = names.iter().map(|n| Field::new(*n, DataType::Utf8, true)).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|e| Error::internal(format!("rows of settings: {e}")))?;
    let tag = Tag::Fixed("SHOW".into());
    Ok(Reply::Rows(Cursor::of(columns(names), vec![batch], tag)))
}
