//! Honest queries: all of them run, and the answers are the server's own.

use servers::mariadb::READER;

use super::sample::sample;
use super::world::{Ask, setup};
use crate::engine::Kind;
use crate::engine::mysql::Mysql;

fn queries() -> Vec<&'static str> {
    include_str!("../../../../honest/mysql.txt").lines().filter(|line| !line.is_empty()).collect()
}

/// Whether a value is what the server itself writes. It rounds floating-point numbers to the
/// decimals of their type, and writes bytes as they are.
fn is_same(kind: Kind, ours: Option<&str>, theirs: Option<&[u8]>) -> bool {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return ours.is_none() == theirs.is_none();
    };
    let text = String::from_utf8_lossy(theirs);
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let rounded = || ours.parse::<f64>().map(|number| format!("{number:.decimals$}"));
    match kind {
        Kind::Bytes => {
            let mut shown = "\\x".to_owned();
            crate::engine::mysql::cells::hexadecimal(theirs, &mut shown);
            ours == shown
        }
        Kind::Float => ours == text || rounded().is_ok_and(|rounded| rounded == text),
        _ => ours == text,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_queries_are_answered_to_the_last_digit() {
    let server = sample();
    let engine = Mysql::new(setup(server, READER, "sample")).expect("an engine");
    let mut wrong = Vec::new();
    for query in queries() {
        let kept = match Ask::new(query).of(&engine).await {
            Ok(kept) => kept,
            Err(error) => {
                wrong.push(format!("{query}\n    {error}"));
                continue;
            }
        };
        let theirs = server.rows(&format!("USE sample; {query}"));
        let kinds: Vec<Kind> = kept.columns.iter().map(|column| column.kind).collect();
        let is_right = kept.rows.len() == theirs.len()
            && kept.rows.iter().zip(&theirs).all(|(ours, theirs)| {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).zip(&kinds).all(|((ours, theirs), kind)| {
                        is_same(*kind, ours.as_deref(), theirs.as_deref())
                    })
            });
        if !is_right {
            wrong.push(format!("{query}\n    ours {:?}\n    theirs {theirs:?}", kept.rows));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), queries().len(), wrong.join("\n"));
}

#[test]
fn there_are_at_least_a_hundred() {
    assert!(queries().len() >= 100, "{}", queries().len());
}
