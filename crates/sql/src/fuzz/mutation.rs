//! Statements that are nearly others: words moved, doubled and left out; other white space, other
//! letters, other quotes.

use super::catalogue::Dialect;
use super::random::Random;

/// The words of a statement: names and numbers, what is quoted, white space, single signs.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut letters = text.chars().peekable();
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    while let Some(first) = letters.next() {
        let mut token = String::from(first);
        if is_word(first) {
            while let Some(next) = letters.next_if(|next| is_word(*next)) {
                token.push(next);
            }
        } else if first.is_whitespace() {
            while let Some(next) = letters.next_if(|next| next.is_whitespace()) {
                token.push(next);
            }
        } else if ['\'', '"', '`'].contains(&first) {
            for next in letters.by_ref() {
                token.push(next);
                if next == first {
                    break;
                }
            }
        }
        tokens.push(token);
    }
    tokens
}

/// One of the statements with some words changed, or the beginning of one and the end of another.
pub(crate) fn mutated(random: &mut Random, list: &[String]) -> String {
    let mut words = tokens(&list[random.below(list.len())]);
    let others = tokens(&list[random.below(list.len())]);
    for _ in 0..=random.below(3) {
        let (at, other) = (random.below(words.len()), random.below(words.len()));
        let Some(word) = words.get(at).cloned() else { break };
        match random.below(6) {
            0 => {
                let end = random.below(others.len());
                words.truncate(at);
                words.push(" ".to_owned());
                words.extend(others[end..].iter().cloned());
            }
            1 => drop(words.remove(at)),
            2 => words.insert(other, word),
            3 => words.swap(at, other),
            4 => {
                let place = random.below(others.len());
                if let Some(new) = others.get(place) {
                    words[at].clone_from(new);
                }
            }
            _ => words.insert(at, random.word(WORDS).to_owned()),
        }
    }
    words.concat()
}

/// What makes another statement of one.
const WORDS: &[&str] = &[
    " INTO ",
    " UNION ALL ",
    " FOR UPDATE ",
    "; ",
    " RETURNING * ",
    " ANALYZE ",
    "(",
    ")",
    ",",
    " EXPLAIN ",
    " LATERAL ",
    "/*",
    "*/",
    "--\n",
    "'",
    "\"",
    "$$",
    "\\",
    "\0",
    " WITH x AS ",
    " * ",
    "::text",
    " COLLATE \"C\" ",
    " AS ",
    "-1",
    " 9223372036854775808 ",
    "1e400",
    " NULL ",
    " . ",
    "@@",
    ":=",
    "?",
    "$1",
    "/*!",
    "#",
    "`",
];

/// The same statement, written otherwise: what the database reads as white space and letters, and
/// sometimes what only looks so.
pub(crate) fn disguised(random: &mut Random, dialect: Dialect, text: &str) -> String {
    let mut made = String::with_capacity(text.len() * 2);
    let is_odd = random.chance(12);
    for word in tokens(text) {
        if word.starts_with(char::is_whitespace) && random.chance(25) {
            made.push_str(blank(random, dialect, is_odd));
        } else if has_free_case(dialect, &word) && random.chance(25) {
            made.push_str(&recased(random, &word));
        } else {
            made.push_str(&word);
        }
    }
    if random.chance(15) {
        made.push_str(random.word(&[";", " ;", "\n", " -- end", "/* end */", ";;"]));
    }
    made
}

/// Whether the word means the same in other letters: MySQL's names of tables may not.
fn has_free_case(dialect: Dialect, word: &str) -> bool {
    let is_keyword = word.chars().all(|letter| letter.is_ascii_uppercase());
    word.starts_with(char::is_alphabetic) && (dialect != Dialect::Mysql || is_keyword)
}

fn blank(random: &mut Random, dialect: Dialect, is_odd: bool) -> &'static str {
    let common = ["\t", "\n", "  ", "/**/", " /* ; */ ", " -- x\n", "\r\n", "\u{c}"];
    let odd = ["\u{a0}", "\u{3000}", "\u{feff}", "\u{2028}", "\u{b}", "\0", "/*/* */*/", "/*!*/"];
    if is_odd && random.chance(20) {
        return random.word(&odd);
    }
    if dialect == Dialect::Mysql && random.chance(10) {
        return " # x\n";
    }
    random.word(&common)
}

fn recased(random: &mut Random, word: &str) -> String {
    match random.below(3) {
        0 => word.to_uppercase(),
        1 => word.to_lowercase(),
        _ => {
            let letters = word.chars();
            letters
                .map(|letter| {
                    if random.chance(50) {
                        letter.to_ascii_uppercase()
                    } else {
                        letter.to_ascii_lowercase()
                    }
                })
                .collect()
        }
    }
}
