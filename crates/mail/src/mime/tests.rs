//! The walk through the parts, where messages are broken or endless.

use super::*;

fn kinds(message: &str) -> Vec<String> {
    let message = message.replace('\n', "\r\n");
    Mime::of(message.as_bytes()).leaves.into_iter().map(|leaf| leaf.kind).collect()
}

#[test]
fn parts_are_found_in_their_order() {
    let message = "Content-Type: multipart/mixed; boundary=\"o\"\n\npreamble\n--o\n\
        Content-Type: multipart/alternative; boundary=i\n\n--i\n\nplain\n--i\nContent-Type: TEXT/html\n\n\
        <p>x\n--i--\nepilogue\n--o  \nContent-Type: a/b\n\nx\n--ox\n--o-- \n--o\n\nnever\n";
    assert_eq!(kinds(message), ["text/plain", "text/html", "a/b"]);
    let message = message.replace('\n', "\r\n");
    let mime = Mime::of(message.as_bytes());
    assert_eq!(mime.text(), "plain");
    let files: Vec<&[u8]> = mime.files().map(|leaf| &*leaf.content).collect();
    assert_eq!(files, [&b"x\r\n--ox"[..]]);
    assert_eq!(mime.defects, Vec::<&str>::new());
}

#[test]
fn unclosed_and_empty_frames_are_read() {
    assert_eq!(
        kinds("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n\ny"),
        ["text/plain"; 2]
    );
    // An inner frame without an end does not swallow what follows in the outer one.
    let inner = "--o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n--o\nContent-Type: a/b\n\ny\n--o--\n";
    let message = format!("Content-Type: multipart/mixed; boundary=o\n\n{inner}");
    assert_eq!(kinds(&message), ["text/plain", "a/b"]);
    for (empty, kind) in [
        ("Content-Type: multipart/mixed; boundary=b\n\nx\n", "multipart/mixed"),
        ("Content-Type: multipart/mixed\n\n--\nx\n", "multipart/mixed"),
        ("", "text/plain"),
        ("no header\n", "text/plain"),
    ] {
        assert_eq!(kinds(empty), [kind], "{empty:?}");
    }
}

#[test]
fn html_beside_the_text_is_a_file() {
    let message = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nplain\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<p>other\r\n--b--\r\n";
    let mime = Mime::of(message.as_bytes());
    assert_eq!((mime.text().as_str(), mime.files().count()), ("plain", 1));
}

#[test]
fn broken_encodings_are_told() {
    for encoding in ["base64\n\n!!!!", "quoted-printable\n\n=ZZ", "x-uuencode\n\nx"] {
        let message = format!("Content-Transfer-Encoding: {encoding}\n").replace('\n', "\r\n");
        assert_eq!(
            Mime::of(message.as_bytes()).defects,
            ["a part of it is not encoded as it says"]
        );
    }
}

#[test]
fn depth_and_number_are_bounded() {
    // Each of these overflows the stack of a walk that goes as deep as it is told.
    let messages = "Content-Type: message/rfc822\n\n".repeat(200_000);
    let digests = "Content-Type: multipart/digest; boundary=b\n\n--b\n\n".repeat(100_000);
    let mut mixed = String::new();
    for at in 0..20_000 {
        mixed += &format!("Content-Type: multipart/mixed; boundary=n{at}\n\n--n{at}\n");
    }
    for message in [messages, digests, mixed] {
        let leaves = kinds(&message).len();
        assert!((1..=PARTS).contains(&leaves), "{leaves}");
    }
    let wide = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\n".repeat(10_000));
    assert_eq!(kinds(&wide).len(), PARTS);
}
