use std::{
    fs, io,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::ObjectMeta;
use recording::Key;

/// A name in a folder: what it sorts by among full names, and what it is.
struct FolderEntry {
    /// The key so far; ends in `/` for a folder, so that `a.b`, `a/b` and `a0` come in the order of whole names.
    name: String,
    folder: bool,
}

struct Walk<'a> {
    root: &'a Path,
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    found: Vec<ObjectMeta>,
}

/// Up to `limit` objects that start with `prefix`, after `after`, sorted by name. Only folders that can hold one are
/// read.
pub(super) fn list(root: &Path, prefix: &str, after: Option<&Key>, limit: usize) -> io::Result<Vec<ObjectMeta>> {
    let Some(start) = inside(root, prefix) else { return Ok(Vec::new()) };
    let after = after.map_or("", Key::as_str);
    let mut walk = Walk { root, prefix, after, limit, found: Vec::new() };
    walk.descend(start)?;
    Ok(walk.found)
}

/// The names in the folder `prefix`, sorted.
pub(super) fn children(root: &Path, prefix: &str) -> io::Result<Vec<String>> {
    let Some(start) = inside(root, prefix).filter(|start| *start == prefix) else { return Ok(Vec::new()) };
    let named = names(root, start)?;
    let below = named.iter().filter_map(|named| named.name.strip_prefix(prefix));
    let mut names: Vec<_> = below.map(|name| name.trim_end_matches('/').to_owned()).collect();
    names.sort_unstable();
    Ok(names)
}

/// The folder part of a prefix, with its `/`; `None` if no key can start like that or the way to it goes through a link:
/// nothing outside of the root is ever looked at.
fn inside<'a>(root: &Path, prefix: &'a str) -> Option<&'a str> {
    let folder = &prefix[..prefix.rfind('/').map_or(0, |slash| slash + 1)];
    // Not with its last `/`: the system would follow a link for that.
    let mut steps = folder.match_indices('/').map(|(end, _)| root.join(&folder[..end]));
    let linked = |step: PathBuf| fs::symlink_metadata(step).is_ok_and(|metadata| metadata.is_symlink());
    (Key::may_start_with(prefix) && !steps.any(linked)).then_some(folder)
}

impl Walk<'_> {
    fn descend(&mut self, folder: &str) -> io::Result<()> {
        for FolderEntry { name, folder } in names(self.root, folder)? {
            if self.found.len() >= self.limit {
                return Ok(());
            }
            if folder {
                if self.may_hold(&name) {
                    self.descend(&name)?;
                }
            } else if name.starts_with(self.prefix) && name.as_str() > self.after {
                self.add(name)?;
            }
        }
        Ok(())
    }

    /// Whether a name below `folder` can start with the prefix and come after `after`.
    fn may_hold(&self, folder: &str) -> bool {
        let named = folder.starts_with(self.prefix) || self.prefix.starts_with(folder);
        named && (folder > self.after || self.after.starts_with(folder))
    }

    fn add(&mut self, name: String) -> io::Result<()> {
        let size = match fs::symlink_metadata(self.root.join(&name)) {
            Ok(metadata) => metadata.len(),
            // Removed since the folder was read.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        // `names` hands out legal ones only.
        self.found.extend(Key::new(name).ok().map(|key| ObjectMeta { key, size }));
        Ok(())
    }
}

/// Files and folders of legal names, in the order of the names below them. Links and everything else are left out. A
/// folder that is not there is empty.
fn names(root: &Path, folder: &str) -> io::Result<Vec<FolderEntry>> {
    let entries = match fs::read_dir(root.join(folder)) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        other => other?,
    };
    let mut entries_here = Vec::new();
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        let legal = entry.file_name().into_string().ok().and_then(|name| Key::new(name).ok());
        match legal {
            Some(name) if kind.is_dir() => {
                entries_here.push(FolderEntry { name: format!("{folder}{name}/"), folder: true })
            }
            Some(name) if kind.is_file() => {
                entries_here.push(FolderEntry { name: format!("{folder}{name}"), folder: false })
            }
            _ => {}
        }
    }
    entries_here.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries_here)
}
