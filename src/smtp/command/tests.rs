use super::*;

fn parse(line: &str) -> Result<Command, CommandError> {
    Command::parse(line.as_bytes())
}

fn reply(line: &[u8]) -> String {
    let text = Command::parse(line).expect_err("a refusal").reply().to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn mail_of(line: &str) -> MailCommand {
    match parse(line) {
        Ok(Command::Mail(mail)) => *mail,
        other => panic!("{line}: {other:?}"),
    }
}

fn rcpt_of(line: &str) -> RcptCommand {
    match parse(line) {
        Ok(Command::Rcpt(rcpt)) => *rcpt,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn verbs_are_read_in_any_case_and_with_space_at_the_end() {
    let auth = |mechanism, initial: Option<&str>| {
        Command::Auth(AuthCommand { mechanism, initial_response: initial.map(str::to_owned) })
    };
    let table = [
        ("helo mx.test", Command::Helo("mx.test".into())),
        ("EHLO [192.0.2.1]", Command::Ehlo("[192.0.2.1]".into())),
        ("EhLo [IPv6:2001:db8::1] \t", Command::Ehlo("[IPv6:2001:db8::1]".into())),
        ("EHLO under_score", Command::Ehlo("under_score".into())),
        ("data", Command::Data),
        ("DATA  ", Command::Data),
        ("BDAT 0 LAST", Command::Bdat(Chunk { octets: 0, last: true })),
        ("bdat 86 last", Command::Bdat(Chunk { octets: 86, last: true })),
        ("BDAT 00012", Command::Bdat(Chunk { octets: 12, last: false })),
        ("rset", Command::Rset),
        ("NOOP", Command::Noop),
        ("NOOP what ever <>", Command::Noop),
        ("VRFY somebody", Command::Vrfy),
        ("EXPN list", Command::Expn),
        ("HELP", Command::Help),
        ("help MAIL", Command::Help),
        ("quit", Command::Quit),
        ("StartTls", Command::StartTls),
        ("AUTH plain", auth(Mechanism::Plain, None)),
        ("auth PLAIN =", auth(Mechanism::Plain, Some("="))),
        ("AUTH LOGIN dGVzdA==", auth(Mechanism::Login, Some("dGVzdA=="))),
    ];
    for (line, command) in table {
        assert_eq!(parse(line), Ok(command), "{line}");
    }
}

#[test]
fn what_is_not_a_command_gets_the_reply_of_the_rfc() {
    let long_name = format!("EHLO {}", "a".repeat(256));
    let table: &[(&[u8], &str)] = &[
        (b"", "500 5.5.1"),
        (b" ", "500 5.5.1"),
        (b" NOOP", "500 5.5.1"),
        (b"XYZZY", "500 5.5.1"),
        (b"MAILFROM:<a@b.test>", "500 5.5.1"),
        (b"NO\0OP", "500 5.5.2"),
        (b"NOOP\0", "500 5.5.2"),
        (b"NOOP \x1b[2J", "500 5.5.2"),
        (b"MAIL\tFROM:<a@b.test>", "500 5.5.2"),
        (b"MAIL FROM:<\xff@b.test>", "500 5.5.2"),
        (b"GET / HTTP/1.1", "500 5.5.1"),
        (b"TURN", "502 5.5.1"),
        (b"ETRN x", "502 5.5.1"),
        (b"HELO", "501 5.5.4"),
        (b"EHLO", "501 5.5.4"),
        (b"EHLO a b", "501 5.5.4"),
        (b"EHLO (comment)", "501 5.5.4"),
        ("EHLO bücher.test".as_bytes(), "501 5.5.4"),
        (long_name.as_bytes(), "501 5.5.4"),
        (b"DATA now", "501 5.5.4"),
        (b"QUIT now", "501 5.5.4"),
        (b"RSET x", "501 5.5.4"),
        (b"STARTTLS x", "501 5.5.4"),
        (b"VRFY", "501 5.5.4"),
        (b"EXPN", "501 5.5.4"),
        (b"AUTH", "501 5.5.4"),
        (b"AUTH PLAIN a b", "501 5.5.4"),
        (b"AUTH CRAM-MD5", "504 5.5.4"),
        (b"BDAT", "501 5.5.4"),
        (b"BDAT x", "501 5.5.4"),
        (b"BDAT -1", "501 5.5.4"),
        (b"BDAT +1", "501 5.5.4"),
        (b"BDAT 5 FIRST", "501 5.5.4"),
        (b"BDAT 5 LAST x", "501 5.5.4"),
        (b"BDAT 99999999999999999999999", "501 5.5.4"),
        (b"BDAT 5\0", "501 5.5.4"),
        (b"BDAT\t5", "501 5.5.4"),
    ];
    for (line, expected) in table {
        assert_eq!(reply(line), *expected, "{:?}", String::from_utf8_lossy(line));
    }
    for line in [&b"BDAT x"[..], b"BDAT 5\0", b"BDAT\t5", b"BDAT \xff", b"GET / HTTP/1.1"] {
        assert!(Command::parse(line).unwrap_err().ends_session());
    }
    assert!(!parse("XYZZY").unwrap_err().ends_session());
}

#[test]
fn reverse_paths() {
    let table = [
        ("MAIL FROM:<>", ""),
        ("mail from:<a@b.test>", "a@b.test"),
        ("MAIL FROM: <a@b.test>", "a@b.test"),
        ("MAIL  FROM:<a@b.test>  SIZE=1", "a@b.test"),
        ("MAIL FROM:<@x.test,@y.test:a@b.test>", "a@b.test"),
        (r#"MAIL FROM:<"a>b"@c.test>"#, r#""a>b"@c.test"#),
        (r#"MAIL FROM:<"a\">b"@c.test>"#, r#""a\">b"@c.test"#),
        ("MAIL FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]"),
    ];
    for (line, path) in table {
        assert_eq!(mail_of(line).reverse_path.to_string(), path, "{line}");
    }
    let table = [
        ("MAIL", "501 5.5.4"),
        ("MAIL FROM", "501 5.5.4"),
        ("MAIL FROM <a@b.test>", "501 5.5.4"),
        ("MAIL TO:<a@b.test>", "501 5.5.4"),
        ("MAIL FROM:", "501 5.1.7"),
        ("MAIL FROM:a@b.test", "501 5.1.7"),
        ("MAIL FROM:<a@b.test", "501 5.1.7"),
        ("MAIL FROM:<a@b.test>SIZE=1", "501 5.1.7"),
        ("MAIL FROM:<<a@b.test>>", "501 5.1.7"),
        ("MAIL FROM:< >", "501 5.1.7"),
        ("MAIL FROM:<a b@c.test>", "501 5.1.7"),
        ("MAIL FROM:<postmaster>", "501 5.1.7"),
        ("MAIL FROM:<a@b.test,c@d.test>", "501 5.1.7"),
        ("MAIL FROM:<@x.test a@b.test>", "501 5.1.7"),
        ("MAIL FROM:<@x.test,y.test:a@b.test>", "501 5.1.7"),
        ("MAIL FROM:<a@b..test>", "501 5.1.7"),
        ("MAIL FROM:<grün@b.test>", "553 5.6.7"),
        ("MAIL FROM:<a@bücher.test>", "553 5.6.7"),
        ("MAIL FROM:<grün@b.test> SIZE=5", "553 5.6.7"),
    ];
    for (line, expected) in table {
        assert_eq!(reply(line.as_bytes()), expected, "{line}");
    }
    let utf8 = mail_of("MAIL FROM:<grün@bücher.test> SMTPUTF8");
    assert_eq!(utf8.reverse_path.to_string(), "grün@xn--bcher-kva.test");
}

#[test]
fn forward_paths() {
    let table = [
        ("RCPT TO:<Postmaster>", "Postmaster"),
        ("RCPT TO:<pOSTMASTER>", "Postmaster"),
        ("rcpt to:<a@b.test>", "a@b.test"),
        ("RCPT TO: <a@b.test>", "a@b.test"),
        ("RCPT TO:<@evil.test:a@b.test>", "a@b.test"),
        (r#"RCPT TO:<"a@evil.test"@b.test>"#, r#""a@evil.test"@b.test"#),
    ];
    for (line, path) in table {
        assert_eq!(rcpt_of(line).forward_path.to_string(), path, "{line}");
    }
    let table = [
        ("RCPT", "501 5.5.4"),
        ("RCPT FROM:<a@b.test>", "501 5.5.4"),
        ("RCPT TO:<>", "501 5.1.3"),
        ("RCPT TO:<a>", "501 5.1.3"),
        ("RCPT TO:a@b.test", "501 5.1.3"),
        ("RCPT TO:<a@[300.1.1.1]>", "501 5.1.3"),
        ("RCPT TO:<a@b.test> SIZE=5", "555 5.5.4"),
        ("RCPT TO:<a@b.test> RET=FULL", "555 5.5.4"),
    ];
    for (line, expected) in table {
        assert_eq!(reply(line.as_bytes()), expected, "{line}");
    }
    assert!(rcpt_of("RCPT TO:<grün@b.test>").needs_smtputf8);
    assert!(!rcpt_of("RCPT TO:<a@b.test>").needs_smtputf8);
}

#[test]
fn parameters_of_mail() {
    let all = "MAIL FROM:<a@b.test> SIZE=500 BODY=8bitmime smtputf8 RET=hdrs ENVID=a+2Bb AUTH=<>";
    let mail = mail_of(all);
    assert_eq!(mail.size_octets, Some(500));
    assert_eq!(mail.body, BodyType::EightBitMime);
    assert!(mail.smtputf8);
    assert_eq!(mail.dsn_return, Some(DsnReturn::Headers));
    assert_eq!(mail.envelope_id.as_deref(), Some("a+b"));
    let huge = mail_of("MAIL FROM:<> SIZE=99999999999999999999");
    assert_eq!(huge.size_octets, Some(u64::MAX));
    let long = format!("ENVID={}", "a".repeat(101));
    let table = [
        ("SIZE", "501 5.5.4"),
        ("SIZE=", "501 5.5.4"),
        ("SIZE=x", "501 5.5.4"),
        ("SIZE=-1", "501 5.5.4"),
        ("SIZE=999999999999999999999", "501 5.5.4"),
        ("SIZE=1 SIZE=2", "501 5.5.4"),
        ("BODY", "501 5.5.4"),
        ("BODY=9BIT", "501 5.5.4"),
        ("BODY=BINARYMIME", "555 5.5.4"),
        ("SMTPUTF8=yes", "501 5.5.4"),
        ("SMTPUTF8 SMTPUTF8", "501 5.5.4"),
        ("RET=ALL", "501 5.5.4"),
        ("RET=FULL RET=FULL", "501 5.5.4"),
        ("ENVID=a=b", "501 5.5.4"),
        ("ENVID=a+zz", "501 5.5.4"),
        ("ENVID=a+2b", "501 5.5.4"),
        ("ENVID=a+0D+0AX", "501 5.5.4"),
        ("ENVID=a+", "501 5.5.4"),
        (long.as_str(), "501 5.5.4"),
        ("AUTH=a+00", "501 5.5.4"),
        ("=x", "501 5.5.4"),
        ("-X=1", "501 5.5.4"),
        ("XVERP", "555 5.5.4"),
        ("NOTIFY=NEVER", "555 5.5.4"),
        ("BY=1;R", "555 5.5.4"),
    ];
    for (parameter, expected) in table {
        let line = format!("MAIL FROM:<a@b.test> {parameter}");
        assert_eq!(reply(line.as_bytes()), expected, "{line}");
    }
}

#[test]
fn parameters_of_rcpt() {
    let rcpt = rcpt_of("RCPT TO:<a@b.test> NOTIFY=SUCCESS,delay ORCPT=RFC822;c+2Bd@e.test");
    assert_eq!(rcpt.notify, Some(Notify { success: true, failure: false, delay: true }));
    let original = rcpt.original.unwrap();
    assert_eq!(
        (original.address_type.as_str(), original.address.as_str()),
        ("rfc822", "c+d@e.test")
    );
    assert_eq!(rcpt_of("RCPT TO:<a@b.test> NOTIFY=never").notify, Some(Notify::default()));
    let unicode = rcpt_of("RCPT TO:<a@b.test> ORCPT=utf-8;grün@b.test");
    assert_eq!(unicode.original.unwrap().address, "grün@b.test");
    let long = format!("ORCPT=rfc822;{}", "a".repeat(500));
    let table = [
        "NOTIFY",
        "NOTIFY=",
        "NOTIFY=NEVER,SUCCESS",
        "NOTIFY=SUCCESS,",
        "NOTIFY=MAYBE",
        "NOTIFY=NEVER NOTIFY=NEVER",
        "ORCPT=rfc822",
        "ORCPT=;a@b.test",
        "ORCPT=rfc822;",
        "ORCPT=rfc822;a+0Ab",
        "ORCPT=rfc822;grün@b.test",
        long.as_str(),
    ];
    for parameter in table {
        let line = format!("RCPT TO:<a@b.test> {parameter}");
        assert_eq!(reply(line.as_bytes()), "501 5.5.4", "{line}");
    }
}

#[test]
fn xtext_goes_both_ways() {
    for plain in ["", "a", "a b", "a+b=c", "~!\"#"] {
        assert_eq!(decode_xtext(&encode_xtext(plain)).as_deref(), Ok(plain));
    }
    assert_eq!(encode_xtext("a+b=c d"), "a+2Bb+3Dc+20d");
}
