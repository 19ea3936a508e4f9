//! What rules are asked about past mail is what they were asked when it came, and drafts are
//! told apart from the rules in force.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::analysis::attachments::Enclosures;
use crate::analysis::{Look, markings};
use crate::config::{self, Config};
use crate::journal::{Event, Journal, Story};
use crate::mail::{
    Class, ContentHit, Envelope, Facts, Finding, HeaderField, Judgement, MailId, Manners,
    Recipient, ReversePath, Role, Severity, Summary, TlsFacts, Verdict,
};
use crate::message::contents::{Contents, Limits};
use crate::message::{Anatomy, Authorship};
use crate::policy::asked::Asked;
use crate::policy::attachments::Files;
use crate::policy::rules::{Circumstances, Groups};
use crate::policy::{Case, PartyGroups, inspection};

const CONFIG: &str = "
[system]
hostname = 'mx.own.test'
data_dir = '/data'
postmaster = 'postmaster@own.test'
[[domain]]
name = 'own.test'
next_hop = ['smtp://10.0.0.5:25']
[[group]]
name = 'finance'
members = ['ann@own.test', '@pay.own.test']
";

fn book(rules: &str) -> Arc<RuleBook> {
    let config = Config::parse(CONFIG, "c".as_ref(), "/".as_ref()).unwrap();
    let groups = Groups::configured(&config.group);
    Arc::new(RuleBook::parse(rules, "policy.toml", &groups).unwrap())
}

fn policy(rules: &str) -> PolicySet {
    let config = Config::parse(CONFIG, "c".as_ref(), "/".as_ref()).unwrap();
    PolicySet::of(&config).with_rules(book(rules), TimeZone::UTC)
}

/// A mail as it was looked into.
#[derive(Debug, Clone)]
struct Past {
    id: MailId,
    envelope: Envelope,
    facts: Facts,
    groups: PartyGroups,
    look: Look,
}

impl Past {
    fn case(&self) -> Case<'_> {
        let (envelope, facts, groups) = (&self.envelope, &self.facts, &self.groups);
        Case { envelope, facts, id: self.id, octets: 1_234, groups }
    }

    fn plain(recipients: &[&str]) -> Past {
        let recipient = |text: &&str| Recipient::plain(text.parse().unwrap());
        Past {
            id: MailId::mint(),
            envelope: Envelope {
                reverse_path: ReversePath::Mailbox("ann@own.test".parse().unwrap()),
                recipients: recipients.iter().map(recipient).collect(),
                body: Default::default(),
                smtputf8: false,
                dsn_return: None,
                envelope_id: None,
            },
            facts: Facts {
                role: Role::Outbound,
                client: "192.0.2.7".parse().unwrap(),
                helo: "client.test".into(),
                extended: true,
                tls: None,
                account: None,
                received_ms: 1_700_000_000_000,
                manners: Manners::default(),
            },
            groups: PartyGroups::default(),
            look: Look::default(),
        }
    }

    fn judgement(&self) -> Judgement {
        let mut findings = self.look.findings.clone();
        // What rules add themselves is not what they are asked.
        findings.push(Finding::new("POLICY_RULE", Class::Notice, 0.0, "acted"));
        Judgement {
            verdict: Verdict::Clean,
            score: 0.0,
            findings,
            summary: self.look.summary.clone(),
            dispositions: Vec::new(),
            orders: Vec::new(),
        }
    }

    fn record(&self, journal: &Journal, policy: &PolicySet) {
        journal.record(self.id, Event::received(&self.envelope, &self.facts, 1_234));
        journal.record(self.id, Event::judged(&self.judgement()));
        let kept = inspection(&self.case(), &self.look, policy);
        journal.record(self.id, Event::Inspected(Box::new(kept)));
    }

    /// What rules were asked when it came, for each recipient.
    fn asked(&self, policy: &PolicySet) -> Vec<String> {
        let files = Files::of(&self.look.enclosures);
        let case = self.case();
        let asked = Asked::of(&case, &self.look, &files, policy);
        let recipients = self.envelope.recipients.iter().enumerate();
        let all = recipients.map(|(at, one)| {
            let known = self.groups.recipients.get(at);
            let groups = policy.memberships.of(Some(&one.forward_path), known);
            shown(&asked.circumstances(&one.forward_path, &groups, policy))
        });
        all.collect()
    }
}

fn shown(circumstances: &Circumstances<'_>) -> String {
    format!("{circumstances:?}")
}

fn stories(journal: &Journal) -> Vec<Story> {
    let mut stories = Vec::new();
    let show = &mut |story: Story| {
        stories.push(story);
        ControlFlow::Continue(())
    };
    journal.walk(0, show).unwrap();
    stories
}

fn journal(dir: &tempfile::TempDir) -> Arc<Journal> {
    Journal::open(&config::Journal::default(), dir.path()).unwrap()
}

