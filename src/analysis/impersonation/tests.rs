//! Pretence, told from the message alone and with what authentication says.

use std::path::Path;

use super::*;
use crate::analysis::{DmarcPolicy, links};
use crate::message::Limits;

fn site() -> Site {
    let text = r#"
        [system]
        hostname = "mx.council.example"
        data_dir = "/tmp"
        postmaster = "postmaster@council.example"
        [[domain]]
        name = "harbourcouncil.example"
        next_hop = ["smtp://10.0.0.5:25"]
        [impersonation]
        domains = ["harbourmail.example"]
        trusted = ["harbourcouncils.example"]
        people = [{ name = "Jane Doe", addresses = ["jane@private.example"] }]
        brands = [{ name = "Kestrel Bank", kind = "bank", domains = ["kestrelbank.example"] }]
        without_brands = ["Telstra"]
        first_time_banner = "This sender is new."
        first_time_tag = "[NEW]"
    "#;
    Site::new(&Config::parse(text, Path::new("t.toml"), Path::new("/")).unwrap())
}

/// What is seen in a message; `vouched` is what authentication says, when it was looked at.
fn seen(message: &str, vouched: Option<bool>, is_new: Option<bool>) -> Vec<&'static str> {
    let anatomy = Anatomy::of(&message.to_owned().into(), Limits::default());
    let author = anatomy.author();
    let links = links::Links::of(&anatomy);
    let author_domain = match &author {
        Authorship::One(mailbox) => mailbox.address.domain().cloned(),
        _ => None,
    };
    let dmarc = if vouched == Some(true) { Dmarc::Pass } else { Dmarc::None };
    let authenticated = Authenticated { author_domain, dmarc, vouching: Vec::new() };
    let authenticated = vouched.map(|_| &authenticated);
    let sightings = look(&site(), &anatomy, &author, &links, authenticated, is_new, &[]);
    sightings.into_iter().map(|sighting| sighting.name).collect()
}

#[test]
fn a_private_address_is_not_proof_by_itself() {
    let message = from("Jane Doe <jane@private.example>");
    let anatomy = Anatomy::of(&message.into(), Limits::default());
    let (author, links) = (anatomy.author(), links::Links::of(&anatomy));
    let found = |dmarc| {
        let author_domain = Domain::parse("private.example").ok();
        let authenticated = Authenticated { author_domain, dmarc, vouching: Vec::new() };
        let seen = look(&site(), &anatomy, &author, &links, Some(&authenticated), None, &[]);
        seen.into_iter().map(|sighting| sighting.name).collect::<Vec<_>>()
    };
    assert_eq!(found(Dmarc::Fail(DmarcPolicy::None)), ["PERSON_IMPERSONATED"]);
    for dmarc in [Dmarc::None, Dmarc::Pass, Dmarc::Temporary] {
        assert!(found(dmarc).is_empty(), "{dmarc:?}");
    }
}

fn from(author: &str) -> String {
    format!("From: {author}\nTo: bob@harbourcouncil.example\nSubject: hello\n\nHello Bob.\n")
}

