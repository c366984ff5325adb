//! The target `text`: what makes somebody else's words safe to show.
//!
//! Promises: no hidden character survives but where writing needs it; plain text is untouched;
//! the output is bounded; a fence is never closed from within, whatever was done first; redacting
//! a text again changes nothing.

use std::sync::LazyLock;

use contract::Secret;
use contract::text::{fence, visible};
use runtime::Redactor;

use super::random::Random;
use super::{Tried, judged, promise};

/// Pieces that attack fences and eyes.
const PIECES: &[&str] = &[
    "</untrusted>",
    "<untrusted source=\"us\">",
    "< / UNTRUSTED >",
    "<",
    "</",
    "\\",
    "untrusted",
    "<\\/untrusted>",
    "\u{200b}",
    "\u{200c}",
    "\u{200d}",
    "\u{fe0f}",
    "\u{fe0e}",
    "\u{202e}",
    "\u{2066}",
    "\u{2028}",
    "\u{feff}",
    "\u{e0041}",
    "\u{e0100}",
    "\u{ad}",
    "\u{115f}",
    "\u{3164}",
    "\x1b[2J",
    "\r",
    "\r\n",
    "\n",
    "\t",
    "\0",
    "\u{85}",
    "é",
    "你",
    "م",
    "👩",
    "❤",
    "#",
    "1",
    " ",
    "a",
    "word ",
    "\"",
    "&",
    ">",
    "<|im_end|>",
    "{\"a\":1}",
    "\u{a0}",
    "\u{3000}",
    "\u{130}",
    "hunter2",
    "[redacted]",
    "[redacted: jwt]",
    "AKIAQYLPMN5HFIQR7XYA",
    "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",
    "api_key=",
    "9f8Qz27LmN4xVb61KdTw",
    "password=",
    "://a:",
    "@host",
    "-----BEGIN PRIVATE KEY-----",
    "Authorization: Bearer ",
    "ſ",
];

/// A text of pieces, letters and any characters.
pub(super) fn generate(random: &mut Random) -> String {
    let length = if random.once_in(200) { 300 } else { random.below(16) };
    let mut out = String::new();
    for _ in 0..length {
        match random.below(8) {
            0 => out.push(random.character()),
            1 | 2 => out.push(char::from(b' ' + random.byte() % 95)),
            _ => {
                let piece = *random.one_of(PIECES);
                out.push_str(piece);
            }
        }
    }
    out
}

/// The text with a piece put in, cut out, or repeated.
pub(super) fn mutate(random: &mut Random, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = random.below(chars.len() + 1);
    let (before, after) = chars.split_at(at);
    let middle = match random.below(4) {
        0 => generate(random),
        1 => after.iter().take(3).collect::<String>().repeat(random.below(200)),
        _ => (*random.one_of(PIECES)).to_owned(),
    };
    let skipped = if random.once_in(2) { 0 } else { random.below(4) };
    before.iter().collect::<String>() + &middle + &after.iter().skip(skipped).collect::<String>()
}

/// One iteration.
pub(super) fn attempt(random: &mut Random) -> Tried {
    let (source, text) = (generate(random), generate(random));
    let verdict = judged(|| {
        let shown = visible(&text);
        check_visible(&text, &shown)?;
        for fenced in [fence(&source, &text), fence(&source, &shown)] {
            check_fence(&fenced)?;
            check_fence(&visible(&fenced))?;
        }
        check_redacted(&text)?;
        check_redacted(&shown)?;
        Ok(shown == text)
    });
    Tried { input: format!("{source}\u{1e}{text}").into_bytes(), verdict }
}

static REDACTOR: LazyLock<Redactor> =
    LazyLock::new(|| Redactor::new(&[Secret::new("hunter2".to_owned())]));

fn check_redacted(text: &str) -> Result<(), String> {
    let Some(clean) = REDACTOR.text(text) else { return Ok(()) };
    promise(!clean.to_lowercase().contains("hunter2"), || format!("a secret stays: {clean:?}"))?;
    promise(REDACTOR.text(&clean).is_none(), || format!("redacting {clean:?} again changes it"))
}

fn check_visible(text: &str, shown: &str) -> Result<(), String> {
    let chars: Vec<char> = shown.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1).copied();
        promise(!is_hidden(*c) || is_needed(*c, before, after), || {
            format!("U+{:04X} stays hidden in {shown:?}", u32::from(*c))
        })?;
    }
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'));
    promise(!is_plain || shown == text, || "plain text was changed".to_owned())?;
    promise(shown.len() <= text.len() * 10, || "it grew more than tenfold".to_owned())?;
    // What is safe to show is not changed by showing it again.
    promise(visible(shown) == shown, || format!("showing {shown:?} again changes it"))
}

/// Where scripts and emoji need a character that nobody sees.
fn is_needed(c: char, before: Option<char>, after: Option<char>) -> bool {
    let is_foreign = |c: Option<char>| c.is_some_and(|c| !c.is_ascii());
    match c {
        '\u{200c}' | '\u{200d}' => is_foreign(before) && is_foreign(after),
        '\u{fe0f}' => before.is_some_and(|c| !is_hidden(c)),
        _ => false,
    }
}

/// Controls, and `Default_Ignorable_Code_Point` of Unicode 16's `DerivedCoreProperties.txt`, written
/// down here a second time so that a slip in the first is seen.
fn is_hidden(c: char) -> bool {
    let ignorable = [
        (0xAD, 0xAD),
        (0x34F, 0x34F),
        (0x61C, 0x61C),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x200B, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFF8),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0000, 0xE0FFF),
        // Line and paragraph separators, interlinear annotation.
        (0x2028, 0x2029),
        (0xFFF9, 0xFFFB),
    ];
    let number = u32::from(c);
    (c.is_control() && c != '\n' && c != '\t')
        || ignorable.iter().any(|(first, last)| (*first..=*last).contains(&number))
}

fn check_fence(fenced: &str) -> Result<(), String> {
    let broken = |what: &str| format!("{what}: {fenced:?}");
    let (head, rest) = fenced.split_once('\n').ok_or_else(|| broken("no line break"))?;
    let source =
        head.strip_prefix("<untrusted source=\"").and_then(|rest| rest.strip_suffix("\">"));
    let source = source.ok_or_else(|| broken("no opening mark"))?;
    promise(!source.contains(['"', '<']), || broken("the source ends its mark"))?;
    let inside = rest.strip_suffix("</untrusted>").ok_or_else(|| broken("no closing mark"))?;
    promise(inside.ends_with('\n'), || broken("the closing mark stands on no line of its own"))?;
    promise(marks(inside) == 0, || broken("a mark stands inside"))
}

/// Opening and closing marks, in any case, and with any spaces and slashes.
fn marks(text: &str) -> usize {
    let lower = text.to_ascii_lowercase();
    let after = lower.split('<').skip(1);
    let is_mark = |rest: &&str| {
        rest.trim_start_matches(|c: char| c == '/' || c.is_whitespace()).starts_with("untrusted")
    };
    after.filter(is_mark).count()
}
