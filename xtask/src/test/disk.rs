//! How much room there is: what runs out of it fails in ways that do not say so.

use std::path::Path;
use std::process::Command;

use crate::command::read;

/// What a first run writes, in GiB: what cargo builds, the clients, and the servers of the tests.
const NEEDED: u64 = 16;

/// What the summary says of the file systems of these folders; a warning where there is too little.
pub(super) fn told(folders: &[&Path]) -> String {
    let free: Vec<(&Path, u64)> =
        folders.iter().filter_map(|folder| Some((*folder, free(folder)?))).collect();
    sentence(&free)
}

fn sentence(free: &[(&Path, u64)]) -> String {
    let shown: Vec<String> =
        free.iter().map(|(folder, gib)| format!("{gib} GiB in {}", folder.display())).collect();
    let warning = if free.iter().any(|(_, gib)| *gib < NEEDED) {
        format!(
            "; a first run takes up to {NEEDED}: see what `cargo clean` frees, or set TMPDIR and \
             CARGO_TARGET_DIR"
        )
    } else {
        String::new()
    };
    format!("free at the start: {}{warning}", shown.join(", "))
}

/// The GiB that are free where a folder is; none where df does not tell.
fn free(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find(|folder| folder.is_dir())?;
    available(&read(Command::new("df").arg("-Pk").arg(existing)).ok()?)
}

/// The fourth column of the second line, as POSIX has it, in GiB.
fn available(table: &str) -> Option<u64> {
    let blocks: u64 = table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(blocks >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_df_is_read() {
        let table = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n\
                     /dev/vda         263174212 26000000  69206016      28% /\n";
        assert_eq!(available(table), Some(66));
        assert_eq!(available("df: x: no such file\n"), None);
        assert!(free(Path::new("/tmp/not/there")).is_some());
    }

    #[test]
    fn too_little_is_said() {
        let (here, there) = (Path::new("/a"), Path::new("/b"));
        assert_eq!(sentence(&[(here, 66)]), "free at the start: 66 GiB in /a");
        let said = sentence(&[(here, 66), (there, 3)]);
        assert!(said.contains("3 GiB in /b; a first run takes up to 16"), "{said}");
    }
}
