//! A transaction: MAIL, RCPT and DATA (RFC 5321, 3.3).

use std::io;

use super::{Session, Step, cut};
use crate::mail::sink::Fault;
use crate::mail::sink::content::{self, Rules};
use crate::mail::sink::envelope::Path;
use crate::mail::sink::memory::Received;
use crate::mail::sink::options::{Extension, Security};

/// What MAIL began.
pub(super) struct Transaction {
    pub(super) message: Received,
    rules: Rules,
    fault: Option<Fault>,
}

impl Session<'_> {
    pub(super) fn mail(&mut self, rest: &str) -> Step {
        let Some(helo) = self.helo.clone() else {
            return self.object("503 5.5.1", "MAIL before EHLO");
        };
        if self.transaction.is_some() {
            return self.object("503 5.5.1", "MAIL in a transaction");
        }
        if self.options().security == Security::StartTlsRequired && !self.tls {
            return self.say("530 5.7.0 STARTTLS first");
        }
        if self.options().auth_required && self.login.is_none() {
            return self.say("530 5.7.0 AUTH first");
        }
        let (path, rules) = match self.reverse_path(rest) {
            Ok(read) => read,
            Err(complaint) => return self.object("555 5.5.4", &complaint),
        };
        let size = path.parameter("SIZE").and_then(|size| size.parse::<usize>().ok());
        if size.zip(self.options().size).is_some_and(|(size, most)| size > most) {
            return self.say("552 5.3.4 too long");
        }
        let (auth, mechanism) = self.login.clone().unzip();
        let (mail_from, parameters, tls) = (path.address, path.parameters, self.tls);
        let message =
            Received { helo, mail_from, parameters, tls, auth, mechanism, ..Received::default() };
        let fault = self.memory.transaction_fault();
        self.transaction = Some(Transaction { message, rules, fault });
        match fault {
            Some(Fault::CutBeforeMail) => return cut(),
            Some(Fault::HoldBeforeMail) => self.memory.hold(),
            _ => {}
        }
        self.say("250 2.1.0 ok")?;
        if fault == Some(Fault::CutAfterMail) { cut() } else { Ok(true) }
    }

    /// The path of MAIL, and what its parameters allow.
    fn reverse_path(&self, rest: &str) -> Result<(Path, Rules), String> {
        let path = Path::parse(rest, "FROM:")?;
        for parameter in &path.parameters {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let eight_bit_mime = self.options().offers(Extension::EightBitMime);
            let is_known = match name.to_ascii_uppercase().as_str() {
                "SIZE" => self.options().size.is_some() && value.parse::<usize>().is_ok(),
                "BODY" => eight_bit_mime && matches!(value, "7BIT" | "8BITMIME"),
                "SMTPUTF8" => self.options().offers(Extension::SmtpUtf8) && value.is_empty(),
                _ => false,
            };
            if !is_known || !self.extended {
                return Err(format!("the parameter {parameter} that was not offered"));
            }
        }
        let utf8 = path.parameter("SMTPUTF8").is_some();
        let eight_bit = path.parameter("BODY") == Some("8BITMIME");
        match path.complaint(utf8) {
            Some(complaint) if !path.address.is_empty() => Err(complaint.to_owned()),
            _ => Ok((path, Rules { eight_bit, utf8, cut: None })),
        }
    }

    pub(super) fn rcpt(&mut self, rest: &str) -> Step {
        let Some(transaction) = &mut self.transaction else {
            return self.object("503 5.5.1", "RCPT before MAIL");
        };
        let path = match Path::parse(rest, "TO:") {
            Ok(path) if path.parameters.is_empty() => path,
            Ok(_) => return self.object("555 5.5.4", "parameters of RCPT that were not offered"),
            Err(complaint) => return self.object("501 5.5.2", complaint),
        };
        if let Some(complaint) = path.complaint(transaction.rules.utf8) {
            return self.object("501 5.1.3", complaint);
        }
        let greylisted = transaction.fault == Some(Fault::Greylist);
        let refusal = match path.address.as_str() {
            address if address.starts_with("reject") => Some("550 5.1.1 nobody of that name"),
            address if address.starts_with("later") => Some("451 4.3.0 try later"),
            _ => greylisted.then_some("451 4.7.1 greylisted, try later"),
        };
        if let Some(refusal) = refusal {
            transaction.message.refused.push(path.address);
            return self.say(refusal);
        }
        transaction.message.rcpt_to.push(path.address);
        let cuts = transaction.fault == Some(Fault::CutAfterRcpt);
        self.say("250 2.1.5 ok")?;
        if cuts { cut() } else { Ok(true) }
    }

    pub(super) fn data(&mut self, rest: &str) -> Step {
        let Some(transaction) = &self.transaction else {
            return self.object("503 5.5.1", "DATA before MAIL");
        };
        let fault = transaction.fault;
        if !rest.is_empty() {
            return self.object("501 5.5.4", "DATA with an argument");
        }
        if transaction.message.rcpt_to.is_empty() {
            return self.say("554 5.5.1 no recipient was taken");
        }
        if fault == Some(Fault::HoldBeforeData) {
            self.memory.hold();
        }
        self.say("354 go on")?;
        if fault == Some(Fault::CutAtData) {
            return cut();
        }
        let complaints = self.content()?;
        if let Some(refusal) = self.refusal(&complaints) {
            self.abandon();
            return self.say(&refusal);
        }
        if let Some(transaction) = self.transaction.take() {
            self.memory.take(transaction.message);
        }
        match fault {
            Some(Fault::CutAfterData) => return cut(),
            Some(Fault::HoldAfterData) => self.memory.hold(),
            _ => {}
        }
        self.say("250 2.0.0 taken")
    }

    /// Reads the message of the transaction; returns what is wrong with it.
    fn content(&mut self) -> io::Result<Vec<&'static str>> {
        let Some(transaction) = &mut self.transaction else { return cut() };
        let mut rules = transaction.rules;
        if let Some(Fault::CutInData(most)) = transaction.fault {
            rules.cut = Some(most);
        }
        content::read(&mut self.wire, &mut transaction.message.bytes, rules)
    }

    /// Why the message is not taken.
    fn refusal(&self, complaints: &[&'static str]) -> Option<String> {
        for complaint in complaints {
            self.memory.violation(*complaint);
        }
        let transaction = self.transaction.as_ref()?;
        if let Some(complaint) = complaints.first() {
            return Some(format!("554 5.6.0 {complaint}"));
        }
        if self.options().size.is_some_and(|most| transaction.message.bytes.len() > most) {
            return Some("552 5.3.4 too long".to_owned());
        }
        match transaction.fault {
            Some(Fault::RejectData(code)) => {
                Some(format!("{code} {}.7.1 refused as planned", code / 100))
            }
            _ => None,
        }
    }
}
