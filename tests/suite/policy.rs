//! Rules of the house, from a text to what becomes of mail: read at start and at reload,
//! checked, published, compared and restored, and different for different people.

use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::harness::postern::field;
use super::harness::{Client, Postern, Setup, Sink, client, text, wait_for};

fn setup(sink: &Sink, rules: &str) -> Setup {
    let setup = Setup::new().next_hop(sink.hop()).smart_host(sink.hop());
    std::fs::write(setup.dir().join("policy.toml"), rules).unwrap();
    setup.set("policy", "file = \"policy.toml\"")
}

fn refusing(subject: &str) -> String {
    format!(
        "[[rule]]\nname = \"no {subject}\"\nwhen = {{ subject = \"{subject}\" }}\n\
         orders = [{{ reject = \"we take no {subject}\" }}]\n"
    )
}

fn code(postern: &Postern, subject: &str) -> u16 {
    let sent = text::message(subject, &format!("{subject}@policy.test"));
    client::send(postern.inbound(), "ann@sender.test", &["bob@example.test"], &sent).code
}

fn codes(postern: &Postern, subjects: [&str; 2]) -> [u16; 2] {
    subjects.map(|subject| code(postern, subject))
}

fn draft(postern: &Postern, rules: &str) -> PathBuf {
    let file = postern.setup().dir().join("draft.toml");
    std::fs::write(&file, rules).unwrap();
    file
}

fn said(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

/// Runs something that makes the box read its files again, and waits until it has.
fn after_reload<T>(postern: &Postern, act: impl FnOnce() -> T) -> T {
    let reloads = || postern.log().matches("reloaded").count();
    let before = reloads();
    let done = act();
    wait_for("a reload", || (reloads() > before).then_some(()));
    done
}

#[test]
fn a_wrong_text_leaves_the_rules_in_force() {
    let sink = Sink::start();
    let postern = setup(&sink, &refusing("alpha")).start();
    let file = postern.setup().dir().join("policy.toml");
    assert_eq!(codes(&postern, ["alpha", "beta"]), [550, 250]);
    let wrong = refusing("beta").replace("reject", "rejct");
    for (text, place) in [
        (wrong.as_str(), "policy.toml:4:13"),
        (
            "[[rule]]\nname = \"a\"\nwhen = { subjet = \"b\" }\norders = [\"discard\"]\n",
            "policy.toml:3:10",
        ),
        ("[[rule]]\nname = \"a\norders = [\"discard\"]\n", "policy.toml:2:"),
        ("[[rule]]\nname = \"a\"\norders = [\"discard\", \"secure\"]\n", "policy.toml:3:22"),
    ] {
        std::fs::write(&file, text).unwrap();
        let before = postern.log().len();
        postern.signal(Signal::SIGHUP);
        let log = wait_for("a refused reload", || {
            let log = postern.log().split_off(before);
            log.contains("reload refused").then_some(log)
        });
        assert!(log.contains(place), "{place}: {log}");
        assert_eq!(codes(&postern, ["alpha", "beta"]), [550, 250]);
        // The operator who asks beforehand is told the same.
        for arguments in [["policy", "check"].as_slice(), &["check"]] {
            let output = postern.cli(arguments);
            assert_eq!(output.status.code(), Some(78), "{arguments:?}: {}", said(&output));
            assert!(said(&output).contains(place), "{arguments:?}: {}", said(&output));
        }
    }
    std::fs::write(&file, refusing("beta")).unwrap();
    after_reload(&postern, || postern.signal(Signal::SIGHUP));
    assert_eq!(codes(&postern, ["alpha", "beta"]), [250, 550]);
    assert_eq!(postern.ask(&["policy", "versions"]).len(), 2);
}

#[test]
fn a_box_does_not_start_without_its_rules() {
    let sink = Sink::start();
    let setup = setup(&sink, "[[rule]]\nname = \"a\"\norders = [\"dicard\"]\n");
    setup.write();
    let output = setup.cli(&["run"]);
    let told = said(&output);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("policy.toml:3:11") && told.contains("discard"), "{told}");
    std::fs::remove_file(setup.dir().join("policy.toml")).unwrap();
    let output = setup.cli(&["run"]);
    let told = said(&output);
    assert!(!output.status.success() && told.contains("policy.toml"), "{told}");
}

