//! Orders of policy rules, each carried out by the real program with real sockets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::harness::client::Reply;
use super::harness::postern::field;
use super::harness::{Arrived, Clock, Postern, Setup, Sink, client, free_port, text, wait_for};

const BOB: &[&str] = &["bob@example.test"];
const BOSS: &str = "boss@example.test";
const POSTMASTER: &str = "postmaster@example.test";
/// What the shipped rules refuse whoever sends it.
const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

fn setup(sink: &Sink, rules: &str) -> Setup {
    let setup = Setup::new().next_hop(sink.hop()).smart_host(sink.hop());
    std::fs::write(setup.dir().join("policy.toml"), rules).unwrap();
    setup.set("policy", "file = \"policy.toml\"")
}

fn start(sink: &Sink, rules: &str) -> Postern {
    setup(sink, rules).start()
}

fn message(subject: &str) -> Vec<u8> {
    text::message(subject, &id_of(subject))
}

/// The Message-ID of the mail with this subject.
fn id_of(subject: &str) -> String {
    format!("{}@orders.test", subject.replace(' ', "."))
}

fn send(postern: &Postern, subject: &str, recipients: &[&str]) -> Reply {
    client::send(postern.inbound(), "ann@sender.test", recipients, &message(subject))
}

fn send_out(postern: &Postern, sender: &str, message: &[u8]) -> Reply {
    client::send(postern.outbound(), sender, &["x@elsewhere.test"], message)
}

fn for_whom<'m>(mails: &'m [Arrived], who: &str) -> Vec<&'m Arrived> {
    mails.iter().filter(|mail| mail.recipients().contains(&who)).collect()
}

fn got(sink: &Sink, who: &str) -> usize {
    for_whom(&sink.mails(), who).len()
}

/// A rule for every mail whose subject speaks of an order.
fn rule(orders: &str) -> String {
    named("r", "order", orders)
}

