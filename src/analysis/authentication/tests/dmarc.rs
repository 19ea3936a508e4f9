//! Discovery, alignment and policies (RFC 9989), from tables.

use std::time::Duration;

use tokio::time::Instant;

use super::super::dmarc::{Evaluation, Identifier, Mechanism, Published};
use super::{resolver, serve};
use crate::analysis::{Dmarc, DmarcPolicy};
use crate::mail::Domain;

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

/// `dkim:x.test`, `spf:x.test`, with `?` at the end for what could not be checked.
fn identifiers(words: &str) -> Vec<Identifier> {
    let identifier = |word: &str| {
        let (mechanism, name) = word.split_once(':').unwrap();
        let mechanism = if mechanism == "dkim" { Mechanism::Dkim } else { Mechanism::Spf };
        let passed = !name.ends_with('?');
        Identifier { domain: domain(name.trim_end_matches('?')), mechanism, passed }
    };
    words.split_whitespace().map(identifier).collect()
}

async fn evaluate(zone: &str, author: &str, words: &str) -> (Evaluation, usize) {
    let server = serve(zone);
    let resolver = resolver(&server);
    let deadline = Instant::now() + Duration::from_secs(20);
    let found = match Published::of(resolver.as_ref(), &domain(author)).await {
        Ok(published) => published.judge(resolver.as_ref(), &identifiers(words), deadline).await,
        Err(why) => Evaluation::in_the_dark(why),
    };
    (found, server.questions())
}

const ZONE: &str = r#"
_dmarc.x.test TXT "v=DMARC1; p=reject; rua=mailto:d@x.test"
www.x.test A 192.0.2.1
_dmarc.strict.test TXT "v=DMARC1;p=quarantine;adkim=s;aspf=s"
_dmarc.sub.test TXT "v=DMARC1; p=reject; sp=none; np=quarantine"
real.sub.test A 192.0.2.1
_dmarc.np.test TXT "v=DMARC1; p=none; np=reject"
real.np.test TXT "x"
trouble.np.test TEMPORARY A
_dmarc.own.sub.test TXT "v=DMARC1; p=quarantine"
_dmarc.t.test TXT "v=DMARC1; p=reject; t=y"
_dmarc.tq.test TXT "v=DMARC1; p=quarantine; t=y"
_dmarc.several.test TXT "v=DMARC1; p=reject"
_dmarc.several.test TXT "v=DMARC1; p=none"
_dmarc.noise.test TXT "v=spf1 -all"
_dmarc.noise.test TXT "V = DMARC1 ; P = Reject"
_dmarc.case.test TXT "v=dmarc1; p=reject"
_dmarc.late.test TXT "p=reject; v=DMARC1"
_dmarc.nop.test TXT "v=DMARC1; adkim=s"
_dmarc.badp.test TXT "v=DMARC1; p=rejct"
_dmarc.badprua.test TXT "v=DMARC1; p=rejct; rua=mailto:d@x.test"
_dmarc.unknown.test TXT "v=DMARC1; p=reject; pct=0; q; =; foo=bar; adkim=z"
_dmarc.bank TXT "v=DMARC1; p=reject; np=reject; sp=quarantine; psd=y"
_dmarc.one.bank TXT "v=DMARC1; p=none"
_dmarc.uni.test TXT "v=DMARC1; p=reject"
_dmarc.dept.uni.test TXT "v=DMARC1; p=quarantine; psd=n"
_dmarc.down.test TEMPORARY
_dmarc.deep.test TXT "v=DMARC1; p=reject"
_dmarc.h.deep.test TXT "v=DMARC1; p=none; psd=n"
_dmarc.alias.test CNAME _dmarc.x.test
"#;

