//! GitHub's issues, by octocrab: its credentials (a token, or an App's, minted for the declared
//! repositories alone) and its transport; the answers are read here, since octocrab's models fail
//! on a user object that is thinner than they expect, after the issue was made.

use std::time::Duration;

use contract::ctx::BoxFuture;
use contract::{Secret, StartError, ToolError};
use http::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::service::middleware::extra_headers::ExtraHeadersLayer;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    Comment, Found, Hit, Hits, Lost, Outgoing, Receipt, Remark, Ticket, Tracker, Wanted, Which,
};
use crate::http::{self as web, Answer, encoded};
use crate::inert::Dialect;
use crate::settings::{Accept, AppSettings};

/// How many issues or comments are asked for at once.
const PAGE: usize = 100;
/// Most pages that are looked through for something sent.
const MOST_PAGES: usize = 10;

pub(crate) struct GitHub {
    crab: Octocrab,
    host: String,
    patience: Duration,
    accept: Vec<Accept>,
    is_app: bool,
}

/// What proves who we are.
pub(crate) enum Credential<'a> {
    Token(Secret),
    App(&'a AppSettings, Secret),
}

impl GitHub {
    pub(crate) fn new(
        url: &Uri,
        credential: Credential<'_>,
        repositories: &[String],
        (ca, patience): (Option<&std::path::Path>, Duration),
        accept: Vec<Accept>,
    ) -> Result<Self, StartError> {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(web::connector(url, ca)?);
        let headers = vec![
            (http::header::USER_AGENT, http::HeaderValue::from_static("suite")),
            (http::header::ACCEPT, http::HeaderValue::from_static("application/vnd.github+json")),
            (
                http::HeaderName::from_static("x-github-api-version"),
                http::HeaderValue::from_static("2022-11-28"),
            ),
        ];
        let (auth, app) = match &credential {
            Credential::Token(token) => {
                let token = SecretString::from(token.expose().to_owned());
                (AuthState::AccessToken { token }, None)
            }
            Credential::App(app, key) => {
                let key = octocrab::auth::AppAuth { app_id: app.id.into(), key: pem(key)? };
                (AuthState::App(key), Some(app.installation))
            }
        };
        let builder = OctocrabBuilder::new_empty()
            .with_service(client)
            .with_layer(&BaseUriLayer::new(url.clone()))
            .with_layer(&ExtraHeadersLayer::new(headers.into()))
            .with_auth(auth);
        let crab = builder.build().map_err(|error| StartError::new(error.to_string()))?;
        let crab = match app {
            None => crab,
            Some(installation) => {
                let names = repositories.iter().filter_map(|at| at.split_once('/'));
                let names = names.map(|(_, name)| name.to_owned()).collect();
                let scoped = crab.installation_builder(installation.into()).repositories(names);
                scoped.build().map_err(|error| StartError::new(format!("app: {error}")))?
            }
        };
        Ok(Self {
            crab,
            host: url.host().unwrap_or_default().to_owned(),
            patience,
            accept,
            is_app: app.is_some(),
        })
    }

    async fn get(&self, path: &str) -> Result<Answer, ToolError> {
        self.ask("GET", path, None).await.map_err(web::unanswered)
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Lost> {
        let request = Request::builder().method(method).uri(path);
        let request = self
            .crab
            .build_request(request, body)
            .map_err(|error| Lost::Nothing(ToolError::internal(error)))?;
        let asked = async {
            let response = self.crab.execute(request).await.map_err(|error| web::lost(&error))?;
            web::read(response).await
        };
        web::in_time(self.patience, asked).await
    }

    /// Whether something sent is among these, newest first or oldest first.
    async fn look(
        &self,
        path: &str,
        marker: &str,
        receipt: impl Fn(&Value) -> Receipt,
    ) -> Result<Found<Receipt>, ToolError> {
        for page in 1..=MOST_PAGES {
            let answer = self.get(&format!("{path}&per_page={PAGE}&page={page}")).await?;
            let answer = answer.success("list")?;
            let Some(all) = answer.body.as_array() else { return Ok(Found::Unsure) };
            let has = |one: &&Value| one["body"].as_str().is_some_and(|body| body.contains(marker));
            if let Some(one) = all.iter().find(has) {
                return Ok(Found::At(receipt(one)));
            }
            if all.len() < PAGE {
                return Ok(Found::Nowhere);
            }
        }
        Ok(Found::Unsure)
    }
}

fn pem(key: &Secret) -> Result<jsonwebtoken_10::EncodingKey, StartError> {
    jsonwebtoken_10::EncodingKey::from_rsa_pem(key.expose().as_bytes()).map_err(|_| {
        StartError::new("app.key: it is no RSA key in PEM; GitHub gives it as a .pem file")
    })
}

/// `owner/repository`, each encoded.
fn repository(at: &str) -> String {
    let (owner, name) = at.split_once('/').unwrap_or((at, ""));
    format!("/repos/{}/{}", encoded(owner), encoded(name))
}

/// A ticket's number, which is part of an address.
fn number(ticket: &str) -> Result<u64, ToolError> {
    let digits = ticket.strip_prefix('#').unwrap_or(ticket);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| ToolError::invalid("ticket: write the number of an issue, such as 12."))
}

