//! Limits: how often one principal may call one tool, or all tools of the server, and how many
//! calls run at a time.
//!
//! A limit of a second, a minute or an hour is counted in memory (GCRA, crate `governor`). A limit
//! of a day is counted on the disk, from midnight to midnight UTC: a restart does not begin it
//! anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use contract::tool::Window;
use contract::{Kind, Limit, ToolError};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use state::{StateError, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a limit counts that is for all tools of the server together.
pub const EVERY_TOOL: &str = "*";

/// How many principals are remembered before idle ones are forgotten.
const REMEMBERED: usize = 10_000;

/// How many calls may wait for each that runs.
const WAITING: usize = 4;

/// The limits of one process.
pub struct Limits {
    clock: DefaultClock,
    rates: Mutex<HashMap<Counted, Arc<DefaultDirectRateLimiter>>>,
    whole: Room,
    /// How many of the slots one principal may hold, where there are several.
    share: usize,
    shares: Mutex<HashMap<String, Room>>,
}

/// Who calls what within which limit. A limit that was changed is another one.
type Counted = (String, &'static str, Limit);

impl Limits {
    /// At most `in_flight` calls run at a time; up to four times as many wait for a slot.
    pub fn new(in_flight: usize) -> Self {
        Self {
            clock: DefaultClock::default(),
            rates: Mutex::new(HashMap::new()),
            whole: Room::new(in_flight),
            share: (in_flight / 2).max(1),
            shares: Mutex::new(HashMap::new()),
        }
    }

    /// Counts one call of `what`, a tool or [`EVERY_TOOL`], by `subject`. A limit of a day is not
    /// counted here: see [`count_day`].
    pub fn count(&self, subject: &str, what: &'static str, limit: Limit) -> Result<(), ToolError> {
        if limit.per == Window::Day {
            return Ok(());
        }
        let limiter = self.limiter(subject, what, limit);
        limiter.check().map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            used_up(what, limit, wait.max(Duration::from_millis(1)))
        })
    }

    fn limiter(
        &self,
        subject: &str,
        what: &'static str,
        limit: Limit,
    ) -> Arc<DefaultDirectRateLimiter> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.len() >= REMEMBERED {
            // A limiter that is whole again holds nothing worth remembering.
            rates.retain(|(.., limit), limiter| limiter.check_n(limit.calls).is_err());
        }
        let fresh = || {
            let period = limit.per.duration() / limit.calls.get();
            let quota = Quota::with_period(period.max(Duration::from_nanos(1)))
                .unwrap_or_else(|| Quota::per_second(limit.calls));
            Arc::new(RateLimiter::direct(quota.allow_burst(limit.calls)))
        };
        Arc::clone(rates.entry((subject.to_owned(), what, limit)).or_insert_with(fresh))
    }

    /// Waits for a slot to run in, at most `patience`.
    pub async fn slot(&self, patience: Duration) -> Result<OwnedSemaphorePermit, ToolError> {
        self.whole.enter(patience, "the server runs as many calls as it may.").await
    }

    /// Waits, before it waits for a slot, until the principal may have one more: where there are
    /// several, each has at most half of the slots, so that none keeps all others out.
    pub async fn share(
        &self,
        subject: &str,
        patience: Duration,
    ) -> Result<OwnedSemaphorePermit, ToolError> {
        let full = "you have as many calls under way as one caller may.";
        self.share_of(subject).enter(patience, full).await
    }

    fn share_of(&self, subject: &str) -> Room {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() >= REMEMBERED {
            shares.retain(|_, room| Arc::strong_count(&room.slots) > 1);
        }
        shares.entry(subject.to_owned()).or_insert_with(|| Room::new(self.share)).clone()
    }
}

/// Counts one call of `what`, a tool or [`EVERY_TOOL`], by `subject` against a limit of a day;
/// `now` says which. What cannot be counted is not called.
pub async fn count_day(
    store: &Store,
    subject: &str,
    what: &'static str,
    limit: Limit,
    now: SystemTime,
) -> Result<(), ToolError> {
    let day: String = humantime::format_rfc3339_seconds(now).to_string().chars().take(10).collect();
    let counted = store.count_day(subject, what, &day, limit.calls.get()).await;
    if counted.map_err(uncounted)? {
        Ok(())
    } else {
        Err(used_up(what, limit, until_midnight(now)))
    }
}

fn uncounted(error: StateError) -> ToolError {
    let message = "the call could not be counted against its daily limit; tell the operator that the server's folder cannot be written.";
    ToolError::unavailable(message, error).retry_after(Duration::from_secs(30))
}

fn until_midnight(now: SystemTime) -> Duration {
    let day = Window::Day.duration().as_secs();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    Duration::from_secs(day - now % day)
}

