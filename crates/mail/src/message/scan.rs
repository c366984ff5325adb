//! Reads a built message line by line, without any parser: what is on the wire, and nothing else.

/// A message as its lines have it.
pub(super) struct Scanned {
    /// Unfolded, in order.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<String>,
}

impl Scanned {
    /// Panics unless every octet is as RFC 5322 wants it.
    pub(super) fn of(bytes: &[u8]) -> Self {
        assert!(bytes.is_ascii(), "8 bits");
        assert!(bytes.ends_with(b"\r\n"), "no line end at the end");
        let text = std::str::from_utf8(bytes).expect("ASCII");
        let mut lines = Vec::new();
        for line in text.split_inclusive('\n') {
            let line = line.strip_suffix("\r\n").expect("a bare LF");
            assert!(line.len() <= 998, "a line of {} octets", line.len());
            assert!(
                line.chars().all(|c| c == '\t' || (' '..='~').contains(&c)),
                "a control character: {line:?}"
            );
            lines.push(line.to_owned());
        }
        let end = lines.iter().position(String::is_empty).expect("an empty line");
        let body = lines.split_off(end + 1);
        lines.pop();
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in lines {
            assert!(line.len() <= 500, "a header line is not folded: {line}");
            if line.starts_with([' ', '\t']) {
                assert!(!line.trim().is_empty(), "a line of spaces in the header");
                fields.last_mut().expect("a field before").1 += &line;
            } else {
                let (name, value) = line.split_once(':').expect("a field");
                assert!(name.bytes().all(|c| c.is_ascii_graphic()), "{name:?}");
                fields.push((name.to_owned(), value.trim_start().to_owned()));
            }
        }
        Self { fields, body }
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let first = found.next()?;
        assert!(found.next().is_none(), "{name} occurs twice");
        Some(&first.1)
    }

    /// The addresses of a field, found by their angle brackets or by their commas.
    pub(super) fn addresses(&self, name: &str) -> Vec<String> {
        let Some(value) = self.field(name) else { return Vec::new() };
        value
            .split(", ")
            .map(|one| match one.rsplit_once('<') {
                Some((_, addr)) => addr.trim_end_matches('>').to_owned(),
                None => one.trim().to_owned(),
            })
            .collect()
    }

    /// The lines that begin with `--`: the frame of the parts.
    pub(super) fn frame(&self) -> Vec<&str> {
        self.body.iter().map(String::as_str).filter(|line| line.starts_with("--=_")).collect()
    }
}
