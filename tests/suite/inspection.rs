//! What mail holds, from its octets to a rule's order: packs, a site's own content rules, lists
//! of exact values, protected documents, protective markings.

use std::io::{Cursor, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;

use super::harness::client::Reply;
use super::harness::random::Random;
use super::harness::{Postern, Setup, Sink, client, text, wait_for};

/// Every content rule refuses with its own name.
fn refusing(conditions: &[(&str, &str)]) -> String {
    let rule = |(name, when): &(&str, &str)| {
        format!(
            "[[rule]]\nname = \"{name}\"\nwhen = {{ {when} }}\norders = [{{ reject = \"{name}\" }}]\n"
        )
    };
    conditions.iter().map(rule).collect()
}

fn setup(sink: &Sink, content: &str, policy: &str) -> Setup {
    let setup = Setup::new().next_hop(sink.hop()).smart_host(sink.hop());
    let rules = setup.dir().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("site.toml"), content).unwrap();
    std::fs::write(setup.dir().join("policy.toml"), policy).unwrap();
    setup.set("policy", "file = \"policy.toml\"").set("content", "dirs = [\"rules\"]")
}

fn message(subject: &str, fields: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Ann <ann@example.test>\r\nTo: <x@elsewhere.test>\r\nSubject: {subject}\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{}@inspection.test>\r\n{fields}\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n",
        crc32c::crc32c(format!("{subject}{fields}{body}").as_bytes())
    )
    .into_bytes()
}

fn send(postern: &Postern, message: &[u8]) -> Reply {
    client::send(postern.outbound(), "ann@example.test", &["x@elsewhere.test"], message)
}

/// Which rule refuses a mail with this text; none when it goes out.
fn verdict(postern: &Postern, message: &[u8]) -> Option<String> {
    let reply = send(postern, message);
    match reply.code {
        250 => None,
        550 => {
            let words = reply.to_string();
            let name = words.trim_start_matches("550 5.7.1 ").split(';').next().unwrap();
            Some(name.to_owned())
        }
        _ => panic!("{reply}"),
    }
}

fn expect(postern: &Postern, table: &[(&str, Option<&str>)]) {
    for (body, expected) in table {
        let seen = verdict(postern, &message("minutes", "", body));
        assert_eq!(seen.as_deref(), *expected, "{body}");
    }
}

/// A mail with a file.
fn with_file(name: &str, kind: &str, octets: &[u8]) -> Vec<u8> {
    let packed = STANDARD.encode(octets);
    let lines: Vec<&str> =
        packed.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "From: Ann <ann@example.test>\r\nTo: <x@elsewhere.test>\r\nSubject: the file\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{}@inspection.test>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\
         Content-Type: text/plain\r\n\r\nSee the file.\r\n--b\r\nContent-Type: {kind}; name=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\n\
         {}\r\n--b--\r\n",
        crc32c::crc32c(octets),
        lines.join("\r\n")
    )
    .into_bytes()
}

fn docx(paragraphs: &[&str], properties: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, text: &str| {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
        archive.write_all(format!("{head}{text}").as_bytes()).unwrap();
    };
    let package = "http://schemas.openxmlformats.org/package/2006";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006";
    let main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
    put(
        "[Content_Types].xml",
        &format!(
            "<Types xmlns=\"{package}/content-types\">\
             <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
             <Override PartName=\"/word/document.xml\" ContentType=\"{main}\"/>\
             <Override PartName=\"/docProps/custom.xml\" \
             ContentType=\"application/vnd.openxmlformats-officedocument.custom-properties+xml\"/></Types>"
        ),
    );
    put(
        "_rels/.rels",
        &format!(
            "<Relationships xmlns=\"{package}/relationships\">\
             <Relationship Id=\"a\" Type=\"{office}/relationships/officeDocument\" Target=\"word/document.xml\"/>\
             <Relationship Id=\"b\" Type=\"{office}/relationships/custom-properties\" Target=\"docProps/custom.xml\"/>\
             </Relationships>"
        ),
    );
    let paragraph = |text: &&str| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>");
    let body: String = paragraphs.iter().map(paragraph).collect();
    put(
        "word/document.xml",
        &format!(
            "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\">\
             <w:body>{body}</w:body></w:document>"
        ),
    );
    let property = |(number, (name, value)): (usize, &(&str, &str))| {
        format!(
            "<property fmtid=\"{{D5CDD505-2E9C-101B-9397-08002B2CF9AE}}\" pid=\"{}\" name=\"{name}\">\
             <vt:lpwstr>{value}</vt:lpwstr></property>",
            number + 2
        )
    };
    let properties: String = properties.iter().enumerate().map(property).collect();
    put(
        "docProps/custom.xml",
        &format!(
            "<Properties xmlns=\"{office}/custom-properties\" xmlns:vt=\"{office}/docPropsVTypes\">\
             {properties}</Properties>"
        ),
    );
    archive.finish().unwrap().into_inner()
}