impl Tracker for GitHub {
    fn place(&self) -> String {
        format!("GitHub, {}", self.host)
    }

    fn dialect(&self) -> Dialect {
        Dialect::GitHub
    }

    fn send<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<Receipt, Lost>> {
        Box::pin(async move {
            let (path, body) = match &outgoing.on {
                Some(ticket) => {
                    let number = number(ticket).map_err(Lost::Nothing)?;
                    let path = format!("{}/issues/{number}/comments", repository(at));
                    (path, json!({"body": outgoing.body}))
                }
                None => (format!("{}/issues", repository(at)), issue(outgoing)),
            };
            let answer = self.ask("POST", &path, Some(&body)).await?.receipt("file")?;
            let read = if outgoing.on.is_some() { comment_receipt } else { issue_receipt };
            let receipt = read(&answer.body);
            if receipt.ticket.is_empty() {
                return Err(Lost::Unknown("the answer names no issue".to_owned()));
            }
            Ok(receipt)
        })
    }

    fn find<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
        since: i64,
    ) -> BoxFuture<'a, Result<Found<Receipt>, ToolError>> {
        Box::pin(async move {
            let since = encoded(&super::moment(since));
            match &outgoing.on {
                // Lists, not searches: those lag behind.
                None => {
                    let path = format!(
                        "{}/issues?state=all&sort=created&direction=desc&since={since}",
                        repository(at)
                    );
                    self.look(&path, &outgoing.marker, issue_receipt).await
                }
                Some(ticket) => {
                    let number = number(ticket)?;
                    let path = format!("{}/issues/{number}/comments?since={since}", repository(at));
                    self.look(&path, &outgoing.marker, comment_receipt).await
                }
            }
        })
    }

    fn read<'a>(
        &'a self,
        at: &'a str,
        ticket: &'a str,
        skip: u64,
    ) -> BoxFuture<'a, Result<Ticket, ToolError>> {
        Box::pin(async move {
            let number = number(ticket)?;
            let path = format!("{}/issues/{number}", repository(at));
            let issue = self.get(&path).await?.success(&format!("issue {number}"))?.body;
            let count = issue["comments"].as_u64().unwrap_or(0);
            let mut comments = Vec::new();
            if count > skip {
                let (size, page) = (super::COMMENTS, skip / super::COMMENTS + 1);
                let path = format!("{path}/comments?per_page={size}&page={page}");
                let listed = self.get(&path).await?.success("comments")?.body;
                comments = listed.as_array().into_iter().flatten().map(comment).collect();
            }
            Ok(Ticket {
                hit: hit(&issue),
                body: text(&issue["body"]),
                author: text(&issue["user"]["login"]),
                created: text(&issue["created_at"]),
                url: text(&issue["html_url"]),
                more: super::more(skip, comments.len(), count),
                comments,
            })
        })
    }

    fn comment<'a>(
        &'a self,
        at: &'a str,
        _: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Comment, ToolError>> {
        Box::pin(async move {
            let path = format!("{}/issues/comments/{}", repository(at), number(id)?);
            Ok(comment(&self.get(&path).await?.success("comment")?.body))
        })
    }

    fn search<'a>(
        &'a self,
        at: &'a str,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<Hits, ToolError>> {
        Box::pin(async move {
            let state = match wanted.state {
                Which::Open => " state:open",
                Which::Closed => " state:closed",
                Which::All => "",
            };
            // Words only: what would be a qualifier could lead to another repository.
            let words = super::words(wanted.text).join(" ");
            let query = format!("{words} repo:{at} is:issue{state}");
            let most = wanted.most;
            let path = format!("/search/issues?q={}&per_page={most}", encoded(&query));
            let found = self.get(&path).await?.success("search")?.body;
            let ours = |one: &&Value| {
                let repository = one["repository_url"].as_str();
                repository.is_none_or(|url| {
                    url.to_lowercase().ends_with(&format!("/repos/{}", at.to_lowercase()))
                })
            };
            let items = found["items"].as_array();
            let hits: Vec<Hit> = items.into_iter().flatten().filter(ours).map(hit).collect();
            let has_more = found["total_count"].as_u64().is_some_and(|all| all > most as u64);
            Ok(Hits { hits, has_more })
        })
    }

    fn examine<'a>(&'a self, at: &'a [String]) -> BoxFuture<'a, Vec<Remark>> {
        Box::pin(async move {
            let mut findings = Vec::new();
            for one in at {
                match self.get(&repository(one)).await.and_then(|answer| answer.success(one)) {
                    Ok(answer) => findings.extend(self.rights(one, &answer)),
                    Err(error) => findings.push(Remark::unread(one, &error)),
                }
            }
            findings
        })
    }
}

