//! Medians and percentiles.

use std::time::Duration;

/// The median; 0 of nothing.
pub(super) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value that `percent` of the values do not exceed (nearest rank); 0 of nothing.
pub(super) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Microseconds.
pub(super) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A count as a number to reckon with.
pub(super) fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

/// Tokens of a text, as the tokenizer `o200k_base` counts them.
pub(super) fn tokens(text: &str) -> f64 {
    count(bpe_openai::o200k_base().count(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert!((median(&values) - 3.0).abs() < 1e-9);
        assert!((percentile(&values, 99) - 5.0).abs() < 1e-9);
        assert!((percentile(&values, 20) - 1.0).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }
}
