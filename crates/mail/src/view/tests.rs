//! Messages that are not ours, and are not meant well.

use super::*;

fn of(message: &str) -> View {
    View::of(message.replace('\n', "\r\n").as_bytes())
}

/// Everything that must hold of a view of any octets.
pub(super) fn check(view: &View, bytes: &[u8]) {
    let people = [&view.from, &view.reply_to, &view.to, &view.cc, &view.bcc];
    let ids = [&view.in_reply_to, &view.references];
    for list in people.into_iter().chain(ids) {
        assert!(list.len() <= MANY);
        for line in list {
            assert!(
                inert::is_line(line) && line.chars().count() <= LINE + 3,
                "{line:?} in {bytes:?}"
            );
        }
    }
    let fields =
        [&view.subject, &view.date].into_iter().chain(&view.message_id).chain(&view.marker);
    for line in fields.chain(&view.defects) {
        assert!(inert::is_line(line) && line.chars().count() <= LINE + 3, "{line:?} in {bytes:?}");
    }
    assert_eq!(visible(&view.text), view.text);
    assert!(view.text.chars().count() <= TEXT + 1 && view.attachments.len() <= MANY);
    for file in &view.attachments {
        assert!(inert::is_line(&file.name) && inert::is_line(&file.mime), "{file:?}");
        assert_eq!(file.sha256.len(), 64);
    }
}

#[test]
fn doubtful_messages_say_what_is_doubtful() {
    for (message, defect) in [
        ("From: a@b.example\nTo: c@d.example\nTo: e@f.example\n\nx\n", "2 fields to"),
        ("From: a@b.example\nbCC : c@d.example\nBcc: e@f.example\n\nx\n", "2 fields bcc"),
        ("From: a@b.example\nSubject: x\nsubject: y\n\nx\n", "2 fields subject"),
        ("To: a@b.example\n\nx\n", "no field from"),
        ("From: a@b.example\nResent-To: c@d.example\n\nx\n", "field resent-to"),
        ("From: a@b.example\nTo: all: c@d.example, e@f.example;\n\nx\n", "To holds a group"),
        (
            "From: a@b.example\nTo: c@d.example (x)\nCc: \"a b\"@d.example\n\nx\n",
            "Cc holds an unusual",
        ),
        ("From: a@b.example\nSubject: \u{e9}\n\nx\n", "not in 7 bits"),
        ("From: a@b.example\n \nTo: x@y.example\n\nx\n", "empty but for spaces"),
        ("From: a@b.example\nno colon\n\nx\n", "is no field"),
        ("From: a@b.example\n\nx\0y\n", "NUL"),
    ] {
        let view = of(message);
        assert!(view.defects.iter().any(|known| known.contains(defect)), "{message:?}: {view:?}");
    }
    for (bytes, defect) in [
        (&b"From: a@b.example\n\nx\r\n"[..], "LF alone"),
        (b"From: a@b.example\r\n\r\nx\ry\r\n", "CR stands alone"),
        (&[b"From: a@b.example\r\n\r\n", &[b'x'; 999][..]].concat(), "998"),
        (b"", "no header"),
    ] {
        let view = View::of(bytes);
        assert!(view.defects.iter().any(|known| known.contains(defect)), "{view:?}");
    }
    let fine = of("From: a@b.example\nTo: c@d.example\nSubject: x\n\nx\n");
    assert_eq!(fine.defects, Vec::<String>::new());
}

#[test]
fn recipients_of_repeated_fields_are_all_shown() {
    let view = of("From: a@b.example\nTo: c@d.example\nBcc: hidden@evil.example\n\
                   To: e@f.example\nBCC: second@evil.example\n\nx\n");
    assert_eq!(view.to, ["c@d.example", "e@f.example"]);
    assert_eq!(view.bcc, ["hidden@evil.example", "second@evil.example"]);
    let group = of("From: a@b.example\nTo: all: c@d.example, X <e@f.example>;\n\nx\n");
    assert_eq!(group.to, ["c@d.example", "X <e@f.example>"]);
}

#[test]
fn hostile_names_and_texts_are_inert() {
    let view = of("From: =?utf-8?q?=E2=80=AEx=0D=0AEvil?= <a@b.example>\n\
        Subject: =?utf-8?q?a=0D=0AB=1B[2J?=\nMIME-Version: 1.0\n\
        Content-Type: multipart/mixed; boundary=b\n\n--b\n\n\x1b[2Jx\u{202e}\n--b\n\
        Content-Type: application/pdf; name=\"../../x\u{202e}.pdf\"\n\
        Content-Disposition: attachment; filename*=utf-8''..%2F..%2F%E2%80%AEx.pdf\n\
        Content-Transfer-Encoding: base64\n\nAAEC\n--b--\n");
    check(&view, b"");
    assert!(view.text.contains("[U+001B][2Jx[U+202E]"), "{}", view.text);
    assert_eq!(view.attachments[0].name, "../../[U+202E]x.pdf");
    assert_eq!(
        (view.attachments[0].size, view.attachments[0].mime.as_str()),
        (3, "application/pdf")
    );
    assert_eq!(view.attachments[0].sha256, hex(&Sha256::digest([0, 1, 2])));
}

#[test]
fn many_of_everything_is_bounded() {
    let many = "c@d.example, ".repeat(2_000) + "c@d.example";
    let parts = "--b\nContent-Type: a/b\n\nx\n".repeat(2_000);
    let view = of(&format!(
        "From: a@b.example\nTo: {many}\nSubject: {}\nReferences: {}\n\
         Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n",
        "s".repeat(5_000),
        "<a@b> ".repeat(2_000),
    ));
    check(&view, b"");
    assert_eq!((view.to.len(), view.attachments.len()), (MANY, MANY));
    assert!(view.defects.iter().any(|known| known.contains("more than 500")), "{:?}", view.defects);
    assert!(
        view.defects.iter().any(|known| known.contains("first 500 files")),
        "{:?}",
        view.defects
    );
    let long = of(&format!("From: a@b.example\n\n{}\n", "line\n".repeat(60_000)));
    check(&long, b"");
    assert!(long.defects.iter().any(|known| known.contains("characters of its text")));
}

#[test]
fn a_message_within_a_message_is_a_file() {
    let view = of(
        "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n\
        Content-Type: message/rfc822\n\nFrom: evil@evil.example\nTo: t@evil.example\nSubject: in\n\ny\n--b--\n",
    );
    assert_eq!((view.to.len(), view.attachments.len()), (0, 1));
    assert_eq!(view.attachments[0].mime, "message/rfc822");
    assert!(view.attachments[0].size > 10);
    assert_eq!(view.subject, "");
}
