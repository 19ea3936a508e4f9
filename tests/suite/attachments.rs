//! Rules about files: taken out with a notice, made safe, kept, refused; one recipient's copy
//! may differ from another's; the original is kept and can be released.

use super::harness::postern::field;
use super::harness::{Postern, Setup, Sink, client, text, wait_for};

const RULES: &str = r#"
[[group]]
name = "it"
members = ["ann@example.test"]

[[attachments.rule]]
name = "it-may"
for = ["group:it"]
extensions = ["exe"]
order = "allow"

[[attachments.rule]]
name = "programs"
extensions = ["exe"]
order = "strip"
text = "Put it on the share."

[[attachments.rule]]
name = "sheets"
extensions = ["csv"]
order = "safe-copy"

[[attachments.rule]]
name = "music"
extensions = ["mp3"]
order = "block"

[[attachments.rule]]
name = "macros"
roles = ["inbound"]
except = ["group:it"]
states = ["macro"]
order = "safe-copy"
text = "Ask for a PDF."

[[attachments.rule]]
name = "archives"
roles = ["outbound"]
families = ["archive"]
order = "tag"
"#;

fn with_file(name: &str, body: &str) -> Vec<u8> {
    format!(
        "From: <a@sender.test>\r\nTo: <b@example.test>\r\nMessage-ID: <{name}@sender.test>\r\n\
         Date: Mon, 1 Jun 2026 10:00:00 +0000\r\nSubject: the file {name}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\
         Content-Type: text/plain\r\n\r\nHello, see the file\r\n--b\r\n\
         Content-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{body}\r\n--b--\r\n"
    )
    .into_bytes()
}

fn start(sink: &Sink) -> Postern {
    Setup::new().next_hop(sink.hop()).smart_host(sink.hop()).raw(RULES).start()
}

fn send(postern: &Postern, to: &[&str], message: &[u8]) -> client::Reply {
    client::send(postern.inbound(), "a@sender.test", to, message)
}

