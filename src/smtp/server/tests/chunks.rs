//! BDAT, RFC 3030 section 2.

use super::*;

const BEGIN: &str = "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.test>\r\n";

/// What follows a transaction's beginning, and the codes of its replies.
pub(super) const TABLE: &[(&str, &[&str])] = &[
    ("BDAT 3 LAST\r\na\r\n", &["250 2.0.0"]),
    ("BDAT 0 LAST\r\n", &["250 2.0.0"]),
    ("BDAT 3\r\na\r\nBDAT 0 LAST\r\n", &["250 2.0.0", "250 2.0.0"]),
    ("BDAT 0\r\nBDAT 3\r\na\r\nbdat 3 last\r\nb\r\n", &["250 2.0.0"; 3]),
    // Commands are read again right behind the chunk.
    ("BDAT 3 LAST\r\na\r\nNOOP\r\nQUIT\r\n", &["250 2.0.0", "250 2.0.0", "221 2.0.0"]),
    // What looks like commands or an end of data within a chunk is neither.
    ("BDAT 14 LAST\r\nQUIT\r\n.\r\nDATA\nOOP\r\n", &["550 5.6.11"]),
    ("BDAT 15 LAST\r\nQUIT\r\n.\r\nDATA\r\nNOOP\r\n", &["250 2.0.0", "250 2.0.0"]),
    // DATA and BDAT do not mix, RCPT comes before content.
    ("BDAT 3\r\na\r\nDATA\r\n", &["250 2.0.0", "503 5.5.1"]),
    ("BDAT 3\r\na\r\nRCPT TO:<c@x.test>\r\n", &["250 2.0.0", "503 5.5.1"]),
    ("BDAT 3\r\na\r\nMAIL FROM:<>\r\n", &["250 2.0.0", "503 5.5.1"]),
    // After LAST there is no transaction; the chunk is read all the same.
    ("BDAT 0 LAST\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", &["250 2.0.0", "503 5.5.1", "250 2.0.0"]),
    // RSET between chunks.
    (
        "BDAT 3\r\na\r\nRSET\r\nBDAT 6\r\nQUIT\r\nNOOP\r\n",
        &["250 2.0.0", "250 2.0.0", "503 5.5.1", "250 2.0.0"],
    ),
    // No recipient was accepted.
    (
        "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<bad@x.test>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
        &["250 2.0.0", "250 2.1.0", "550 5.1.1", "554 5.5.1", "250 2.0.0"],
    ),
    (
        "RSET\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
        &["250 2.0.0", "503 5.5.1", "503 5.5.1", "250 2.0.0"],
    ),
    // A chunk that cannot be measured ends the session.
    ("BDAT x\r\nNOOP\r\n", &["501 5.5.4"]),
    ("BDAT 99999999999\r\nNOOP\r\n", &["552 5.3.4"]),
    ("BDAT 18446744073709551615 LAST\r\nNOOP\r\n", &["552 5.3.4"]),
    ("BDAT 18446744073709551616 LAST\r\nNOOP\r\n", &["501 5.5.4"]),
];

fn after_begin(wire: &str) -> Vec<String> {
    codes_of(&inbound, &format!("{BEGIN}{wire}")).split_off(3)
}

#[test]
fn chunks_have_the_replies_of_the_rfc() {
    for (wire, expected) in TABLE {
        assert_eq!(after_begin(wire), *expected, "{wire:?}");
    }
}

#[test]
fn content_is_what_the_chunks_hold() {
    let wire = format!("{BEGIN}BDAT 5\r\n.\r\n..BDAT 2\r\n\r\nBDAT 4 LAST\r\nab\0c");
    let outcome = outcome_of(&inbound, &[wire.as_bytes()]);
    assert_eq!(outcome.taken[0].content, b".\r\n..\r\nab\0c");
}

#[test]
fn a_message_that_grows_too_large_fails_and_the_rest_is_skipped() {
    let chunk = format!("BDAT 600\r\n{}", "0123456789abcdefghijklmnop\r\n  ".repeat(20));
    let last = chunk.replacen("BDAT 600", "BDAT 600 LAST", 1);
    let wire = format!("{chunk}{chunk}{chunk}{last}NOOP\r\nMAIL FROM:<>\r\n");
    let expected = ["250 2.0.0", "552 5.3.4", "503 5.5.1", "503 5.5.1", "250 2.0.0", "250 2.1.0"];
    assert_eq!(after_begin(&wire), expected);
    let wire = format!("{chunk}{chunk}RSET\r\nMAIL FROM:<>\r\n");
    assert_eq!(after_begin(&wire), ["250 2.0.0", "552 5.3.4", "250 2.0.0", "250 2.1.0"]);
    let one = format!("BDAT 1200 LAST\r\n{}NOOP\r\n", "0123456789\r\n".repeat(100));
    assert_eq!(after_begin(&one), ["552 5.3.4", "250 2.0.0"]);
}

#[test]
fn a_driver_that_cannot_take_content_has_the_chunk_skipped() {
    let commands = Commands::greet(Arc::new(terms(Role::Inbound)), Channel::Clear);
    let later = Reply::new(452, EnhancedCode(4, 3, 1), "full");
    let wire = format!("{BEGIN}BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
    let mut input = wire.as_bytes();
    let mut turn = Turn::Commands(commands);
    let mut replies = Vec::new();
    while !input.is_empty() {
        replies.extend(turn.take_replies());
        turn = match turn {
            Turn::Commands(commands) => commands.advance(&mut input),
            Turn::Sender(asked) => Turn::Commands(asked.accept()),
            Turn::Recipient(asked) => Turn::Commands(asked.accept("b@x.test".parse().unwrap())),
            Turn::Begin(asked) => asked.refuse(&later),
            Turn::Content(content) => content.advance(&mut input).turn,
            other => panic!("{other:?}"),
        };
    }
    replies.extend(turn.take_replies());
    let text = String::from_utf8(replies).unwrap();
    assert!(text.ends_with("452 4.3.1 full\r\n250 2.0.0 ok\r\n"), "{text}");
}
