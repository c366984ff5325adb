//! Request Tracker 5, by REST API v2.
//!
//! What a ticket is known again by is a link to a URN, which is written with it in one transaction
//! and found by an exact search at once; a comment is known by its last line.

use contract::ToolError;
use contract::ctx::BoxFuture;
use http::header::LOCATION;
use serde_json::{Map, Value, json};

use super::{
    Comment, Found, Hit, Hits, Lost, Outgoing, Receipt, Remark, Ticket, Tracker, Wanted, Which,
};
use crate::http::{Answer, Http, encoded};
use crate::inert::Dialect;
use crate::settings::Accept;

/// Where the interface is.
const API: &str = "/REST/2.0";
/// How many attachments are asked for at once: the most there are to be had.
const PAGE: usize = 100;
/// The fields of a ticket that are no custom fields.
const CORE: &[&str] = &["Due", "Owner", "Priority", "Starts", "TimeEstimated"];

pub(crate) struct Rt {
    pub(crate) http: Http,
    pub(crate) host: String,
    pub(crate) site: String,
    pub(crate) user: Option<String>,
    pub(crate) accept: Vec<Accept>,
}

/// A ticket's number.
fn number(ticket: &str) -> Result<u64, ToolError> {
    let is_number = !ticket.is_empty() && ticket.bytes().all(|byte| byte.is_ascii_digit());
    ticket
        .parse()
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| ToolError::invalid("ticket: write its number, such as 12."))
}

/// A text within a query.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The marker as a URN of RFC 9562, which names nothing else.
fn urn(marker: &str) -> String {
    let part = |from: usize, to: usize| marker.get(from..to).unwrap_or_default();
    let parts = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)];
    format!("urn:uuid:{}", parts.join("-"))
}

impl Rt {
    async fn get(&self, path: &str, what: &str) -> Result<Answer, ToolError> {
        self.http.get(&format!("{API}{path}")).await?.success(what)
    }

    /// A ticket of this queue: numbers are the same for all queues.
    async fn ticket(&self, at: &str, ticket: &str) -> Result<Value, ToolError> {
        let number = number(ticket)?;
        let what = format!("ticket {number}");
        let found = self.get(&format!("/ticket/{number}?fields[Queue]=Name"), &what).await?.body;
        let unknown = || ToolError::not_found(format!("the tracker has no such thing ({what})."));
        let is_there = found["Queue"]["Name"].as_str().is_some_and(|name| is_same(name, at));
        // A ticket that was merged answers as the other one.
        let is_itself = counted(&found["id"]) == Some(number.to_string());
        if is_there && is_itself { Ok(found) } else { Err(unknown()) }
    }

    /// The texts of a ticket, the oldest first: the number of each transaction, and what it says.
    async fn texts(&self, ticket: &str, order: &str) -> Result<Vec<Value>, ToolError> {
        let path = format!(
            "/ticket/{}/attachments?fields=Content,ContentType,TransactionId,Created,Creator\
             &orderby=id&order={order}&per_page={PAGE}",
            number(ticket)?
        );
        let mut listed = self.get(&path, "texts").await?.body;
        let mut items = listed["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let is_text = |item: &Value| {
            item["ContentType"].as_str().is_some_and(|kind| kind.starts_with("text/"))
        };
        items.retain(is_text);
        Ok(items)
    }

    async fn file(&self, at: &str, outgoing: &Outgoing) -> Result<Receipt, Lost> {
        let path = format!("{API}/ticket");
        let answer = self.http.post(&path, &ticket(at, outgoing)).await?.receipt("file")?;
        match counted(&answer.body["id"]) {
            Some(ticket) => Ok(self.receipt(ticket, None)),
            None => Err(Lost::Unknown("the answer names no ticket".to_owned())),
        }
    }

