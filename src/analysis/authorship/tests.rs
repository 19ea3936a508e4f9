use bytes::Bytes;

use super::*;
use crate::analysis::weights::Weights;
use crate::mail::Class;
use crate::message::Limits;

fn names(head: &str) -> Vec<&'static str> {
    let octets = Bytes::from(format!("{head}\r\n\r\ntext\r\n"));
    let anatomy = Anatomy::of(&octets, Limits::default());
    look(&anatomy, &anatomy.author()).iter().map(|sighting| sighting.name).collect()
}

#[test]
fn authors_are_sighted() {
    let table: [(&str, &[&str]); 43] = [
        ("From: Ann <a@x.test>", &[]),
        ("Subject: x", &[]),
        ("From: Bank", &["AUTHOR_WITHOUT_ADDRESS"]),
        ("Sender: a@x.test", &["SENDER_WITHOUT_AUTHOR"]),
        ("From: \r\nSender: A <a@x.test>", &["AUTHOR_WITHOUT_ADDRESS", "SENDER_WITHOUT_AUTHOR"]),
        ("From: <>\r\nSender: a@x.test", &["AUTHOR_WITHOUT_ADDRESS", "SENDER_WITHOUT_AUTHOR"]),
        ("From: a@x.test\r\nSender: b@y.test", &[]),
        ("From: a@x.test\r\nFrom: b@y.test", &["AUTHOR_FIELDS_DIFFER"]),
        ("From : a@x.test", &["AUTHOR_FIELD_HIDDEN"]),
        ("From: a@x.test\0, b@y.test", &["AUTHOR_CUT_OFF"]),
        ("From: <=?utf-8?q?a=40y.test?=@x.test>", &["AUTHOR_ENCODED"]),
        ("From: <@y.test:a@x.test>", &["AUTHOR_ROUTED"]),
        ("From: a@x.test.", &["AUTHOR_DISGUISED"]),
        ("From: A: a@x.test;", &["AUTHOR_GROUP"]),
        ("From: a@x@y.test", &["AUTHOR_UNREADABLE"]),
        ("From: a@y.test <b@x.test>", &["AUTHOR_EQUIVOCAL"]),
        ("From: a@x.test, b@x.test", &["AUTHORS_WITHOUT_SENDER"]),
        ("From: a@x.test, b@x.test\r\nSender: a@x.test", &["AUTHORS_WITH_SENDER"]),
        ("From: \"a@bank.com\" <b@x.test>", &["AUTHOR_NAME_IS_ADDRESS"]),
        ("From: \"<a@bank.com>\" <a@bank.com>", &[]),
        ("From: =?utf-8?q?=27a=40bank=2Ecom=27?= <b@x.test>", &["AUTHOR_NAME_IS_ADDRESS"]),
        ("From: \"a＠bank．com\" <b@x.test>", &["AUTHOR_NAME_IS_ADDRESS"]),
        ("From: b@x.test (a@bank.com)", &["AUTHOR_NAME_IS_ADDRESS"]),
        ("From: \"a@bank.com via Forms\" <b@x.test>", &["AUTHOR_NAME_HOLDS_ADDRESS"]),
        ("From: \"a@mail.bank.com\" <b@bank.com>", &[]),
        ("From: \"a@home\" <b@x.test>", &[]),
        ("From: Info@Goodco <b@x.test>", &["AUTHOR_NAME_AT_SIGN"]),
        ("From: Anna @ Goodco <b@x.test>", &["AUTHOR_NAME_AT_SIGN"]),
        ("From: \"Anna @ Goodco\" <b@x.test>", &[]),
        ("From: \"a @ bank.com\" <b@x.test>", &["AUTHOR_NAME_IS_ADDRESS"]),
        ("From: a @ bank.com <b@x.test>", &["AUTHOR_NAME_IS_ADDRESS"]),
        ("From: \"a\u{a0}@\u{a0}bank . com\" <b@x.test>", &["AUTHOR_NAME_IS_ADDRESS"]),
        ("From: \"Team a @ bank.com\" <b@x.test>", &["AUTHOR_NAME_HOLDS_ADDRESS"]),
        (
            "From: \"\u{202e}moc.knab@a\" <b@x.test>",
            &["AUTHOR_NAME_DECEPTIVE", "AUTHOR_NAME_IS_ADDRESS"],
        ),
        ("From: \"a@bank.com\" <b@x.test>\r\nReply-To: A@bank.com", &["AUTHOR_NAME_EXPLAINED"]),
        ("From: \"a@bank.com\" <b@x.test>\r\nList-Id: <l.x.test>", &["AUTHOR_NAME_EXPLAINED"]),
        ("From: \"ann@bank.com\" <ann=bank.com@x.test>", &["AUTHOR_NAME_EXPLAINED"]),
        ("From: \"Ba\u{200b}nk\" <b@x.test>", &["AUTHOR_NAME_DECEPTIVE"]),
        (
            "From: \"Bank                                    x\" <b@x.test>",
            &["AUTHOR_NAME_DECEPTIVE"],
        ),
        ("From: a@x.test\r\nReply-To: nobody", &["REPLY_OR_SENDER_UNREADABLE"]),
        ("From: a@x.test\r\nSubject\r\n : x", &["HEADER_FOLD_BEFORE_COLON"]),
        ("From: a@x.test\r\nSubject: x\r\n \r\n y", &["HEADER_SHOWN_CUT_OFF"]),
        ("From: a@x.test\r\nSubject:\r\n x\r\n y\r\n ", &[]),
    ];
    for (head, expected) in table {
        assert_eq!(names(head), expected, "{head}");
    }
}

