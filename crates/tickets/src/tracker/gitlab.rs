//! GitLab's issues, by REST API v4.

use contract::ToolError;
use contract::ctx::BoxFuture;
use serde_json::{Value, json};

use super::{
    Comment, Found, Hit, Hits, Lost, Outgoing, Receipt, Remark, Ticket, Tracker, Wanted, Which,
};
use crate::http::{Answer, Http, encoded};
use crate::inert::Dialect;
use crate::settings::Accept;

/// How many issues or notes are asked for at once.
const PAGE: usize = 100;
/// Most pages that are looked through for something sent.
const MOST_PAGES: usize = 10;

pub(crate) struct GitLab {
    pub(crate) http: Http,
    pub(crate) host: String,
    pub(crate) accept: Vec<Accept>,
}

/// A project, by its whole path.
fn project(at: &str) -> String {
    format!("/api/v4/projects/{}", encoded(at))
}

/// A ticket's number within its project.
fn number(ticket: &str) -> Result<u64, ToolError> {
    let digits = ticket.strip_prefix('#').unwrap_or(ticket);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| ToolError::invalid("ticket: write the number of an issue, such as 12."))
}

impl GitLab {
    async fn get(&self, path: &str, what: &str) -> Result<Answer, ToolError> {
        self.http.get(path).await?.success(what)
    }

