//! AUTH, RFC 4954.

use super::*;

fn submission() -> Rig {
    Rig::new(terms(Role::Submission), Channel::Encrypted)
}

fn clear() -> Rig {
    Rig::new(terms(Role::Submission), Channel::Clear)
}

/// `\0user\0secret`, `\0user\0wrong`, `user\0user\0secret`, `other\0user\0secret`,
/// `\0down\0x`, `user`, `secret` and `wrong` in base 64.
const GOOD: &str = "AHVzZXIAc2VjcmV0";
const WRONG: &str = "AHVzZXIAd3Jvbmc=";
const SELF: &str = "dXNlcgB1c2VyAHNlY3JldA==";
const OTHER: &str = "b3RoZXIAdXNlcgBzZWNyZXQ=";
const DOWN: &str = "AGRvd24AeA==";

#[test]
fn exchanges() {
    let table: Vec<(String, Vec<&str>)> = vec![
        (format!("AUTH PLAIN {GOOD}\r\nMAIL FROM:<>\r\n"), vec!["235 2.7.0", "250 2.1.0"]),
        (format!("AUTH PLAIN {SELF}\r\n"), vec!["235 2.7.0"]),
        (format!("AUTH PLAIN {OTHER}\r\n"), vec!["535 5.7.8"]),
        (format!("AUTH PLAIN {WRONG}\r\nMAIL FROM:<>\r\n"), vec!["535 5.7.8", "530 5.7.0"]),
        (format!("AUTH PLAIN {DOWN}\r\nMAIL FROM:<>\r\n"), vec!["454 4.7.0", "530 5.7.0"]),
        (format!("AUTH PLAIN\r\n{GOOD}\r\n"), vec!["334", "235 2.7.0"]),
        ("AUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n".into(), vec!["334", "334", "235 2.7.0"]),
        ("AUTH LOGIN dXNlcg==\r\nc2VjcmV0\r\n".into(), vec!["334", "235 2.7.0"]),
        ("AUTH LOGIN dXNlcg==\r\nd3Jvbmc=\r\n".into(), vec!["334", "535 5.7.8"]),
        ("AUTH LOGIN dXNlcg==\r\n*\r\nNOOP\r\n".into(), vec!["334", "501 5.7.0", "250 2.0.0"]),
        ("AUTH PLAIN\r\n*\r\nNOOP\r\n".into(), vec!["334", "501 5.7.0", "250 2.0.0"]),
        ("AUTH PLAIN =\r\n".into(), vec!["501 5.5.2"]),
        ("AUTH PLAIN !!!\r\n".into(), vec!["501 5.5.2"]),
        ("AUTH PLAIN dXNlcg==\r\n".into(), vec!["501 5.5.2"]),
        ("AUTH PLAIN\r\n\r\n".into(), vec!["334", "501 5.5.2"]),
        ("AUTH LOGIN =\r\nc2VjcmV0\r\n".into(), vec!["334", "501 5.5.2"]),
        ("AUTH CRAM-MD5\r\n".into(), vec!["504 5.5.4"]),
        (format!("AUTH PLAIN {GOOD}\r\nAUTH PLAIN {GOOD}\r\n"), vec!["235 2.7.0", "503 5.5.1"]),
        (
            format!("AUTH PLAIN {GOOD}\r\nMAIL FROM:<>\r\nAUTH PLAIN {GOOD}\r\n"),
            vec!["235 2.7.0", "250 2.1.0", "503 5.5.1"],
        ),
        ("MAIL FROM:<>\r\n".into(), vec!["530 5.7.0"]),
        // A bare line end within an exchange.
        ("AUTH LOGIN\r\ndXNlcg==\nc2VjcmV0\r\n".into(), vec!["334", "500 5.5.2"]),
    ];
    for (wire, expected) in table {
        let codes = codes_of(&submission, &format!("{HELLO}{wire}"));
        assert_eq!(codes[1..], expected, "{wire:?}");
    }
    assert_eq!(codes_of(&submission, &format!("AUTH PLAIN {GOOD}\r\n")), ["503 5.5.1"]);
}

#[test]
fn nothing_is_verified_in_clear() {
    let wire = format!("{HELLO}AUTH PLAIN {GOOD}\r\nAUTH LOGIN\r\nMAIL FROM:<>\r\n");
    let outcome = outcome_of(&clear, &[wire.as_bytes()]);
    let codes = ["220", "250", "538 5.7.11", "538 5.7.11", "530 5.7.0"];
    assert_eq!(outcome.codes(), codes);
    assert!(!outcome.replies.contains("250-AUTH"));
    let never = || {
        let offered = terms(Role::Submission);
        Rig::new(Terms { starttls: StartTls::NotOffered, ..offered }, Channel::Clear)
    };
    assert_eq!(codes_of(&never, &wire), ["250", "502 5.5.1", "502 5.5.1", "530 5.7.0"]);
}

#[test]
fn auth_is_offered_and_taken_after_starttls() {
    let good = format!("EHLO a\r\nAUTH PLAIN {GOOD}\r\nMAIL FROM:<>\r\n");
    let outcome = outcome_of(&clear, &[b"EHLO a\r\nSTARTTLS\r\n", good.as_bytes()]);
    let codes = ["220", "250", "220 2.0.0", "250", "235 2.7.0", "250 2.1.0"];
    assert_eq!(outcome.codes(), codes);
    assert!(outcome.replies.contains("250-AUTH PLAIN LOGIN\r\n"));
}

#[test]
fn guessing_ends_the_session() {
    let wire = format!("{HELLO}{}NOOP\r\n", format!("AUTH PLAIN {WRONG}\r\n").repeat(6));
    let codes = codes_of(&submission, &wire);
    let mut expected = vec!["250"];
    expected.extend(["535 5.7.8"; 5]);
    expected.push("421 4.7.0");
    assert_eq!(codes, expected);
}
