//! A control group of the run's own, where one can be made: the kernel then holds the memory and
//! the number of processes, which are only watched otherwise.
//!
//! Only in the unified hierarchy (cgroups(7), version 2), where a process can be started in a group:
//! to move it there makes every processor of the machine wait. Private views are memory, too, and so
//! is what the kernel keeps of files: the limit is that of the memory and of the disk together, and
//! behind the watch, which looks at the memory of processes alone.

use std::fs::{self, File};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use crate::{Limit, Limits};

/// How the names of groups begin; the number of the process follows that made them.
const NAME: &str = "sandbox-";

/// A group; it is removed with the value, when no process is in it.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
    open: File,
}

impl Group {
    /// Makes one, where this process may.
    pub(crate) fn make(limits: &Limits) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let folder = own_groups(&mounts, &own).find_map(|folder| make_near(&folder))?;
        let open = File::open(&folder).ok()?;
        // Dropped, it is removed where it cannot be limited.
        let group = Self { folder, open };
        group.limit(limits).is_ok().then_some(group)
    }

    fn limit(&self, limits: &Limits) -> std::io::Result<()> {
        let memory = limits.memory.saturating_add(limits.disk);
        // The first process is counted, and one more lets the watch see that the limit was passed.
        let processes = u64::from(limits.processes) + 2;
        fs::write(self.folder.join("memory.max"), memory.to_string())?;
        fs::write(self.folder.join("pids.max"), processes.to_string())?;
        // Where there is no swap, there is no such file.
        let _ = fs::write(self.folder.join("memory.swap.max"), "0");
        Ok(())
    }

    /// What a process is started in.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.open.as_fd()
    }

    /// The limit that the kernel has held, if it had to.
    pub(crate) fn passed(&self) -> Option<Limit> {
        let count = |file: &str, name: &str| {
            let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        if count("memory.events", "oom_kill ") > 0 {
            Some(Limit::Memory)
        } else {
            (count("pids.events", "max ") > 0).then_some(Limit::Processes)
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The folders of this process's own group, by where the unified hierarchy is mounted.
fn own_groups<'a>(mounts: &'a str, own: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"));
    // `proc_pid_mountinfo(5)`: what is mounted, where; after a dash, the file system's kind.
    mounts.lines().filter_map(move |line| {
        let (mount, system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (top, at) = (fields.next()?, fields.next()?);
        // What is mounted may be a part of the hierarchy: a container's.
        let below = Path::new(path?).strip_prefix(top).ok()?;
        system.starts_with("cgroup2 ").then(|| Path::new(at).join(below))
    })
}

/// Makes a group in this one or, since a group with processes has none below it that is limited,
/// beside it.
fn make_near(folder: &Path) -> Option<PathBuf> {
    [Some(folder), folder.parent()].into_iter().flatten().find_map(|folder| {
        let offered = fs::read_to_string(folder.join("cgroup.subtree_control")).ok()?;
        let gives = |name| offered.split_whitespace().any(|one| one == name);
        if gives("memory") && gives("pids") { make_in(folder) } else { None }
    })
}

fn make_in(folder: &Path) -> Option<PathBuf> {
    remove_left_over(folder);
    let own = folder.join(format!("{NAME}{}", std::process::id()));
    fs::create_dir(&own).ok().map(|()| own)
}

/// Removes groups whose makers were killed. One with processes cannot be removed.
fn remove_left_over(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|name| name.strip_prefix(NAME)?.parse::<u32>().ok());
        if maker.is_some_and(|maker| !Path::new(&format!("/proc/{maker}")).exists()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_group_is_found() {
        let check = |mount: &str, own: &str, expected: &[&str]| {
            let mounts = format!("22 1 8:1 / / rw - ext4 /dev/sda rw\n{mount}\n");
            let found: Vec<PathBuf> = own_groups(&mounts, own).collect();
            assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{own}");
        };
        let whole = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw";
        let part = "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        let older = "30 23 0:26 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids";
        check(whole, "0::/a.slice/b.service\n", &["/sys/fs/cgroup/a.slice/b.service"]);
        check(whole, "4:memory:/m\n0::/\n", &["/sys/fs/cgroup/"]);
        check(part, "0::/docker/1/x\n", &["/sys/fs/cgroup/x"]);
        check(part, "0::/elsewhere\n", &[]);
        check(older, "8:pids:/\n0::/\n", &[]);
    }

    #[test]
    fn a_group_is_made_where_both_resources_are_given() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = folder.path().join("service");
        fs::create_dir(&own).expect("made");
        let give = |folder: &Path, what| {
            fs::write(folder.join("cgroup.subtree_control"), what).expect("written");
        };
        give(&own, "");
        give(folder.path(), "cpu memory");
        assert_eq!(make_near(&own), None);
        give(folder.path(), "cpu memory pids");
        fs::create_dir(folder.path().join("sandbox-4194305")).expect("made");
        let name = format!("sandbox-{}", std::process::id());
        assert_eq!(make_near(&own), Some(folder.path().join(name)));
        // One that was left over is gone.
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 3);
    }
}
