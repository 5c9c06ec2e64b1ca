//! The layers in which a setting may be given, and where each value came from.

use super::{NAMES, StartArgs};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Where a value came from, for messages.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A flag.
    Flag(&'static str),
    /// An environment variable.
    Variable(String),
    /// A line of the file.
    Line(PathBuf, usize, String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(f, "flag --{name}"),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Line(path, line, key) => {
                write!(f, "{} line {line}: {key}", path.display())
            }
        }
    }
}

/// A value as text, and its origin.
#[derive(Clone, Debug)]
pub struct Given {
    /// The value.
    pub text: String,
    /// Where it came from.
    pub origin: Origin,
    /// Lower wins: flag 0, environment 1, file 2.
    rank: u8,
}

/// The value that holds for each name, and all mistakes found so far.
#[derive(Debug, Default)]
pub struct Layers {
    values: BTreeMap<&'static str, Given>,
    /// One line each.
    pub mistakes: Vec<String>,
}

impl Layers {
    /// Collects all layers.
    pub fn gather(args: &StartArgs, env: impl Iterator<Item = (String, String)>) -> Layers {
        let mut layers = Layers::default();
        for (name, value) in args.given() {
            layers.put(name, value.into(), Origin::Flag(name), 0);
        }
        let mut file = args.config.clone().map(|path| (path, "flag --config".to_string()));
        for (variable, value) in env {
            let Some(tail) = variable.strip_prefix("ANTIPODE_") else { continue };
            if tail == "CONFIG" {
                file.get_or_insert((value.into(), format!("environment variable {variable}")));
            } else if let Some(name) = known(&tail.to_ascii_lowercase().replace('_', "-")) {
                layers.put(name, value, Origin::Variable(variable), 1);
            } else if !is_foreign(tail) {
                layers.unknown(&format!("environment variable {variable}"), tail);
            }
        }
        if let Some((path, origin)) = file {
            layers.file(&path, &origin);
        }
        layers
    }

    fn put(&mut self, name: &'static str, text: String, origin: Origin, rank: u8) {
        // Layers come in the order of their rank, so the first value holds.
        self.values.entry(name).or_insert(Given { text, origin, rank });
    }

    fn file(&mut self, path: &Path, origin: &str) {
        let shown = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) => return self.mistakes.push(format!("{origin}: cannot read {shown}: {e}")),
        };
        let line_at = |at: usize| 1 + text.get(..at).unwrap_or(&text).matches('\n').count();
        let table: BTreeMap<Spanned<String>, toml::Value> = match toml::from_str(&text) {
            Ok(table) => table,
            Err(e) => {
                let line = e.span().map_or(1, |s| line_at(s.start));
                let what = e.message().replace('\n', " ");
                return self.mistakes.push(format!("{shown} line {line}: {what}"));
            }
        };
        for (key, value) in table {
            let line = line_at(key.span().start);
            let key = key.into_inner();
            let place = Origin::Line(path.into(), line, key.clone());
            match (known(&key.replace('_', "-")), scalar(&value)) {
                (Some(name), Some(text)) => self.put(name, text, place, 2),
                (Some(_), None) => self.mistakes.push(format!("{place} is not a single value")),
                (None, _) => self.unknown(&place.to_string(), &key),
            }
        }
    }

    fn unknown(&mut self, place: &str, key: &str) {
        let key = key.to_ascii_lowercase().replace('_', "-");
        let near = NAMES.iter().min_by_key(|n| distance(n, &key));
        let tip = match near {
            Some(n) if distance(n, &key) <= 3 => format!(" (did you mean {n}?)"),
            _ => format!(" (settings are: {})", NAMES.join(", ")),
        };
        self.mistakes.push(format!("{place} is not a setting{tip}"));
    }

    /// A value as it was given, if it was.
    pub fn given(&self, name: &str) -> Option<Given> {
        self.values.get(name).cloned()
    }

    /// A value that must be there.
    pub fn required(&mut self, name: &'static str, meaning: &str) -> Option<Given> {
        let given = self.values.get(name).cloned();
        if given.is_none() {
            let variable = name.to_ascii_uppercase().replace('-', "_");
            self.mistakes.push(format!(
                "{name} is missing: give --{name}, ANTIPODE_{variable} or {name} in the file \
                 ({meaning})"
            ));
        }
        given
    }

    /// Reads a value, or notes why it cannot be read.
    pub fn read<T>(&mut self, given: Given, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        read(&given.text)
            .map_err(|why| {
                self.mistakes.push(format!("{}: \"{}\" {why}", given.origin, given.text));
            })
            .ok()
    }

    /// A value that may be absent.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let given = self.values.get(name).cloned()?;
        self.read(given, read)
    }

    /// Two values that come together or not at all.
    pub fn pair(&mut self, a: &'static str, b: &'static str) -> Option<(String, String)> {
        match (self.values.get(a), self.values.get(b)) {
            (Some(x), Some(y)) => Some((x.text.clone(), y.text.clone())),
            (Some(there), None) => {
                self.mistakes.push(format!("{} is given but {b} is not", there.origin));
                None
            }
            (None, Some(there)) => {
                self.mistakes.push(format!("{} is given but {a} is not", there.origin));
                None
            }
            (None, None) => None,
        }
    }

    /// The password, given directly or as a file; the higher layer wins.
    pub fn password(&mut self) -> Option<String> {
        let direct = self.values.get("password").cloned();
        let file = self.values.get("password-file").cloned();
        match (direct, file) {
            (Some(d), Some(f)) if d.rank == f.rank => {
                self.mistakes.push(format!("{} and {} contradict each other", d.origin, f.origin));
                None
            }
            (Some(d), Some(f)) if d.rank > f.rank => self.password_in(&f),
            (Some(d), _) if d.text.is_empty() => {
                self.mistakes.push(format!("{}: the password is empty", d.origin));
                None
            }
            (Some(d), _) => Some(d.text),
            (None, Some(f)) => self.password_in(&f),
            (None, None) => None,
        }
    }

    fn password_in(&mut self, file: &Given) -> Option<String> {
        match std::fs::read_to_string(&file.text) {
            Ok(text) => match text.lines().next().filter(|l| !l.is_empty()) {
                Some(line) => return Some(line.to_string()),
                None => {
                    let what = format!("{}: {} has no first line", file.origin, file.text);
                    self.mistakes.push(what);
                }
            },
            Err(e) => {
                self.mistakes.push(format!("{}: cannot read {}: {e}", file.origin, file.text));
            }
        }
        None
    }
}

fn known(name: &str) -> Option<&'static str> {
    NAMES.iter().copied().find(|n| *n == name)
}

/// Variables of this prefix that are not settings of a node: the log filter, the test suite's, and
/// those that Kubernetes makes for a service called `antipode`.
fn is_foreign(tail: &str) -> bool {
    ["LOG", "REQUIRE_CLIENTS", "TEST_", "CI_", "SERVICE_", "PORT"]
        .iter()
        .any(|p| if p.ends_with('_') { tail.starts_with(p) } else { tail == *p })
        || tail.starts_with("PORT_")
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(s) => Some(s.clone()),
        toml::Value::Integer(n) => Some(n.to_string()),
        toml::Value::Float(n) => Some(n.to_string()),
        toml::Value::Boolean(b) => Some(b.to_string()),
        _ => None,
    }
}

/// Letters to insert, drop or replace to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
