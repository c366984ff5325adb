//! Geometry as well-known text. The server keeps four bytes of the reference system and then
//! well-known binary (OGC 06-103r4, 8.2).

use std::fmt::Write as _;

use super::cells::hexadecimal;

/// How deep collections may be nested.
const DEPTH: u32 = 16;

/// Appends a geometry: `POINT(1 2)`, or its bytes where they are not understood.
pub(super) fn text(bytes: &[u8], text: &mut String) {
    let start = text.len();
    let mut rest = bytes.get(4..).unwrap_or_default();
    if shape(&mut rest, text, DEPTH).is_none() || !rest.is_empty() {
        text.truncate(start);
        text.push_str("\\x");
        hexadecimal(bytes, text);
    }
}

fn shape(rest: &mut &[u8], text: &mut String, depth: u32) -> Option<()> {
    let is_little = take::<1>(rest)? == [1];
    let kind = number(rest, is_little)?;
    let name = match kind {
        1 => "POINT",
        2 => "LINESTRING",
        3 => "POLYGON",
        4 => "MULTIPOINT",
        5 => "MULTILINESTRING",
        6 => "MULTIPOLYGON",
        7 => "GEOMETRYCOLLECTION",
        _ => return None,
    };
    text.push_str(name);
    body(rest, text, kind, is_little, depth)
}

fn body(rest: &mut &[u8], text: &mut String, kind: u32, is_little: bool, depth: u32) -> Option<()> {
    text.push('(');
    if kind == 1 {
        point(rest, text, is_little)?;
    } else {
        for index in 0..number(rest, is_little)? {
            text.push_str(if index == 0 { "" } else { "," });
            match kind {
                2 => point(rest, text, is_little)?,
                3 => body(rest, text, 2, is_little, depth)?,
                7 => shape(rest, text, depth.checked_sub(1)?)?,
                // The parts of a collection of one kind say their order and kind again.
                _ => {
                    let is_little = take::<1>(rest)? == [1];
                    let kind = number(rest, is_little)?;
                    if !(1..=3).contains(&kind) {
                        return None;
                    }
                    if kind == 1 {
                        point(rest, text, is_little)?;
                    } else {
                        body(rest, text, kind, is_little, depth)?;
                    }
                }
            }
        }
    }
    text.push(')');
    Some(())
}

fn point(rest: &mut &[u8], text: &mut String, is_little: bool) -> Option<()> {
    let mut coordinate = || {
        let bytes = take::<8>(rest)?;
        Some(if is_little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) })
    };
    let (x, y) = (coordinate()?, coordinate()?);
    write!(text, "{x} {y}").ok()
}

fn number(rest: &mut &[u8], is_little: bool) -> Option<u32> {
    let bytes = take::<4>(rest)?;
    Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_text_and_nonsense_is_bytes() {
        let mut bytes = vec![0, 0, 0, 0, 1, 1, 0, 0, 0];
        bytes.extend(1.5_f64.to_le_bytes());
        bytes.extend((-2_f64).to_le_bytes());
        let mut shown = String::new();
        text(&bytes, &mut shown);
        assert_eq!(shown, "POINT(1.5 -2)");
        shown.clear();
        text(&bytes[..12], &mut shown);
        assert!(shown.starts_with("\\x0000"));
    }
}
