//! What the rules let be seen of relations and columns, by their names as the database has them.

use crate::engine::Rules;
use crate::settings::Mask;

/// Whether a relation may be read.
pub(crate) fn is_visible(rules: &Rules, schema: &str, table: &str) -> bool {
    let name = format!("{schema}.{table}");
    let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, &name));
    (rules.allow.is_empty() || any(&rules.allow)) && !any(&rules.deny)
}

/// What is done with a column; of several patterns, what hides most.
pub(crate) fn mask(rules: &Rules, schema: &str, table: &str, column: &str) -> Option<Mask> {
    if rules.mask.is_empty() {
        return None;
    }
    let name = format!("{schema}.{table}.{column}");
    let fitting = rules.mask.iter().filter(|(pattern, _)| matches(pattern, &name));
    fitting.map(|(_, mask)| *mask).max_by_key(|mask| match mask {
        Mask::Last4 => 0,
        Mask::Hash => 1,
        Mask::Null => 2,
        Mask::Drop => 3,
    })
}

/// Whether a pattern, in which `*` stands for any text, describes the whole of a name. Without a
/// schema it is about every schema.
fn matches(pattern: &str, name: &str) -> bool {
    let bare = || name.split_once('.').map_or(name, |(_, bare)| bare);
    if pattern.contains('.') { glob(pattern, name) } else { glob(pattern, bare()) }
}

fn glob(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(head) else { return false };
    let mut starts = (0..=rest.len()).filter(|&at| rest.is_char_boundary(at));
    starts.any(|at| rest.get(at..).is_some_and(|rest| glob(tail, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_describe_whole_names() {
        for pattern in ["public.orders", "public.*", "*.orders", "*", "p*c.o*s", "orders", "o*"] {
            assert!(matches(pattern, "public.orders"), "{pattern}");
        }
        for pattern in ["public.order", "order", "*.order", "private.*", ""] {
            assert!(!matches(pattern, "public.orders"), "{pattern}");
        }
    }

    #[test]
    fn a_denied_relation_is_not_seen_though_it_is_allowed() {
        let rules = Rules {
            allow: vec!["public.*".to_owned()],
            deny: vec!["public.salaries".to_owned()],
            ..Rules::default()
        };
        assert!(is_visible(&rules, "public", "orders"));
        assert!(!is_visible(&rules, "public", "salaries"));
        assert!(!is_visible(&rules, "private", "orders"));
    }

    #[test]
    fn what_hides_most_is_done_with_a_column() {
        let mask_of = |column| {
            let mask = [
                ("public.people.*".to_owned(), Mask::Hash),
                ("public.people.email".to_owned(), Mask::Null),
            ];
            mask_in(&Rules { mask: mask.into(), ..Rules::default() }, column)
        };
        assert_eq!(mask_of("email"), Some(Mask::Null));
        assert_eq!(mask_of("phone"), Some(Mask::Hash));
    }

    fn mask_in(rules: &Rules, column: &str) -> Option<Mask> {
        mask(rules, "public", "people", column)
    }
}