#[test]
fn authors_who_are_not_who_they_say() {
    let table: &[(&str, &[&str])] = &[
        ("Ann Other <ann@other.example>", &[]),
        ("Jane Doe <ceo.jane@gmail.com>", &["PERSON_IMPERSONATED"]),
        ("\"Doe, Jane\" <x@other.example>", &["PERSON_IMPERSONATED"]),
        ("JaneDoe <x@other.example>", &["PERSON_IMPERSONATED"]),
        ("DoeJane <x@other.example>", &["PERSON_IMPERSONATED"]),
        ("\"Jane Doe via SignIt\" <x@other.example>", &["PERSON_IMPERSONATED"]),
        ("jane.doe@other.example", &["PERSON_IMPERSONATED"]),
        ("janedoe77@gmail.com", &["PERSON_IMPERSONATED"]),
        ("Doe_Jane@other.example", &["PERSON_IMPERSONATED"]),
        ("jane@other.example", &[]),
        ("Peter <jane.doe@other.example>", &[]),
        ("\"Janet Doe via SignIt\" <x@other.example>", &[]),
        ("Jane Doe <jane@private.example>", &[]),
        ("Clerk <it@harbourcouncilexample.example>", &["OWN_DOMAIN_LOOKALIKE"]),
        ("Clerk <it@harbourcouncil-example.example>", &["OWN_DOMAIN_LOOKALIKE"]),
        ("Jane Doe <jane@harbourcouncil.example>", &[]),
        ("\"Harbourcouncil.example IT\" <x@other.example>", &["OWN_DOMAIN_IN_NAME"]),
        ("Helpdesk <it@harbourcounciI.example>", &["OWN_DOMAIN_LOOKALIKE"]),
        ("Helpdesk <it@harbourcounci1.example>", &["OWN_DOMAIN_LOOKALIKE"]),
        ("Helpdesk <it@harbourmai1.example>", &["OWN_DOMAIN_LOOKALIKE"]),
        ("Friends <it@harbourcouncils.example>", &[]),
        ("Kestrel Bank <x@other.example>", &["BRAND_DISPLAY_NAME"]),
        ("Kestrel Bank <x@kestrelbank.example>", &[]),
        ("PayPal Service <x@other.example>", &["BRAND_DISPLAY_NAME"]),
        ("\"PayPal\" <>", &["BRAND_DISPLAY_NAME"]),
        ("Microsoft <someone@outlook.com>", &["BRAND_DISPLAY_NAME"]),
        ("WordPress <wordpress@other.example>", &[]),
        ("Telstra <x@other.example>", &[]),
        ("Ann <ann@qx7k2m9vb4tz.example>", &["AUTHOR_DOMAIN_RANDOM"]),
    ];
    for (author, expected) in table {
        assert_eq!(seen(&from(author), None, None), *expected, "{author}");
    }
}

#[test]
fn authentication_decides_about_true_domains() {
    let own = from("Ann <ann@harbourcouncil.example>");
    assert_eq!(seen(&own, Some(false), None), ["OWN_DOMAIN_UNAUTHENTICATED"]);
    assert!(seen(&own, Some(true), None).is_empty());
    assert!(seen(&own, None, None).is_empty());
    let person = from("Jane Doe <jane@harbourcouncil.example>");
    assert!(seen(&person, Some(false), None).contains(&"PERSON_IMPERSONATED"));
    let brand = from("Kestrel Bank <x@kestrelbank.example>");
    assert_eq!(seen(&brand, Some(false), None), ["BRAND_UNAUTHENTICATED"]);
    assert!(seen(&brand, Some(true), None).is_empty());
    let leading_away = format!("{brand}http://other.example/login\n");
    assert_eq!(seen(&leading_away, None, None), ["BRAND_LINKS_ELSEWHERE"]);
    assert_eq!(
        seen(&leading_away, Some(false), None),
        ["BRAND_UNAUTHENTICATED", "BRAND_LINKS_ELSEWHERE"]
    );
    assert!(seen(&leading_away, Some(true), None).is_empty());
}

#[test]
fn subjects_and_texts_that_claim() {
    let message = |subject: &str, body: &str| {
        format!("From: a@other.example\nSubject: {subject}\nContent-Type: text/html\n\n{body}")
    };
    let link = "<a href=http://other.example/x>here</a>";
    let own = "<a href=https://www.paypal.com/x>here</a>";
    let subject = "Your PayPal account is limited";
    assert_eq!(seen(&message(subject, link), None, None), ["BRAND_IN_SUBJECT"]);
    assert!(seen(&message(subject, &format!("{link}{own}")), None, None).is_empty());
    assert!(seen(&message("I like PayPal", link), None, None).is_empty());
    let text = format!("<p>{link}</p><p>\u{a9} 2024 PayPal, Inc. All rights reserved</p>");
    assert_eq!(seen(&message("hello", &text), None, None), ["BRAND_IN_TEXT"]);
    let answer = message(subject, link).replace("From:", "In-Reply-To: <1@x>\nFrom:");
    assert!(seen(&answer, None, None).is_empty());
}

