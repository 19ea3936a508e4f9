//! What Python's `email` reads in annotated messages: the same parts, charsets and contents as
//! before but for the annotation. Skipped, and said so, where there is no python3.

use std::path::Path;
use std::process::Command;

use super::*;

/// Runs the comparison over a folder; the lines that it prints, or nothing without Python.
pub(super) fn compare_in_python(folder: &Path) -> Option<Vec<String>> {
    let script = folder.join("compare.py");
    std::fs::write(&script, include_str!("compare.py")).unwrap();
    let ran = Command::new("python3").arg("-I").arg(&script).arg(folder).output();
    let Ok(output) = ran else {
        println!("skipped: python3 cannot be run");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Keeps a pair for the comparison.
pub(super) fn keep(folder: &Path, stem: &str, before: &[u8], after: &[u8], said: &str) {
    std::fs::write(folder.join(format!("{stem}.before")), before).unwrap();
    std::fs::write(folder.join(format!("{stem}.after")), after).unwrap();
    std::fs::write(folder.join(format!("{stem}.said")), said).unwrap();
}

#[test]
fn python_reads_the_same_in_the_corpora() {
    for name in corpora::CORPORA {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = 0;
        let files = corpora::messages(name);
        for (number, file) in files.iter().enumerate() {
            if files.len() > 500 && number % 5 > 0 {
                continue;
            }
            // Broken on purpose, so that no two readers agree.
            if file.to_string_lossy().contains("/malformed/") {
                continue;
            }
            let message = std::fs::read(file).unwrap();
            // The larger corpora take long: one of four ways for each message.
            let place = [AnnotationPlace::Above, AnnotationPlace::Below][number % 2];
            let text = [ASCII, WIDE][number / 2 % 2];
            let Ok(whole) = annotated(&message, &said(text, place)) else { continue };
            let stem = file.file_name().unwrap().to_string_lossy().into_owned();
            keep(folder.path(), &format!("{number}-{stem}"), &message, &whole, text);
            kept += 1;
        }
        let Some(lines) = compare_in_python(folder.path()) else { return };
        for line in &lines {
            println!("{name}: {line}");
        }
        let differing = lines.iter().filter(|line| line.starts_with("differs")).count();
        println!("{name}: {kept} messages, {differing} read otherwise by Python");
        assert!(differing * 50 <= 2 * kept, "{name}: {differing} of {kept}");
    }
}
