//! What can go wrong on the way to a ticket system and back.

use std::time::Duration;

/// One way in which a request fails, or seems to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed and nothing was done.
    CutBefore,
    /// It was done, then the connection is closed without an answer.
    CutAfter,
    /// Nothing was done; the answer has this status, in the form of the real system.
    Status(u16),
    /// Nothing was done; 429 and when to come again, in seconds.
    Limited {
        /// Seconds until the next try.
        after: u64,
    },
    /// Nothing was done; GitHub's other form of a limit: 403 and when to come again.
    LimitedForbidden {
        /// Seconds until the next try.
        after: u64,
    },
    /// Done at once and answered late.
    Slow(Duration),
    /// Done late; also when the client has gone meanwhile.
    SlowBefore(Duration),
    /// Done at once and answered after [`release`](super::Tracker::release).
    Hold,
    /// Done after [`release`](super::Tracker::release), also when the client has gone meanwhile.
    HoldBefore,
    /// Done; half of the answer arrives under the length of the whole, then the connection closes.
    Truncated,
    /// Done; the answer has only the fields that the description requires and, where it requires
    /// none, those that identify a thing.
    Thin,
    /// Done; the answer is an empty object or list.
    Bare,
}

/// A fault that waits for its request.
#[derive(Debug)]
struct Planned {
    on: String,
    fault: Fault,
    times: usize,
}

/// The faults to come, the earliest plan first.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Planned>);

impl Faults {
    pub(crate) fn plan(&mut self, on: &str, fault: Fault, times: usize) {
        self.0.push(Planned { on: on.to_owned(), fault, times });
    }

    /// The fault of this request, which uses up one of its times.
    pub(crate) fn take(
        &mut self,
        method: &str,
        path: &str,
        operation: Option<&str>,
    ) -> Option<Fault> {
        let place = self.0.iter().position(|plan| concerns(&plan.on, method, path, operation))?;
        let plan = &mut self.0[place];
        let fault = plan.fault;
        plan.times = plan.times.saturating_sub(1);
        if plan.times == 0 {
            self.0.remove(place);
        }
        Some(fault)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Whether `on` means this request: `*`, `POST *`, its method and path, or its operation as
/// described.
pub(crate) fn concerns(on: &str, method: &str, path: &str, operation: Option<&str>) -> bool {
    let Some((on_method, on_path)) = on.split_once(' ') else { return on == "*" };
    on_method == method && (on_path == "*" || on_path == path || operation == Some(on))
}
