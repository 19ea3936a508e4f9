//! Mail programs that a message claims to come from, and what gives the claim away.
//!
//! Only what a program has done alike over many years is held against a claim: the form of
//! its Message-ID and of its boundaries, and fields that it never leaves out. Lists and some
//! gateways rewrite these, so mail of lists is left alone.

use super::message_id;
use super::{Context, Sighting};

pub(super) fn look(context: &Context<'_>, seen: &mut Vec<Sighting>) {
    let named = context.text("x-mailer").or_else(|| context.text("user-agent")).unwrap_or_default();
    let named: String = named.chars().take(120).collect();
    let lower = named.to_ascii_lowercase();
    let has_mime_ole = context.has("x-mimeole");
    // Servers of the same maker write it without the other, lists drop either.
    if context.has("x-msmail-priority")
        && !has_mime_ole
        && !lower.contains("microsoft")
        && !context.is_list
    {
        seen.push(Sighting::new("MAILER_PRIORITY_ALONE", named.clone()));
    }
    if let Some(why) = forged(context, &lower) {
        seen.push(Sighting::new("MAILER_FORGED", format!("{named}: {why}")));
    }
    if is_random(&named) {
        seen.push(Sighting::new("MAILER_RANDOM", named.clone()));
    }
    if lower.contains("phpmailer") || lower.starts_with("php/") || lower.starts_with("php ") {
        seen.push(Sighting::new("MAILER_PHP", named.clone()));
    }
    const SCRIPTS: [&str; 4] =
        ["x-php-originating-script", "x-php-script", "x-php-filename", "x-source-script"];
    if let Some(field) = SCRIPTS.into_iter().find(|field| context.has(field)) {
        seen.push(Sighting::new("MAILER_WEB_SCRIPT", context.text(field).unwrap_or_default()));
    }
}

/// What shows that a claimed program did not write the message.
fn forged(context: &Context<'_>, claim: &str) -> Option<&'static str> {
    if context.is_list || claim.is_empty() {
        return None;
    }
    let id = context.text("message-id").unwrap_or_default();
    let (left, host) = message_id::halves(id.trim())?;
    let boundary = context.anatomy.parts.first().and_then(|part| part.media.boundary.as_deref());
    match () {
        () if claim.starts_with("microsoft outlook express") && !claim.contains("macintosh") => {
            match () {
                () if !context.has("x-mimeole") => Some("without its X-MimeOLE"),
                () if !is_outlook_id(left) => Some("with another's Message-ID"),
                () => None,
            }
        }
        () if claim.starts_with("microsoft windows live mail")
            || claim.starts_with("microsoft outlook 1") =>
        {
            (!is_outlook_id(left) && !is_server_id(host)).then_some("with another's Message-ID")
        }
        () if claim.contains("thunderbird") => match boundary {
            Some(boundary) if !boundary.starts_with("------------") => {
                Some("with another's boundary")
            }
            _ if !is_mozilla_id(left) => Some("with another's Message-ID"),
            _ => None,
        },
        () if claim.starts_with("apple mail (")
            || claim.starts_with("iphone mail (")
            || claim.starts_with("ipad mail (") =>
        {
            match boundary {
                Some(boundary) if !boundary.starts_with("Apple-Mail") => {
                    Some("with another's boundary")
                }
                // Accounts of other makers' servers get these servers' Message-IDs; its
                // boundaries have stayed: `Apple-Mail-3--512`, `Apple-Mail=_` and a UUID,
                // `Apple-Mail-` and a UUID.
                Some(_) => None,
                None if !is_apple_id(left) && !is_server_id(host) => {
                    Some("with another's Message-ID")
                }
                None => None,
            }
        }
        () if claim.starts_with("the bat! (v") => match boundary {
            Some(boundary) if !boundary.starts_with("----------") => {
                Some("with another's boundary")
            }
            _ if !is_bat_id(left) => Some("with another's Message-ID"),
            _ => None,
        },
        () => None,
    }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

/// `000a01c1b2c3$d4e5f6a0$0100007f`, and since 2010 a fourth, empty piece; Outlook's own
/// internet mail wrote `ABCDEFGHIJKL…` in capitals before.
fn is_outlook_id(left: &str) -> bool {
    let pieces: Vec<&str> = left.split('$').collect();
    let hex = |pieces: &[&str]| pieces.iter().all(|piece| is_hex(piece));
    match pieces.as_slice() {
        [one, two, three] => hex(&[one, two, three]) && one.len() == 12,
        [one, two, three, ""] => hex(&[one, two, three]) && one.len() == 12,
        // Windows Live Mail, old and new.
        [one] => {
            (one.len() >= 20
                && one.bytes().all(|octet| {
                    octet.is_ascii_uppercase() || octet.is_ascii_digit() || b"-_.+".contains(&octet)
                }))
                || is_uuid(one)
        }
        _ => false,
    }
}

/// Exchange and its cloud give their own.
fn is_server_id(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.ends_with("outlook.com")
        || host.contains("exch")
        || !host.contains('.')
        || host.ends_with(".local")
}

/// `8-4-4-4-12` hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.split('-').all(is_hex)
}

/// `3D8F1A2B.1020304` until 2016, a UUID since.
fn is_mozilla_id(left: &str) -> bool {
    let is_old = |(time, number): (&str, &str)| {
        time.len() == 8 && is_hex(time) && number.bytes().all(|octet| octet.is_ascii_digit())
    };
    is_uuid(left) || left.split_once('.').is_some_and(is_old)
}

/// A UUID from the beginning.
fn is_apple_id(left: &str) -> bool {
    is_uuid(left)
}

fn is_bat_id(left: &str) -> bool {
    left.split('.').all(|piece| piece.bytes().all(|octet| octet.is_ascii_digit()))
}

/// One word of letters and digits that changes case and kind all the time.
fn is_random(named: &str) -> bool {
    let named = named.trim();
    let is_word = named.len() >= 5
        && named.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    let kind = |octet: u8| match octet {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        _ => 2,
    };
    let octets = named.as_bytes();
    // Words begin with a capital: going from there to small letters is no turn.
    let turns = octets.windows(2).filter(|pair| match pair {
        [one, other] => kind(*one) != kind(*other) && (kind(*one), kind(*other)) != (1, 0),
        _ => false,
    });
    is_word && turns.count() * 3 >= named.len()
}