fn named(name: &str, subject: &str, orders: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\nwhen = {{ subject = \"{subject}\" }}\norders = [{orders}]\n"
    )
}

/// The text of a mail that the box has written.
fn letter(mail: &Arrived) -> String {
    let (_, body) = text::split(&mail.content);
    let packed: Vec<u8> =
        body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    String::from_utf8(STANDARD.decode(packed).unwrap()).unwrap()
}

fn shown(mail: &Arrived) -> String {
    String::from_utf8_lossy(&mail.content).into_owned()
}

fn story(postern: &Postern, subject: &str) -> String {
    postern.tell(&["track", "--message-id", &id_of(subject)])
}

#[test]
fn final_orders() {
    let sink = Sink::start();
    let rules = named("d", "deliver order", "\"deliver\"")
        + &named("rj", "reject order", "{ reject = \"not by mail, please: ring us\" }")
        + &named("di", "discard order", "\"discard\"")
        + &named("q", "quarantine order", "{ quarantine = \"legal-team\" }")
        + &named("de", "defer order", "{ defer = \"come again on Monday\" }")
        + &named("s", "secure order", "\"secure\"");
    let postern = start(&sink, &rules);
    let table = [
        ("reject order", "550", "5.7.1 not by mail, please: ring us"),
        ("discard order", "250", ""),
        ("quarantine order", "250", ""),
        ("defer order", "451", "4.7.1 come again on Monday"),
        ("secure order", "550", "5.7.10 this message may only leave by secure delivery"),
    ];
    for (subject, code, words) in table {
        let reply = send(&postern, subject, BOB).to_string();
        assert!(reply.starts_with(code) && reply.contains(words), "{subject}: {reply}");
    }
    let sent = text::split(&message("secure order 2")).1.len();
    let reply = send_out(&postern, "ann@example.test", &message("secure order 2"));
    assert_eq!(reply.code, 550, "{reply} of {sent}");
    // What would be refused as spam goes out by a rule, and not as spam.
    let unwanted = |subject: &str| [message(subject), format!("{GTUBE}\r\n").into_bytes()].concat();
    let to_bob = |sent: &[u8]| client::send(postern.inbound(), "ann@sender.test", BOB, sent).code;
    assert_eq!(to_bob(&unwanted("another")), 550);
    assert_eq!(to_bob(&unwanted("deliver order")), 250);
    let mails = sink.wait(1);
    assert!(text::is_unchanged_below(&mails[0].content, &unwanted("deliver order")));
    let rows = postern.ask(&["quarantine", "list"]);
    assert_eq!((rows.len(), field(&rows[0], "area")), (1, "legal-team".into()), "{rows:?}");
    for (subject, words) in [
        ("discard order", "dropped, as policy has it"),
        ("discard order", "the rule \"di\": discard"),
        ("defer order", "451"),
        ("reject order", "ring us"),
        ("secure order", "the rule \"s\": secure"),
    ] {
        let told = story(&postern, subject);
        assert!(told.contains(words), "{subject}: {told}");
    }
    sink.stays_at(1);
}

#[test]
fn what_is_ordered_beside_delivery() {
    let sink = Sink::start();
    let orders = r#"{ archive = { class = "mail" } }, { copy = ["eve@example.test"] },
        { notify = { to = ["administrator"], subject = "seen: {subject}", text = "{sender}" } }"#;
    let postern = start(&sink, &rule(orders));
    assert_eq!(send(&postern, "an order", BOB).code, 250);
    let mails = sink.wait(3);
    for who in ["bob@example.test", "eve@example.test", POSTMASTER] {
        assert_eq!(got(&sink, who), 1, "{who}");
    }
    let bobs = for_whom(&mails, BOB[0])[0];
    assert!(!shown(bobs).contains("eve@"), "bob sees nothing of the copy: {}", shown(bobs));
    assert_eq!(for_whom(&mails, "eve@example.test")[0].reverse_path, "");
    let told = for_whom(&mails, POSTMASTER)[0];
    assert_eq!(text::header(&told.content, "Subject").unwrap(), "seen: an order");
    assert_eq!(letter(told).trim(), "ann@sender.test");
    let rows = postern.ask(&["archive", "list"]);
    assert_eq!((rows.len(), field(&rows[0], "class")), (1, "mail".into()));
    let into = postern.setup().dir().join("out");
    let told = postern.tell(&["archive", "export", "--into", into.to_str().unwrap()]);
    let name = into.join(format!("{}.eml", field(&rows[0], "mail_id")));
    assert!(told.contains(name.to_str().unwrap()), "{told}");
    assert!(text::is_unchanged_below(&std::fs::read(name).unwrap(), &message("an order")));
    let told = story(&postern, "an order");
    assert!(told.contains("archived as it came, class mail"), "{told}");
    sink.stays_at(3);
}

#[test]
fn the_archive_forgets_when_the_days_are_over_and_not_before() {
    let Some(clock) = Clock::start() else { return };
    let sink = Sink::start();
    let orders = r#"{ archive = { class = "short" } }"#;
    let setup = setup(&sink, &rule(orders)).raw("[archive]\nclasses = { short = 1 }\n");
    let mut postern = clock.of(setup).start();
    assert_eq!(send(&postern, "order kept", BOB).code, 250);
    sink.wait(1);
    postern.wait_until_empty();
    for (ahead, kept) in [(86_000, 1), (86_500, 0)] {
        postern.kill();
        clock.set_ahead(ahead);
        postern.start_again();
        wait_for("the archive", || (postern.ask(&["archive", "list"]).len() == kept).then_some(()));
    }
    assert!(story(&postern, "order kept").contains("kept for as long as"));
}

#[test]
fn refused_mail_is_archived_and_told_about_before_the_refusal() {
    let sink = Sink::start();
    let orders = r#"{ archive = { class = "dlp" } },
        { notify = { to = ["postmaster"], subject = "s", text = "{rule}: {reason}" } }, { reject = "not this" }"#;
    let postern = start(&sink, &rule(orders));
    assert_eq!(send(&postern, "an order", BOB).code, 550);
    assert_eq!(postern.ask(&["archive", "list", "--class", "dlp"]).len(), 1);
    let mails = sink.wait(1);
    assert_eq!(mails[0].recipients(), [POSTMASTER]);
    let told = letter(&mails[0]);
    assert!(told.contains("r: refused") && told.contains("not this"), "{told}");
    sink.stays_at(1);
}

fn with_files() -> Vec<u8> {
    "From: <ann@sender.test>\r\nTo: <bob@example.test>\r\nMessage-ID: <files@orders.test>\r\n\
     Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nX-Old: gone\r\nSubject: an order\r\nX-Kept: 1\r\n\
     x-old: gone,\r\n too\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n\
     --b\r\nContent-Type: text/plain\r\n\r\nHello, see the files\r\n--b\r\n\
     Content-Type: text/csv; name=\"list.csv\"\r\n\
     Content-Disposition: attachment; filename=\"list.csv\"\r\n\r\nname;amount\r\nOlsen;100\r\n--b\r\n\
     Content-Type: text/plain; name=\"notes.txt\"\r\n\
     Content-Disposition: attachment; filename=\"notes.txt\"\r\n\r\nThe notes\r\n--b--\r\n"
        .into()
}

#[test]
fn subject_fields_and_files_are_changed() {
    let sink = Sink::start();
    let orders = r#"{ tag_subject = "[checked]" }, { add_header = { name = "X-New", value = "here it is" } },
        { remove_header = "X-Old" }, { strip_attachments = { extension = "csv" } }"#;
    let postern = start(&sink, &rule(orders));
    let reply = client::send(postern.inbound(), "ann@sender.test", BOB, &with_files());
    assert_eq!(reply.code, 250, "{reply}");
    let mails = sink.wait(1);
    let content = &mails[0].content;
    assert_eq!(text::header(content, "Subject").unwrap(), "[checked] an order");
    assert_eq!(text::header(content, "X-New").unwrap(), "here it is");
    assert_eq!(text::header(content, "X-Kept").unwrap(), "1");
    let seen = shown(&mails[0]);
    assert!(!seen.to_lowercase().contains("x-old") && !seen.contains("gone"), "{seen}");
    assert!(!seen.contains("Olsen") && seen.contains("list.csv"), "{seen}");
    assert!(seen.contains("The notes") && seen.contains("Hello, see the files"), "{seen}");
}

const HOUSE: &str = "This mail is meant for its addressee.";

fn annotating() -> String {
    rule(&format!(
        "{{ annotate = {{ text = \"{HOUSE}\", html = \"<p><b>{HOUSE}</b></p>\", key = \"d\" }} }}"
    ))
}

#[test]
fn a_text_of_the_house_once_in_a_thread_and_in_every_form() {
    let sink = Sink::start();
    let postern = start(&sink, &annotating());
    let head = "From: Ann <ann@example.test>\r\nTo: <x@elsewhere.test>\r\nSubject: an order\r\n\
                Date: Mon, 16 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n";
    let both = format!(
        "{head}Message-ID: <1@orders.test>\r\nContent-Type: multipart/alternative; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nHello\r\n--b\r\n\
         Content-Type: text/html; charset=us-ascii\r\n\r\n\
         <html><body><p>Hello</p></body></html>\r\n--b--\r\n"
    );
    assert_eq!(send_out(&postern, "ann@example.test", both.as_bytes()).code, 250);
    let seen = shown(&sink.wait(1)[0]);
    assert_eq!(seen.matches(HOUSE).count(), 2, "{seen}");
    let html = seen.find(&format!("<b>{HOUSE}</b>")).unwrap();
    let plain = seen.find(HOUSE).unwrap();
    let place = |what: &str| seen.find(what).unwrap();
    assert!(
        place("\r\n\r\nHello") < plain && plain < place("--b\r\nContent-Type: text/html"),
        "{seen}"
    );
    assert!(place("<p>Hello</p>") < html && html < place("</body>"), "{seen}");
    // A second mail in the thread quotes it.
    let quoted: String = seen
        .lines()
        .take_while(|line| !line.contains("text/html"))
        .skip_while(|line| !line.contains("text/plain"))
        .filter(|line| !line.starts_with("--") && !line.starts_with("Content-"))
        .map(|line| format!("> {line}\r\n"))
        .collect();
    assert!(quoted.contains(HOUSE), "{quoted}");
    let reply = format!(
        "{head}Message-ID: <2@orders.test>\r\nContent-Type: text/plain\r\n\r\nSo it is.\r\n{quoted}"
    );
    assert_eq!(send_out(&postern, "ann@example.test", reply.as_bytes()).code, 250);
    let mails = sink.wait(2);
    assert!(text::is_unchanged_below(&mails[1].content, reply.as_bytes()), "{}", shown(&mails[1]));
    // What is signed keeps every octet.
    let signed = format!(
        "{head}Message-ID: <3@orders.test>\r\nContent-Type: multipart/signed; boundary=\"s\"; \
         micalg=pgp-sha256; protocol=\"application/pgp-signature\"\r\n\r\n--s\r\n\
         Content-Type: text/plain\r\n\r\nSigned words\r\n--s\r\n\
         Content-Type: application/pgp-signature; name=\"signature.asc\"\r\n\r\n\
         -----BEGIN PGP SIGNATURE-----\r\n\r\niQEz\r\n-----END PGP SIGNATURE-----\r\n--s--\r\n"
    );
    assert_eq!(send_out(&postern, "ann@example.test", signed.as_bytes()).code, 250);
    let mails = sink.wait(3);
    assert!(text::is_unchanged_below(&mails[2].content, signed.as_bytes()), "{}", shown(&mails[2]));
}

#[test]
fn redirect_goes_elsewhere_and_not_in_circles() {
    let sink = Sink::start();
    let postern = start(&sink, &rule(r#"{ redirect = ["carol@example.test"] }"#));
    assert_eq!(send(&postern, "an order", BOB).code, 250);
    let mails = sink.wait(1);
    assert_eq!(mails[0].recipients(), ["carol@example.test"]);
    assert_eq!(mails[0].reverse_path, "ann@sender.test");
    // The other server brings it back.
    let back = mails[0].content.clone();
    assert_eq!(client::send(postern.inbound(), "ann@sender.test", BOB, &back).code, 250);
    let mails = sink.wait(2);
    assert_eq!(mails[1].recipients(), BOB);
    sink.stays_at(2);
}

#[test]
fn hold_waits_for_an_answer_over_a_kill() {
    let sink = Sink::start();
    let orders = r#"{ tag_subject = "[approved]" },
        { hold = { approver = "boss@example.test", expires_hours = 1 } }"#;
    let mut postern = start(&sink, &rule(orders));
    for subject in ["order one", "order two"] {
        assert_eq!(send(&postern, subject, BOB).code, 250);
    }
    let out = text::message("order three", "three@orders.test");
    assert_eq!(send_out(&postern, "ann@example.test", &out).code, 250);
    let asked = sink.wait(3);
    assert_eq!((got(&sink, BOSS), got(&sink, BOB[0])), (3, 0));
    let question = letter(asked.iter().find(|mail| shown(mail).contains("order one")).unwrap());
    let command = "postern approval release ";
    assert!(question.contains(command) && !question.contains("https://"), "{question}");
    assert!(question.contains("ann@sender.test") && question.contains(BOB[0]), "{question}");
    postern.wait_until_empty();
    postern.kill();
    postern.start_again();
    let rows = postern.ask(&["approval", "list"]);
    assert_eq!((rows.len(), field(&rows[0], "approver")), (3, BOSS.into()));
    let id = |subject: &str| {
        let row = rows.iter().find(|row| field(row, "subject").contains(subject)).unwrap();
        field(row, "mail_id")
    };
    postern.tell(&["approval", "release", &id("one")]);
    postern.tell(&["quarantine", "refuse", &id("two")]);
    postern.tell(&["approval", "refuse", &id("three")]);
    let mails = sink.wait(6);
    // One is delivered as it was ordered; of the other its recipient is told.
    let bobs = for_whom(&mails, BOB[0]);
    let subjects: Vec<String> =
        bobs.iter().map(|mail| text::header(&mail.content, "Subject").unwrap()).collect();
    assert!(subjects.contains(&"[approved] order one".to_owned()), "{subjects:?}");
    assert!(subjects.contains(&"A message was not approved: order two".to_owned()), "{subjects:?}");
    // The own sender of the third has a delivery report.
    let report = shown(for_whom(&mails, "ann@example.test")[0]);
    assert!(report.contains("multipart/report") && report.contains("Status: 5.7.1"), "{report}");
    assert!(postern.ask(&["approval", "list"]).is_empty());
    assert!(!postern.cli(&["approval", "release", &id("two")]).status.success());
    let told = story(&postern, "order two");
    assert!(told.contains("refused"), "{told}");
    assert!(for_whom(&sink.mails(), "x@elsewhere.test").is_empty());
    sink.stays_at(6);
}

#[test]
fn hold_ends_when_nobody_answers() {
    let Some(clock) = Clock::start() else { return };
    let sink = Sink::start();
    let hold = |name: &str, end: &str| {
        let orders = format!(
            "{{ hold = {{ approver = \"{BOSS}\", expires_hours = 2, on_expiry = \"{end}\" }} }}"
        );
        named(name, &format!("{name} order"), &orders)
    };
    let rules = hold("release", "release") + &hold("refuse", "refuse");
    let mut postern = clock.of(setup(&sink, &rules)).start();
    for subject in ["release order 1", "refuse order 1"] {
        assert_eq!(send(&postern, subject, BOB).code, 250);
    }
    sink.wait(2);
    clock.set_ahead(3_600);
    sink.stays_at(2);
    clock.set_ahead(7_260);
    let mails = sink.wait(4);
    let subjects = |mails: &[Arrived]| {
        let bobs = for_whom(mails, BOB[0]).into_iter();
        let mut all: Vec<_> =
            bobs.map(|mail| text::header(&mail.content, "Subject").unwrap()).collect();
        all.sort();
        all
    };
    let expected = ["A message was not approved: refuse order 1", "release order 1"];
    assert_eq!(subjects(&mails), expected);
    // And while the box is off.
    for subject in ["release order 2", "refuse order 2"] {
        assert_eq!(send(&postern, subject, BOB).code, 250);
    }
    sink.wait(6);
    postern.wait_until_empty();
    postern.kill();
    clock.set_ahead(20_000);
    postern.start_again();
    let mails = sink.wait(8);
    assert_eq!(subjects(&mails).len(), 4, "{:?}", subjects(&mails));
    assert!(postern.ask(&["approval", "list"]).is_empty());
    assert!(story(&postern, "refuse order 2").contains("expiry"));
    sink.stays_at(8);
}

#[test]
fn notices_make_no_loops() {
    let sink = Sink::start();
    let orders = r#"{ notify = { to = ["sender", "recipient", "administrator"],
        subject = "about: {subject}", text = "{rule}: {sender} to {recipient}, {unknown}" } }"#;
    let postern = start(&sink, &rule(orders));
    assert_eq!(send_out(&postern, "ann@example.test", &message("an order")).code, 250);
    let mails = sink.wait(4);
    for who in ["ann@example.test", "x@elsewhere.test", POSTMASTER] {
        let told = for_whom(&mails, who);
        let notice = told.iter().find(|mail| mail.reverse_path.is_empty()).unwrap();
        assert_eq!(text::header(&notice.content, "Auto-Submitted").unwrap(), "auto-generated");
        assert_eq!(text::header(&notice.content, "Subject").unwrap(), "about: an order");
        assert_eq!(letter(notice).trim(), "r: ann@example.test to x@elsewhere.test, {unknown}");
    }
    // The notice comes back, with a subject that the rule asks for: nobody is told again.
    let back = for_whom(&mails, POSTMASTER)[0].content.clone();
    assert_eq!(client::send(postern.inbound(), "", &[POSTMASTER], &back).code, 250);
    sink.wait(5);
    // A second mail within the hour.
    assert_eq!(send_out(&postern, "ann@example.test", &message("second order")).code, 250);
    sink.wait(6);
    sink.stays_at(6);
    // What a program wrote is not answered; the others are told.
    let machine =
        [b"Auto-Submitted: auto-replied\r\n".as_slice(), &message("third order")].concat();
    assert_eq!(send_out(&postern, "carl@example.test", &machine).code, 250);
    let mails = sink.wait(9);
    assert!(for_whom(&mails, "carl@example.test").is_empty());
    // From outside nobody vouches for the sender.
    assert_eq!(send(&postern, "fourth order", BOB).code, 250);
    let mails = sink.wait(12);
    assert!(for_whom(&mails, "ann@sender.test").is_empty());
    sink.stays_at(12);
    assert!(story(&postern, "third order").contains("carl@example.test"));
}

#[test]
fn limits_and_routes() {
    let (sink, other) = (Sink::start(), Sink::start());
    let rules = rule(&format!(
        "{{ rate_limit = {{ name = \"l\", count = 2, per_s = 3600, by = \"sender\" }} }}, \
         {{ route_via = \"{}\" }}",
        other.hop()
    ));
    let postern = start(&sink, &rules);
    for number in 0..3 {
        assert_eq!(send(&postern, &format!("order {number}"), BOB).code, 250);
    }
    other.wait(2);
    let rows = wait_for("one in quarantine", || {
        let rows = postern.ask(&["quarantine", "list"]);
        (!rows.is_empty()).then_some(rows)
    });
    assert_eq!(field(&rows[0], "area"), "rate-limited");
    // Another sender has a count of the own; own people are asked to come again.
    for (number, code) in [(3, 250), (4, 250), (5, 451)] {
        let sent = message(&format!("order {number}"));
        let reply = send_out(&postern, "ann@example.test", &sent);
        assert_eq!(reply.code, code, "{reply}");
    }
    other.wait(4);
    sink.stays_at(0);
    assert_eq!(other.count(), 4);
    assert!(story(&postern, "order 5").contains("451"), "{}", story(&postern, "order 5"));
}

#[test]
fn each_approver_decides_about_the_own_copies() {
    let sink = Sink::start();
    let both = "[[rule]]\nname = \"both\"\nwhen = { forward_path = [\"cid@example.test\", \"dan@example.test\"] }\n\
                orders = [{ hold = \"chief@example.test\" }, { archive = { class = \"chief\" } }]\n";
    let bob = "[[rule]]\nname = \"bob\"\nscope = \"bob@example.test\"\n\
               orders = [{ hold = \"boss@example.test\" }, { archive = { class = \"boss\" } }]\n";
    let postern = start(&sink, &(bob.to_owned() + both));
    let everybody =
        ["ann@example.test", "bob@example.test", "cid@example.test", "dan@example.test"];
    assert_eq!(send(&postern, "an order", &everybody).code, 250);
    let mails = sink.wait(3);
    for who in ["ann@example.test", BOSS, "chief@example.test"] {
        assert_eq!(for_whom(&mails, who).len(), 1, "{who}");
    }
    let rows = postern.ask(&["approval", "list"]);
    assert_eq!(rows.len(), 2, "{rows:?}");
    let id = |boss: &str| {
        let row = rows.iter().find(|row| field(row, "approver").starts_with(boss)).unwrap();
        field(row, "mail_id")
    };
    postern.tell(&["approval", "release", &id("chief")]);
    let mails = sink.wait(4);
    let mut released = mails[3].recipients();
    released.sort_unstable();
    assert_eq!(released, ["cid@example.test", "dan@example.test"]);
    postern.tell(&["approval", "refuse", &id("boss")]);
    let mails = sink.wait(5);
    assert_eq!(mails[4].recipients(), BOB);
    assert_eq!(mails[4].reverse_path, "");
    for class in ["boss", "chief"] {
        assert_eq!(postern.ask(&["archive", "list", "--class", class]).len(), 1, "{class}");
    }
    sink.stays_at(5);
}

#[test]
fn a_route_is_the_only_way() {
    let (sink, second) = (Sink::start(), Sink::start());
    let (nobody, later) = (free_port(), free_port());
    let routes = [
        named("first", "first order", &format!("{{ route_via = \"smtp://127.0.0.1:{nobody}\" }}")),
        named(
            "next",
            "next order",
            &format!("{{ route_via = [\"smtp://127.0.0.1:{nobody}\", \"{}\"] }}", second.hop()),
        ),
        named("wait", "wait order", &format!("{{ route_via = \"smtp://127.0.0.1:{later}\" }}")),
    ];
    let postern = start(&sink, &routes.concat());
    for subject in ["first order", "next order", "wait order"] {
        assert_eq!(send(&postern, subject, BOB).code, 250);
    }
    second.wait(1);
    sink.stays_at(0);
    assert_eq!(postern.queue().len(), 2);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], later));
    let awaited = Sink::options().address(address).start();
    awaited.wait(1);
    assert_eq!((sink.count(), second.count()), (0, 1));
}
