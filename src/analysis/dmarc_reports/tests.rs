use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use super::*;
use crate::store::dmarc::{
    Alignment, Applied, Asked, CheckResult, Discovery, OverrideKind, SpfScope,
};

/// 2026-11-21.
const NOW_MS: u64 = 1_795_219_200_000;

/// As the largest senders write it: no namespace, RFC 7489.
const PLAIN: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<feedback>
  <report_metadata>
    <org_name>big.example</org_name>
    <email>noreply-dmarc@big.example</email>
    <extra_contact_info>https://big.example/dmarc?a=1&amp;b=2</extra_contact_info>
    <report_id>15874403829910211983</report_id>
    <date_range><begin>1795046400</begin><end>1795132799</end></date_range>
  </report_metadata>
  <policy_published>
    <domain>Example.test</domain><adkim>r</adkim><aspf>s</aspf>
    <p>reject</p><sp>quarantine</sp><pct>100</pct>
  </policy_published>
  <record>
    <row>
      <source_ip>192.0.2.7</source_ip><count>12</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated>
    </row>
    <identifiers><header_from>example.test</header_from></identifiers>
    <auth_results>
      <dkim><domain>example.test</domain><result>pass</result><selector>s1</selector></dkim>
      <dkim><domain>list.example</domain><result>fail</result><selector>k</selector></dkim>
      <spf><domain>bounce.list.example</domain><result>softfail</result></spf>
    </auth_results>
  </record>
  <record>
    <row>
      <source_ip>2001:db8::7</source_ip><count>3</count>
      <policy_evaluated>
        <disposition>reject</disposition><dkim>fail</dkim><spf>fail</spf>
      </policy_evaluated>
    </row>
    <identifiers><envelope_from></envelope_from><header_from>example.test</header_from></identifiers>
    <auth_results><spf><domain>forger.example</domain><scope>helo</scope><result>none</result></spf></auth_results>
  </record>
</feedback>
"#;

/// As a mail suite of many tenants writes it: attributes on the root, a recipient's domain.
const WITH_SCHEMA: &str = r#"<?xml version="1.0"?>
<feedback xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <version>1.0</version>
  <report_metadata><org_name>Suite Example</org_name><email>dmarcreport@suite.example</email>
  <report_id>6f5cdd0acae34b0f94dc8b3d2c7d0b9d</report_id>
  <date_range><begin>1795046400</begin><end>1795132800</end></date_range></report_metadata>
  <policy_published><domain>example.test</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct><fo>0</fo></policy_published>
  <record><row><source_ip>198.51.100.9</source_ip><count>1</count>
  <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>pass</spf>
  <reason><type>forwarded</type><comment>by hand</comment></reason></policy_evaluated></row>
  <identifiers><envelope_to>tenant.example</envelope_to><envelope_from>example.test</envelope_from><header_from>example.test</header_from></identifiers>
  <auth_results><dkim><domain>example.test</domain><selector>x</selector><result>hardfail</result></dkim>
  <spf><domain>example.test</domain><scope>mfrom</scope><result>pass</result></spf></auth_results></record>
</feedback>"#;

/// RFC 9990, with its namespace under a prefix, other elements and an extension.
const NEWEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<d:feedback xmlns:d="urn:ietf:params:xml:ns:dmarc-2.0" xmlns:x="urn:x">
<d:version>1.0</d:version>
<d:report_metadata><d:org_name><![CDATA[Rue & Söhne]]></d:org_name><d:email>d@rue.example</d:email>
<d:report_id>&#60;20261118.1@rue.example&#x3E;</d:report_id>
<d:date_range><d:end>1795132799</d:end><d:begin>1795046400</d:begin></d:date_range>
<d:error>two records at _dmarc.example.test</d:error><d:generator>rue 2</d:generator></d:report_metadata>
<d:policy_published><d:domain>example.test</d:domain><d:discovery_method>treewalk</d:discovery_method>
<d:p>quarantine</d:p><d:np>reject</d:np><d:testing>y</d:testing></d:policy_published>
<d:extension><x:any><x:thing>1</x:thing></x:any></d:extension>
<d:record><d:row><d:source_ip>192.0.2.1</d:source_ip><d:count>5</d:count><d:policy_evaluated>
<d:disposition>pass</d:disposition><d:dkim>pass</d:dkim><d:spf>pass</d:spf>
<d:reason><d:type>policy_test_mode</d:type></d:reason></d:policy_evaluated></d:row>
<d:identifiers><d:header_from>sub.example.test</d:header_from></d:identifiers>
<d:auth_results><d:dkim><d:domain>example.test</d:domain><d:selector>a</d:selector><d:result>pass</d:result><d:human_result>good</d:human_result></d:dkim></d:auth_results>
<x:more/></d:record>
</d:feedback>"#;

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(octets).unwrap();
    packer.finish().unwrap()
}

