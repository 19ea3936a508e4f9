//! The corpus of Mail::DKIM, and what no signature may get away with.

use std::fmt::Write;

use base64::Engine;
use bytes::Bytes;
use mail_auth::common::crypto::{Ed25519Key, SigningKey};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner};

use super::super::dkim::{DkimCheck, DkimResult};
use super::{corpora, crlf, resolver, serve, signatures_of};

/// Signs as a domain; keeps its key.
pub(super) struct Signer {
    pkcs8: Vec<u8>,
    domain: String,
}

impl Signer {
    pub(super) fn new(domain: &str) -> Signer {
        Signer { pkcs8: Ed25519Key::generate_pkcs8().unwrap(), domain: domain.into() }
    }

    fn key(&self) -> Ed25519Key {
        Ed25519Key::from_pkcs8_maybe_unchecked_der(&self.pkcs8).unwrap()
    }

    /// The line of the key for a zone.
    pub(super) fn record(&self) -> String {
        let key = base64::engine::general_purpose::STANDARD.encode(self.key().public_key());
        format!("s._domainkey.{} TXT \"v=DKIM1; k=ed25519; p={key}\"\n", self.domain)
    }

    /// The message with a signature on top.
    pub(super) fn sign(&self, message: &str) -> Bytes {
        self.sign_fields(message, &["From", "To", "Subject", "Date"], false)
    }

    pub(super) fn sign_fields(&self, message: &str, fields: &[&str], length: bool) -> Bytes {
        let signer = DkimSigner::from_key(self.key()).domain(&self.domain).selector("s");
        let signer = signer.headers(fields.iter().copied()).body_length(length);
        let signature = signer.sign(message.as_bytes()).unwrap();
        format!("{}{message}", signature.to_header()).into()
    }

    /// The message with one set of ARC on top; the results are the sealer's word.
    pub(super) fn seal(&self, message: &str, results: &str) -> Bytes {
        let base64 = |octets: &[u8]| base64::engine::general_purpose::STANDARD.encode(octets);
        let sign = |fields: &[(&str, &str)]| {
            let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            let mut canonical: Vec<u8> = Vec::new();
            Canonicalization::Relaxed.canonicalize_headers(fields, &mut canonical);
            base64(&self.key().sign(canonical.as_slice()).unwrap())
        };
        let (head, body) = message.split_once("\r\n\r\n").unwrap();
        let signed = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let values: Vec<(&str, String)> =
            signed.map(|(name, value)| (name, format!("{value}\r\n"))).collect();
        let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        let hash = base64(ring::digest::digest(&ring::digest::SHA256, body.as_bytes()).as_ref());
        let who = format!("a=ed25519-sha256; d={}; s=s", self.domain);
        let open = format!(" i=1; {who}; c=relaxed; h={}; bh={hash}; b=", names.join(":"));
        let mut fields: Vec<(&str, &str)> =
            values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.push(("ARC-Message-Signature", &open));
        let signature = format!("{open}{}\r\n", sign(&fields));
        let results = format!(" {results}\r\n");
        let open = format!(" i=1; {who}; cv=none; b=");
        let seal = sign(&[
            ("ARC-Authentication-Results", &results),
            ("ARC-Message-Signature", &signature),
            ("ARC-Seal", &open),
        ]);
        format!(
            "ARC-Seal:{open}{seal}\r\nARC-Message-Signature:{signature}\
             ARC-Authentication-Results:{results}{message}"
        )
        .into()
    }
}

fn zone(text: &str) -> String {
    let mut table = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once(char::is_whitespace).unwrap();
        match value.trim() {
            "NXDOMAIN" => {}
            "~~Query timed out~~" | "~~SERVFAIL~~" => writeln!(table, "{name} TEMPORARY").unwrap(),
            "\"\"" => writeln!(table, "{name} TXT \"\"").unwrap(),
            value => {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                writeln!(table, "{name} TXT \"{value}\"").unwrap();
            }
        }
    }
    table
}

