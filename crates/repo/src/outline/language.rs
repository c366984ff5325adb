//! Which lines of common languages begin a definition.

use bstr::{BStr, ByteSlice as _};

/// A family of languages whose definitions look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Python,
    Script,
    Go,
    Classes,
    C,
    Ruby,
    Shell,
    Markdown,
    Other,
}

/// What looks like a function's head, and is none.
const CONTROL: &[&str] = &[
    "if", "else", "for", "while", "switch", "return", "catch", "do", "goto", "case", "try", "with",
    "function", "await", "throw", "new", "typeof",
];
/// What may come before a definition in languages of classes.
const MODIFIERS: &[&str] = &[
    "public",
    "private",
    "protected",
    "internal",
    "static",
    "final",
    "abstract",
    "sealed",
    "partial",
    "open",
    "override",
    "data",
    "async",
    "virtual",
    "readonly",
    "inline",
    "suspend",
    "case",
    "implicit",
    "lazy",
    "mutating",
    "default",
    "synchronized",
    "native",
    "unsafe",
    "new",
    "extern",
];

impl Language {
    /// By the ending of the name.
    pub(super) fn of(path: &BStr) -> Self {
        let name = path.rsplit_str("/").next().unwrap_or_default();
        let ending = name.rfind_byte(b'.').map_or(&b""[..], |at| &name[at + 1..]);
        match ending.to_ascii_lowercase().as_slice() {
            b"rs" => Self::Rust,
            b"py" | b"pyi" | b"pyx" => Self::Python,
            b"js" | b"jsx" | b"mjs" | b"cjs" | b"ts" | b"tsx" | b"mts" | b"vue" | b"svelte" => {
                Self::Script
            }
            b"go" => Self::Go,
            b"java" | b"cs" | b"php" | b"kt" | b"kts" | b"swift" | b"scala" | b"dart" => {
                Self::Classes
            }
            b"c" | b"h" | b"cc" | b"cpp" | b"cxx" | b"hpp" | b"hh" | b"m" | b"mm" => Self::C,
            b"rb" | b"rake" | b"ex" | b"exs" => Self::Ruby,
            b"sh" | b"bash" | b"zsh" => Self::Shell,
            b"md" | b"markdown" | b"mdx" | b"adoc" | b"asciidoc" => Self::Markdown,
            _ => Self::Other,
        }
    }

    /// Whether what is indented begins no definition.
    pub(super) fn is_flat(self) -> bool {
        matches!(self, Self::Go | Self::C | Self::Other)
    }

    /// Whether a line, without its indentation, begins a definition.
    pub(super) fn is_head(self, line: &str, indent: usize) -> bool {
        match self {
            Self::Rust => rust(line),
            Self::Python => begins(line, &["async"], &["def", "class"]),
            Self::Script => script(line, indent),
            Self::Go => indent == 0 && begins(line, &[], &["func", "type", "var", "const"]),
            Self::Classes => {
                const HEADS: &[&str] = &[
                    "class",
                    "interface",
                    "enum",
                    "record",
                    "struct",
                    "trait",
                    "namespace",
                    "fun",
                    "func",
                    "function",
                    "def",
                    "object",
                    "protocol",
                    "extension",
                    "init",
                ];
                begins(line, MODIFIERS, HEADS)
                    || first_is(line, MODIFIERS) && line.contains('(') && !line.ends_with(';')
            }
            Self::C => c(line, indent),
            Self::Ruby => {
                begins(line, &[], &["def", "class", "module", "defmodule", "defp", "defmacro"])
            }
            Self::Shell => shell(line),
            Self::Markdown => heading(line, indent),
            Self::Other => false,
        }
    }
}

fn rust(line: &str) -> bool {
    const HEADS: &[&str] = &[
        "fn",
        "struct",
        "enum",
        "trait",
        "impl",
        "mod",
        "type",
        "union",
        "macro_rules!",
        "static",
    ];
    let line = line.strip_prefix("pub").map_or(line, |rest| {
        let rest = rest.trim_start();
        let restricted = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        restricted.map_or(rest, |(_, rest)| rest.trim_start())
    });
    begins(line, &["async", "const", "unsafe", "extern", "\"C\"", "default"], HEADS)
}

fn script(line: &str, indent: usize) -> bool {
    const HEADS: &[&str] = &[
        "function",
        "function*",
        "class",
        "interface",
        "type",
        "enum",
        "namespace",
        "module",
        "const",
        "let",
        "var",
    ];
    let is_inner = indent > 0
        && line.ends_with('{')
        && line.contains('(')
        && !line.starts_with(['}', '(', '.', '/', '*'])
        && !first_is(line, CONTROL);
    indent == 0 && begins(line, &["export", "default", "async", "abstract", "declare"], HEADS)
        || is_inner && is_method(line)
}

fn c(line: &str, indent: usize) -> bool {
    if indent > 0 || !line.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return false;
    }
    let is_type =
        first_is(line, &["struct", "enum", "union", "typedef", "class", "namespace", "template"])
            && !line.ends_with(';');
    let is_function =
        line.contains('(') && !line.ends_with([';', ':', '\\']) && !first_is(line, CONTROL);
    is_type || is_function
}

fn shell(line: &str) -> bool {
    let name = line.split(['(', ' ']).next().unwrap_or("");
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-:.".contains(c));
    first_is(line, &["function"]) || is_name && line[name.len()..].trim_start().starts_with("()")
}

fn heading(line: &str, indent: usize) -> bool {
    let first = line.bytes().next().filter(|mark| matches!(mark, b'#' | b'='));
    let level = line.bytes().take_while(|mark| Some(*mark) == first).count();
    (1..=6).contains(&level) && indent < 4 && line[level..].starts_with(' ')
}

/// Whether a line begins with one of some words, behind any of those that may come before.
fn begins(line: &str, before: &[&str], heads: &[&str]) -> bool {
    let mut words = line.split_ascii_whitespace().take(8);
    words.find(|word| !before.contains(word)).is_some_and(|word| {
        let word = word.split(['(', '<', '{', ':', ';']).next().unwrap_or(word);
        heads.contains(&word)
    })
}

/// Whether the first word of a line is one of some.
fn first_is(line: &str, words: &[&str]) -> bool {
    let first = line.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
    words.contains(&first)
}

/// Whether a line is a name with parentheses behind it, such as the head of a method.
fn is_method(line: &str) -> bool {
    const BEFORE: &[&str] = &[
        "async",
        "static",
        "get",
        "set",
        "public",
        "private",
        "protected",
        "readonly",
        "override",
    ];
    let head = line.split('(').next().unwrap_or("").trim_end();
    let name = head.split_whitespace().find(|word| !BEFORE.contains(word)).unwrap_or(head);
    let is_name = |c: char| c.is_alphanumeric() || "_$#*<>".contains(c);
    head.ends_with(name) && !name.is_empty() && name.chars().all(is_name)
}