#[test]
fn answers_that_go_elsewhere() {
    let table: &[(&str, &str, &[&str])] = &[
        ("a@other.example", "b@other.example", &[]),
        ("a@mail.other.example", "b@other.example", &[]),
        ("a@other.example", "b@third.example", &["REPLY_TO_ELSEWHERE"]),
        ("a@other.example", "b@gmail.com", &["REPLY_TO_FREE_MAIL"]),
        ("a@gmail.com", "b@gmail.com", &["REPLY_TO_FREE_MAIL"]),
        ("a@gmail.com", "A@gmail.com", &[]),
        ("a@gmail.com", "b@other.example", &["REPLY_TO_ELSEWHERE"]),
        ("a@other.example", "a@other.example, b@gmail.com", &[]),
        (
            "a@other.example",
            "x@harbourcounci1.example",
            &["OWN_DOMAIN_LOOKALIKE", "REPLY_TO_ELSEWHERE"],
        ),
    ];
    for (author, answer, expected) in table {
        let message = format!("From: {author}\nReply-To: {answer}\nSubject: x\n\nhello\n");
        assert_eq!(seen(&message, None, None), *expected, "{author} {answer}");
        let list = message.replace("Subject:", "List-Post: <mailto:x@y.example>\nSubject:");
        assert!(!seen(&list, None, None).iter().any(|name| name.starts_with("REPLY")));
    }
}

#[test]
fn strangers_who_ask_for_money() {
    let message = "From: Ann <ann@other.example>\nSubject: urgent\n\n\
                   Our bank details have changed. Please use the new IBAN at once.\n";
    assert_eq!(seen(message, None, None), ["BANK_CHANGE_REQUEST"]);
    assert_eq!(
        seen(message, None, Some(true)),
        ["BANK_CHANGE_REQUEST", "FIRST_TIME_SENDER", "FIRST_TIME_SENDER_MONEY"]
    );
    assert_eq!(seen(&from("Ann <ann@other.example>"), None, Some(true)), ["FIRST_TIME_SENDER"]);
    let boss = "From: Jane Doe <jane.doe.ceo@gmail.com>\nSubject: Hi\n\nAre you available?\n";
    assert_eq!(seen(boss, None, None), ["PERSON_IMPERSONATED", "PRETENDER_ASKS"]);
}

#[test]
fn a_first_letter_is_marked_when_the_site_wants_it() {
    let settings = Impersonation {
        first_time_banner: Some("new".into()),
        first_time_tag: Some("[NEW]".into()),
        ..Impersonation::default()
    };
    assert_eq!(banner(&settings, Some(true)).len(), 3);
    assert_eq!(banner(&settings, Some(false)), [Order::RemoveHeader("X-Postern-Banner".into())]);
    assert!(banner(&Impersonation::default(), Some(true)).is_empty());
}

#[test]
fn hostile_messages_end_soon() {
    let many = "PayPal Microsoft Google ".repeat(20_000);
    for message in [
        from(&format!("\"{many}\" <a@b.example>")),
        from("a@x.example").replace("hello", &many),
        format!("{}\n{many}", from("a@x.example")),
        format!("{}\n{}", from("a@x.example"), "\u{a9} ".repeat(300_000)),
        format!("{}\n{}", from("a@x.example"), "bank account new pay ".repeat(100_000)),
        format!("Reply-To: {}\n\n", "a@paypa1.example,".repeat(5_000)),
    ] {
        seen(&message, None, Some(true));
    }
}
