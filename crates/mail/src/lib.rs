//! The server `suite mail`: an agent writes a mail or an answer; it lands in the person's own
//! drafts, or, where a rule allows it, a person says yes to exactly these bytes and it is sent once.
//!
//! Who writes, and to whom, is declared: `From` is the account's, recipients are those of a list,
//! files those of declared folders. A message that is answered gives its thread and its words, and
//! never a recipient.
//!
//! What it deliberately does not do: it reads no mail to the agent, deletes and moves none, and
//! sends nothing a second time.
//!
//! Where to start reading: `tools::draft`, then `content` (the draft and its bytes), `message` (how
//! the bytes are built), `tools::send` (once).

mod settings;

mod account;
mod content;
mod mailbox;
mod smtp;

mod address;
mod html;
mod inert;
mod message;
mod mime;
mod quote;
mod view;

mod contacts;
mod credential;
mod digest;
mod files;
mod tls;
mod tools;

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{Ctx, Finding, Needs, Place, Registry, Server, StartError, Target, ToolError};
use serde::{Deserialize, Serialize};
use state::desk::delivery::{Errand, Found, Lost, Standing, Terms};
use state::{Desk, Draft};

use account::Account;
use content::Content;
use message::Built;
pub use settings::{AccountSettings, ServerSettings, Settings};

/// How long a draft is kept that was not sent, in days, unless the settings say otherwise.
const KEEP: u32 = 30;

/// The server of mail.
pub struct Mail {
    accounts: BTreeMap<String, Arc<Account>>,
    desk: Arc<Desk>,
    /// In milliseconds.
    keep: i64,
    /// Held by whoever places a draft: of calls that do the same, one does it.
    placing: tokio::sync::Mutex<()>,
}

impl Server for Mail {
    const NAME: &'static str = "mail";
    const TITLE: &'static str = "Mail";
    const INSTRUCTIONS: &'static str = "Writes mail, reads none. mail_draft, then mail_place puts \
        it among the person's own drafts; where mail_send is offered, another person approves \
        exactly that mail. `reply` is the Message-ID of the mail to answer; name the recipients \
        yourself. mail_verify tells what became of it. A changed draft has a new name.";
    type Settings = Settings;

    async fn open(settings: Settings, place: &Place) -> Result<Self, StartError> {
        let mut accounts = BTreeMap::new();
        for (id, one) in settings.accounts {
            let account = Account::new(&id, one, place)
                .map_err(|error| StartError::new(format!("servers.mail.accounts.{id}: {error}")))?;
            accounts.insert(id, Arc::new(account));
        }
        let keep = i64::from(settings.keep.unwrap_or(KEEP)) * 86_400_000;
        let desk = Arc::new(Desk::new(place.state()));
        Ok(Self { accounts, desk, keep, placing: tokio::sync::Mutex::default() })
    }

    fn needs(settings: &Settings, place: &Place) -> Needs {
        let mut needs = Needs::default();
        for account in settings.accounts.values() {
            needs.connect.extend(account.imap.iter().map(|server| server.port_or(993, 143)));
            needs.connect.extend(account.smtp.iter().map(|server| server.port_or(465, 587)));
            let servers = account.imap.iter().chain(&account.smtp);
            needs
                .read
                .extend(servers.filter_map(|server| server.ca.as_ref()).map(|ca| place.path(ca)));
            let files = account.attachments.iter().chain(&account.contacts);
            needs.read.extend(files.map(|path| place.path(path)));
        }
        needs.connect.sort_unstable();
        needs.connect.dedup();
        needs
    }

    fn tools<R: Registry<Self>>(&self, registry: &mut R) {
        registry.add::<tools::draft::DraftMail>();
        registry.add::<tools::drafts::Drafts>();
        registry.add::<tools::preview::Preview>();
        registry.add::<tools::place::PlaceDraft>();
        if self.accounts.values().any(|account| account.settings.send) {
            registry.add::<tools::send::Send>();
        }
        registry.add::<tools::verify::Verify>();
        if self.accounts.values().any(|account| account.contacts.is_some()) {
            registry.add::<tools::contacts::Contacts>();
        }
    }

    async fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (id, account) in &self.accounts {
            let about = |mut finding: Finding| {
                finding.what = format!("account {id}: {}", finding.what);
                finding
            };
            findings.extend(account.examine().await.into_iter().map(about));
            if account.settings.recipients.is_empty() {
                findings.push(Finding {
                    weight: contract::Weight::Warning,
                    what: format!(
                        "account {id}: `recipients` is empty, so nobody may be written to"
                    ),
                    remedy: "list addresses or *@domain".to_owned(),
                });
            }
        }
        findings
    }

    /// The accounts whose ids begin so.
    fn complete(&self, _owner: &str, argument: &str, prefix: &str) -> Vec<Target> {
        if argument != "account" {
            return Vec::new();
        }
        let fitting = self.accounts.keys().filter(|id| id.starts_with(prefix));
        fitting.map(|id| named(id)).collect()
    }
}