fn words(checks: &[DkimCheck]) -> String {
    let word = |check: &DkimCheck| match check.why.as_str() {
        "" => check.result.to_string(),
        why => format!("{} ({why})", check.result),
    };
    checks.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn the_corpus_is_judged_as_its_names_say() {
    let root = corpora().join("dkim");
    let Ok(records) = std::fs::read(root.join("FAKE_DNS.dat")) else {
        println!("skipped: no {}", root.display());
        return;
    };
    let server = serve(&zone(&String::from_utf8_lossy(&records)));
    let resolver = resolver(&server);
    let mut files: Vec<_> = std::fs::read_dir(root.join("corpus"))
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    files.sort();
    let mut differing = Vec::new();
    for name in &files {
        let message = crlf(&std::fs::read(root.join("corpus").join(name)).unwrap());
        let found = signatures_of(&resolver, &message).await;
        assert!(!found.broken, "{name}");
        let words = words(&found.dkim);
        println!("{name}: {words}");
        let holds = found.dkim.iter().any(|check| check.result == DkimResult::Pass);
        // SHA-1 and keys of 512 bits were fine when most of these were made.
        let distrusted = found.dkim.iter().any(|check| check.result == DkimResult::Policy);
        let good = ["good", "mine", "multiple"].iter().any(|word| name.starts_with(word));
        let bad = name.starts_with("bad") || name.starts_with("ignore");
        if (good && !holds && !distrusted) || (bad && holds) {
            differing.push(name.as_str());
        }
    }
    println!("{} files, {} differ", files.len(), differing.len());
    let known: Vec<&str> =
        DIFFERENCES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let (mut differing, mut known) = (differing, known);
    differing.sort_unstable();
    known.sort_unstable();
    assert_eq!(differing, known);
}

/// Files whose name says otherwise, by the reason.
const DIFFERENCES: [(&str, &[&str]); 2] = [
    (
        "DomainKeys (RFC 4870) is historic: such fields are not looked at",
        &[
            "good_dk_1.txt",
            "good_dk_2.txt",
            "good_dk_3.txt",
            "good_dk_4.txt",
            "good_dk_5.txt",
            "good_dk_6.txt",
            "good_dk_7.txt",
            "good_dk_gmail.txt",
            "good_dk_yahoo.txt",
        ],
    ),
    (
        "signatures of the drafts before RFC 4871, without v=1",
        &[
            "good_ietf00_1.txt",
            "good_ietf00_2.txt",
            "good_ietf00_3.txt",
            "good_ietf00_4.txt",
            "good_ietf00_5.txt",
            "good_ietf01_1.txt",
            "good_ietf01_2.txt",
            "mine_ietf01_1.txt",
            "mine_ietf01_2.txt",
            "mine_ietf01_3.txt",
            "mine_ietf01_4.txt",
            "mine_ietf05_1.txt",
            "multiple_1.txt",
        ],
    ),
];

const MESSAGE: &str =
    "From: a@x.test\r\nTo: b@y.test\r\nSubject: one\r\nDate: today\r\n\r\nbody\r\n";

fn text(message: &Bytes) -> String {
    String::from_utf8(message.to_vec()).unwrap()
}

#[tokio::test]
async fn what_is_not_covered_is_not_believed() {
    let signer = Signer::new("x.test");
    let server = serve(&signer.record());
    let resolver = resolver(&server);
    let good = text(&signer.sign(MESSAGE));
    let oversigned = text(&signer.sign_fields(MESSAGE, &["From", "From", "Subject"], false));
    let cut = text(&signer.sign_fields(MESSAGE, &["From"], true));
    let doubled = good.replace("d=x.test", "d=x.test; d=x.test");
    let table = [
        (good.clone(), DkimResult::Pass),
        (good.replace("body\r\n", "bodY\r\n"), DkimResult::Fail),
        (good.replace("Subject: one", "Subject: two"), DkimResult::Fail),
        (good.replace("Subject: one", "SUBJECT:  one "), DkimResult::Pass),
        (format!("{good}\r\n\r\n"), DkimResult::Pass),
        // The lowest is covered; that a second stands above is for the author to decide.
        (good.replace("From: a@x.test", "From: z@z.test\r\nFrom: a@x.test"), DkimResult::Pass),
        (oversigned.clone(), DkimResult::Pass),
        (
            oversigned.replace("From: a@x.test", "From: z@z.test\r\nFrom: a@x.test"),
            DkimResult::Fail,
        ),
        (cut.clone(), DkimResult::Pass),
        (format!("{cut}and more\r\n"), DkimResult::Policy),
        (cut.replace("l=6", "l=7"), DkimResult::Fail),
        (cut.replace("l=6", "l=0"), DkimResult::Policy),
        (doubled, DkimResult::Neutral),
        (text(&signer.sign_fields(MESSAGE, &["Subject"], false)), DkimResult::Neutral),
        (good.replace("v=1", "v=2"), DkimResult::Neutral),
        (good.replace("d=x.test", "d=y.test"), DkimResult::PermError),
        (good.replace("d=x.test", "d=x.test; i=@y.test"), DkimResult::Neutral),
        (good.replace("d=x.test", "d=x.test; x=1000000000"), DkimResult::Neutral),
        (good.replace("d=x.test", "d=x.test; q=dns/other"), DkimResult::Neutral),
    ];
    for (message, expected) in table {
        let found = signatures_of(&resolver, &message.clone().into()).await;
        assert_eq!(found.dkim.len(), 1, "{message}");
        assert_eq!(found.dkim[0].result, expected, "{message}\n{found:?}");
    }
}

#[tokio::test]
async fn keys_are_believed_within_limits_only() {
    let signer = Signer::new("x.test");
    let record = signer.record();
    let message = signer.sign(MESSAGE);
    let with = |more: &str| record.replace("v=DKIM1;", &format!("v=DKIM1; {more};"));
    let huge = base64::engine::general_purpose::STANDARD.encode(rsa_public_key(8192));
    let table = [
        (record.clone(), DkimResult::Pass),
        (with("t=y"), DkimResult::Pass),
        (with("t=s"), DkimResult::Pass),
        (with("h=sha256:sha1"), DkimResult::Pass),
        (with("h=sha1"), DkimResult::PermError),
        (with("s=tlsrpt"), DkimResult::PermError),
        (with("p=").replace("ed25519; p=", "ed25519; z="), DkimResult::PermError),
        (record.replace("v=DKIM1; ", ""), DkimResult::Pass),
        (record.replace("DKIM1", "DKIM2"), DkimResult::PermError),
        (record.replace("ed25519", "rsa"), DkimResult::PermError),
        (format!("s._domainkey.x.test TXT \"v=DKIM1; p={huge}\"\n"), DkimResult::PermError),
        (format!("s._domainkey.x.test TXT \"rubbish\"\n{record}"), DkimResult::Pass),
        (String::new(), DkimResult::PermError),
        ("s._domainkey.x.test TEMPORARY\n".into(), DkimResult::TempError),
    ];
    for (zone, expected) in table {
        let server = serve(&zone);
        let found = signatures_of(&resolver(&server), &message).await;
        assert_eq!(found.dkim[0].result, expected, "{zone}\n{found:?}");
    }
}

/// A modulus of so many bits, not of a real key.
fn rsa_public_key(bits: usize) -> Vec<u8> {
    let modulus: Vec<u8> = [0].into_iter().chain(std::iter::repeat_n(0xc1, bits / 8)).collect();
    let der = |tag: u8, inner: &[u8]| {
        let length = u16::try_from(inner.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &length, inner].concat()
    };
    let inside = [der(2, &modulus), vec![2, 3, 1, 0, 1]].concat();
    der(0x30, &inside)
}

#[tokio::test]
async fn many_signatures_cost_little() {
    let signer = Signer::new("x.test");
    let server = serve(&signer.record());
    let resolver = resolver(&server);
    let good = text(&signer.sign(MESSAGE));
    let field = good.strip_suffix(MESSAGE).unwrap();
    // Each would be another key and another digest.
    let many: String = (0..1_500)
        .map(|at| {
            let field = field.replace("d=x.test", &format!("d=x{at}.test"));
            field.replace("c=relaxed", &format!("l={at}; c=relaxed"))
        })
        .collect();
    let body = "line of text\r\n".repeat(300_000);
    let message = format!("{many}{good}{body}");
    let before = std::time::Instant::now();
    let found = signatures_of(&resolver, &message.into()).await;
    assert_eq!((found.dkim.len(), found.ignored), (10, 1_491));
    assert!(server.questions() <= 20, "{}", server.questions());
    assert!(before.elapsed().as_secs() < 8, "{:?}", before.elapsed());
}