const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

const SITE: &str = r#"
[[rule]]
id = "SITE_CUSTOMERS"
pattern = '\bKD-\d{6}\b'
where = ["subject", "body", "attachment"]
count = 3
severity = "high"
score = 0.0
class = "policy"
description = "Three customer numbers or more."
hit = ["KD-100001 KD-100002 KD-100003", "kd-200001, kd-200002, kd-200003"]
near_miss = ["KD-100001 KD-100001 KD-100001", "KD-100001, KD-100002"]

[[rule]]
id = "SITE_NHS"
pattern = '\b\d{3} ?\d{3} ?\d{4}\b'
validate = "nhs_number"
where = ["body", "attachment"]
score = 0.0
class = "notice"
description = "NHS numbers."
hit = ["943 476 5919", "Number 4010232137."]
near_miss = ["943 476 5918", "94347659190"]

[[proximity]]
id = "SITE_HERON_COSTS"
a = '\bproject heron\b'
b = '\b(?:costs?|budget)\b'
within = 30
where = ["body"]
score = 0.0
class = "notice"
description = "What a project costs."
hit = ["Project Heron: the budget", "the costs of project heron"]
near_miss = ["Project Heron is a project", "The budget of the harbour"]

[[lexicon]]
id = "SITE_CODE_NAMES"
where = ["body"]
distinct = 2
severity = "critical"
max_score = 0.0
class = "notice"
description = "Two code names."
terms = [{ text = "kingfisher", score = 0.0 }, { text = "sandpiper", score = 0.0 }, { text = "avocet", score = 0.0 }]
hit = ["kingfisher and avocet", "Sandpiper, Avocet"]
near_miss = ["kingfisher and kingfisher", "an avocet"]
"#;

#[test]
fn rules_of_the_site_count_validate_and_look_nearby() {
    let sink = Sink::start();
    let policy = refusing(&[
        ("customers", "content = { rule = \"SITE_CUSTOMERS\", severity = \"high\" }"),
        ("numbers", "content = { rule = \"SITE_NHS\", count = 2 }"),
        ("costs", "content = \"SITE_HERON_COSTS\""),
        ("names", "content = { severity = \"critical\" }"),
    ]);
    let postern = setup(&sink, SITE, &policy).start();
    expect(
        &postern,
        &[
            ("Of KD-100001 and KD-100002, and again kd-100001.", None),
            ("Of KD-100001, KD-100002 and KD-100003.", Some("customers")),
            ("One patient: 943 476 5919, or 9434765919.", None),
            ("Two: 943 476 5919 and 401 023 2137.", Some("numbers")),
            ("Two wrong ones: 943 476 5918 and 401 023 2138.", None),
            ("Project Heron is over its budget", Some("costs")),
            ("The costs, says Eve, of Project Heron", Some("costs")),
            (
                "Project Heron is what we all like best of all things that are new, not the budget",
                None,
            ),
            ("Kingfisher begins on Monday, kingfisher ends on Friday.", None),
            ("Kingfisher begins on Monday, sandpiper on Friday.", Some("names")),
        ],
    );
    // Encoded, in a file, and over two of its paragraphs.
    let file = docx(&["KD-100001 and KD-100002", "KD-100003"], &[]);
    assert_eq!(
        verdict(&postern, &with_file("list.docx", WORD, &file)).as_deref(),
        Some("customers")
    );
    let file = docx(&["KD-100001 and KD-100002", "KD-100002"], &[]);
    assert_eq!(verdict(&postern, &with_file("list.docx", WORD, &file)), None);
    let text = with_file("list.txt", "text/plain", b"Two: 943 476 5919\nand 401 023 2137");
    assert_eq!(verdict(&postern, &text).as_deref(), Some("numbers"));
}

