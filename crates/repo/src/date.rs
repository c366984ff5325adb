//! Dates as git writes them, and as callers do.

use contract::ToolError;

/// A day, in seconds.
const DAY: i64 = 86_400;

/// The date of a moment in a zone: `2026-11-22`.
pub(crate) fn day(seconds: i64, zone: i64) -> String {
    let (year, month, day) = civil(seconds.saturating_add(zone).div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// The date and time of a moment in its zone: `2026-11-22 20:15 +0100`.
pub(crate) fn minute(seconds: i64, zone: i64) -> String {
    let local = seconds.saturating_add(zone).rem_euclid(DAY);
    let (hour, minute) = (local / 3600, local / 60 % 60);
    let (sign, away) = if zone < 0 { ('-', -zone) } else { ('+', zone) };
    let day = day(seconds, zone);
    format!("{day} {hour:02}:{minute:02} {sign}{:02}{:02}", away / 3600, away / 60 % 60)
}

/// The first and the last second of `FROM..TO`, where either may be left out: days, which are whole
/// days in UTC, or moments like `2026-11-22T20:15:00Z` or `2026-11-22 20:15`. A single date begins
/// the range.
pub(crate) fn range(text: &str) -> Result<(Option<i64>, Option<i64>), ToolError> {
    let (from, to) = text.split_once("..").unwrap_or((text, ""));
    let wrong = |part: &str| {
        let shown: String = part.chars().take(40).collect();
        ToolError::invalid(format!(
            "dates: `{shown}` is no date; write 2024-01-31..2024-06-30, or one side of it, or \
             moments like 2024-01-31T12:00:00Z."
        ))
    };
    let read = |part: &str, end: bool| {
        let part = part.trim();
        let moment = || moment(part, end).ok_or_else(|| wrong(part));
        (!part.is_empty()).then(moment).transpose()
    };
    Ok((read(from, false)?, read(to, true)?))
}

/// A moment; a day without a time is its first or its last second.
fn moment(text: &str, end: bool) -> Option<i64> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time.trim())),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let number = |text: &str| {
        let is_plain =
            !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
        if is_plain { text.parse::<i64>().ok() } else { None }
    };
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let days = days(year, month, day);
    if civil(days) != (year, month, day) {
        return None;
    }
    let Some(time) = time else { return Some(days * DAY + if end { DAY - 1 } else { 0 }) };
    let (clock, zone) = zone(time)?;
    let parts: Option<Vec<i64>> = clock.split(':').map(number).collect();
    let (hour, minute, second) = match parts?.as_slice() {
        [hour, minute] => (*hour, *minute, if end { 59 } else { 0 }),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    let is_time = hour < 24 && minute < 60 && second < 61;
    is_time.then_some(days * DAY + hour * 3600 + minute * 60 + second - zone)
}

/// A clock time and how far its zone is ahead of UTC, in seconds.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (clock, zone) = time.split_at(at);
    let digits = zone[1..].replace(':', "");
    let is_zone = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value: i64 = digits.parse().ok().filter(|_| is_zone)?;
    let away = value / 100 * 3600 + value % 100 * 60;
    Some((clock.trim_end(), if zone.starts_with('-') { -away } else { away }))
}

/// Year, month and day of a number of days since 1970 (the proleptic Gregorian calendar; Howard
/// Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The days since 1970 of a date; see [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_its_zone() {
        assert_eq!(minute(0, 0), "1970-01-01 00:00 +0000");
        assert_eq!(minute(1_709_164_800, -19_800), "2024-02-28 18:30 -0530");
        assert_eq!(day(1_709_164_800, 0), "2024-02-29");
        assert_eq!(day(-1, 0), "1969-12-31");
    }

    #[test]
    fn a_day_ends_with_its_last_second() {
        let noon = 1_709_208_000;
        assert_eq!(
            range("2024-02-29..2024-02-29").ok(),
            Some((Some(noon - 43_200), Some(noon + 43_199)))
        );
        assert_eq!(range("2024-02-29").ok(), Some((Some(noon - 43_200), None)));
        assert_eq!(range("..2024-02-29T13:00:00+01:00").ok(), Some((None, Some(noon))));
        assert_eq!(range("2024-02-29 12:00..").ok(), Some((Some(noon), None)));
        for wrong in
            ["yesterday", "2023-02-29", "2024-13-01", "2024-1-1-1", "2024-01-01T25:00", "-1-01-01"]
        {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
