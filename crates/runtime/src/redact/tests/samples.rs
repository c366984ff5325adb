//! A sample of every rule, made from its expression, is redacted; every expression compiles.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::super::rules::{COUNT, regex, rule, scan, words_one_by_one};
use super::super::{Redactor, patterns};

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// Something the expression matches.
fn sample(hir: &Hir, numbers: &mut Numbers, out: &mut Vec<u8>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(Class::Bytes(class)) => {
            let members = class.iter().flat_map(|range| range.start()..=range.end());
            let printable: Vec<u8> =
                members.filter(|byte| matches!(byte, b' '..=b'~' | b'\n')).collect();
            out.push(printable[numbers.below(printable.len())]);
        }
        HirKind::Class(Class::Unicode(class)) => {
            let class = class.to_byte_class().expect("the expressions are over bytes");
            sample(&Hir::class(Class::Bytes(class)), numbers, out);
        }
        HirKind::Repetition(repetition) => {
            let times = match repetition.max {
                Some(max) => repetition.min.max(max.min(40)),
                None => repetition.min + 40,
            };
            let times = if repetition.min == 0 && repetition.max == Some(20) { 1 } else { times };
            (0..times).for_each(|_| sample(&repetition.sub, numbers, out));
        }
        HirKind::Capture(capture) => sample(&capture.sub, numbers, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| sample(part, numbers, out)),
        HirKind::Alternation(parts) => sample(&parts[numbers.below(parts.len())], numbers, out),
    }
}

#[test]
fn every_rule_compiles_and_finds_a_sample_of_itself() {
    let mut unfound = Vec::new();
    for number in 0..COUNT {
        let rule = rule(number);
        let found = regex(number).unwrap_or_else(|| panic!("{} does not compile", rule.id));
        let parsed = regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .build()
            .parse(rule.pattern());
        let parsed = parsed.expect("it compiled");
        let mut numbers = Numbers(7);
        let is_found = (0..60).any(|_| {
            let mut bytes = Vec::new();
            sample(&parsed, &mut numbers, &mut bytes);
            let text = format!("facebook airtable q~ {}", String::from_utf8_lossy(&bytes));
            found.is_match(&text)
                && patterns::find(&text).iter().any(|finding| finding.id == rule.id)
        });
        // This one has the same expression as `bittrex-access-key`, which comes first.
        if !is_found && rule.id != "bittrex-secret-key" {
            unfound.push(rule.id);
        }
    }
    assert!(COUNT > 220 && unfound.is_empty(), "{COUNT}: {unfound:?}");
    assert!(super::super::rules::lists_compile());
}

#[test]
fn the_four_lanes_find_what_one_finds() {
    let mut numbers = Numbers(3);
    let words =
        ["ghp_", "akia", "password", "-----begin", "key", "s.", "x", "\n", "é", "authorization"];
    for _ in 0..2_000 {
        let text: String =
            (0..numbers.below(30)).map(|_| words[numbers.below(words.len())]).collect();
        let ends: Vec<usize> = scan(text.as_bytes()).into_iter().map(|(end, _)| end).collect();
        assert_eq!(ends, words_one_by_one(text.as_bytes()), "{text}");
    }
}

#[test]
fn any_text_is_redacted_once_and_for_all() {
    let redactor = Redactor::default();
    let mut numbers = Numbers(11);
    let pieces = [
        "AKIAQYLPMN5HFIQR7XYA",
        "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",
        "api_key",
        "=",
        ": ",
        "\"",
        "://a:b@c",
        "-----BEGIN PRIVATE KEY-----",
        "\n",
        "password",
        " ",
        "é",
        "[redacted",
        "]",
        "token",
        "9f8Qz27LmN4xVb61KdTw",
        "Authorization: Bearer ",
        "curl -u a:bcd ",
    ];
    for _ in 0..5_000 {
        let text: String =
            (0..numbers.below(14)).map(|_| pieces[numbers.below(pieces.len())]).collect();
        if let Some(clean) = redactor.text(&text) {
            assert_eq!(redactor.text(&clean), None, "{text}\n{clean}");
        }
    }
}
