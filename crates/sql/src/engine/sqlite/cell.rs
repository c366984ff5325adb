//! Values as exact text, and rows on their way from SQLite's thread to the caller.

use std::fmt::Write as _;

use super::raw::Value;
use crate::engine::{Cell, Column, Kind};

/// Some rows, flat.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: String,
    marks: Vec<Mark>,
    pub(super) rows: usize,
}

/// Where a cell's text ends.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: usize,
    cut: u64,
    is_null: bool,
}

impl Batch {
    /// How much room it takes.
    pub(super) fn size(&self) -> usize {
        self.text.len() + self.marks.len() * size_of::<Mark>()
    }

    /// Adds a value, of which no more than `most` bytes are shown.
    pub(super) fn push(&mut self, value: Value<'_>, most: usize) {
        let text = &mut self.text;
        let cut = match value {
            Value::Null => 0,
            Value::Integer(value) => {
                let _ = write!(text, "{value}");
                0
            }
            Value::Real(value) => {
                write_real(text, value);
                0
            }
            Value::Text(value) => write_text(text, value, most),
            Value::Blob(value) => write_blob(text, value, most),
        };
        let is_null = value == Value::Null;
        self.marks.push(Mark { end: self.text.len(), cut, is_null });
    }

    /// Takes something out of all texts: names that are not for callers.
    pub(super) fn without(mut self, what: &str) -> Self {
        if what.is_empty() || !self.text.contains(what) {
            return self;
        }
        let mut clean = Self { rows: self.rows, ..Self::default() };
        let mut begin = 0;
        for mark in &mut self.marks {
            let cell = self.text.get(begin..mark.end).unwrap_or_default();
            begin = mark.end;
            clean.text.push_str(&cell.replace(what, ""));
            clean.marks.push(Mark { end: clean.text.len(), ..*mark });
        }
        clean
    }

