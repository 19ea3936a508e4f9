//! The classifier as a whole: training, lessons, files, bounds.

use std::fs;

use proptest::prelude::*;

use super::*;

fn spam(number: usize) -> Vec<u8> {
    format!(
        "From: \"Best Offers {number}\" <win{number}@prize{number}.example>\r\nTo: you@example.org\r\n\
         Subject: WIN ${number}00 now!!!\r\nMessage-ID: <{number}@x>\r\nContent-Type: text/html\r\n\r\n\
         <html><body bgcolor=red><p>Dear winner, claim your prize money of ${number}00 at once: \
         <a href=\"http://10.0.{number}.7/claim.php?id={number}\">CLICK HERE</a>. \
         Offer number {number} expires today!</p></body></html>\r\n"
    )
    .into_bytes()
}

fn ham(number: usize) -> Vec<u8> {
    format!(
        "From: Ann Other <ann@example.com>\r\nTo: Bob Example <bob@example.org>\r\n\
         Subject: Re: minutes of meeting {number}\r\nMessage-ID: <{number}.abc@mail.example.com>\r\n\
         In-Reply-To: <{number}@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         Hello Bob,\r\n\r\n> can you send the minutes of meeting {number}?\r\n\
         they are in the shared folder, item {number} was put off until next week.\r\n\r\n-- \r\nAnn\r\n"
    )
    .into_bytes()
}

fn corpus() -> Vec<Example> {
    (0..40)
        .flat_map(|number| {
            [
                Example { features: Features::of_message(&spam(number)), label: Label::Spam },
                Example { features: Features::of_message(&ham(number)), label: Label::Ham },
            ]
        })
        .collect()
}

fn trained() -> Classifier {
    let classifier = Classifier::blank(LearningLimits::default());
    classifier.train(&corpus(), 7).unwrap();
    classifier
}

fn user(name: &str) -> Source<'_> {
    Source { name, standing: Standing::User }
}

fn odds(classifier: &Classifier, message: &[u8]) -> f64 {
    classifier.score(&Features::of_message(message)).unwrap().log_odds
}

#[test]
fn tells_spam_from_ham_deterministically() {
    let classifier = Classifier::blank(LearningLimits::default());
    assert_eq!(classifier.score(&Features::of_message(&spam(99))), None);
    let report = classifier.train(&corpus(), 7).unwrap();
    assert_eq!((report.spam, report.ham, report.spam_right, report.ham_right), (40, 40, 40, 40));
    assert_eq!(classifier.learned(), (40, 40));
    assert!(odds(&classifier, &spam(99)) > 1.5);
    assert!(odds(&classifier, &ham(99)) < -1.5);
    assert_eq!(odds(&classifier, &spam(99)), odds(&trained(), &spam(99)));
}

#[test]
fn empty_and_one_sided_corpora_are_refused() {
    let classifier = trained();
    assert!(matches!(classifier.train(&[], 7), Err(ClassifierError::EmptyCorpus)));
    // The same messages as both kinds teach nothing.
    let both = (0..40).flat_map(|number| {
        let features = Features::of_message(&ham(number));
        [Label::Spam, Label::Ham].map(|label| Example { features: features.clone(), label })
    });
    let both: Vec<Example> = both.collect();
    match classifier.train(&both, 7) {
        Err(ClassifierError::Contradictory { report }) => assert!(report.auc < 0.75),
        other => panic!("{other:?}"),
    }
    assert!(trained().train_regardless(&both, 7).is_ok());
    let few = corpus().into_iter().filter(|example| example.label == Label::Spam);
    let refused = classifier.train(&few.collect::<Vec<_>>(), 7);
    assert!(matches!(refused, Err(ClassifierError::OneSided { spam: 40, ham: 0, needed: 20 })));
    assert_eq!(classifier.learned(), (40, 40), "the model in force stays");
}

#[test]
fn lessons_change_scores_and_a_blank_classifier_learns_to_speak() {
    let classifier = trained();
    let wrong = spam(77);
    let before = odds(&classifier, &wrong);
    let mut refused = 0;
    for day in 0..20u64 {
        let lesson = classifier.learn_one(
            &Features::of_message(&wrong),
            Label::Ham,
            user("bob"),
            day * 86_400,
        );
        refused += u32::from(lesson.is_err());
    }
    assert!(odds(&classifier, &wrong) < before - 1.0, "{before}");
    assert!(refused < 20);

    let plenty = Allowance { lessons: 1000, movement: 1e3 };
    let limits = LearningLimits { user: plenty, total: plenty, ..LearningLimits::default() };
    let blank = Classifier::blank(limits);
    for number in 0..60 {
        let _ = blank.learn_one(&Features::of_message(&spam(number)), Label::Spam, user("a"), 1);
        let _ = blank.learn_one(&Features::of_message(&ham(number)), Label::Ham, user("a"), 1);
    }
    assert!(odds(&blank, &spam(99)) > 0.5);
    assert!(odds(&blank, &ham(99)) < -0.5);
}

#[test]
fn one_source_cannot_turn_clear_mail() {
    let classifier = trained();
    let victim = ham(3);
    let before = odds(&classifier, &victim);
    let mut taken = 0;
    for number in 0..2_000 {
        // Much like the victim, and different each time.
        let mut poison = ham(3);
        poison.extend(format!("number {number}\r\n").into_bytes());
        let features = Features::of_message(&poison);
        taken +=
            u32::from(classifier.learn_one(&features, Label::Spam, user("mallory"), 1).is_ok());
    }
    let after = odds(&classifier, &victim);
    println!("log-odds of the victim: {before:.2}, after {taken} lessons {after:.2}");
    assert!(taken <= 20, "{taken}");
    assert!(after < 2.0, "{before} {after} after {taken} lessons");
    // Mail that has little in common with the lessons does not care.
    assert!(odds(&classifier, &spam(98)) > 1.0);
}

