//! An account: in whose name mail is written, to whom, from which files, and where it goes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::{Finding, Kind, Place, StartError, ToolError, Weight, form};

use crate::address::{Address, Allowed};
use crate::credential::Credential;
use crate::files::Folders;
use crate::mailbox::Mailbox;
use crate::mailbox::imap::Imap;
use crate::mailbox::maildir::Maildir;
use crate::message::Envelope;
use crate::settings::{AccountSettings, TemplateSettings, Tls, ValueKind, ValueSettings};
use crate::smtp::Smtp;
use state::desk::delivery::Lost;

/// Most mails sent in a day, unless the settings say otherwise.
const PER_DAY: u32 = 20;
/// Most recipients of a mail, unless the settings say otherwise.
const RECIPIENTS: u32 = 10;
/// Most megabytes attached to a mail, unless the settings say otherwise.
const MEGABYTES: u32 = 10;

/// One account.
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) settings: AccountSettings,
    pub(crate) from: Address,
    pub(crate) reply_to: Option<Address>,
    pub(crate) allowed: Allowed,
    pub(crate) mailbox: Arc<dyn Mailbox>,
    pub(crate) smtp: Option<Smtp>,
    pub(crate) folders: Folders,
    pub(crate) contacts: Option<PathBuf>,
}

impl Account {
    pub(crate) fn new(
        id: &str,
        settings: AccountSettings,
        place: &Place,
    ) -> Result<Self, StartError> {
        let is_id = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
        };
        if id.is_empty() || id.len() > 40 || !id.bytes().all(is_id) {
            let why = "an id has 1 to 40 small letters, digits, `-` and `_`";
            return Err(StartError::new(why));
        }
        let address = |key: &str, text: &str| {
            Address::parse(text).map_err(|why| StartError::new(format!("{key}: {why}")))
        };
        let from = address("from", &settings.from)?;
        let reply_to = settings.reply_to.as_deref().map(|text| address("reply_to", text));
        let allowed = Allowed::new(&settings.recipients)
            .map_err(|why| StartError::new(format!("recipients: {why}")))?;
        for (name, template) in &settings.templates {
            form::check(&[&template.subject, &template.body], template.values.keys())
                .map_err(|why| StartError::new(format!("templates.{name}: {why}")))?;
        }
        let mailbox = mailbox(&settings, place)?;
        let smtp = settings.smtp.as_ref().map(|server| {
            let fault = |error: StartError| StartError::new(format!("smtp: {error}"));
            let credential = Credential::of(server, place).map_err(fault)?;
            let ca = server.ca.as_ref().map(|ca| place.path(ca));
            Ok::<_, StartError>(Smtp { settings: server.clone(), ca, credential })
        });
        let folders = settings.attachments.iter().map(|folder| place.path(folder)).collect();
        let contacts = settings.contacts.as_ref().map(|path| place.path(path));
        Ok(Self {
            id: id.to_owned(),
            from,
            reply_to: reply_to.transpose()?,
            allowed,
            mailbox,
            smtp: smtp.transpose()?,
            folders: Folders::new(folders),
            contacts,
            settings,
        })
    }

    /// The most that leaves in a day.
    pub(crate) fn per_day(&self) -> u32 {
        self.settings.per_day.unwrap_or(PER_DAY)
    }

    /// The most bytes attached to a mail.
    pub(crate) fn largest(&self) -> u64 {
        u64::from(self.settings.megabytes.unwrap_or(MEGABYTES)) << 20
    }

    /// How it leaves, for people.
    pub(crate) fn way(&self) -> String {
        self.smtp.as_ref().map_or_else(|| self.mailbox.place(), Smtp::place)
    }

    /// An address that mail may go to. Whoever is not on the list, or only looks as if, is not.
    pub(crate) fn recipient(&self, text: &str) -> Result<Address, ToolError> {
        let address = Address::parse(text).map_err(ToolError::invalid)?;
        self.allowed.check(&address).map_err(|why| ToolError::new(Kind::Denied, why))?;
        Ok(address)
    }

    /// The recipients of a mail, of every kind together.
    pub(crate) fn check_count(&self, count: usize) -> Result<(), ToolError> {
        let most = self.settings.most_recipients.unwrap_or(RECIPIENTS);
        if count > most as usize {
            let message = format!("to, cc, bcc: {count} recipients; at most {most}.");
            return Err(ToolError::invalid(message));
        }
        Ok(())
    }

    /// Sends it, by SMTP or into the folder on this machine.
    pub(crate) async fn send(
        &self,
        envelope: &Envelope,
        bytes: &[u8],
        message_id: &str,
    ) -> Result<(), Lost> {
        let Some(smtp) = &self.smtp else {
            let kept = self.mailbox.keep(bytes, message_id).await;
            return kept.map_err(Lost::Nothing);
        };
        smtp.send(envelope, bytes).await
    }

    /// Keeps what was sent, where sending did not. It has left: that it cannot be kept does not undo
    /// it.
    pub(crate) async fn keep(&self, bytes: &[u8], message_id: &str) {
        if self.smtp.is_some()
            && let Err(error) = self.mailbox.keep(bytes, message_id).await
        {
            tracing::warn!(log = ?error.log, "what was sent could not be kept in the mailbox");
        }
    }

    /// What its operator should know: whether its servers take the credentials, and the mailboxes
    /// are there.
    pub(crate) async fn examine(&self) -> Vec<Finding> {
        let fault = |place: String, message: String| Finding {
            weight: Weight::Fault,
            what: format!("{place}: {message}"),
            remedy: "check host, port, `tls`, user and secret; of IMAP also `drafts` and `sent`"
                .to_owned(),
        };
        let late = || ToolError::new(Kind::Unavailable, "it does not answer in time");
        let mut findings = Vec::new();
        let mailbox = tokio::time::timeout(EXAMINED, self.mailbox.examine()).await;
        if let Err(error) = mailbox.unwrap_or_else(|_| Err(late())) {
            findings.push(fault(self.mailbox.place(), error.message));
        }
        if let Some(smtp) = &self.smtp {
            let examined = tokio::time::timeout(EXAMINED, smtp.examine()).await;
            if let Err(error) = examined.unwrap_or_else(|_| Err(late())) {
                findings.push(fault(smtp.place(), error.message));
            }
        }
        findings
    }

    /// The template of a name.
    pub(crate) fn template(&self, name: &str) -> Result<&TemplateSettings, ToolError> {
        self.settings.templates.get(name).ok_or_else(|| {
            let there: Vec<&str> = self.settings.templates.keys().map(String::as_str).collect();
            let there = if there.is_empty() { "no templates".to_owned() } else { there.join(", ") };
            ToolError::invalid(format!("template: {} has {there}.", self.id))
        })
    }
}

