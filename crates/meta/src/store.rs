//! The two files of a metadata folder. Text, so that they can be read with any tool.
//!
//! ```text
//! snapshot   antipode-meta <version> <crc32c of the JSON, 8 hex digits>\n<JSON of State>
//! commands   one line each:  <number> <crc32c of number and JSON, 8 hex digits> <JSON of Command>\n
//! ```
//! Every command is on disk before it counts. When the file of commands has grown, a new snapshot
//! replaces the old one atomically and the file is emptied; after a crash between these two steps
//! the commands that the snapshot has already are passed over by their number.
//! A line that does not check is a torn write if no good line follows it (it was never
//! acknowledged, and is cut off); otherwise the file is corrupt and nothing is opened.

use crate::command::Command;
use crate::state::State;
use base::{Error, Result};
use env::{DiskFile, Env};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Version of both files, in the snapshot's first line.
const VERSION: u32 = 1;
/// The file of commands is folded into a new snapshot beyond this size.
const COMMANDS_BYTES_MAX: u64 = 1 << 20;

/// The open files.
#[derive(Debug)]
pub(crate) struct Store {
    env: Env,
    dir: PathBuf,
    commands: Arc<dyn DiskFile>,
    len: u64,
    broken: bool,
}

/// A command as found on disk.
pub(crate) struct Logged {
    pub(crate) number: u64,
    pub(crate) command: Command,
}

impl Store {
    /// True if the folder holds metadata.
    pub(crate) fn exists(env: &Env, dir: &Path) -> bool {
        env.disk.exists(&dir.join("snapshot"))
    }

    /// Makes a new folder with a first state.
    pub(crate) fn create(env: &Env, dir: &Path, state: &State) -> Result<()> {
        let io = |e| Error::io(format!("creating {}", dir.display()), &e);
        env.disk.create_dir(dir).map_err(io)?;
        let commands = dir.join("commands");
        if !env.disk.exists(&commands) {
            env.disk.create(&commands).and_then(|f| f.sync()).map_err(io)?;
        }
        write_snapshot(env, dir, state)?;
        match dir.parent() {
            Some(parent) => env.disk.sync_dir(parent).map_err(io),
            None => Ok(()),
        }
    }

    /// Reads both files and cuts a torn tail.
    pub(crate) fn open(env: Env, dir: PathBuf) -> Result<(Store, State, Vec<Logged>)> {
        let state = read_snapshot(&env, &dir)?;
        let path = dir.join("commands");
        let io = |e| Error::io(format!("opening {}", path.display()), &e);
        let commands = env.disk.open(&path).map_err(io)?;
        let bytes = env.disk.read(&path).map_err(io)?;
        let (logged, good) = read_commands(&bytes, &path)?;
        if good < bytes.len() {
            tracing::warn!(file = %path.display(), offset = good, "cut a torn command");
            commands.set_len(good as u64).map_err(io)?;
        }
        // After a mere kill what was found may be in memory only, and nobody writes it again.
        commands.sync().map_err(io)?;
        let store = Store { env, dir, commands, len: good as u64, broken: false };
        Ok((store, state, logged))
    }

    /// Puts a command on disk. After a failed sync nothing more is accepted: what the disk holds
    /// is not known then.
    pub(crate) fn append(&mut self, number: u64, command: &Command) -> Result<()> {
        let what = format!("writing {}", self.dir.join("commands").display());
        if self.broken {
            return Err(Error::io(what, &std::io::Error::other("an earlier write failed"))
                .hint("find out what is wrong with the disk and restart"));
        }
        let line = encode(number, command)?;
        let written = self.commands.write_at(&line, self.len);
        if let Err(e) = written {
            let cut = self.commands.set_len(self.len).and_then(|()| self.commands.sync());
            self.broken = cut.is_err();
            return Err(Error::io(what, &e));
        }
        if let Err(e) = self.commands.sync() {
            self.broken = true;
            return Err(Error::io(what, &e).outcome_unknown());
        }
        self.len += line.len() as u64;
        Ok(())
    }