/// A look with files: a message with some attachments.
fn enclosures(names: &[String]) -> Arc<Enclosures> {
    let mut text = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n".to_owned();
    for name in names {
        text.push_str(&format!(
            "\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: \
             attachment; filename=\"{name}\"\r\n\r\n%PDF-1.4 {name}"
        ));
    }
    text.push_str("\r\n--b--\r\n");
    let message = Bytes::from(text);
    let anatomy = Anatomy::of(&message, crate::message::Limits::default());
    let contents = Contents::of(&anatomy, Limits::default(), &mut |_, _| {});
    Arc::new(Enclosures::of(&message, &anatomy, Arc::new(contents)))
}

fn facts() -> impl Strategy<Value = Facts> {
    let role = prop::sample::select(vec![Role::Inbound, Role::Outbound, Role::Submission]);
    let tls = prop::option::of(prop::sample::select(vec!["TLSv1.2", "TLSv1.3", "other"]));
    let account = prop::option::of("[a-z]{1,8}");
    (role, any::<[u8; 4]>(), tls, account, 0u64..2_000_000_000_000).prop_map(
        |(role, client, tls, account, received_ms)| Facts {
            role,
            client: client.into(),
            helo: "client.test".into(),
            extended: true,
            tls: tls.map(|version| TlsFacts { version: version.into(), cipher: "X".into() }),
            account,
            received_ms,
            manners: Manners::default(),
        },
    )
}

fn look() -> impl Strategy<Value = Look> {
    let name =
        prop::sample::select(vec!["SPF_PASS", "SPF_FAIL", "DKIM_VALID", "DMARC_FAIL", "SEEN"]);
    let class = prop::sample::select(Class::ALL.to_vec());
    let finding = (name, class.clone(), -5.0f32..9.0)
        .prop_map(|(name, class, score)| Finding::new(name, class, score, "x"));
    let hit = ("[A-Z_]{1,12}", class, 1u32..50).prop_map(|(rule, class, count)| ContentHit {
        rule,
        class,
        severity: Severity::High,
        count,
    });
    let field = prop::sample::select(vec!["Subject", "To", "X-Mailer", "x-note", "Importance"]);
    let field = (field, "[ -~é]{0,40}")
        .prop_map(|(name, value)| HeaderField { name: name.to_owned(), value });
    let line = prop::sample::select(vec!["RESTRICTED", "OFFICIAL-SENSITIVE", "hello", "SECRET"]);
    let from = prop::sample::select(vec!["", "a@x.test", "A <a@x.test>, b@y.test", "a@b@c d@e.f"]);
    let files = prop::collection::vec("[a-z]{1,6}(\\.[a-z]{1,4}){0,2}", 0..4);
    let findings = prop::collection::vec(finding, 0..8);
    let content = prop::collection::vec(hit, 0..5);
    let header = prop::collection::vec(field, 0..8);
    (findings, content, header, line, from, files, prop::option::of(facts())).prop_map(
        |(findings, content, header, line, from, files, relayed)| {
            let message = format!("From: {from}\r\nSubject: {line}\r\n\r\n{line}\r\n");
            let message = Bytes::from(message);
            let anatomy = Anatomy::of(&message, crate::message::Limits::default());
            let mut seeker = markings::Seeker::default();
            seeker.message(&anatomy);
            Look {
                findings,
                content,
                author: anatomy.author(),
                header,
                markings: seeker.finish(),
                summary: Summary { subject: "as shown".into(), ..Summary::default() },
                relayed,
                enclosures: enclosures(&files),
                ..Look::default()
            }
        },
    )
}

