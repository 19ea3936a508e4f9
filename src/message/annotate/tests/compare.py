"""Compares messages before and after an annotation, as Python's `email` reads them.

Reads pairs NAME.before and NAME.after and the annotation NAME.said from a folder. Prints one
line a pair that differs in more than the annotation, and a line of counts. Multiparts in
which Python finds no parts ("unparted") are text to it, and not compared.
"""

import email
import email.policy
import html
import os
import re
import sys


def letters(text):
    return "".join(c for c in text if c.isalnum())


def shown(text):
    return html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"(?s)<!--.*?-->", "", text)))


def leaves(octets, policy):
    message = email.message_from_bytes(octets, policy=policy)
    found = []
    for part in message.walk():
        if part.is_multipart():
            continue
        payload = part.get_payload(decode=True) or b""
        charset = part.get_content_charset() or "us-ascii"
        try:
            text = payload.decode(charset)
        except (LookupError, UnicodeError, ValueError):
            text = payload.decode("latin-1")
        found.append((part.get_content_type(), charset, payload, text))
    return found


def is_put_in(old, new):
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    behind = 0
    while behind < min(len(old), len(new)) and old[-1 - behind] == new[-1 - behind]:
        behind += 1
    return len(new) > len(old) and same + behind >= len(old)


def compare(before, after, said):
    needle = letters(said)

    def has(text):
        return needle in letters(text) or needle in letters(shown(text))

    changed, wrong, rest = 0, [], list(before)
    for kind, charset, payload, text in after:
        if rest and rest[0][0] == kind and rest[0][2] == payload:
            rest.pop(0)
        elif rest and rest[0][0] == kind and has(text) and is_put_in(rest[0][3], text):
            if charset not in (rest[0][1], "utf-8"):
                wrong.append("charset %s became %s" % (rest[0][1], charset))
            rest.pop(0)
            changed += 1
        elif has(text) and len(after) > len(before):
            changed += 1
        else:
            was = (rest[0][0], rest[0][3][:120]) if rest else None
            wrong.append("%s %r was %r" % (kind, text[:120], was))
    wrong.extend("%s is missing" % one[0] for one in rest)
    return wrong if changed or wrong else ["the annotation is missing"]


def main(folder):
    pairs = differing = unparted = 0
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".before"):
            continue
        stem = os.path.join(folder, name[: -len(".before")])
        with open(stem + ".before", "rb") as file:
            before = file.read()
        with open(stem + ".after", "rb") as file:
            after = file.read()
        with open(stem + ".said", encoding="utf-8") as file:
            said = file.read()
        for policy in (email.policy.default, email.policy.compat32):
            pairs += 1
            try:
                old, new = leaves(before, policy), leaves(after, policy)
            except Exception as error:
                print("unread", name, type(error).__name__)
                continue
            if any(kind.startswith("multipart/") for kind, _, _, _ in old):
                unparted += 1
                print("unparted", name)
                continue
            wrong = compare(old, new, said)
            if wrong:
                differing += 1
                print("differs", name, "; ".join(wrong)[:500].replace("\n", " "))
    print("pairs", pairs, "differing", differing, "unparted", unparted)


main(sys.argv[1])
