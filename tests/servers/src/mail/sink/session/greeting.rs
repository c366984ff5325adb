//! Before the first transaction: EHLO, STARTTLS (RFC 3207) and AUTH (RFC 4954).

use std::io;
use std::sync::Arc;

use super::{LONGEST_AUTH, Session, Step, cut};
use crate::mail::sink::memory::Login;
use crate::mail::sink::options::Security;
use crate::mail::sink::sasl::{self, Mechanism};
use crate::mail::wire::Line;

impl Session<'_> {
    pub(super) fn encrypt(&mut self) -> io::Result<()> {
        let done = self.wire.encrypt(Arc::clone(&self.memory.tls));
        if let Err(error) = &done {
            self.memory.record(|state| state.tls_failures.push(error.to_string()));
        }
        self.tls = done.is_ok();
        done
    }

    fn offers_start_tls(&self) -> bool {
        !self.tls && !matches!(self.options().security, Security::Plain | Security::Implicit)
    }

    /// The mechanisms that may be used now.
    fn mechanisms(&self) -> &'static [&'static str] {
        if self.offers_start_tls() { &[] } else { self.options().mechanisms }
    }

    pub(super) fn hello(&mut self, verb: &str, name: &str) -> Step {
        if name.is_empty() || name.contains(' ') {
            return self.object("501 5.5.4", &format!("{verb} without a name"));
        }
        self.abandon();
        self.helo = Some(name.to_owned());
        self.extended = verb == "EHLO";
        if !self.extended {
            return self.say("250 localhost");
        }
        let mut lines = vec!["localhost".to_owned(), "ENHANCEDSTATUSCODES".to_owned()];
        lines.extend(self.options().extensions.iter().map(|one| one.keyword().to_owned()));
        lines.extend(self.options().size.map(|size| format!("SIZE {size}")));
        if self.offers_start_tls() {
            lines.push("STARTTLS".to_owned());
        }
        if !self.mechanisms().is_empty() {
            lines.push(format!("AUTH {}", self.mechanisms().join(" ")));
        }
        let last = lines.len() - 1;
        let numbered = lines.iter().enumerate().map(|(place, line)| {
            let mark = if place == last { ' ' } else { '-' };
            format!("250{mark}{line}")
        });
        let reply = numbered.collect::<Vec<_>>().join("\r\n");
        self.say(&reply)
    }

    pub(super) fn start_tls(&mut self, rest: &str) -> Step {
        if !rest.is_empty() || !self.offers_start_tls() || !self.extended {
            return self.object("503 5.5.1", "STARTTLS that was not offered");
        }
        match self.options().security {
            Security::StartTlsFails => return self.say("454 4.7.0 not now"),
            Security::StartTlsInjected => {
                self.say("220 2.0.0 go on\r\n250-injected.test\r\n250 AUTH PLAIN LOGIN")?;
            }
            _ => {
                self.say("220 2.0.0 go on")?;
            }
        }
        self.encrypt()?;
        self.abandon();
        (self.helo, self.extended, self.login) = (None, false, None);
        Ok(true)
    }

    pub(super) fn auth(&mut self, rest: &str) -> Step {
        let (name, initial) = rest.split_once(' ').map_or((rest, None), |(n, i)| (n, Some(i)));
        let name = name.to_ascii_uppercase();
        if self.login.is_some() || self.transaction.is_some() || !self.extended {
            return self.object("503 5.5.1", "AUTH out of order");
        }
        let is_offered = self.mechanisms().contains(&name.as_str());
        let Some(mechanism) = Mechanism::named(&name).filter(|_| is_offered) else {
            return self.object("504 5.5.4", &format!("AUTH {name} that was not offered"));
        };
        let mut responses: Vec<String> = Vec::new();
        if let Some(initial) = initial {
            let Some(response) = sasl::decoded(initial) else {
                return self.object("501 5.5.2", "the initial response is not Base64");
            };
            responses.push(response);
        }
        while let Some(challenge) = mechanism.challenge(responses.len()) {
            let Some(response) = self.respond(challenge)? else {
                return self.say("501 5.7.0 given up");
            };
            responses.push(response);
        }
        let Some((user, accepted)) = mechanism.verify(&responses, &self.options().token) else {
            return self.object("501 5.5.2", &format!("no response of {name}"));
        };
        let login = Login { user: user.clone(), mechanism: name.clone(), tls: self.tls, accepted };
        self.memory.record(|state| state.logins.push(login));
        if accepted {
            self.login = Some((user, name));
            return self.say("235 2.7.0 welcome");
        }
        if let Some(explanation) = mechanism.explanation() {
            self.respond(explanation)?;
        }
        self.say("535 5.7.8 not with these credentials")
    }

    /// The response to a challenge; nothing where the client gives up.
    fn respond(&mut self, challenge: &str) -> io::Result<Option<String>> {
        self.say(&format!("334 {}", sasl::encoded(challenge)))?;
        match self.wire.line(LONGEST_AUTH)? {
            Some(Line::Text(line)) if line == "*" => Ok(None),
            Some(Line::Text(line)) => {
                let response = sasl::decoded(&line);
                if response.is_none() {
                    self.memory.violation("a response is not Base64");
                }
                Ok(response)
            }
            Some(Line::Broken(complaint)) => {
                self.memory.violation(complaint);
                cut()
            }
            None => cut(),
        }
    }
}
