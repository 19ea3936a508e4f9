//! Where words are a marking and where they are not.

use bytes::Bytes;

use super::*;
use crate::message::Limits;
use MarkingLevel::*;

fn subject(text: &str) -> Vec<MarkingLevel> {
    let mut seeker = Seeker::default();
    seeker.subject(text);
    seeker.finish().into_iter().map(|marking| marking.level).collect()
}

fn line(text: &str) -> Option<MarkingLevel> {
    let mut seeker = Seeker::default();
    seeker.lines(
        &format!("Dear Ann,\n\nsome text\n{text}\nmore text\nRegards\nBen"),
        MarkingPlace::Body,
    );
    seeker.finish().first().map(|marking| marking.level)
}

fn field(name: &str, value: &str) -> Vec<(MarkingLevel, String)> {
    let mut seeker = Seeker::default();
    seeker.field(name, value);
    seeker.finish().into_iter().map(|marking| (marking.level, marking.words)).collect()
}

fn message(text: &str) -> Vec<Marking> {
    of(&Anatomy::of(&Bytes::copy_from_slice(text.as_bytes()), Limits::default()), &[])
}

#[test]
fn subjects_are_marked_in_brackets_and_at_their_edges() {
    let table: &[(&str, &[MarkingLevel])] = &[
        ("[OFFICIAL-SENSITIVE] Minutes", &[OfficialSensitive]),
        ("Minutes [OFFICIAL SENSITIVE]", &[OfficialSensitive]),
        ("OFFICIAL-SENSITIVE: Minutes", &[OfficialSensitive]),
        ("OFFICIAL - SENSITIVE - Minutes of 4 May", &[OfficialSensitive]),
        ("OFFICIAL-SENSITIVE - PERSONAL: Minutes", &[OfficialSensitive]),
        ("Minutes - OFFICIAL", &[Official]),
        ("OFFICIAL", &[Official]),
        ("OFFICIAL: Minutes", &[Official]),
        ("Re: [OFFICIAL] Minutes", &[Official]),
        ("RE: FW: AW: SECRET - plan", &[Secret]),
        ("TOP SECRET | plan", &[TopSecret]),
        ("UK SECRET: plan", &[Secret]),
        ("[Secret] plan", &[Secret]),
        ("{restricted} plan", &[]),
        ("[RESTRICTED] plan", &[Restricted]),
        ("RESTRICTED - COMMERCIAL: prices", &[Restricted]),
        ("Private and Confidential", &[Private]),
        ("PRIVATE & CONFIDENTIAL - contract", &[Private]),
        ("Contract (private and confidential)", &[Private]),
        ("COMMERCIAL IN CONFIDENCE: tender", &[CommercialInConfidence]),
        ("Tender - COMMERCIAL-IN-CONFIDENCE", &[CommercialInConfidence]),
        ("[Company Confidential] results", &[CompanyConfidential]),
        ("NHS CONFIDENTIAL: referral", &[NhsConfidential]),
        ("LEGALLY PRIVILEGED - advice", &[LegallyPrivileged]),
        ("Advice [legally privileged and confidential]", &[LegallyPrivileged]),
        ("INTERNAL ONLY: rota", &[Internal]),
        ("PROTECT - PERSONAL: file", &[Protect]),
        ("OFFICIAL-SENSITIVE Minutes", &[OfficialSensitive]),
        ("Minutes of May OFFICIAL SENSITIVE", &[OfficialSensitive]),
        ("RESTRICTED Quarterly plan", &[Restricted]),
        ("Quarterly plan SECRET", &[Secret]),
        ("OFFICIAL Rules of the club", &[]),
        ("SECRET SANTA list", &[]),
        ("MY SECRET", &[]),
        ("The official opening of the bridge", &[]),
        ("Official: the bridge is closed", &[]),
        ("The secret of good coffee", &[]),
        ("Top secret recipes inside", &[]),
        ("Victoria's Secret - 50% off", &[]),
        ("Confidential business proposal", &[]),
        ("Restricted parking on Monday", &[]),
        ("How to protect your data", &[]),
        ("Private dining (for members)", &[]),
        ("An internal matter: rota", &[]),
        ("OFFICIAL NOTICE: the bridge is closed", &[]),
        ("Weekly meeting (secret santa)", &[]),
        ("", &[]),
    ];
    let mut wrong = Vec::new();
    for (text, levels) in table {
        if subject(text) != *levels {
            wrong.push(format!("{text}: {:?}", subject(text)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn lines_are_marked_when_they_say_nothing_else() {
    let table = [
        ("OFFICIAL-SENSITIVE", Some(OfficialSensitive)),
        ("Official-Sensitive", Some(OfficialSensitive)),
        ("official sensitive", Some(OfficialSensitive)),
        ("OFFICIAL – SENSITIVE", Some(OfficialSensitive)),
        ("OFFICIAL: SENSITIVE", Some(OfficialSensitive)),
        ("OFFICIAL-SENSITIVE: COMMERCIAL", Some(OfficialSensitive)),
        ("OFFICIAL SENSITIVE - HANDLE BY COURT STAFF", Some(OfficialSensitive)),
        ("OFFICIAL-SENSITIVE [RECIPIENTS ONLY]", Some(OfficialSensitive)),
        ("*** OFFICIAL-SENSITIVE ***", Some(OfficialSensitive)),
        ("> OFFICIAL-SENSITIVE", Some(OfficialSensitive)),
        ("Classification: Official", Some(Official)),
        ("PROTECTIVE MARKING: RESTRICTED", Some(Restricted)),
        ("Security Classification: UK SECRET", Some(Secret)),
        ("OFFICIAL", Some(Official)),
        ("UK OFFICIAL", Some(Official)),
        ("SECRET", Some(Secret)),
        ("SECRET UK EYES ONLY", Some(Secret)),
        ("Top Secret", Some(TopSecret)),
        ("CONFIDENTIAL", Some(Confidential)),
        ("*** Confidential ***", Some(Confidential)),
        ("Strictly Private and Confidential", Some(Private)),
        ("Private & Confidential", Some(Private)),
        ("STRICTLY CONFIDENTIAL", Some(Confidential)),
        ("Company Confidential", Some(CompanyConfidential)),
        ("Commercial in confidence", Some(CommercialInConfidence)),
        ("Subject to legal professional privilege", Some(LegallyPrivileged)),
        ("Internal use only", Some(Internal)),
        ("INTERNAL ONLY", Some(Internal)),
        (" * Internal only.", None),
        ("RESTRICTED (WHEN COMPLETE)", Some(Restricted)),
        ("OFFICIAL-SENSITIVE\tPage 1 of 3", Some(OfficialSensitive)),
        ("Annual plan | RESTRICTED | 12", Some(Restricted)),
        ("NOT PROTECTIVELY MARKED", Some(Unclassified)),
        ("Official", None),
        ("Secret", None),
        ("Private", None),
        ("- Confidential", None),
        ("This is an official-sensitive matter and stays here.", None),
        ("The official opening is on Monday.", None),
        ("OFFICIAL NOTICE OF THE COUNCIL", None),
        ("SECRET SANTA", None),
        ("*** PERSONAL  FINANCE ***", None),
        ("PERSONAL", Some(Personal)),
        ("SECRET: HOW I MADE MILLIONS", None),
        ("Protect your data", None),
        ("PROTECT YOUR DATA NOW", None),
        ("Restricted to members of the club", None),
        ("Internal server error", None),
        ("PRIVATE KEY", None),
        ("Private and confidential information of the firm is not to be forwarded.", None),
        ("This e-mail is confidential and may be legally privileged.", None),
        ("Confidential information for the named recipient only", None),
    ];
    let mut wrong = Vec::new();
    for (text, level) in table {
        if line(text) != level {
            wrong.push(format!("{text}: {:?}", line(text)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn fields_and_labels_are_read() {
    let guid = "f0a1b2c3-1111-2222-3333-444455556666";
    let one = |level, words: &str| vec![(level, words.to_owned())];
    assert_eq!(
        field("Sensitivity", "Company-Confidential"),
        one(CompanyConfidential, "Company-Confidential")
    );
    assert_eq!(field("sensitivity", "Private"), one(Private, "Private"));
    assert_eq!(field("Sensitivity", "Personal"), one(Personal, "Personal"));
    assert_eq!(field("Sensitivity", "Normal"), []);
    assert_eq!(
        field(
            "X-Protective-Marking",
            "VER=2018.4, NS=gov.au, SEC=OFFICIAL:Sensitive, ORIGIN=a@example.org"
        ),
        one(OfficialSensitive, "OFFICIAL:Sensitive"),
    );
    assert_eq!(
        field("X-Protective-Marking", "OFFICIAL-SENSITIVE PERSONAL"),
        one(OfficialSensitive, "OFFICIAL-SENSITIVE PERSONAL")
    );
    assert_eq!(field("X-Classification", "restricted"), one(Restricted, "restricted"));
    assert_eq!(
        field("X-TITUS-Classifications-30", "TLPropertyRoot=Example;Classification=Secret;"),
        one(Secret, "Secret")
    );
    assert_eq!(
        field("SIO-Label", "marking=\"TOP SECRET\"; fgcolor=\"#fff\""),
        one(TopSecret, "TOP SECRET")
    );
    let packed = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        "Classification=OFFICIAL-SENSITIVE",
    );
    assert_eq!(field("X-Titus-Metadata-40", &packed), one(OfficialSensitive, "OFFICIAL-SENSITIVE"));
    assert_eq!(field("X-Mailer", "SECRET"), []);
    let label = format!(
        "MSIP_Label_{guid}_Enabled=True; MSIP_Label_{guid}_SetDate=2024-01-31T09:00:00Z; MSIP_Label_{guid}_Name=Highly Confidential; MSIP_Label_{guid}_SiteId=aaaa"
    );
    let both =
        vec![(Confidential, "Highly Confidential".to_owned()), (Confidential, guid.to_owned())];
    assert_eq!(field("msip_labels", &label), both);
    assert_eq!(field("msip_labels", &label.replace("Enabled=True", "Enabled=False")), []);
    let unnamed = format!("MSIP_Label_{guid}_Enabled=true;");
    assert_eq!(field("msip_labels", &unnamed), one(Internal, guid));
}

#[test]
fn a_label_that_is_switched_off_does_not_count_wherever_its_attributes_stand() {
    let guid = "f0a1b2c3-1111-2222-3333-444455556666";
    let label = |enabled: &str, between: &str| {
        format!(
            "MSIP_Label_{guid}_Enabled{between}{enabled}\nMSIP_Label_{guid}_SiteId{between}aa\n\
             MSIP_Label_{guid}_Name{between}Project Heron"
        )
    };
    let marks = |text: &str| {
        let mut seeker = Seeker::default();
        seeker.file(&format!("a\n{text}\nb"));
        let in_file = names(&seeker.finish()).contains(&"Project Heron".to_owned());
        let head = text.replace('\n', "\r\n");
        let in_head = names(&message(&format!("{head}\r\nSubject: x\r\n\r\nbody")));
        let inner = format!(
            "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n{head}\r\nSubject: x\r\n\r\ny"
        );
        let within = names(&message(&inner));
        let has = |names: Vec<String>| names.contains(&"Project Heron".to_owned());
        [in_file, has(in_head), has(within)]
    };
    for between in [": ", ": \t"] {
        assert_eq!(marks(&label("true", between)), [true; 3], "{between:?}");
        assert_eq!(marks(&label("false", between)), [false; 3], "{between:?}");
        assert_eq!(marks(&label("False", between).to_lowercase()), [false; 3], "{between:?}");
    }
    let both = format!("{}\n{}", label("true", ": "), label("false", ": "));
    assert_eq!(marks(&both), [true; 3]);
    assert!(!field(&format!("msip_label_{guid}_name"), "Project Heron").is_empty());
}

#[test]
fn properties_of_documents_are_read() {
    let guid = "f0a1b2c3-1111-2222-3333-444455556666";
    let table = [
        (
            format!(
                "MSIP_Label_{guid}_Enabled: true\nMSIP_Label_{guid}_Name: OFFICIAL-SENSITIVE\n"
            ),
            Some(OfficialSensitive),
        ),
        (format!("MSIP_Label_{guid}_Name>Secret\nMSIP_Label_{guid}_Enabled>true"), Some(Secret)),
        (format!("pdfx:MSIP_Label_{guid}_Name=\"Restricted\""), Some(Restricted)),
        ("Classification: Secret".to_owned(), Some(Secret)),
        ("bjDocumentSecurityLabel: OFFICIAL".to_owned(), Some(Official)),
        ("Sensitivity: Commercial in Confidence".to_owned(), Some(CommercialInConfidence)),
        ("Classification: the secret of a good index is that it is short".to_owned(), None),
        ("title: Secret".to_owned(), None),
    ];
    for (text, level) in table {
        let mut seeker = Seeker::default();
        seeker.file(&format!("a\nb\nc\n{text}\nd\ne"));
        let found = seeker
            .finish()
            .iter()
            .filter(|own| own.place == MarkingPlace::Property)
            .map(|own| own.level)
            .max();
        assert_eq!(found, level, "{text}");
    }
}

#[test]
fn whole_messages_are_read() {
    let found = message(
        "From: a@example.org\r\nSubject: =?utf-8?q?=5BOFFICIAL=5D_Minutes?=\r\nSensitivity: Private\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<html><body><p style='color:red'>OFFICIAL-SENSITIVE</p><p>The secret of it.</p></body></html>",
    );
    let told: Vec<(MarkingLevel, MarkingPlace)> =
        found.iter().map(|own| (own.level, own.place)).collect();
    assert_eq!(
        told,
        [
            (OfficialSensitive, MarkingPlace::Body),
            (Private, MarkingPlace::Header),
            (Official, MarkingPlace::Subject)
        ]
    );
    assert_eq!(highest(&found), Some(OfficialSensitive));
    assert_eq!(names(&found), ["OFFICIAL-SENSITIVE", "PRIVATE", "OFFICIAL"]);
    assert!(message("Subject: hello\r\n\r\nThe official opening.\r\n").is_empty());
}

#[test]
fn levels_are_ordered_and_what_is_kept_is_bounded() {
    assert!(MarkingLevel::ALL.is_sorted());
    let many: String = (0..500).map(|at| format!("OFFICIAL-SENSITIVE {at}\n")).collect();
    let mut seeker = Seeker::default();
    seeker.file(&many);
    seeker.file("\n\n\nTOP SECRET\n\n");
    let found = seeker.finish();
    assert!(found.len() <= MARKINGS);
    assert_eq!(highest(&found), Some(TopSecret));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn no_text_makes_it_fail(text in "[\\PC\\n]{0,200}", words in "(OFFICIAL|SENSITIVE|MSIP_Label_|[\\[\\]():=;_ -]|[a-f0-9-]){0,40}") {
        let whole = format!("{text}{words}");
        let mut seeker = Seeker::default();
        seeker.subject(&whole);
        seeker.file(&whole);
        for name in ["msip_labels", "Sensitivity", "X-Protective-Marking", "X-Titus-x"] {
            seeker.field(name, &whole);
        }
        for marking in seeker.finish() {
            assert!(marking.words.chars().count() <= 80);
        }
    }

    #[test]
    fn a_word_in_a_sentence_is_no_marking(
        before in "(the|an|my|our|this) ",
        word in "(official|secret|restricted|confidential|protect|private|internal|OFFICIAL|SECRET)",
        after in " [a-z]{3,8} (of|for|is) [a-z]{3,8}\\.",
    ) {
        let whole = format!("{before}{word}{after}");
        let found = subject(&whole);
        proptest::prop_assert_eq!(line(&whole), None);
        proptest::prop_assert!(found.is_empty());
    }
}

#[test]
fn disguised_letters_make_no_difference() {
    for text in [
        "[REST\u{200b}RICTED] plan",
        "[ＲＥＳＴＲＩＣＴＥＤ] plan",
        "[R\u{415}STRICTED] plan",
        "[RE\u{ad}STRICTED] plan",
    ] {
        assert_eq!(subject(text), [Restricted], "{text}");
    }
    for text in
        ["REST\u{200b}RICTED", "ＲＥＳＴＲＩＣＴＥＤ", "R\u{415}STRICTED", "R E S T R I C T E D"]
    {
        assert_eq!(line(text), Some(Restricted), "{text}");
    }
    assert_eq!(field("X-Protective-Marking", "SEC\u{200b}RET")[0].0, Secret);
    let page = "Subject: x\nContent-Type: text/html\n\n<p>REST&#8203;RICTED</p><p>x</p>";
    assert_eq!(message(page)[0].level, Restricted);
}

#[test]
fn attached_and_quoted_messages_are_looked_into() {
    let attached = |field: &str| {
        format!(
            "Subject: fwd\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee attached\n--b\n\
             Content-Type: message/rfc822\n\n{field}\nFrom: a@b.test\n\nx\n--b--\n"
        )
    };
    for (field, wanted) in [
        ("Subject: [RESTRICTED] plan", Some(Restricted)),
        ("X-Protective-Marking: SECRET", Some(Secret)),
        ("Sensitivity: Company-Confidential", Some(CompanyConfidential)),
        ("Subject: restricted plan", None),
    ] {
        let found = message(&attached(field));
        assert_eq!(found.first().map(|marking| marking.level), wanted, "{field}");
        assert!(found.iter().all(|marking| marking.place == MarkingPlace::Attachment));
    }
    for (block, wanted) in [
        (
            "-----Original Message-----\nFrom: x\nTo: y\nSubject: [RESTRICTED] plan",
            Some(Restricted),
        ),
        ("> Von: x\n> Betreff: SECRET: Plan", Some(Secret)),
        ("*From:* x\n*Sent:* today\n*Subject:* [OFFICIAL-SENSITIVE] plan", Some(OfficialSensitive)),
        ("Subject: [RESTRICTED] plan", None),
    ] {
        let found = message(&format!("Subject: FW: plan\n\nhi\nsee\n\n{block}\n\ntext\nbye\n"));
        assert_eq!(found.first().map(|marking| marking.level), wanted, "{block}");
    }
}

#[test]
fn titles_and_keywords_of_documents_count() {
    let level = |text: &str| {
        let mut seeker = Seeker::default();
        seeker.file(&format!("a\nb\n{text}\nc\nd"));
        seeker.finish().first().map(|marking| marking.level)
    };
    for (text, wanted) in [
        ("keywords: RESTRICTED", Some(Restricted)),
        ("Keywords: budget, RESTRICTED, 2026", Some(Restricted)),
        ("category: OFFICIAL-SENSITIVE", Some(OfficialSensitive)),
        ("Title: SECRET", Some(Secret)),
        ("subject: [SECRET] plan", Some(Secret)),
        ("title: Secret", None),
        ("title: The secret garden", None),
        ("keywords: private, public, official", None),
    ] {
        assert_eq!(level(text), wanted, "{text}");
    }
}

#[test]
fn words_of_a_marking_are_its_own() {
    for (text, words) in [
        ("[OFFICIAL-SENSITIVE] Budget", "OFFICIAL-SENSITIVE"),
        ("RESTRICTED: Budget", "RESTRICTED"),
        ("RESTRICTED: BUDGET", "RESTRICTED: BUDGET"),
    ] {
        let mut seeker = Seeker::default();
        seeker.subject(text);
        let found: Vec<String> = seeker.finish().into_iter().map(|marking| marking.words).collect();
        assert_eq!(found, [words], "{text}");
    }
    let middle = "Subject: x\n\nHi\n\nConfidential\n\nbye\n";
    assert_eq!(message(middle), Vec::new());
}
