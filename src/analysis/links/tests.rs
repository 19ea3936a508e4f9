//! Links as they are written, by honest people and by others.

use proptest::prelude::*;

use super::*;
use crate::message::{Anatomy, Limits};

fn links_of(message: &str) -> Links {
    Links::of(&Anatomy::of(&message.to_owned().into(), Limits::default()))
}

fn html(body: &str) -> Links {
    links_of(&format!("From: a@x.test\nContent-Type: text/html; charset=utf-8\n\n{body}"))
}

fn text(body: &str) -> Links {
    links_of(&format!("From: a@x.test\nContent-Type: text/plain; charset=utf-8\n\n{body}"))
}

fn host(target: &str) -> String {
    Target::parse(target).host.map_or("-".to_owned(), |host| host.to_string())
}

/// Target, host.
const HOSTS: &[(&str, &str)] = &[
    ("http://example.org", "example.org"),
    ("https://EXAMPLE.org/", "example.org"),
    ("  http://example.org/ ", "example.org"),
    ("http://example.org.", "example.org"),
    ("http://example.org:8080/x", "example.org"),
    ("http://example.org:/x", "example.org"),
    ("http://example.org:http/x", "-"),
    ("http://example.org:99999/", "-"),
    ("HTTP:\\\\example.org\\x", "example.org"),
    ("http:/example.org", "example.org"),
    ("http:example.org", "example.org"),
    ("http:////example.org", "example.org"),
    ("https:\\/\\/example.org", "example.org"),
    ("ht\ntp://exa\tmple.org/", "example.org"),
    ("//example.org/x", "example.org"),
    ("www.example.org/x", "www.example.org"),
    ("WWW.example.org", "www.example.org"),
    ("www.example.org:8080/x", "www.example.org"),
    ("http://bank.test@evil.test/", "evil.test"),
    ("http://bank.test:pw@evil.test/", "evil.test"),
    ("http://bank.test%2Flogin@evil.test/", "evil.test"),
    ("http://a@b@evil.test", "evil.test"),
    ("http://bank.test\\@evil.test/", "bank.test"),
    ("http://bank.test/@evil.test/", "bank.test"),
    ("http://bank.test?@evil.test/", "bank.test"),
    ("http://bank.test#@evil.test/", "bank.test"),
    ("http://evil.test;bank.test/", "evil.test;bank.test"),
    ("http://%65xample.org/", "example.org"),
    ("http://ex%61mple%2Eorg", "example.org"),
    ("http://example%2Forg", "-"),
    ("http://exam ple.org/", "-"),
    ("http://exam%20ple.org/", "-"),
    ("http://exa<mple.org/", "-"),
    ("http://", "-"),
    ("http://?", "-"),
    ("http://./", "-"),
    ("http://a..b/", "-"),
    ("http://192.0.2.7/", "192.0.2.7"),
    ("http://192.0.2.7./", "192.0.2.7"),
    ("http://0xC0.0x00.0x02.0x07/", "192.0.2.7"),
    ("http://0300.0.02.07/", "192.0.2.7"),
    ("http://3221225991/", "192.0.2.7"),
    ("http://0xc0000207/", "192.0.2.7"),
    ("http://192.519/", "192.0.2.7"),
    ("http://192.0.519/", "192.0.2.7"),
    ("http://192.0.2.256/", "-"),
    ("http://192.0.2.7.1/", "-"),
    ("http://4294967296/", "-"),
    ("http://999.0.2.7/", "-"),
    ("http://0x/", "0.0.0.0"),
    ("http://192.0.2.08/", "-"),
    ("http://1.2.3.4.example/", "1.2.3.4.example"),
    ("http://１９２.0.2.7/", "192.0.2.7"),
    ("http://[2001:db8::7]/", "2001:db8::7"),
    ("http://[2001:db8::7]:8080/", "2001:db8::7"),
    ("http://[::ffff:192.0.2.7]/", "::ffff:192.0.2.7"),
    ("http://[2001:db8::7/", "-"),
    ("http://ｅｘａｍｐｌｅ.org/", "example.org"),
    ("http://example。org/", "example.org"),
    ("http://example．org/", "example.org"),
    ("http://exam\u{ad}ple.org/", "example.org"),
    ("http://exam\u{200b}ple.org/", "example.org"),
    ("http://bücher.example/", "xn--bcher-kva.example"),
    ("http://B\u{dc}CHER.example/", "xn--bcher-kva.example"),
    ("http://b%C3%BCcher.example/", "xn--bcher-kva.example"),
    ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
    ("http://xn--/", "-"),
    ("http://аpple.example/", "xn--pple-43d.example"),
    ("ftp://files.example.org/a", "files.example.org"),
    ("mailto:a@example.org", "-"),
    ("javascript:alert(1)", "-"),
    ("data:text/html,hello", "-"),
    ("tel:+441234", "-"),
    ("cid:1@x", "-"),
    ("#top", "-"),
    ("page.html", "-"),
    ("\\\\files.example.org\\share", "-"),
    ("", "-"),
    ("http://my_host.example.org/", "my_host.example.org"),
];

