//! Domains: A-labels for machines, U-labels for people (RFC 5890, UTS 46).

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// The domain in A-labels and lower case, or why it is none that mail goes to.
pub(super) fn ascii(domain: &str) -> Result<String, String> {
    if domain.is_empty() || domain.starts_with('.') || domain.ends_with('.') {
        return Err("its domain is missing or has a dot too many".into());
    }
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map_err(|_| "its domain is not a valid one (IDNA)")?;
    let last = ascii.rsplit('.').next().unwrap_or_default();
    if !ascii.contains('.') {
        return Err("its domain is a single word; write all of it, like example.com".into());
    }
    if last.bytes().all(|c| c.is_ascii_digit()) {
        return Err("its domain is a number; write the name of a domain".into());
    }
    // The mapping of UTS 46 accepts many spellings; only one of them can be compared by eye.
    let unicode = unicode(&ascii);
    let said = domain.to_lowercase();
    let as_said = said.split('.').count() == ascii.split('.').count()
        && said
            .split('.')
            .zip(ascii.split('.').zip(unicode.split('.')))
            .all(|(said, (ascii, unicode))| said == ascii || said == unicode);
    if !as_said {
        return Err(format!("its domain is written in an unusual way; write {unicode}"));
    }
    Ok(ascii.into_owned())
}

/// The domain in its own letters.
pub(super) fn unicode(ascii: &str) -> String {
    Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check).0.into_owned()
}
