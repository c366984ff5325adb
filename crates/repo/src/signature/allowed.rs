//! Files of allowed signers (ssh-keygen(1), "ALLOWED SIGNERS").
//!
//! One difference: times without a `Z` are UTC here, and not of the zone of some machine.

use ssh_key::PublicKey;
use ssh_key::public::KeyData;

/// A line: whose key, and where and when it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// Whose it is, as the line says.
    pub(super) principals: String,
    /// The key.
    pub(super) key: KeyData,
    /// Whether the key signs certificates, not content.
    pub(super) is_authority: bool,
    namespaces: Option<String>,
    after: Option<i64>,
    before: Option<i64>,
}

impl Allowed {
    /// Why a signature of this key in a namespace, made then, does not count.
    pub(super) fn objection(&self, namespace: &str, time: i64) -> Option<&'static str> {
        if self.is_authority {
            return Some("the key is declared for certificates, which are not supported");
        }
        if self.namespaces.as_deref().is_some_and(|list| !matches_list(list, namespace)) {
            return Some("the key is declared for other namespaces than git");
        }
        if self.after.is_some_and(|after| time < after) {
            return Some("the key was not yet valid when the object says it was made");
        }
        if self.before.is_some_and(|before| time > before) {
            return Some("the key had expired when the object says it was made");
        }
        None
    }
}

/// The lines of a file.
pub(super) fn parse(text: &str) -> Result<Vec<Allowed>, String> {
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        all.push(one(line).map_err(|fault| format!("line {}: {fault}", number + 1))?);
    }
    Ok(all)
}

fn one(line: &str) -> Result<Allowed, String> {
    let (principals, rest) = word(line).ok_or("a quotation is not closed")?;
    let mut allowed = Allowed {
        principals: principals.replace('"', ""),
        key: KeyData::Ed25519(ssh_key::public::Ed25519PublicKey([0; 32])),
        is_authority: false,
        namespaces: None,
        after: None,
        before: None,
    };
    let key = if let Ok(key) = PublicKey::from_openssh(rest) {
        key
    } else {
        let (options, rest) = word(rest).ok_or("a quotation is not closed")?;
        allowed.set(options)?;
        PublicKey::from_openssh(rest).map_err(|error| format!("no key: {error}"))?
    };
    allowed.key = key.key_data().clone();
    Ok(allowed)
}

impl Allowed {
    fn set(&mut self, options: &str) -> Result<(), String> {
        for option in split(options, ',') {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            let name = name.to_ascii_lowercase();
            match (name.as_str(), value) {
                ("cert-authority", None) => self.is_authority = true,
                ("namespaces", Some(list)) => self.namespaces = Some(list.to_owned()),
                ("valid-after", Some(time)) => self.after = Some(moment(time)?),
                ("valid-before", Some(time)) => self.before = Some(moment(time)?),
                _ => return Err(format!("the option `{option}` is not known")),
            }
        }
        Ok(())
    }
}

/// The first word, in which quotations may hold spaces, and the rest.
fn word(text: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => return Some((&text[..at], text[at..].trim_start())),
            _ => {}
        }
    }
    (!is_quoted).then_some((text, ""))
}

/// The parts of a list outside of quotations.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == '"' {
            is_quoted = !is_quoted;
        } else if c == separator && !is_quoted {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `YYYYMMDD[Z]` or `YYYYMMDDHHMM[SS][Z]`, in seconds since 1970.
fn moment(text: &str) -> Result<i64, String> {
    let digits = text.strip_suffix('Z').unwrap_or(text);
    let is_time = digits.bytes().all(|byte| byte.is_ascii_digit());
    let shape = match (digits.len(), is_time) {
        (8, true) => format!("{}-{}-{}T00:00:00Z", &digits[..4], &digits[4..6], &digits[6..]),
        (12 | 14, true) => format!(
            "{}-{}-{}T{}:{}:{}Z",
            &digits[..4],
            &digits[4..6],
            &digits[6..8],
            &digits[8..10],
            &digits[10..12],
            if digits.len() == 14 { &digits[12..] } else { "00" }
        ),
        _ => return Err(format!("`{text}` is no time")),
    };
    let (from, _) = crate::date::range(&shape).map_err(|_| format!("`{text}` is no time"))?;
    from.ok_or_else(|| format!("`{text}` is no time"))
}

/// Whether a name is in a list of patterns (`ssh_config(5)`, PATTERNS): one that begins with `!`
/// takes the name out.
fn matches_list(list: &str, name: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(pattern.as_bytes(), name.as_bytes()),
        }
    }
    found
}

/// `*` stands for any text, `?` for one character. Names here are short: recursion does.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            matches(&pattern[1..], name) || !name.is_empty() && matches(pattern, &name[1..])
        }
        (Some(b'?'), Some(_)) => matches(&pattern[1..], &name[1..]),
        (Some(wanted), Some(found)) if wanted == found => matches(&pattern[1..], &name[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn a_line_says_whose_key_counts_where_and_when() {
        let line = format!(
            "# a comment\n\n\"a b@x,c@x\" namespaces=\"git,f*\",valid-after=\"20240101\",\
             valid-before=\"20250101120000Z\" {KEY} a comment\n*@x {KEY}\n*@x cert-authority {KEY}\n"
        );
        let all = parse(&line).expect("lines");
        assert_eq!((all.len(), all[0].principals.as_str()), (3, "a b@x,c@x"));
        let (january, may) = (1_704_067_200, 1_714_521_600);
        assert_eq!(all[0].objection("git", may), None);
        assert_eq!(all[0].objection("git", january), None);
        assert_eq!(all[0].objection("file", may), None);
        assert!(all[0].objection("git", january - 1).is_some());
        assert!(all[0].objection("git", 1_735_732_801).is_some());
        assert!(all[0].objection("mail", may).is_some());
        assert_eq!(all[1].objection("mail", may), None);
        assert!(all[2].objection("git", may).is_some());
    }

    #[test]
    fn a_line_that_is_not_understood_is_told() {
        for wrong in [
            "ada@x".to_owned(),
            format!("ada@x restrict {KEY}"),
            format!("ada@x valid-after=\"soon\" {KEY}"),
            format!("ada@x valid-after=\"20241301\" {KEY}"),
            format!("ada@x namespaces=git {KEY}"),
            format!("\"ada@x {KEY}"),
            "ada@x ssh-ed25519 AAAA".to_owned(),
        ] {
            assert!(parse(&wrong).is_err_and(|fault| fault.starts_with("line 1: ")), "{wrong}");
        }
    }

    #[test]
    fn patterns_are_those_of_ssh() {
        for (list, name, fits) in [
            ("git", "git", true),
            ("g?t", "git", true),
            ("*", "git", true),
            ("file,g*", "git", true),
            ("*,!git", "git", false),
            ("!file", "git", false),
            ("gi", "git", false),
        ] {
            assert_eq!(matches_list(list, name), fits, "{list}");
        }
    }
}