/// An archive of these files, as archivers write it.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, octets) in files {
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
        packer.write_all(octets).unwrap();
        let packed = packer.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(octets);
        let mut shared = Vec::new();
        shared.extend_from_slice(&20u16.to_le_bytes());
        shared.extend_from_slice(&0u16.to_le_bytes());
        shared.extend_from_slice(&8u16.to_le_bytes());
        shared.extend_from_slice(&[0; 4]);
        shared.extend_from_slice(&crc.sum().to_le_bytes());
        shared.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        shared.extend_from_slice(&(octets.len() as u32).to_le_bytes());
        shared.extend_from_slice(&(name.len() as u16).to_le_bytes());
        shared.extend_from_slice(&0u16.to_le_bytes());
        let at = archive.len() as u32;
        archive.extend_from_slice(b"PK\x03\x04");
        archive.extend_from_slice(&shared);
        archive.extend_from_slice(name.as_bytes());
        archive.extend_from_slice(&packed);
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&shared);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let at = archive.len() as u32;
    let count = files.len() as u16;
    archive.extend_from_slice(&directory);
    archive.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    archive.extend_from_slice(&count.to_le_bytes());
    archive.extend_from_slice(&count.to_le_bytes());
    archive.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    archive.extend_from_slice(&at.to_le_bytes());
    archive.extend_from_slice(&[0; 2]);
    archive
}

fn mail(media: &str, name: &str, octets: &[u8]) -> Bytes {
    let mut text = format!(
        "From: r@big.example\r\nTo: d@example.test\r\nSubject: Report Domain: example.test\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
         Content-Type: text/plain\r\n\r\nA report.\r\n--b\r\nContent-Type: {media}\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    for line in STANDARD.encode(octets).as_bytes().chunks(76) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push_str("\r\n");
    }
    text.push_str("--b--\r\n");
    text.into()
}

fn read_mail(message: &Bytes) -> Result<Report, Broken> {
    receive(&Anatomy::of(message, Limits::default()), NOW_MS)
}

fn read(xml: &[u8]) -> Result<Report, Broken> {
    read_mail(&mail("application/gzip", "r.xml.gz", &gzip(xml)))
}

#[test]
fn a_report_of_the_old_form_is_understood() {
    let report = read(PLAIN.as_bytes()).unwrap();
    assert_eq!(report.org_name, "big.example");
    assert_eq!(report.contact, "noreply-dmarc@big.example, https://big.example/dmarc?a=1&b=2");
    assert_eq!((report.begin_s, report.end_s), (1_795_046_400, 1_795_132_799));
    let policy = &report.policy;
    assert_eq!(
        (policy.domain.as_str(), policy.p, policy.sp),
        ("example.test", Asked::Reject, Some(Asked::Quarantine))
    );
    assert_eq!((policy.adkim, policy.aspf), (Some(Alignment::Relaxed), Some(Alignment::Strict)));
    assert_eq!((policy.pct, policy.np, policy.testing), (Some(100), None, None));
    let [one, other] = report.rows.as_slice() else { panic!("{report:?}") };
    assert_eq!((one.count, one.row.aligned_dkim, one.row.aligned_spf), (12, true, false));
    assert_eq!(one.row.dkim.len(), 2);
    assert_eq!(one.row.spf[0].result, CheckResult::SoftFail);
    assert_eq!(
        (one.row.envelope_from.as_deref(), other.row.envelope_from.as_deref()),
        (None, Some(""))
    );
    assert_eq!((other.row.disposition, other.row.spf[0].scope), (Applied::Reject, SpfScope::Helo));
}

#[test]
fn other_forms_are_understood() {
    let suite = read(WITH_SCHEMA.as_bytes()).unwrap();
    assert_eq!(suite.rows[0].row.envelope_to.as_deref(), Some("tenant.example"));
    assert_eq!(suite.rows[0].row.reasons[0].kind, OverrideKind::Forwarded);
    assert_eq!(suite.rows[0].row.reasons[0].comment, "by hand");
    assert_eq!(suite.rows[0].row.dkim[0].result, CheckResult::Fail);
    let newest = read(NEWEST.as_bytes()).unwrap();
    assert_eq!(
        (newest.org_name.as_str(), newest.report_id.as_str()),
        ("Rue & Söhne", "<20261118.1@rue.example>")
    );
    let policy = &newest.policy;
    assert_eq!((policy.discovery, policy.testing), (Some(Discovery::TreeWalk), Some(true)));
    assert_eq!((policy.sp, policy.np), (None, Some(Asked::Reject)));
    assert_eq!(newest.errors, ["two records at _dmarc.example.test"]);
    assert_eq!(newest.rows[0].row.disposition, Applied::Pass);
    assert_eq!(newest.rows[0].row.reasons[0].kind, OverrideKind::PolicyTestMode);
}