    /// Folds the commands into a new snapshot when there are many.
    pub(crate) fn compact(&mut self, state: &State) -> Result<()> {
        if self.len < COMMANDS_BYTES_MAX || self.broken {
            return Ok(());
        }
        write_snapshot(&self.env, &self.dir, state)?;
        let emptied = self.commands.set_len(0).and_then(|()| self.commands.sync());
        if let Err(e) = emptied {
            self.broken = true;
            return Err(Error::io(format!("emptying {}/commands", self.dir.display()), &e));
        }
        self.len = 0;
        Ok(())
    }
}

fn write_snapshot(env: &Env, dir: &Path, state: &State) -> Result<()> {
    let json = serde_json::to_string_pretty(state)
        .map_err(|e| Error::internal(format!("encoding the metadata: {e}")))?;
    let crc = crc32c::crc32c(json.as_bytes());
    let path = dir.join("snapshot");
    env.disk
        .replace(&path, format!("antipode-meta {VERSION} {crc:08x}\n{json}").as_bytes())
        .map_err(|e| Error::io(format!("writing {}", path.display()), &e))
}

fn read_snapshot(env: &Env, dir: &Path) -> Result<State> {
    let path = dir.join("snapshot");
    let bytes =
        env.disk.read(&path).map_err(|e| Error::io(format!("reading {}", path.display()), &e))?;
    let corrupt = |what: String| Error::corrupt(format!("{}: {what}", path.display()));
    let text = String::from_utf8(bytes).map_err(|e| corrupt(e.to_string()))?;
    let (head, json) = text.split_once('\n').ok_or_else(|| corrupt("no first line".to_string()))?;
    let mut words = head.split(' ');
    if words.next() != Some("antipode-meta") {
        return Err(corrupt("not a metadata snapshot".to_string()));
    }
    let version = words.next().and_then(|w| w.parse::<u32>().ok()).unwrap_or(0);
    if version > VERSION {
        return Err(Error::unsupported(format!(
            "metadata format {version} (newest known: {VERSION})"
        ))
        .detail(path.display().to_string())
        .hint("this data folder was written by a newer Antipode"));
    }
    let crc = format!("{:08x}", crc32c::crc32c(json.as_bytes()));
    if words.next() != Some(&crc) {
        return Err(corrupt("checksum does not match".to_string()));
    }
    serde_json::from_str(json).map_err(|e| corrupt(e.to_string()))
}

fn checksum(number: u64, json: &str) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), json.as_bytes())
}

fn encode(number: u64, command: &Command) -> Result<Vec<u8>> {
    let json = serde_json::to_string(command)
        .map_err(|e| Error::internal(format!("encoding a command: {e}")))?;
    Ok(format!("{number} {:08x} {json}\n", checksum(number, &json)).into_bytes())
}

/// All good lines and the length of the file up to the last of them.
fn read_commands(bytes: &[u8], path: &Path) -> Result<(Vec<Logged>, usize)> {
    let (mut logged, mut good, mut offset) = (Vec::new(), 0, 0);
    let mut bad = None;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match decode(line) {
            Some(_) if bad.is_some() => {
                let at = bad.unwrap_or(0);
                return Err(Error::corrupt(format!(
                    "{}: damaged command at offset {at}, and good ones after it",
                    path.display()
                ))
                .hint("restore the file from a backup of the data folder"));
            }
            Some(command) => {
                logged.push(command);
                good = offset + line.len();
            }
            None => bad = bad.or(Some(offset)),
        }
        offset += line.len();
    }
    Ok((logged, good))
}

fn decode(line: &[u8]) -> Option<Logged> {
    let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (number, rest) = text.split_once(' ')?;
    let (crc, json) = rest.split_once(' ')?;
    let number = number.parse().ok()?;
    if crc != format!("{:08x}", checksum(number, json)) {
        return None;
    }
    Some(Logged { number, command: serde_json::from_str(json).ok()? })
}