    /// Hands the rows on, one by one, until one is not taken: then `false`.
    pub(super) fn rows<E>(
        &self,
        columns: usize,
        mut take: impl FnMut(&[Cell<'_>]) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut begin = 0;
        let mut cells = Vec::with_capacity(columns);
        for marks in self.marks.chunks(columns.max(1)) {
            cells.clear();
            for mark in marks {
                let text = self.text.get(begin..mark.end).unwrap_or_default();
                begin = mark.end;
                let cell =
                    if mark.is_null { Cell::Null } else { Cell::Text { text, cut: mark.cut } };
                cells.push(cell);
            }
            if !take(&cells)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The shortest digits that read back as the same number, laid out as SQLite lays out numbers:
/// what it shows itself (`%!.15g`) wherever that is exact.
pub(super) fn write_real(text: &mut String, value: f64) {
    if value == 0.0 {
        text.push_str("0.0");
        return;
    }
    if value.is_infinite() {
        text.push_str(if value > 0.0 { "Inf" } else { "-Inf" });
        return;
    }
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let digits = digits.replace('.', "");
    text.push_str(sign);
    let precision = if digits.len() <= 15 { 15 } else { 17 };
    let point = usize::try_from(exponent + 1).unwrap_or_default();
    if exponent < -4 || exponent >= precision {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
        let rest = if rest.is_empty() { "0" } else { rest };
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(text, "{first}.{rest}e{sign}{:02}", exponent.unsigned_abs());
    } else if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or_default());
        let _ = write!(text, "0.{zeros}{digits}");
    } else if let Some((whole, part)) =
        digits.split_at_checked(point).filter(|(_, part)| !part.is_empty())
    {
        let _ = write!(text, "{whole}.{part}");
    } else {
        let zeros = "0".repeat(point.saturating_sub(digits.len()));
        let _ = write!(text, "{digits}{zeros}.0");
    }
}

/// Writes text; bytes that are no UTF-8 as `\xff`. Returns how many bytes are cut off.
fn write_text(text: &mut String, value: &[u8], most: usize) -> u64 {
    let begin = text.len();
    let shown = value.get(..most).unwrap_or(value);
    let mut taken = 0;
    for chunk in shown.utf8_chunks() {
        text.push_str(chunk.valid());
        taken += chunk.valid().len();
        // A character that the cut divides goes with the rest.
        let is_divided = taken + chunk.invalid().len() == shown.len()
            && shown.len() < value.len()
            && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
        if is_divided {
            break;
        }
        for byte in chunk.invalid() {
            if text.len() - begin + 4 > most {
                return (value.len() - taken) as u64;
            }
            let _ = write!(text, "\\x{byte:02x}");
            taken += 1;
        }
    }
    while text.len() - begin > most {
        taken -= text.pop().map_or(0, char::len_utf8);
    }
    (value.len() - taken) as u64
}

/// Writes `\x` and hexadecimal digits. Returns how many of the digits are cut off.
fn write_blob(text: &mut String, value: &[u8], most: usize) -> u64 {
    let shown = value.len().min(most.saturating_sub(2) / 2);
    text.push_str("\\x");
    for byte in value.iter().take(shown) {
        let _ = write!(text, "{byte:02x}");
    }
    2 * (value.len() - shown) as u64
}

/// Which kinds of values a column has shown so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen(u8);

const INTEGERS: u8 = 1;
const REALS: u8 = 2;
const TEXTS: u8 = 4;
const BLOBS: u8 = 8;

impl Seen {
    pub(super) fn see(&mut self, value: Value<'_>) {
        self.0 |= match value {
            Value::Null => 0,
            Value::Integer(_) => INTEGERS,
            Value::Real(_) => REALS,
            Value::Text(_) => TEXTS,
            Value::Blob(_) => BLOBS,
        };
    }

    /// The column as it is described: SQLite's columns hold anything, whatever their declared
    /// type says, so the kind is that of the first rows.
    pub(super) fn column(self, name: String, declared: Option<String>) -> Column {
        let declared = declared.filter(|declared| !declared.is_empty());
        let (kind, word) = match self.0 {
            0 => (kind_of(declared.as_deref().unwrap_or_default()), "null"),
            INTEGERS => (Kind::Integer, "integer"),
            BLOBS => (Kind::Bytes, "blob"),
            seen if seen & (TEXTS | BLOBS) == 0 => (Kind::Float, "real"),
            seen if seen & BLOBS == 0 => (Kind::Text, "text"),
            _ => (Kind::Text, "any"),
        };
        Column { name, type_name: declared.unwrap_or_else(|| word.to_owned()), kind }
    }
}

/// The kind that a declared type suggests, by SQLite's rules of affinity
/// (<https://sqlite.org/datatype3.html#determination_of_column_affinity>).
fn kind_of(declared: &str) -> Kind {
    let upper = declared.to_ascii_uppercase();
    let has = |word: &str| upper.contains(word);
    if has("INT") {
        Kind::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Kind::Text
    } else if has("BLOB") {
        Kind::Bytes
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Kind::Float
    } else {
        Kind::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value<'_>, most: usize) -> (String, u64) {
        let mut batch = Batch::default();
        batch.push(value, most);
        (batch.text.clone(), batch.marks.first().map_or(0, |mark| mark.cut))
    }

    #[test]
    fn reals_read_back_exactly_and_look_like_sqlites() {
        let cases = [
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1.0e+15"),
            (123_456_789_012_345.0, "123456789012345.0"),
            (1e100, "1.0e+100"),
            (1.5e-7, "1.5e-07"),
            (0.0001, "0.0001"),
            (0.00001, "1.0e-05"),
            (-0.0, "0.0"),
            (1_234_567_890_123_456.7, "1234567890123456.8"),
            (100.0, "100.0"),
            (f64::INFINITY, "Inf"),
        ];
        for (value, expected) in cases {
            let (text, _) = shown(Value::Real(value), 100);
            assert_eq!(text, expected);
            if value.is_finite() {
                assert!(
                    text.parse::<f64>().expect("a number").to_bits() == value.to_bits()
                        || value == 0.0
                );
            }
        }
        assert_eq!(shown(Value::Integer(i64::MIN), 100).0, "-9223372036854775808");
    }

    #[test]
    fn text_is_cut_between_characters_and_the_rest_is_counted() {
        assert_eq!(shown(Value::Text("aéz".as_bytes()), 2), ("a".to_owned(), 3));
        assert_eq!(shown(Value::Text("aéz".as_bytes()), 3), ("aé".to_owned(), 1));
        assert_eq!(shown(Value::Text("aéz".as_bytes()), 4), ("aéz".to_owned(), 0));
        assert_eq!(shown(Value::Text(b""), 4), (String::new(), 0));
    }

    #[test]
    fn what_is_no_utf8_is_visible() {
        assert_eq!(shown(Value::Text(b"a\xffb"), 20), ("a\\xffb".to_owned(), 0));
        assert_eq!(shown(Value::Text(b"a\xc3"), 20), ("a\\xc3".to_owned(), 0));
        assert_eq!(shown(Value::Text(b"\xff\xff\xff"), 9), ("\\xff\\xff".to_owned(), 1));
        assert_eq!(shown(Value::Text(b"\xffabcdef"), 7), ("\\xffabc".to_owned(), 3));
    }

    #[test]
    fn blobs_are_hexadecimal_and_null_is_not_empty() {
        assert_eq!(shown(Value::Blob(b"\x00\xff"), 100), ("\\x00ff".to_owned(), 0));
        assert_eq!(shown(Value::Blob(b"\x00\xff\x10"), 5), ("\\x00".to_owned(), 4));
        let mut batch = Batch { rows: 1, ..Batch::default() };
        batch.push(Value::Null, 10);
        batch.push(Value::Text(b""), 10);
        let taken = batch.rows(2, |cells| {
            assert_eq!(cells, [Cell::Null, Cell::Text { text: "", cut: 0 }]);
            Ok::<_, ()>(true)
        });
        assert_eq!(taken, Ok(true));
    }
}
