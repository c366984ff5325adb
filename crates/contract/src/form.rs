//! Texts with places `{name}`, which values fill: the forms that servers of drafts declare.

use std::collections::BTreeMap;

/// The names of the places in a text.
pub fn places(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    parts.map(|(name, _)| name).filter(move |name| is_name(name))
}

/// Whether every place has a value and every value a place; the error says which has none.
pub fn check<'a>(
    texts: &[&str],
    values: impl Iterator<Item = &'a String> + Clone,
) -> Result<(), String> {
    let all = || texts.iter().flat_map(|text| places(text));
    if let Some(place) = all().find(|place| !values.clone().any(|value| value == place)) {
        return Err(format!("{{{place}}} is not among its `values`"));
    }
    match values.clone().find(|name| !all().any(|place| place == name.as_str())) {
        Some(name) => Err(format!("the value `{name}` has no place {{{name}}}")),
        None => Ok(()),
    }
}

/// A text with its values in their places. What a value says is never taken for a place.
pub fn filled(text: &str, values: &BTreeMap<String, String>) -> String {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let known = after.split_once('}').and_then(|(name, tail)| Some((values.get(name)?, tail)));
        if let Some((value, tail)) = known {
            filled.push_str(value);
            rest = tail;
        } else {
            filled.push('{');
            rest = after;
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_value_says_is_no_place() {
        let values = BTreeMap::from([
            ("a".to_owned(), "{b}".to_owned()),
            ("b".to_owned(), "two".to_owned()),
        ]);
        assert_eq!(filled("{a} {b} {c} {", &values), "{b} two {c} {");
        assert_eq!(places("{a} {not a name} {b} {").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn every_place_has_a_value_and_every_value_a_place() {
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(check(&["{a}", "and {b}"], names.iter()), Ok(()));
        assert!(check(&["{a}"], names.iter()).is_err_and(|why| why.contains("`b`")));
        assert!(check(&["{a} {b} {c}"], names.iter()).is_err_and(|why| why.contains("{c}")));
    }
}
