//! The values of one column of a batch, as Arrow lays them out.

use crate::engine::Kind;

/// How many values a column has, and how many of them are null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) length: usize,
    pub(super) nulls: usize,
}

/// The values of one column that wait to be written.
pub(super) struct Values {
    data: Data,
    /// One bit a value, the first in the lowest.
    valid: Vec<u8>,
    node: Node,
}

enum Data {
    /// Eight bytes a value.
    Integer(Vec<u8>),
    Float(Vec<u8>),
    /// One bit a value.
    Bool(Vec<u8>),
    /// Where each value begins, and all of them.
    Text {
        ends: Vec<u8>,
        bytes: Vec<u8>,
    },
    Bytes {
        ends: Vec<u8>,
        bytes: Vec<u8>,
    },
}

impl Values {
    /// No values yet.
    pub(super) fn of(kind: Kind) -> Self {
        let data = match kind {
            Kind::Integer => Data::Integer(Vec::new()),
            Kind::Float => Data::Float(Vec::new()),
            Kind::Bool => Data::Bool(Vec::new()),
            Kind::Bytes => Data::Bytes { ends: vec![0; 4], bytes: Vec::new() },
            Kind::Decimal | Kind::Json | Kind::Text => {
                Data::Text { ends: vec![0; 4], bytes: Vec::new() }
            }
        };
        Self { data, valid: Vec::new(), node: Node { length: 0, nulls: 0 } }
    }

    /// Takes a value; returns about how many bytes it takes, or what it is not.
    pub(super) fn push(&mut self, text: Option<&str>) -> Result<usize, &'static str> {
        let index = self.node.length;
        let taken = match &mut self.data {
            Data::Integer(out) => {
                let value: i64 = parsed(text, "no whole number of 64 bits")?;
                out.extend(value.to_le_bytes());
                8
            }
            Data::Float(out) => {
                let value: f64 = parsed(text, "no number")?;
                out.extend(value.to_le_bytes());
                8
            }
            Data::Bool(out) => {
                let value = match text {
                    None | Some("f" | "false" | "FALSE" | "0") => false,
                    Some("t" | "true" | "TRUE" | "1") => true,
                    Some(_) => return Err("neither true nor false"),
                };
                set_bit(out, index, value);
                1
            }
            Data::Text { ends, bytes } => {
                bytes.extend(text.unwrap_or_default().as_bytes());
                end(ends, bytes)?
            }
            Data::Bytes { ends, bytes } => {
                unhex(text.unwrap_or_default(), bytes)?;
                end(ends, bytes)?
            }
        };
        set_bit(&mut self.valid, index, text.is_some());
        self.node.nulls += usize::from(text.is_none());
        self.node.length += 1;
        Ok(taken + text.map_or(0, str::len))
    }

    /// The column's node and buffers, in Arrow's order; none of its values is left.
    pub(super) fn take(&mut self) -> (Node, Vec<Vec<u8>>) {
        let node = std::mem::replace(&mut self.node, Node { length: 0, nulls: 0 });
        let valid = std::mem::take(&mut self.valid);
        // A column without nulls may leave them out.
        let valid = if node.nulls == 0 { Vec::new() } else { valid };
        let mut buffers = vec![valid];
        match &mut self.data {
            Data::Integer(out) | Data::Float(out) | Data::Bool(out) => {
                buffers.push(std::mem::take(out));
            }
            Data::Text { ends, bytes } | Data::Bytes { ends, bytes } => {
                buffers.push(std::mem::replace(ends, vec![0; 4]));
                buffers.push(std::mem::take(bytes));
            }
        }
        (node, buffers)
    }
}

fn parsed<T: std::str::FromStr + Default>(
    text: Option<&str>,
    expected: &'static str,
) -> Result<T, &'static str> {
    text.map_or(Ok(T::default()), |text| text.trim().parse().map_err(|_| expected))
}

fn set_bit(bits: &mut Vec<u8>, index: usize, value: bool) {
    if index.is_multiple_of(8) {
        bits.push(0);
    }
    if let Some(last) = bits.last_mut().filter(|_| value) {
        *last |= 1 << (index % 8);
    }
}

/// Notes where a value ends; returns the bytes that takes.
fn end(ends: &mut Vec<u8>, bytes: &[u8]) -> Result<usize, &'static str> {
    let end = i32::try_from(bytes.len()).map_err(|_| "too large for a batch")?;
    ends.extend(end.to_le_bytes());
    Ok(4)
}

/// Bytes from `\x` and hexadecimal digits. A last digit without its other half is left out: there
/// the value was cut.
fn unhex(text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    for pair in digits.chunks_exact(2) {
        let digit = |at: usize| pair.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let byte =
            digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        out.push(byte.ok_or("no bytes")?);
    }
    Ok(())
}