const MARKED: &str = r#"
[[rule]]
name = "to friends"
when = { direction = "outbound", recipient_domain = "friend.test" }
orders = ["deliver"]

[[rule]]
name = "restricted"
when = { direction = "outbound", marking = ["RESTRICTED"] }
orders = ["archive", "secure"]
"#;

const CLAIM: &str = "no mail marked RESTRICTED leaves except by secure delivery";

#[test]
fn check_finds_problems_and_answers_claims() {
    let sink = Sink::start();
    let setup = setup(&sink, MARKED);
    setup.write();
    let check = |more: &[&str]| {
        let output = setup.cli(&[&["policy", "check"], more].concat());
        (output.status.code(), said(&output))
    };
    let (code, told) = check(&[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("2 rules: 0 problems, 0 not decided"), "{told}");
    let (code, told) = check(&["--claim", CLAIM]);
    assert_eq!(code, Some(1), "{told}");
    for words in [": no: deliver by the rule \"to friends\" (3:8)", "friend.test", "RESTRICTED"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let better =
        MARKED.replace("\"friend.test\"", "\"friend.test\", not = { marking = \"RESTRICTED\" }");
    let draft = setup.dir().join("draft.toml");
    std::fs::write(&draft, &better).unwrap();
    let file = draft.to_str().unwrap();
    let claims = setup.dir().join("claims.toml");
    let more = "[[claim]]\nname = \"kept\"\nwhen = { direction = \"outbound\", marking = \"RESTRICTED\" }\n\
                with = \"archive\"\nnever = [\"discard\"]\n";
    std::fs::write(&claims, more).unwrap();
    let asked = ["--draft", file, "--claim", CLAIM, "--claims", claims.to_str().unwrap()];
    let (code, told) = check(&asked);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("{CLAIM}: yes")) && told.contains("kept: yes"), "{told}");
    let dead = "[[rule]]\nname = \"late\"\nwhen = { direction = \"outbound\", marking = \"RESTRICTED\", \
                size = { at_least = \"1 MB\" } }\norders = [\"discard\"]\n\
                [[rule]]\nname = \"other\"\nwhen = { direction = \"outbound\", marking = \"RESTRICTED\" }\n\
                orders = [\"discard\"]\n";
    std::fs::write(&draft, MARKED.to_owned() + dead).unwrap();
    let (code, told) = check(&["--draft", file]);
    assert_eq!(code, Some(1), "{told}");
    for words in ["\"late\" is never reached", "\"other\" contradicts \"restricted\"", "2 problems"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (code, told) = check(&["--claim", "no mail marked"]);
    assert_eq!(code, Some(64), "{told}");
    assert_eq!(check(&["--draft", "/nonexistent"]).0, Some(66));
    // All that is wrong at once, whoever asks, and without a running box.
    let wrong = "[[rule]]\nname = \"a\"\norders = [\"dicard\"]\n\
                 [[rule]]\nname = \"b\"\nwhen = { all = [{ subject = { is = \"x\" } }, \
                 { subject = { is = \"y\" } }] }\norders = [\"discard\"]\n";
    std::fs::write(&draft, wrong).unwrap();
    for arguments in [
        ["policy", "check", "--draft", file].as_slice(),
        &["policy", "replay", "--draft", file],
        &["policy", "publish", "--draft", file, "--reason", "x"],
    ] {
        let output = setup.cli(arguments);
        let told = said(&output);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {told}");
        for place in ["draft.toml:3:11: ", "draft.toml:6:8: "] {
            assert!(told.contains(place), "{arguments:?}: {told}");
        }
    }
    // What never acts here, and what nobody knows.
    let idle = "[[rule]]\nname = \"a\"\nscope = \"@nowhere.example\"\norders = [\"archive\"]\n\
                [[rule]]\nname = \"b\"\nwhen = { tls = \"verified\" }\norders = [\"archive\"]\n\
                [[rule]]\nname = \"c\"\nwhen = { marking = \"SECRT\" }\norders = [\"archive\"]\n";
    std::fs::write(&draft, idle).unwrap();
    let (code, told) =
        check(&["--draft", file, "--claim", "no mail with content NHS_NUMBRS leaves"]);
    assert_eq!(code, Some(1), "{told}");
    for words in [
        "draft.toml:2:8: rule \"a\": the scope `@nowhere.example`",
        "draft.toml:6:8: the rule \"b\" applies to no mail of this box: clients show",
        "draft.toml:11:8: rule \"c\": `SECRT` is no marking",
        "no content rule has the name `NHS_NUMBRS`",
        "3 problems",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn versions_are_published_compared_and_restored_while_mail_flows() {
    let sink = Sink::start();
    let postern = setup(&sink, &refusing("alpha")).start();
    let mut open = Client::greeted(postern.inbound());
    let mut half = Client::greeted(postern.inbound());
    for command in ["MAIL FROM:<ann@sender.test>", "RCPT TO:<bob@example.test>"] {
        assert_eq!(half.say(command).code, 250);
    }
    assert_eq!(half.say("DATA").code, 354);
    let wire = text::on_the_wire(&text::message("gamma", "half@policy.test"));
    half.write(&wire[..100]).unwrap();
    let send = |open: &mut Client, subject: &str| {
        let sent = text::message(subject, &format!("{subject}.open@policy.test"));
        open.send("ann@sender.test", &["bob@example.test"], &sent).code
    };
    assert_eq!(send(&mut open, "alpha"), 550);
    let file = draft(&postern, &refusing("beta"));
    let publish = [
        "policy",
        "publish",
        "--draft",
        file.to_str().unwrap(),
        "--author",
        "Eve",
        "--reason",
        "beta is out",
    ];
    let told = after_reload(&postern, || postern.tell(&publish));
    assert!(told.contains("version 2: 1 rules"), "{told}");
    // The same connections, with the new rules.
    assert_eq!([send(&mut open, "alpha"), send(&mut open, "beta")], [250, 550]);
    half.write(&wire[100..]).unwrap();
    assert_eq!(half.reply().unwrap().code, 250);
    let rows = postern.ask(&["policy", "versions"]);
    let seen: Vec<[String; 3]> = rows
        .iter()
        .map(|row| ["number", "author", "reason"].map(|name| field(row, name)))
        .collect();
    assert!(seen.contains(&["2", "Eve", "beta is out"].map(str::to_owned)), "{seen:?}");
    assert_eq!(seen.len(), 2);
    let told = postern.tell(&["policy", "diff"]);
    assert!(
        told.contains("-name = \"no alpha\"") && told.contains("+name = \"no beta\""),
        "{told}"
    );
    assert_eq!(postern.tell(&["policy", "diff", "1", "2"]), told);
    // A wrong draft changes nothing.
    let before = std::fs::read(postern.setup().dir().join("policy.toml")).unwrap();
    draft(&postern, "[[rule]]\nname = \"x\"\norders = [\"rejekt\"]\n");
    let output = postern.cli(&publish);
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert!(said(&output).contains("draft.toml:3:11"), "{}", said(&output));
    assert_eq!(std::fs::read(postern.setup().dir().join("policy.toml")).unwrap(), before);
    assert_eq!(postern.ask(&["policy", "versions"]).len(), 2);
    let told =
        after_reload(&postern, || postern.tell(&["policy", "restore", "1", "--reason", "back"]));
    assert!(told.contains("version 3"), "{told}");
    assert_eq!([send(&mut open, "alpha"), send(&mut open, "beta")], [550, 250]);
    assert_eq!(postern.cli(&["policy", "restore", "9", "--reason", "x"]).status.code(), Some(66));
    assert_eq!(open.say("QUIT").code, 221);
}

#[test]
fn publishing_while_the_box_is_off_counts_at_its_next_start() {
    let sink = Sink::start();
    let mut postern = setup(&sink, &refusing("alpha")).start();
    assert!(postern.terminate().success());
    let file = draft(&postern, &refusing("beta"));
    let publish = ["policy", "publish", "--draft", file.to_str().unwrap(), "--reason", "why"];
    assert!(postern.tell(&publish).contains("not running"));
    postern.start_again();
    assert_eq!(codes(&postern, ["alpha", "beta"]), [250, 550]);
    assert_eq!(postern.ask(&["policy", "versions"]).len(), 2);
}

const SCOPES: &str = r#"
[[rule]]
name = "reports"
when = { subject = "report" }
orders = [{ reject = "no reports" }]

[[rule]]
name = "reports of the domain"
scope = "@example.test"
overrides = "reports"
when = { subject = "report", direction = "inbound" }
orders = [{ quarantine = "reports" }]

[[rule]]
name = "reports of the desk"
scope = "group:desk"
overrides = "reports of the domain"
when = { subject = "report", direction = "inbound" }
orders = ["deliver", { add_header = { name = "X-Desk", value = "yes" } }]

[[rule]]
name = "reports for dan"
scope = "dan@example.test"
overrides = "reports of the domain"
when = { subject = "report", direction = "inbound" }
orders = ["discard"]

[[rule]]
name = "tagged"
when = { subject = "report" }
orders = [{ tag_subject = "[R]" }]

[[rule]]
name = "tagged"
scope = "cid@example.test"
enabled = false

[[rule]]
name = "reports to the outside"
when = { direction = "outbound", subject = "report", sender_group = "desk" }
overrides = "reports"
orders = ["archive"]
"#;

const PEOPLE: &str =
    "[[group]]\nname = \"desk\"\nmembers = [\"ann@example.test\", \"cid@example.test\"]\n";

#[test]
fn scopes_are_inherited_and_overridden() {
    let sink = Sink::start();
    let rules = SCOPES.split("[[rule]]\nname = \"reports to").next().unwrap();
    let postern = setup(&sink, rules).raw(PEOPLE).start();
    let sent = text::message("a report", "scopes@policy.test");
    let everybody =
        ["ann@example.test", "bob@example.test", "cid@example.test", "dan@example.test"];
    let reply = client::send(postern.inbound(), "x@sender.test", &everybody, &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let mails = sink.wait(2);
    let of = |who: &str| mails.iter().find(|mail| mail.recipients() == [who]).unwrap();
    let subject = |who: &str| text::header(&of(who).content, "Subject").unwrap();
    assert_eq!(subject("ann@example.test"), "[R] a report");
    assert_eq!(subject("cid@example.test"), "a report");
    for who in ["ann@example.test", "cid@example.test"] {
        assert_eq!(text::header(&of(who).content, "X-Desk").unwrap(), "yes");
    }
    let rows = postern.ask(&["quarantine", "list"]);
    assert_eq!((rows.len(), field(&rows[0], "area")), (1, "reports".into()));
    assert!(field(&rows[0], "forward_paths").contains("bob@"), "{rows:?}");
    // What is not of the domain has the rule of the site.
    let out = client::send(postern.outbound(), "ann@elsewhere.test", &["y@elsewhere.test"], &sent);
    assert_eq!(out.code, 550, "{out}");
    let in_force = |recipient: &str| -> Vec<String> {
        let rows =
            postern.ask(&["policy", "show", "--sender", "x@sender.test", "--recipient", recipient]);
        let mut names: Vec<String> = rows
            .iter()
            .filter(|row| field(row, "in_force") == "true")
            .map(|row| field(row, "rule"))
            .collect();
        names.sort();
        names
    };
    assert_eq!(in_force("bob@example.test"), ["reports of the domain", "tagged"]);
    assert_eq!(in_force("ann@example.test"), ["reports of the desk", "tagged"]);
    assert_eq!(in_force("cid@example.test"), ["reports of the desk"]);
    assert_eq!(in_force("dan@example.test"), ["reports for dan", "tagged"]);
    sink.stays_at(2);
}

#[test]
fn a_rule_does_not_override_in_its_own_scope() {
    let sink = Sink::start();
    let setup = setup(&sink, SCOPES).raw(PEOPLE);
    setup.write();
    let output = setup.cli(&["policy", "check"]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("policy.toml:"), "{told}");
}

#[test]
fn one_mail_many_fates() {
    let sink = Sink::start();
    let fates = [
        ("ann", "\"deliver\""),
        ("bob", "{ quarantine = \"kept\" }"),
        ("cid", "\"discard\""),
        ("dan", "{ reject = \"not for dan\" }"),
        ("eve", "{ hold = \"boss@example.test\" }"),
        ("fay", "{ redirect = \"gus@example.test\" }"),
        ("hal", "\"secure\""),
    ];
    let rules: String = fates
        .iter()
        .map(|(who, order)| {
            format!(
                "[[rule]]\nname = \"{who}\"\nscope = \"{who}@example.test\"\norders = [{order}]\n"
            )
        })
        .collect();
    let postern = setup(&sink, &rules).start();
    let everybody: Vec<String> =
        fates.iter().map(|(who, _)| format!("{who}@example.test")).collect();
    let everybody: Vec<&str> = everybody.iter().map(String::as_str).collect();
    let sent = text::message("fates", "fates@policy.test");
    let reply = client::send(postern.inbound(), "x@sender.test", &everybody, &sent);
    assert_eq!(reply.code, 250, "{reply}");
    let mails = sink.wait(3);
    let mut went: Vec<&str> = mails.iter().flat_map(|mail| mail.recipients()).collect();
    went.sort_unstable();
    assert_eq!(went, ["ann@example.test", "boss@example.test", "gus@example.test"]);
    let rows = wait_for("what is kept", || {
        let rows = postern.ask(&["quarantine", "list"]);
        (rows.len() == 3).then_some(rows)
    });
    let mut kept: Vec<(String, String)> =
        rows.iter().map(|row| (field(row, "area"), field(row, "forward_paths"))).collect();
    kept.sort();
    let areas: Vec<&str> = kept.iter().map(|(area, _)| area.as_str()).collect();
    assert_eq!(areas, ["approval", "kept", "refused"], "{kept:?}");
    assert!(kept[2].1.contains("dan@") && kept[2].1.contains("hal@"), "{kept:?}");
    let story = postern.tell(&["track", "--message-id", "fates@policy.test"]);
    for rule in fates.map(|(who, _)| format!("the rule \"{who}\": ")) {
        assert!(story.contains(&rule), "{rule}: {story}");
    }
    sink.stays_at(3);
}

/// A rule for each condition, which refuses with its own name.
const ASKED: [(&str, &str); 20] = [
    ("account", "account = \"own\""),
    ("role", "role = \"submission\""),
    ("tls", "tls = \"1.3\", subject = \"by tls\""),
    ("no tls", "tls = \"none\", subject = \"by tls\""),
    ("label", "header = { name = \"x-label\", matches = \"top*\" }"),
    ("no label", "header = { name = \"X-Label\", absent = true }, subject = \"labels\""),
    ("author", "author = \"@*.evil.test\""),
    ("exactly", "subject = { is = \"exactly THIS\" }"),
    ("glob", "subject = \"invoice * of *\""),
    ("large", "size = { at_least = \"40 KB\" }"),
    ("tables", "attachment = { extension = \"csv\", count = 2 }"),
    ("named", "attachment = { name = \"payroll*\" }"),
    ("score", "score = { at_least = 900 }, subject = \"by score\""),
    ("finding", "finding = \"GTU*\""),
    ("network", "network = [\"10.0.0.0/8\", \"127.0.0.0/8\"], subject = \"by network\""),
    ("null", "reverse_path = \"<>\", not = { subject = \"bounce\" }"),
    ("time", "time = { days = [\"weekdays\", \"weekend\"] }, subject = \"by time\""),
    ("below", "direction = \"outbound\", recipient_domain = \"*.friend.test\""),
    (
        "both",
        "all = [{ subject = \"one\" }, { subject = \"two\" }], any = [{ direction = \"inbound\" }, { role = \"outbound\" }]",
    ),
    ("internal", "direction = \"internal\", sender_domain = \"example.test\""),
];

/// A mail with further fields and files.
fn mail(subject: &str, fields: &str, body: &str, files: &[&str]) -> Vec<u8> {
    let from = if fields.contains("From:") { "" } else { "From: Ann <ann@example.test>\r\n" };
    let file = |name: &&str| {
        format!(
            "--b\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\n\
             Content-Disposition: attachment; filename=\"{name}\"\r\n\r\na;b\r\n1;2\r\n"
        )
    };
    let files: String = files.iter().map(file).collect();
    format!(
        "{from}{fields}To: <x@elsewhere.test>\r\nSubject: {subject}\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{}@policy.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
         {body}\r\n{files}--b--\r\n",
        crc32c::crc32c(format!("{subject}{fields}{body}{files}").as_bytes())
    )
    .into_bytes()
}

/// What refuses a mail over this connection.
fn refused_by(
    client: &mut Client,
    sender: &str,
    recipient: &str,
    message: &[u8],
) -> Option<String> {
    let reply = client.send(sender, &[recipient], message).to_string();
    let words = reply.strip_prefix("550 5.7.1 ");
    assert!(words.is_some() || reply.starts_with("250"), "{reply}");
    words.map(|words| words.split(';').next().unwrap().to_owned())
}

#[test]
fn conditions_are_asked_of_real_mail() {
    let sink = Sink::start();
    let rule = |(name, when): &(&str, &str)| {
        format!(
            "[[rule]]\nname = \"{name}\"\nwhen = {{ {when} }}\norders = [{{ reject = \"{name}\" }}]\n"
        )
    };
    let rules: String = ASKED.iter().map(rule).collect();
    let postern =
        setup(&sink, &rules).start_with_user("own", "local secret", &["own@example.test"]);
    let gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
    let long = "Some words that nobody has to read.\r\n".repeat(1_200);
    let table: [(Vec<u8>, Option<&str>); 16] = [
        (mail("by tls", "", "x", &[]), Some("no tls")),
        (mail("labels", "X-LABEL: Top of all\r\n", "x", &[]), Some("label")),
        (mail("labels", "X-Label: bottom\r\n", "x", &[]), None),
        (mail("labels", "", "x", &[]), Some("no label")),
        (mail("a", "From: Eve <eve@mail.evil.test>\r\n", "x", &[]), Some("author")),
        (mail("a", "From: Eve <eve@evil.test>\r\n", "x", &[]), None),
        (mail("=?utf-8?q?Exactly_this?=", "", "x", &[]), Some("exactly")),
        (mail("exactly this one", "", "x", &[]), None),
        (mail("Invoice 5 of May", "", "x", &[]), Some("glob")),
        (mail("a", "", &long, &[]), Some("large")),
        (mail("a", "", "x", &["a.csv", "b.CSV"]), Some("tables")),
        (mail("a", "", "x", &["a.csv", "b.txt"]), None),
        (mail("a", "", "x", &["Payroll May.txt"]), Some("named")),
        (mail("by score", "", gtube, &[]), Some("score")),
        (mail("a", "", gtube, &[]), Some("finding")),
        (mail("by network", "", "x", &[]), Some("network")),
    ];
    let mut out = Client::greeted(postern.outbound());
    for (message, expected) in &table {
        let seen = refused_by(&mut out, "ann@example.test", "x@elsewhere.test", message);
        let shown = String::from_utf8_lossy(&message[..message.len().min(400)]);
        assert_eq!(seen.as_deref(), *expected, "{shown}");
    }
    let table = [
        ("", "x@elsewhere.test", "a", Some("null")),
        ("", "x@elsewhere.test", "a bounce", None),
        ("ann@example.test", "x@elsewhere.test", "by time", Some("time")),
        ("ann@example.test", "x@deep.friend.test", "a", Some("below")),
        ("ann@example.test", "x@friend.test", "a", None),
        ("ann@example.test", "x@elsewhere.test", "two and one", Some("both")),
        ("ann@example.test", "x@elsewhere.test", "only one", None),
        ("ann@example.test", "bob@example.test", "a", Some("internal")),
    ];
    for (sender, recipient, subject, expected) in table {
        let seen = refused_by(&mut out, sender, recipient, &mail(subject, "", "x", &[]));
        assert_eq!(seen.as_deref(), expected, "{sender} {recipient} {subject}");
    }
    let mut inbound = Client::greeted(postern.inbound());
    inbound.starttls();
    let by_tls = mail("by tls", "", "x", &[]);
    let seen = refused_by(&mut inbound, "ann@sender.test", "bob@example.test", &by_tls);
    assert_eq!(seen.as_deref(), Some("tls"));
    let mut submission = Client::greeted(postern.submission());
    submission.starttls();
    // base64 of NUL name NUL password.
    assert_eq!(submission.say("AUTH PLAIN AG93bgBsb2NhbCBzZWNyZXQ=").code, 235);
    let plain = mail("a", "From: <own@example.test>\r\n", "x", &[]);
    let seen = refused_by(&mut submission, "own@example.test", "x@elsewhere.test", &plain);
    assert_eq!(seen.as_deref(), Some("account"));
}

#[test]
fn a_file_that_is_no_text_is_refused_at_its_place() {
    let sink = Sink::start();
    let setup = setup(&sink, &refusing("alpha")).set("content", "dirs = [\"rules\"]");
    setup.write();
    let rules = setup.dir().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let draft = setup.dir().join("draft.toml");
    std::fs::write(&draft, b"[[rule]]\nname = 'z\xc3\xa4\xff'\n").unwrap();
    let file = draft.to_str().unwrap();
    for arguments in [
        ["policy", "check", "--draft", file].as_slice(),
        &["policy", "check", "--claims", file],
        &["policy", "replay", "--draft", file],
        &["policy", "publish", "--draft", file, "--reason", "x"],
    ] {
        let output = setup.cli(arguments);
        let told = said(&output);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {told}");
        assert!(told.contains("draft.toml:2:11: not UTF-8"), "{arguments:?}: {told}");
    }
    let content = |text: &[u8]| {
        std::fs::write(rules.join("own.toml"), text).unwrap();
        let output = setup.cli(&["rules", "test"]);
        assert_eq!(output.status.code(), Some(78), "{}", said(&output));
        said(&output)
    };
    let told = content(b"# a\n# \xff\n");
    assert!(told.contains("own.toml:2:3: not UTF-8"), "{told}");
    // Nor is one that the engine would not be done with for minutes.
    let told = content(content_rule(1, "(?:a.{900}){300}").as_bytes());
    assert!(told.contains("own.toml:3:11: ") && told.contains("too large"), "{told}");
}

fn content_rule(number: usize, pattern: &str) -> String {
    format!(
        "[[rule]]\nid = \"OWN_{number}\"\npattern = '\\bq{number}{pattern}\\b'\n\
         where = [\"body\"]\nscore = 0.0\nclass = \"notice\"\ndescription = \"d\"\n\
         hit = [\"a\", \"b\"]\nnear_miss = [\"c\", \"d\"]\n"
    )
}

#[test]
fn a_reload_that_takes_long_keeps_nobody_waiting() {
    let sink = Sink::start();
    let setup = setup(&sink, &refusing("alpha")).set("content", "dirs = [\"rules\"]");
    let file = setup.dir().join("policy.toml");
    let rules = setup.dir().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let mut postern = setup.start();
    let slow: String = (0..100).map(|number| content_rule(number, "(?:a.{900}){10}")).collect();
    let begin = || {
        std::fs::write(rules.join("slow.toml"), &slow).unwrap();
        postern.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_secs(2));
    };
    begin();
    assert_eq!(codes(&postern, ["alpha", "beta"]), [550, 250]);
    std::fs::remove_file(rules.join("slow.toml")).unwrap();
    std::fs::write(&file, refusing("beta")).unwrap();
    after_reload(&postern, || postern.signal(Signal::SIGHUP));
    assert_eq!(codes(&postern, ["alpha", "beta"]), [250, 550]);
    assert!(postern.log().contains("takes the place"), "{}", postern.log());
    begin();
    let begun = Instant::now();
    assert!(postern.terminate().success());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