#[test]
fn hosts_are_what_browsers_open() {
    for (target, expected) in HOSTS {
        assert_eq!(host(target), *expected, "{target:?}");
    }
}

#[test]
fn targets_are_taken_apart() {
    let target = Target::parse("https://bank.test:x@Evil.test:8443/a/b?c=d&e#f?g");
    assert_eq!((target.scheme, target.user.as_str()), (Scheme::Https, "bank.test:x"));
    assert_eq!((target.port, target.path()), (Some(8443), "/a/b"));
    assert_eq!((target.query(), target.fragment()), ("c=d&e", "f?g"));
    assert!(!target.disguises.any());
    assert_eq!(Target::parse("https://x.test:443/").port, None);
    assert_eq!(Target::parse("JavaScript:void(0)").scheme, Scheme::Script);
    assert_eq!(Target::parse(" java\nscript:x").scheme, Scheme::Script);
    assert_eq!(Target::parse("\u{1}data:text/html;base64,eA==").scheme, Scheme::Data);
    assert_eq!(Target::parse("file://host/share").scheme, Scheme::File);
    for disguised in [
        "http://0x7f.1/",
        "http://ex%61mple.org/",
        "http:\\\\example.org",
        "http:example.org",
        "http://ｅxample.org",
        "http://example。org",
    ] {
        assert!(Target::parse(disguised).disguises.any(), "{disguised}");
    }
    for plain in ["www.example.org", "//example.org", "http://bücher.example", "http://10.0.0.1"] {
        assert!(!Target::parse(plain).disguises.any(), "{plain}");
    }
}

#[test]
fn links_that_are_written_out() {
    let table: &[(&str, &[&str])] = &[
        ("see http://a.test/b.", &["http://a.test/b"]),
        ("(http://a.test/b)", &["http://a.test/b"]),
        ("http://a.test/b_(c)", &["http://a.test/b_(c)"]),
        ("[x](http://a.test/)", &["http://a.test/"]),
        ("\"http://a.test/x\", 'y'", &["http://a.test/x"]),
        ("<http://a.test/long\r\n/path>", &["http://a.test/long/path"]),
        ("<http://a.test/long\nno end", &["http://a.test/long"]),
        ("www.a.test and WWW.B.test!", &["http://www.a.test", "http://WWW.B.test"]),
        ("go to example.org now", &["http://example.org"]),
        ("go to example.co/pay now", &["http://example.co/pay"]),
        ("main.rs README.md e.g. 1.2.3 end.The", &[]),
        ("me@example.org", &[]),
        ("hxxp://a.test/x", &["http://a.test/x"]),
        ("hXXps://a[.]test/x", &["https://a.test/x"]),
        ("example[.]org or example(dot)com", &["http://example.org", "http://example.com"]),
        ("a(.)b", &[]),
        ("url=http://a.test/?u=http://b.test/", &["http://a.test/?u=http://b.test/"]),
        ("Texthttps://a.test", &["https://a.test"]),
        ("ftp://a.test gopher://b.test", &["ftp://a.test"]),
        ("「http://a.test/」。", &["http://a.test/"]),
        ("http://", &[]),
        ("://", &[]),
    ];
    for (body, expected) in table {
        let links = text(body);
        let targets: Vec<&str> = links
            .all
            .iter()
            .filter(|link| link.host.is_some())
            .map(|link| link.target.as_str())
            .collect();
        assert_eq!(targets, *expected, "{body}");
    }
    assert_eq!(text("hxxp://a.test/x").all.first().unwrap().place, Place::SpelledOut);
}

