//! JSON values that somebody might send, and changes to them.

use serde_json::{Map, Number, Value, json};

use super::random::Random;
use super::text;

/// Deeper values are not parsed from a line either.
const DEEPEST: usize = 100;

/// Any value, up to `depth` levels.
pub(super) fn value(random: &mut Random, depth: usize) -> Value {
    let kinds = if depth == 0 { 4 } else { 6 };
    match random.below(kinds) {
        0 => Value::Null,
        1 => Value::Bool(random.once_in(2)),
        2 => number(random),
        3 => Value::String(text::generate(random)),
        4 => (0..random.below(5)).map(|_| value(random, depth - 1)).collect(),
        _ => {
            let fields = (0..random.below(5)).map(|_| (name(random), value(random, depth - 1)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

/// A number at or near a border.
fn number(random: &mut Random) -> Value {
    let borders = [0_i64, 1, -1, 5, 20, 21, 2_000, 2_001, 1 << 31, 1 << 53, i64::MAX, i64::MIN];
    match random.below(5) {
        0 => Value::from(u64::MAX),
        1 => Number::from_f64(f64::from_bits(random.number())).map_or(Value::Null, Value::Number),
        2 => json!(1.0),
        _ => Value::from(random.one_of(&borders).wrapping_add(i64::from(random.byte() % 3) - 1)),
    }
}

/// Names of fields: those of the tools, those of the protocol, and others.
fn name(random: &mut Random) -> String {
    let known = [
        "query",
        "collection",
        "limit",
        "cursor",
        "path",
        "section",
        "line",
        "lines",
        "id",
        "method",
        "params",
        "jsonrpc",
        "name",
        "arguments",
        "_meta",
        "__proto__",
        "$ref",
        "limt",
        "",
        "a/b~c",
    ];
    if random.once_in(6) { text::generate(random) } else { (*random.one_of(&known)).to_owned() }
}

/// Changes one place of a value.
pub(super) fn mutate(random: &mut Random, whole: &mut Value) {
    match whole {
        Value::Array(items) if !items.is_empty() && !random.once_in(4) => {
            let at = random.below(items.len());
            match random.below(6) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => mutate(random, &mut items[at]),
            }
        }
        Value::Object(fields) if !fields.is_empty() && !random.once_in(6) => {
            let keys: Vec<String> = fields.keys().cloned().collect();
            let key = random.one_of(&keys).clone();
            match random.below(8) {
                0 => drop(fields.remove(&key)),
                1 => {
                    let value = fields.remove(&key).unwrap_or_default();
                    fields.insert(name(random), value);
                }
                2 => drop(fields.insert(name(random), value(random, 2))),
                _ => {
                    if let Some(inner) = fields.get_mut(&key) {
                        mutate(random, inner);
                    }
                }
            }
        }
        Value::String(text) if !random.once_in(3) => *text = text::mutate(random, text),
        other if random.once_in(20) => *other = nest(random, other.take()),
        other => *other = value(random, 3),
    }
}

/// The value, many levels down.
fn nest(random: &mut Random, mut inner: Value) -> Value {
    for _ in 0..random.below(DEEPEST) {
        inner = if random.once_in(2) { json!([inner]) } else { json!({"a": inner}) };
    }
    inner
}
