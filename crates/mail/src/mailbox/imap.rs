//! A mailbox by IMAP (RFC 3501), with the mailboxes that the server marks as drafts and sent
//! (RFC 6154). A connection for each question: mail is written seldom.

use std::sync::Arc;
use std::time::Duration;

use async_imap::types::NameAttribute;
use async_imap::{Authenticator, Client, Session};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use base64::{Engine as _, alphabet};
use contract::ToolError;
use contract::ctx::BoxFuture;
use futures_util::TryStreamExt as _;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Mailbox, is_of};
use crate::credential::{Credential, Proof};
use crate::digest::sha256;
use crate::settings::{ServerSettings, Tls};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest message that is read, in bytes.
const LARGEST: u32 = 100 << 20;
/// The header that holds the marker.
const MARKER: &str = "X-Suite-Marker";

/// A connection, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Stream for T {}

type Open = Session<Box<dyn Stream>>;

pub(crate) struct Imap {
    pub(crate) settings: ServerSettings,
    /// None: without TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) credential: Option<Credential>,
    pub(crate) drafts: Option<String>,
    pub(crate) sent: Option<String>,
    /// Whether what is sent is put there by us.
    pub(crate) keeps: bool,
}

/// XOAUTH2, as Google and Microsoft have it.
struct Xoauth2(String);

impl Authenticator for Xoauth2 {
    type Response = String;

    fn process(&mut self, _: &[u8]) -> String {
        // The answer to a challenge that tells of a failure is empty.
        std::mem::take(&mut self.0)
    }
}

/// What went wrong, for the log; the caller learns only that.
fn fault(error: impl std::fmt::Display) -> ToolError {
    let message = "the mailbox cannot be reached or does not answer as it should; try again later.";
    ToolError::unavailable(message, error).retry_after(Duration::from_secs(30))
}

/// A mailbox's name as IMAP writes it (RFC 3501, section 5.1.3).
fn modified_utf7(name: &str) -> String {
    let engine = GeneralPurpose::new(&alphabet::IMAP_MUTF7, NO_PAD);
    let (mut written, mut wide) = (String::new(), Vec::new());
    let end = |written: &mut String, wide: &mut Vec<u8>| {
        if !wide.is_empty() {
            written.push_str(&format!("&{}-", engine.encode(&*wide)));
            wide.clear();
        }
    };
    for letter in name.chars() {
        if matches!(letter, ' '..='~') {
            end(&mut written, &mut wide);
            written.push(letter);
            if letter == '&' {
                written.push('-');
            }
        } else {
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units).iter();
            wide.extend(units.flat_map(|unit| unit.to_be_bytes()));
        }
    }
    end(&mut written, &mut wide);
    written
}

