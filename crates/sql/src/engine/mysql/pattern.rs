//! Patterns of names: `*` stands for any characters.

/// Whether `text` is what `pattern` describes.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter().any(|at| rest.get(at..).is_some_and(|rest| matches(tail, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_characters() {
        for pattern in ["shop.orders", "shop.*", "*.orders", "s*p.o*s", "*", "shop.orders*"] {
            assert!(matches(pattern, "shop.orders"), "{pattern}");
        }
        for pattern in ["shop.order", "shop.orders2", "*.order", "", "shop"] {
            assert!(!matches(pattern, "shop.orders"), "{pattern}");
        }
    }
}
