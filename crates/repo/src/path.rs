//! Paths inside a repository: bytes in git, text in a call.
//!
//! A path that is not plain UTF-8 is shown as git shows it (git-config(1), `core.quotePath`):
//! in double quotes, with the escapes of C. Such a form is understood in arguments, too.

use bstr::{BStr, BString, ByteSlice as _, ByteVec as _};
use contract::ToolError;

/// A path as it is shown.
pub(crate) fn shown(path: &BStr) -> String {
    let plain = path.to_str().ok().filter(|text| {
        let odd = |c: char| c.is_control() || c == '"' || c == '\\';
        !text.contains(odd) && contract::text::visible(text) == *text
    });
    plain.map_or_else(|| quoted(path), str::to_owned)
}

fn quoted(path: &BStr) -> String {
    let mut out = String::from("\"");
    for &byte in path.iter() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\r' => out.push_str("\\r"),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out.push('"');
    out
}

/// A path as a caller writes it: relative to the top of the repository. A trailing slash and a
/// leading `./` are forgiven; `.` and the empty path are the top.
pub(crate) fn parse(text: &str) -> Result<BString, ToolError> {
    let wrong = |what: &str| {
        let advice = "write it from the top of the repository, such as src/main.rs.";
        ToolError::invalid(format!("path: {what}; {advice}"))
    };
    let bytes = if text.starts_with('"') && text.len() > 1 && text.ends_with('"') {
        unquoted(&text[1..text.len() - 1]).ok_or_else(|| wrong("a broken quotation"))?
    } else {
        BString::from(text)
    };
    let mut path: &[u8] = &bytes;
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    if path == b"." {
        path = b"";
    }
    let path = path.strip_suffix(b"/").unwrap_or(path);
    if path.starts_with(b"/") {
        return Err(wrong("a path of the file system is not known here"));
    }
    let odd = |part: &[u8]| part.is_empty() || part == b"." || part == b"..";
    if !path.is_empty() && path.split_str("/").any(odd) {
        return Err(wrong("`..`, `.` and empty parts are not followed"));
    }
    if path.contains(&0) {
        return Err(wrong("it holds a NUL"));
    }
    Ok(path.into())
}

fn unquoted(text: &str) -> Option<BString> {
    let mut out = BString::default();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next()? {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            first @ b'0'..=b'3' => {
                let digit = |byte: u8| (b'0'..=b'7').contains(&byte).then(|| byte - b'0');
                let (second, third) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                out.push(((first - b'0') << 6) | (second << 3) | third);
            }
            other @ (b'"' | b'\\') => out.push(other),
            _ => return None,
        }
    }
    Some(out)
}

/// A folder and a name in it.
pub(crate) fn join(folder: &BStr, name: &BStr) -> BString {
    let mut path = BString::from(folder);
    if !path.is_empty() {
        path.push(b'/');
    }
    path.push_str(name);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_understood() {
        for path in ["a b", "ä/ö", "-rf", "a\nb", "q\"\\", "zero\u{200b}width", "tab\t"] {
            let shown = shown(path.into());
            assert!(!shown.contains(['\n', '\t', '\u{200b}']), "{shown}");
            assert_eq!(parse(&shown).expect("a path"), path, "{shown}");
        }
        let odd = BStr::new(b"\xff\xfe.bin");
        assert_eq!(shown(odd), "\"\\377\\376.bin\"");
        assert_eq!(parse(&shown(odd)).expect("a path"), odd);
    }

    #[test]
    fn nothing_leads_out() {
        for wrong in ["/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "\"\\400\"", "\"\\0\""] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for (given, path) in [("./a/", "a"), (".", ""), ("", ""), ("a/b", "a/b")] {
            assert_eq!(parse(given).expect("a path"), path);
        }
    }
}
