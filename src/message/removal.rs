//! Parts taken out of a message, each with a text in its place.
//!
//! In: a message taken apart, numbers of parts, what is to be said of each. Out: orders that
//! [`edit::rewrite`](super::edit::rewrite) carries out; every octet outside of the parts stays.
//! A part that does not lie in the message as it is written, because what holds it is encoded,
//! cannot be taken out and is told (RFC 2046 section 5.1.1: a part needs no header but what
//! differs from the default; RFC 2045 section 6.8 for what is not ASCII).

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use super::anatomy::Anatomy;
use super::annotate::encode;
use super::place::Place;
use super::transfer::decode_base64;
use crate::mail::{MailId, Order};

/// RFC 5322 section 2.1.1 allows 998.
const LINE_OCTETS: usize = 900;

/// What taking parts out comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// What does it.
    pub orders: Vec<Order>,
    /// Parts that cannot be taken out.
    pub left: Vec<usize>,
}

/// Takes parts out of `message`; `notice` tells of each what stands in its place. A part within
/// another one that goes needs nothing of its own.
pub fn remove(
    message: &Bytes,
    anatomy: &Anatomy,
    parts: &[usize],
    mut notice: impl FnMut(usize) -> String,
) -> Removal {
    let mut removal = Removal::default();
    let mut numbers = parts.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    for number in &numbers {
        let Some(part) = anatomy.parts.get(*number) else { continue };
        if goes_with_another(anatomy, &numbers, part.parent) {
            continue;
        }
        match part.place_in(message) {
            Some(place) if *number == 0 => {
                removal.orders.extend(of_message(&place, &notice(*number)));
            }
            Some(place) => removal.orders.extend(of_part(&place, &notice(*number))),
            None => removal.left.push(*number),
        }
    }
    removal
}

fn goes_with_another(anatomy: &Anatomy, numbers: &[usize], parent: Option<usize>) -> bool {
    let mut above = parent;
    while let Some(number) = above {
        if numbers.binary_search(&number).is_ok() {
            return true;
        }
        above = anatomy.parts.get(number).and_then(|part| part.parent);
    }
    false
}

/// The orders that put a text in the place of a part of a message.
pub fn of_part(place: &Place, text: &str) -> Vec<Order> {
    let (fields, body) = written(text);
    let mut part = String::new();
    for (name, value) in fields {
        part.push_str(&format!("{name}: {value}\r\n"));
    }
    part.push_str("\r\n");
    vec![replace(&place.whole, [part.as_bytes(), &body].concat())]
}

/// The same for a message that is nothing but the part: its header stays.
pub fn of_message(place: &Place, text: &str) -> Vec<Order> {
    let (fields, body) = written(text);
    let mut orders = Vec::new();
    // RFC 2045 section 4: without it the others say nothing.
    let version = ("MIME-Version", "1.0");
    for (name, value) in std::iter::once(version).chain(fields) {
        orders.push(Order::RemoveHeader(name.into()));
        orders.push(Order::AddHeader { name: name.into(), value: value.into() });
    }
    orders.push(replace(&place.body, body));
    orders
}

/// Lets texts that stand in the place of parts speak of another mail than before: the original
/// is kept under the name of the mail that goes out.
pub fn refer(orders: &mut [Order], before: MailId, now: MailId) {
    let (before, now) = (before.to_string(), now.to_string());
    for order in orders {
        let mut order = order;
        while let Order::For { order: inner, .. } = order {
            order = inner;
        }
        if let Order::Replace { with, .. } = order
            && let Some(text) = referring(with, before.as_bytes(), now.as_bytes())
        {
            *with = text;
        }
    }
}

/// A text as [`of_part`] and [`of_message`] write it, with another name in it.
fn referring(with: &[u8], before: &[u8], now: &[u8]) -> Option<Vec<u8>> {
    if memmem::find(with, before).is_some() {
        return Some(renamed(with, before, now));
    }
    let body_at = match with.starts_with(b"Content-Type:") {
        true => memmem::find(with, b"\r\n\r\n")? + 4,
        false => 0,
    };
    let (fields, body) = with.split_at_checked(body_at)?;
    let (text, _) = decode_base64(body);
    memmem::find(&text, before)?;
    let text = encode::base64(&renamed(&text, before, now), "\r\n");
    Some([fields, &text].concat())
}

fn renamed(text: &[u8], before: &[u8], now: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for found in memmem::find_iter(text, before) {
        out.extend_from_slice(text.get(at..found).unwrap_or_default());
        out.extend_from_slice(now);
        at = found + before.len();
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

fn replace(range: &Range<u64>, with: Vec<u8>) -> Order {
    Order::Replace { start: range.start, end: range.end, with }
}

/// Fields and body of the text.
fn written(text: &str) -> ([(&'static str, &'static str); 3], Vec<u8>) {
    // RFC 5322 section 2.1.1 bounds the lines; one that begins with dashes could be taken for
    // a delimiter.
    let is_fit = |line: &str| line.len() < LINE_OCTETS && !line.starts_with("--");
    let (encoding, body) = match text.is_ascii() && text.lines().all(is_fit) {
        true => ("7bit", text.as_bytes().to_vec()),
        false => ("base64", encode::base64(text.as_bytes(), "\r\n")),
    };
    let fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", encoding),
        ("Content-Disposition", "inline"),
    ];
    (fields, body)
}
