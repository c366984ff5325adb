//! Who signs in at a server, and with what.

use contract::{Place, Secret, StartError, ToolError};

use crate::settings::{ServerSettings, Tls};

/// Reads a token once more: tokens end, and whoever renews one writes it to the same file.
type Again = Box<dyn Fn() -> Result<Secret, StartError> + Send + Sync>;

/// A user with a password or a token.
pub(crate) struct Credential {
    pub(crate) user: String,
    held: Held,
}

enum Held {
    Password(Secret),
    Token(Again),
}

/// What is shown to a server.
pub(crate) enum Proof {
    Password(Secret),
    /// An OAuth 2.0 access token, for XOAUTH2.
    Token(Secret),
}

impl Credential {
    /// The credential in the settings of a server; none where it asks for none.
    pub(crate) fn of(settings: &ServerSettings, place: &Place) -> Result<Option<Self>, StartError> {
        settings.check()?;
        let held = match (&settings.password, &settings.token) {
            (Some(password), _) => Held::Password(place.secret(password)?),
            (None, Some(token)) => {
                // At the start, so that one that is not there is told of then.
                place.secret(token)?;
                Held::Token(Box::new(place.again(token)))
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Self { user: settings.user.clone().unwrap_or_default(), held }))
    }

    /// What to show now.
    pub(crate) fn proof(&self) -> Result<Proof, ToolError> {
        match &self.held {
            Held::Password(secret) => Ok(Proof::Password(secret.clone())),
            Held::Token(again) => again().map(Proof::Token).map_err(|error| {
                let message = "the mail server's token cannot be read; tell the operator.";
                ToolError::unavailable(message, error)
            }),
        }
    }
}

impl ServerSettings {
    /// The port, by these defaults for TLS from the first byte and for STARTTLS.
    pub(crate) fn port_or(&self, implicit: u16, starttls: u16) -> u16 {
        let default = if self.tls == Tls::Implicit { implicit } else { starttls };
        self.port.unwrap_or(default)
    }

    /// Refuses what would say a credential or a mail in the clear to anything but this machine.
    fn check(&self) -> Result<(), StartError> {
        let is_here = ["localhost", "127.0.0.1", "::1"].contains(&self.host.as_str());
        if self.tls == Tls::Off && !is_here {
            let why =
                "tls: off would send everything in the clear; leave it away, or write \"starttls\"";
            return Err(StartError::new(why));
        }
        if self.password.is_some() && self.token.is_some() {
            return Err(StartError::new("password, token: one of them, not both"));
        }
        let has_secret = self.password.is_some() || self.token.is_some();
        if has_secret && self.user.is_none() {
            return Err(StartError::new("user: say who signs in"));
        }
        if self.user.is_some() && !has_secret {
            let why = "password: say where it is, such as { file = \"/run/secrets/mail\" }";
            return Err(StartError::new(why));
        }
        Ok(())
    }
}
