use std::path::{Path, PathBuf};

use super::*;
use crate::analysis::weights::Weights;
use crate::mail::Class;
use crate::message::{Anatomy, Limits};

fn analysis(more: &str) -> Arc<Analysis> {
    // Compiled patterns are shared by the tests.
    let data_dir = std::env::temp_dir().join("postern-tests-compiled-patterns");
    std::fs::create_dir_all(&data_dir).unwrap();
    let text = format!(
        "[system]\nhostname = \"mx.test\"\ndata_dir = \"{}\"\n\
         postmaster = \"postmaster@x.test\"\n{more}",
        data_dir.display()
    );
    let config = Config::parse(&text, Path::new("t.toml"), Path::new("/")).unwrap();
    Analysis::new(&config, Surroundings::default()).unwrap()
}

fn names(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| &*finding.name).collect()
}

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

fn message(body: &str) -> Content {
    let head = "From: a@x.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nSubject: one\r\n\r\n";
    Content::from_bytes(format!("{head}{body}\r\n"))
}

#[tokio::test]
async fn a_look_brings_findings_and_a_summary() {
    let analysis = analysis("");
    let look = analysis.look(&message("hello"), None).await.unwrap();
    assert_eq!(names(&look.findings), ["AV_ABSENT"]);
    assert_eq!((look.summary.subject.as_str(), look.unscanned), ("one", false));
    for body in [GTUBE.to_owned(), format!("{}{GTUBE}", "padding \r\n".repeat(60_000))] {
        let look = analysis.look(&message(&body), None).await.unwrap();
        assert_eq!(names(&look.findings), ["GTUBE", "AV_ABSENT"]);
    }
    let look = analysis.look(&Content::from_bytes(""), None).await.unwrap();
    assert_eq!(names(&look.findings), ["MESSAGE_NO_HEADER", "AV_ABSENT"]);
}

#[tokio::test]
async fn content_in_a_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let budget = crate::mail::Budget::new(1 << 20);
    let mut writer = crate::mail::ContentWriter::new(&budget, 16, dir.path().into()).unwrap();
    writer.push(&message(GTUBE).read_all().unwrap()).unwrap();
    let content = writer.finish();
    assert!(content.in_memory().is_none());
    let look = analysis("").look(&content, None).await.unwrap();
    assert_eq!(names(&look.findings), ["GTUBE", "AV_ABSENT"]);
}

#[tokio::test]
async fn a_failed_virus_scan_is_what_the_configuration_says() {
    let with = |on_failure: &str| {
        analysis(&format!(
            "[antivirus]\nclamd = \"tcp:127.0.0.1:1\"\non_failure = \"{on_failure}\"\n"
        ))
    };
    let content = message("hello");
    let Err(Failure::Defer(why)) = with("defer").look(&content, None).await else {
        panic!("deferred")
    };
    assert!(why.contains("virus scanner"), "{why}");
    let look = with("hold").look(&content, None).await.unwrap();
    assert_eq!((names(&look.findings), look.unscanned), (vec!["AV_UNAVAILABLE"], true));
    assert_eq!(look.findings[0].class, Class::Unscannable);
    let look = with("deliver").look(&content, None).await.unwrap();
    assert_eq!((names(&look.findings), look.unscanned), (vec!["AV_FAILED"], false));
    assert_eq!(look.findings[0].class, Class::Notice);
    let findings = with("defer").scan_octets(content.read_all().unwrap(), None).await.findings;
    assert_eq!(names(&findings), ["AV_UNAVAILABLE"]);
}

#[tokio::test]
async fn a_deadline_that_passes_is_what_the_configuration_says() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clamd = listener.local_addr().unwrap();
    let with = |policy: &str| {
        analysis(&format!(
            "[antivirus]\nclamd = \"tcp:{clamd}\"\n[limits]\nanalysis_timeout_s = 1\n\
             on_analysis_timeout = \"{policy}\"\n"
        ))
    };
    let Err(Failure::Defer(why)) = with("defer").look(&message("x"), None).await else {
        panic!("late")
    };
    assert!(why.contains("within 1 s"), "{why}");
    let look = with("hold").look(&message("x"), None).await.unwrap();
    assert_eq!((names(&look.findings), look.unscanned), (vec!["ANALYSIS_TIMEOUT"], true));
}

