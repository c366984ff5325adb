//! Nothing active is left, and nothing else is touched.

use super::attacks::{ATTACKS, HARMLESS, HARMLESS_TITLES, PIECES};
use super::recognise::active;
use super::*;

const DIALECTS: [Dialect; 4] = [Dialect::GitHub, Dialect::GitLab, Dialect::Jira, Dialect::Plain];

type Make = fn(&str, Dialect) -> (String, Notes);

/// Makes a text inert, and holds that it is: for the recogniser, and for a second round.
fn inert(make: Make, text: &str, dialect: Dialect) -> (String, Notes) {
    let (out, notes) = make(text, dialect);
    let left = active(&out, dialect);
    assert!(left.is_empty(), "{dialect:?} {text:?}\n became {out:?}\n with {left:?}");
    let (again, more) = make(&out, dialect);
    assert_eq!(again, out, "{dialect:?} {text:?}: the second round changed it");
    assert!(more.is_empty(), "{dialect:?} {text:?}: {more}");
    (out, notes)
}

fn check(text: &str, expected: &str, expected_line: &str) {
    let (out, notes) = inert(body, text, Dialect::GitHub);
    let expected_line = if expected_line.is_empty() {
        String::new()
    } else {
        format!("neutralised: {expected_line}")
    };
    assert_eq!((out.as_str(), notes.to_string()), (expected, expected_line), "{text:?}");
}

#[test]
fn every_change_can_be_seen_and_is_counted() {
    check("cc @kim, @acme/web; not a@b.c", "cc @ kim, @ acme/web; not a@b.c", "2 mentions");
    check("see https://x.example/@kim", "see https://x.example/%40kim", "1 mention");
    for linked in ["#12", "GH-7", "deadbeef01", "a@b.c"] {
        check(&format!("{linked}@kim"), &format!("{linked}@ kim"), "1 mention");
    }
    check("fixes \\#1", "fixes (\\#1)", "1 closing keyword");
    check("https://x.example/fixes:#1", "https://x.example/fixes:#1", "");
    check("fixes #1, #2", "fixes (#1), #2", "1 closing keyword");
    check("Closes: [#1](u)", "Closes: [(#1)](u)", "1 closing keyword");
    check("closes https://x/issues/1.", "closes (https://x/issues/1).", "1 closing keyword");
    check("a\n  /close\n/a/b", "a\n  \\/close\n/a/b", "1 quick action");
    check("```\n/close\n@x\n```", "```\n\\/close\n@x\n```", "1 quick action");
    check("<b>x</b> a<b", "\\<b>x\\</b> a\\<b", "3 HTML tags");
    check("http://x\\<b> www.x<b>", "http://x\\ \\<b> www.x \\<b>", "2 HTML tags");
    check("&#64;kim &lt;", "\\&#64;kim &lt;", "1 character reference");
    check("![x](u)", "[image: x](u)", "1 image");
    check("[x](javascript:y)", "[x](javascript :y)", "1 link target");
    check(
        "[x](data:y) [z](javascript: \"t\")",
        "[x](data :y) [z](javascript : \"t\")",
        "2 link targets",
    );
    check("javascript:alert(1)", "javascript :alert(1)", "1 link target");
    check("a\u{202e}b\r\nc\rd", "a[U+202E]b\nc[U+000D]d", "2 hidden characters");
    check("=1+1", "'=1+1", "1 formula");
    check("```\nx", "```\nx\n```", "1 open code fence");
    let tags = "\u{e0061}".repeat(30);
    let shown = format!("{}[+22 hidden characters]", "[U+E0061]".repeat(8));
    check(&tags, &shown, "30 hidden characters");
}

#[test]
fn a_title_is_one_line() {
    let (out, notes) = line("  =a\n@kim\tfixes #1 ", Dialect::GitLab);
    assert_eq!(out, "'=a @ kim fixes (#1)");
    assert_eq!(notes.to_string(), "neutralised: 1 mention, 1 closing keyword, 1 formula");
    assert_eq!(line("- a", Dialect::Plain).0, "'- a");
}

#[test]
fn keys_close_where_they_are_understood() {
    let keyed = |dialect| body("fixes WEB-1", dialect).0;
    assert_eq!(keyed(Dialect::GitLab), "fixes (WEB-1)");
    assert_eq!(keyed(Dialect::GitHub), "fixes WEB-1");
    assert_eq!(body("[~kim]", Dialect::Jira).0, "[ ~kim]");
}

/// The recogniser itself sees what it is there for: each attack is active before.
#[test]
fn the_recogniser_knows_the_attacks() {
    let unseen = ATTACKS.iter().filter(|text| active(text, Dialect::Jira).is_empty());
    let unseen: Vec<_> = unseen.collect();
    assert!(unseen.len() * 10 < ATTACKS.len(), "{unseen:#?}");
}

#[test]
fn no_attack_stays_active() {
    for (text, dialect) in ATTACKS.iter().flat_map(|text| DIALECTS.map(|dialect| (text, dialect))) {
        let (out, notes) = inert(body, text, dialect);
        assert!(!notes.is_empty() && out != **text, "{dialect:?} {text:?} was not noticed");
        inert(line, &text.replace('\n', " "), dialect);
    }
}

#[test]
fn ordinary_tickets_stay_as_they_are() {
    for (text, dialect) in HARMLESS.iter().flat_map(|text| DIALECTS.map(|dialect| (text, dialect)))
    {
        let (out, notes) = body(text, dialect);
        assert_eq!(out, **text, "{dialect:?}");
        assert!(notes.is_empty(), "{dialect:?} {text:?}: {notes}");
    }
    for text in HARMLESS_TITLES {
        assert_eq!(line(text, Dialect::GitLab).0, **text);
    }
}

#[test]
fn texts_of_dangerous_pieces_are_inert() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).expect("a small number")
    };
    for round in 0..20_000 {
        let text: String = (0..=next(16)).map(|_| PIECES[next(PIECES.len())]).collect();
        let dialect = DIALECTS[round % DIALECTS.len()];
        inert(body, &text, dialect);
        inert(line, &text, dialect);
    }
}
