//! What a model and a person are shown, read back.

use std::collections::BTreeMap;

/// A preview in its parts, by their labels.
pub(super) type Shown = BTreeMap<String, String>;

/// The preview of an answer by its labels; the marks before its further lines are taken away, and
/// those within a fence that keep it closed.
pub(super) fn shown(answer: &str) -> Shown {
    let (_, inner) = answer.split_once('\n').expect("a fence");
    let inner = inner.strip_suffix("\n</untrusted>").expect("the end of the fence");
    let mut shown = Shown::new();
    let mut label = String::new();
    for line in unfenced(inner).lines().skip(1) {
        match (line.strip_prefix("  | "), line.split_once(": ")) {
            (Some(more), _) => {
                let value = shown.get_mut(&label).expect("a value");
                value.push('\n');
                value.push_str(more);
            }
            (None, Some((name, value))) => {
                name.clone_into(&mut label);
                let before = shown.insert(label.clone(), value.to_owned());
                assert!(before.is_none(), "{label} twice: {inner}");
            }
            _ => panic!("{line:?} is no field: {inner}"),
        }
    }
    shown
}

/// A text without the backslashes that keep the fence around it closed.
fn unfenced(text: &str) -> String {
    let mut parts = text.split("<\\");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.trim_start_matches(['/', '\\', ' ']).to_lowercase();
        plain.push_str(if name.starts_with("untrusted") { "<" } else { "<\\" });
        plain.push_str(part);
    }
    plain
}

/// What a terminal was given, byte by byte, without the colours of the product: no other codes may
/// be in it.
pub(super) fn on_terminal(output: &str) -> String {
    let bytes: Vec<u8> = output.chars().map(|c| u8::try_from(c).expect("a byte")).collect();
    let output = String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n");
    let mut parts = output.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        plain.push_str(rest.strip_prefix('m').unwrap_or("\u{1b}"));
    }
    plain
}
