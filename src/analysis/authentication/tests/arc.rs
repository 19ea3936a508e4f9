//! The public validation suite of ARC (draft names; RFC 8617).

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use super::super::arc::ArcResult;
use super::{corpora, crlf, resolver, serve, signatures_of};

#[derive(Deserialize)]
struct Scenario {
    tests: BTreeMap<String, Case>,
    #[serde(rename = "txt-records")]
    records: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Case {
    message: String,
    cv: Option<String>,
}

/// Cases whose outcome differs from the suite's, each with the reason.
const DIFFERENCES: [(&str, &str); 2] = [
    (
        "ams_fields_c_na",
        "without c= RFC 6376 section 3.5 means simple/simple; the suite's signature is relaxed",
    ),
    ("ams_fields_h_empty", "a signature that covers no field, From neither, proves nothing"),
];

#[tokio::test]
async fn the_public_suite_is_passed() {
    let path = corpora().join("arc/arc-draft-validation-tests.yml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no {}", path.display());
        return;
    };
    let (mut cases, mut differing) = (0, Vec::new());
    for document in serde_yaml_ng::Deserializer::from_str(&text) {
        let scenario = Scenario::deserialize(document).unwrap();
        let mut table = String::new();
        for (name, value) in &scenario.records {
            writeln!(table, "{name} TXT \"{}\"", value.replace('\n', "")).unwrap();
        }
        let server = serve(&table);
        let resolver = resolver(&server);
        for (name, case) in &scenario.tests {
            cases += 1;
            let found = signatures_of(&resolver, &crlf(case.message.as_bytes())).await;
            assert!(!found.broken, "{name}");
            let result = found.arc.result;
            let as_expected = match case.cv.as_deref().unwrap_or("None") {
                "Pass" => result == ArcResult::Pass,
                "Fail" => result == ArcResult::Fail,
                "None" => result == ArcResult::None,
                // The suite leaves it open.
                _ => result != ArcResult::Pass,
            };
            if !as_expected {
                println!("{name}: {:?}, but {:?}", case.cv, found.arc);
                differing.push(name.clone());
            }
        }
    }
    println!("{cases} cases, {} differ", differing.len());
    assert_eq!(cases, 171);
    let known: Vec<&str> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    assert_eq!(differing, known);
}