#[test]
fn links_of_html_with_what_is_shown() {
    let links = html(
        "<base href='http://base.test/'><a href=\"http://a.test/?x=1&amp;y=2\">www.<b>bank</b>.test\
         <img src='http://i.test/1.png' alt='Your bank'></a> http://b.test/ \
         <a href=http://c.test>one<a href=http://d.test style='display: none'>two</a>\
         <map><area href=http://e.test alt=map></map>\
         <form action='http://f.test/post'><input name=u><input type=PassWord>\
         <button formaction=http://g.test>Go</button></form>\
         <iframe src=http://h.test></iframe><td background=http://j.test/b.gif>\
         <meta http-equiv=Refresh content=\"0; URL='http://k.test/'\">\
         <svg><a xlink:href=http://l.test>svg</a></svg><a>none</a>",
    );
    let seen: Vec<(Place, &str, &str)> = links
        .all
        .iter()
        .map(|link| (link.place, link.parsed.name().unwrap_or("-"), link.visible.as_str()))
        .collect();
    let expected = [
        (Place::Base, "base.test", ""),
        (Place::Resource, "i.test", ""),
        (Place::Anchor, "a.test", "www.bank.test Your bank"),
        (Place::Anchor, "c.test", "one"),
        (Place::Anchor, "d.test", "two"),
        (Place::Anchor, "e.test", "map"),
        (Place::Form, "f.test", ""),
        (Place::Form, "g.test", ""),
        (Place::Frame, "h.test", ""),
        (Place::Resource, "j.test", ""),
        (Place::Refresh, "k.test", ""),
        (Place::Anchor, "l.test", "svg"),
        (Place::Text, "b.test", "http://b.test/"),
    ];
    assert_eq!(seen, expected);
    assert!(links.all.iter().any(|link| link.pictured && link.target.ends_with("y=2")));
    assert!(links.all.iter().any(|link| link.hidden && link.visible == "two"));
    let form = links.forms.first().unwrap();
    assert!(form.password && form.fields == 2);
}

#[test]
fn parts_tell_where_they_lie() {
    let links = links_of(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhttp://a.test/\n--b\n\
         Content-Type: text/html\nContent-Disposition: attachment; filename=x.html\n\n\
         <a href=http://b.test>x</a>\n--b\nContent-Type: message/rfc822\n\n\
         Subject: inner\n\nhttp://c.test/\n--b--\n",
    );
    let seen: Vec<(&str, bool, bool)> = links
        .all
        .iter()
        .map(|link| (link.parsed.name().unwrap_or("-"), link.attached, link.nested))
        .collect();
    assert_eq!(seen, [("a.test", false, false), ("b.test", true, false), ("c.test", false, true)]);
}

#[test]
fn links_of_the_texts_of_files() {
    let mut links = Links::default();
    let mut left_octets = 54;
    links.read_file("see http://a.test/x, www.b.test and report.final.test\n", &mut left_octets);
    links.read_file("http://beyond.test/", &mut left_octets);
    let hosts: Vec<&str> = links.all.iter().filter_map(|link| link.parsed.name()).collect();
    assert_eq!(hosts, ["a.test", "www.b.test"], "bare names and what lies beyond the limit");
    assert!(links.all.iter().all(|link| link.place == Place::File && link.attached));
    assert_eq!(left_octets, 0);
}