#[test]
fn gtube_is_found_in_its_wrappings() {
    let root = std::env::var_os("POSTERN_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        Into::into,
    );
    let Ok(entries) = std::fs::read_dir(root.join("spamassassin/spam")) else {
        println!("skipped: no corpora in {}", root.display());
        return;
    };
    let analysis = Analysis::shipped().unwrap();
    let mut found = 0;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Ok(octets) = std::fs::read(&path) else { continue };
        if memchr::memmem::find(&octets, GTUBE.as_bytes()).is_some() {
            let (findings, _) = analysis.scan_message(&octets);
            assert!(names(&findings).contains(&"GTUBE"), "{}", path.display());
            found += 1;
        }
    }
    println!("found in {found} messages");
}

/// Every file below a folder of the shared corpora; says so when they are absent.
fn corpus(name: &str) -> Vec<PathBuf> {
    let root = std::env::var_os("POSTERN_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        PathBuf::from,
    );
    let mut waiting = vec![root.join(name)];
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        match std::fs::read_dir(&path) {
            Ok(entries) => waiting.extend(entries.filter_map(Result::ok).map(|entry| entry.path())),
            Err(_) if path.is_file() => files.push(path),
            Err(error) => println!("skipped: {} cannot be read: {error}", path.display()),
        }
    }
    files.sort();
    files
}

/// Ordinary mail must rarely be called ambiguous.
#[test]
fn ordinary_mail_is_rarely_odd() {
    let weights = Weights::shipped().unwrap();
    for (name, most_percent) in [("modern/ham", 1), ("modern/phish", 10), ("spamassassin/nice", 10)]
    {
        let files = corpus(name);
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        let mut odd = 0;
        for file in &files {
            let data = std::fs::read(file).unwrap();
            let mut anatomy = Anatomy::of(&data.into(), Limits::default());
            anatomy.read(&mut |_, _| {});
            let mut is_odd = false;
            for (name, place) in anatomy.oddities.sights() {
                let finding = weights.weigh(Sighting::new(name, place));
                is_odd |= finding.class != Class::Notice;
                *counts.entry(format!("{} {}", finding.name, finding.class)).or_default() += 1;
                if finding.class != Class::Notice {
                    println!("{}: {} {}", file.display(), finding.name, finding.detail);
                }
            }
            odd += usize::from(is_odd);
        }
        println!("{name}: {odd} of {} odd: {counts:#?}", files.len());
        assert!(odd * 100 <= files.len() * most_percent, "{name}");
    }
}

mod classifier_in_force {
    use super::*;
    use crate::analysis::classifier::{
        Classifier, Example, FEWEST_EACH, Features, Label, LearningLimits, MODEL_FILE,
    };

    fn mail(from: &str, subject: &str, body: &str) -> Vec<u8> {
        format!(
            "From: {from}\r\nTo: bob@x.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\
             Message-ID: <1@y.test>\r\nSubject: {subject}\r\n\r\n{body}\r\n"
        )
        .into_bytes()
    }

    fn spam(number: usize) -> Vec<u8> {
        let body = format!("Winner {number}, claim http://a.test/{number} before it expires!");
        mail("\"Big Prize\" <win@prize.test>", &format!("You WON {number} prizes"), &body)
    }

    fn ham(number: usize) -> Vec<u8> {
        let body = format!("Hello Bob,\r\nthe minutes of meeting {number} are in the folder.");
        mail("Ann <ann@y.test>", &format!("Re: minutes {number}"), &body)
    }

    fn anatomy(octets: Vec<u8>) -> crate::message::Anatomy {
        crate::message::Anatomy::of(&octets.into(), crate::message::Limits::default())
    }

