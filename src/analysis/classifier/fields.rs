//! Header fields as features: what the author's side wrote, and which way the message came.
//!
//! In: a [`Sample`]. Out: tokens in a [`Bag`]. Fields outside of [`AUTHOR`] are not looked at,
//! but for Received, of which hosts and forms are used and addressees, identifiers and times
//! are not.

use super::links::{domain, site};
use super::sample::Sample;
use super::tokens::{Bag, head as cut, shape};

/// Fields that the author's side writes and that no receiver adds or changes (RFC 5322
/// section 3.6, RFC 2045, RFC 2369, RFC 2919, and common practice).
const AUTHOR: [&str; 43] = [
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "reply-to",
    "sender",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "content-language",
    "content-class",
    "x-mailer",
    "user-agent",
    "organization",
    "x-priority",
    "x-msmail-priority",
    "importance",
    "priority",
    "x-mimeole",
    "thread-index",
    "thread-topic",
    "x-accept-language",
    "accept-language",
    "precedence",
    "list-id",
    "list-unsubscribe",
    "list-subscribe",
    "list-post",
    "list-help",
    "list-archive",
    "list-owner",
    "errors-to",
    "mailing-list",
    "date",
    "disposition-notification-to",
    "mail-followup-to",
    "x-ms-has-attach",
    "return-receipt-to",
];

/// The author's fields in order: name in small letters, name as written, value.
pub(super) fn of_author<'a>(
    sample: &'a Sample<'_>,
) -> impl Iterator<Item = (&'static str, &'a str, &'a str)> {
    sample.fields.iter().filter_map(|(name, value)| {
        let known = AUTHOR.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
        Some((known, name.as_ref(), value.as_ref()))
    })
}

/// Which fields, in which order and form.
pub(super) fn head(sample: &Sample<'_>, bag: &mut Bag) {
    let mut before = "^";
    for (small, name, value) in of_author(sample) {
        let value = cut(value, 1000);
        bag.fact(name);
        bag.pair(before, small);
        before = small;
        match small {
            "message-id" => message_id(value, &sample.author.1, bag),
            "content-type" => content_type(value, bag),
            "date" => date(value, bag),
            "from" | "reply-to" | "sender" | "errors-to" => {
                bag.triple("form", small, &shape(value, 40));
                bag.words(small, value, 20);
            }
            "to" | "cc" => {
                bag.size(small, value.matches('@').count());
                bag.triple("form", small, &shape(value, 20));
                bag.words(small, value, 20);
            }
            "references" | "in-reply-to" => bag.size(small, value.matches('@').count()),
            "list-unsubscribe" => bag.triple("form", small, &shape(value, 20)),
            "x-mailer"
            | "user-agent"
            | "x-mimeole"
            | "organization"
            | "content-class"
            | "precedence"
            | "importance"
            | "priority"
            | "x-priority"
            | "x-msmail-priority"
            | "mime-version"
            | "content-transfer-encoding"
            | "content-language"
            | "accept-language"
            | "content-disposition" => {
                bag.triple("whole", small, value);
                bag.words(small, value, 12);
                bag.triple("form", small, &shape(value, 20));
            }
            _ => {}
        }
    }
}

fn message_id(value: &str, author: &str, bag: &mut Bag) {
    let (left, right) = value.split_once('@').unwrap_or((value, ""));
    let right = right.trim_end_matches('>');
    bag.pair("id-left", &shape(left, 24));
    bag.pair("id-begin", &shape(left, 8));
    bag.pair("id-right", &shape(right, 16));
    bag.number("id-length", left.len());
    let own = !author.is_empty() && site(right).eq_ignore_ascii_case(&site(domain(author)));
    bag.pair("id-site", if own { "author" } else { "other" });
    for label in right.split('.').take(6) {
        bag.pair("id-label", label);
    }
}

fn content_type(value: &str, bag: &mut Bag) {
    bag.pair("type-form", &shape(value, 60));
    bag.words("content-type", value, 30);
    if let Some(at) = value.to_ascii_lowercase().find("boundary=") {
        let boundary = value.get(at + 9..).unwrap_or("");
        for (name, most) in [("boundary-24", 24), ("boundary-10", 10), ("boundary-6", 6)] {
            bag.pair(name, &shape(boundary, most));
        }
    }
    if value.contains('\n') {
        bag.fact("type-folded");
    }
}

