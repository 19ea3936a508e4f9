//! `postern scan` over thousands of strange messages: one line of JSON for each, no crash, and
//! nothing that cannot be read passes for clean by default.

use std::collections::BTreeMap;

use super::harness::{corpora, postern::program, skip};

const VERDICTS: [&str; 6] = ["clean", "spam", "malicious", "ambiguous", "unscannable", "policy"];

fn count_files(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    entries
        .map(|entry| entry.path())
        .map(|path| if path.is_dir() { count_files(&path) } else { 1 })
        .sum()
}

#[test]
fn every_message_of_the_corpora_gets_a_verdict() {
    let Some(root) = corpora() else { return skip("the shared corpora are not here") };
    let folders = ["mime-mail-parser", "mime-tools", "rspamd", "spamassassin", "dkim"];
    for folder in folders {
        let dir = root.join(folder);
        let output = program().args(["scan", "--json"]).arg(&dir).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some(), "{folder}: killed by a signal");
        assert!(!said.contains("panicked"), "{folder}: {said}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let mut verdicts = BTreeMap::new();
        for line in printed.lines() {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            let verdict = object["verdict"].as_str().unwrap().to_owned();
            assert!(VERDICTS.contains(&verdict.as_str()), "{line}");
            assert!(object["file"].is_string() && object["score"].is_number(), "{line}");
            for finding in object["findings"].as_array().unwrap() {
                let name = finding["name"].as_str().unwrap();
                assert!(
                    name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
                );
                assert!(finding["score"].is_number() && finding["detail"].is_string(), "{line}");
            }
            *verdicts.entry(verdict).or_insert(0) += 1;
        }
        let lines: usize = verdicts.values().sum();
        assert_eq!(lines, count_files(&dir), "{folder}: one line a file");
        println!("{folder}: {verdicts:?}");
    }
}

#[test]
fn scan_reads_files_folders_and_says_what_it_cannot_read() {
    let dir = super::harness::folder();
    std::fs::create_dir(dir.path().join("deep")).unwrap();
    let message = super::harness::text::message("scan", "scan@sender.test");
    std::fs::write(dir.path().join("one.eml"), &message).unwrap();
    std::fs::write(dir.path().join("deep/two.eml"), &message).unwrap();
    let output = program().args(["scan", "--json"]).arg(dir.path()).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    let plain = program().arg("scan").arg(dir.path().join("one.eml")).output().unwrap();
    let printed = String::from_utf8(plain.stdout).unwrap();
    assert!(printed.contains("one.eml") && printed.contains("clean"), "{printed}");
    let missing = program().args(["scan", "/nonexistent/x.eml"]).output().unwrap();
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nonexistent/x.eml"));
}