fn used_up(what: &str, limit: Limit, wait: Duration) -> ToolError {
    let what = if what == EVERY_TOOL { "all tools of this server together" } else { what };
    let message = format!("the limit of {limit} for {what} is used up.");
    ToolError::new(Kind::Limited, message).retry_after(wait)
}

/// Slots to run in, and places to wait for them.
#[derive(Clone)]
struct Room {
    slots: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Room {
    fn new(slots: usize) -> Self {
        let waiting = Arc::new(Semaphore::new(slots * WAITING));
        Self { slots: Arc::new(Semaphore::new(slots)), waiting }
    }

    async fn enter(
        &self,
        patience: Duration,
        full: &'static str,
    ) -> Result<OwnedSemaphorePermit, ToolError> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(slot);
        }
        let busy = || ToolError::new(Kind::Limited, full).retry_after(Duration::from_secs(1));
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        match tokio::time::timeout(patience, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(busy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_after_the_last_one_is_told_when_to_come_back() {
        let limits = Limits::new(1);
        let limit = Limit::per_minute(3);
        for _ in 0..3 {
            limits.count("ann", "t", limit).expect("within the limit");
        }
        let error = limits.count("ann", "t", limit).expect_err("used up");
        assert_eq!(error.kind, Kind::Limited);
        assert!(error.retry_after.is_some_and(|wait| wait <= Duration::from_secs(20)), "{error:?}");
        limits.count("bob", "t", limit).expect("another principal");
        limits.count("ann", "u", limit).expect("another tool");
        limits.count("ann", EVERY_TOOL, limit).expect("all of them together");
    }

    #[test]
    fn a_tighter_limit_counts_at_once() {
        let limits = Limits::new(1);
        limits.count("ann", "t", Limit::per_minute(1_000)).expect("within the limit");
        let tight = Limit::new(1, Window::Hour);
        limits.count("ann", "t", tight).expect("the first one of the new limit");
        let error = limits.count("ann", "t", tight).expect_err("used up");
        assert!(error.message.contains("1/hour"), "{error:?}");
    }

    #[tokio::test]
    async fn a_day_ends_at_midnight_and_not_with_the_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |text: &str| humantime::parse_rfc3339(text).expect("a time");
        let limit = Limit::per_day(2);
        let count = async |now: SystemTime| {
            let store = Store::new(folder.path());
            count_day(&store, "ann", "t", limit, now).await
        };
        count(at("2026-07-28T00:00:00Z")).await.expect("the first");
        count(at("2026-07-28T09:00:00Z")).await.expect("the second");
        let error = count(at("2026-07-28T23:59:00Z")).await.expect_err("the third");
        assert_eq!((error.kind, error.retry_after), (Kind::Limited, Some(Duration::from_mins(1))));
        assert!(error.message.contains("2/day for t"), "{error:?}");
        count(at("2026-07-29T00:00:00Z")).await.expect("another day");
        Limits::new(1).count("ann", "t", limit).expect("not counted in memory, too");
    }

    #[tokio::test]
    async fn what_cannot_be_counted_is_not_called() {
        let store = Store::new(std::path::Path::new("/nowhere/at/all"));
        let now = SystemTime::UNIX_EPOCH;
        let error = count_day(&store, "ann", "t", Limit::per_day(2), now).await;
        assert_eq!(error.expect_err("no folder").kind, Kind::Unavailable);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_waited_for_and_the_queue_is_bounded() {
        let limits = Arc::new(Limits::new(1));
        let held = limits.slot(Duration::ZERO).await.expect("a slot");
        let mut waiters: Vec<_> = (0..4)
            .map(|_| {
                let limits = Arc::clone(&limits);
                let patience = Duration::from_secs(5);
                tokio::spawn(async move { limits.slot(patience).await.map(drop) })
            })
            .collect();
        while limits.whole.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let error = limits.slot(Duration::from_secs(5)).await.expect_err("the queue is full");
        assert_eq!(error.kind, Kind::Limited);
        drop(held);
        for waiter in waiters.drain(..) {
            waiter.await.expect("ran").expect("a slot");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_principal_leaves_slots_for_the_others() {
        let limits = Limits::new(4);
        let mut held = Vec::new();
        while let Ok(share) = limits.share("ann", Duration::ZERO).await {
            held.push((share, limits.slot(Duration::ZERO).await.expect("a slot")));
        }
        assert_eq!(held.len(), 2, "half of them");
        let error = limits.share("ann", Duration::ZERO).await.expect_err("ann has her share");
        assert!(error.message.contains("you have as many"), "{error:?}");
        let bob = limits.share("bob", Duration::ZERO).await.expect("bob has his own");
        let slot = limits.slot(Duration::ZERO).await.expect("there is room for bob");
        held.pop();
        drop(limits.share("ann", Duration::ZERO).await.expect("hers again"));
        drop((bob, slot));
        let only = Limits::new(1);
        drop(only.share("ann", Duration::ZERO).await.expect("the only slot is everybody's"));
    }
}
