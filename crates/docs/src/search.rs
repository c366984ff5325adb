//! `docs_search`: the passages that answer a question best.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tantivy::TantivyDocument;

use crate::Docs;
use crate::catalogue::Snapshot;
use crate::index;
use crate::page::clip;
use crate::paging;
use crate::query::{self, Hit, Words};
use crate::snippet::snippet;

/// Finds passages in the approved documents.
pub(crate) const CONTRACT: Contract = Contract {
    name: "docs_search",
    title: "Search documentation",
    purpose: "Finds passages by words; \"quoted\" words must be adjacent. Then docs_read the section or lines of a hit.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(10),
    size: Size::tokens(2_000),
    verified_by: None,
};

/// How many pages are shown unless asked otherwise.
const PAGE: u64 = 5;
/// What the fence and the trailer may take of the size, in bytes.
const FRAME: usize = 700;

pub(crate) struct Search;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(min = 1, max = 300))]
    query: String,
    /// All, if absent.
    #[schemars(length(min = 1, max = 40))]
    collection: Option<String>,
    /// Pages; 5 if absent.
    #[schemars(range(min = 1, max = 20))]
    limit: Option<u32>,
    #[schemars(length(min = 1, max = 400))]
    cursor: Option<String>,
}

impl Tool for Search {
    type Server = Docs;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Docs, args: &Args) -> Target {
        Target::named_or_every("collection", args.collection.as_deref())
    }

    async fn call(server: &Docs, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let library = &server.library;
        let collections: Vec<String> = match &args.collection {
            Some(name) => vec![library.collection(ctx, name)?.name.clone()],
            None => library.visible(ctx).iter().map(|one| one.name.clone()).collect(),
        };
        let from = paging::position(ctx, args.cursor.as_deref())?;
        let words = Words::parse(&args.query);
        let (snapshot, notice) = library.ready(ctx).await?;
        let limit = usize::try_from(args.limit.map_or(PAGE, u64::from)).unwrap_or(20);
        let names = collections.clone();
        let budget = ctx.size().bytes().saturating_sub(FRAME);
        let found = library
            .blocking(move || {
                find(&snapshot, &words, &names, from..from.saturating_add(limit), budget)
            })
            .await?;
        let source = format!("docs://{}", args.collection.as_deref().unwrap_or("*"));
        Ok(answer(ctx, found, from, source, &collections, notice))
    }
}

/// One page of hits.
struct Found {
    /// The hits, as they are shown.
    text: String,
    /// How many are shown.
    shown: usize,
    /// How many there are.
    total: usize,
    /// Whether the query held any word that is searched for.
    asked: bool,
}

fn find(
    snapshot: &Arc<Snapshot>,
    words: &Words,
    collections: &[String],
    page: Range<usize>,
    budget: usize,
) -> Result<Found, ToolError> {
    let names: Vec<&str> = collections.iter().map(String::as_str).collect();
    let hits = query::search(snapshot, words, &names).map_err(ToolError::internal)?;
    let mut found =
        Found { text: String::new(), shown: 0, total: hits.len(), asked: !words.terms.is_empty() };
    for (index, hit) in hits.iter().enumerate().take(page.end).skip(page.start) {
        let entry = entry(snapshot, words, index + 1, hit).map_err(ToolError::internal)?;
        if found.shown > 0 && found.text.len() + entry.len() > budget {
            break;
        }
        found.text.push_str(&entry);
        found.shown += 1;
    }
    Ok(found)
}

/// `[n] title > heading — collection/path#anchor (lines a-b)`, and a snippet.
fn entry(
    snapshot: &Snapshot,
    words: &Words,
    number: usize,
    hit: &Hit,
) -> Result<String, tantivy::TantivyError> {
    let fields = &snapshot.fields;
    let document: TantivyDocument = snapshot.searcher.doc(hit.passage)?;
    let passage = index::passage(fields, &document);
    let mut entry = format!("[{number}] {}", clip(index::stored(&document, fields.title), 100));
    if !passage.headings.is_empty() {
        let _ = write!(entry, " > {}", clip(&passage.headings, 160));
    }
    let collection = index::stored(&document, fields.collection);
    let _ = write!(entry, " — {collection}/{}", index::stored(&document, fields.path));
    if !passage.anchor.is_empty() {
        let _ = write!(entry, "#{}", passage.anchor);
    }
    let _ = write!(entry, " (lines {}-{}", passage.from, passage.to);
    match hit.matches - 1 {
        0 => entry.push_str(")\n"),
        more => {
            let _ = writeln!(entry, "; +{more} passages)");
        }
    }
    let snippet = snippet(&passage.body, words);
    if !snippet.is_empty() {
        let _ = writeln!(entry, "{snippet}");
    }
    Ok(entry)
}

fn answer(
    ctx: &Ctx,
    found: Found,
    from: usize,
    source: String,
    collections: &[String],
    notice: Option<String>,
) -> Text {
    let mut parts = Vec::new();
    let mut trailer = if found.total == 0 {
        nothing(found.asked, collections)
    } else if found.shown == 0 {
        format!("no hits after {from}; {} pages in all", found.total)
    } else {
        parts.push(Part::Untrusted { source, text: found.text });
        let to = from + found.shown;
        let mut trailer = format!("hits {}-{to} of {}", from + 1, found.total);
        trailer.push_str(if found.total == 1 { " page" } else { " pages" });
        if to < found.total {
            let cursor = ctx.seal_cursor(&json!({ "from": to }));
            let _ = write!(trailer, "; next: cursor={cursor}");
        }
        trailer
    };
    if let Some(notice) = notice {
        let _ = write!(trailer, "\nNote: {notice}.");
    }
    parts.push(Part::Text(trailer));
    Text { parts, more: Some("ask for fewer pages with `limit`") }
}

