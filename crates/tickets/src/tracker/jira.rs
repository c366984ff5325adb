//! Jira Cloud, by REST API v3. Texts are Atlassian's document format: what is written in Markdown
//! becomes a document of text alone, in which nothing mentions or embeds anything.

use contract::ToolError;
use contract::ctx::BoxFuture;
use serde_json::{Value, json};

use super::{
    Comment, Found, Hit, Hits, Lost, Outgoing, Receipt, Remark, Ticket, Tracker, Wanted, Which,
    same_lines,
};
use crate::adf;
use crate::http::{Answer, Http, encoded};
use crate::inert::Dialect;
use crate::settings::Accept;

/// How many issues or comments are asked for at once.
const PAGE: usize = 100;
/// Most pages that are looked through for something sent.
const MOST_PAGES: usize = 10;
/// In milliseconds.
const DAY: i64 = 86_400_000;
/// What is asked for of an issue.
const FIELDS: &[&str] =
    &["summary", "description", "status", "labels", "creator", "created", "updated"];

pub(crate) struct Jira {
    pub(crate) http: Http,
    pub(crate) host: String,
    pub(crate) accept: Vec<Accept>,
}

/// A ticket's key, which begins with the project's.
fn key(at: &str, ticket: &str) -> Result<String, ToolError> {
    let number = ticket.strip_prefix(at).and_then(|rest| rest.strip_prefix('-')).unwrap_or(ticket);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && number.len() <= 10 {
        return Ok(format!("{at}-{number}"));
    }
    Err(ToolError::invalid(format!("ticket: write a key of this project, such as {at}-12.")))
}

/// A text within a query of Jira.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Jira {
    async fn get(&self, path: &str, what: &str) -> Result<Answer, ToolError> {
        self.http.get(path).await?.success(what)
    }

    async fn jql(
        &self,
        jql: &str,
        most: usize,
        from: Option<&Value>,
    ) -> Result<(Vec<Value>, Option<Value>), ToolError> {
        let mut asked = json!({"jql": jql, "maxResults": most, "fields": FIELDS});
        if let Some(token) = from {
            asked["nextPageToken"] = token.clone();
        }
        let answer = self.http.query("/rest/api/3/search/jql", &asked).await?.success("search")?;
        let mut body = answer.body;
        let next = Some(body["nextPageToken"].take()).filter(Value::is_string);
        let issues = body["issues"].as_array_mut().map(std::mem::take).unwrap_or_default();
        Ok((issues, next))
    }
}

impl Tracker for Jira {
    fn place(&self) -> String {
        format!("Jira, {}", self.host)
    }

    fn dialect(&self) -> Dialect {
        Dialect::Jira
    }

    fn as_read(&self, body: &str) -> String {
        same_lines(&adf::text(&adf::document(body)))
    }

    fn send<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<Receipt, Lost>> {
        Box::pin(async move {
            let Some(ticket) = &outgoing.on else {
                let answer = self.http.post("/rest/api/3/issue", &issue(at, outgoing)).await?;
                let ticket = text(&answer.receipt("file")?.body["key"]);
                if ticket.is_empty() {
                    return Err(Lost::Unknown("the answer names no issue".to_owned()));
                }
                let url = format!("https://{}/browse/{ticket}", self.host);
                return Ok(Receipt { ticket, comment: None, url });
            };
            let key = key(at, ticket).map_err(Lost::Nothing)?;
            let path = format!("/rest/api/3/issue/{key}/comment");
            let comment = json!({"body": adf::document(&outgoing.body)});
            let answer = self.http.post(&path, &comment).await?.receipt("comment")?;
            let comment = answer.body["id"].as_str().map(str::to_owned);
            if comment.is_none() {
                return Err(Lost::Unknown("the answer names no comment".to_owned()));
            }
            Ok(Receipt { ticket: key, comment, url: String::new() })
        })
    }