#[test]
fn packs_tell_and_rules_act() {
    let sink = Sink::start();
    let policy = refusing(&[("critical", "content = { severity = \"critical\" }")])
        + "[[rule]]\nname = \"patient\"\nwhen = { content = \"UKH_NHS_NUMBER\" }\n\
           orders = [{ hold = \"boss@example.test\" }]\n\
           [[rule]]\nname = \"cards\"\nwhen = { content = { rule = \"PCI_CARD_NUMBER\" } }\n\
           orders = [{ quarantine = \"cards\" }]\n";
    let packs = "packs = [\"uk-health\", \"payment-cards\", \"source-code-secrets\"]";
    let postern = setup(&sink, "", &policy).set("content", packs).start();
    expect(
        &postern,
        &[
            ("Nothing but an invoice, order 943 476 5918.", None),
            (
                "-----BEGIN RSA PRIVATE KEY-----\r\nMIIEowIBAAKCAQEAx3x1bZl0Jm5h9m0P8gqk3c1b2v7o\r\n\
              9fQd0r7Y8mZ1n2p3q4r5s6t7u8v9w0x1y2z3A4B5C6D7E8F9G0H1I2J3K4L5M6N7\r\n\
              -----END RSA PRIVATE KEY-----",
                Some("critical"),
            ),
        ],
    );
    let sent =
        message("letter", "", "Patient with NHS number 943 476 5919 was seen in the clinic today.");
    assert_eq!(send(&postern, &sent).code, 250);
    let sent = message("card", "", "Credit card number: 4111 1111 1111 1111");
    assert_eq!(send(&postern, &sent).code, 250);
    let areas = wait_for("two that are kept", || {
        let rows = postern.ask(&["quarantine", "list"]);
        let mut areas: Vec<String> =
            rows.iter().map(|row| super::harness::postern::field(row, "area")).collect();
        areas.sort();
        (areas.len() == 2).then_some(areas)
    });
    assert_eq!(areas, ["approval", "cards"]);
    let mails = sink.wait(2);
    let delivered = mails.iter().filter(|mail| mail.recipients() == ["x@elsewhere.test"]).count();
    assert_eq!(delivered, 1, "{:?}", sink.envelopes());
}

const EXACT: &str = r#"
[[exact]]
id = "SITE_STAFF"
list = "staff"
columns = 2
within = 100
where = ["subject", "body", "attachment"]
severity = "high"
score = 0.0
class = "notice"
description = "A member of staff by name and number."

[[fingerprint]]
id = "SITE_BOARD"
documents = "board"
share_percent = 20
where = ["body", "attachment"]
score = 0.0
class = "notice"
description = "A fifth of a paper of the board, or of the mail."
"#;

const STAFF: &str =
    "Number,Name,Town\nP471142,Agnetha Quillfeather,Oslo\nP471143,\"Brackenbury, Tobias\",Lund\n";

/// Whether any file below a folder holds these octets.
fn is_in_folder(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => is_in_folder(&path, needle),
            false => std::fs::read(&path).is_ok_and(|octets| text::find(&octets, needle).is_some()),
        }
    })
}