#[test]
fn doubts_refuse_and_explanations_do_not() {
    let weights = Weights::shipped().unwrap();
    let class_of = |name: &'static str| weights.weigh(Sighting::new(name, "")).class;
    for refused in ["AUTHOR_EQUIVOCAL", "AUTHOR_NAME_IS_ADDRESS", "AUTHORS_WITHOUT_SENDER"] {
        assert_eq!(class_of(refused), Class::Equivocal);
    }
    assert_eq!(class_of("AUTHOR_NAME_OTHER_ADDRESS"), Class::Phish);
    assert_eq!(class_of("AUTHOR_NAME_EXPLAINED"), Class::Notice);
}

#[test]
fn who_answers_for_the_author_decides_about_a_name_that_is_an_address() {
    let settled = |from: &str, vouching: &[&str], dmarc| {
        let message = bytes::Bytes::from(format!("From: {from}\r\n\r\nx\r\n"));
        let author = Anatomy::of(&message, crate::message::Limits::default()).author();
        let author_domain = match &author {
            Authorship::One(mailbox) => mailbox.address.domain().cloned(),
            _ => None,
        };
        let vouching = vouching.iter().map(|name| Domain::parse(name).unwrap()).collect();
        let authenticated = Authenticated { author_domain, dmarc, vouching };
        let is_ours = |host: &str| host == "own.test" || host.ends_with(".own.test");
        settle(&author, &authenticated, is_ours).map(|sighting| sighting.name)
    };
    use crate::analysis::{Dmarc, DmarcPolicy};
    let none = Dmarc::None;
    let fail = Dmarc::Fail(DmarcPolicy::None);
    let mild = Some("AUTHOR_NAME_OTHER_ADDRESS");
    let refused = Some("AUTHOR_NAME_IS_ADDRESS");
    let table: [(&str, &[&str], Dmarc, Option<&str>); 18] = [
        ("\"carl@mail.test\" <forms@own.test>", &["own.test"], Dmarc::Pass, mild),
        ("\"carl@mail.test\" <forms@www.own.test>", &["own.test"], none, mild),
        ("\"carl@mail.test\" <forms@own.test>", &[], none, None),
        ("\"carl@mail.test\" <forms@desk.test>", &["desk.test"], none, mild),
        ("\"carl@mail.test\" <forms@desk.test>", &["evil.test"], fail, None),
        ("\"carl@mail.test\" <forms@desk.test>", &[], none, None),
        // In the name of the house only the house itself.
        ("\"boss@own.test\" <x@evil.test>", &["evil.test"], Dmarc::Pass, refused),
        ("\"boss@sub.own.test\" <x@evil.test>", &["evil.test"], Dmarc::Pass, refused),
        ("\"Ann Boss boss@own.test\" <x@evil.test>", &["evil.test"], Dmarc::Pass, refused),
        ("\"Ann (boss@own.test)\" <x@evil.test>", &["evil.test"], Dmarc::Pass, refused),
        ("\"From: boss@own.test\" <x@evil.test>", &["evil.test"], Dmarc::Pass, refused),
        ("\"Ann Boss @ own.test\" <x@evil.test>", &[], none, refused),
        ("\"\u{202e}tset.nwo@ssob\" <x@evil.test>", &["evil.test"], Dmarc::Pass, refused),
        ("\"Calendar of boss@own.test\" <x@desk.test>", &["desk.test"], Dmarc::Pass, None),
        ("\"boss@own.test via Forms\" <x@desk.test>", &["desk.test"], Dmarc::Pass, None),
        ("\"Carl carl@mail.test\" <x@desk.test>", &[], none, None),
        ("\"boss@own.test\" <x@sub.own.test>", &["sub.own.test"], Dmarc::Pass, mild),
        ("\"carl@mail.test\" <a@own.test>, <b@own.test>", &["own.test"], Dmarc::Pass, None),
    ];
    for (from, vouching, dmarc, expected) in table {
        assert_eq!(settled(from, vouching, dmarc), expected, "{from} {vouching:?}");
    }
}