    /// Jira's search lags behind what was filed, so not finding an issue proves little; comments
    /// are listed as they are.
    fn find<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
        since: i64,
    ) -> BoxFuture<'a, Result<Found<Receipt>, ToolError>> {
        Box::pin(async move {
            let has = |body: &Value| adf::text(body).contains(&outgoing.marker);
            if let Some(ticket) = &outgoing.on {
                let key = key(at, ticket)?;
                for page in 0..MOST_PAGES {
                    let path = format!(
                        "/rest/api/3/issue/{key}/comment?orderBy=-created&startAt={}&maxResults={PAGE}",
                        page * PAGE
                    );
                    let answer = self.get(&path, "comments").await?;
                    let all = answer.body["comments"].as_array().cloned().unwrap_or_default();
                    if let Some(one) = all.iter().find(|one| has(&one["body"])) {
                        let comment = one["id"].as_str().map(str::to_owned);
                        return Ok(Found::At(Receipt { ticket: key, comment, url: String::new() }));
                    }
                    if all.len() < PAGE {
                        return Ok(Found::Nowhere);
                    }
                }
                return Ok(Found::Unsure);
            }
            // From the day before on: a time in a query is in the zone of the account.
            let day = super::moment(since - DAY).get(..10).unwrap_or_default().to_owned();
            let jql =
                format!("project = {} AND created >= \"{day}\" ORDER BY created DESC", quoted(at));
            let mut from = None;
            for _ in 0..MOST_PAGES {
                let (issues, next) = self.jql(&jql, PAGE, from.as_ref()).await?;
                let found = issues.iter().find(|one| has(&one["fields"]["description"]));
                if let Some(ticket) = found.map(|one| text(&one["key"])) {
                    let url = format!("https://{}/browse/{ticket}", self.host);
                    return Ok(Found::At(Receipt { ticket, comment: None, url }));
                }
                from = next;
                if from.is_none() {
                    break;
                }
            }
            Ok(Found::Unsure)
        })
    }

    fn read<'a>(
        &'a self,
        at: &'a str,
        ticket: &'a str,
        skip: u64,
    ) -> BoxFuture<'a, Result<Ticket, ToolError>> {
        Box::pin(async move {
            let key = key(at, ticket)?;
            let path = format!("/rest/api/3/issue/{key}?fields={}", FIELDS.join(","));
            let issue = self.get(&path, &key).await?.body;
            let path = format!(
                "/rest/api/3/issue/{key}/comment?orderBy=created&startAt={skip}&maxResults={}",
                super::COMMENTS
            );
            let listed = self.get(&path, "comments").await?.body;
            let comments: Vec<Comment> =
                listed["comments"].as_array().into_iter().flatten().map(comment).collect();
            let total = listed["total"].as_u64().unwrap_or_default();
            let fields = &issue["fields"];
            Ok(Ticket {
                hit: hit(&issue),
                body: adf::text(&fields["description"]),
                author: text(&fields["creator"]["displayName"]),
                created: text(&fields["created"]),
                url: format!("https://{}/browse/{key}", self.host),
                more: super::more(skip, comments.len(), total),
                comments,
            })
        })
    }

    fn comment<'a>(
        &'a self,
        at: &'a str,
        ticket: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Comment, ToolError>> {
        Box::pin(async move {
            let key = key(at, ticket)?;
            let path = format!("/rest/api/3/issue/{key}/comment/{}", encoded(id));
            Ok(comment(&self.get(&path, "comment").await?.body))
        })
    }

    fn search<'a>(
        &'a self,
        at: &'a str,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<Hits, ToolError>> {
        Box::pin(async move {
            let words = super::words(wanted.text).join(" ");
            let state = match wanted.state {
                Which::Open => " AND statusCategory != Done",
                Which::Closed => " AND statusCategory = Done",
                Which::All => "",
            };
            let jql = format!(
                "project = {} AND text ~ {}{state} ORDER BY created DESC",
                quoted(at),
                quoted(&words)
            );
            let (issues, next) = self.jql(&jql, wanted.most, None).await?;
            Ok(Hits { hits: issues.iter().map(hit).collect(), has_more: next.is_some() })
        })
    }

    fn examine<'a>(&'a self, at: &'a [String]) -> BoxFuture<'a, Vec<Remark>> {
        Box::pin(async move {
            let mut findings = Vec::new();
            for one in at {
                let path = format!(
                    "/rest/api/3/mypermissions?projectKey={}&permissions=ADMINISTER,ADMINISTER_PROJECTS,CREATE_ISSUES",
                    encoded(one)
                );
                match self.get(&path, one).await {
                    Ok(answer) => findings.extend(self.rights(one, &answer.body["permissions"])),
                    Err(error) => findings.push(Remark::unread(one, &error)),
                }
            }
            findings
        })
    }
}

impl Jira {
    fn rights(&self, at: &str, permissions: &Value) -> Option<Remark> {
        let may = |right: &str| permissions[right]["havePermission"] == true;
        let wide = ["ADMINISTER", "ADMINISTER_PROJECTS"].into_iter().find(|right| may(right));
        if let Some(right) = wide.filter(|_| !self.accept.contains(&Accept::Admin)) {
            let what = format!("the account has the permission {right} in {at}");
            let remedy =
                "make an account that may browse, create and comment only; or `accept` it by name";
            return Some(Remark::too_much(what, remedy));
        }
        (!may("CREATE_ISSUES")).then(|| {
            let what = format!("the account may not create issues in {at}");
            Remark::fault(what, "give it the permission CREATE_ISSUES")
        })
    }
}

/// An issue as Jira takes it.
fn issue(at: &str, outgoing: &Outgoing) -> Value {
    let mut fields = json!({
        "project": {"key": at},
        "summary": outgoing.title,
        "description": adf::document(&outgoing.body),
        "issuetype": {"name": "Task"},
    });
    if !outgoing.labels.is_empty() {
        fields["labels"] = json!(outgoing.labels);
    }
    if let Some(reporter) = &outgoing.reporter {
        fields["reporter"] = json!({"id": reporter});
    }
    for (name, value) in &outgoing.fields {
        fields[name] = value.clone();
    }
    json!({"fields": fields})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn comment(comment: &Value) -> Comment {
    Comment {
        id: text(&comment["id"]),
        author: text(&comment["author"]["displayName"]),
        created: text(&comment["created"]),
        body: adf::text(&comment["body"]),
    }
}

fn hit(issue: &Value) -> Hit {
    let fields = &issue["fields"];
    let done = fields["status"]["statusCategory"]["key"] == "done";
    let labels = fields["labels"].as_array().into_iter().flatten();
    Hit {
        ticket: text(&issue["key"]),
        title: text(&fields["summary"]),
        state: if done { "closed".to_owned() } else { "open".to_owned() },
        labels: labels.filter_map(Value::as_str).map(str::to_owned).collect(),
        changed: text(&fields["updated"]),
    }
}