fn nothing(asked: bool, collections: &[String]) -> String {
    let searched = collections.join(", ");
    if collections.is_empty() {
        "no hits: there is no collection you may search".to_owned()
    } else if asked {
        format!("no hits in {searched}; try other words, or docs_outline for what there is")
    } else {
        format!("no hits: the query has only common words; name a thing to look for in {searched}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Caller, World, call};

    const GUIDE: &str = "# Guide\n\nWelcome.\n\n## Installing\n\nInstall the server with the package manager.\n\n## Removing\n\nRemove the server.\n";

    #[tokio::test]
    async fn a_hit_names_title_heading_address_lines_and_words() {
        let world = World::new(&[("a/guide.md", GUIDE)]);
        let docs = world.docs().await;
        let text = call::<Search>(&docs, json!({"query": "how do I install it?"})).await;
        let expected = "<docs://*>\n[1] Guide > Installing — a/guide.md#installing (lines 5-7)\n\
            Install the server with the package manager.\nhits 1-1 of 1 page";
        assert_eq!(text, expected);
        let text = call::<Search>(&docs, json!({"query": "server", "collection": "a"})).await;
        assert!(text.starts_with("<docs://a>") && text.contains("; +1 passages)"), "{text}");
    }

    #[tokio::test]
    async fn the_page_about_a_thing_comes_before_those_that_mention_it() {
        let world = World::new(&[
            ("a/about.md", "# Other\n\nMany words here, and the firewall is one of them.\n"),
            ("a/firewall.md", "# Firewall\n\nThe firewall drops packets. Firewall rules follow.\n"),
            ("a/none.md", "# None\n\nNothing of the kind.\n"),
        ]);
        let text = call::<Search>(&world.docs().await, json!({"query": "firewalls"})).await;
        let first = text.find("a/firewall.md").expect("a hit");
        assert!(first < text.find("a/about.md").expect("a hit"), "{text}");
        assert!(text.ends_with("hits 1-2 of 2 pages"), "{text}");
    }

    #[tokio::test]
    async fn pages_follow_each_other_without_gap_or_repetition() {
        let names: Vec<String> = (0..7).map(|n| format!("a/page{n}.md")).collect();
        let files: Vec<(&str, &str)> =
            names.iter().map(|name| (name.as_str(), "# Same\n\nthe same words\n")).collect();
        let world = World::new(&files);
        let docs = world.docs().await;
        let mut seen = std::collections::BTreeSet::new();
        let mut cursor: Option<String> = None;
        for expected in ["hits 1-3 of 7", "hits 4-6 of 7", "hits 7-7 of 7"] {
            let mut args = json!({"query": "words", "limit": 3});
            if let Some(cursor) = cursor.take() {
                args["cursor"] = cursor.into();
            }
            let text = call::<Search>(&docs, args).await;
            assert!(text.contains(expected), "{text}");
            seen.extend(names.iter().filter(|name| text.contains(name.as_str())).cloned());
            cursor = text.split_once("cursor=").map(|(_, cursor)| cursor.to_owned());
        }
        assert_eq!((seen.len(), cursor), (7, None));
    }

    #[tokio::test]
    async fn only_permitted_collections_are_searched_or_counted_or_named() {
        let world = World::new(&[("open/a.md", "word"), ("secret/b.md", "word word")]);
        let docs = world.docs().await;
        let caller = Caller { permitted: Some(&["open"]), ..Caller::default() };
        let text = caller.call::<Search>(&docs, json!({"query": "word"})).await.expect("hits");
        assert!(text.ends_with("hits 1-1 of 1 page") && !text.contains("secret"), "{text}");
        let error = caller
            .call::<Search>(&docs, json!({"query": "word", "collection": "secret"}))
            .await
            .expect_err("unknown");
        assert_eq!(
            error.text(),
            "not_found: collection `secret` is unknown; known: open. Collections: open."
        );
        let nobody = Caller { permitted: Some(&[]), ..Caller::default() };
        let text = nobody.call::<Search>(&docs, json!({"query": "word"})).await.expect("no hits");
        assert_eq!(text, "no hits: there is no collection you may search");
    }

    #[tokio::test]
    async fn no_hit_says_what_to_try() {
        let world = World::new(&[("a/guide.md", GUIDE)]);
        let docs = world.docs().await;
        let text = call::<Search>(&docs, json!({"query": "zebra"})).await;
        assert_eq!(text, "no hits in a; try other words, or docs_outline for what there is");
        let text = call::<Search>(&docs, json!({"query": "is the of"})).await;
        assert!(text.contains("only common words"), "{text}");
    }

    #[tokio::test]
    async fn the_answer_stays_within_its_size() {
        let long = format!("# {0}\n\n## {0}\n\n{0}", "word ".repeat(300));
        let names: Vec<String> = (0..20).map(|n| format!("a/{n}-{}.md", "n".repeat(200))).collect();
        let files: Vec<(&str, &str)> =
            names.iter().map(|name| (name.as_str(), long.as_str())).collect();
        let world = World::new(&files);
        let docs = world.docs().await;
        let text = call::<Search>(&docs, json!({"query": "word", "limit": 20})).await;
        assert!(text.len() < CONTRACT.size.bytes(), "{}", text.len());
        assert!(text.contains("of 20 pages; next: cursor="), "{text}");
        let tight = Caller { size: Some(Size::tokens(500)), ..Caller::default() };
        let text = tight.call::<Search>(&docs, json!({"query": "word", "limit": 20})).await;
        let text = text.expect("hits");
        assert!(text.len() < Size::tokens(500).bytes() && text.contains("next: cursor="), "{text}");
    }
}
