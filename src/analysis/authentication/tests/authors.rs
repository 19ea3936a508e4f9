//! Who has to be vouched for, and what strangers can put beside it: silent names, other authors.

use super::dkim::Signer;
use super::stage::{FROM_EVIL, Way, ZONE, check, consequence, field, message, names};
use crate::analysis::Dmarc;
use crate::config::Consequence;

/// Names of somebody whose servers never answer.
const SILENT: &str = "*.dead.test TIMEOUT\ndead.test TIMEOUT\n";
/// Two seconds in all.
const SHORT: &str = "[authentication]\ntimeout_s = 2\n";

#[tokio::test]
async fn silent_names_in_a_mail_do_not_switch_off_dmarc() {
    let zone = format!("{ZONE}{SILENT}");
    let dead_path = Way { reverse_path: "x@y.dead.test", ..FROM_EVIL };
    let dead_helo = Way { reverse_path: "", helo: "h.dead.test", ..FROM_EVIL };
    let forged = message("a@bank.test");
    for way in [dead_path, dead_helo] {
        let outcome = check(&zone, SHORT, &way, forged.clone()).await;
        assert!(names(&outcome).contains(&"SPF_TEMPERROR"), "{:?}", names(&outcome));
        assert!(names(&outcome).contains(&"DMARC_REJECT"), "{:?}", names(&outcome));
        assert_eq!(consequence(&outcome), Consequence::Reject);
        let defer = format!("{SHORT}on_temperror = \"defer\"\n");
        let outcome = check(&zone, &defer, &way, forged.clone()).await;
        assert_eq!((consequence(&outcome), outcome.deferral), (Consequence::Reject, None));
    }
    let mut signed = forged.clone();
    for at in 0..9 {
        let signer = Signer::new(&format!("d{at}.dead.test"));
        signed = String::from_utf8(signer.sign(&signed).to_vec()).unwrap();
    }
    let outcome = check(&zone, SHORT, &FROM_EVIL, signed).await;
    assert!(names(&outcome).contains(&"DKIM_TEMPERROR"), "{:?}", names(&outcome));
    assert_eq!(consequence(&outcome), Consequence::Reject, "{:?}", names(&outcome));
    // Neither do they switch off what the administrator wants.
    let own =
        format!("{SHORT}[[authentication.override]]\ndomain = \"soft.test\"\ndmarc = \"reject\"\n");
    let way = Way { reverse_path: "x@y.dead.test", ..FROM_EVIL };
    let outcome = check(&zone, &own, &way, message("a@soft.test")).await;
    assert!(names(&outcome).contains(&"DMARC_REQUIRED"), "{:?}", names(&outcome));
}

#[tokio::test]
async fn silent_names_beside_an_author_who_is_vouched_for_change_nothing() {
    let signer = Signer::new("bank.test");
    let zone = format!("{ZONE}{SILENT}{}", signer.record());
    let stranger = Signer::new("d.dead.test");
    let once = String::from_utf8(stranger.sign(&message("a@bank.test")).to_vec()).unwrap();
    let way = Way { reverse_path: "x@y.dead.test", helo: "h.dead.test", ..FROM_EVIL };
    let defer = format!("{SHORT}on_temperror = \"defer\"\n");
    let outcome = check(&zone, &defer, &way, signer.sign(&once)).await;
    assert_eq!(outcome.authenticated.dmarc, Dmarc::Pass, "{:?}", outcome.sightings);
    assert_eq!((consequence(&outcome), outcome.deferral), (Consequence::Deliver, None));
}

#[tokio::test]
async fn only_the_authors_own_trouble_excuses() {
    // The author's own SPF record, and a key of his, do not answer.
    let zone = "_dmarc.bank.test TXT \"v=DMARC1; p=reject\"\nbank.test TIMEOUT\n\
                s._domainkey.mail.bank.test TIMEOUT\n";
    let way = Way { reverse_path: "x@bank.test", ..FROM_EVIL };
    let outcome = check(zone, SHORT, &way, message("a@bank.test")).await;
    assert!(names(&outcome).contains(&"DMARC_TEMPERROR"), "{:?}", names(&outcome));
    let signed = Signer::new("mail.bank.test").sign(&message("a@bank.test"));
    let outcome = check(zone, SHORT, &FROM_EVIL, signed).await;
    assert!(names(&outcome).contains(&"DMARC_TEMPERROR"), "{:?}", names(&outcome));
}

/// `ptr` asks for names that the client's owner chooses, and an explanation says nothing new.
#[tokio::test]
async fn silent_names_of_the_client_do_not_hide_what_spf_says() {
    let zone = "_dmarc.bank.test TXT \"v=DMARC1; p=reject\"\n\
                bank.test TXT \"v=spf1 ptr -all exp=%{p}.silent.test\"\n\
                192.0.2.66 PTR a.dead.test\n192.0.2.66 PTR b.dead.test\n\
                *.dead.test TIMEOUT\n*.silent.test TIMEOUT\n";
    let way = Way { reverse_path: "x@bank.test", ..FROM_EVIL };
    let outcome = check(zone, "", &way, message("a@bank.test")).await;
    assert!(names(&outcome).contains(&"SPF_FAIL"), "{:?}", outcome.sightings);
    assert_eq!(consequence(&outcome), Consequence::Reject);
}

