//! The values of a row as exact text: what the server itself would write.

use std::fmt::{Display, LowerExp, Write as _};

use sqlx::mysql::{MySql, MySqlRow, MySqlTypeInfo};
use sqlx::{Column as _, Decode, Row as _, Type, TypeInfo as _};

use super::geometry;
use crate::engine::{Cell, Column, Kind};

/// How a result's values came over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// By the prepared protocol: numbers and times are binary.
    Binary,
    /// By the text protocol.
    Text,
}

/// How a column's bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Integer {
        is_unsigned: bool,
    },
    Float,
    Double,
    Year,
    Bits,
    Date,
    /// `is_instant`: a TIMESTAMP, in the session's zone, which is UTC.
    Moment {
        is_instant: bool,
    },
    Time,
    Geometry,
    Bytes,
    Text,
}

/// The columns of one result, and how to read them.
pub(super) struct Reader {
    wire: Wire,
    forms: Vec<Form>,
    /// Most bytes of a cell.
    cell: usize,
    /// The texts that were made for the current row, one after the other.
    made: String,
}

/// Where the text of a cell is.
enum Place<'r> {
    Null,
    Row(&'r str, u64),
    Made(std::ops::Range<usize>, u64),
}

impl Reader {
    pub(super) fn new(columns: &[sqlx::mysql::MySqlColumn], wire: Wire, cell: usize) -> Self {
        let forms = columns.iter().map(|column| form(column.type_info())).collect();
        Self { wire, forms, cell, made: String::new() }
    }

    /// Hands the cells of a row on.
    pub(super) fn read<T>(&mut self, row: &MySqlRow, take: impl FnOnce(&[Cell<'_>]) -> T) -> T {
        self.made.clear();
        let mut places = Vec::with_capacity(self.forms.len());
        for index in 0..self.forms.len() {
            let raw = row.try_get_raw(index).ok();
            // Asked for as bytes, a date of zeros is a value; sqlx itself takes it for NULL.
            let bytes = raw.and_then(|raw| <&[u8] as Decode<MySql>>::decode(raw).ok());
            places.push(match bytes {
                None => Place::Null,
                Some(bytes) => self.place(index, bytes),
            });
        }
        let cells: Vec<Cell<'_>> = places
            .into_iter()
            .map(|place| match place {
                Place::Null => Cell::Null,
                Place::Row(text, cut) => Cell::Text { text, cut },
                Place::Made(at, cut) => {
                    Cell::Text { text: self.made.get(at).unwrap_or_default(), cut }
                }
            })
            .collect();
        take(&cells)
    }

    fn place<'r>(&mut self, index: usize, bytes: &'r [u8]) -> Place<'r> {
        let form = self.forms.get(index).copied().unwrap_or(Form::Text);
        if form == Form::Text
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            let kept = floor(text, self.cell);
            return Place::Row(kept, (text.len() - kept.len()) as u64);
        }
        let start = self.made.len();
        let mut cut = 0;
        match (form, self.wire) {
            (Form::Bytes, _) => {
                // Two digits a byte behind `\x`: whole bytes are kept.
                let kept = bytes.get(..(self.cell.max(4) - 2) / 2).unwrap_or(bytes);
                self.made.push_str("\\x");
                hexadecimal(kept, &mut self.made);
                cut = 2 * (bytes.len() - kept.len()) as u64;
            }
            (Form::Geometry, _) => geometry::text(bytes, &mut self.made),
            (Form::Bits, _) => {
                let number = bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
                let _ = write!(self.made, "{number}");
            }
            (Form::Moment { is_instant }, Wire::Binary) => {
                moment(bytes, is_instant, &mut self.made);
            }
            (Form::Moment { is_instant: true }, Wire::Text) => {
                shown(bytes, &mut self.made);
                self.made.push_str("+00:00");
            }
            (Form::Text, _) | (_, Wire::Text) => shown(bytes, &mut self.made),
            (Form::Integer { is_unsigned }, _) => integer(bytes, is_unsigned, &mut self.made),
            (Form::Float, _) => {
                let number = f32::from_le_bytes(fixed(bytes));
                float(number, f64::from(number), &mut self.made);
            }
            (Form::Double, _) => {
                let number = f64::from_le_bytes(fixed(bytes));
                float(number, number, &mut self.made);
            }
            (Form::Year, _) => {
                let _ = write!(self.made, "{:04}", u16::from_le_bytes(fixed(bytes)));
            }
            (Form::Date, _) => date(bytes.get(1..).unwrap_or_default(), &mut self.made),
            (Form::Time, _) => time(bytes, &mut self.made),
        }
        let made = self.made.get(start..).unwrap_or_default();
        let kept = floor(made, self.cell);
        let (kept, whole) = (kept.len(), made.len());
        Place::Made(start..start + kept, cut + (whole - kept) as u64)
    }
}

