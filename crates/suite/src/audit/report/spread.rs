//! Distributions: exact sums, and quantiles from a histogram with two significant digits (HDR),
//! at most 1 % beside the exact value.

use hdrhistogram::Histogram;

/// A distribution of whole numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    histogram: Option<Histogram<u64>>,
    pub(super) total: u64,
}

impl Spread {
    pub(super) fn add(&mut self, value: u64) {
        if self.histogram.is_none() {
            self.histogram = Histogram::new(2).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            // Cannot fail: the histogram grows, and no call is longer, no answer larger.
            let _ = histogram.record(value.min(1 << 50));
        }
        self.total = self.total.saturating_add(value);
    }

    pub(super) fn join(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        match (&mut self.histogram, other.histogram) {
            (Some(ours), Some(theirs)) => {
                // Fails only where a histogram may not grow, and these may.
                let _ = ours.add(theirs);
            }
            (ours @ None, theirs) => *ours = theirs,
            (Some(_), None) => {}
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The value that this share of the values does not exceed; `None` of nothing.
    pub(super) fn quantile(&self, share: f64) -> Option<u64> {
        let histogram = self.histogram.as_ref().filter(|histogram| !histogram.is_empty())?;
        Some(histogram.value_at_quantile(share).min(histogram.max()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_one_percent() {
        let mut spread = Spread::default();
        (1..=100_000).for_each(|value| spread.add(value));
        for (share, exact) in [(0.5, 50_000u64), (0.9, 90_000), (0.99, 99_000), (1.0, 100_000)] {
            let found = spread.quantile(share).expect("a value");
            assert!(found.abs_diff(exact) * 100 <= exact, "{share}: {found}");
        }
        assert_eq!((spread.count(), spread.total), (100_000, 5_000_050_000));
        assert_eq!(Spread::default().quantile(0.5), None);
    }
}
