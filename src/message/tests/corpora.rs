//! The corpora go through the room without a panic, and ordinary mail without a finding.

use std::path::{Path, PathBuf};

use super::*;

/// Every file below a folder of the shared corpora; says so when they are absent.
pub(crate) fn corpus(name: &str) -> Vec<PathBuf> {
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

#[test]
fn the_corpora_are_taken_apart_and_edited() {
    for name in ["mime-mail-parser", "mime-tools", "rspamd", "spamassassin", "dkim", "modern"] {
        let files = corpus(name);
        for file in &files {
            let data = std::fs::read(file).unwrap();
            fuzz::dissect(&data);
            let whole = fuzz::rewrite(&data);
            assert!(whole.len() >= data.len(), "{}", file.display());
            for end in [data.len() / 3, data.len() / 2] {
                fuzz::dissect(&data[..end]);
                fuzz::rewrite(&data[..end]);
            }
        }
        println!("{name}: {} files", files.len());
    }
}

#[test]
fn ordinary_mail_has_one_reading() {
    for (name, most_percent) in [("modern/ham", 3), ("modern/phish", 6), ("spamassassin/nice", 5)] {
        let (mut several, mut all) = (0, 0);
        let mut why: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        for file in corpus(name) {
            let data = Bytes::from(std::fs::read(&file).unwrap());
            let anatomy = Anatomy::of(&data, Limits::default());
            all += 1;
            if anatomy.parts.iter().any(|part| !part.is_main()) {
                several += 1;
                println!("{}: {:?}", file.display(), names(&anatomy));
            }
            for name in names(&anatomy) {
                *why.entry(name).or_default() += 1;
            }
        }
        println!("{name}: {several} of {all} messages have several readings; {why:?}");
        assert!(several * 100 <= all * most_percent, "{name}: {several} of {all}");
    }
}

/// What the fuzzer found worth keeping, by body.
#[test]
fn what_the_fuzzer_kept_is_replayed() {
    let bodies: [(&str, fn(&[u8]) -> usize); 4] = [
        ("anatomy", fuzz::dissect),
        ("archive", fuzz::archive),
        ("ole", fuzz::ole),
        ("pdf", fuzz::pdf),
    ];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, body) in bodies {
        let files: Vec<_> = std::fs::read_dir(root.join(name)).unwrap().flatten().collect();
        assert!(files.len() >= 20, "{name}");
        for file in files {
            body(&std::fs::read(file.path()).unwrap());
        }
    }
}