#[tokio::test]
async fn policies_and_alignment() {
    use DmarcPolicy::{None as Nothing, Quarantine, Reject};
    let table: &[(&str, &str, Dmarc)] = &[
        // Nobody vouches, and who does.
        ("x.test", "", Dmarc::Fail(Reject)),
        ("x.test", "dkim:x.test", Dmarc::Pass),
        ("x.test", "spf:x.test", Dmarc::Pass),
        ("x.test", "dkim:mail.x.test", Dmarc::Pass),
        ("x.test", "dkim:y.test spf:z.test", Dmarc::Fail(Reject)),
        ("x.test", "dkim:test", Dmarc::Fail(Reject)),
        ("x.test", "dkim:notx.test", Dmarc::Fail(Reject)),
        ("x.test", "dkim:x.test.evil.test", Dmarc::Fail(Reject)),
        ("news.x.test", "spf:x.test", Dmarc::Pass),
        ("news.x.test", "spf:bounce.x.test", Dmarc::Pass),
        ("a.b.c.x.test", "dkim:d.e.x.test", Dmarc::Pass),
        ("www.x.test", "", Dmarc::Fail(Reject)),
        ("absent.x.test", "", Dmarc::Fail(Reject)),
        ("alias.test", "", Dmarc::Fail(Reject)),
        // Strict.
        ("strict.test", "dkim:strict.test", Dmarc::Pass),
        ("strict.test", "dkim:mail.strict.test", Dmarc::Fail(Quarantine)),
        ("strict.test", "spf:mail.strict.test", Dmarc::Fail(Quarantine)),
        ("mail.strict.test", "spf:strict.test", Dmarc::Fail(Quarantine)),
        ("mail.strict.test", "spf:mail.strict.test", Dmarc::Pass),
        // Names below, those that do not exist, and those with a record of their own.
        ("sub.test", "", Dmarc::Fail(Reject)),
        ("real.sub.test", "", Dmarc::Fail(Nothing)),
        ("unreal.sub.test", "", Dmarc::Fail(Quarantine)),
        ("own.sub.test", "", Dmarc::Fail(Quarantine)),
        ("own.sub.test", "dkim:sub.test", Dmarc::Pass),
        ("below.own.sub.test", "", Dmarc::Fail(Quarantine)),
        ("real.np.test", "", Dmarc::Fail(Nothing)),
        ("unreal.np.test", "", Dmarc::Fail(Reject)),
        // Tests.
        ("t.test", "", Dmarc::Fail(Quarantine)),
        ("tq.test", "", Dmarc::Fail(Nothing)),
        // Records that are none.
        ("several.test", "", Dmarc::None),
        ("several.test", "dkim:several.test", Dmarc::None),
        ("noise.test", "", Dmarc::Fail(Reject)),
        ("case.test", "", Dmarc::None),
        ("late.test", "", Dmarc::None),
        ("nop.test", "", Dmarc::Fail(Nothing)),
        ("nop.test", "dkim:a.nop.test", Dmarc::Fail(Nothing)),
        ("badp.test", "", Dmarc::None),
        ("badprua.test", "", Dmarc::Fail(Nothing)),
        ("unknown.test", "dkim:a.unknown.test", Dmarc::Pass),
        ("unknown.test", "", Dmarc::Fail(Reject)),
        ("nothing.test", "dkim:nothing.test", Dmarc::None),
        // Registries and parts of an organisation.
        ("two.bank", "", Dmarc::Fail(Reject)),
        ("two.bank", "dkim:one.bank", Dmarc::Fail(Reject)),
        ("two.bank", "dkim:bank", Dmarc::Fail(Reject)),
        ("a.two.bank", "dkim:b.two.bank", Dmarc::Pass),
        ("one.bank", "", Dmarc::Fail(Nothing)),
        ("bank", "", Dmarc::Fail(Reject)),
        ("dept.uni.test", "dkim:uni.test", Dmarc::Fail(Quarantine)),
        ("a.dept.uni.test", "dkim:b.dept.uni.test", Dmarc::Pass),
        ("uni.test", "dkim:dept.uni.test", Dmarc::Fail(Reject)),
        ("uni.test", "dkim:other.uni.test", Dmarc::Pass),
        // Trouble is neither.
        ("down.test", "", Dmarc::Temporary),
        ("x.test", "dkim:x.test?", Dmarc::Temporary),
        ("x.test", "spf:a.x.test?", Dmarc::Temporary),
        ("x.test", "dkim:y.test?", Dmarc::Fail(Reject)),
        ("x.test", "dkim:x.test? spf:x.test", Dmarc::Pass),
        ("x.test", "dkim:a.x.test? spf:b.x.test dkim:y.test?", Dmarc::Pass),
        ("trouble.np.test", "dkim:np.test", Dmarc::Pass),
        ("trouble.np.test", "dkim:y.test?", Dmarc::Temporary),
        // Eight labels and more are cut to seven behind the first question.
        ("a.b.c.d.e.f.g.h.i.deep.test", "", Dmarc::Fail(Reject)),
        ("a.b.h.deep.test", "dkim:deep.test", Dmarc::Fail(Nothing)),
    ];
    for (author, words, expected) in table {
        let (found, _) = evaluate(ZONE, author, words).await;
        assert_eq!(found.result, *expected, "{author} {words}: {found:?}");
    }
}

#[tokio::test]
async fn a_walk_is_bounded() {
    let author = format!("{}x.test", "a.".repeat(100));
    let (found, questions) = evaluate("", &author, "").await;
    assert_eq!(found.result, Dmarc::None);
    assert!(questions <= 8, "{questions}");
    let mut words = String::new();
    for at in 0..11 {
        words += &format!("dkim:{at}.{}x.test ", "b.".repeat(50));
    }
    let zone = "_dmarc.x.test TXT \"v=DMARC1; p=reject; adkim=r\"\n";
    let (found, questions) = evaluate(zone, "x.test", &words).await;
    assert_eq!(found.result, Dmarc::Pass);
    assert!(questions <= 60, "{questions}");
}
