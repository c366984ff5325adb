//! The placeholders of a reviewed statement, counted as its database would.

use crate::database::Family;

/// Refuses a statement that does not use exactly the parameters it has.
pub(super) fn check(statement: &str, family: Family, params: usize) -> Result<(), String> {
    let used = used(statement, family);
    let style = if family == Family::Postgres { "$1, $2 and so on" } else { "?" };
    if let Some(missing) = used.iter().find(|number| **number == 0 || **number > params) {
        return Err(format!(
            "the statement has placeholder {missing}, and `params` {params}; describe each in \
             `params`, in the order of the placeholders ({style})"
        ));
    }
    if let Some(unused) = (1..=params).find(|number| !used.contains(number)) {
        return Err(format!(
            "`params` has {params}, and the statement does not use number {unused}; write its \
             placeholder ({style}) or remove it"
        ));
    }
    Ok(())
}

/// The numbers of the placeholders, as often as they occur.
fn used(statement: &str, family: Family) -> Vec<usize> {
    let mut found = Vec::new();
    let mut rest = statement;
    let mut before: Option<char> = None;
    while let Some(first) = rest.chars().next() {
        let skipped = skip(rest, family, before);
        if skipped > 0 {
            rest = rest.get(skipped..).unwrap_or_default();
            before = Some(' ');
            continue;
        }
        let tail = &rest[first.len_utf8()..];
        let digits = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: Option<usize> = tail[..digits].parse().ok();
        match (family, first, number) {
            (Family::Postgres, '$', Some(number)) if !is_word(before) => found.push(number),
            (Family::Sqlite, '?', Some(number)) => found.push(number),
            (Family::Mysql | Family::Sqlite, '?', _) => {
                found.push(found.iter().max().copied().unwrap_or_default() + 1);
            }
            _ => {}
        }
        before = Some(first);
        rest = tail;
    }
    found
}

fn is_word(before: Option<char>) -> bool {
    before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$')
}

/// How long the string, quoted name or comment is that begins here; 0 where none does.
fn skip(rest: &str, family: Family, before: Option<char>) -> usize {
    let whole = rest.len();
    let line = || rest.find('\n').unwrap_or(whole);
    match rest.as_bytes() {
        [b'-', b'-', ..] => line(),
        [b'#', ..] if family == Family::Mysql => line(),
        [b'/', b'*', ..] => comment(rest, family),
        [b'\'', ..] => {
            let escapes = family == Family::Mysql
                || (family == Family::Postgres && matches!(before, Some('e' | 'E')));
            quoted(rest, '\'', escapes)
        }
        [b'"', ..] => quoted(rest, '"', family == Family::Mysql),
        [b'`', ..] if family != Family::Postgres => quoted(rest, '`', false),
        [b'[', ..] if family == Family::Sqlite => rest.find(']').map_or(whole, |end| end + 1),
        [b'$', ..] if family == Family::Postgres && !is_word(before) => dollar(rest),
        _ => 0,
    }
}

/// The end of a block comment; those of PostgreSQL nest.
fn comment(rest: &str, family: Family) -> usize {
    let (mut depth, mut at) = (0usize, 0usize);
    while let Some(two) = rest.as_bytes().get(at..at + 2) {
        match two {
            b"/*" if depth == 0 || family == Family::Postgres => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// The end of what is between two marks; a doubled mark does not end it.
fn quoted(rest: &str, mark: char, escapes: bool) -> usize {
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if escapes && letter == '\\' {
            letters.next();
        } else if letter == mark {
            match letters.peek() {
                Some((_, next)) if *next == mark => {
                    letters.next();
                }
                _ => return at + 1,
            }
        }
    }
    rest.len()
}

/// The end of a string between `$tag$` and `$tag$`; 0 where none begins.
fn dollar(rest: &str) -> usize {
    let Some(end) = rest.get(1..).and_then(|tail| tail.find('$')) else { return 0 };
    let tag = &rest[..end + 2];
    let name = &tag[1..tag.len() - 1];
    let is_tag = !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !is_tag {
        return 0;
    }
    rest[tag.len()..].find(tag).map_or(rest.len(), |at| at + 2 * tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_used(statement: &str, family: Family, expected: &[usize]) {
        assert_eq!(used(statement, family), expected, "{statement}");
    }

    #[test]
    fn placeholders_are_counted_as_the_database_does() {
        let postgres = |statement, expected: &[usize]| {
            check_used(statement, Family::Postgres, expected);
        };
        postgres("SELECT $1, $2::date WHERE x = $1", &[1, 2, 1]);
        postgres("SELECT '$1', \"$2\", $$ $3 $$, $a$ $4 $$ $a$, a$5, E'\\'$6' -- $7", &[]);
        postgres("SELECT 'it''s $1' || $2 /* $3 /* $4 */ $5 */ || $6", &[2, 6]);
        postgres("SELECT data ? 'key', $1", &[1]);
        let mysql = |statement, expected: &[usize]| check_used(statement, Family::Mysql, expected);
        mysql("SELECT ?, '?', \"?\", `?`, 'it\\'s ?' # ?\n, ? -- ?", &[1, 2]);
        mysql("SELECT /* ? /* ? */ ?", &[1]);
        let sqlite =
            |statement, expected: &[usize]| check_used(statement, Family::Sqlite, expected);
        sqlite("SELECT ?, ?, [?], '\\', ?", &[1, 2, 3]);
        sqlite("SELECT ?2, ?1, ?", &[2, 1, 3]);
    }

    #[test]
    fn parameters_and_placeholders_belong_together() {
        assert_eq!(check("SELECT $1, $2", Family::Postgres, 2), Ok(()));
        let error = check("SELECT $1, $3", Family::Postgres, 2).expect_err("one too many");
        assert!(error.starts_with("the statement has placeholder 3, and `params` 2"), "{error}");
        let error = check("SELECT ?", Family::Mysql, 2).expect_err("one too few");
        assert!(error.contains("does not use number 2"), "{error}");
        assert!(check("SELECT $0", Family::Postgres, 1).is_err());
    }
}
