//! Archives made by other programs: read to the octet, and nothing to remark.
//!
//! The fixtures hold one text (`text`), packed by 7-Zip 24 (zip archives: `7z a -tzip
//! -mm=METHOD`), xz 5 (`xz`, `xz --x86 --delta=dist=2 --lzma2`, `xz --format=lzma`), zstd 1.5
//! (`-19`), lz4 1.9 (`-9`, `-l`), and in the format of compress by a script whose output
//! gzip 1.12 unpacks; and a sparse file by GNU tar (`-S`, `--sparse-version`).

use super::build::walk_file;

fn text() -> Vec<u8> {
    let line =
        |number: u32| format!("Line {number} of a file that was packed by another program.\n");
    (0..60).map(line).collect::<String>().into_bytes()
}

/// A file of zeros with a word in it.
fn hole() -> Vec<u8> {
    let mut file = vec![0; 20 << 10];
    file[9_000..9_005].copy_from_slice(b"hello");
    file
}

macro_rules! fixture {
    ($name:literal) => {
        ($name, include_bytes!(concat!("fixtures/", $name)))
    };
}

#[test]
fn what_others_packed_is_unpacked() {
    let rows: [(&str, &[u8]); 12] = [
        fixture!("deflate64.zip"),
        fixture!("lzma.zip"),
        fixture!("ppmd.zip"),
        fixture!("xz.zip"),
        fixture!("bzip2.zip"),
        fixture!("text.xz"),
        fixture!("filters.xz"),
        fixture!("text.lzma"),
        fixture!("text.zst"),
        fixture!("text.lz4"),
        fixture!("legacy.lz4"),
        fixture!("text.Z"),
    ];
    for (name, file) in rows {
        let contents = walk_file(name, file);
        let inner = contents.items.get(1).unwrap_or_else(|| panic!("{name}"));
        assert!(inner.content.as_deref() == Some(&text()[..]), "{name}: {inner:?}");
        assert_eq!(contents.remarks, [], "{name}");
    }
}

#[test]
fn sparse_files_are_put_together() {
    let rows: [(&str, &[u8]); 4] = [
        fixture!("sparse-0.0.tar.gz"),
        fixture!("sparse-0.1.tar.gz"),
        fixture!("sparse-1.0.tar.gz"),
        fixture!("sparse-gnu.tar.gz"),
    ];
    for (name, file) in rows {
        let contents = walk_file(name, file);
        let is_whole = |octets: &[u8]| octets == hole();
        let found = contents.items.iter().filter(|item| item.name == "hole");
        assert!(found.clone().any(|item| item.content.as_deref().is_some_and(is_whole)), "{name}");
        assert_eq!(contents.remarks, [], "{name}");
    }
}

#[test]
fn an_encrypted_member_is_named() {
    let contents = walk_file("a.zip", include_bytes!("fixtures/aes.zip"));
    let remark = contents.remarks.first().unwrap();
    assert_eq!(remark.name, "ARCHIVE_ENCRYPTED");
    assert_eq!(contents.place(remark), "a.zip/text");
}