    fn save_model(dir: &Path) {
        let example =
            |message: Vec<u8>, label| Example { features: Features::of_message(&message), label };
        let examples: Vec<Example> = (0..FEWEST_EACH)
            .flat_map(|at| [example(spam(at), Label::Spam), example(ham(at), Label::Ham)])
            .collect();
        let classifier = Classifier::blank(LearningLimits::default());
        classifier.train(&examples, 7).unwrap();
        classifier.save(&dir.join(MODEL_FILE)).unwrap();
    }

    async fn found(likeness: Likeness, octets: Vec<u8>) -> Vec<String> {
        let mut analysis = Arc::into_inner(analysis("")).unwrap();
        Arc::get_mut(&mut analysis.desk).unwrap().likeness = Arc::new(likeness);
        let look = analysis.look(&Content::from_bytes(octets), None).await.unwrap();
        look.findings.iter().map(|finding| finding.name.to_string()).collect()
    }

    #[tokio::test]
    async fn a_model_speaks_in_every_look() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(found(Likeness::in_dir(dir.path()), ham(900)).await, ["AV_ABSENT"]);
        save_model(dir.path());
        let mut large = spam(901);
        large.extend(b"padding \r\n".repeat(60_000));
        for (message, name) in [
            (spam(900), "CLASSIFIER_SPAM"),
            (large, "CLASSIFIER_SPAM"),
            (ham(900), "CLASSIFIER_HAM"),
        ] {
            let likeness = Likeness::in_dir(dir.path());
            let names = found(likeness, message).await;
            assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
        }
    }

    #[tokio::test]
    async fn a_refused_model_is_a_notice_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join(MODEL_FILE),
            "no model, by its looks; at all, at all, at all",
        )
        .unwrap();
        let likeness = Likeness::in_dir(dir.path());
        let sighting = likeness.sightings(&anatomy(spam(900)), 0.0).pop().unwrap();
        let finding = Weights::shipped().unwrap().weigh(sighting);
        assert_eq!((&*finding.name, finding.class), ("CLASSIFIER_REFUSED", Class::Notice));
        assert_eq!(finding.score, 0.0);
        assert!(finding.detail.contains(MODEL_FILE), "{}", finding.detail);
        let names = found(likeness, ham(900)).await;
        assert_eq!(names, ["CLASSIFIER_REFUSED", "AV_ABSENT"]);
    }

    #[test]
    fn hostile_forms_take_no_longer_than_their_octets() {
        let dir = tempfile::tempdir().unwrap();
        save_model(dir.path());
        let likeness = Likeness::in_dir(dir.path());
        let parts = |count: usize| {
            let opening: String = (0..count)
                .map(|at| {
                    format!("Content-Type: multipart/mixed; boundary=b{at}\r\n\r\n--b{at}\r\n")
                })
                .collect();
            opening.into_bytes()
        };
        let table: [(&str, Vec<u8>); 6] = [
            ("nested parts", parts(20_000)),
            ("nested messages", b"Content-Type: message/rfc822\r\n\r\n".repeat(30_000)),
            ("flat parts", {
                let mut text = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
                text.extend(b"--b\r\n\r\nx\r\n".repeat(100_000));
                text
            }),
            ("fields", b"X: y\r\n".repeat(150_000)),
            (
                "angles",
                [b"Content-Type: text/html\r\n\r\n".to_vec(), b"<".repeat(1 << 20)].concat(),
            ),
            ("addresses", [b"To: ".to_vec(), b"(<a@b>,".repeat(150_000)].concat()),
        ];
        for (name, octets) in table {
            let begun = std::time::Instant::now();
            let _ = likeness.sightings(&anatomy(octets.clone()), 1.0);
            println!("{name}: {} octets in {:?}", octets.len(), begun.elapsed());
            assert!(begun.elapsed() < Duration::from_secs(10), "{name}");
        }
    }
}
