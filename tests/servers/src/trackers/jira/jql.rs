//! JQL, as far as the fake knows it: clauses joined by AND, and an order.

use std::time::SystemTime;

use super::super::store::{Store, Ticket, has_phrase, words};
use super::{document, key};

/// A search, read from its text.
#[derive(Default)]
pub(super) struct Jql {
    projects: Vec<String>,
    keys: Vec<String>,
    labels: Vec<String>,
    texts: Vec<(String, String)>,
    since: Option<SystemTime>,
    /// Whether done ones are looked for, or the others.
    done: Option<bool>,
    oldest_first: bool,
}

impl Jql {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let order = tokens.windows(2).position(|pair| is(&pair[0], "order") && is(&pair[1], "by"));
        let (clauses, order) = tokens.split_at(order.unwrap_or(tokens.len()));
        let mut query = Self::default();
        match order
            .iter()
            .map(|token| token.text.to_lowercase())
            .collect::<Vec<_>>()
            .join(" ")
            .as_str()
        {
            "" | "order by created desc" => {}
            "order by created" | "order by created asc" => query.oldest_first = true,
            other => return Err(format!("the fake does not know {other}")),
        }
        if clauses.is_empty() {
            return Err("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.".to_owned());
        }
        if clauses.iter().any(|token| is(token, "or")) {
            return Err("the fake does not know or".to_owned());
        }
        for clause in clauses.split(|token| is(token, "and")) {
            query.clause(clause)?;
        }
        Ok(query)
    }

    fn clause(&mut self, clause: &[Token]) -> Result<(), String> {
        let said = clause.iter().map(|token| token.text.as_str()).collect::<Vec<_>>();
        let [field, operator, rest @ ..] = said.as_slice() else {
            return Err(format!("Error in the JQL Query: {}", said.join(" ")));
        };
        let values: Vec<String> = rest
            .iter()
            .filter(|text| !["(", ")", ","].contains(*text))
            .map(|text| (*text).to_owned())
            .collect();
        let value = values
            .first()
            .cloned()
            .ok_or_else(|| format!("Error in the JQL Query: {field} has no value"))?;
        match (field.to_lowercase().as_str(), operator.to_lowercase().as_str()) {
            ("project", "=" | "in") => self.projects.extend(values),
            ("key" | "issuekey", "=" | "in") => self.keys.extend(values),
            ("labels", "=" | "in") => self.labels.extend(values),
            ("created", ">=") => self.since = Some(time(&value)?),
            ("statuscategory", "=") => self.done = Some(value.eq_ignore_ascii_case("done")),
            ("statuscategory", "!=") if value.eq_ignore_ascii_case("done") => {
                self.done = Some(false);
            }
            (place @ ("text" | "summary" | "description"), "~") => {
                self.texts.push((place.to_owned(), value));
            }
            (field, operator) => return Err(format!("the fake does not know {field} {operator}")),
        }
        Ok(())
    }

    pub(super) fn finds(&self, store: &Store, ticket: &Ticket) -> bool {
        let project = &store.projects[ticket.project];
        let in_project = |named: &String| {
            project.path == named || project.name == named || project.id.to_string() == *named
        };
        (self.projects.is_empty() || self.projects.iter().any(in_project))
            && (self.keys.is_empty() || self.keys.contains(&key(store, ticket)))
            && (self.labels.is_empty()
                || self.labels.iter().any(|label| ticket.labels.contains(label)))
            && self.since.is_none_or(|since| ticket.created >= since)
            && self.done.is_none_or(|done| done != ticket.open)
            && self.texts.iter().all(|(place, text)| finds_text(ticket, place, text))
    }

    pub(super) fn sort(&self, tickets: &mut [&Ticket]) {
        tickets.sort_by_key(|ticket| (ticket.created, ticket.id));
        if !self.oldest_first {
            tickets.reverse();
        }
    }
}

/// All words, in any order; a text in quotes of its own is one phrase.
fn finds_text(ticket: &Ticket, place: &str, text: &str) -> bool {
    let mut searched = String::new();
    if place != "description" {
        searched += &ticket.title;
    }
    if place != "summary" {
        searched += "\n";
        searched += &document::text(&ticket.body);
    }
    if place == "text" {
        for comment in &ticket.comments {
            searched += "\n";
            searched += &document::text(&comment.body);
        }
    }
    if let Some(phrase) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return has_phrase(&searched, phrase);
    }
    let searched = words(&searched);
    words(text).iter().all(|word| searched.contains(word))
}

/// A time as JQL writes one: a date, or a date and a minute, here in UTC.
fn time(text: &str) -> Result<SystemTime, String> {
    let text = text.replace('/', "-");
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{}:00Z", text.replace(' ', "T")),
        _ => String::new(),
    };
    humantime::parse_rfc3339(&whole).map_err(|_| {
        format!("Date value '{text}' for field 'created' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd'")
    })
}

struct Token {
    text: String,
    quoted: bool,
}

fn is(token: &Token, word: &str) -> bool {
    !token.quoted && token.text.eq_ignore_ascii_case(word)
}

/// Words, operators and quoted texts; a backslash in a quoted text takes the next as it is.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut token = Token { text: String::new(), quoted: matches!(letter, '"' | '\'') };
        if token.quoted {
            loop {
                match letters.next() {
                    Some('\\') => token.text.extend(letters.next()),
                    Some(next) if next == letter => break,
                    Some(next) => token.text.push(next),
                    None => {
                        return Err(
                            "Error in the JQL Query: the quoted string has not been completed."
                                .to_owned(),
                        );
                    }
                }
            }
        } else if letter.is_whitespace() {
            continue;
        } else {
            let class = class(letter);
            token.text.push(letter);
            while let Some(next) =
                letters.next_if(|next| class != Class::Alone && self::class(*next) == class)
            {
                token.text.push(next);
            }
        }
        tokens.push(token);
    }
    Ok(tokens)
}

#[derive(PartialEq, Clone, Copy)]
enum Class {
    Word,
    Operator,
    Alone,
    Space,
}

fn class(letter: char) -> Class {
    match letter {
        '=' | '<' | '>' | '~' | '!' => Class::Operator,
        '(' | ')' | ',' | '"' | '\'' => Class::Alone,
        letter if letter.is_whitespace() => Class::Space,
        _ => Class::Word,
    }
}
