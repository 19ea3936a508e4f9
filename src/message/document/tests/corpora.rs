//! Mail with real office documents, read in place.

use std::path::PathBuf;

use bytes::Bytes;

use crate::message::contents::{Contents, Limits};
use crate::message::{Anatomy, Limits as AnatomyLimits};

#[test]
fn real_documents_are_told_for_what_they_are() {
    let root = std::env::var_os("POSTERN_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"),
        PathBuf::from,
    );
    let folder = root.join("spamassassin/spam/olevbmacro");
    // Remarks that must be made, and, behind `!`, those that must not.
    let table = [
        ("encrypted.eml", "DOCUMENT_ENCRYPTED !ARCHIVE_DAMAGED"),
        ("goodcsv.eml", "!DDE_FIELD"),
        ("macro.eml", "MACRO_PRESENT !MACRO_AUTO_OPEN !MACRO_STOMPED !ARCHIVE_DAMAGED"),
        ("malicemacro.eml", "MACRO_PRESENT MACRO_AUTO_OPEN !MACRO_STOMPED !MACRO_OBFUSCATED"),
        ("nomacro.eml", "!MACRO_PRESENT !MACRO_EXCEL4 !PICTURE_EXTERNAL"),
        ("renamedmacro.eml", "MACRO_PRESENT"),
        ("target_uri.eml", "!OBJECT_EXTERNAL !TEMPLATE_EXTERNAL"),
        ("zippwmacro.eml", "ARCHIVE_ENCRYPTED"),
    ];
    for (name, expected) in table {
        let Ok(message) = std::fs::read(folder.join(name)) else {
            println!("no corpus at {}", folder.display());
            return;
        };
        let anatomy = Anatomy::of(&Bytes::from(message), AnatomyLimits::default());
        let contents = Contents::of(&anatomy, Limits::default(), &mut |_, _| {});
        for expected in expected.split(' ') {
            let wanted = expected.trim_start_matches('!');
            let is_seen = contents.remarks.iter().any(|remark| remark.name == wanted);
            let is_right = is_seen != expected.starts_with('!');
            assert!(is_right, "{name}: {expected}: {:?}", contents.remarks);
        }
    }
}
