//! Files, TCP ports, signals and abstract sockets by Landlock. In the tier `namespaces` a second
//! wall behind the view; in the tier `landlock` the only one.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    make_bitflags,
};

/// The newest rights known; an older kernel enforces those it knows.
const NEWEST: ABI = ABI::V9;

/// What is allowed; everything else is not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    /// Read and executed.
    pub(crate) read: Vec<PathBuf>,
    /// Read, executed and changed.
    pub(crate) write: Vec<PathBuf>,
    /// Folders whose files are read, but not listed.
    pub(crate) named: Vec<PathBuf>,
    /// Devices that are read and written.
    pub(crate) devices: Vec<PathBuf>,
    /// The TCP ports that are connected to; `None`: Landlock does not look at ports.
    pub(crate) connect: Option<Vec<u16>>,
}

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{Execute | ReadFile | ReadDir});

/// All but to make devices.
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    WriteFile | RemoveDir | RemoveFile | MakeDir | MakeReg | MakeSock | MakeFifo | MakeSym | Refer
    | Truncate | IoctlDev | ResolveUnix
});

const DEVICE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile | IoctlDev});

/// Restricts this thread and all that follow; the error says why nothing holds.
pub(crate) fn restrict(allowed: &Allowed) -> Result<(), String> {
    match restricted(allowed) {
        Ok(RulesetStatus::NotEnforced) => {
            Err("this kernel has no Landlock, or has it switched off".to_owned())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("Landlock: {error}")),
    }
}

fn restricted(allowed: &Allowed) -> Result<RulesetStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    if allowed.connect.is_some() {
        ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let mut ruleset = ruleset.create()?;
    let lists = [
        (&allowed.read, READ),
        (&allowed.write, READ | WRITE),
        (&allowed.named, AccessFs::ReadFile.into()),
        (&allowed.devices, DEVICE),
    ];
    for (paths, access) in lists {
        for path in paths {
            ruleset = allow(ruleset, path, access)?;
        }
    }
    for port in allowed.connect.iter().flatten() {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Allows what is beneath a path, as far as there is something.
fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let (Ok(there), Ok(found)) = (PathFd::new(path), std::fs::metadata(path)) else {
        return Ok(ruleset);
    };
    let access = if found.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    // The kernel refuses the right to resolve a socket on what is none.
    let is_socket = found.is_dir() || found.file_type().is_socket();
    let access = if is_socket { access } else { access & !BitFlags::from(AccessFs::ResolveUnix) };
    ruleset.add_rule(PathBeneath::new(there, access))
}
