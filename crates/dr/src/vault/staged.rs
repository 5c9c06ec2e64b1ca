//! What a promotion will have given up, set aside until it is decided.

use super::Vault;
use super::records::{PART, put, scan};
use base::{Epoch, Error, Result};
use format::vault::DivergedPart;
use std::path::PathBuf;

impl Vault {
    /// Puts the parts of a promotion that is about to be decided aside; durable.
    pub fn stage(&self, epoch: Epoch, parts: &[DivergedPart]) -> Result<()> {
        let mut bytes = Vec::new();
        parts.iter().for_each(|p| put(&mut bytes, PART, &p.encode()));
        let path = self.staged(epoch);
        let io = |e| Error::io(format!("writing {}", path.display()), &e);
        self.env.disk.replace(&path, &bytes).map_err(io)
    }

    /// Takes over what was staged for the promotion that was decided, and throws away all else
    /// that was staged.
    pub fn unstage(&self, promoted: Option<Epoch>) -> Result<()> {
        let io = |e| Error::io(format!("staged parts in {}", self.dir.display()), &e);
        let keep = promoted.map(|epoch| self.staged(epoch));
        for name in self.env.disk.list(&self.dir).map_err(io)? {
            let path = self.dir.join(&name);
            if !name.starts_with("staged-") {
                continue;
            }
            if keep.as_ref() == Some(&path) {
                let bytes = self.env.disk.read(&path).map_err(io)?;
                let mut parts = Vec::new();
                let good = scan(&bytes, &path, |_, _, body| {
                    parts.push(DivergedPart::decode(body)?);
                    Ok(())
                })?;
                if good < bytes.len() {
                    let message = format!("{}: damaged at offset {good}", path.display());
                    return Err(Error::corrupt(message));
                }
                self.add(&parts)?;
            }
            self.env.disk.remove(&path).map_err(io)?;
        }
        self.env.disk.sync_dir(&self.dir).map_err(io)
    }

    fn staged(&self, epoch: Epoch) -> PathBuf {
        self.dir.join(format!("staged-{:016x}", epoch.to_u64()))
    }
}
