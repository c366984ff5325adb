//! What this kernel could enforce.

use serde::Serialize;

/// The kernel, as far as it matters here.
#[derive(Serialize)]
pub(super) struct Kernel {
    /// Its release.
    pub(super) release: String,
    /// The ABI of Landlock; 0: none.
    pub(super) landlock: u32,
    /// Whether it has seccomp filters.
    pub(super) seccomp: bool,
    /// How many namespaces of users there may be; none: "0".
    pub(super) user_namespaces: String,
    /// Which processes may trace which (Yama); without Yama "none".
    pub(super) yama: String,
}

impl Kernel {
    /// Asks the kernel.
    pub(super) fn of_this_machine() -> Self {
        let read = |path: &str, without: &str| {
            let text = std::fs::read_to_string(path);
            text.map_or_else(|_| without.to_owned(), |text| text.trim().to_owned())
        };
        let actions = read("/proc/sys/kernel/seccomp/actions_avail", "");
        Self {
            release: read("/proc/sys/kernel/osrelease", "unknown"),
            landlock: confine::landlock_abi(),
            seccomp: actions.split(' ').any(|action| action == "errno"),
            user_namespaces: read("/proc/sys/user/max_user_namespaces", "0"),
            yama: read("/proc/sys/kernel/yama/ptrace_scope", "none"),
        }
    }
}
