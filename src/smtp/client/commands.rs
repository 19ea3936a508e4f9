//! The commands as they are written, with the parameters that the server offered.

use std::fmt::Write;

use super::capabilities::Capabilities;
use crate::mail::{BodyType, DsnReturn, Envelope, Notify, OriginalRecipient, Recipient};

/// `MAIL FROM` with its line end.
pub(super) fn mail(envelope: &Envelope, octets: u64, offered: &Capabilities) -> String {
    let mut line = format!("MAIL FROM:<{}>", envelope.reverse_path);
    if offered.size.is_some() {
        push(&mut line, format_args!(" SIZE={octets}"));
    }
    if offered.eight_bit_mime && envelope.body == BodyType::EightBitMime {
        line.push_str(" BODY=8BITMIME");
    }
    if offered.smtputf8 && envelope.smtputf8 {
        line.push_str(" SMTPUTF8");
    }
    // RFC 3461 section 5.2.1: passed on where the next hop knows them, and only there.
    if offered.dsn {
        match envelope.dsn_return {
            Some(DsnReturn::Full) => line.push_str(" RET=FULL"),
            Some(DsnReturn::Headers) => line.push_str(" RET=HDRS"),
            None => {}
        }
        if let Some(id) = &envelope.envelope_id {
            push(&mut line, format_args!(" ENVID={}", xtext(id)));
        }
    }
    line.push_str("\r\n");
    line
}

/// `RCPT TO` with its line end.
pub(super) fn rcpt(recipient: &Recipient, offered: &Capabilities) -> String {
    let mut line = format!("RCPT TO:<{}>", recipient.forward_path);
    if offered.dsn {
        if let Some(notify) = recipient.notify {
            push(&mut line, format_args!(" NOTIFY={}", notify_words(notify)));
        }
        if let Some(original) = recipient.original.as_ref().and_then(original_text) {
            push(&mut line, format_args!(" ORCPT={original}"));
        }
    }
    line.push_str("\r\n");
    line
}

/// Writing to a string does not fail.
fn push(line: &mut String, words: std::fmt::Arguments<'_>) {
    let _ = line.write_fmt(words);
}

fn notify_words(notify: Notify) -> String {
    let words = [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")];
    let wanted: Vec<&str> =
        words.iter().filter_map(|(wanted, word)| wanted.then_some(*word)).collect();
    match wanted.is_empty() {
        true => "NEVER".into(),
        false => wanted.join(","),
    }
}

/// `type;address`, encoded by RFC 3461 section 4.2, or by RFC 6533 section 3 for `utf-8`.
/// None when the address cannot be said in its type.
fn original_text(original: &OriginalRecipient) -> Option<String> {
    let atom = !original.address_type.is_empty()
        && original
            .address_type
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    let encoded = match original.address_type.eq_ignore_ascii_case("utf-8") {
        true => utf8_xtext(&original.address),
        false => original.address.is_ascii().then(|| xtext(&original.address))?,
    };
    atom.then(|| format!("{};{encoded}", original.address_type))
}

/// RFC 3461 section 4: what is not printable, and `+` and `=`, as `+` and two hex digits.
fn xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'+' | b'=' => push(&mut encoded, format_args!("+{octet:02X}")),
            b'!'..=b'~' => encoded.push(char::from(octet)),
            _ => push(&mut encoded, format_args!("+{octet:02X}")),
        }
    }
    encoded
}

/// RFC 6533 section 3, utf-8-addr-xtext: pure ASCII, so that it passes with or without
/// SMTPUTF8.
fn utf8_xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '+' | '=' | '\\' => push(&mut encoded, format_args!("\\x{{{:X}}}", u32::from(letter))),
            '!'..='~' => encoded.push(letter),
            _ => push(&mut encoded, format_args!("\\x{{{:X}}}", u32::from(letter))),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::ReversePath;

    fn everything() -> Capabilities {
        Capabilities {
            size: Some(0),
            eight_bit_mime: true,
            smtputf8: true,
            dsn: true,
            ..Capabilities::default()
        }
    }

    #[test]
    fn parameters_are_said_only_where_they_are_offered() {
        let envelope = Envelope {
            reverse_path: ReversePath::Mailbox("\"a b\"@x.test".parse().unwrap()),
            recipients: Vec::new(),
            body: BodyType::EightBitMime,
            smtputf8: true,
            dsn_return: Some(DsnReturn::Headers),
            envelope_id: Some("a+b =c".into()),
        };
        assert_eq!(
            mail(&envelope, 7, &everything()),
            "MAIL FROM:<\"a b\"@x.test> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS \
             ENVID=a+2Bb+20+3Dc\r\n"
        );
        assert_eq!(mail(&envelope, 7, &Capabilities::default()), "MAIL FROM:<\"a b\"@x.test>\r\n");
        let null = Envelope { reverse_path: ReversePath::Null, ..envelope };
        assert_eq!(mail(&null, 7, &Capabilities::default()), "MAIL FROM:<>\r\n");
    }

    #[test]
    fn recipients_carry_what_was_asked_for_them() {
        let original = |address_type: &str, address: &str| {
            Some(OriginalRecipient { address_type: address_type.into(), address: address.into() })
        };
        let notify = |success, failure, delay| Some(Notify { success, failure, delay });
        let table = [
            (None, None, ""),
            (notify(false, false, false), None, " NOTIFY=NEVER"),
            (notify(true, true, false), None, " NOTIFY=SUCCESS,FAILURE"),
            (notify(false, false, true), None, " NOTIFY=DELAY"),
            (None, original("rfc822", "a+b@x"), " ORCPT=rfc822;a+2Bb@x"),
            (None, original("rfc822", "ä@x"), ""),
            (None, original("utf-8", "ä+@x"), " ORCPT=utf-8;\\x{E4}\\x{2B}@x"),
            (None, original("a b", "x"), ""),
        ];
        for (notify, original, words) in table {
            let forward_path = "u@x.test".parse().unwrap();
            let recipient = Recipient { forward_path, notify, original };
            assert_eq!(rcpt(&recipient, &everything()), format!("RCPT TO:<u@x.test>{words}\r\n"));
            assert_eq!(rcpt(&recipient, &Capabilities::default()), "RCPT TO:<u@x.test>\r\n");
        }
    }
}
