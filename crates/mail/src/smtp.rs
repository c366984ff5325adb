//! Submission by SMTP (RFC 6409), step by step: what is refused before the message is given over
//! has not left; what is lost after that may have.

use std::path::PathBuf;
use std::time::Duration;

use contract::error::causes;
use contract::{Kind, ToolError};
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use state::desk::delivery::Lost;

use crate::credential::{Credential, Proof};
use crate::message::Envelope;
use crate::settings::{ServerSettings, Tls};

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Smtp {
    pub(crate) settings: ServerSettings,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) credential: Option<Credential>,
}

/// A refusal or a fault before the message was given over.
fn nothing(error: lettre::transport::smtp::Error) -> Lost {
    let log = causes(&error);
    let code = error.status().map(|code| code.to_string());
    let refused = error.is_permanent() || error.is_transient();
    let error = match (refused, code) {
        (true, Some(code)) if error.is_transient() => {
            let message =
                format!("the mail server does not take it now ({code}), so nothing was sent.");
            ToolError::new(Kind::Unavailable, message).retry_after(Duration::from_mins(5))
        }
        (true, Some(code)) => {
            let message = format!("the mail server refuses it ({code}), so nothing was sent.");
            ToolError::new(Kind::Invalid, message)
        }
        _ => {
            let message = "the mail server cannot be reached or spoken to, so nothing was sent.";
            ToolError::new(Kind::Unavailable, message).retry_after(Duration::from_secs(30))
        }
    };
    Lost::Nothing(error.with_log(log))
}

impl Smtp {
    pub(crate) fn place(&self) -> String {
        format!("SMTP, {}", self.settings.host)
    }

    /// Sends exactly these bytes to exactly these recipients: all of them or none.
    pub(crate) async fn send(&self, envelope: &Envelope, bytes: &[u8]) -> Result<(), Lost> {
        let late = || {
            Lost::Nothing(ToolError::new(
                Kind::Unavailable,
                "the mail server is too slow, so nothing was sent.",
            ))
        };
        let ready = tokio::time::timeout(PATIENCE, self.ready(envelope, bytes)).await;
        let mut connection = ready.map_err(|_| late())??;
        // From here on it may have arrived.
        // The end that SMTP adds is the message's own.
        let content = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
        let given = tokio::time::timeout(PATIENCE, connection.message(content)).await;
        let outcome = match given {
            // Any other yes is the answer to something else.
            Ok(Ok(response)) if response.has_code(250) => Ok(()),
            Ok(Ok(response)) => {
                Err(Lost::Unknown(format!("the mail server answered {response:?}")))
            }
            Ok(Err(error)) if error.status().is_some() => Err(nothing(error)),
            Ok(Err(error)) => Err(Lost::Unknown(causes(&error))),
            Err(_) => Err(Lost::Unknown(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        let end = async {
            let _ = connection.quit().await;
            connection.abort().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), end).await;
        outcome
    }

    /// Whether the server lets us in.
    pub(crate) async fn examine(&self) -> Result<(), ToolError> {
        let mut connection = self.connect().await.map_err(|lost| match lost {
            Lost::Nothing(error) => error,
            Lost::Unknown(why) => ToolError::internal(why),
        })?;
        let _ = connection.quit().await;
        Ok(())
    }

    /// A connection on which the server waits for the message.
    async fn ready(&self, envelope: &Envelope, bytes: &[u8]) -> Result<AsyncSmtpConnection, Lost> {
        let mut connection = self.connect().await?;
        let address = |text: &str| {
            text.parse::<Address>().map_err(|error| Lost::Nothing(ToolError::internal(error)))
        };
        let mut options = Vec::new();
        if connection.server_info().supports_feature(Extension::EightBitMime) && !bytes.is_ascii() {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        connection
            .command(Mail::new(Some(address(&envelope.from)?), options))
            .await
            .map_err(nothing)?;
        for recipient in &envelope.to {
            let rcpt = Rcpt::new(address(recipient)?, Vec::new());
            connection.command(rcpt).await.map_err(nothing)?;
        }
        connection.command(Data).await.map_err(nothing)?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Lost> {
        let settings = &self.settings;
        let hello = ClientId::Domain("localhost".to_owned());
        let port = settings.port_or(465, 587);
        let implicit = match settings.tls {
            Tls::Implicit => Some(self.parameters()?),
            Tls::Starttls | Tls::Off => None,
        };
        let server = (settings.host.as_str(), port);
        let connected =
            AsyncSmtpConnection::connect_tokio1(server, Some(PATIENCE), &hello, implicit, None);
        let mut connection = connected.await.map_err(nothing)?;
        if settings.tls == Tls::Starttls {
            // A server that does not offer it is not spoken to.
            connection.starttls(self.parameters()?, &hello).await.map_err(nothing)?;
        }
        if let Some(credential) = &self.credential {
            let (mechanisms, secret): (&[Mechanism], _) =
                match credential.proof().map_err(Lost::Nothing)? {
                    Proof::Token(secret) => (&[Mechanism::Xoauth2], secret),
                    Proof::Password(secret) => (&[Mechanism::Plain, Mechanism::Login], secret),
                };
            let credentials = Credentials::new(credential.user.clone(), secret.expose().to_owned());
            connection.auth(mechanisms, &credentials).await.map_err(nothing)?;
        }
        Ok(connection)
    }

    fn parameters(&self) -> Result<TlsParameters, Lost> {
        let fault = |why: String| Lost::Nothing(ToolError::internal(why));
        let mut builder = TlsParameters::builder(self.settings.host.clone());
        if let Some(ca) = &self.ca {
            let pem = std::fs::read(ca).map_err(|error| fault(error.to_string()))?;
            let certificate = Certificate::from_pem(&pem).map_err(|error| fault(causes(&error)))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build_rustls().map_err(|error| fault(causes(&error)))
    }
}
