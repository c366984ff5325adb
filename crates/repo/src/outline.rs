//! The landmarks of a file: its definitions or headings, with their lines.
//!
//! A light look at each line, by the kind of file; no parser, so that any size and any nonsense is
//! fine. What is missed is still in the file.

mod language;

use bstr::{BStr, ByteSlice as _};

use language::Language;

/// The landmarks that fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// One line each: `12: fn name()`.
    pub(crate) text: String,
    /// How many are shown.
    pub(crate) shown: usize,
    /// How many there are.
    pub(crate) total: usize,
}

/// How much of a line is shown, in characters.
const WIDTH: usize = 60;
/// How deeply a definition may be indented, in columns.
const DEEPEST: usize = 8;

/// The landmarks of a file, in as many bytes as there is room for. Of too many, the inner ones
/// are left out first, then every other one, so that the rest is spread over the file.
pub(crate) fn outline(path: &BStr, content: &[u8], room: usize) -> Outline {
    let mut marks = marks(path, content);
    let total = marks.len();
    let size = |marks: &[Mark]| marks.iter().map(|mark| mark.text.len() + 1).sum::<usize>();
    while size(&marks) > room {
        let deepest = marks.iter().map(|mark| mark.indent).max().unwrap_or(0);
        if marks.iter().any(|mark| mark.indent < deepest) {
            marks.retain(|mark| mark.indent < deepest);
        } else {
            let mut keep = false;
            marks.retain(|_| {
                keep = !keep;
                keep && room > 0
            });
            if marks.len() == 1 && size(&marks) > room {
                marks.clear();
            }
        }
    }
    let text = marks.iter().flat_map(|mark| [mark.text.as_str(), "\n"]).collect();
    Outline { text, shown: marks.len(), total }
}

struct Mark {
    text: String,
    indent: usize,
}

fn marks(path: &BStr, content: &[u8]) -> Vec<Mark> {
    let language = Language::of(path);
    let deepest = if language.is_flat() { 0 } else { DEEPEST };
    let mut marks = Vec::new();
    let mut fence: Option<u8> = None;
    let mut lines = content.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if deepest == 0 && line.first().is_none_or(u8::is_ascii_whitespace) {
            continue;
        }
        let body = line.trim_start();
        if language == Language::Markdown
            && let Some(mark) = body.first().copied().filter(|mark| matches!(mark, b'`' | b'~'))
            && body.starts_with(&[mark; 3])
        {
            match fence {
                None => fence = Some(mark),
                Some(open) if open == mark => fence = None,
                Some(_) => {}
            }
            continue;
        }
        let indent: usize =
            line[..line.len() - body.len()].iter().map(|c| if *c == b'\t' { 4 } else { 1 }).sum();
        if fence.is_some() || body.is_empty() || indent > deepest {
            continue;
        }
        // The beginning is enough: no line is judged by what a reader would not see either.
        let body = body[..body.len().min(400)].to_str_lossy();
        let body = body.trim_end();
        let mut opens = || {
            let indented =
                |(_, next): &(usize, &[u8])| next.starts_with(b" ") || next.starts_with(b"\t");
            lines.peek().is_some_and(indented)
        };
        let is_head = match language {
            Language::Other => indent == 0 && body.starts_with(is_word) && opens(),
            _ => language.is_head(body, indent),
        };
        if is_head {
            // The depth of a heading is in its marks.
            let depth = match language {
                Language::Markdown => body.bytes().take_while(|c| matches!(c, b'#' | b'=')).count(),
                _ => indent,
            };
            marks.push(Mark { text: format!("{}: {}", index + 1, clip(body)), indent: depth });
        }
    }
    marks
}

/// Whether a character is of a name.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A definition without what opens its body.
fn clip(body: &str) -> String {
    let body = body.trim_end().trim_end_matches(['{', ':', '(']).trim_end();
    let mut chars = body.chars();
    let mut text: String = chars.by_ref().take(WIDTH).collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, content: &str, expected: &[&str]) {
        let outline = outline(path.into(), content.as_bytes(), 2_000);
        assert_eq!(outline.text.lines().collect::<Vec<_>>(), expected, "{path}");
        assert_eq!((outline.shown, outline.total), (expected.len(), expected.len()));
    }

    #[test]
    fn definitions_are_found_in_common_languages() {
        check(
            "a.rs",
            "//! fn no\npub(crate) struct A {\n    x: u8,\n}\n\nimpl<T> A {\n    pub async fn go(&self) \
             {\n        let f = 1;\n    }\n}\nconst fn k() {}\nuse x;\n",
            &[
                "2: pub(crate) struct A",
                "6: impl<T> A",
                "7: pub async fn go(&self)",
                "11: const fn k() {}",
            ],
        );
        check(
            "a.py",
            "import os\nclass A(B):\n    async def go(self):\n        pass\ndefault = 1\n",
            &["2: class A(B)", "3: async def go(self)"],
        );
        check(
            "a.ts",
            "export default class A {\n  async go(x: number) {\n    if (x) {\n    }\n  }\n}\nexport \
             const f = () => 1\nfoo(1)\n",
            &["1: export default class A", "2: async go(x: number)", "7: export const f = () => 1"],
        );
        check(
            "a.go",
            "package a\nfunc (a *A) Go() {\n\tfunc() {}()\n}\ntype B struct {\n}\n",
            &["2: func (a *A) Go()", "5: type B struct"],
        );
        check(
            "A.java",
            "public final class A {\n    private int x;\n    public void go(int y) {\n    }\n}\n",
            &["1: public final class A", "3: public void go(int y)"],
        );
        check(
            "a.c",
            "#include <x>\nstatic int go(int a,\n\t      int b)\n{\n\tif (a)\n\t\tfoo();\n}\nstruct s \
             {\n};\nint proto(void);\nout:\n",
            &["2: static int go(int a,", "8: struct s"],
        );
        check("a.rb", "module A\n  def go\n  end\nend\n", &["1: module A", "2: def go"]);
        check(
            "a.sh",
            "go () {\n  echo\n}\nfunction b {\n}\nx=$(y)\n",
            &["1: go ()", "4: function b"],
        );
        check("a.md", "# A\n\n```sh\n# no\n```\n\n## B\n#no\n", &["1: # A", "7: ## B"]);
        check("a.yaml", "a:\n  b: 1\nc: 2\nd:\n  e: 3\n", &["1: a", "4: d"]);
    }

    #[test]
    fn of_too_many_the_outer_ones_remain_spread_over_the_file() {
        let function = |n| format!("fn f{n}() {{\n    fn inner() {{}}\n}}\n");
        let content = (0..400).map(function).collect::<Vec<_>>().concat();
        let found = outline("a.rs".into(), content.as_bytes(), 500);
        assert_eq!(found.total, 800);
        assert!(found.text.len() <= 500 && found.shown > 10, "{found:?}");
        assert!(!found.text.contains("inner"), "{found:?}");
        let last = found.text.lines().last().expect("a line");
        let line: usize = last.split(':').next().expect("a number").parse().expect("a number");
        assert!(line > 1_000, "{last}");
        assert_eq!(outline("a.rs".into(), content.as_bytes(), 3).shown, 0);
    }

    #[test]
    fn nonsense_is_no_obstacle() {
        for path in ["x.rs", "x.py", "x.ts", "x.go", "x.java", "x.c", "x.rb", "x.sh", "x.md", "x"] {
            for content in [&b""[..], b"\xff\xfe\n\n(((\n", b"{}", b"pub(\npub", "ä".as_bytes()] {
                let _ = outline(path.into(), content, 100);
            }
        }
    }
}
