//! Where a link leads, and whether a reader can see it.

use url::Url;

use crate::address::Address;

/// A link that mail may have.
pub(super) struct Link {
    /// As it is written into the page.
    pub(super) address: String,
    /// What a reader must be able to see: the host, or the mailbox.
    place: String,
}

impl Link {
    /// Only http, https and mailto, each without what a reader does not expect of it: credentials,
    /// further recipients, a subject.
    pub(super) fn of(target: &str) -> Option<Self> {
        let url = Url::parse(target).ok()?;
        match url.scheme() {
            "http" | "https" => {
                let is_bare = url.username().is_empty() && url.password().is_none();
                let place = url.host_str().filter(|_| is_bare)?.to_owned();
                Some(Self { address: url.into(), place })
            }
            "mailto" => {
                let address = Address::parse(url.path()).ok().filter(|one| one.name().is_none())?;
                let place = address.addr();
                Some(Self { address: format!("mailto:{place}"), place })
            }
            _ => None,
        }
    }

    /// What must stand beside the text of the link, unless the text is that place itself.
    pub(super) fn beside(self, shown: &str) -> Option<String> {
        let shown = shown.trim();
        let of_shown = Self::of(shown)
            .or_else(|| Self::of(&format!("https://{shown}")))
            .filter(|_| !shown.contains(char::is_whitespace))
            .map(|link| link.place);
        let says_it = of_shown.as_ref() == Some(&self.place) || shown == self.place;
        // Letters of other scripts may look like any others.
        (!says_it || self.place.contains("xn--")).then_some(self.place)
    }
}
