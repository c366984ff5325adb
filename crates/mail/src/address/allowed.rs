//! Who may be written to: addresses and domains that somebody declared. An empty list is nobody.

use super::{Address, domain};

/// Declared recipients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
enum Pattern {
    /// One address; its local part is compared without regard to case.
    Address { local: String, domain: String },
    /// `*@domain`: everybody at this domain, nobody below it.
    Domain(String),
    /// `*@*.domain`: everybody below this domain at any depth, nobody at it.
    Below(String),
}

impl Allowed {
    /// Reads addresses, `*@domain` and `*@*.domain`; domains in letters of any script.
    pub(crate) fn new(patterns: &[String]) -> Result<Self, String> {
        let patterns = patterns.iter().map(|text| Pattern::parse(text.trim()));
        Ok(Self { patterns: patterns.collect::<Result<_, _>>()? })
    }

    /// Whether a pattern covers it; [`super::suspicion`] may still speak against it.
    pub(crate) fn allows(&self, address: &Address) -> bool {
        self.patterns.iter().any(|pattern| pattern.covers(address))
    }

    /// The whole check of a recipient: declared, and nothing suspicious about it.
    pub(crate) fn check(&self, address: &Address) -> Result<(), String> {
        if let Some(why) = super::suspicion(address, self) {
            return Err(format!("`{}` is refused: {why}.", address.shown()));
        }
        if self.allows(address) {
            return Ok(());
        }
        Err(format!("`{}` is not among the recipients that may be written to.", address.shown()))
    }

    /// Whether the domain itself was declared, letter by letter.
    pub(super) fn names(&self, domain: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::Address { domain: own, .. } | Pattern::Domain(own) => own == domain,
            Pattern::Below(_) => false,
        })
    }

    /// Every declared domain.
    pub(super) fn domains(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(|pattern| match pattern {
            Pattern::Address { domain, .. } | Pattern::Domain(domain) | Pattern::Below(domain) => {
                domain.as_str()
            }
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: String| {
            format!("recipient `{text}`: {why}; write name@domain, *@domain or *@*.domain.")
        };
        let Some(domain) = text.strip_prefix("*@") else {
            if text.contains('*') {
                return Err(wrong("a * stands for a whole name or for subdomains".into()));
            }
            let address = Address::parse(text).map_err(|why| format!("recipient {why}"))?;
            if address.name().is_some() {
                return Err(wrong("it has a display name".into()));
            }
            let local = address.local().to_ascii_lowercase();
            return Ok(Self::Address { local, domain: address.domain().to_owned() });
        };
        match domain.strip_prefix("*.") {
            Some(domain) => domain::ascii(domain).map(Self::Below).map_err(wrong),
            None => domain::ascii(domain).map(Self::Domain).map_err(wrong),
        }
    }

    fn covers(&self, address: &Address) -> bool {
        match self {
            Self::Address { local, domain } => {
                domain == address.domain() && address.local().eq_ignore_ascii_case(local)
            }
            Self::Domain(domain) => domain == address.domain(),
            Self::Below(domain) => is_below(address.domain(), domain),
        }
    }
}

/// Whether a domain lies below another.
pub(super) fn is_below(domain: &str, base: &str) -> bool {
    domain.strip_suffix(base).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}