#[tokio::test]
async fn every_author_must_be_vouched_for() {
    let with_sender = |authors: &str| format!("{authors}\r\nSender: x@evil.test");
    // Authors, outcome, consequence.
    let table = [
        (
            "a@bank.test, x@evil.test",
            Dmarc::Fail(crate::analysis::DmarcPolicy::Reject),
            Consequence::Reject,
        ),
        (
            "x@evil.test, a@bank.test",
            Dmarc::Fail(crate::analysis::DmarcPolicy::Reject),
            Consequence::Reject,
        ),
        (
            "x@evil.test, a@soft.test",
            Dmarc::Fail(crate::analysis::DmarcPolicy::Quarantine),
            Consequence::Quarantine,
        ),
        (
            "x@evil.test, a@soft.test, a@bank.test",
            Dmarc::Fail(crate::analysis::DmarcPolicy::Reject),
            Consequence::Reject,
        ),
        ("x@evil.test, a@down.test", Dmarc::Temporary, Consequence::Deliver),
        ("x@evil.test, a@unknown.test", Dmarc::None, Consequence::Deliver),
        ("x@evil.test, y@mail.evil.test", Dmarc::Pass, Consequence::Deliver),
        ("x@evil.test, y@evil.test", Dmarc::Pass, Consequence::Deliver),
    ];
    for (authors, result, asked) in table {
        let outcome = check(ZONE, "", &FROM_EVIL, message(&with_sender(authors))).await;
        assert_eq!(outcome.authenticated.dmarc, result, "{authors}: {:?}", outcome.sightings);
        assert_eq!(consequence(&outcome), asked, "{authors}");
        assert_eq!(outcome.authenticated.author_domain, None, "{authors}");
    }
    let both = message(&with_sender("a@bank.test, x@evil.test"));
    let outcome = check(ZONE, "", &FROM_EVIL, both.clone()).await;
    let results = "dmarc=fail header.from=bank.test policy.dmarc=reject; \
                   dmarc=pass header.from=evil.test policy.dmarc=none";
    assert!(field(&outcome).ends_with(results), "{}", field(&outcome));
    assert_eq!(outcome.observation.unwrap().policy_domain.as_str(), "bank.test");
    // The administrator's word for one author is none for the other.
    let own = "[[authentication.override]]\ndomain = \"evil.test\"\ndmarc = \"deliver\"\n";
    assert_eq!(consequence(&check(ZONE, own, &FROM_EVIL, both).await), Consequence::Reject);
}

#[tokio::test]
async fn a_crowd_of_authors_hides_nobody() {
    let mut authors: Vec<String> = (0..40).map(|at| format!("x@a{at}.evil.test")).collect();
    authors.push("a@bank.test".into());
    let from = format!("{}\r\nSender: x@evil.test", authors.join(",\r\n "));
    let outcome = check(ZONE, "", &FROM_EVIL, message(&from)).await;
    assert!(names(&outcome).contains(&"DMARC_PERMERROR"), "{:?}", names(&outcome));
    assert_eq!(consequence(&outcome), Consequence::Reject);
    assert_eq!(outcome.authenticated.dmarc, Dmarc::Permanent);
}

#[tokio::test]
async fn a_sender_in_the_authors_place_is_judged_and_never_passes() {
    for from in ["X-No: y", "From:", "From: <>", "From: Bank"] {
        let mail = |sender: &str| {
            message("z").replacen("From: z", &format!("{from}\r\nSender: {sender}"), 1)
        };
        let outcome = check(ZONE, "", &FROM_EVIL, mail("Bank <a@bank.test>")).await;
        assert_eq!(consequence(&outcome), Consequence::Reject, "{from}");
        assert!(names(&outcome).contains(&"DMARC_REJECT"), "{from} {:?}", names(&outcome));
        assert!(field(&outcome).contains("dmarc=fail (no author) header.sender=bank.test"));
        assert_eq!(outcome.observation, None);
        let outcome = check(ZONE, "", &FROM_EVIL, mail("x@evil.test")).await;
        assert_eq!(outcome.authenticated.dmarc, Dmarc::None, "{from}");
        assert!(!field(&outcome).contains("dmarc=pass"), "{}", field(&outcome));
        assert_eq!(outcome.demand, None);
    }
}

/// Nobody can answer to such an address, but its domain stands there for all to see.
#[tokio::test]
async fn a_local_part_that_is_too_long_hides_no_domain() {
    let long = format!("{}@bank.test", "a".repeat(70));
    for from in [long.clone(), format!("Bank <{long}>")] {
        let outcome = check(ZONE, "", &FROM_EVIL, message(&from)).await;
        assert_eq!(consequence(&outcome), Consequence::Reject, "{:?}", names(&outcome));
    }
}
