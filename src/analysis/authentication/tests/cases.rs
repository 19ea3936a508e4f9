//! The plain-text cases in `tests/cases/authentication`, through this stage alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::Authentication;
use super::{config, crlf, resolver, serve};
use crate::analysis::Passage;
use crate::analysis::weights::Weights;
use crate::mail::{BodyType, Envelope, Facts, Recipient, ReversePath, Role};

struct Case {
    facts: Facts,
    envelope: Envelope,
    expected: bool,
    message: Vec<u8>,
}

fn read(path: &Path, kind: &str) -> Case {
    let text = std::fs::read(path).unwrap();
    let mut case = Case {
        facts: Facts {
            role: Role::Inbound,
            client: "192.0.2.1".parse().unwrap(),
            helo: "client.test".into(),
            extended: true,
            tls: None,
            account: None,
            received_ms: 0,
            manners: Default::default(),
        },
        envelope: Envelope {
            reverse_path: ReversePath::Null,
            recipients: vec![Recipient::plain("bob@example.org".parse().unwrap())],
            body: BodyType::SevenBit,
            smtputf8: false,
            dsn_return: None,
            envelope_id: None,
        },
        expected: kind != "near_miss",
        message: Vec::new(),
    };
    let mut rest = text.as_slice();
    while let Some(line) = rest.strip_prefix(b"% ") {
        let end = line.iter().position(|octet| *octet == b'\n').unwrap();
        let words = std::str::from_utf8(&line[..end]).unwrap();
        rest = &line[end + 1..];
        let (name, value) = words.split_once(": ").unwrap_or_else(|| panic!("{words}"));
        match (name, value.trim()) {
            ("client", address) => case.facts.client = address.parse().unwrap(),
            ("helo", helo) => case.facts.helo = helo.into(),
            ("reverse-path", "<>") => {}
            ("reverse-path", path) => {
                case.envelope.reverse_path = ReversePath::Mailbox(path.parse().unwrap());
            }
            ("expect", answer) => case.expected = answer != "no",
            other => panic!("{}: {other:?}", path.display()),
        }
    }
    case.message = rest.to_vec();
    case
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_case_is_as_its_folder_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/authentication");
    let settings = std::fs::read_to_string(root.join("config.toml")).unwrap();
    let server = serve(&std::fs::read_to_string(root.join("dns.txt")).unwrap());
    let stage = Authentication::new(&config(&settings), resolver(&server)).unwrap();
    let weights = Weights::shipped().unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for folder in files(&root).into_iter().filter(|path| path.is_dir()) {
        let finding = folder.file_name().unwrap().to_str().unwrap().to_owned();
        for kind in ["hit", "near_miss", "hostile"] {
            for path in files(&folder.join(kind)) {
                count += 1;
                let case = read(&path, kind);
                let passage = Passage { facts: &case.facts, envelope: &case.envelope };
                let outcome = stage.check(&crlf(&case.message), &passage).await;
                let names: BTreeSet<&str> =
                    outcome.sightings.iter().map(|seen| seen.name).collect();
                assert!(names.iter().all(|name| weights.all().contains_key(name)), "{names:?}");
                if names.contains(finding.as_str()) != case.expected {
                    wrong.push(format!(
                        "{finding}/{kind}/{:?}: {:?}",
                        path.file_name(),
                        outcome.sightings
                    ));
                }
            }
        }
    }
    assert!(count > 100 && wrong.is_empty(), "{count} cases, wrong: {wrong:#?}");
}
