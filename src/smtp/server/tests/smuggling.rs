//! Nothing but CRLF.CRLF ends a message, and what tries to ends the session instead.

use super::*;

/// Endings that some server somewhere takes for the end of data.
const ENDINGS: &[&[u8]] = &[
    b"\n.\n",
    b"\r.\r",
    b"\r\n.\n",
    b"\n.\r\n",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\r.\n",
    b"\n.\r",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n.\r\0\n",
    b"\r\0\n.\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\n",
    b"\n\n.\n\n",
    b"\n\r.\n\r",
    b"\n\r\n.\r\n",
    b"\r\n.\n\r",
    b"\r\n .\r\n",
    b"\r\n. \r\n",
    b"\r\n.\t\r\n",
    b"\r\n..\r\n",
    b"\r\n\x0b.\r\n",
    b"\r\n\x0c.\r\n",
    b"\x0b.\x0b",
    b"\x85.\x85",
    b"\xc2\x85.\xc2\x85",
    b"\xe2\x80\xa8.\xe2\x80\xa8",
    b"\x0d\x0a\x2e\x8d\x8a",
];

const FORGED: &[u8] = b"MAIL FROM:<forged@evil.test>\r\nRCPT TO:<victim@mx.test>\r\nDATA\r\n\
    Subject: forged\r\n\r\nforged\r\n.\r\nQUIT\r\n";

fn wire(begin: &str, ending: &[u8]) -> Vec<u8> {
    let mut wire = format!("{HELLO}{MAIL}{RCPT}{begin}").into_bytes();
    wire.extend_from_slice(ending);
    wire.extend_from_slice(FORGED);
    wire
}

pub(super) fn wires() -> Vec<Vec<u8>> {
    ENDINGS.iter().map(|ending| wire("DATA\r\nSubject: x\r\n\r\ntext", ending)).collect()
}

fn is_forged(taken: &Taken) -> bool {
    taken.envelope.reverse_path.to_string().contains("forged")
}

fn has_bare(octets: &[u8]) -> bool {
    let mut before = 0u8;
    for octet in octets {
        if (before == b'\r') != (*octet == b'\n') {
            return true;
        }
        before = *octet;
    }
    before == b'\r'
}

#[test]
fn no_ending_smuggles_a_second_message() {
    for text in ["DATA\r\nSubject: x\r\n\r\ntext", "DATA\r\n", "DATA\r\nx\r\n"] {
        for ending in ENDINGS {
            let wire = wire(text, ending);
            let outcome = outcome_of(&inbound, &[&wire]);
            let shown = String::from_utf8_lossy(ending).into_owned();
            assert!(!outcome.taken.iter().any(is_forged), "{shown:?}");
            let is_bare = has_bare(&[text.as_bytes(), ending].concat());
            if is_bare {
                assert!(outcome.taken.is_empty(), "{shown:?}");
                assert_eq!(outcome.codes().last().unwrap(), "550 5.6.11", "{shown:?}");
                assert_eq!(outcome.why, Some(Why::BareLineEnd), "{shown:?}");
            } else {
                // The forged commands are text, and the first message ends with theirs.
                let [taken] = &outcome.taken[..] else { panic!("{shown:?}: {outcome:?}") };
                assert!(taken.content.windows(6).any(|part| part == b"forged"));
                assert!(!has_bare(&taken.content));
            }
        }
    }
}

#[test]
fn no_ending_smuggles_within_a_chunk() {
    for ending in ENDINGS {
        let mut text = b"Subject: x\r\n\r\ntext".to_vec();
        text.extend_from_slice(ending);
        text.extend_from_slice(FORGED);
        let begin = format!("{HELLO}{MAIL}{RCPT}BDAT {} LAST\r\n", text.len());
        let outcome = outcome_of(&inbound, &[begin.as_bytes(), &text, b"QUIT\r\n"]);
        let shown = String::from_utf8_lossy(ending).into_owned();
        assert!(!outcome.taken.iter().any(is_forged), "{shown:?}");
        if has_bare(&text) {
            assert!(outcome.taken.is_empty(), "{shown:?}");
            assert_eq!(outcome.codes().last().unwrap(), "550 5.6.11", "{shown:?}");
        } else {
            assert_eq!(outcome.taken[0].content, text, "{shown:?}");
        }
    }
}

#[test]
fn a_chunk_cannot_hide_a_bare_line_end_at_its_border() {
    let begin = format!("{HELLO}{MAIL}{RCPT}");
    let table: &[(&[u8], bool)] = &[
        (b"BDAT 2\r\na\rBDAT 1 LAST\r\n\n", true),
        (b"BDAT 2\r\na\rBDAT 1 LAST\r\nb", false),
        (b"BDAT 2\r\na\rBDAT 0 LAST\r\n", false),
        (b"BDAT 2 LAST\r\na\r", false),
        (b"BDAT 1\r\naBDAT 1 LAST\r\n\n", false),
        (b"BDAT 3\r\na\r\nBDAT 3 LAST\r\n.\r\n", true),
    ];
    for (chunks, is_good) in table {
        let outcome = outcome_of(&inbound, &[begin.as_bytes(), chunks]);
        assert_eq!(outcome.taken.len(), usize::from(*is_good), "{chunks:?}");
        let last = if *is_good { "250 2.0.0" } else { "550 5.6.11" };
        assert_eq!(outcome.codes().last().unwrap(), last, "{chunks:?}");
    }
}

#[test]
fn bare_line_ends_in_commands_end_the_session() {
    let table: &[&[u8]] = &[
        b"NOOP\nNOOP\r\n",
        b"NOOP\rNOOP\r\n",
        b"NOOP\r\r\nNOOP\r\n",
        b"\nNOOP\r\n",
        b"EHLO a\nMAIL FROM:<forged@evil.test>\nRCPT TO:<b@mx.test>\nDATA\nx\n.\n",
        b"MAIL FROM:<a@b.test>\r\nRCPT TO:<b@x.test\n>\r\nNOOP\r\n",
    ];
    for wire in table {
        let outcome = outcome_of(&inbound, &[wire]);
        assert_eq!(outcome.codes().last().unwrap(), "500 5.5.2", "{wire:?}");
        assert_eq!(outcome.why, Some(Why::BareLineEnd));
        assert!(outcome.taken.is_empty());
        assert!(!outcome.codes().iter().any(|code| code == "250 2.0.0"), "{wire:?}");
    }
}

#[test]
fn a_refused_message_is_still_read_to_its_true_end_only() {
    let mut wire = format!("{HELLO}{MAIL}{RCPT}DATA\r\n").into_bytes();
    wire.extend_from_slice("0123456789\r\n".repeat(100).as_bytes());
    wire.extend_from_slice(b"\r\n.\0\r\n");
    wire.extend_from_slice(FORGED);
    let outcome = outcome_of(&inbound, &[&wire]);
    assert!(outcome.taken.is_empty());
    let codes = ["220", "250", "250 2.1.0", "250 2.1.5", "354", "552 5.3.4", "221 2.0.0"];
    assert_eq!(outcome.codes(), codes);
}
