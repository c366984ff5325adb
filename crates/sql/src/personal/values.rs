//! What the values themselves look like. Numbers that carry a checksum are believed only with it.

use std::net::IpAddr;

use super::Kind;

/// The fewest values that say anything.
const FEWEST: usize = 5;
/// The span in years that dates of birth have, and events seldom do.
const SPAN: i32 = 20;

/// What most of the values are, and how many of them; `None` where they say nothing about people.
pub(super) fn of(values: &[&str]) -> Option<(Kind, usize)> {
    if values.len() < FEWEST {
        return None;
    }
    let fitting = CHECKS.iter().map(|(kind, check, share)| {
        let hits = values.iter().filter(|value| check(value.trim())).count();
        (*kind, hits, hits * 100 >= values.len() * share)
    });
    fitting
        .filter(|(.., is_most)| *is_most)
        .map(|(kind, hits, _)| (kind, hits))
        .next()
        .or_else(|| births(values).map(|hits| (Kind::Birth, hits)))
}

/// Whether a value is of a kind.
type Check = fn(&str) -> bool;

/// What a value is, how to see it, and the least share of values in per cent. A checksum of one
/// digit lets a tenth of all numbers pass: hence the large shares.
const CHECKS: [(Kind, Check, usize); 6] = [
    (Kind::Email, is_email, 60),
    (Kind::Bank, is_iban, 60),
    (Kind::Card, is_card, 80),
    (Kind::NationalId, is_national, 80),
    (Kind::Ip, is_ip, 80),
    (Kind::Phone, is_phone, 80),
];

fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let is_plain = |c: char| c.is_alphanumeric() || "._%+-'".contains(c);
    let parts: Vec<&str> = domain.split('.').collect();
    let is_label =
        |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-');
    !name.is_empty() && name.chars().all(is_plain) && parts.len() >= 2 && parts.iter().all(is_label)
}

/// ISO 13616: the remainder by 97 is 1.
fn is_iban(text: &str) -> bool {
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    let Some((head, rest)) = text.split_at_checked(4) else { return false };
    let is_head = head.bytes().take(2).all(|byte| byte.is_ascii_uppercase())
        && head.bytes().skip(2).all(|byte| byte.is_ascii_digit());
    if !is_head || !(11..=30).contains(&rest.len()) {
        return false;
    }
    let remainder = rest.chars().chain(head.chars()).try_fold(0_u32, |remainder, c| {
        let value = c.to_digit(36).filter(|_| !c.is_lowercase())?;
        Some((remainder * if value > 9 { 100 } else { 10 } + value) % 97)
    });
    remainder == Some(1)
}

/// ISO 7812: 13 to 19 digits whose sum by Luhn is a multiple of ten.
fn is_card(text: &str) -> bool {
    let Some(digits) = digits(text, " -") else { return false };
    (13..=19).contains(&digits.len()) && matches!(digits.first(), Some(2..=6)) && luhn(&digits)
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Numbers of persons: of the USA, Germany, France, Spain, Italy, the United Kingdom, the
/// Netherlands, Poland and Brazil.
fn is_national(text: &str) -> bool {
    is_ssn(text)
        || is_tax_id(text)
        || is_nir(text)
        || is_dni(text)
        || is_codice_fiscale(text)
        || is_nino(text)
        || is_bsn(text)
        || is_pesel(text)
        || is_cpf(text)
}

/// USA: `123-45-6789`, written with its hyphens; there is no checksum.
fn is_ssn(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [area, group, serial] = parts.as_slice() else { return false };
    let is_digits =
        |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(area, 3)
        && is_digits(group, 2)
        && is_digits(serial, 4)
        && !matches!(*area, "000" | "666")
        && !area.starts_with('9')
        && *group != "00"
        && *serial != "0000"
}

/// Germany: eleven digits, ISO 7064 MOD 11,10.
fn is_tax_id(text: &str) -> bool {
    let Some(digits) = digits(text, " ").filter(|digits| digits.len() == 11) else { return false };
    let Some((last, first)) = digits.split_last() else { return false };
    let product = first.iter().fold(10, |product, digit| {
        let sum = match (digit + product) % 10 {
            0 => 10,
            sum => sum,
        };
        sum * 2 % 11
    });
    digits.first() != Some(&0) && (11 - product) % 10 == *last
}

/// France: thirteen digits and their key, 97 less the remainder by 97.
fn is_nir(text: &str) -> bool {
    let Some(digits) = digits(text, " ").filter(|digits| digits.len() == 15) else { return false };
    let number =
        |digits: &[u32]| digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(*digit));
    let (body, key) = digits.split_at(13);
    matches!(digits.first(), Some(1 | 2)) && 97 - number(body) % 97 == number(key)
}

/// Spain: eight digits, or a letter and seven, and the letter of their remainder by 23.
fn is_dni(text: &str) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let text = text.replace(['-', ' '], "").to_ascii_uppercase();
    let Some((body, letter)) = text.split_at_checked(8) else { return false };
    let body = match body.split_at_checked(1) {
        Some(("X", rest)) => rest.to_owned(),
        Some(("Y", rest)) => format!("1{rest}"),
        Some(("Z", rest)) => format!("2{rest}"),
        _ => body.to_owned(),
    };
    let Ok(number) = body.parse::<usize>() else { return false };
    LETTERS.get(number % 23).is_some_and(|wanted| letter.as_bytes() == [*wanted])
}

