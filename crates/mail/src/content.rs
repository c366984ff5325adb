//! What a draft says, and the letter and the bytes that it becomes: the same each time.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use contract::form::filled;
use contract::{Preview, ToolError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::Draft;

use crate::account::Account;
use crate::address::Address;
use crate::message::{Attachment, Built, Letter};
use crate::quote::Quoted;
use crate::view::View;

/// The longest body, in characters.
pub(crate) const BODY: usize = 20_000;

/// What is kept of a draft.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) to: Vec<String>,
    #[serde(default)]
    pub(crate) cc: Vec<String>,
    #[serde(default)]
    pub(crate) bcc: Vec<String>,
    pub(crate) subject: String,
    /// Markdown.
    pub(crate) body: String,
    #[serde(default)]
    pub(crate) template: Option<String>,
    #[serde(default)]
    pub(crate) values: BTreeMap<String, String>,
    /// What it answers.
    #[serde(default)]
    pub(crate) reply: Option<Reply>,
    #[serde(default)]
    pub(crate) attachments: Vec<Attached>,
    /// When it was first written, in seconds since 1970.
    pub(crate) date: u64,
    pub(crate) message_id: String,
    /// Where it was placed, if it was.
    #[serde(default)]
    pub(crate) placed: Option<Placed>,
}

/// A draft as it was put among the person's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Placed {
    /// The mailbox, as the server names it.
    pub(crate) mailbox: String,
    /// Of its bytes.
    pub(crate) sha256: String,
}

/// What a mail answers, as it was read then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) message_id: Option<String>,
    pub(crate) references: Vec<String>,
    pub(crate) subject: String,
    pub(crate) line: String,
    pub(crate) text: String,
}

/// A file as it was when it was attached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attached {
    /// Its name within the declared folders.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) mime: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

/// What a caller says of a mail; what is absent stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) to: Option<Vec<String>>,
    pub(crate) cc: Option<Vec<String>>,
    pub(crate) bcc: Option<Vec<String>>,
    pub(crate) subject: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) template: Option<String>,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) attachments: Option<Vec<String>>,
}

impl Reply {
    pub(crate) fn of(original: &[u8]) -> Result<Self, ToolError> {
        let quoted = Quoted::of(original).map_err(ToolError::invalid)?;
        let Quoted { message_id, references, subject, line, text } = quoted;
        Ok(Self { message_id, references, subject, line, text })
    }

    fn quoted(&self) -> Quoted {
        let Self { message_id, references, subject, line, text } = self.clone();
        Quoted { message_id, references, subject, line, text }
    }
}

impl Attached {
    fn with(&self, bytes: Bytes) -> Attachment {
        Attachment { name: self.name.clone(), mime: self.mime.clone(), bytes }
    }
}

impl Content {
    /// A draft as it is stored.
    pub(crate) fn of(draft: &Draft) -> Result<Self, ToolError> {
        serde_json::from_value(draft.content.clone()).map_err(ToolError::internal)
    }

    /// As it is stored.
    pub(crate) fn stored(&self) -> Result<Value, ToolError> {
        serde_json::to_value(self).map_err(ToolError::internal)
    }

