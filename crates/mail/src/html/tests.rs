//! HTML for mail holds nothing that acts, fetches or misleads.

use super::*;

fn body(markdown: &str) -> String {
    let page = page(markdown, None, None);
    let inner = page.strip_prefix("<!DOCTYPE html>\n<html><body>\n").expect("a head");
    inner.strip_suffix("</body></html>\n").expect("an end").trim_end().to_owned()
}

/// Every tag that is left, with its attributes.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|tag| tag.split('>').next().expect("a tag")).collect()
}

/// Panics if there is anything that a mail must not have.
pub(super) fn check(html: &str) {
    const KNOWN: &str = "!DOCTYPE html body a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p \
                         pre strong table tbody td th thead tr ul";
    for tag in tags(html) {
        let mut words = tag.trim_start_matches('/').splitn(2, ' ');
        let (name, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        assert!(KNOWN.split(' ').any(|known| known == name), "<{tag}> in {html}");
        let is_fine = match name {
            "a" if tag == "/a" => true,
            "a" => {
                ["href=\"http://", "href=\"https://", "href=\"mailto:"]
                    .iter()
                    .any(|start| rest.starts_with(start))
                    && rest.ends_with("\" rel=\"noopener noreferrer\"")
                    && rest.matches('=').count() >= 2
                    && rest.matches('"').count() == 4
            }
            "ol" => rest.is_empty() || rest.starts_with("start=\""),
            "!DOCTYPE" => rest == "html",
            _ => rest.is_empty(),
        };
        assert!(is_fine, "<{tag}> in {html}");
    }
    assert_eq!(contract::text::visible(html), html, "hidden characters");
}

#[test]
fn markdown_becomes_html() {
    for (markdown, html) in [
        (
            "a *b* **c** `d` ~~e~~",
            "<p>a <em>b</em> <strong>c</strong> <code>d</code> <del>e</del></p>",
        ),
        ("# t\n\n- a\n- b", "<h1>t</h1>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("3. a\n4. b", "<ol start=\"3\">\n<li>a</li>\n<li>b</li>\n</ol>"),
        ("```rust\nx < y\n```", "<pre><code>x &lt; y\n</code></pre>"),
        ("a\\\nb\nc", "<p>a<br>\nb\nc</p>"),
        ("> q", "<blockquote>\n<p>q</p>\n</blockquote>"),
    ] {
        assert_eq!(body(markdown), html, "{markdown}");
    }
    let table = body("| a | b |\n|:-|-:|\n| 1 | 2 |");
    assert!(table.contains("<th>a</th>") && table.contains("<td>2</td>"), "{table}");
    check(&table);
}

#[test]
fn a_link_shows_where_it_leads() {
    let link = |href: &str, text: &str| {
        format!("<p><a href=\"{href}\" rel=\"noopener noreferrer\">{text}</p>")
    };
    for (markdown, html) in [
        (
            "<https://acme.example/x?a=b>",
            link("https://acme.example/x?a=b", "https://acme.example/x?a=b</a>"),
        ),
        (
            "[acme.example](https://acme.example/x)",
            link("https://acme.example/x", "acme.example</a>"),
        ),
        ("[here](https://acme.example/)", link("https://acme.example/", "here</a> [acme.example]")),
        (
            "[here](https://acme.example/ \"title\")",
            link("https://acme.example/", "here</a> [acme.example]"),
        ),
        (
            "[https://acme.example](https://evil.example)",
            link("https://evil.example/", "https://acme.example</a> [evil.example]"),
        ),
        (
            "[acme.example.](https://acme.example.evil.example)",
            link(
                "https://acme.example.evil.example/",
                "acme.example.</a> [acme.example.evil.example]",
            ),
        ),
        (
            "[acme.example](http://2130706433/)",
            link("http://127.0.0.1/", "acme.example</a> [127.0.0.1]"),
        ),
        ("<a@b.example>", link("mailto:a@b.example", "a@b.example</a>")),
        (
            "[a@b.example](mailto:x@y.example?bcc=z@y.example&body=hi)",
            link("mailto:x@y.example", "a@b.example</a> [x@y.example]"),
        ),
        (
            "[аcme.example](https://аcme.example/)",
            link("https://xn--cme-5cd.example/", "аcme.example</a> [xn--cme-5cd.example]"),
        ),
        // Not links: their targets are shown instead.
        ("[x](javascript:alert(1))", "<p>x [javascript:alert(1)]</p>".into()),
        ("[x](data:text/html,hi)", "<p>x [data:text/html,hi]</p>".into()),
        ("[x](file:///etc/passwd)", "<p>x [file:///etc/passwd]</p>".into()),
        ("[x](//evil.example/a)", "<p>x [//evil.example/a]</p>".into()),
        ("[x](/a)", "<p>x [/a]</p>".into()),
        (
            "[x](https://acme.example@evil.example/)",
            "<p>x [https://acme.example@evil.example/]</p>".into(),
        ),
        ("[x](mailto:a@b.example,c@d.example)", "<p>x [mailto:a@b.example,c@d.example]</p>".into()),
        ("[x](mailto:a%0d%0ab@c.example)", "<p>x [mailto:a%0d%0ab@c.example]</p>".into()),
    ] {
        assert_eq!(body(markdown), html, "{markdown}");
        check(&html);
    }
}

#[test]
fn nothing_remote_and_nothing_that_acts_is_left() {
    for attack in [
        "<script>alert(1)</script>",
        "<img src=https://evil.example/p.gif>",
        "![x](https://evil.example/p.gif)",
        "![x][1]\n\n[1]: https://evil.example/p.gif",
        "[![x](https://evil.example/p.gif)](https://evil.example/)",
        "<style>@import url(https://evil.example/x.css)</style>",
        "<link rel=stylesheet href=https://evil.example/x.css>",
        "<p style=\"background:url(https://evil.example/x)\">x</p>",
        "<form action=https://evil.example><input type=password></form>",
        "<iframe src=https://evil.example></iframe>",
        "<svg onload=alert(1)>",
        "<base href=https://evil.example/>",
        "<meta http-equiv=refresh content=\"0;url=https://evil.example\">",
        "<a href=https://evil.example ping=https://evil.example>x</a>",
        "a <b onclick=alert(1)>b</b>",
        "<!-- x --> <![CDATA[ <script> ]]> <?php ?>",
        "</body></html><script>",
        "</p></blockquote>\n\n<div>\n\n<script>\n\n</div>",
        "```<script>\n</code></pre><script>\n```",
        "`</code><script>`",
        "&lt;script&gt; &#60;script&#62;",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1&gt;\">",
        "[x](https://evil.example/\"onmouseover=alert(1))",
        "[x](<https://evil.example/\"><script>>)",
        "[x](https://evil.example 'a\"><script>')",
        "&#x202e;gnp.exe &#8203; &zwj; &#x1b;[2J \u{202e}x \x1b[31m",
        "[&#x202e;x](https://evil.example)",
        "`\u{202e}x`",
        "[x](https://evil.example/&#x202e;)",
        "[^1]\n\n[^1]: <script>",
        "- [ ] <script>\n- [x] y",
        "$x$ $$<script>$$",
    ] {
        let html = page(attack, Some((attack, attack)), Some(attack));
        check(&html);
        // Remote places may be named, and linked to, but nothing fetches them.
        assert!(!html.contains("src=\"") && !html.contains("<img"), "{html}");
    }
    assert_eq!(body("<b>x</b>"), "<p>&lt;b&gt;x&lt;/b&gt;</p>", "HTML is shown as it was written");
    assert_eq!(body("![a logo](https://evil.example/p.gif)"), "<p>[image: a logo]</p>");
}

#[test]
fn what_is_quoted_is_no_markdown() {
    let html = page(
        "x",
        Some(("On **that** day, _J_ wrote:", "[x](https://evil.example)\n# y")),
        Some("*s*"),
    );
    assert!(html.contains("<p>On **that** day, _J_ wrote:</p>"), "{html}");
    assert!(html.contains("<blockquote>\n<p>[x](https://evil.example)<br>\n# y</p>"), "{html}");
    assert!(html.contains("<p>-- <br>\n*s*</p>"), "{html}");
}

#[test]
fn depth_is_bounded() {
    for deep in [
        ">".repeat(20_000) + " x",
        "- ".repeat(5_000) + "x",
        "**_".repeat(5_000) + "x" + &"_**".repeat(5_000),
        "[".repeat(10_000) + &"](u)".repeat(5_000),
        "> | a |\n> |---|\n> | b |\n".repeat(100),
        format!("{}| a |\n{}|---|\n", "> ".repeat(DEPTH), "> ".repeat(DEPTH)),
        format!("{}| a |\n{}|---|\n", "> ".repeat(DEPTH - 2), "> ".repeat(DEPTH - 2)),
    ] {
        let html = page(&deep, None, None);
        check(&html);
        let (mut depth, mut most) = (0usize, 0);
        for tag in tags(&html) {
            match tag {
                "br" | "hr" | "!DOCTYPE html" => {}
                tag if tag.starts_with('/') => depth = depth.saturating_sub(1),
                _ => depth += 1,
            }
            most = most.max(depth);
        }
        // The page itself, and the body and the head that a table brings along.
        assert!(most <= DEPTH + 6, "{most}");
    }
}
