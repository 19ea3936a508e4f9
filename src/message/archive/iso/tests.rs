use super::super::packed::tests::{closed, fixture, marker, open_as, with_marker};
use crate::message::contents::{Closed, Contents};

const FOUR: [&str; 4] = ["long name of a document.txt", "read.txt", "sub/inner.js", "tool.js"];

fn remarks(contents: &Contents) -> Vec<&str> {
    contents.remarks.iter().map(|remark| remark.name).collect()
}

/// An image without its ISO 9660 descriptors: only UDF is left.
fn only_udf() -> Vec<u8> {
    let mut image = fixture("udf-bridge.iso");
    while let Some(at) = memchr::memmem::find(&image, b"CD001") {
        image[at..at + 5].copy_from_slice(b"xxxxx");
    }
    image
}

#[test]
fn udf_is_read_by_itself() {
    let (contents, _) = open_as("a.iso", &only_udf());
    assert_eq!(with_marker(&contents), FOUR, "{:?}", contents.remarks);
    assert_eq!(closed(&contents), []);
}

#[test]
fn a_file_that_one_tree_hides_is_found_and_told() {
    let (contents, _) = open_as("a.iso", &fixture("differ.iso"));
    let names = with_marker(&contents);
    assert!(names.contains(&"TOOL.JS"), "{names:?}");
    assert!(remarks(&contents).contains(&"ISO_TREES_DIFFER"));
    assert!(remarks(&contents).contains(&"DISK_IMAGE_HIDDEN_FILE"));
    let (contents, _) = open_as("a.iso", &fixture("joliet.iso"));
    assert_eq!(remarks(&contents), [""; 0]);
}

#[test]
fn folders_that_loop_end() {
    let mut image = fixture("plain.iso");
    // The folder SUB leads to the root.
    let root = image[16 * 2_048 + 158..16 * 2_048 + 162].to_vec();
    let name = memchr::memmem::find_iter(&image, b"\x03SUB").last().unwrap();
    let record = name - 32;
    image[record + 2..record + 6].copy_from_slice(&root);
    let (contents, _) = open_as("a.iso", &image);
    assert!(contents.exhausted.is_none());
    assert_eq!(with_marker(&contents), ["LONG_NAM.TXT", "READ.TXT", "TOOL.JS"]);
}

#[test]
fn files_that_lie_outside_are_closed() {
    let mut image = fixture("plain.iso");
    let name = memchr::memmem::find(&image, b"READ.TXT;1").unwrap();
    let record = name - 33;
    image[record + 2..record + 6].copy_from_slice(&[0xff; 4]);
    let (contents, _) = open_as("a.iso", &image);
    assert!(closed(&contents).contains(&("READ.TXT", Closed::Damaged)));
    let (contents, _) = open_as("a.iso", &image[..40_000]);
    assert!(!closed(&contents).is_empty());
    let (contents, _) = open_as("a.iso", &marker());
    assert_eq!(closed(&contents), [("", Closed::Damaged)]);
}
