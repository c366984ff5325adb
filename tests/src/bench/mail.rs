//! What `suite mail` costs: a draft with a large file beside building the same message with lettre,
//! a start, and tokens.

use std::time::Instant;

use anyhow::{Result, ensure};
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Message, MultiPart};
use serde_json::{Value, json};

use super::Effort;
use super::measures::row;
use super::numbers::{self, median, micros};
use super::process::{Subject, line, modern};
use super::report::{Limit, Row};
use crate::harness::Folder;

/// How large the file is, in bytes.
const SIZE: usize = 5_000_000;
/// How many drafts one session makes.
const DRAFTS: usize = 20;
/// What the mail says.
const BODY: &str = "Here are **the figures**.\n\n- one\n- two\n\nSee https://example.test/figures.";

pub(super) fn mail(effort: Effort) -> Result<Vec<Row>> {
    let folder = Folder::mail(
        "[servers.mail.accounts.work]\nfrom = \"The Agent <agent@example.test>\"\n\
         recipients = [\"*@example.test\"]\nattachments = [\"files\"]\nsend = true\n",
    );
    let file = noise();
    std::fs::create_dir_all(folder.path("files"))?;
    std::fs::write(folder.path("files/figures.bin"), &file)?;
    let (mut drafts, mut small, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        bare.push(by_lettre(&folder)?);
        drafts.push(calls(&folder, &draft(&["figures.bin"]))?);
        small.push(calls(&folder, &draft(&[]))?);
    }
    let most = [Limit::Times(1.2)];
    let mut rows = vec![
        row("mail: draft with 5 MB: p50", "µs", median(&drafts), Some(median(&bare)), &most),
        row("mail: draft without files: p50", "µs", median(&small), None, &[]),
    ];
    rows.extend(start(&folder, effort)?);
    Ok(rows)
}

/// Bytes that are different everywhere.
fn noise() -> Vec<u8> {
    let mut random = crate::fuzz::random::Random::new(7);
    (0..SIZE).map(|_| random.byte()).collect()
}

fn draft(files: &[&str]) -> Value {
    json!({"name": "mail_draft", "arguments": {
        "to": ["The Boss <boss@example.test>"], "subject": "Figures", "body": BODY,
        "attachments": files, "reason": "to measure what a draft costs"
    }})
}

/// The median of one session's calls, in microseconds; the first is not counted.
fn calls(folder: &Folder, call: &Value) -> Result<f64> {
    let mut session = Subject::mail(folder).start()?;
    let request = line(&modern("tools/call", call.clone()));
    session.exchange(&request)?;
    ensure!(session.answer().contains("draft work-"), "no draft: {}", session.answer());
    let mut times = Vec::new();
    for _ in 0..DRAFTS {
        times.push(micros(session.exchange(&request)?));
    }
    session.close()?;
    Ok(median(&times))
}

/// The same message by lettre alone: the file read, encoded, and the bytes made.
fn by_lettre(folder: &Folder) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..DRAFTS {
        let began = Instant::now();
        let file = std::fs::read(folder.path("files/figures.bin"))?;
        let kind = ContentType::parse("application/octet-stream")?;
        let message = Message::builder()
            .from("The Agent <agent@example.test>".parse()?)
            .to("The Boss <boss@example.test>".parse()?)
            .subject("Figures")
            .multipart(
                MultiPart::mixed()
                    .multipart(MultiPart::alternative_plain_html(BODY.to_owned(), BODY.to_owned()))
                    .singlepart(Attachment::new("figures.bin".to_owned()).body(file, kind)),
            )?;
        let bytes = message.formatted();
        times.push(micros(began.elapsed()));
        ensure!(bytes.len() > SIZE, "it is not there");
    }
    Ok(median(&times))
}

fn start(folder: &Folder, effort: Effort) -> Result<Vec<Row>> {
    let first = line(&modern("tools/list", json!({})));
    let mut times = Vec::new();
    for _ in 0..effort.starts {
        let began = Instant::now();
        let mut session = Subject::mail(folder).start()?;
        session.exchange(&first)?;
        times.push(micros(began.elapsed()) / 1e3);
        session.close()?;
    }
    let mut session = Subject::mail(folder).start()?;
    session.exchange(&first)?;
    let listed: Value = serde_json::from_str(session.answer())?;
    let tools = listed["result"]["tools"].to_string();
    let memory = session.process.memory()?;
    session.close()?;
    let most = [Limit::Most(15.0)];
    Ok(vec![
        row("mail: cold start to first answer", "ms", median(&times), None, &most),
        row("mail: memory", "MiB", memory, None, &[]),
        row("mail: tools/list", "tokens", numbers::tokens(&tools), None, &[Limit::Most(700.0)]),
    ])
}
