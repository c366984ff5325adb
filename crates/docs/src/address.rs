//! Addresses: `docs://collection/path#anchor`.

use std::fmt::Write as _;

/// The address of a file. Characters that RFC 3986 does not allow in a path are escaped.
pub(crate) fn address(collection: &str, path: &str) -> String {
    let mut out = format!("docs://{collection}/");
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'/'
            | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b';'
            | b'='
            | b':'
            | b'@' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// The collection and the path of an address; `None` where it is none of ours or not UTF-8.
pub(crate) fn parse(uri: &str) -> Option<(String, String)> {
    let rest = uri.strip_prefix("docs://")?;
    let rest = rest.split(['#', '?']).next().unwrap_or(rest);
    let (collection, path) = rest.split_once('/')?;
    let (collection, path) = (unescape(collection)?, unescape(path)?);
    (!collection.is_empty() && !path.is_empty()).then_some((collection, path))
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (digits, after) = tail.split_at_checked(2)?;
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = digit(digits[0])? * 16 + digit(digits[1])?;
            bytes.push(u8::try_from(value).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        let uri = address("handbook", path);
        assert_eq!(uri, expected);
        assert_eq!(parse(&uri), Some(("handbook".to_owned(), path.to_owned())));
    }

    #[test]
    fn addresses_go_both_ways() {
        check("a/b.md", "docs://handbook/a/b.md");
        check("a b#?%.md", "docs://handbook/a%20b%23%3F%25.md");
        check("größe.md", "docs://handbook/gr%C3%B6%C3%9Fe.md");
    }

    #[test]
    fn other_addresses_are_not_ours() {
        for uri in ["", "docs://", "docs://a", "docs://a/", "docs:///a", "http://a/b"] {
            assert_eq!(parse(uri), None, "{uri}");
        }
        for uri in ["docs://a/%", "docs://a/%2", "docs://a/%zz", "docs://a/%ff", "docs://a/%+1"] {
            assert_eq!(parse(uri), None, "{uri}");
        }
        assert_eq!(parse("docs://a/b%2Fc.md#x"), Some(("a".into(), "b/c.md".into())));
    }
}
