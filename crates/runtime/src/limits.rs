//! Limits: how often one principal may call one tool (GCRA, crate `governor`), and how many calls
//! of the server run at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::{Kind, Limit, ToolError};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many principals are remembered before idle ones are forgotten.
const REMEMBERED: usize = 10_000;

/// The limits of one process.
pub struct Limits {
    clock: DefaultClock,
    rates: Mutex<HashMap<(String, &'static str), Arc<DefaultDirectRateLimiter>>>,
    slots: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Limits {
    /// At most `in_flight` calls run at a time; up to four times as many wait for a slot.
    pub fn new(in_flight: usize) -> Self {
        Self {
            clock: DefaultClock::default(),
            rates: Mutex::new(HashMap::new()),
            slots: Arc::new(Semaphore::new(in_flight)),
            waiting: Arc::new(Semaphore::new(in_flight * 4)),
        }
    }

    /// Counts one call of `tool` by `subject` against `limit`.
    pub fn count(&self, subject: &str, tool: &'static str, limit: Limit) -> Result<(), ToolError> {
        let limiter = self.limiter(subject, tool, limit);
        limiter.check().map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            let message = format!("the limit of {limit} for {tool} is used up.");
            ToolError::new(Kind::Limited, message).retry_after(wait.max(Duration::from_millis(1)))
        })
    }

    fn limiter(
        &self,
        subject: &str,
        tool: &'static str,
        limit: Limit,
    ) -> Arc<DefaultDirectRateLimiter> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.len() >= REMEMBERED {
            // A limiter that is whole again holds nothing worth remembering.
            rates.retain(|_, limiter| limiter.check_n(limit.calls).is_err());
        }
        let fresh = || {
            let period = limit.per.duration() / limit.calls.get();
            let quota = Quota::with_period(period.max(Duration::from_nanos(1)))
                .unwrap_or_else(|| Quota::per_second(limit.calls));
            Arc::new(RateLimiter::direct(quota.allow_burst(limit.calls)))
        };
        Arc::clone(rates.entry((subject.to_owned(), tool)).or_insert_with(fresh))
    }

    /// Waits for a slot to run in, at most `patience`.
    pub async fn slot(&self, patience: Duration) -> Result<OwnedSemaphorePermit, ToolError> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Ok(slot);
        }
        let busy = || {
            ToolError::new(Kind::Limited, "the server runs as many calls as it may.")
                .retry_after(Duration::from_secs(1))
        };
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
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_is_waited_for_and_the_queue_is_bounded() {
        let limits = Arc::new(Limits::new(1));
        let held = limits.slot(Duration::ZERO).await.expect("a slot");
        let mut waiters: Vec<_> = (0..4)
            .map(|_| {
                let limits = Arc::clone(&limits);
                tokio::spawn(async move { limits.slot(Duration::from_secs(5)).await.map(drop) })
            })
            .collect();
        while limits.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let error = limits.slot(Duration::from_secs(5)).await.expect_err("the queue is full");
        assert_eq!(error.kind, Kind::Limited);
        drop(held);
        for waiter in waiters.drain(..) {
            waiter.await.expect("ran").expect("a slot");
        }
    }
}
