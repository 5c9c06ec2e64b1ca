//! What a log has told needs no telling by contents.

use super::Vault;
use base::Result;
use format::vault::{DivergedPart, DivergedRow};
use std::borrow::Cow;

impl Vault {
    /// What was told by content is left out where a log has told it before.
    pub(super) fn without_known<'a>(
        &self,
        parts: &'a [DivergedPart],
    ) -> Result<Cow<'a, [DivergedPart]>> {
        if parts.iter().all(|p| !p.by_content) {
            return Ok(Cow::Borrowed(parts));
        }
        let have = self.transactions()?;
        let have: Vec<&DivergedPart> =
            have.iter().flat_map(|t| &t.parts).filter(|p| !p.by_content).collect();
        let known = |part: &DivergedPart, row: &DivergedRow| {
            have.iter().filter(|p| p.partition == part.partition).any(|p| {
                p.rows.iter().any(|r| {
                    let undecided = !p.decided && r.raw_new == row.raw_new;
                    r.raw_key == row.raw_key && (p.commit_ts == part.commit_ts || undecided)
                })
            })
        };
        let mut new = Vec::new();
        for part in parts {
            let mut part = part.clone();
            if part.by_content {
                let rows = std::mem::take(&mut part.rows);
                part.rows = rows.into_iter().filter(|row| !known(&part, row)).collect();
                if part.rows.is_empty() {
                    continue;
                }
            }
            new.push(part);
        }
        Ok(Cow::Owned(new))
    }
}