#[test]
fn a_file_is_taken_out_for_some_and_the_original_can_be_released() {
    let sink = Sink::start();
    let mut postern = start(&sink);
    let sent = with_file("setup.exe", "MZ the program itself");
    let reply = send(&postern, &["ann@example.test", "bob@example.test"], &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let mails = sink.wait(2);
    let copy_of = |who: &str| {
        let mail = mails.iter().find(|mail| mail.recipients() == [who]).unwrap();
        String::from_utf8(mail.content.clone()).unwrap()
    };
    assert!(copy_of("ann@example.test").contains("the program itself"));
    let stripped = copy_of("bob@example.test");
    assert!(!stripped.contains("the program itself"), "{stripped}");
    assert!(stripped.contains("Put it on the share."), "{stripped}");
    assert!(stripped.contains("Hello, see the file"), "{stripped}");
    postern.wait_until_empty();
    postern.kill();
    postern.start_again();
    let held = postern.ask(&["quarantine", "list"]);
    assert_eq!(held.len(), 1, "{held:?}");
    let id = field(&held[0], "mail_id");
    let story = postern.tell(&["track", "--message-id", "setup.exe@sender.test"]);
    assert!(story.contains("the original is kept in attachments"), "{story}");
    assert!(story.contains("ATTACHMENT_RULE"), "{story}");
    postern.tell(&["quarantine", "release", &id]);
    let mails = sink.wait(3);
    let last = mails.last().unwrap();
    assert_eq!(last.recipients(), ["bob@example.test"]);
    assert!(last.content.ends_with(text::split(&sent).1));
}

#[test]
fn a_safe_copy_goes_out_as_text_and_a_blocked_file_is_refused() {
    let sink = Sink::start();
    let postern = start(&sink);
    let sent = with_file("list.csv", "name;amount\r\nOlsen;100");
    assert_eq!(send(&postern, &["bob@example.test"], &sent).code, 250);
    let mails = sink.wait(1);
    let copy = String::from_utf8(mails[0].content.clone()).unwrap();
    assert!(copy.contains("was replaced by its text") && copy.contains("Olsen;100"), "{copy}");
    let reply = send(&postern, &["bob@example.test"], &with_file("song.mp3", "ID3"));
    assert_eq!(reply.code, 550, "{reply}");
    assert!(reply.to_string().contains("song.mp3"), "{reply}");
    let reply = send(&postern, &["bob@example.test"], &with_file("run.vbs", "MsgBox 1"));
    assert_eq!(reply.code, 250, "the shipped rule keeps it: {reply}");
    wait_for("a held script and a held original", || {
        (postern.ask(&["quarantine", "list"]).len() == 2).then_some(())
    });
    sink.stays_at(1);
}

/// An OpenDocument text in one file, with a macro that does little.
const WITH_MACRO: &str = "<?xml version=\"1.0\"?><office:document \
    xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" \
    office:mimetype=\"application/vnd.oasis.opendocument.text\">\
    <office:scripts><office:script script:language=\"ooo:Basic\"><ooo:libraries>\
    <ooo:library-embedded ooo:name=\"Standard\"><ooo:module ooo:name=\"Module1\"><ooo:source-code>\
    Sub Sums\r\nMsgBox \"the sum\"\r\nEnd Sub</ooo:source-code></ooo:module></ooo:library-embedded>\
    </ooo:libraries></office:script></office:scripts><office:body><office:text>\
    <text:p>The figures of May</text:p></office:text></office:body></office:document>";

#[test]
fn a_macro_that_is_taken_out_keeps_no_mail_back() {
    let sink = Sink::start();
    let postern = start(&sink);
    let sent = with_file("may.fodt", WITH_MACRO);
    assert_eq!(send(&postern, &["bob@example.test"], &sent).code, 250);
    let mails = sink.wait(1);
    let copy = String::from_utf8(mails[0].content.clone()).unwrap();
    assert!(copy.contains("The figures of May") && copy.contains("Ask for a PDF."), "{copy}");
    assert!(!copy.contains("source-code"), "{copy}");
    let story = postern.tell(&["track", "--message-id", "may.fodt@sender.test"]);
    assert!(story.contains("MACRO_PRESENT") && story.contains("ATTACHMENT_RULE"), "{story}");
    assert!(story.contains("the original is kept in attachments"), "{story}");
    // Whom the rule does not concern the terms keep it from.
    assert_eq!(send(&postern, &["ann@example.test"], &with_file("b.fodt", WITH_MACRO)).code, 250);
    wait_for("an original, and the mail to one without a rule", || {
        let held = postern.ask(&["quarantine", "list"]);
        let areas: Vec<String> = held.iter().map(|entry| field(entry, "area")).collect();
        (areas.iter().any(|area| area == "policy") && areas.len() == 2).then_some(())
    });
    sink.stays_at(1);
}

#[test]
fn a_scan_of_a_file_applies_the_rules_of_the_box() {
    let sink = Sink::start();
    let postern = start(&sink);
    let table = [
        ("setup.exe", "MZ the program itself", "policy", "taken out by the rule \"programs\""),
        ("song.mp3", "ID3", "policy", "refused by the rule \"music\""),
        ("run.vbs", "MsgBox 1", "policy", "quarantined by the rule \"active files\""),
        ("may.fodt", WITH_MACRO, "policy", "its text goes out in its place by the rule \"macros\""),
        ("list.txt", "words", "clean", ""),
    ];
    for (name, body, verdict, why) in table {
        let file = postern.setup().dir().join(format!("{name}.eml"));
        std::fs::write(&file, with_file(name, body)).unwrap();
        let said = postern.tell(&["scan", file.to_str().unwrap()]);
        assert!(said.contains(&format!(": {verdict} ")) && said.contains(why), "{said}");
        assert_eq!(said.contains("ATTACHMENT_RULE"), !why.is_empty(), "{said}");
    }
}