#[test]
fn lists_and_documents_are_recognised_and_not_kept() {
    let sink = Sink::start();
    let policy = refusing(&[
        ("staff", "content = { rule = \"SITE_STAFF\", severity = \"high\" }"),
        ("board", "content = \"SITE_BOARD\""),
    ]);
    let setup = setup(&sink, EXACT, &policy);
    setup.write();
    let table = setup.dir().join("staff.csv");
    std::fs::write(&table, STAFF).unwrap();
    let paper = String::from_utf8(text::prose(&mut Random::new(5), 4_000)).unwrap();
    let plan = setup.dir().join("plan.docx");
    let paragraphs: Vec<&str> = paper.lines().collect();
    std::fs::write(&plan, docx(&paragraphs, &[])).unwrap();
    let import = |setup: &Setup| {
        let table = table.to_str().unwrap();
        let order =
            ["content", "list", "import", "staff", "--csv", table, "--columns", "Number,Name"];
        let output = setup.cli(&order);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    };
    import(&setup);
    let output = setup.cli(&["content", "document", "add", "board", plan.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(&plan).unwrap();
    let postern = setup.start();
    expect(
        &postern,
        &[
            ("Agnetha Quillfeather is away.", None),
            ("Agnetha Quillfeather has the number p-471142.", Some("staff")),
            ("P471142: AGNETHA QUILLFEATHER", Some("staff")),
            ("Tobias Brackenbury, P471143", Some("staff")),
            ("Tobias Brackenbury, P471142", None),
            ("Agnetha Quillfeather, Oslo", None),
        ],
    );
    let passage: Vec<&str> = paragraphs.iter().skip(8).take(14).copied().collect();
    let pasted =
        passage.iter().map(|line| format!("> {}", line.to_uppercase())).collect::<Vec<_>>();
    let seen = verdict(&postern, &message("plan", "", &pasted.join("\r\n")));
    assert_eq!(seen.as_deref(), Some("board"));
    let other = String::from_utf8(text::prose(&mut Random::new(6), 1_000)).unwrap();
    assert_eq!(verdict(&postern, &message("plan", "", &other)), None);
    let file = with_file("copy.docx", WORD, &docx(&passage, &[]));
    assert_eq!(verdict(&postern, &file).as_deref(), Some("board"));
    // A running box takes up a new table by itself.
    std::fs::write(&table, format!("{STAFF}P471199,Ottoline Farthingale,Bath\n")).unwrap();
    import(postern.setup());
    let new = message("new", "", "Ottoline Farthingale, P471199");
    wait_for("the new list", || {
        (verdict(&postern, &new).as_deref() == Some("staff")).then_some(())
    });
    let data = postern.setup().dir().join("data/content");
    for clear in ["Quillfeather", "quillfeather", "P471142", "p471142", passage[0]] {
        assert!(!is_in_folder(&data, clear.as_bytes()), "{clear:?} is kept");
    }
    assert_eq!(postern.ask(&["content", "list", "show"]).len(), 1);
    assert_eq!(postern.ask(&["content", "document", "show"]).len(), 1);
}

const LABEL: &str = "a1b2c3d4-0000-4000-8000-1234567890ab";

#[test]
fn protective_markings_wherever_they_stand() {
    let sink = Sink::start();
    let policy = refusing(&[
        ("label", &format!("marking = \"{LABEL}\"")),
        ("secret", "marking = [\"SECRET\", \"TOP SECRET\"]"),
        ("restricted", "marking = \"RESTRICTED\""),
        ("sensitive", "marking = \"OFFICIAL-SENSITIVE\""),
        ("commercial", "marking = \"COMMERCIAL IN CONFIDENCE\""),
        ("company", "marking = \"COMPANY CONFIDENTIAL\""),
        ("private", "marking = \"PRIVATE\""),
        ("official", "marking = \"OFFICIAL\""),
    ]);
    let postern = setup(&sink, "", &policy).start();
    let plain = "The minutes are below.\r\nKind regards";
    let table = [
        ("[RESTRICTED] the minutes", "", plain, Some("restricted")),
        ("Re: OFFICIAL-SENSITIVE: the minutes", "", plain, Some("sensitive")),
        ("the minutes - OFFICIAL", "", plain, Some("official")),
        ("minutes", "X-Protective-Marking: SEC=SECRET, VER=1\r\n", plain, Some("secret")),
        ("minutes", "Sensitivity: Company-Confidential\r\n", plain, Some("company")),
        ("minutes", "Sensitivity: Private\r\n", plain, Some("private")),
        (
            "minutes",
            &format!(
                "msip_labels: MSIP_Label_{LABEL}_Enabled=True; MSIP_Label_{LABEL}_Name=Blue\r\n"
            ),
            plain,
            Some("label"),
        ),
        ("minutes", "", "OFFICIAL-SENSITIVE\r\n\r\nThe minutes are below.", Some("sensitive")),
        ("minutes", "", "The minutes.\r\n\r\nCommercial in Confidence\r\n", Some("commercial")),
        ("minutes", "", "TOP SECRET\r\n\r\nThe minutes.", Some("secret")),
        (
            "The official opening",
            "",
            "A restricted area, a private matter.\r\nIt is no secret.",
            None,
        ),
        ("Secret Santa", "", plain, None),
        ("minutes", "Sensitivity: Normal\r\n", plain, None),
    ];
    for (subject, fields, body, expected) in table {
        let seen = verdict(&postern, &message(subject, fields, body));
        assert_eq!(seen.as_deref(), expected, "{subject} {fields} {body}");
    }
    let enabled = format!("MSIP_Label_{LABEL}_Enabled");
    let named = format!("MSIP_Label_{LABEL}_Name");
    let labelled = [(enabled.as_str(), "true"), (named.as_str(), "Blue")];
    let other = named.replace("a1b2", "ffff");
    let files: [(&[&str], &[(&str, &str)], Option<&str>); 5] = [
        (&["The minutes"], &labelled, Some("label")),
        (&["The minutes"], &[(&other, "RESTRICTED")], Some("restricted")),
        (&["The minutes"], &[("Classification", "SECRET")], Some("secret")),
        (&["COMPANY CONFIDENTIAL", "The minutes"], &[], Some("company")),
        (&["The minutes"], &[("Author", "Ann")], None),
    ];
    for (paragraphs, properties, expected) in files {
        let file = with_file("m.docx", WORD, &docx(paragraphs, properties));
        assert_eq!(verdict(&postern, &file).as_deref(), expected, "{paragraphs:?} {properties:?}");
    }
}

#[test]
fn a_wrong_content_rule_leaves_the_old_ones_in_force() {
    let sink = Sink::start();
    let policy = refusing(&[("customers", "content = \"SITE_CUSTOMERS\"")]);
    let mut postern = setup(&sink, SITE, &policy).start();
    let table = [
        ("KD-100001, KD-100002 and KD-100003", Some("customers")),
        ("XY-100001, XY-100002 and XY-100003", None),
    ];
    expect(&postern, &table);
    let file = postern.setup().dir().join("rules/site.toml");
    let reload = |text: &str, what: &str| {
        std::fs::write(&file, text).unwrap();
        let before = postern.log().len();
        postern.signal(Signal::SIGHUP);
        wait_for(what, || {
            let log = postern.log().split_off(before);
            // The whole line.
            log.split_once(what).is_some_and(|(_, rest)| rest.contains('\n')).then_some(log)
        })
    };
    for (from, to, place) in [
        ("KD-", "(?<=KD-)", "site.toml:4:11"),
        ("KD-", "KD-(", "site.toml:4:11"),
        ("count = 3", "count = 0", "site.toml:6:9"),
        ("\"nhs_number\"", "\"nhs_numbr\"", "site.toml:17:12"),
        ("\"kd-200001, kd-200002, kd-200003\"]", "", "site.toml:"),
    ] {
        let log = reload(&SITE.replacen(from, to, 1), "reload refused");
        assert!(log.contains(place), "{place}: {log}");
        expect(&postern, &table);
    }
    reload(&SITE.replace("KD", "XY").replace("kd", "xy"), "reloaded");
    expect(&postern, &[(table[0].0, None), (table[1].0, Some("customers"))]);
    // A damaged store of compiled patterns is made afresh, and that is said.
    assert!(postern.terminate().success());
    let compiled = postern.setup().dir().join("data/content-patterns.hsdb");
    let mut octets = std::fs::read(&compiled).unwrap();
    let middle = octets.len() / 2;
    octets[middle] ^= 0x55;
    std::fs::write(&compiled, octets).unwrap();
    let before = postern.log().len();
    postern.start_again();
    expect(&postern, &[(table[0].0, None), (table[1].0, Some("customers"))]);
    let log = postern.log().split_off(before);
    assert!(log.contains("made afresh") && log.contains("content patterns compiled"), "{log}");
}
