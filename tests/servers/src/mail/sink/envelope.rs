//! Paths and parameters of MAIL and RCPT (RFC 5321, 4.1.2), read strictly.

/// What follows `MAIL` or `RCPT`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// The mailbox without its angle brackets; empty for the null reverse-path.
    pub(super) address: String,
    pub(super) parameters: Vec<String>,
}

impl Path {
    /// Reads `FROM:<agent@example.test> SIZE=3`, where `FROM:` is the keyword.
    pub(super) fn parse(rest: &str, keyword: &str) -> Result<Self, &'static str> {
        let (word, rest) = rest.split_at_checked(keyword.len()).ok_or("the path is missing")?;
        if !word.eq_ignore_ascii_case(keyword) {
            return Err("the keyword before the path is missing");
        }
        let rest = rest.strip_prefix('<').ok_or("the path does not begin with <")?;
        let end = end_of_path(rest).ok_or("the path does not end with >")?;
        let parameters = match &rest[end + 1..] {
            "" => Vec::new(),
            more => {
                let more = more.strip_prefix(' ').ok_or("something follows the path")?;
                more.split(' ').map(str::to_owned).collect()
            }
        };
        if parameters.iter().any(String::is_empty) {
            return Err("a parameter is empty");
        }
        Ok(Self { address: rest[..end].to_owned(), parameters })
    }

    /// The value of a parameter, empty where it has none.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find_map(|parameter| {
            let (own, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            own.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// What is wrong with the mailbox. Only with SMTPUTF8 may it be more than ASCII.
    pub(super) fn complaint(&self, utf8: bool) -> Option<&'static str> {
        let Some((local, domain)) = self.address.rsplit_once('@') else {
            return Some("the mailbox has no domain");
        };
        if !self.address.is_ascii() && !utf8 {
            return Some("the mailbox is not ASCII and SMTPUTF8 was not said");
        }
        if local.len() > 64 || domain.len() > 255 || self.address.len() > 254 {
            return Some("the mailbox is too long");
        }
        if !is_local_part(local) {
            return Some("the local part is malformed");
        }
        (!is_domain(domain)).then_some("the domain is malformed")
    }
}

/// The place of the `>` that no quotes enclose.
fn end_of_path(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().find_map(|(place, char)| {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(place),
            _ => {}
        }
        None
    })
}

fn is_local_part(local: &str) -> bool {
    match local.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').is_some_and(is_quoted_content),
        None => local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext)),
    }
}

fn is_quoted_content(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => return false,
            '\\' if chars.next().is_none() => return false,
            _ => {}
        }
    }
    true
}

fn is_atext(char: char) -> bool {
    !char.is_ascii() || char.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(char)
}

fn is_domain(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return !literal.is_empty()
            && literal.chars().all(|char| char.is_ascii_alphanumeric() || ".:-".contains(char));
    }
    domain.split('.').all(|label| {
        let is_inside = |char: char| !char.is_ascii() || char.is_ascii_alphanumeric();
        (1..=63).contains(&label.len())
            && label.chars().all(|char| is_inside(char) || char == '-')
            && label.starts_with(is_inside)
            && label.ends_with(is_inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(address: &str, utf8: bool) -> Option<&'static str> {
        Path { address: address.to_owned(), parameters: Vec::new() }.complaint(utf8)
    }

    #[test]
    fn paths_are_read_with_their_parameters() {
        let path = Path::parse("from:<\"a> b\"@x.test> SIZE=3 body=8BITMIME", "FROM:").unwrap();
        assert_eq!(path.address, "\"a> b\"@x.test");
        assert_eq!((path.parameter("BODY"), path.parameter("AUTH")), (Some("8BITMIME"), None));
        assert_eq!(Path::parse("FROM:<>", "FROM:").unwrap().address, "");
        for wrong in ["FROM: <a@b>", "TO:<a@b>", "FROM:a@b", "FROM:<a@b", "FROM:<a@b>X", "FR"] {
            Path::parse(wrong, "FROM:").expect_err(wrong);
        }
        Path::parse("FROM:<a@b>  SIZE=1", "FROM:").expect_err("two spaces");
    }

    #[test]
    fn mailboxes_are_those_of_the_grammar() {
        for right in ["a@b", "a.b+c@x-1.test", "\"a b\\\"\"@x.test", "a@[127.0.0.1]"] {
            assert_eq!(complaint(right, false), None, "{right}");
        }
        for wrong in ["a", "a b@c", "a..b@c", ".a@c", "a@", "a@b_c", "a@-b", "@x:a@b", "a@b..c"] {
            assert!(complaint(wrong, true).is_some(), "{wrong}");
        }
        assert!(complaint("é@b.test", false).is_some());
        assert_eq!(complaint("é@bücher.test", true), None);
    }
}