/// The columns as the tools describe them.
pub(super) fn columns(columns: &[sqlx::mysql::MySqlColumn]) -> Vec<Column> {
    let describe = |column: &sqlx::mysql::MySqlColumn| {
        let info = column.type_info();
        Column { name: column.name().to_owned(), type_name: type_name(info), kind: kind(info) }
    };
    columns.iter().map(describe).collect()
}

/// The server's name of a type. sqlx calls text of a binary collation binary.
fn type_name(info: &MySqlTypeInfo) -> String {
    let is_text = <str as Type<MySql>>::compatible(info);
    let name = match info.name() {
        "BOOLEAN" => "tinyint(1)",
        "BINARY" if is_text => "char",
        "VARBINARY" if is_text => "varchar",
        "TINYBLOB" if is_text => "tinytext",
        "BLOB" if is_text => "text",
        "MEDIUMBLOB" if is_text => "mediumtext",
        "LONGBLOB" if is_text => "longtext",
        other => other,
    };
    name.to_lowercase()
}

fn form(info: &MySqlTypeInfo) -> Form {
    match info.name() {
        "FLOAT" => Form::Float,
        "DOUBLE" => Form::Double,
        "YEAR" => Form::Year,
        "BIT" => Form::Bits,
        "DATE" => Form::Date,
        "DATETIME" => Form::Moment { is_instant: false },
        "TIMESTAMP" => Form::Moment { is_instant: true },
        "TIME" => Form::Time,
        "GEOMETRY" => Form::Geometry,
        name if is_integer(name) => {
            Form::Integer { is_unsigned: <u64 as Type<MySql>>::compatible(info) }
        }
        _ if is_bytes(info) => Form::Bytes,
        _ => Form::Text,
    }
}

fn kind(info: &MySqlTypeInfo) -> Kind {
    match info.name() {
        "FLOAT" | "DOUBLE" => Kind::Float,
        // The largest of the last two do not fit in 64 bits with a sign.
        "DECIMAL" | "BIT" | "BIGINT UNSIGNED" => Kind::Decimal,
        "JSON" => Kind::Json,
        name if is_integer(name) => Kind::Integer,
        _ if is_bytes(info) => Kind::Bytes,
        _ => Kind::Text,
    }
}

fn is_integer(name: &str) -> bool {
    matches!(name, "BOOLEAN" | "YEAR") || name.contains("INT") && name != "POINT"
}

/// Whether values are bytes and no text, in whatever collation.
fn is_bytes(info: &MySqlTypeInfo) -> bool {
    let is_stringy = <[u8] as Type<MySql>>::compatible(info);
    is_stringy && !<str as Type<MySql>>::compatible(info) && info.name() != "ENUM"
}

/// The first `N` bytes, or what there is of them.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut fixed = [0; N];
    for (to, from) in fixed.iter_mut().zip(bytes) {
        *to = *from;
    }
    fixed
}

fn integer(bytes: &[u8], is_unsigned: bool, text: &mut String) {
    let filler =
        if !is_unsigned && bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    let mut whole = [filler; 8];
    for (to, from) in whole.iter_mut().zip(bytes) {
        *to = *from;
    }
    let _ = if is_unsigned {
        write!(text, "{}", u64::from_le_bytes(whole))
    } else {
        write!(text, "{}", i64::from_le_bytes(whole))
    };
}