impl GitHub {
    /// What is too much of a credential: GitHub tells the scopes of classic tokens in a header, and
    /// what they may do in the repository's `permissions`.
    fn rights(&self, at: &str, answer: &Answer) -> Option<Remark> {
        let permissions = &answer.body["permissions"];
        let scopes = answer.headers.get("x-oauth-scopes").and_then(|scopes| scopes.to_str().ok());
        let wide = ["admin", "maintain"].into_iter().find(|right| permissions[*right] == true);
        let what = match (wide, scopes.filter(|scopes| !scopes.trim().is_empty())) {
            (Some(right), _) if !self.is_app && !self.accept.contains(&Accept::Admin) => {
                format!("the token may {right} {at}")
            }
            (_, Some(scopes)) if !self.accept.contains(&Accept::Wide) => {
                format!(
                    "a classic token with the scopes {scopes} reaches every repository of its account"
                )
            }
            _ => return None,
        };
        let remedy = "make a fine-grained token, or an App, with Issues: read and write, on these repositories alone; or `accept` it by name";
        Some(Remark::too_much(what, remedy))
    }
}

/// An issue as GitHub takes it.
fn issue(outgoing: &Outgoing) -> Value {
    let mut issue = json!({"title": outgoing.title, "body": outgoing.body});
    if !outgoing.labels.is_empty() {
        issue["labels"] = json!(outgoing.labels);
    }
    for (name, value) in &outgoing.fields {
        match name.as_str() {
            "assignee" => issue["assignees"] = json!([value]),
            _ => issue[name] = value.clone(),
        }
    }
    issue
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn issue_receipt(issue: &Value) -> Receipt {
    let ticket = issue["number"].as_u64().map(|number| number.to_string()).unwrap_or_default();
    Receipt { ticket, comment: None, url: text(&issue["html_url"]) }
}

fn comment_receipt(comment: &Value) -> Receipt {
    let url = text(&comment["issue_url"]);
    let ticket = url.rsplit('/').next().unwrap_or_default().to_owned();
    let id = comment["id"].as_u64().map(|id| id.to_string());
    Receipt { ticket, comment: id, url: text(&comment["html_url"]) }
}

fn comment(comment: &Value) -> Comment {
    Comment {
        id: comment["id"].as_u64().map(|id| id.to_string()).unwrap_or_default(),
        author: text(&comment["user"]["login"]),
        created: text(&comment["created_at"]),
        body: text(&comment["body"]),
    }
}

fn hit(issue: &Value) -> Hit {
    let labels = issue["labels"].as_array().into_iter().flatten();
    let name = |label: &Value| label["name"].as_str().or(label.as_str()).map(str::to_owned);
    Hit {
        ticket: issue["number"].as_u64().map(|number| number.to_string()).unwrap_or_default(),
        title: text(&issue["title"]),
        state: text(&issue["state"]),
        labels: labels.filter_map(name).collect(),
        changed: text(&issue["updated_at"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a credential, by the header and the permissions GitHub tells.
    fn said(scopes: Option<&str>, permissions: Value, accept: &[Accept]) -> Option<String> {
        let url = Uri::from_static("http://127.0.0.1:1");
        let credential = Credential::Token(Secret::new("t".to_owned()));
        let patience = (None, Duration::from_secs(1));
        let github =
            GitHub::new(&url, credential, &[], patience, accept.to_vec()).expect("a client");
        let mut headers = http::HeaderMap::new();
        if let Some(scopes) = scopes {
            headers.insert("x-oauth-scopes", scopes.parse().expect("a header"));
        }
        let answer = Answer {
            status: http::StatusCode::OK,
            retry_after: None,
            headers,
            body: json!({"permissions": permissions}),
        };
        let remark = github.rights("acme/web", &answer)?;
        assert!(remark.is_too_much);
        Some(remark.finding.what)
    }

    #[tokio::test]
    async fn a_token_that_may_do_more_than_issues_is_too_much() {
        let plain = json!({"admin": false, "maintain": false, "push": false, "pull": true});
        assert_eq!(said(None, plain.clone(), &[]), None);
        assert_eq!(said(Some(""), plain.clone(), &[]), None);
        let classic = said(Some("repo, workflow"), plain.clone(), &[]).expect("a remark");
        assert!(classic.contains("scopes repo, workflow"), "{classic}");
        assert_eq!(said(Some("repo"), plain, &[Accept::Wide]), None);
        let admin = json!({"admin": true});
        assert_eq!(said(None, admin.clone(), &[]).as_deref(), Some("the token may admin acme/web"));
        assert_eq!(said(None, admin, &[Accept::Admin]), None);
    }

    #[test]
    fn a_number_leads_nowhere_else() {
        assert_eq!(number("#12").expect("a number"), 12);
        for bad in ["", "#", "-1", "1/comments", "1?x", "１２", "99999999999999999999999"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
