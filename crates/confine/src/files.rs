//! Files, TCP ports and signals by Landlock: what no rule of a domain allows is refused by the
//! kernel, for this thread and every later one, and can never be given back.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope, make_bitflags,
};

use crate::{Plan, Status};

/// The newest rights known; an older kernel enforces those it knows.
const NEWEST: ABI = ABI::V9;

/// What resolving names and checking certificates reads.
const CONNECTING: &[&str] = &[
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];

/// Where programs, their libraries and what the loader reads are.
const PROGRAMS: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
];

/// What Landlock did.
pub(crate) struct Restricted {
    /// The kernel's ABI; 0 where nothing is enforced.
    abi: u32,
    why: Option<String>,
}

impl Restricted {
    /// The ABI that is enforced; 0: none.
    pub(crate) fn abi(&self) -> u32 {
        self.abi
    }

    /// Whether files hold.
    pub(crate) fn status(&self) -> Status {
        match &self.why {
            None => Status::Held(format!("Landlock ABI {}", self.abi)),
            Some(why) => Status::Missing(why.clone()),
        }
    }
}

/// Restricts this thread to the plan.
pub(crate) fn restrict(plan: &Plan) -> Restricted {
    match restricted(plan) {
        Ok(done) => {
            let abi = match done.landlock {
                LandlockStatus::Available { effective_abi, .. } => effective_abi as u32,
                LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
            };
            let why = match done.landlock {
                _ if done.ruleset != RulesetStatus::NotEnforced => None,
                LandlockStatus::NotEnabled => {
                    Some("this kernel has Landlock switched off: add `landlock` to its `lsm=` list")
                }
                _ => Some(
                    "this kernel has no Landlock: run Linux 5.13 or later, or a container that permits it",
                ),
            };
            Restricted { abi, why: why.map(str::to_owned) }
        }
        Err(error) => Restricted { abi: 0, why: Some(format!("Landlock: {error}")) },
    }
}

fn restricted(plan: &Plan) -> Result<RestrictionStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let fixed = |list: &'static [&'static str]| list.iter().map(Path::new);
    let mut read: Vec<&Path> = plan.read.iter().map(PathBuf::as_path).collect();
    if !plan.connect.is_empty() {
        read.extend(fixed(CONNECTING));
    }
    for path in read {
        let extra = if plan.execute { AccessFs::Execute.into() } else { BitFlags::EMPTY };
        ruleset = allow(ruleset, path, READ | extra)?;
    }
    if plan.execute {
        for path in fixed(PROGRAMS) {
            ruleset = allow(ruleset, path, READ | AccessFs::Execute)?;
        }
        ruleset = allow(ruleset, Path::new("/dev/null"), READ | AccessFs::WriteFile)?;
    }
    for path in &plan.named {
        ruleset = allow(ruleset, path, AccessFs::ReadFile.into())?;
    }
    for path in &plan.write {
        ruleset = allow(ruleset, path, READ | WRITE)?;
    }
    for port in &plan.connect {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    ruleset.restrict_self()
}

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// No links and no special files: they would outlive the process and fool who follows them.
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    WriteFile | RemoveDir | RemoveFile | MakeDir | MakeReg | Refer | Truncate | ResolveUnix
});

/// Allows what is beneath a path, as far as there is something: a rule is on what stands there
/// now, not on the name.
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
