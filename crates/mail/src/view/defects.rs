//! What two mail programs may read in two ways, found in the octets themselves: line ends that are
//! none, fields that occur twice, octets that no header may have.

use crate::mime;

/// The longest line, without its end (RFC 5322, 2.1.1).
const LINE: usize = 998;

/// Fields of which there may be one (RFC 5322, 3.6; RFC 2045, 3).
const ONCE: &[&str] = &[
    "date",
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "message-id",
    "in-reply-to",
    "references",
    "subject",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "x-suite-marker",
];

/// Fields by which some program on the way finds further recipients.
const RECIPIENTS: &[&str] =
    &["resent-to", "resent-cc", "resent-bcc", "apparently-to", "x-envelope-to"];

/// In words; each once.
pub(super) fn of(bytes: &[u8]) -> Vec<String> {
    let mut defects = Vec::new();
    lines(bytes, &mut defects);
    fields(mime::split(bytes).0, &mut defects);
    defects
}

fn lines(bytes: &[u8], defects: &mut Vec<String>) {
    let (mut bare_lf, mut bare_cr, mut long) = (false, false, false);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let content = match line {
            [content @ .., b'\r', b'\n'] => content,
            [content @ .., b'\n'] => {
                bare_lf = true;
                content
            }
            content => content,
        };
        bare_cr |= content.contains(&b'\r');
        long |= content.len() > LINE;
    }
    let mut note = |is_so: bool, what: &str| {
        if is_so {
            defects.push(what.to_owned());
        }
    };
    note(bare_lf, "lines end in LF alone");
    note(bare_cr, "a CR stands alone");
    note(long, "a line is longer than 998 octets");
    note(bytes.contains(&0), "it holds NUL");
}

fn fields(header: &[u8], defects: &mut Vec<String>) {
    if !header.is_ascii() {
        defects.push("its header is not in 7 bits".into());
    }
    let mut count = vec![0usize; ONCE.len()];
    for line in header.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if line.trim_ascii().is_empty() {
                push_once("a line of its header is empty but for spaces", defects);
            }
            continue;
        }
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        if name.len() == line.len() || !name.iter().all(u8::is_ascii_graphic) || name.is_empty() {
            push_once("a line of its header is no field", defects);
        }
        let name = name.trim_ascii_end().to_ascii_lowercase();
        if let Some(at) = ONCE.iter().position(|known| known.as_bytes() == name) {
            count[at] += 1;
        }
        if let Some(known) = RECIPIENTS.iter().find(|known| known.as_bytes() == name) {
            push_once(&format!("it has a field {known}"), defects);
        }
    }
    for (name, count) in ONCE.iter().zip(&count) {
        if *count > 1 {
            defects.push(format!("it has {count} fields {name}"));
        }
    }
    if ONCE.iter().zip(&count).any(|(&name, &count)| name == "from" && count == 0) {
        defects.push("it has no field from".into());
    }
}

fn push_once(what: &str, defects: &mut Vec<String>) {
    if !defects.iter().any(|known| known == what) {
        defects.push(what.to_owned());
    }
}