/// What is shown of a message, whoever wrote it.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Addresses, subject, names of files, and what is doubtful: each is one line.
    pub lines: Vec<String>,
    /// Its text.
    pub text: String,
    /// How much of it is doubtful.
    pub defects: usize,
}

/// Reads any octets as a person would be shown them: what the fuzz target `message` feeds.
pub fn shown(bytes: &[u8]) -> Shown {
    let view = view::View::of(bytes);
    let defects = view.defects.len();
    let people = [view.from, view.reply_to, view.to, view.cc, view.bcc];
    let ids = [view.in_reply_to, view.references, view.defects];
    let files = view.attachments.into_iter().flat_map(|file| [file.name, file.mime]);
    let quoted = quote::Quoted::of(bytes).into_iter().flat_map(|one| [one.line, one.subject]);
    let mut lines: Vec<String> = people.into_iter().chain(ids).flatten().collect();
    lines.extend([view.subject, view.date]);
    lines.extend(files.chain(quoted).chain(view.message_id).chain(view.marker));
    Shown { lines, text: view.text, defects }
}

/// An account as policy and audit name it.
pub(crate) fn named(account: &str) -> Target {
    Target::one("account", account)
}

/// A draft, its account, and exactly what would leave.
pub(crate) struct Prepared {
    pub(crate) account: Arc<Account>,
    pub(crate) draft: Draft,
    pub(crate) content: Content,
    pub(crate) built: Built,
}

/// What is known of a mail that was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) message_id: String,
    /// How it left, for people.
    pub(crate) way: String,
}

impl Prepared {
    fn receipt(&self) -> Receipt {
        Receipt { message_id: self.content.message_id.clone(), way: self.account.way() }
    }
}

impl Errand for Prepared {
    type Receipt = Receipt;

    // That a mail is not among the sent ones proves nothing.
    const LAG: Option<i64> = None;

    async fn send(&self) -> Result<Receipt, Lost> {
        let (envelope, bytes) = (&self.built.envelope, &self.built.sent);
        self.account.send(envelope, bytes, &self.content.message_id).await?;
        Ok(self.receipt())
    }

    async fn find(&self, _: i64) -> Result<Found<Receipt>, ToolError> {
        let found = self.account.mailbox.sent(&self.content.message_id).await?;
        Ok(match (found, &self.account.smtp) {
            (Some(_), _) => Found::At(self.receipt()),
            (None, None) => Found::Nowhere,
            (None, Some(_)) => Found::Unsure,
        })
    }
}

impl Mail {
    /// What a call touches: the account it names, or the only one there is.
    pub(crate) fn target(&self, id: Option<&str>) -> Target {
        Target::named_or_only("account", id, self.accounts.keys())
    }

    /// What a call touches that names a draft: the account in the draft's name.
    pub(crate) fn target_of(draft: &str) -> Target {
        Target::named_or_every("account", Draft::target_in(draft))
    }

    /// The account of a call.
    pub(crate) fn account(&self, ctx: &Ctx, id: Option<&str>) -> Result<Arc<Account>, ToolError> {
        ctx.choose("account", "account", id, &self.accounts).cloned()
    }

    /// The caller's draft of this name; an older revision is another draft.
    pub(crate) async fn kept(
        &self,
        ctx: &Ctx,
        name: &str,
    ) -> Result<(Arc<Account>, Draft, Content), ToolError> {
        let owner = &ctx.principal().subject;
        let draft = self.desk.named(owner, name, "mail_drafts").await?;
        let account = self.account(ctx, Some(&draft.target))?;
        let content = Content::of(&draft)?;
        Ok((account, draft, content))
    }

    /// A draft with its bytes; what acts names the revision.
    pub(crate) async fn prepared(
        &self,
        ctx: &Ctx,
        name: &str,
        is_acting: bool,
    ) -> Result<Prepared, ToolError> {
        let (account, draft, content) = self.kept(ctx, name).await?;
        if is_acting && Draft::parse(name).is_none() {
            let message = format!("draft: write its whole name, {}.", draft.name());
            return Err(ToolError::invalid(message));
        }
        let work = move || {
            let built = content.built(&account, &draft)?;
            Ok(Prepared { account, draft, content, built })
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(ToolError::internal(error)))
    }

    /// Sends what was approved, unless it was sent before: the receipt, and whether it is new.
    pub(crate) async fn deliver(&self, one: &Prepared) -> Result<(Receipt, bool), ToolError> {
        let terms = Terms {
            digest: one.built.digest(),
            cap: one.account.per_day(),
            what: "mails",
            verify: "mail_verify",
        };
        let (receipt, is_new) = self.desk.deliver(&one.draft, one, terms).await?;
        if is_new {
            one.account.keep(&one.built.sent, &receipt.message_id).await;
        }
        Ok((receipt, is_new))
    }

    /// How it stands; what is not known is looked for.
    pub(crate) async fn settle(&self, one: &Prepared) -> Result<Standing<Receipt>, ToolError> {
        self.desk.settle(&one.draft, one).await
    }
}