fn mailbox(settings: &AccountSettings, place: &Place) -> Result<Arc<dyn Mailbox>, StartError> {
    let Some(server) = &settings.imap else {
        return Ok(Arc::new(Maildir::new(place.state().join("outbox"))));
    };
    let fault = |error: StartError| StartError::new(format!("imap: {error}"));
    let credential = Credential::of(server, place).map_err(fault)?;
    let ca = server.ca.as_ref().map(|ca| place.path(ca));
    let tls = if server.tls == Tls::Off { None } else { Some(crate::tls::config(ca.as_deref())) };
    Ok(Arc::new(Imap {
        settings: server.clone(),
        tls: tls.transpose().map_err(fault)?,
        credential,
        drafts: settings.drafts.clone(),
        sent: settings.sent.clone(),
        keeps: settings.keep_sent.unwrap_or(true),
    }))
}

impl ValueSettings {
    /// A value that it may have.
    pub(crate) fn checked(&self, name: &str, value: &str) -> Result<String, ToolError> {
        let most = usize::from(self.max.unwrap_or(200));
        if !self.values.is_empty() && !self.values.iter().any(|one| one == value) {
            return Err(ToolError::invalid(format!("{name}: one of {}.", self.values.join(", "))));
        }
        if value.chars().count() > most {
            return Err(ToolError::invalid(format!("{name}: at most {most} characters.")));
        }
        let fits = match self.kind {
            ValueKind::Line => crate::inert::is_line(value),
            ValueKind::Text => true,
            ValueKind::Number => value.parse::<i64>().is_ok(),
            ValueKind::Date => is_date(value),
        };
        if !fits {
            let kind = match self.kind {
                ValueKind::Line => "one line",
                ValueKind::Text => "a text",
                ValueKind::Number => "a whole number",
                ValueKind::Date => "a day such as 2026-01-31",
            };
            return Err(ToolError::invalid(format!("{name}: it must be {kind}.")));
        }
        Ok(value.to_owned())
    }
}

fn is_date(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let number = |part: &str, length: usize, most: u32| {
        let digits = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        digits && part.parse::<u32>().is_ok_and(|number| (1..=most).contains(&number))
    };
    matches!(parts.as_slice(), [year, month, day]
        if number(year, 4, 9999) && number(month, 2, 12) && number(day, 2, 31))
}

/// How long one server may be examined.
const EXAMINED: Duration = Duration::from_secs(10);
