//! What a signature is about: the object without the signature, as git signs it
//! (gitformat-signature(5)).

use bstr::{BString, ByteSlice as _};
use gix_hash::Kind;

/// A signature and what it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// What was signed.
    pub(super) payload: Vec<u8>,
    /// The signature, in its armour.
    pub(super) signature: Vec<u8>,
    /// When the object says it was made, in seconds since 1970.
    pub(super) time: i64,
}

/// What an annotated tag says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The name it gives itself.
    pub(crate) name: BString,
    /// Who made it and when, as it is written.
    pub(crate) tagger: BString,
}

/// The signature of a commit: the header `gpgsig`, or `gpgsig-sha256` where objects are named so.
/// Headers of the other kind are left out of what is signed, too.
pub(super) fn of_commit(data: &[u8], hash: Kind) -> Option<Signed> {
    let own: &[u8] = if hash == Kind::Sha256 { b"gpgsig-sha256 " } else { b"gpgsig " };
    let (mut payload, mut signature) = (Vec::with_capacity(data.len()), Vec::new());
    let mut within = Within::Header;
    let mut lines = data.lines_with_terminator();
    for line in lines.by_ref() {
        if line == b"\n" {
            payload.extend_from_slice(line);
            break;
        }
        within = match within {
            Within::Own | Within::Other if line.starts_with(b" ") => within,
            _ if line.starts_with(own) => Within::Own,
            _ if line.starts_with(b"gpgsig") => Within::Other,
            _ => Within::Header,
        };
        match within {
            Within::Own => {
                let start = if line.starts_with(b" ") { 1 } else { own.len() };
                signature.extend_from_slice(&line[start..]);
            }
            Within::Other => {}
            Within::Header => payload.extend_from_slice(line),
        }
    }
    for line in lines {
        payload.extend_from_slice(line);
    }
    let time = made(&payload, b"committer ");
    (!signature.is_empty()).then_some(Signed { payload, signature, time })
}

#[derive(Clone, Copy)]
enum Within {
    Header,
    Own,
    Other,
}

/// The signature of a tag: what follows the last line that begins one.
pub(super) fn of_tag(data: &[u8]) -> Option<Signed> {
    const BEGINNINGS: [&[u8]; 4] = [
        b"-----BEGIN PGP SIGNATURE-----",
        b"-----BEGIN PGP MESSAGE-----",
        b"-----BEGIN SSH SIGNATURE-----",
        b"-----BEGIN SIGNED MESSAGE-----",
    ];
    let (mut at, mut found) = (0, None);
    for line in data.lines_with_terminator() {
        if BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)) {
            found = Some(at);
        }
        at += line.len();
    }
    let (payload, signature) = data.split_at(found?);
    let time = made(payload, b"tagger ");
    Some(Signed { payload: payload.to_owned(), signature: signature.to_owned(), time })
}

/// What a tag says of itself.
pub(super) fn tag(data: &[u8]) -> Tag {
    let field = |name: &[u8]| header(data, name).unwrap_or_default().into();
    Tag { name: field(b"tag "), tagger: field(b"tagger ") }
}

/// The first header of a name.
fn header<'a>(data: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let headers = data.lines().take_while(|line| !line.is_empty());
    headers.into_iter().find_map(|line| line.strip_prefix(name))
}

/// The seconds behind the address of a person.
fn made(data: &[u8], name: &[u8]) -> i64 {
    let line = header(data, name).unwrap_or_default();
    let rest = line.rfind_byte(b'>').map_or(&b""[..], |end| &line[end + 1..]);
    let seconds = rest.to_str_lossy();
    seconds.split_ascii_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_signed_without_its_signatures() {
        let data = b"tree t\nauthor A <a> 1 +0000\ncommitter A <a> 7 +0000\ngpgsig one\n two\n \n \
                     end\ngpgsig-sha256 x\n y\nencoding e\n\nmessage\ngpgsig in it\n";
        let signed = of_commit(data, Kind::Sha1).expect("a signature");
        let payload = b"tree t\nauthor A <a> 1 +0000\ncommitter A <a> 7 +0000\nencoding e\n\n\
                        message\ngpgsig in it\n";
        assert_eq!(signed.payload.as_bstr(), payload.as_bstr());
        assert_eq!((signed.signature.as_bstr(), signed.time), ("one\ntwo\n\nend\n".into(), 7));
        let signed = of_commit(data, Kind::Sha256).expect("a signature");
        assert_eq!(signed.signature.as_bstr(), "x\ny\n");
        assert_eq!(of_commit(b"tree t\n\ngpgsig x\n", Kind::Sha1), None);
    }

    #[test]
    fn the_last_signature_of_a_tag_counts() {
        let data = b"object o\ntype commit\ntag v1\ntagger A <a> 5 +0000\n\n\
                     -----BEGIN PGP SIGNATURE-----\nquoted\n-----BEGIN SSH SIGNATURE-----\nx\n";
        let signed = of_tag(data).expect("a signature");
        assert!(signed.payload.ends_with(b"quoted\n"));
        assert_eq!(
            (signed.signature.as_bstr(), signed.time),
            ("-----BEGIN SSH SIGNATURE-----\nx\n".into(), 5)
        );
        assert_eq!(tag(data), Tag { name: "v1".into(), tagger: "A <a> 5 +0000".into() });
        assert_eq!(of_tag(b"object o\n\nno\n"), None);
    }
}
