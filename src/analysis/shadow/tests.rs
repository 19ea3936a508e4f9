//! That the candidate is tried, counted, and changes nothing.

use super::*;
use crate::analysis::Surroundings;
use crate::mail::Class;

const MESSAGE: &[u8] = b"From: a@sender.test\r\nSubject: x\r\n\r\nplain words\r\n";

fn config(dir: &Path, shadow: &str) -> Config {
    // Compiled patterns are shared by the tests.
    let data_dir = std::env::temp_dir().join("postern-tests-compiled-patterns");
    std::fs::create_dir_all(&data_dir).unwrap();
    let text = format!(
        "[system]\nhostname = \"mx.example.org\"\npostmaster = \"p@example.org\"\n\
         data_dir = \"{}\"\n{shadow}",
        data_dir.display()
    );
    Config::parse(&text, Path::new("postern.toml"), dir).unwrap()
}

fn judge() -> Judge {
    Box::new(|findings| {
        let score: f32 = findings.iter().map(|finding| finding.score).sum();
        let verdict = if score >= 5.0 { "spam" } else { "clean" };
        Opinion { verdict: verdict.into(), fate: "deliver".into(), score }
    })
}

#[test]
fn differences_are_counted_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("candidate.toml"),
        "[HEADER_DATE_ABSENT]\nscore = 6.0\n[ANALYSIS_TIMEOUT]\nscore = 2.0\n",
    )
    .unwrap();
    let config =
        config(dir.path(), "[learning.shadow]\nweights = \"candidate.toml\"\nexamples = 2\n");
    let analysis = Analysis::new(&config, Surroundings::default()).unwrap();
    let shadow = Shadow::start(config.learning.shadow.as_ref()).unwrap();
    let content = Content::from_bytes(MESSAGE);
    let (mut live, _) = analysis.scan_message(MESSAGE);
    assert!(live.iter().any(|finding| finding.name == "HEADER_DATE_ABSENT"));
    live.push(Finding::new("OF_ANOTHER_STAGE", Class::Spam, 1.0, ""));
    for number in 0..3 {
        let id = MailId::from_octets([number; 12]);
        shadow.consider(&analysis, (id, &content), &live, judge());
    }
    shadow.close();
    let report = shadow.report().unwrap();
    assert_eq!((report.tried, report.differing, report.left_out), (3, 3, 0));
    assert_eq!(report.examples.len(), 2);
    let example = report.examples.front().unwrap();
    assert_eq!(example.mail_id, MailId::from_octets([2; 12]).to_string());
    assert_eq!(
        (example.live.verdict.as_str(), example.candidate.verdict.as_str()),
        ("clean", "spam")
    );
    assert_eq!(example.reasons, ["HEADER_DATE_ABSENT 0.5 -> 6.0"]);
    let own = live.iter().map(|finding| finding.score).sum::<f32>();
    assert!((example.candidate.score - own - 5.5).abs() < 1e-4, "the other stage's part stays");
    // The same candidate goes on counting, another one begins.
    shadow.reload(config.learning.shadow.as_ref());
    assert_eq!(shadow.report().unwrap().tried, 3);
    shadow.reload(None);
    assert!(shadow.report().is_none());
}

#[test]
fn what_cannot_be_read_as_weights_is_said() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("candidate.toml"), "[NO_SUCH_THING]\nscore = 1.0\n").unwrap();
    let config = config(dir.path(), "[learning.shadow]\nweights = \"candidate.toml\"\n");
    let error = Analysis::new(&config, Surroundings::default()).unwrap_err().to_string();
    assert!(error.contains("NO_SUCH_THING"), "{error}");
}