#[test]
fn hostile_texts_end_soon() {
    let started = std::time::Instant::now();
    let bodies = [
        "http://".repeat(200_000),
        "a.".repeat(500_000),
        "(".repeat(100_000) + &")".repeat(900_000),
        format!("http://a{} ", ")".repeat(2_000)).repeat(500),
        "<http://a\n".repeat(100_000),
        "x[.]".repeat(250_000),
        "[.]".repeat(300_000),
        ".".repeat(1_000_000),
        "://".repeat(300_000),
        "www.".repeat(250_000),
        "é。".repeat(200_000),
    ];
    for body in bodies {
        assert!(text(&body).all.len() <= MOST_LINKS);
    }
    let documents = [
        "<a href=http://a.test>".repeat(50_000),
        "<a href=\"http://a.test".repeat(50_000),
        "<form><input type=password>".repeat(40_000),
        "<meta http-equiv=refresh content=;;;;>".repeat(25_000),
        "<a href='&#x68;&#x74;' style='display".repeat(25_000),
        "<base href=".repeat(90_000),
    ];
    for body in documents {
        let links = html(&body);
        assert!(links.all.len() <= MOST_LINKS && links.forms.len() <= 50);
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

proptest! {
    #[test]
    fn any_target_is_read(target in "\\PC{0,80}", scheme in "(http://|https:|//|)") {
        let parsed = Target::parse(&format!("{scheme}{target}"));
        if let Some(name) = parsed.name() {
            prop_assert!(name.is_ascii() && !name.is_empty());
            prop_assert!(!name.bytes().any(|octet| octet.is_ascii_uppercase()));
        }
    }

    #[test]
    fn any_octets_have_links(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        let links = Links::of(&Anatomy::of(&octets.into(), Limits::default()));
        prop_assert!(links.all.len() <= MOST_LINKS);
    }

    #[test]
    fn any_markup_has_links(body in "([<>/a\"'= &#;.:@]|<a href=|http://|</a>|x\\.test|<form|\\PC){0,60}") {
        let links = html(&body);
        prop_assert!(links.all.iter().all(|link| link.visible.len() <= 8 * VISIBLE_CHARS));
    }
}

#[test]
fn relative_links_lead_to_where_the_base_says() {
    let table = [
        ("http://b.test/", "login", "http://b.test/login"),
        ("http://b.test", "login", "http://b.test/login"),
        ("http://b.test/a/b?c", "login", "http://b.test/a/login"),
        ("http://b.test/a/b", "/login", "http://b.test/login"),
        ("http://b.test/a/b", "?x=1", "http://b.test/a/b?x=1"),
        ("//b.test/a/", "login", "//b.test/a/login"),
        ("HTTP:\\\\b.test\\a\\", "login", "HTTP://b.test/a/login"),
        ("http://b.test/", "https://c.test/", "https://c.test/"),
        ("http://b.test/", "//c.test/x", "//c.test/x"),
        ("http://b.test/", "mailto:a@c.test", "mailto:a@c.test"),
        ("http://b.test/", "#top", "#top"),
        ("javascript:alert(1)", "login", "login"),
        ("a/b", "login", "login"),
        ("", "login", "login"),
    ];
    for (base, target, expected) in table {
        for document in [
            format!("<base href='{base}'><a href='{target}'>x</a>"),
            format!("<a href='{target}'>x</a><base><base href='{base}'><base href='//z.test'>"),
        ] {
            let links = html(&document);
            let anchor = links.all.iter().find(|link| link.place == Place::Anchor).unwrap();
            assert_eq!(anchor.target, expected, "{document}");
            assert_eq!(anchor.host, Target::parse(expected).host);
        }
    }
    let form = html("<base href=http://b.test><form action=go><input type=password></form>");
    assert_eq!(form.forms[0].action, "http://b.test/go");
}

#[test]
fn who_answers_for_the_author_may_count_clicks() {
    use crate::mail::{Class, Finding};
    let found = |bulk: bool| {
        let mut findings = vec![
            Finding::new("LINK_TEXT_TRACKED", Class::Notice, 0.6, ""),
            Finding::new("LINKS_NONE_OF_AUTHOR", Class::Notice, 0.8, ""),
            Finding::new("LINK_TEXT_DIFFERS", Class::Phish, 2.0, ""),
        ];
        if bulk {
            findings.push(Finding::new("BULK_ONE_CLICK", Class::Notice, 0.0, ""));
        }
        ease(&mut findings);
        findings.iter().map(|finding| (finding.score * 100.0).round() as i32).collect::<Vec<_>>()
    };
    assert_eq!(found(false), [12, 80, 200]);
    assert_eq!(found(true), [12, 16, 200, 0]);
}