    async fn add(&self, at: &str, ticket: &str, outgoing: &Outgoing) -> Result<Receipt, Lost> {
        self.ticket(at, ticket).await.map_err(Lost::Nothing)?;
        let number = number(ticket).map_err(Lost::Nothing)?;
        let path = format!("{API}/ticket/{number}/comment");
        let comment = json!({"Content": outgoing.body, "ContentType": "text/plain"});
        let answer = self.http.post(&path, &comment).await?.receipt("comment")?;
        let location = answer.headers.get(LOCATION).and_then(|at| at.to_str().ok());
        let id = location.and_then(|at| at.rsplit_once("/transaction/"));
        match id.filter(|(_, id)| id.bytes().all(|byte| byte.is_ascii_digit())) {
            Some((_, id)) => Ok(self.receipt(number.to_string(), Some(id.to_owned()))),
            None => Err(Lost::Unknown("the answer names no transaction".to_owned())),
        }
    }

    fn receipt(&self, ticket: String, comment: Option<String>) -> Receipt {
        let url = format!("{}/Ticket/Display.html?id={ticket}", self.site.trim_end_matches('/'));
        Receipt { ticket, comment, url }
    }

    async fn search(&self, query: &str, most: usize) -> Result<Value, ToolError> {
        let path = format!(
            "/tickets?query={}&fields=Subject,Status,LastUpdated,Queue&fields[Queue]=Name\
             &orderby=id&order=DESC&per_page={most}",
            encoded(query)
        );
        Ok(self.get(&path, "search").await?.body)
    }
}

impl Tracker for Rt {
    fn place(&self) -> String {
        format!("Request Tracker, {}", self.host)
    }

    fn dialect(&self) -> Dialect {
        Dialect::Plain
    }

    fn send<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<Receipt, Lost>> {
        Box::pin(async move {
            match &outgoing.on {
                None => self.file(at, outgoing).await,
                Some(ticket) => self.add(at, ticket, outgoing).await,
            }
        })
    }

    fn find<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
        _: i64,
    ) -> BoxFuture<'a, Result<Found<Receipt>, ToolError>> {
        Box::pin(async move {
            if let Some(ticket) = &outgoing.on {
                let texts = self.texts(ticket, "DESC").await?;
                let has = |item: &&Value| text(&item["Content"]).contains(&outgoing.marker);
                let found = texts.iter().find(has).and_then(|item| counted(&item["TransactionId"]));
                return Ok(match found {
                    Some(id) => Found::At(self.receipt(ticket.clone(), Some(id))),
                    None => Found::Nowhere,
                });
            }
            let query = format!("RefersTo = {}", quoted(&urn(&outgoing.marker)));
            let found = self.search(&query, 5).await?;
            let mut items = found["items"].as_array().into_iter().flatten();
            let ours = |item: &&Value| {
                item["Queue"]["Name"].as_str().is_some_and(|name| is_same(name, at))
            };
            Ok(match items.find(ours).and_then(|item| counted(&item["id"])) {
                Some(ticket) => Found::At(self.receipt(ticket, None)),
                None => Found::Nowhere,
            })
        })
    }

    fn read<'a>(
        &'a self,
        at: &'a str,
        ticket: &'a str,
        skip: u64,
    ) -> BoxFuture<'a, Result<Ticket, ToolError>> {
        Box::pin(async move {
            let found = self.ticket(at, ticket).await?;
            let texts = self.texts(ticket, "ASC").await?;
            let count = texts.len().saturating_sub(1) as u64;
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).saturating_add(1);
            let size = usize::try_from(super::COMMENTS).unwrap_or(usize::MAX);
            let comments: Vec<Comment> =
                texts.iter().skip(skipped).take(size).map(comment).collect();
            Ok(Ticket {
                hit: hit(&found),
                body: texts.first().map(|first| text(&first["Content"])).unwrap_or_default(),
                author: text(&found["Creator"]["id"]),
                created: text(&found["Created"]),
                url: self.receipt(number(ticket)?.to_string(), None).url,
                more: super::more(skip, comments.len(), count),
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
            self.ticket(at, ticket).await?;
            let texts = self.texts(ticket, "DESC").await?;
            let found = texts.iter().map(comment).find(|one| one.id == id);
            found.ok_or_else(|| {
                ToolError::not_found(format!("comment {id} is not among the last {PAGE} texts."))
            })
        })
    }

    fn search<'a>(
        &'a self,
        at: &'a str,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<Hits, ToolError>> {
        Box::pin(async move {
            let mut query = format!("Queue = {}", quoted(at));
            for word in super::words(wanted.text) {
                query.push_str(&format!(" AND Subject LIKE {}", quoted(&word)));
            }
            query.push_str(match wanted.state {
                Which::Open => " AND Status = '__Active__'",
                Which::Closed => " AND Status = '__Inactive__'",
                Which::All => "",
            });
            let found = Rt::search(self, &query, wanted.most).await?;
            let hits: Vec<Hit> = found["items"].as_array().into_iter().flatten().map(hit).collect();
            let has_more = found["total"].as_u64().is_some_and(|all| all > hits.len() as u64);
            Ok(Hits { hits, has_more })
        })
    }

    fn examine<'a>(&'a self, at: &'a [String]) -> BoxFuture<'a, Vec<Remark>> {
        Box::pin(async move {
            let mut findings = Vec::new();
            if self.user.as_deref() == Some("root") && !self.accept.contains(&Accept::Admin) {
                let what = "the account is root, which may do everything";
                let remedy = "make an account with SeeQueue, ShowTicket, ShowTicketComments, CreateTicket and CommentOnTicket in these queues, and a token of it; or `accept` it by name";
                findings.push(Remark::too_much(what, remedy));
            }
            for one in at {
                let answer = self.get(&format!("/queue/{}", encoded(one)), one).await;
                let may_create = |body: &Value| {
                    let links = body["_hyperlinks"].as_array().into_iter().flatten();
                    links
                        .into_iter()
                        .any(|link| link["ref"] == "create" && link["type"] == "ticket")
                };
                match answer {
                    Ok(answer) if may_create(&answer.body) => {}
                    Ok(_) => {
                        let what = format!("the account cannot create tickets in the queue {one}");
                        let remedy = "grant SeeQueue, ShowTicket, ShowTicketComments, CreateTicket and CommentOnTicket there";
                        findings.push(Remark::fault(what, remedy));
                    }
                    Err(error) => findings.push(Remark::unread(one, &error)),
                }
            }
            findings
        })
    }
}