    /// A new mail.
    pub(crate) fn new(account: &Account, random: &str) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let message_id = format!("<{random}@{}>", account.from.domain());
        Self { date: since.as_secs(), message_id, ..Self::default() }
    }

    /// Takes what a caller says.
    pub(crate) fn write(&mut self, account: &Account, said: Said) -> Result<(), ToolError> {
        if let Some(name) = &said.template {
            account.template(name)?;
            self.template = Some(name.clone());
        }
        self.fill(account, &said)?;
        if let Some(subject) = said.subject {
            self.subject = subject;
        }
        if let Some(body) = said.body {
            self.body = body;
        }
        if self.subject.is_empty()
            && let Some(reply) = &self.reply
        {
            self.subject.clone_from(&reply.subject);
        }
        for (field, given) in
            [(&mut self.to, said.to), (&mut self.cc, said.cc), (&mut self.bcc, said.bcc)]
        {
            if let Some(given) = given {
                *field = given;
            }
        }
        if let Some(paths) = said.attachments {
            self.attach(account, paths)?;
        }
        self.check(account)
    }

    /// Fills the template in.
    fn fill(&mut self, account: &Account, said: &Said) -> Result<(), ToolError> {
        let only = account.settings.templates_only;
        let Some(name) = self.template.clone() else {
            if only {
                account.template("")?;
            }
            if !said.fields.is_empty() {
                return Err(ToolError::invalid("fields: name the template they are for."));
            }
            return Ok(());
        };
        if only && (said.subject.is_some() || said.body.is_some()) {
            let message = "subject, body: this account takes its templates only; give `fields`.";
            return Err(ToolError::invalid(message));
        }
        let template = account.template(&name)?;
        for (name, value) in &said.fields {
            let Some(field) = template.values.get(name) else {
                let there: Vec<&str> = template.values.keys().map(String::as_str).collect();
                return Err(ToolError::invalid(format!("fields: it takes {}.", there.join(", "))));
            };
            self.values.insert(name.clone(), field.checked(name, value)?);
        }
        if said.template.is_none() && said.fields.is_empty() {
            return Ok(());
        }
        self.values.retain(|name, _| template.values.contains_key(name));
        let (mut values, mut missing) = (self.values.clone(), Vec::new());
        for (name, field) in &template.values {
            match (values.contains_key(name), &field.default) {
                (true, _) => {}
                (false, Some(default)) => drop(values.insert(name.clone(), default.clone())),
                (false, None) => missing.push(name.as_str()),
            }
        }
        if !missing.is_empty() {
            let message = format!("fields: the template needs {}, too.", missing.join(", "));
            return Err(ToolError::invalid(message));
        }
        self.subject = filled(&template.subject, &values).replace(['\n', '\r'], " ");
        self.body = filled(&template.body, &values);
        Ok(())
    }

    /// Reads the files and notes what they are.
    fn attach(&mut self, account: &Account, paths: Vec<String>) -> Result<(), ToolError> {
        let (mut attached, mut left) = (Vec::new(), account.largest());
        for path in paths {
            let file = account.folders.read(&path, left)?;
            let size = file.bytes.len() as u64;
            left = left.saturating_sub(size);
            let (name, mime, sha256) = (file.name, file.mime, file.sha256);
            attached.push(Attached { path, name, mime, size, sha256 });
        }
        self.attachments = attached;
        Ok(())
    }

    /// Whether it is a mail that may leave.
    fn check(&self, account: &Account) -> Result<(), ToolError> {
        let count = self.to.len() + self.cc.len() + self.bcc.len();
        account.check_count(count)?;
        if self.to.is_empty() {
            return Err(ToolError::invalid("to: name at least one recipient."));
        }
        if self.subject.trim().is_empty() {
            return Err(ToolError::invalid("subject: write one."));
        }
        if self.body.trim().is_empty() {
            return Err(ToolError::invalid("body: write one."));
        }
        if self.body.chars().count() > BODY {
            return Err(ToolError::invalid(format!("body: at most {BODY} characters.")));
        }
        // With files that hold nothing: whatever else could be wrong with it shows.
        let mut letter = self.letter(account, "0")?;
        let empty = |attached: &Attached| attached.with(Bytes::new());
        letter.attachments = self.attachments.iter().map(empty).collect();
        Built::of(&letter).map(drop).map_err(ToolError::invalid)
    }

    fn letter(&self, account: &Account, marker: &str) -> Result<Letter, ToolError> {
        let all = |texts: &[String]| -> Result<Vec<Address>, ToolError> {
            texts.iter().map(|text| account.recipient(text)).collect()
        };
        let quoted = self.reply.as_ref().map(Reply::quoted);
        let in_reply_to = self.reply.as_ref().and_then(|reply| reply.message_id.clone());
        let references = self.reply.as_ref().map(|reply| reply.references.clone());
        Ok(Letter {
            from: account.from.clone(),
            reply_to: account.reply_to.clone(),
            to: all(&self.to)?,
            cc: all(&self.cc)?,
            bcc: all(&self.bcc)?,
            subject: self.subject.clone(),
            markdown: self.body.clone(),
            quoted,
            signature: account.settings.signature.clone(),
            attachments: Vec::new(),
            date: SystemTime::UNIX_EPOCH + Duration::from_secs(self.date),
            message_id: self.message_id.clone(),
            marker: marker.to_owned(),
            in_reply_to: in_reply_to.into_iter().collect(),
            references: references.unwrap_or_default(),
        })
    }

    /// The bytes, built of what the draft says and of the files as they were when attached.
    pub(crate) fn built(&self, account: &Account, draft: &Draft) -> Result<Built, ToolError> {
        let mut letter = self.letter(account, &draft.marker)?;
        for attached in &self.attachments {
            let file = account.folders.read(&attached.path, account.largest())?;
            if file.sha256 != attached.sha256 {
                let message = format!(
                    "attachments: `{}` is not the file that was attached; attach it again with mail_draft.",
                    attached.name
                );
                return Err(ToolError::invalid(message));
            }
            letter.attachments.push(attached.with(file.bytes));
        }
        Built::of(&letter).map_err(ToolError::invalid)
    }
}

/// What a person is shown: every recipient on a line of its own, and all of the text.
pub(crate) fn preview(account: &Account, built: &Built, verb: &str) -> Preview {
    let view = View::of(&built.draft);
    let mut fields = vec![
        ("account".to_owned(), format!("{} ({})", account.id, account.way())),
        ("from".to_owned(), view.from.join("\n")),
    ];
    for (label, all) in [
        ("reply-to", &view.reply_to),
        ("to", &view.to),
        ("cc", &view.cc),
        ("bcc (hidden from the others)", &view.bcc),
    ] {
        fields.extend(all.iter().map(|one| (label.to_owned(), one.clone())));
    }
    fields.push((
        "envelope".to_owned(),
        format!("{} to {}", built.envelope.from, built.envelope.to.join(" ")),
    ));
    fields.push(("subject".to_owned(), view.subject.clone()));
    for file in &view.attachments {
        let text =
            format!("{} ({}, {} bytes, SHA-256 {})", file.name, file.mime, file.size, file.sha256);
        fields.push(("attachment".to_owned(), text));
    }
    fields.push(("text".to_owned(), view.text.trim_end().to_owned()));
    for defect in &view.defects {
        fields.push(("doubtful".to_owned(), defect.clone()));
    }
    let bound = vec![
        ("SHA-256 of envelope and bytes".to_owned(), built.digest().to_owned()),
        ("SHA-256 of the bytes sent".to_owned(), built.sent_sha256().to_owned()),
    ];
    let title = format!("{verb} from {}", account.from.shown());
    Preview { title, fields, bound }
}