/// The shortest digits, as the server writes them: plainly between 1e-15 and 1e15, else with an
/// exponent.
fn float(number: impl Display + LowerExp, value: f64, text: &mut String) {
    let is_plain = value == 0.0 || !value.is_finite() || (1e-15..1e15).contains(&value.abs());
    let _ = if is_plain { write!(text, "{number}") } else { write!(text, "{number:e}") };
}

/// Year, month and day; nothing at all is the date of zeros.
fn date(bytes: &[u8], text: &mut String) {
    let [low, high, month, day] = fixed(bytes);
    padded(u16::from_le_bytes([low, high]), 4, text);
    for part in [month, day] {
        text.push('-');
        padded(part.into(), 2, text);
    }
}

fn moment(bytes: &[u8], is_instant: bool, text: &mut String) {
    let [_, low, high, month, day, hour, minute, second] = fixed(bytes);
    date(&[low, high, month, day], text);
    for (sign, part) in [(' ', hour), (':', minute), (':', second)] {
        text.push(sign);
        padded(part.into(), 2, text);
    }
    fraction(bytes.get(8..), text);
    if is_instant {
        text.push_str("+00:00");
    }
}

/// The last digits of a number; what formats anything takes several times as long.
fn padded(number: u16, digits: u32, text: &mut String) {
    for place in (0..digits).rev() {
        let digit = number / 10_u16.pow(place) % 10;
        text.extend(char::from_digit(digit.into(), 10));
    }
}

fn time(bytes: &[u8], text: &mut String) {
    let [_, sign, a, b, c, d, hour, minute, second] = fixed(bytes);
    let hours = u64::from(u32::from_le_bytes([a, b, c, d])) * 24 + u64::from(hour);
    text.push_str(if sign == 0 { "" } else { "-" });
    let _ = write!(text, "{hours:02}:{minute:02}:{second:02}");
    fraction(bytes.get(9..), text);
}

/// Millionths of a second, where there are any; thousandths, where these are enough.
fn fraction(bytes: Option<&[u8]>, text: &mut String) {
    let micros = u32::from_le_bytes(fixed(bytes.unwrap_or_default()));
    let _ = match (micros, micros % 1000) {
        (0, _) => Ok(()),
        (_, 0) => write!(text, ".{:03}", micros / 1000),
        _ => write!(text, ".{micros:06}"),
    };
}

/// Text; what is not UTF-8 is shown as `\x` and its digits.
fn shown(bytes: &[u8], text: &mut String) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

/// Appends two digits a byte.
pub(super) fn hexadecimal(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
}

/// At most so many bytes, and no part of a character.
fn floor(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_float(number: f64, expected: &str) {
        let mut text = String::new();
        float(number, number, &mut text);
        assert_eq!(text, expected);
    }

    #[test]
    fn floats_read_as_the_server_writes_them() {
        check_float(0.0, "0");
        check_float(-1.5, "-1.5");
        check_float(0.001, "0.001");
        check_float(1e-15, "0.000000000000001");
        check_float(9.9e-16, "9.9e-16");
        check_float(123_456.75, "123456.75");
        check_float(100_000_000_000_000.0, "100000000000000");
        check_float(1e15, "1e15");
        check_float(1e300, "1e300");
        check_float(2.5e-20, "2.5e-20");
    }

    #[test]
    fn times_of_all_lengths_are_read() {
        let check = |read: fn(&[u8], &mut String), bytes: &[u8], expected: &str| {
            let mut text = String::new();
            read(bytes, &mut text);
            assert_eq!(text, expected);
        };
        check(|bytes, text| moment(bytes, false, text), &[0], "0000-00-00 00:00:00");
        check(
            |bytes, text| moment(bytes, true, text),
            &[4, 0xea, 7, 11, 22],
            "2026-11-22 00:00:00+00:00",
        );
        check(time, &[0], "00:00:00");
        check(time, &[8, 1, 34, 0, 0, 0, 22, 59, 59], "-838:59:59");
        check(time, &[12, 0, 0, 0, 0, 0, 1, 2, 3, 0x20, 0xa1, 7, 0], "01:02:03.500");
    }

    #[test]
    fn broken_text_is_made_visible() {
        let mut text = String::new();
        shown(b"a\xffb", &mut text);
        assert_eq!(text, "a\\xffb");
    }
}
