//! The trace fields that this box puts on what it passes on (RFC 5321 section 4.4).
//!
//! In: what was observed at reception. Out: header fields in CRLF form. What a client said of
//! itself is reduced to harmless letters first, so that it can neither end the field nor be
//! taken for what the box observed.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::mail::{Address, Domain, Envelope, Facts, MailId, ReversePath};

/// RFC 5321 section 4.5.3.1.2.
const HELO_OCTETS: usize = 255;

/// The `Received` field of a mail that came by a session.
pub(super) fn received(
    hostname: &Domain,
    id: MailId,
    facts: &Facts,
    envelope: &Envelope,
) -> String {
    let client = match facts.client {
        IpAddr::V4(v4) => format!("[{v4}]"),
        IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
    };
    let mut field = format!(
        "Received: from {helo} ({client})\r\n\tby {hostname} (Postern) with {protocol} id {id}",
        helo = harmless(&facts.helo),
        protocol = protocol(facts, envelope.smtputf8),
    );
    if let Some(tls) = &facts.tls {
        field.push_str(&format!(
            "\r\n\t(using {} with cipher {})",
            harmless(&tls.version),
            harmless(&tls.cipher)
        ));
    }
    // Naming one of several would betray blind copies (RFC 5321 section 7.2).
    if let [only] = envelope.recipients.as_slice() {
        field.push_str(&format!("\r\n\tfor <{}>", only.forward_path));
    }
    field.push_str(&format!(";\r\n\t{}\r\n", date(facts.received_ms)));
    field
}

/// The `Received` field of a mail that the box wrote itself.
pub(super) fn written_here(hostname: &Domain, id: MailId, received_ms: u64) -> String {
    format!("Received: by {hostname} (Postern) id {id};\r\n\t{}\r\n", date(received_ms))
}

/// What a final delivery puts on top: RFC 5321 section 4.4, and the recipient.
pub(super) fn delivery(reverse_path: &ReversePath, recipient: &Address) -> String {
    format!("Return-Path: <{reverse_path}>\r\nDelivered-To: {recipient}\r\n")
}

/// RFC 5322 section 3.3, in universal time.
pub(super) fn date(ms_since_1970: u64) -> String {
    let ms = i64::try_from(ms_since_1970).unwrap_or(0);
    let when = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    when.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

/// RFC 3848, RFC 6531 section 4.3.
fn protocol(facts: &Facts, smtputf8: bool) -> String {
    let base = match (smtputf8, facts.extended) {
        (true, _) => "UTF8SMTP",
        (false, true) => "ESMTP",
        (false, false) => return "SMTP".into(),
    };
    let secure = if facts.tls.is_some() { "S" } else { "" };
    let known = if facts.account.is_some() { "A" } else { "" };
    format!("{base}{secure}{known}")
}

/// Letters that a domain, an address literal or a cipher name can hold.
fn harmless(text: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
    let kept = text.chars().take(HELO_OCTETS);
    let kept: String = kept.map(|letter| if allowed(letter) { letter } else { '?' }).collect();
    if kept.is_empty() { "unknown".into() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Recipient, Role, TlsFacts};

    fn facts() -> Facts {
        Facts {
            role: Role::Inbound,
            client: "192.0.2.7".parse().unwrap(),
            helo: "client.test".into(),
            extended: true,
            tls: None,
            account: None,
            received_ms: 1_700_000_000_000,
            manners: Default::default(),
        }
    }

    fn envelope(recipients: &[&str]) -> Envelope {
        Envelope {
            reverse_path: ReversePath::Null,
            recipients: recipients
                .iter()
                .map(|address| Recipient::plain(address.parse().unwrap()))
                .collect(),
            body: crate::mail::BodyType::SevenBit,
            smtputf8: false,
            dsn_return: None,
            envelope_id: None,
        }
    }

    fn field(facts: &Facts, envelope: &Envelope) -> String {
        let hostname = Domain::parse("mx.test").unwrap();
        received(&hostname, MailId::from_octets([0; 12]), facts, envelope)
    }

    #[test]
    fn the_field_says_what_was_observed() {
        assert_eq!(
            field(&facts(), &envelope(&["a@x.test"])),
            "Received: from client.test ([192.0.2.7])\r\n\
             \tby mx.test (Postern) with ESMTP id 00000000000000000000\r\n\
             \tfor <a@x.test>;\r\n\
             \tTue, 14 Nov 2023 22:13:20 +0000\r\n"
        );
        let tls = Some(TlsFacts { version: "TLSv1.3".into(), cipher: "TLS13_AES".into() });
        let secure = Facts { tls, account: Some("u".into()), ..facts() };
        let two = field(&secure, &envelope(&["a@x.test", "b@x.test"]));
        assert!(two.contains(" with ESMTPSA id "), "{two}");
        assert!(two.contains("(using TLSv1.3 with cipher TLS13_AES)"), "{two}");
        assert!(!two.contains(" for "), "{two}");
        let old = Facts { extended: false, client: "2001:db8::1".parse().unwrap(), ..facts() };
        let old = field(&old, &envelope(&["a@x.test"]));
        assert!(old.contains("([IPv6:2001:db8::1])") && old.contains(" with SMTP id "), "{old}");
    }

    #[test]
    fn a_client_cannot_write_the_field() {
        for (helo, written) in [
            ("a\r\nX-Forged: 1", "a??X-Forged:?1"),
            ("x ([10.0.0.1]) by", "x??[10.0.0.1]??by"),
            ("grün", "gr?n"),
            ("", "unknown"),
        ] {
            let field = field(&Facts { helo: helo.into(), ..facts() }, &envelope(&["a@x.test"]));
            assert!(
                field.starts_with(&format!("Received: from {written} ([192.0.2.7])\r\n")),
                "{field}"
            );
        }
    }
}
