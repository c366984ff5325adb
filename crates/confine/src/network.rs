//! Which of the two means keeps the process off the network.

use crate::{Plan, Status};

/// TCP ports are Landlock's from ABI 4 (Linux 6.7) on; a plan without ports needs no socket at
/// all, which is seccomp's to refuse.
pub(crate) fn status(plan: &Plan, landlock: u32, no_seccomp: Option<&String>) -> Status {
    match (plan.connect.is_empty(), no_seccomp, landlock >= 4) {
        (true, None, true) => Status::Held("no sockets: seccomp, Landlock".to_owned()),
        (true, None, false) => Status::Held("no sockets: seccomp".to_owned()),
        (true, Some(_), true) => Status::Held("no TCP: Landlock".to_owned()),
        (false, _, true) => {
            let ports: Vec<String> = plan.connect.iter().map(u16::to_string).collect();
            Status::Held(format!("TCP to {} only: Landlock", ports.join(", ")))
        }
        (_, _, false) => Status::Missing(format!(
            "TCP ports need Landlock ABI 4, and this kernel has {landlock}: run Linux 6.7 or later"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernel_keeps_those_offline_who_need_no_port() {
        let offline = Plan::default();
        let online = Plan { connect: vec![5432, 443], ..Plan::default() };
        let missing = "unsupported".to_owned();
        let check = |plan, landlock, no_seccomp| match status(plan, landlock, no_seccomp) {
            Status::Held(by) => by,
            other => format!("{other:?}"),
        };
        assert_eq!(check(&offline, 7, None), "no sockets: seccomp, Landlock");
        assert_eq!(check(&offline, 2, None), "no sockets: seccomp");
        assert_eq!(check(&offline, 4, Some(&missing)), "no TCP: Landlock");
        assert_eq!(check(&online, 4, None), "TCP to 5432, 443 only: Landlock");
        assert!(check(&online, 3, None).starts_with("Missing"));
        assert!(check(&offline, 0, Some(&missing)).starts_with("Missing"));
    }
}