    /// Whether something sent is among these.
    async fn look(
        &self,
        path: &str,
        (field, marker): (&str, &str),
        receipt: impl Fn(&Value) -> Receipt,
    ) -> Result<Found<Receipt>, ToolError> {
        for page in 1..=MOST_PAGES {
            let path = format!("{path}&per_page={PAGE}&page={page}");
            let answer = self.get(&path, "list").await?;
            let Some(all) = answer.body.as_array() else { return Ok(Found::Unsure) };
            let has = |one: &&Value| one[field].as_str().is_some_and(|text| text.contains(marker));
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

impl Tracker for GitLab {
    fn place(&self) -> String {
        format!("GitLab, {}", self.host)
    }

    fn dialect(&self) -> Dialect {
        Dialect::GitLab
    }

    fn send<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<Receipt, Lost>> {
        Box::pin(async move {
            let Some(ticket) = &outgoing.on else {
                let path = format!("{}/issues", project(at));
                let answer = self.http.post(&path, &issue(outgoing)).await?.receipt("file")?;
                let receipt = issue_receipt(&answer.body);
                if receipt.ticket.is_empty() {
                    return Err(Lost::Unknown("the answer names no issue".to_owned()));
                }
                return Ok(receipt);
            };
            let number = number(ticket).map_err(Lost::Nothing)?;
            let path = format!("{}/issues/{number}/notes", project(at));
            let answer = self.http.post(&path, &json!({"body": outgoing.body})).await?;
            let receipt = note_receipt(ticket, &answer.receipt("comment")?.body);
            if receipt.comment.is_none() {
                return Err(Lost::Unknown("the answer names no note".to_owned()));
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
            match &outgoing.on {
                None => {
                    let since = encoded(&super::moment(since));
                    let path = format!(
                        "{}/issues?scope=all&created_after={since}&order_by=created_at&sort=desc",
                        project(at)
                    );
                    self.look(&path, ("description", &outgoing.marker), issue_receipt).await
                }
                Some(ticket) => {
                    let number = number(ticket)?;
                    let order = "order_by=created_at&sort=desc";
                    let path = format!("{}/issues/{number}/notes?{order}", project(at));
                    let receipt = |note: &Value| note_receipt(ticket, note);
                    self.look(&path, ("body", &outgoing.marker), receipt).await
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
            let path = format!("{}/issues/{number}", project(at));
            let issue = self.get(&path, &format!("issue {number}")).await?.body;
            let (size, page) = (super::COMMENTS, skip / super::COMMENTS + 1);
            let path =
                format!("{path}/notes?order_by=created_at&sort=asc&per_page={size}&page={page}");
            let listed = self.get(&path, "notes").await?;
            let total = listed.headers.get("x-total").and_then(|total| total.to_str().ok());
            let notes = listed.body.as_array().map(Vec::as_slice).unwrap_or_default();
            let seen = skip + notes.len() as u64;
            let full = notes.len() as u64 == size;
            let total = total.and_then(|total| total.parse().ok());
            let total = total.unwrap_or(if full { seen + 1 } else { seen });
            let comments = notes.iter().filter(|note| note["system"] != true).map(comment);
            Ok(Ticket {
                hit: hit(&issue),
                body: text(&issue["description"]),
                author: text(&issue["author"]["username"]),
                created: text(&issue["created_at"]),
                url: text(&issue["web_url"]),
                comments: comments.collect(),
                more: (seen < total).then_some(total),
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
            let (ticket, id) = (number(ticket)?, number(id)?);
            let path = format!("{}/issues/{ticket}/notes/{id}", project(at));
            Ok(comment(&self.get(&path, "note").await?.body))
        })
    }

    fn search<'a>(
        &'a self,
        at: &'a str,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<Hits, ToolError>> {
        Box::pin(async move {
            let state = match wanted.state {
                Which::Open => "&state=opened",
                Which::Closed => "&state=closed",
                Which::All => "",
            };
            let words = encoded(&super::words(wanted.text).join(" "));
            let path = format!(
                "{}/issues?scope=all&search={words}{state}&per_page={}",
                project(at),
                wanted.most
            );
            let found = self.get(&path, "search").await?.body;
            let hits: Vec<Hit> = found.as_array().into_iter().flatten().map(hit).collect();
            let has_more = hits.len() == wanted.most;
            Ok(Hits { hits, has_more })
        })
    }

    fn examine<'a>(&'a self, at: &'a [String]) -> BoxFuture<'a, Vec<Remark>> {
        Box::pin(async move {
            let mut findings = Vec::new();
            for one in at {
                if let Err(error) = self.get(&project(one), one).await {
                    findings.push(Remark::unread(one, &error));
                }
            }
            match self.get("/api/v4/user", "user").await {
                Ok(user)
                    if user.body["is_admin"] == true && !self.accept.contains(&Accept::Admin) =>
                {
                    let remedy = "make a project access token with the role Reporter and the scope api; or `accept` it by name";
                    findings.push(Remark::too_much("the token is an administrator's", remedy));
                }
                _ => {}
            }
            findings
        })
    }
}

/// An issue as GitLab takes it.
fn issue(outgoing: &Outgoing) -> Value {
    let mut issue = json!({"title": outgoing.title, "description": outgoing.body});
    if !outgoing.labels.is_empty() {
        issue["labels"] = json!(outgoing.labels.join(","));
    }
    for (name, value) in &outgoing.fields {
        issue[name] = value.clone();
    }
    issue
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn counted(value: &Value) -> Option<String> {
    value.as_u64().map(|number| number.to_string())
}

fn issue_receipt(issue: &Value) -> Receipt {
    let ticket = counted(&issue["iid"]).unwrap_or_default();
    Receipt { ticket, comment: None, url: text(&issue["web_url"]) }
}

fn note_receipt(ticket: &str, note: &Value) -> Receipt {
    Receipt { ticket: ticket.to_owned(), comment: counted(&note["id"]), url: String::new() }
}

fn comment(note: &Value) -> Comment {
    Comment {
        id: counted(&note["id"]).unwrap_or_default(),
        author: text(&note["author"]["username"]),
        created: text(&note["created_at"]),
        body: text(&note["body"]),
    }
}

fn hit(issue: &Value) -> Hit {
    let labels = issue["labels"].as_array().into_iter().flatten();
    let name = |label: &Value| label.as_str().or(label["name"].as_str()).map(str::to_owned);
    Hit {
        ticket: counted(&issue["iid"]).unwrap_or_default(),
        title: text(&issue["title"]),
        state: if issue["state"] == "opened" { "open".to_owned() } else { text(&issue["state"]) },
        labels: labels.filter_map(name).collect(),
        changed: text(&issue["updated_at"]),
    }
}
