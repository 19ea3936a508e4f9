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

const BLOCK: usize = 2_048;
/// Where the partition of the image made here begins.
const PARTITION: usize = 300;

fn put(image: &mut [u8], block: usize, offset: usize, octets: &[u8]) {
    let at = block * BLOCK + offset;
    image[at..at + octets.len()].copy_from_slice(octets);
}

fn put_u16(image: &mut [u8], block: usize, offset: usize, value: u16) {
    put(image, block, offset, &value.to_le_bytes());
}

fn put_u32(image: &mut [u8], block: usize, offset: usize, value: usize) {
    put(image, block, offset, &u32::try_from(value).unwrap().to_le_bytes());
}

/// A long address: length, block, partition.
fn long(length: usize, block: u32, partition: u16) -> Vec<u8> {
    let mut address = u32::try_from(length).unwrap().to_le_bytes().to_vec();
    address.extend_from_slice(&block.to_le_bytes());
    address.extend_from_slice(&partition.to_le_bytes());
    address.resize(16, 0);
    address
}

/// A name in a folder.
fn identifier(characteristics: u8, block: u32, name: &str) -> Vec<u8> {
    let mut octets = vec![0; 38];
    octets[..2].copy_from_slice(&257_u16.to_le_bytes());
    octets[18] = characteristics;
    let letters: Vec<u8> = match name.is_empty() {
        true => Vec::new(),
        false => [16].into_iter().chain(name.encode_utf16().flat_map(u16::to_be_bytes)).collect(),
    };
    octets[19] = u8::try_from(letters.len()).unwrap();
    octets[20..36].copy_from_slice(&long(BLOCK, block, 1));
    octets.extend(letters);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

/// An extended file entry; `kind` says what stands in its area.
fn file_entry(
    image: &mut [u8],
    block: usize,
    is_folder: bool,
    kind: u16,
    size: usize,
    area: &[u8],
) {
    put_u16(image, block, 0, 266);
    put(image, block, 27, &[if is_folder { 4 } else { 5 }]);
    put_u16(image, block, 34, kind);
    put_u32(image, block, 56, size);
    put_u32(image, block, 212, area.len());
    put(image, block, 216, area);
}

/// UDF 2.50 with a metadata partition: a file by long addresses in two pieces and a hole, one
/// that stands in its own entry, and a folder that leads back to the root.
fn udf_with_metadata() -> Vec<u8> {
    let mut image = vec![0; 340 * BLOCK];
    for (block, id) in [(16, b"BEA01"), (17, b"NSR03"), (18, b"TEA01")] {
        put(&mut image, block, 1, id);
    }
    put_u16(&mut image, 256, 0, 2);
    put_u32(&mut image, 256, 12, 256);
    put_u32(&mut image, 256, 16, 16 * BLOCK);
    put_u32(&mut image, 256, 20, 32);
    put_u16(&mut image, 32, 0, 5);
    put_u32(&mut image, 32, 188, PARTITION);
    put_u16(&mut image, 33, 0, 6);
    put_u32(&mut image, 33, 212, BLOCK);
    put(&mut image, 33, 248, &long(BLOCK, 0, 1));
    put_u32(&mut image, 33, 268, 2);
    put(&mut image, 33, 440, &[1, 6, 1, 0, 0, 0, 2, 64, 0, 0, 0]);
    put(&mut image, 33, 451, b"*UDF Metadata Partition");
    // Volume 1, partition 0, the metadata file in its first block.
    put(&mut image, 33, 482, &[1, 0, 0, 0]);
    put_u16(&mut image, 34, 0, 8);
    let metadata = [&(8 * BLOCK as u32).to_le_bytes()[..], &10_u32.to_le_bytes()].concat();
    file_entry(&mut image, PARTITION, false, 0, 8 * BLOCK, &metadata);
    let block = PARTITION + 10;
    put_u16(&mut image, block, 0, 256);
    put(&mut image, block, 400, &long(BLOCK, 1, 1));
    let root = [
        identifier(0x0a, 1, ""),
        identifier(0, 2, "pieces.js"),
        identifier(1, 3, "вложение.js"),
        identifier(2, 1, "loop"),
        identifier(0, 4, "unwritten.js"),
    ]
    .concat();
    file_entry(&mut image, block + 1, true, 3, root.len(), &root);
    let marker = marker();
    let (first, second) = marker.split_at(5);
    let hole = long(4 | 1 << 30, 0, 0);
    let pieces = [long(first.len(), 25, 0), long(second.len(), 27, 0), hole].concat();
    file_entry(&mut image, block + 2, false, 1, marker.len() + 4, &pieces);
    put(&mut image, PARTITION + 25, 0, first);
    put(&mut image, PARTITION + 27, 0, second);
    file_entry(&mut image, block + 3, false, 3, marker.len(), &marker);
    file_entry(&mut image, block + 4, false, 1, 9_999, &long(10, 9_999, 0));
    image
}

#[test]
fn udf_with_a_metadata_partition_is_read() {
    let (contents, _) = open_as("a.iso", &udf_with_metadata());
    assert_eq!(with_marker(&contents), ["pieces.js", "вложение.js"], "{:?}", contents.remarks);
    assert_eq!(closed(&contents), [("unwritten.js", Closed::Damaged)]);
    assert_eq!(remarks(&contents)[0], "DISK_IMAGE_HIDDEN_FILE");
}
