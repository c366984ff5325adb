//! Which layer holds, by what, and why one does not.

use std::fmt;

/// One thing that is taken away from the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// No memory image is left behind by a crash.
    CoreDumps,
    /// No other process of the same user may look into this one.
    Debuggers,
    /// No program gives this process, or a child of it, more rights (`no_new_privs`).
    Privileges,
    /// No file but those of the plan.
    Files,
    /// No connection but to the plan's TCP ports; no listening.
    Network,
    /// No signal to a process outside.
    Signals,
    /// No other program.
    Programs,
    /// No system call that a server never needs.
    Calls,
}

impl Layer {
    /// All of them, in the order they are shown.
    pub const ALL: [Layer; 8] = [
        Layer::CoreDumps,
        Layer::Debuggers,
        Layer::Privileges,
        Layer::Files,
        Layer::Network,
        Layer::Signals,
        Layer::Programs,
        Layer::Calls,
    ];
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::CoreDumps => "core dumps",
            Layer::Debuggers => "debuggers",
            Layer::Privileges => "new privileges",
            Layer::Files => "files",
            Layer::Network => "network",
            Layer::Signals => "signals",
            Layer::Programs => "programs",
            Layer::Calls => "system calls",
        })
    }
}

/// Whether a layer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does, by this means.
    Held(String),
    /// The plan needs what the layer would take away.
    NotAsked(&'static str),
    /// It should, and does not: why, and the remedy.
    Missing(String),
}

/// What holds for this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held(Vec<(Layer, Status)>);

impl Held {
    /// No layer, for one reason.
    pub fn nothing(why: &str) -> Self {
        Self(Layer::ALL.map(|layer| (layer, Status::Missing(why.to_owned()))).to_vec())
    }

    /// Says whether a layer holds.
    pub(crate) fn set(&mut self, layer: Layer, status: Status) {
        for (known, at) in &mut self.0 {
            if *known == layer {
                *at = status;
                return;
            }
        }
    }

    /// Every layer and whether it holds.
    pub fn layers(&self) -> impl Iterator<Item = &(Layer, Status)> {
        self.0.iter()
    }

    /// The layers that should hold and do not, each with its reason.
    pub fn missing(&self) -> impl Iterator<Item = (Layer, &str)> {
        self.0.iter().filter_map(|(layer, status)| match status {
            Status::Missing(why) => Some((*layer, why.as_str())),
            Status::Held(_) | Status::NotAsked(_) => None,
        })
    }
}

/// One line, for the log and the record of the start.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held: Vec<String> = self
            .0
            .iter()
            .filter_map(|(layer, status)| match status {
                Status::Held(by) => Some(format!("{layer} ({by})")),
                Status::NotAsked(_) | Status::Missing(_) => None,
            })
            .collect();
        let missing: Vec<String> = self.missing().map(|(layer, _)| layer.to_string()).collect();
        let or_none = |names: Vec<String>| {
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        write!(f, "confined: {}; not enforced: {}", or_none(held), or_none(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_holds_and_what_does_not() {
        let mut held = Held::nothing("an old kernel");
        assert_eq!(held.missing().count(), Layer::ALL.len());
        for layer in Layer::ALL {
            held.set(layer, Status::Held("seccomp".to_owned()));
        }
        held.set(Layer::Programs, Status::NotAsked("it runs tests"));
        held.set(Layer::Network, Status::Missing("Landlock ABI 2".to_owned()));
        assert_eq!(
            held.to_string(),
            "confined: core dumps (seccomp), debuggers (seccomp), new privileges (seccomp), \
             files (seccomp), signals (seccomp), system calls (seccomp); not enforced: network"
        );
        assert_eq!(held.missing().collect::<Vec<_>>(), [(Layer::Network, "Landlock ABI 2")]);
    }
}
