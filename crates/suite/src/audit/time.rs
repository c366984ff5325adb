//! Times as people and records write them. All in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A day in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

/// The time of a record (RFC 3339 in UTC) in milliseconds since 1970.
pub(super) fn millis(time: &str) -> Option<u64> {
    since_1970(humantime::parse_rfc3339(time).ok()?)
}

fn since_1970(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Milliseconds since 1970 as RFC 3339.
pub(super) fn rfc3339(millis: u64) -> String {
    // Beyond the year 9999 there is no such form.
    let last = 253_402_300_799_999;
    let time = UNIX_EPOCH + Duration::from_millis(millis.min(last));
    humantime::format_rfc3339_millis(time).to_string()
}

/// Now.
pub(super) fn now() -> u64 {
    since_1970(SystemTime::now()).unwrap_or_default()
}

/// A moment as the command line takes it: RFC 3339 with any offset, a day, a time that long ago,
/// `now`, `today` or `yesterday`.
pub(super) fn moment(text: &str, now: u64) -> Result<u64, String> {
    let text = text.trim();
    match text {
        "now" => return Ok(now),
        "today" => return Ok(now - now % DAY),
        "yesterday" => return Ok((now - now % DAY).saturating_sub(DAY)),
        _ => {}
    }
    if text.len() == 10
        && let Some(day) = millis(&format!("{text}T00:00:00Z"))
    {
        return Ok(day);
    }
    let ago = text.strip_suffix("ago").unwrap_or(text).trim_end();
    if let Ok(length) = humantime::parse_duration(ago) {
        let length = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        return Ok(now.saturating_sub(length));
    }
    with_offset(text).ok_or_else(|| {
        format!(
            "`{text}` is no time; write 2026-11-22T10:00:00Z, 2026-11-22T11:00:00+01:00, \
             2026-11-22, 2h, 7d, today or yesterday (days are those of UTC)"
        )
    })
}

/// RFC 3339 with `Z` or a numeric offset.
fn with_offset(text: &str) -> Option<u64> {
    if let Some(utc) = text.strip_suffix(['Z', 'z']) {
        return millis(&format!("{}Z", utc.replacen(['t', ' '], "T", 1)));
    }
    let at = text.len().checked_sub(6)?;
    let (local, offset) = (text.get(..at)?, text.get(at..)?);
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let local = millis(&format!("{}Z", local.replacen(['t', ' '], "T", 1)))?;
    let shift = (hours * 60 + minutes) * 60_000;
    match offset.as_bytes()[0] {
        b'+' => local.checked_sub(shift),
        b'-' => Some(local + shift),
        _ => None,
    }
}

/// A duration for people: `640 µs`, `1.2 ms`, `3.4 s`, `2 min 5 s`, `3 h 4 min`, `2 d 3 h`.
pub(super) fn length(micros: u64) -> String {
    let parts = |big: u64, small: u64, names: (&str, &str)| match small {
        0 => format!("{big} {}", names.0),
        _ => format!("{big} {} {small} {}", names.0, names.1),
    };
    let seconds = micros / 1_000_000;
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..999_950 => tenths(micros, 1_000, "ms"),
        999_950..60_000_000 => tenths(micros, 1_000_000, "s"),
        _ if seconds < 3_600 => parts(seconds / 60, seconds % 60, ("min", "s")),
        _ if seconds < 86_400 => parts(seconds / 3_600, seconds % 3_600 / 60, ("h", "min")),
        _ => parts(seconds / 86_400, seconds % 86_400 / 3_600, ("d", "h")),
    }
}

fn tenths(value: u64, unit: u64, name: &str) -> String {
    let tenths = (value * 10 + unit / 2) / unit;
    if tenths < 1_000 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", (tenths + 5) / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_understood() {
        let now = millis("2026-11-22T10:30:00Z").expect("a time");
        for (text, expected) in [
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000Z"),
            ("2026-11-22t10:00:00.5z", "2026-11-22T10:00:00.500Z"),
            ("2026-11-22 10:00:00Z", "2026-11-22T10:00:00.000Z"),
            ("2026-11-22T11:00:00+01:00", "2026-11-22T10:00:00.000Z"),
            ("2026-11-21T20:30:00-05:30", "2026-11-22T02:00:00.000Z"),
            ("2026-11-22", "2026-11-22T00:00:00.000Z"),
            ("2h", "2026-11-22T08:30:00.000Z"),
            ("2 hours ago", "2026-11-22T08:30:00.000Z"),
            ("7d", "2026-11-15T10:30:00.000Z"),
            ("1h 30m", "2026-11-22T09:00:00.000Z"),
            ("today", "2026-11-22T00:00:00.000Z"),
            ("yesterday", "2026-11-21T00:00:00.000Z"),
            ("now", "2026-11-22T10:30:00.000Z"),
        ] {
            assert_eq!(moment(text, now).map(rfc3339), Ok(expected.to_owned()), "{text}");
        }
        for wrong in ["", "soon", "2026-13-01", "25", "2026-11-22T10:00:00", "é", "aéééé:b"] {
            let error = moment(wrong, now).expect_err(wrong);
            assert!(error.contains("yesterday"), "{error}");
        }
    }

    #[test]
    fn lengths_are_short() {
        for (micros, expected) in [
            (640, "640 µs"),
            (1_249, "1.2 ms"),
            (99_960, "100 ms"),
            (135_410, "135 ms"),
            (999_949, "1000 ms"),
            (999_950, "1.0 s"),
            (3_400_000, "3.4 s"),
            (125_000_000, "2 min 5 s"),
            (11_040_000_000, "3 h 4 min"),
            (183_600_000_000, "2 d 3 h"),
        ] {
            assert_eq!(length(micros), expected);
        }
    }
}
