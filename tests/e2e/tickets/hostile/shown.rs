//! What a model and a person are shown, read back.

use std::collections::BTreeMap;

use crate::hostile::unfenced;

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
