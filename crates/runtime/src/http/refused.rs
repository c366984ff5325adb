//! Refused requests: on record, but not so that a flood of them could fill the disk; and how many
//! of them one address may send.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::record::Event;
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::Pipeline;

/// So many records in a row, and then one a second that counts the others.
const RECORDS: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
const SECOND: Duration = Duration::from_secs(1);

/// So many wrong credentials from one address in a row, and then one every two seconds. Credentials
/// that count are never kept waiting.
const WRONG: NonZeroU32 = NonZeroU32::new(30).expect("not zero");
const TWO_SECONDS: Duration = Duration::from_secs(2);

/// Beyond so many addresses, those that have been quiet are forgotten.
const ADDRESSES: usize = 10_000;

/// What is known of refused requests.
pub(super) struct Refused {
    pipeline: Pipeline,
    records: DefaultDirectRateLimiter,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    held: Mutex<Held>,
}

/// Refusals that wait for their record.
#[derive(Default)]
struct Held {
    count: u64,
    last: String,
}

impl Refused {
    pub(super) fn new(pipeline: Pipeline) -> Arc<Self> {
        let quota = |period, burst| {
            Quota::with_period(period).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
        };
        Arc::new(Self {
            pipeline,
            records: RateLimiter::direct(quota(SECOND, RECORDS)),
            addresses: RateLimiter::keyed(quota(TWO_SECONDS, WRONG)),
            held: Mutex::default(),
        })
    }

    /// Whether one more wrong credential from this address is one too many.
    pub(super) fn is_too_many(&self, address: IpAddr) -> bool {
        if self.addresses.len() > ADDRESSES {
            self.addresses.retain_recent();
        }
        self.addresses.check_key(&network(address)).is_err()
    }

    /// Puts a refusal on record, now or soon together with others.
    pub(super) fn tell(self: &Arc<Self>, detail: String) {
        if self.records.check().is_ok() {
            let held = std::mem::take(&mut *self.held());
            self.write(&with_others(&detail, held.count));
            return;
        }
        let mut held = self.held();
        held.count += 1;
        held.last = detail;
        if held.count == 1 {
            let later = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(SECOND).await;
                later.flush();
            });
        }
    }

    /// Writes what waits.
    pub(super) fn flush(&self) {
        let held = std::mem::take(&mut *self.held());
        if held.count > 0 {
            self.write(&with_others(&held.last, held.count - 1));
        }
    }

    fn write(&self, detail: &str) {
        if let Err(error) = self.pipeline.note(Event::Unidentified, Some(detail)) {
            // The request is refused anyway.
            tracing::error!(%error, "a refused request could not be recorded");
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_others(detail: &str, others: u64) -> String {
    if others == 0 {
        detail.to_owned()
    } else {
        format!("{detail}; and {others} more within a second")
    }
}

/// Whoever has an address of version 6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_version_6_counts_as_one_address() {
        let check = |address: &str| network(address.parse().expect("an address")).to_string();
        assert_eq!(check("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(check("::ffff:10.1.2.3"), "10.1.2.3");
    }
}
