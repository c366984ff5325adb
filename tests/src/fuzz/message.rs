//! The target `message`: what reads mail that strangers wrote.
//!
//! Promises: any octets are read without a panic, within bounds; nothing that is shown of them holds
//! a hidden character; every single line is one.

use contract::text::visible;

use super::random::Random;
use super::{Tried, judged, promise};

/// A message as ordinary programs write it.
const WHOLE: &str = "From: =?utf-8?q?J=C3=BCrgen?= <j@b.example>\r\nTo: a@b.example, \"C, D\" <c@d.example>\r\n\
    Bcc: g@h.example\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\r\nDate: Sun, 22 Nov 2026 09:30:00 +0100\r\n\
    Message-ID: <m@b>\r\nReferences: <k@b>\r\n <l@b>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\
    Content-Type: multipart/alternative; boundary=\"c\"\r\n\r\n--c\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    Gr=C3=BC=C3=9Fe\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>Hi &amp; <b>x</b></p>\r\n--c--\r\n\
    --b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n \
    filename*0*=utf-8''Gr%C3%BC; filename*1=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y\r\nSubject: in\r\n\r\nx\r\n--b--\r\n";

/// What messages are made of, and what breaks them.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"\0",
    b":",
    b";",
    b",",
    b"<",
    b">",
    b"\"",
    b"\\",
    b"(",
    b")",
    b"=",
    b"?",
    b"--b\r\n",
    b"--b--",
    b"--c\r\n",
    b"\xff\xfe",
    b"\xc3",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    b"From: ",
    b"To: ",
    b"Bcc: ",
    b"Subject: ",
    b"Message-ID: ",
    b"Content-Type: ",
    b"text/html",
    b"multipart/mixed",
    b"message/rfc822",
    b"; boundary=b",
    b"; charset=utf-7",
    b"; charset=utf-16",
    b"; charset=iso-2022-jp",
    b"; name*999999999999=x",
    b"Content-Transfer-Encoding: base64\r\n",
    b"=?utf-8?b?",
    b"?=",
    b"=?utf-8?q?=0D=0A?=",
    b"all: a@b, c@d;",
    b"(c(o(m",
    b"<<>><",
    b"&#8238;",
    b"&#x110000;",
    b"<!--",
    b"<script>",
    b"</style>",
    b"begin 644 x\r\n",
];

/// The most that may be shown of a message, in bytes: lists, lines and the text have bounds.
const MOST: usize = 12 << 20;

/// One iteration.
pub(super) fn attempt(random: &mut Random) -> Tried {
    let mut bytes = if random.once_in(4) { Vec::new() } else { WHOLE.as_bytes().to_vec() };
    // Some stay whole, or nearly.
    for _ in 0..random.below(12) {
        random.mutate(&mut bytes, PIECES);
    }
    let verdict = judged(|| {
        let shown = mail::shown(&bytes);
        for text in shown.lines.iter().chain([&shown.text]) {
            promise(visible(text) == *text, || format!("hidden characters in {text:?}"))?;
        }
        for line in &shown.lines {
            promise(!line.contains(['\n', '\t']), || format!("{line:?} is not one line"))?;
        }
        let size = shown.text.len() + shown.lines.iter().map(String::len).sum::<usize>();
        promise(size <= MOST, || format!("{size} bytes are shown"))?;
        Ok(shown.defects == 0)
    });
    Tried { input: bytes, verdict }
}