fn past() -> impl Strategy<Value = Past> {
    let sender = prop::sample::select(vec!["", "ann@own.test", "Eve@Else.test", "x@pay.own.test"]);
    let address = prop::sample::select(vec!["bob@own.test", "carl@else.test", "ann@own.test"]);
    let names = || prop::collection::vec("[a-z]{1,5}", 0..3);
    let recipients = prop::collection::vec((address, names()), 1..4);
    (sender, recipients, names(), facts(), look()).prop_map(
        |(sender, recipients, groups, facts, look)| {
            let paths: Vec<&str> = recipients.iter().map(|(path, _)| *path).collect();
            let mut past = Past::plain(&paths);
            past.envelope.reverse_path = match sender {
                "" => ReversePath::Null,
                sender => ReversePath::Mailbox(sender.parse().unwrap()),
            };
            let of_recipients = recipients.into_iter().map(|(_, groups)| groups).collect();
            past.groups = PartyGroups { sender: groups, recipients: of_recipients };
            Past { facts, look, ..past }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn past_mail_is_asked_what_it_was_asked_when_it_came(
        mails in prop::collection::vec(past(), 1..12)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (journal, policy) = (journal(&dir), policy("[[rule]]\nname = 'r'\norders = ['archive']"));
        mails.iter().for_each(|past| past.record(&journal, &policy));
        let stories = stories(&journal);
        prop_assert_eq!(stories.len(), mails.len());
        for (past, story) in mails.iter().zip(&stories) {
            let mail = Recalled::of(story).unwrap();
            prop_assert_eq!(mail.mail_id, past.id);
            let mut again = Vec::new();
            mail.with(&policy, |_, circumstances| again.push(shown(circumstances)));
            // What a finding says in words is not asked, but it is the same, too.
            prop_assert_eq!(again, past.asked(&policy));
        }
    }
}

fn recalled(past: &Past) -> Recalled {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir);
    past.record(&journal, &policy("[[rule]]\nname = 'r'\norders = ['archive']"));
    Recalled::of(&stories(&journal)[0]).unwrap()
}

fn ask(before: &str, after: &str, mail: &Recalled) -> Replayed {
    Replay::new(policy(before), book(after)).ask(mail)
}

const KEEP: &str = "[[rule]]\nname = 'keep'\nwhen = { subject = 'plan' }\norders = ['archive']\n";
const STOP: &str = "[[rule]]\nname = 'stop'\nwhen = { content = { rule = 'CARDS' }, forward_path \
                    = '@else.test' }\norders = [{ reject = 'not by mail' }]\n";

#[test]
fn a_draft_is_told_apart_for_each_recipient() {
    let mut past = Past::plain(&["bob@own.test", "carl@else.test"]);
    past.look.summary.subject = "our plan".into();
    past.look.content = vec![ContentHit {
        rule: "CARDS".into(),
        class: Class::Policy,
        severity: Severity::High,
        count: 3,
    }];
    let mail = recalled(&past);
    let draft = format!("{KEEP}{STOP}");
    let replayed = ask(KEEP, &draft, &mail);
    assert_eq!(replayed.unknown, Vec::<String>::new());
    assert_eq!(replayed.recipients, 2);
    let [change] = &*replayed.changes else { panic!("{replayed:?}") };
    assert_eq!((change.recipient, &*change.user), (1, "ann@own.test"));
    assert_eq!((&*change.before.order, &change.before.rule), ("none", &None));
    assert_eq!(change.after.order, "reject \"not by mail\"");
    assert_eq!(change.after.rule.as_deref(), Some("stop"));
    assert_eq!(change.after.orders, change.before.orders);
    let mut tally = Tally::default();
    tally.add(&replayed);
    assert_eq!((tally.mails, tally.recipients, tally.changed), (1, 2, 1));
    assert_eq!(tally.rules["stop"], RuleCount { newly: 1, no_more: 0, otherwise: 0 });
    assert_eq!(tally.users["ann@own.test"], 1);
    // The same by rules of other names is no change.
    assert!(ask(KEEP, &KEEP.replace("keep", "preserve"), &mail).changes.is_empty());
    let less = ask(&draft, "", &mail);
    assert_eq!(less.changes.len(), 2);
}

#[test]
fn what_is_not_known_is_said() {
    let mut past = Past::plain(&["carl@else.test"]);
    let field = |name: &str, value: &str| HeaderField { name: name.into(), value: value.into() };
    past.look.header = vec![field("User-Agent", "Mail"), field("X-Note", "yes")];
    let mail = recalled(&past);
    let on = |name: &str| {
        format!(
            "[[rule]]\nname = 'r'\nwhen = {{ header = {{ name = '{name}', contains = 'yes' }} }}\n\
             orders = ['archive']\n"
        )
    };
    assert_eq!(ask("", &on("X-Note"), &mail).unknown, Vec::<String>::new());
    assert_eq!(ask("", &on("X-Note"), &mail).changes.len(), 1);
    assert_eq!(ask("", &on("X-Other"), &mail).unknown, Vec::<String>::new());
    let unsure = ask("", &on("User-Agent"), &mail);
    assert_eq!(unsure.unknown, ["header user-agent"]);
    assert!(Replay::new(policy(""), book(&on("User-Agent"))).would_read(&mail));
    let mut read = mail.clone();
    read.read(vec![field("User-Agent", "yes")], &Authorship::Absent);
    let sure = ask("", &on("User-Agent"), &read);
    assert_eq!((sure.unknown.len(), sure.changes.len()), (0, 1));

    // Before inspections were kept.
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&dir);
    journal.record(past.id, Event::received(&past.envelope, &past.facts, 1_234));
    journal.record(past.id, Event::judged(&past.judgement()));
    let old = Recalled::of(&stories(&journal)[0]).unwrap();
    assert_eq!(ask("", STOP, &old).unknown, ["content"]);
    assert_eq!(ask("", KEEP, &old).unknown, Vec::<String>::new());
}