/// A string of a search, which cannot end its quotes.
fn quoted(text: &str) -> Result<String, ToolError> {
    if !text.is_ascii() || text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(ToolError::invalid("it holds characters that a mailbox cannot look for."));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

impl Imap {
    async fn stream(&self) -> Result<Box<dyn Stream>, ToolError> {
        let settings = &self.settings;
        let port = settings.port_or(993, 143);
        let tcp = TcpStream::connect((settings.host.as_str(), port)).await.map_err(fault)?;
        match settings.tls {
            Tls::Off => Ok(Box::new(tcp)),
            Tls::Implicit => self.encrypted(tcp).await,
            Tls::Starttls => {
                let mut client = Client::new(tcp);
                client.read_response().await.map_err(fault)?;
                // A server that does not offer it is not spoken to.
                client.run_command_and_check_ok("STARTTLS", None).await.map_err(fault)?;
                self.encrypted(client.into_inner()).await
            }
        }
    }

    async fn encrypted(&self, tcp: TcpStream) -> Result<Box<dyn Stream>, ToolError> {
        let name = ServerName::try_from(self.settings.host.clone()).map_err(fault)?;
        let tls = self.tls.as_ref().ok_or_else(|| fault("no TLS is set up"))?;
        let connector = TlsConnector::from(Arc::clone(tls));
        Ok(Box::new(connector.connect(name, tcp).await.map_err(fault)?))
    }

    async fn open(&self) -> Result<Open, ToolError> {
        let mut client = Client::new(self.stream().await?);
        if self.settings.tls != Tls::Starttls {
            client.read_response().await.map_err(fault)?;
        }
        let Some(credential) = &self.credential else {
            return Err(fault("there is no credential for it"));
        };
        let user = &credential.user;
        let opened = match credential.proof()? {
            Proof::Token(secret) => {
                let proof = format!("user={user}\x01auth=Bearer {}\x01\x01", secret.expose());
                client.authenticate("XOAUTH2", Xoauth2(proof)).await
            }
            Proof::Password(secret) => client.login(user, secret.expose()).await,
        };
        opened.map_err(|(error, _)| {
            let message = "the mailbox does not accept the credential; tell the operator.";
            ToolError::unavailable(message, error)
        })
    }

    /// A session, in time.
    async fn session(&self) -> Result<Open, ToolError> {
        let late = |_| Err(fault(format!("no answer within {} s", PATIENCE.as_secs())));
        tokio::time::timeout(PATIENCE, self.open()).await.unwrap_or_else(late)
    }

    /// The mailbox that is named, or that the server marks so.
    async fn named(
        session: &mut Open,
        name: Option<&String>,
        mark: &NameAttribute<'static>,
        usual: &str,
    ) -> Result<String, ToolError> {
        if let Some(name) = name {
            return Ok(modified_utf7(name));
        }
        let names = listed(session).await?;
        if let Some((name, _)) = names.iter().find(|(_, marks)| marks.contains(mark)) {
            return Ok(name.clone());
        }
        if names.iter().any(|(name, _)| name == usual) {
            return Ok(usual.to_owned());
        }
        let key = usual.to_lowercase();
        let message =
            format!("the server marks no mailbox as {usual}; the operator names it in `{key}`.");
        Err(ToolError::new(contract::Kind::Unavailable, message))
    }

    async fn drafts(&self, session: &mut Open) -> Result<String, ToolError> {
        Self::named(session, self.drafts.as_ref(), &NameAttribute::Drafts, "Drafts").await
    }

    async fn sent_box(&self, session: &mut Open) -> Result<String, ToolError> {
        Self::named(session, self.sent.as_ref(), &NameAttribute::Sent, "Sent").await
    }

    async fn append(&self, draft: &[u8], marker: &str) -> Result<String, ToolError> {
        let mut session = self.session().await?;
        let mailbox = self.drafts(&mut session).await?;
        let flags = Some("(\\Draft \\Seen)");
        session.append(&mailbox, flags, None, draft).await.map_err(fault)?;
        // Of several, also of those that others place at the same time, the newest stays.
        let all = holding(&mut session, &mailbox, MARKER, marker).await?;
        let Some((newest, older)) = all.split_first() else {
            return Err(fault("the draft was appended and is not there"));
        };
        remove(&mut session, &mailbox, older).await?;
        // Read back: what is there is what counts.
        let there = whole(&mut session, *newest).await?.unwrap_or_default();
        end(session).await;
        if sha256(&there) != sha256(draft) {
            return Err(fault("the draft was appended and is not there as it was"));
        }
        Ok(mailbox)
    }

    async fn anywhere(&self, message_id: &str) -> Result<Option<Vec<u8>>, ToolError> {
        let mut session = self.session().await?;
        let mut names = listed(&mut session).await?;
        names.retain(|(_, marks)| !marks.contains(&NameAttribute::NoSelect));
        names.sort_by_key(|(name, _)| name != "INBOX");
        for (name, _) in names.iter().take(100) {
            if let Some(found) = of_id(&mut session, name, message_id).await? {
                end(session).await;
                return Ok(Some(found));
            }
        }
        end(session).await;
        Ok(None)
    }

    async fn bounced(&self, message_id: &str) -> Result<Vec<Vec<u8>>, ToolError> {
        let mut session = self.session().await?;
        session.examine("INBOX").await.map_err(fault)?;
        let query = format!("UNDELETED TEXT {}", quoted(message_id)?);
        let mut all = Vec::new();
        for uid in searched(&mut session, &query).await?.into_iter().take(5) {
            all.extend(whole(&mut session, uid).await?);
        }
        end(session).await;
        Ok(all)
    }
}

/// Removes messages of ours for good, and no other that somebody marked as deleted.
async fn remove(session: &mut Open, mailbox: &str, uids: &[u32]) -> Result<(), ToolError> {
    if uids.is_empty() {
        return Ok(());
    }
    let can_choose = session.capabilities().await.map_err(fault)?.has_str("UIDPLUS");
    session.select(mailbox).await.map_err(fault)?;
    let set = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    {
        let stored = session.uid_store(&set, "+FLAGS.SILENT (\\Deleted)").await;
        stored.map_err(fault)?.try_collect::<Vec<_>>().await.map_err(fault)?;
    }
    if can_choose {
        let gone = session.uid_expunge(&set).await.map_err(fault)?;
        gone.try_collect::<Vec<_>>().await.map_err(fault)?;
    }
    Ok(())
}

/// Signs out; a server that does not answer is left.
async fn end(mut session: Open) {
    let _ = tokio::time::timeout(Duration::from_secs(2), session.logout()).await;
}

/// The mailboxes with their marks.
async fn listed(
    session: &mut Open,
) -> Result<Vec<(String, Vec<NameAttribute<'static>>)>, ToolError> {
    let listed = session.list(None, Some("*")).await.map_err(fault)?;
    let names: Vec<_> = listed.try_collect().await.map_err(fault)?;
    let marks = |name: &async_imap::types::Name| {
        let all = name.attributes().iter();
        all.map(|mark| mark.clone().into_owned()).collect::<Vec<_>>()
    };
    Ok(names.iter().map(|name| (name.name().to_owned(), marks(name))).collect())
}

/// The UIDs that a search finds, the newest first.
async fn searched(session: &mut Open, query: &str) -> Result<Vec<u32>, ToolError> {
    let found = session.uid_search(query).await.map_err(fault)?;
    let mut uids: Vec<u32> = found.into_iter().collect();
    uids.sort_unstable_by(|one, other| other.cmp(one));
    Ok(uids)
}

/// The UIDs of a mailbox whose header holds a text, the newest first.
async fn holding(
    session: &mut Open,
    mailbox: &str,
    header: &str,
    text: &str,
) -> Result<Vec<u32>, ToolError> {
    session.examine(mailbox).await.map_err(fault)?;
    let query = format!("UNDELETED HEADER {header} {}", quoted(text)?);
    searched(session, &query).await
}

/// A whole message, as the server has it.
async fn whole(session: &mut Open, uid: u32) -> Result<Option<Vec<u8>>, ToolError> {
    let sized = session.uid_fetch(uid.to_string(), "(RFC822.SIZE)").await.map_err(fault)?;
    let sized: Vec<_> = sized.try_collect().await.map_err(fault)?;
    if sized.iter().any(|one| one.size.is_some_and(|size| size > LARGEST)) {
        return Err(fault("the message is too large"));
    }
    let fetched = session.uid_fetch(uid.to_string(), "(UID BODY.PEEK[])").await.map_err(fault)?;
    let all: Vec<_> = fetched.try_collect().await.map_err(fault)?;
    let one = all.iter().find(|one| one.uid == Some(uid));
    Ok(one.and_then(|one| one.body()).map(<[u8]>::to_vec))
}

/// The message whose own Message-ID this is.
async fn of_id(
    session: &mut Open,
    mailbox: &str,
    message_id: &str,
) -> Result<Option<Vec<u8>>, ToolError> {
    for uid in holding(session, mailbox, "Message-ID", message_id).await?.into_iter().take(5) {
        if let Some(bytes) = whole(session, uid).await?.filter(|bytes| is_of(bytes, message_id)) {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

impl Mailbox for Imap {
    fn place(&self) -> String {
        format!("IMAP, {}", self.settings.host)
    }

    fn put<'a>(
        &'a self,
        draft: &'a [u8],
        marker: &'a str,
    ) -> BoxFuture<'a, Result<String, ToolError>> {
        Box::pin(self.append(draft, marker))
    }

    /// By its marker, since a mail program that changes a draft gives it another UID.
    fn now<'a>(&'a self, marker: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, ToolError>> {
        Box::pin(async move {
            let mut session = self.session().await?;
            let mailbox = self.drafts(&mut session).await?;
            let all = holding(&mut session, &mailbox, MARKER, marker).await?;
            let found = match all.first() {
                Some(uid) => whole(&mut session, *uid).await?,
                None => None,
            };
            end(session).await;
            Ok(found)
        })
    }

    fn take<'a>(
        &'a self,
        draft: &'a [u8],
        marker: &'a str,
    ) -> BoxFuture<'a, Result<(), ToolError>> {
        Box::pin(async move {
            let mut session = self.session().await?;
            let mailbox = self.drafts(&mut session).await?;
            for uid in holding(&mut session, &mailbox, MARKER, marker).await? {
                if whole(&mut session, uid).await?.as_deref() == Some(draft) {
                    remove(&mut session, &mailbox, &[uid]).await?;
                    session.examine(&mailbox).await.map_err(fault)?;
                }
            }
            end(session).await;
            Ok(())
        })
    }

    fn original<'a>(
        &'a self,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ToolError>> {
        Box::pin(self.anywhere(message_id))
    }

    fn keep<'a>(
        &'a self,
        sent: &'a [u8],
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<(), ToolError>> {
        Box::pin(async move {
            if !self.keeps {
                return Ok(());
            }
            let mut session = self.session().await?;
            let mailbox = self.sent_box(&mut session).await?;
            if of_id(&mut session, &mailbox, message_id).await?.is_none() {
                session.append(&mailbox, Some("(\\Seen)"), None, sent).await.map_err(fault)?;
            }
            end(session).await;
            Ok(())
        })
    }

    fn sent<'a>(
        &'a self,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, ToolError>> {
        Box::pin(async move {
            let mut session = self.session().await?;
            let mailbox = self.sent_box(&mut session).await?;
            let found = of_id(&mut session, &mailbox, message_id).await?;
            end(session).await;
            Ok(found)
        })
    }

    fn bounces<'a>(
        &'a self,
        message_id: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, ToolError>> {
        Box::pin(self.bounced(message_id))
    }

    fn examine(&self) -> BoxFuture<'_, Result<(), ToolError>> {
        Box::pin(async move {
            let mut session = self.session().await?;
            self.drafts(&mut session).await?;
            self.sent_box(&mut session).await?;
            end(session).await;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_mailboxes_are_written_as_the_standard_has_them() {
        // The examples of RFC 3501, section 5.1.3.
        assert_eq!(modified_utf7("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
        assert_eq!(modified_utf7("Entwürfe & Co"), "Entw&APw-rfe &- Co");
        assert_eq!(modified_utf7("😀"), "&2D3eAA-");
    }

    #[test]
    fn a_search_cannot_be_ended() {
        assert_eq!(quoted(r#"a"b\c"#).ok(), Some(r#""a\"b\\c""#.to_owned()));
        for text in ["a\r\nb", "ä", "a\0"] {
            assert!(quoted(text).is_err(), "{text:?}");
        }
    }
}
