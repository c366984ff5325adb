"""Reads messages as another program does (Python's own parser), and says what they hold."""

import email
import email.policy
import email.utils
import html.parser
import json
import sys


class Html(html.parser.HTMLParser):
    """The tags of a text, their attributes, and its words."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [[name, value or ""] for name, value in attributes]

    handle_startendtag = handle_starttag

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.tags.append("!--")


def judged(path):
    with open(path, "rb") as file:
        bytes_ = file.read()
    message = email.message_from_bytes(bytes_, policy=email.policy.default)
    addresses = {
        name: [address for _, address in email.utils.getaddresses(message.get_all(name, []))]
        for name in ["From", "To", "Cc", "Bcc", "Reply-To"]
    }
    parts, text, tags, attributes = [], [], [], []
    for part in message.walk():
        parts.append([part.get_content_type(), part.get_filename() or ""])
        if part.is_multipart() or part.get_filename():
            continue
        content = part.get_content()
        if part.get_content_type() == "text/html":
            page = Html()
            page.feed(content)
            page.close()
            tags += page.tags
            attributes += page.attributes
            text += page.text
        else:
            text.append(content)
    lines = bytes_.split(b"\r\n")
    return {
        "headers": message.keys(),
        "addresses": addresses,
        "subject": message["Subject"] or "",
        "parts": parts,
        "text": "".join(text),
        "tags": sorted(set(tags)),
        "attributes": attributes,
        "defects": [repr(defect) for part in message.walk() for defect in part.defects],
        "bare": any(b"\r" in line or b"\n" in line for line in lines),
        "longest": max(map(len, lines)),
    }


print(json.dumps([judged(path) for path in sys.argv[1:]]))
