use super::super::packed::tests::{closed, marker, open_as, with_marker};
use crate::message::contents::Closed;

/// A file of a cabinet: name, offset, size and folder.
type File<'f> = (&'f str, u32, u32, u16);

/// A cabinet of one folder with blocks of what they yield and what is packed.
fn cabinet(flags: u16, method: u16, files: &[File<'_>], blocks: &[(u16, &[u8])]) -> Vec<u8> {
    let mut names = Vec::new();
    // The other cabinet and its disk.
    if flags & 1 != 0 {
        names.extend_from_slice(b"before.cab\0disk 1\0");
    }
    let mut entries = Vec::new();
    for (name, offset, size, folder) in files {
        entries.extend_from_slice(&size.to_le_bytes());
        entries.extend_from_slice(&offset.to_le_bytes());
        entries.extend_from_slice(&folder.to_le_bytes());
        entries.extend_from_slice(&[0; 6]);
        entries.extend_from_slice(name.as_bytes());
        entries.push(0);
    }
    let files_at = 36 + names.len() + 8;
    let data_at = files_at + entries.len();
    let mut octets = b"MSCF".to_vec();
    for field in [0, 0, 0, files_at as u32, 0] {
        octets.extend_from_slice(&field.to_le_bytes());
    }
    octets.extend_from_slice(&[3, 1]);
    for field in [1, files.len() as u16, flags, 7, 0] {
        octets.extend_from_slice(&field.to_le_bytes());
    }
    octets.extend(names);
    octets.extend_from_slice(&(data_at as u32).to_le_bytes());
    octets.extend_from_slice(&(blocks.len() as u16).to_le_bytes());
    octets.extend_from_slice(&method.to_le_bytes());
    octets.extend(entries);
    for (yields, packed) in blocks {
        octets.extend_from_slice(&[0; 4]);
        octets.extend_from_slice(&(packed.len() as u16).to_le_bytes());
        octets.extend_from_slice(&yields.to_le_bytes());
        octets.extend_from_slice(packed);
    }
    octets
}

#[test]
fn files_of_other_cabinets_are_closed() {
    let marker = marker();
    let size = marker.len() as u32;
    let files = [
        ("own.js", 0, size, 0),
        ("begun.js", 0, 9, 0xfffd),
        ("on.js", 0, 9, 0xfffe),
        ("x", 0, 9, 7),
    ];
    let octets = cabinet(1, 0, &files, &[(marker.len() as u16, &marker)]);
    let (contents, _) = open_as("a.cab", &octets);
    assert_eq!(with_marker(&contents), ["own.js"]);
    assert_eq!(
        closed(&contents),
        [("begun.js", Closed::Elsewhere), ("on.js", Closed::Elsewhere), ("x", Closed::Damaged)]
    );
}

#[test]
fn quantum_is_closed() {
    let octets = cabinet(0, 0x0f72, &[("a.js", 0, 9, 0)], &[(9, b"123456789")]);
    let (contents, _) = open_as("a.cab", &octets);
    assert_eq!(closed(&contents), [("a.js", Closed::Unsupported)]);
}

#[test]
fn files_that_overlap_and_stand_in_another_order_are_cut_right() {
    let files = [("b", 3, 3, 0), ("a", 0, 6, 0), ("gap", 8, 1, 0), ("beyond", 8, 99, 0)];
    let octets = cabinet(0, 0, &files, &[(5, b"abcde"), (4, b"fghi")]);
    let (contents, _) = open_as("a.cab", &octets);
    let found: Vec<(&str, &[u8])> = contents.items[1..]
        .iter()
        .map(|item| (item.name.as_str(), item.content.as_deref().unwrap()))
        .collect();
    let expected: [(&str, &[u8]); 4] =
        [("a", b"abcdef"), ("b", b"def"), ("gap", b"i"), ("beyond", b"i")];
    assert_eq!(found, expected);
    assert_eq!(closed(&contents), [("beyond", Closed::Damaged)]);
}

#[test]
fn many_files_over_the_same_octets_are_bounded() {
    let block = vec![b'x'; 32_000];
    let blocks: Vec<(u16, &[u8])> = vec![(32_000, &block); 60];
    let files = vec![("a.js", 0, 1_900_000, 0); 9_000];
    let begin = std::time::Instant::now();
    let (contents, _) = open_as("a.cab", &cabinet(0, 0, &files, &blocks));
    assert!(contents.exhausted.is_some());
    assert!(begin.elapsed() < std::time::Duration::from_secs(2));
}