/// Italy: sixteen letters and digits, the last of them a check letter.
fn is_codice_fiscale(text: &str) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let text = text.to_ascii_uppercase();
    let shape = "AAAAAA00A00A000A";
    let is_shaped = text.len() == shape.len()
        && text.chars().zip(shape.chars()).all(|(c, wanted)| {
            if wanted == 'A' { c.is_ascii_uppercase() } else { c.is_ascii_digit() }
        });
    if !is_shaped {
        return false;
    }
    let value =
        |c: char| c.to_digit(10).or_else(|| c.to_digit(36).map(|letter| letter.saturating_sub(10)));
    let sum: u32 = text
        .chars()
        .take(15)
        .enumerate()
        .filter_map(|(place, c)| {
            let value = value(c)?;
            if place % 2 == 0 {
                ODD.get(usize::try_from(value).ok()?).copied()
            } else {
                Some(value)
            }
        })
        .sum();
    text.chars().next_back().and_then(value) == Some(sum % 26)
}

/// United Kingdom: `QQ 12 34 56 C`; there is no checksum.
fn is_nino(text: &str) -> bool {
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    let shape = "AA000000A";
    text.len() == shape.len()
        && text.chars().zip(shape.chars()).all(|(c, wanted)| {
            if wanted == 'A' { c.is_ascii_uppercase() } else { c.is_ascii_digit() }
        })
        && matches!(text.chars().next_back(), Some('A'..='D'))
        && !text.starts_with(['D', 'F', 'I', 'Q', 'U', 'V'])
}

/// The Netherlands: nine digits whose weighted sum is a multiple of eleven.
fn is_bsn(text: &str) -> bool {
    let Some(digits) = digits(text, ".").filter(|digits| digits.len() == 9) else { return false };
    let Some((last, first)) = digits.split_last() else { return false };
    let sum: u32 = first.iter().zip((2..=9).rev()).map(|(digit, weight)| digit * weight).sum();
    sum > 0 && sum % 11 == *last
}

/// Poland: eleven digits with a weighted check digit; the date of birth comes first.
fn is_pesel(text: &str) -> bool {
    let Some(digits) = digits(text, "").filter(|digits| digits.len() == 11) else { return false };
    let weights = [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1];
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
    let pair = |at: usize| Some(digits.get(at)? * 10 + digits.get(at + 1)?);
    let month = pair(2).map(|month| month % 20);
    let is_date = month.is_some_and(|month| (1..=12).contains(&month))
        && pair(4).is_some_and(|day| (1..=31).contains(&day));
    is_date && sum.is_multiple_of(10)
}

/// Brazil: `123.456.789-09`, with two check digits.
fn is_cpf(text: &str) -> bool {
    let Some(digits) = digits(text, ".-").filter(|digits| digits.len() == 11) else { return false };
    let check = |length: u32| {
        let weights = (2..=length + 1).rev();
        let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
        sum * 10 % 11 % 10
    };
    let is_same = digits.iter().all(|digit| Some(digit) == digits.first());
    !is_same && digits.get(9) == Some(&check(9)) && digits.get(10) == Some(&check(10))
}

fn is_ip(text: &str) -> bool {
    text.split('/').next().is_some_and(|address| address.parse::<IpAddr>().is_ok())
}

/// Seven to fifteen digits (ITU-T E.164) that begin as a number to be dialled does.
fn is_phone(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let allowed = |c: char| c.is_ascii_digit() || "+-./() ".contains(c);
    let count = text.chars().filter(char::is_ascii_digit).count();
    let is_parted = text.chars().skip(1).any(|c| "-/() ".contains(c));
    let is_dialled = first == '+' || first == '(' || (first == '0' && !text.contains('.'));
    let is_american = is_parted && count == 10 && text.matches(['-', ' ', '.']).count() == 2;
    text.chars().all(allowed)
        && (7..=15).contains(&count)
        && (is_dialled || is_american)
        && !is_date(text)
}

fn is_date(text: &str) -> bool {
    year(text).is_some()
}

/// The year of `2026-11-22`, with or without a time behind it.
fn year(text: &str) -> Option<i32> {
    let date = text.get(..10)?;
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let is_two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    (year.len() == 4 && is_two(month) && is_two(day)).then(|| year.parse().ok())?
}

/// How many of the values may be dates of birth: days of a lifetime ago that span a generation.
fn births(values: &[&str]) -> Option<usize> {
    let years: Vec<i32> = values
        .iter()
        .filter(|value| value.trim().len() == 10)
        .filter_map(|value| year(value.trim()))
        .collect();
    let (first, last) = (years.iter().min()?, years.iter().max()?);
    let is_lifetime = *first >= 1900 && *last <= 2020 && last - first >= SPAN;
    (years.len() == values.len() && values.len() >= 2 * FEWEST && is_lifetime)
        .then_some(years.len())
}

/// The digits of a number that may be parted by some characters.
fn digits(text: &str, between: &str) -> Option<Vec<u32>> {
    text.chars().filter(|c| !between.contains(*c)).map(|c| c.to_digit(10)).collect()
}

#[cfg(test)]
mod tests;