/// A ticket as Request Tracker takes it: no key is the caller's.
fn ticket(at: &str, outgoing: &Outgoing) -> Value {
    let mut ticket = json!({
        "Queue": at,
        "Subject": outgoing.title,
        "Content": outgoing.body,
        "ContentType": "text/plain",
        "RefersTo": urn(&outgoing.marker),
    });
    if let Some(reporter) = &outgoing.reporter {
        ticket["Requestor"] = json!(reporter);
    }
    let mut custom = Map::new();
    for (name, value) in &outgoing.fields {
        if CORE.contains(&name.as_str()) {
            ticket[name] = value.clone();
        } else {
            custom.insert(name.clone(), value.clone());
        }
    }
    if !custom.is_empty() {
        ticket["CustomFields"] = Value::Object(custom);
    }
    ticket
}

fn is_same(name: &str, at: &str) -> bool {
    name.to_lowercase() == at.to_lowercase()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A number, which is a string in lists.
fn counted(value: &Value) -> Option<String> {
    let digits = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = value.as_str().filter(digits).map(str::to_owned);
    text.or_else(|| value.as_u64().map(|number| number.to_string()))
}

fn comment(item: &Value) -> Comment {
    let creator = &item["Creator"];
    Comment {
        id: counted(&item["TransactionId"])
            .or_else(|| counted(&item["TransactionId"]["id"]))
            .unwrap_or_default(),
        author: text(if creator.is_object() { &creator["id"] } else { creator }),
        created: text(&item["Created"]),
        body: text(&item["Content"]),
    }
}

fn hit(ticket: &Value) -> Hit {
    Hit {
        ticket: counted(&ticket["id"]).unwrap_or_default(),
        title: text(&ticket["Subject"]),
        state: text(&ticket["Status"]),
        labels: Vec::new(),
        changed: text(&ticket["LastUpdated"]),
    }
}
