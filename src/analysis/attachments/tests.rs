use super::names::{double_extension, is_padded};

#[test]
fn double_extensions_bait_with_what_is_trusted() {
    let table = [
        ("invoice.pdf.exe", true),
        ("Photo.JPG.scr ", true),
        ("report.docx.js", true),
        ("a.txt.lnk", true),
        ("invoice.pdf", false),
        ("setup.v1.2.exe", false),
        ("archive.tar.gz", false),
        ("pdf.exe", false),
        (".pdf.exe", false),
        ("notes.2024.pdf", false),
    ];
    for (name, expected) in table {
        assert_eq!(double_extension(name).is_some(), expected, "{name}");
    }
}

#[test]
fn padding_pushes_an_extension_out_of_sight() {
    let table = [
        ("invoice.pdf                     .exe", true),
        ("invoice.pdf__________________.scr", true),
        ("invoice.                .js", true),
        ("two words.exe", false),
        ("a            b.pdf", false),
    ];
    for (name, expected) in table {
        assert_eq!(is_padded(name), expected, "{name}");
    }
}
