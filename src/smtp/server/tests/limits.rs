//! Every limit has its reply.

use super::*;

fn mail_of(text: &str) -> String {
    format!("{HELLO}{MAIL}{RCPT}DATA\r\n{text}.\r\nNOOP\r\n")
}

/// The code for the message, after that for DATA.
fn code_for(text: &str) -> String {
    let codes = codes_of(&inbound, &mail_of(text));
    assert_eq!(codes.last().unwrap(), "250 2.0.0", "the session goes on: {codes:?}");
    codes[4].clone()
}

#[test]
fn messages() {
    let line = |octets: usize| format!("{}\r\n", "x".repeat(octets - 2));
    assert_eq!(code_for(&line(100).repeat(10)), "250 2.0.0");
    assert_eq!(code_for(&format!("{}x\r\n", line(100).repeat(10))), "552 5.3.4");
    assert_eq!(code_for(&line(101)), "554 5.6.0");
    assert_eq!(code_for(&format!(".{}", line(100).replacen('x', ".", 1))), "250 2.0.0");
    let hops = "Received: a\r\n";
    assert_eq!(code_for(&hops.repeat(2)), "250 2.0.0");
    assert_eq!(code_for(&hops.repeat(3)), "554 5.4.6");
    assert_eq!(code_for(&format!("{}\r\n{hops}", hops.repeat(2))), "250 2.0.0");
}

#[test]
fn a_message_without_end_is_given_up() {
    let text = "0123456789\r\n".repeat(400);
    let wire = format!("{HELLO}{MAIL}{RCPT}DATA\r\n{text}");
    let outcome = outcome_of(&inbound, &[wire.as_bytes()]);
    assert_eq!(outcome.codes().last().unwrap(), "552 5.3.4");
    assert_eq!(outcome.why, Some(Why::Misconduct));
}

#[test]
fn recipients() {
    let wire = format!("{HELLO}{MAIL}{}DATA\r\nx\r\n.\r\n", RCPT.repeat(5));
    let codes = codes_of(&inbound, &wire);
    let expected = [
        "250",
        "250 2.1.0",
        "250 2.1.5",
        "250 2.1.5",
        "250 2.1.5",
        "452 4.5.3",
        "452 4.5.3",
        "354",
        "250 2.0.0",
    ];
    assert_eq!(codes, expected);
}

#[test]
fn recipients_without_end() {
    // Three fit, three are surplus, five more are errors.
    let codes = codes_of(&inbound, &format!("{HELLO}{MAIL}{}NOOP\r\n", RCPT.repeat(20)));
    assert_eq!(codes.iter().filter(|code| *code == "452 4.5.3").count(), 8);
    assert_eq!(codes.last().unwrap(), "421 4.7.0");
    let codes = codes_of(&inbound, &format!("{HELLO}{}", "MAIL FROM:<> SIZE=1001\r\n".repeat(20)));
    assert_eq!(codes.last().unwrap(), "421 4.7.0");
}

#[test]
fn mails() {
    let one = format!("{MAIL}{RCPT}DATA\r\nx\r\n.\r\n");
    let codes = codes_of(&inbound, &format!("{HELLO}{}", one.repeat(4)));
    assert_eq!(codes.last().unwrap(), "421 4.7.0");
    assert_eq!(codes.iter().filter(|code| *code == "354").count(), 3);
}

#[test]
fn command_lines() {
    let fits = format!("NOOP {}\r\n", "x".repeat(512 - 7));
    let over = format!("NOOP {}\r\n", "x".repeat(512 - 6));
    let far_over = format!("NOOP {}\r\n", "x".repeat(5_000));
    let endless = "x".repeat(10_000);
    let codes = codes_of(&inbound, &format!("{fits}{over}{far_over}NOOP\r\n"));
    assert_eq!(codes, ["250 2.0.0", "500 5.5.2", "500 5.5.2", "250 2.0.0"]);
    let outcome = outcome_of(&inbound, &[endless.as_bytes()]);
    assert_eq!(outcome.codes(), ["220", "500 5.5.2"]);
    assert_eq!(outcome.why, Some(Why::Misconduct));
}

#[test]
fn errors() {
    let table = [
        "XYZZY\r\n".repeat(6),
        "RCPT TO:<b@x.test>\r\n".repeat(6),
        format!("{HELLO}{MAIL}{}", "RCPT TO:<bad@x.test>\r\n".repeat(6)),
        format!("{HELLO}{}", "BDAT 0\r\n".repeat(6)),
        format!("{HELLO}{MAIL}{}", "BDAT 0\r\n".repeat(6)),
    ];
    for wire in table {
        let outcome = outcome_of(&inbound, &[format!("{wire}NOOP\r\n").as_bytes()]);
        let codes = outcome.codes();
        assert_eq!(codes.last().unwrap(), "421 4.7.0", "{wire:?}");
        assert_eq!(codes.iter().filter(|code| code.starts_with('5')).count(), 5, "{wire:?}");
        assert_eq!(outcome.why, Some(Why::Misconduct));
    }
}

#[test]
fn idle_commands() {
    for command in ["NOOP\r\n", "RSET\r\n", "VRFY x\r\n", "HELP\r\n", "EHLO a\r\n", "HELO a\r\n"] {
        let codes = codes_of(&inbound, &command.repeat(12));
        assert_eq!(codes.len(), 11, "{command:?}");
        assert_eq!(codes.last().unwrap(), "421 4.7.0", "{command:?}");
    }
    let one = format!("{MAIL}{RCPT}DATA\r\nx\r\n.\r\n");
    let eight = "NOOP\r\n".repeat(8);
    let codes = codes_of(&inbound, &format!("{HELLO}{eight}{one}{eight}{one}"));
    assert!(!codes.iter().any(|code| code.starts_with("421")));
    let wire = format!("{HELLO}{MAIL}{RCPT}{}", "BDAT 0\r\n".repeat(12));
    assert_eq!(codes_of(&inbound, &wire).last().unwrap(), "421 4.7.0");
}
