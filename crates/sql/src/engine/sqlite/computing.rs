//! Functions that take the place of SQLite's, because its own can run for hours in one step,
//! where nothing can stop them: they compare every place of one argument with all of the other.
//! And the mathematical ones, which the SQLite that is linked in lacks.

use std::collections::HashSet;

use memchr::memmem;

use super::raw::{Arguments, Failure, Handle, Output};

/// The longest value that a function makes: what SQLite's own limit allows.
pub(super) const MOST_BYTES: i32 = 16 << 20;

/// Defines all of them on a connection.
pub(super) fn define(handle: &Handle) -> Result<(), Failure> {
    handle.define("instr", 2, instr)?;
    handle.define("replace", 3, replace)?;
    handle.define("trim", 2, |arguments| trim(arguments, true, true))?;
    handle.define("ltrim", 2, |arguments| trim(arguments, true, false))?;
    handle.define("rtrim", 2, |arguments| trim(arguments, false, true))?;
    handle.define("unhex", 2, |_| {
        Output::Error("unhex takes one argument here: remove other characters by replace()")
    })?;
    for (name, function) in REAL {
        handle.define(name, 1, move |arguments| real(arguments, *function))?;
    }
    for (name, function) in WHOLE {
        handle.define(name, 1, move |arguments| whole(arguments, *function))?;
    }
    for (name, function) in PAIRS {
        handle.define(name, 2, move |arguments| pair(arguments, *function))?;
    }
    handle.define("pi", 0, |_| Output::Real(std::f64::consts::PI))
}

/// The place of a text in another, in characters, or of bytes in bytes, counted from 1.
fn instr(arguments: &Arguments<'_>) -> Output {
    if arguments.is_null(0) || arguments.is_null(1) {
        return Output::Null;
    }
    let is_bytes = arguments.is_blob(0) && arguments.is_blob(1);
    let (hay, needle) = if is_bytes {
        (arguments.blob(0), arguments.blob(1))
    } else {
        (arguments.text(0), arguments.text(1))
    };
    let place = place(hay, needle, is_bytes);
    Output::Integer(i64::try_from(place).unwrap_or_default())
}

fn place(hay: &[u8], needle: &[u8], is_bytes: bool) -> usize {
    if needle.is_empty() {
        return 1;
    }
    let is_start =
        |at: &usize| is_bytes || *at == 0 || hay.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let found = memmem::find_iter(hay, needle).find(is_start);
    found.map_or(0, |at| 1 + (1..=at).filter(is_start).count())
}

/// A text with every appearance of another replaced.
fn replace(arguments: &Arguments<'_>) -> Output {
    if arguments.is_null(0) || arguments.is_null(1) {
        return Output::Null;
    }
    let (text, pattern) = (arguments.text(0), arguments.text(1));
    if pattern.first().is_none_or(|byte| *byte == 0) {
        return Output::Argument(0);
    }
    if arguments.is_null(2) {
        return Output::Null;
    }
    replaced(text, pattern, arguments.text(2)).map_or(Output::TooBig, Output::Text)
}

fn replaced(text: &[u8], pattern: &[u8], with: &[u8]) -> Option<Vec<u8>> {
    let most = usize::try_from(MOST_BYTES).unwrap_or_default();
    let mut made = Vec::with_capacity(text.len());
    let mut copied = 0;
    for at in memmem::find_iter(text, pattern) {
        made.extend_from_slice(text.get(copied..at).unwrap_or_default());
        made.extend_from_slice(with);
        copied = at + pattern.len();
        if made.len() > most {
            return None;
        }
    }
    made.extend_from_slice(text.get(copied..).unwrap_or_default());
    (made.len() <= most).then_some(made)
}