#[test]
fn every_packing_is_opened() {
    let expected = read(PLAIN.as_bytes()).unwrap();
    let plain = PLAIN.as_bytes();
    let packed = gzip(plain);
    let archive = zip(&[("r.xml", plain)]);
    let mut with_comment = archive.clone();
    let length = with_comment.len();
    with_comment[length - 2..].copy_from_slice(&5u16.to_le_bytes());
    with_comment.extend_from_slice(b"hello");
    let mut with_mark = b"\xef\xbb\xbf".to_vec();
    with_mark.extend_from_slice(plain);
    let latin = PLAIN.replace("UTF-8", "iso-8859-1");
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(PLAIN.replace("UTF-8", "UTF-16").encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let table: [(&str, &str, &[u8]); 12] = [
        ("application/gzip", "r.xml.gz", &packed),
        ("application/x-gzip", "", &packed),
        ("application/octet-stream", "r", &packed),
        ("text/xml", "misnamed.xml", &packed),
        ("application/zip", "r.zip", &archive),
        ("application/x-zip-compressed", "r.zip", &with_comment),
        ("image/png", "r.zip", &archive),
        ("text/xml; charset=utf-8", "r.xml", plain),
        ("application/xml", "", &with_mark),
        ("text/plain", "r.xml", latin.as_bytes()),
        ("application/dmarc+xml", "", plain),
        ("text/xml", "r.xml", &wide),
    ];
    for (media, name, octets) in table {
        assert_eq!(read_mail(&mail(media, name, octets)), Ok(expected.clone()), "{media} {name}");
    }
}

#[test]
fn what_is_no_report_is_said_to_be_none() {
    let table: [(&str, &str, &[u8]); 4] = [
        ("text/plain", "notes.txt", b"hello"),
        ("application/pdf", "a.pdf", b"%PDF-1.7"),
        ("image/png", "a.png", b"\x89PNG"),
        ("application/octet-stream", "r.xml", b"no angle bracket"),
    ];
    for (media, name, octets) in table {
        assert_eq!(read_mail(&mail(media, name, octets)), Err(Broken::Absent), "{media} {name}");
    }
    assert_eq!(read_mail(&Bytes::from_static(b"Subject: x\r\n\r\nhello\r\n")), Err(Broken::Absent));
}

#[test]
fn what_lacks_something_is_broken() {
    let without = |from: &str, to: &str| {
        let text = PLAIN.replacen(from, to, 1);
        assert_ne!(text, PLAIN, "{from}");
        read(text.as_bytes()).unwrap_err().to_string()
    };
    let table = [
        ("<feedback>", "<feed>", "feedback is missing"),
        ("15874403829910211983", " ", "report_id"),
        ("<begin>1795046400</begin>", "", "date_range"),
        ("<begin>1795046400", "<begin>1795999999", "date_range"),
        // Far in the future.
        ("<end>1795132799", "<end>17951327990", "date_range"),
        ("<domain>Example.test", "<domain>not a domain", "domain"),
        ("</feedback>", "", "ends within feedback"),
        ("</record>", "</recrod>", "the XML is broken"),
        ("&amp;", "&nbsp;", "entities"),
        ("&amp;", "&#xD800;", "no character"),
        ("&amp;", "&", "the XML is broken"),
        ("encoding=\"UTF-8\"", "encoding=\"klingon\"", "klingon"),
        ("big.example", "big.ex\u{0}ample</feedback>", "the XML is broken"),
    ];
    for (from, to, expected) in table {
        let said = without(from, to);
        assert!(said.contains(expected), "{from:?} -> {to:?}: {said}");
    }
    // Not UTF-8 although it says so, and nothing that could be guessed.
    let mut octets = PLAIN.as_bytes().to_vec();
    octets[200] = 0xff;
    assert!(matches!(read(&octets), Err(Broken::Charset(_))));
    let absurd = PLAIN.replace("<count>12<", "<count>99999999999999<");
    assert_eq!(read(absurd.as_bytes()).unwrap().rows.len(), 1);
    // A record that makes no sense does not spoil the others.
    let report = read(PLAIN.replace("192.0.2.7", "nowhere").as_bytes()).unwrap();
    assert_eq!(report.rows.len(), 1);
    assert_eq!(report.errors, ["1 records without a source address or a credible count"]);
    // Neither organisation nor contact.
    let text = PLAIN
        .replace("<org_name>big.example</org_name>", "")
        .replace("noreply-dmarc@big.example", "");
    assert!(matches!(read(text.as_bytes()), Err(Broken::Missing("org_name"))));
}

#[test]
fn bombs_are_refused_in_little_time() {
    let begun = std::time::Instant::now();
    let zeros = vec![b' '; 64 << 20];
    let many = |count: usize, what: &str| {
        PLAIN.replace("</feedback>", &format!("{}</feedback>", what.repeat(count)))
    };
    let gz = |octets: &[u8]| mail("application/gzip", "r.xml.gz", &gzip(octets));
    assert!(matches!(read_mail(&gz(&zeros)), Err(Broken::Bomb(..))));
    let archive = zip(&[("r.xml", &zeros)]);
    assert!(matches!(
        read_mail(&mail("application/zip", "r.zip", &archive)),
        Err(Broken::Bomb(..))
    ));
    let two = zip(&[("a.xml", PLAIN.as_bytes()), ("b.xml", PLAIN.as_bytes())]);
    assert!(matches!(read_mail(&mail("application/zip", "r.zip", &two)), Err(Broken::Packed(..))));
    let entities = PLAIN.replace(
        "<feedback>",
        "<!DOCTYPE f [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><feedback>&b;",
    );
    assert_eq!(read(entities.as_bytes()), Err(Broken::Entities));
    assert_eq!(read(many(1, "&b;").as_bytes()), Err(Broken::Entities));
    let nested = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    assert!(matches!(
        read_mail(&mail("text/xml", "r.xml", many(1, &nested).as_bytes())),
        Err(Broken::TooMany(_))
    ));
    let wide = format!("<record>{}</record>", "<a/>".repeat(3_000));
    assert!(matches!(read(many(1, &wide).as_bytes()), Err(Broken::TooMany("elements"))));
    let records = many(100_001, "<record/>");
    assert!(matches!(
        read_mail(&mail("text/xml", "r.xml", records.as_bytes())),
        Err(Broken::TooMany("records"))
    ));
    // Long texts are cut.
    let long = read(
        PLAIN
            .replace("big.example</org_name>", &format!("{}</org_name>", "x".repeat(100_000)))
            .as_bytes(),
    );
    assert_eq!(long.unwrap().org_name.len(), 255);
    println!("refused in {:?}", begun.elapsed());
}

#[test]
fn whatever_is_cut_or_flipped_never_panics() {
    let archive = zip(&[("r.xml", PLAIN.as_bytes())]);
    let packed = gzip(PLAIN.as_bytes());
    for whole in [archive.as_slice(), packed.as_slice(), PLAIN.as_bytes()] {
        for at in 0..whole.len() {
            let cut = mail("text/xml", "r.xml", &whole[..at]);
            let outcome = read_mail(&cut);
            assert!(outcome.is_err() || at + 2 >= whole.len(), "{at} of {}", whole.len());
            let mut flipped = whole.to_vec();
            flipped[at] ^= 0x41;
            let _ = read_mail(&mail("text/xml", "r.xml", &flipped));
        }
    }
}

#[test]
fn every_finding_has_a_weight() {
    let settings = DmarcReports {
        address: Some("d@example.test".parse().unwrap()),
        ..DmarcReports::default()
    };
    let weights = crate::analysis::weights::Weights::shipped().unwrap();
    let own = [crate::mail::Domain::parse("example.test").unwrap()];
    let good = mail("text/xml", "r.xml", PLAIN.as_bytes());
    for (domain, is_own) in
        [("mail.Example.test", true), ("bank.test", false), ("example.test.evil.test", false)]
    {
        let other = PLAIN.replace("<domain>Example.test<", &format!("<domain>{domain}<"));
        let message = mail("text/xml", "r.xml", other.as_bytes());
        let (sighting, incoming) = look(&settings, &own, &message, NOW_MS);
        let name = if is_own { "DMARC_REPORT" } else { "DMARC_REPORT_FOREIGN" };
        assert_eq!((sighting.unwrap().name, incoming.is_some()), (name, is_own), "{domain}");
    }
    let bad = mail("text/xml", "r.xml", &PLAIN.as_bytes()[..300]);
    for (message, name, has_report) in
        [(&good, "DMARC_REPORT", true), (&bad, "DMARC_REPORT_BROKEN", false)]
    {
        let (sighting, incoming) = look(&settings, &own, message, NOW_MS);
        assert_eq!(incoming.is_some(), has_report);
        let taken = incoming.map(|incoming| (incoming.take().is_some(), incoming.take().is_some()));
        assert!(taken.is_none_or(|taken| taken == (true, false)));
        let finding = weights.weigh(sighting.unwrap());
        assert_eq!((finding.name.as_ref(), finding.score), (name, 0.0));
    }
    let none = look(&settings, &own, &Bytes::from_static(b"From: a@b.test\r\n\r\nhello"), NOW_MS);
    assert!(none.0.is_none() && none.1.is_none());
}