#[test]
fn files_hold_the_model_and_damaged_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("classifier.model");
    let classifier = trained();
    assert!(matches!(classifier.import(&path), Err(ClassifierError::Read { .. })));
    classifier.save(&path).unwrap();
    classifier.save(&path).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len() as u64, FILE_OCTETS);
    let again = Classifier::open(&path, LearningLimits::default()).unwrap();
    assert_eq!(odds(&again, &spam(5)), odds(&classifier, &spam(5)));

    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage); 10] = [
        ("NotAModel", |octets| octets.splice(..4, *b"ELF ").for_each(drop)),
        ("OtherVersion", |octets| octets.splice(8..9, [9]).for_each(drop)),
        ("OtherVersion", |octets| octets.splice(12..13, [30]).for_each(drop)),
        ("OtherVersion", |octets| octets.splice(10..11, [2]).for_each(drop)),
        // A whole model of an older version, with half as many cells.
        ("OtherVersion", |octets| {
            octets.truncate(octets.len() / 2);
            octets.splice(10..13, [2, 0, 21]).for_each(drop);
        }),
        ("Truncated", |octets| octets.truncate(1000)),
        ("Truncated", |octets| octets.truncate(0)),
        ("Truncated", |octets| octets.truncate(octets.len() - 1)),
        ("Oversized", |octets| octets.push(0)),
        ("Corrupt", |octets| octets.splice(5000..5001, [0xa5]).for_each(drop)),
    ];
    for (expected, damage) in cases {
        let mut octets = whole.clone();
        damage(&mut octets);
        fs::write(&path, &octets).unwrap();
        let error = Classifier::open(&path, LearningLimits::default()).unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{expected}: {error:?}");
        assert_eq!(expected == "OtherVersion", error.to_string().ends_with("train again"));
        assert!(classifier.import(&path).is_err());
    }
    assert_eq!(odds(&again, &spam(5)), odds(&classifier, &spam(5)), "the model in force stays");
    fs::remove_file(&path).unwrap();
    let blank = Classifier::open(&path, LearningLimits::default()).unwrap();
    assert_eq!(blank.learned(), (0, 0));
}

#[test]
fn numbers_that_are_none_are_refused_despite_a_good_checksum() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    trained().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for at in [24, 32, 40, 104] {
        let mut octets = whole.clone();
        octets.splice(at..at + 4, f32::NAN.to_le_bytes());
        let body = octets.len() - 4;
        let crc = crc32c::crc32c(octets.get(..body).unwrap());
        octets.splice(body.., crc.to_le_bytes());
        fs::write(&path, &octets).unwrap();
        let error = Classifier::open(&path, LearningLimits::default()).unwrap_err();
        assert!(matches!(error, ClassifierError::Corrupt { what: "numbers", .. }), "{error:?}");
    }
}

#[test]
fn scans_go_on_while_a_lesson_is_taught() {
    let classifier = trained();
    let writer = classifier.school();
    assert!(odds(&classifier, &spam(1)) > 0.0);
    drop(writer);
}

#[test]
fn every_view_sees_something() {
    let features = Features::of_message(
        b"Received: from a.example ([192.0.2.1]) by b.example with ESMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000\r\n\
          From: a@a.example\r\nContent-Type: text/html\r\n\r\n<p>x <a href='http://c.example/'>y</a>",
    );
    for view in View::ALL {
        assert!(!features.view(view).is_empty(), "{view:?}");
    }
    let sum: usize = View::ALL.into_iter().map(|view| features.view(view).len()).sum();
    assert_eq!(sum, features.len());
}

#[test]
fn what_is_written_after_delivery_does_not_count() {
    let plain = Features::of_message(&ham(1));
    let mut delivered = b"Return-Path: <x@y>\r\nDelivered-To: bob@example.org\r\n\
        X-Spam-Status: No\r\nAuthentication-Results: mx; spf=pass\r\nX-UID: 7\r\n"
        .to_vec();
    delivered.extend(ham(1));
    assert_eq!(plain, Features::of_message(&delivered));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_octets_have_features(message in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let features = Features::of_message(&message);
        prop_assert!(features.len() < 50_000);
    }

    #[test]
    fn any_looking_like_mail_has_features(
        name in "[A-Za-z-]{1,20}",
        value in "\\PC{0,80}",
        body in "([<>&;:/@=\"'a-z #%é\\n]|http://|</a>|<a href=|<!--|&#x){0,400}",
    ) {
        let message = format!("{name}: {value}\r\nReceived: {value}\r\nFrom: {value}\r\nMessage-ID: {value}\r\nDate: {value}\r\nContent-Type: text/html; {value}\r\n\r\n{body}");
        prop_assert!(Features::of_message(message.as_bytes()).len() < 50_000);
    }

    #[test]
    fn any_file_is_refused_or_read(octets in proptest::collection::vec(any::<u8>(), 0..300), magic: bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        let mut whole = if magic { [&b"PSTNMODL\x02\x00"[..], &FEATURES_VERSION.to_le_bytes()].concat() } else { Vec::new() };
        whole.extend(octets);
        fs::write(&path, whole).unwrap();
        prop_assert!(Classifier::open(&path, LearningLimits::default()).is_err());
    }
}