/// A text without the characters of another at its ends.
fn trim(arguments: &Arguments<'_>, is_left: bool, is_right: bool) -> Output {
    if arguments.is_null(0) || arguments.is_null(1) {
        return Output::Null;
    }
    let (mut rest, set) = (arguments.text(0), Characters::of(arguments.text(1)));
    while is_left
        && let Some((first, tail)) = split_first(rest)
        && set.contains(first)
    {
        rest = tail;
    }
    while is_right
        && let Some((head, last)) = split_last(rest)
        && set.contains(last)
    {
        rest = head;
    }
    Output::Text(rest.to_vec())
}

/// The characters of a text, cut before every byte that begins one.
struct Characters<'a> {
    /// Those of one byte, which are nearly all and need no hashing.
    single: [bool; 256],
    longer: HashSet<&'a [u8]>,
}

impl<'a> Characters<'a> {
    fn of(mut text: &'a [u8]) -> Self {
        let mut set = Self { single: [false; 256], longer: HashSet::new() };
        while let Some((first, rest)) = split_first(text) {
            match first {
                [byte] => {
                    if let Some(is_there) = set.single.get_mut(usize::from(*byte)) {
                        *is_there = true;
                    }
                }
                _ => {
                    set.longer.insert(first);
                }
            }
            text = rest;
        }
        set
    }

    fn contains(&self, character: &[u8]) -> bool {
        match character {
            [byte] => self.single.get(usize::from(*byte)).is_some_and(|is| *is),
            _ => self.longer.contains(character),
        }
    }
}

fn split_first(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.get(1..)?;
    let end = inner.iter().position(|byte| byte & 0xc0 != 0x80).unwrap_or(inner.len());
    text.split_at_checked(end + 1)
}

fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let begin = text.iter().rposition(|byte| byte & 0xc0 != 0x80)?;
    text.split_at_checked(begin)
}

type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

const REAL: &[(&str, OfOne)] = &[
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("degrees", f64::to_degrees),
    ("exp", f64::exp),
    ("ln", f64::ln),
    ("log", f64::log10),
    ("log10", f64::log10),
    ("log2", f64::log2),
    ("radians", f64::to_radians),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
];

/// Those that leave whole numbers as they are.
const WHOLE: &[(&str, OfOne)] =
    &[("ceil", f64::ceil), ("ceiling", f64::ceil), ("floor", f64::floor), ("trunc", f64::trunc)];

const PAIRS: &[(&str, OfTwo)] = &[
    ("atan2", f64::atan2),
    ("log", |base, value| value.ln() / base.ln()),
    ("mod", |value, by| value % by),
    ("pow", f64::powf),
    ("power", f64::powf),
];

fn real(arguments: &Arguments<'_>, function: OfOne) -> Output {
    arguments.number(0).map_or(Output::Null, |value| number(function(value)))
}

fn whole(arguments: &Arguments<'_>, function: OfOne) -> Output {
    if arguments.is_integer(0) { Output::Argument(0) } else { real(arguments, function) }
}

fn pair(arguments: &Arguments<'_>, function: OfTwo) -> Output {
    match (arguments.number(0), arguments.number(1)) {
        (Some(one), Some(other)) => number(function(one, other)),
        _ => Output::Null,
    }
}

/// SQLite has no NaN: it is NULL.
fn number(value: f64) -> Output {
    if value.is_nan() { Output::Null } else { Output::Real(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters_or_bytes() {
        assert_eq!(place("aéb".as_bytes(), b"b", false), 3);
        assert_eq!(place("aéb".as_bytes(), b"b", true), 4);
        assert_eq!(place(b"abc", b"", false), 1);
        assert_eq!(place(b"abc", b"x", false), 0);
        assert_eq!(place(b"abc", b"a", false), 1);
    }

    #[test]
    fn what_would_be_too_long_is_not_made() {
        assert_eq!(replaced(b"a-b-c", b"-", b"--").as_deref(), Some(&b"a--b--c"[..]));
        assert_eq!(replaced(&vec![b'a'; 1 << 16], b"a", &[b'b'; 1 << 10]), None);
    }
}