fn date(value: &str, bag: &mut Bag) {
    bag.pair("date-form", &shape(value, 60));
    bag.pair("zone", zone(value));
}

/// A date's offset from UTC as written: sign and four digits.
fn zone(value: &str) -> &str {
    value.rfind(['+', '-']).and_then(|at| value.get(at..)).map_or("", |zone| cut(zone, 5))
}

/// The Received fields, newest first (RFC 5321 section 4.4).
fn received<'a>(sample: &'a Sample<'_>) -> impl DoubleEndedIterator<Item = &'a str> {
    sample
        .fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("received"))
        .map(|(_, value)| cut(value.as_ref(), 1000))
}

fn is_ipv4(word: &str) -> bool {
    word.matches('.').count() == 3
        && word.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.')
}

/// The first octet, and the first two, of an IPv4 address.
fn ipv4_networks(word: &str) -> (&str, &str) {
    let mut dots = word.match_indices('.').map(|(at, _)| at);
    let one = dots.next().and_then(|at| word.get(..at)).unwrap_or(word);
    let two = dots.next().and_then(|at| word.get(..at)).unwrap_or(word);
    (one, two)
}

/// Hosts and words of all Received fields, addressees and identifiers left out. What one's
/// own servers add stands in good and bad mail alike and so weighs nothing.
pub(super) fn hops(sample: &Sample<'_>, bag: &mut Bag) {
    for value in received(sample).take(30) {
        let small = value.to_ascii_lowercase();
        let route = small.split(';').next().unwrap_or("");
        let mut before = "";
        let split = |letter: char| letter.is_whitespace() || "()[]=<>,".contains(letter);
        for word in route.split(split).filter(|word| !word.is_empty()).take(24) {
            let word = word.trim_end_matches('.');
            if matches!(before, "id" | "for") || word.contains('@') {
                before = word;
            } else if is_ipv4(word) {
                bag.pair("network", ipv4_networks(word).1);
                before = "ip";
            } else {
                bag.pair("hop", word);
                bag.triple("hop-after", before, word);
                if word.contains('.') {
                    bag.pair("hop-site", &site(word));
                }
                before = word;
            }
        }
    }
}

/// The two oldest hops: where the message was first handed over.
pub(super) fn origin(sample: &Sample<'_>, bag: &mut Bag) {
    for (value, place) in received(sample).rev().take(2).zip(["oldest", "second"]) {
        let small = value.to_ascii_lowercase().replace(['\n', '\r', '\t'], " ");
        let client = small.split(" by ").next().unwrap_or("");
        bag.pair(place, &shape(client, 12));
        let split = |letter: char| " ()[]=".contains(letter);
        for word in client.split(split).filter(|word| !word.is_empty()).take(12) {
            client_word(place, word, bag);
        }
        match small.split_once(" with ") {
            Some((_, with)) => {
                for word in with.split([' ', ';']).take(2) {
                    bag.triple("with", place, word);
                }
                bag.pair("with", cut(with, 16));
            }
            None => bag.triple("with", place, "nothing"),
        }
        if let Some((_, time)) = small.rsplit_once(';') {
            bag.triple("time-form", place, &shape(time.trim(), 40));
            bag.pair("origin-zone", zone(time.trim()));
        }
    }
    if received(sample).next().is_none() {
        bag.fact("no-received");
    }
}

fn client_word(place: &str, word: &str, bag: &mut Bag) {
    if is_ipv4(word) {
        let (one, two) = ipv4_networks(word);
        bag.pair("network-1", one);
        bag.pair("network-2", two);
        bag.triple("client", place, "ip");
    } else if word.contains('.') {
        bag.pair("client-tld", word.rsplit('.').next().unwrap_or(""));
        bag.pair("client-site", &site(word));
        bag.pair("client-form", &shape(word, 16));
        bag.number("client-labels", word.split('.').count());
        for label in word.split(['.', '-']).take(6) {
            bag.pair("client-label", label);
        }
    } else {
        bag.pair("client-word", &shape(word, 12));
        bag.pair("client-name", word);
    }
}
