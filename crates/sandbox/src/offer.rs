//! Which tier works here.

use std::path::PathBuf;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::kernel::{self, Forked};
use crate::outside::{GROUP, one_thread, supervise};
use crate::tier::MEMORY;
use crate::{Ended, Exit, Job, Limits, Network, Offer, Stop, Tier, identity, wire};

/// What this machine can hold: each tier is tried, up to the program, in a child process. Call it
/// while there is one thread.
pub fn offer() -> Offer {
    let mut lacks = Vec::new();
    for tier in [Tier::Namespaces, Tier::Landlock] {
        match try_tier(tier) {
            Ok(held) => {
                let has_group = held.iter().any(|layer| layer == GROUP);
                let lacking = tier.lacks().iter().filter(|lack| !has_group || **lack != MEMORY);
                lacks.extend(lacking.map(|lack| (*lack).to_owned()));
                if kernel::landlock_abi() == 0 {
                    lacks.push("This kernel has no Landlock as a second wall.".to_owned());
                }
                return Offer { tier: Some(tier), lacks };
            }
            Err(why) => lacks.push(format!("The tier {tier} does not work here: {why}.")),
        }
    }
    Offer { tier: None, lacks }
}

/// The layers that held; the error says why the tier does not work.
fn try_tier(tier: Tier) -> Result<Vec<String>, String> {
    one_thread()?;
    let (ours, theirs) = wire::pair().map_err(|error| error.to_string())?;
    match kernel::split(0).map_err(|error| error.to_string())? {
        Forked::Child => {
            drop(ours);
            let _ = theirs.tell(&probed(tier), &[]);
            kernel::exit(0)
        }
        Forked::Parent(child) => {
            drop(theirs);
            let heard = ours.hear::<Result<Vec<String>, String>>();
            identity::reap(child);
            match heard {
                Ok(Some((said, _))) => said,
                Ok(None) => Err("it ended without a word".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

/// Runs all of a job but the program.
fn probed(tier: Tier) -> Result<Vec<String>, String> {
    let (open, _control) = pipe2(OFlag::O_CLOEXEC).map_err(|error| error.to_string())?;
    match supervise(&probe(), tier, open, &mut |_, _| {}, true) {
        Ended { exit: Some(Exit::Code(0)), held, .. } => Ok(held),
        Ended { by: Some(Stop::NotStarted(why)), .. } => Err(why),
        Ended { exit, by, .. } => Err(format!("it ended with {exit:?}, {by:?}")),
    }
}

/// All of a job but the program.
fn probe() -> Job {
    let limits = Limits {
        wall: Duration::from_secs(10),
        cpu: None,
        memory: 1 << 30,
        processes: 16,
        files: 64,
        disk: 1 << 20,
        output: 1 << 10,
    };
    let null = PathBuf::from("/dev/null");
    Job {
        argv: Vec::new(),
        env: Vec::new(),
        folder: "/".into(),
        mounts: Vec::new(),
        network: Network::None,
        limits,
        stdout: null.clone(),
        stderr: null,
        collect: Vec::new(),
    }
}
