//! Parameters that are points in time with a zone, as this server shows them itself.
//!
//! MySQL and MariaDB have no type for them. Some versions pass over a zone, some refuse it, and
//! none of them compares rightly, so what has a zone becomes a DATETIME in the session's zone,
//! which is UTC.

use contract::ToolError;

use super::failure::invalid;

/// The literal of a point in time that has a zone; nothing for any other text.
pub(super) fn literal(text: &str) -> Result<Option<String>, ToolError> {
    let Some((local, minutes)) = zoned(text) else { return Ok(None) };
    let Some((date, time)) = local.split_once(['T', 't', ' ']) else {
        return Err(invalid(format!(
            "the parameter {text:?} is a time of day with a zone, which depends on the date: write \
             the time in UTC, without a zone"
        )));
    };
    let utc = utc(date, time, minutes);
    utc.map(Some).ok_or_else(|| {
        invalid(format!(
            "the parameter {text:?} is no point in time: write one like 2026-11-22T09:30:00Z"
        ))
    })
}

/// What stands before the zone, and the zone in minutes east, where a text is a time with one.
fn zoned(text: &str) -> Option<(&str, i64)> {
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    let (local, minutes) = if let Some(local) = text.strip_suffix(['Z', 'z']) {
        (local.trim_end(), 0)
    } else {
        let (local, zone) = text.split_at_checked(text.rfind(['+', '-'])?)?;
        let (sign, zone) = zone.split_at_checked(1)?;
        let zone = zone.replacen(':', "", 1);
        if !matches!(zone.len(), 2 | 4) {
            return None;
        }
        let hours = number(zone.get(..2)?, 2)?;
        let rest = zone.get(2..).filter(|rest| !rest.is_empty());
        let minutes = 60 * hours + rest.map_or(Some(0), |rest| number(rest, 2))?;
        (local.trim_end(), if sign == "-" { -minutes } else { minutes })
    };
    // A time stands before it, and before that a date or nothing.
    let time = local.rsplit(['T', 't', ' ']).next()?;
    let is_time = time.contains(':') && is_shaped(time, ":.");
    let date = local.get(..local.len() - time.len())?.trim_end_matches(['T', 't', ' ']);
    let is_date = date.is_empty() || date.len() == 10 && is_shaped(date, "-");
    (is_time && is_date).then_some((local, minutes))
}

fn is_shaped(text: &str, signs: &str) -> bool {
    text.chars().all(|char| char.is_ascii_digit() || signs.contains(char))
}

/// The literal, where there is such a day and such a time.
fn utc(date: &str, time: &str, minutes: i64) -> Option<String> {
    let [year, month, day] = parts(date, '-', [4, 2, 2])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let with_seconds = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
    let [hour, minute, second] = parts(&with_seconds, ':', [2, 2, 2])?;
    let is_time = hour < 24 && minute < 60 && second < 60 && minutes.abs() < 24 * 60;
    let before = days(year, month, day);
    if !is_time || !(1..=12).contains(&month) || civil(before) != (year, month, day) {
        return None;
    }
    let whole = (before * 24 + hour) * 60 + minute - minutes;
    let (year, month, day) = civil(whole.div_euclid(24 * 60));
    let (hour, minute) = (whole.rem_euclid(24 * 60) / 60, whole.rem_euclid(60));
    if !(0..=9999).contains(&year) {
        return None;
    }
    let mut text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    if !fraction.is_empty() {
        is_shaped(fraction, "").then_some(())?;
        text.push('.');
        text.push_str(fraction.get(..6).unwrap_or(fraction));
    }
    Some(format!("(TIMESTAMP'{text}')"))
}

fn parts(text: &str, sign: char, lengths: [usize; 3]) -> Option<[i64; 3]> {
    let mut all = text.split(sign).zip(lengths).map(|(part, length)| number(part, length));
    let parts = [all.next()??, all.next()??, all.next()??];
    (text.split(sign).count() == 3).then_some(parts)
}

fn number(digits: &str, length: usize) -> Option<i64> {
    let is_number = digits.len() == length && is_shaped(digits, "");
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Days since 1 March 0000, when years begin in March: so the leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month < 3 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
}

/// The year, month and day of such a number.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let of_era = days.rem_euclid(ERA);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * days.div_euclid(ERA) + year + i64::from(month < 3), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let expected = expected.map(|moment| format!("(TIMESTAMP'{moment}')"));
        assert_eq!(literal(text).expect(text), expected, "{text}");
    }

    #[test]
    fn what_has_a_zone_is_told_in_utc() {
        check("2026-11-22T09:30:00Z", Some("2026-11-22 09:30:00"));
        check("2026-11-22t09:30:00.5z", Some("2026-11-22 09:30:00.5"));
        check("2026-11-22 09:30:00+00:00", Some("2026-11-22 09:30:00"));
        check("2026-11-22T00:30+02:00", Some("2026-11-21 22:30:00"));
        check("2026-12-31T22:30:00.123456789-0530", Some("2027-01-01 04:00:00.123456"));
        check("2024-02-28T23:00:00-01", Some("2024-02-29 00:00:00"));
        check("2000-03-01T00:00:00+00:01", Some("2000-02-29 23:59:00"));
        check("1900-03-01T00:00:00+00:01", Some("1900-02-28 23:59:00"));
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for text in [
            "",
            "Z",
            "plan Z",
            "2026-11-22",
            "2026-11-22T09:30:00",
            "2026-11-22 09:30",
            "09:30:00",
            "12-34",
            "A-1:2+03",
            "2026-11-22T09:30:00+2",
            "é 09:30Z",
            "2026-11-22T09:30:00.Z1+01:00",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "0000-01-01T00:00:00+01:00",
            "9999-12-31T23:00:00-02:00",
        ] {
            assert!(literal(text).is_err(), "{text}");
        }
        let error = literal("09:30:00+02:00").expect_err("no date");
        assert!(error.message.contains("UTC"), "{error}");
    }
}
