use bytes::Bytes;

use super::listing::{beginning, list};
use super::{Then, for_each_member, is_appended};
use crate::message::Nature;
use crate::message::archive::tests::build::{Entry, walk_file, zip_of};
use crate::message::contents::{Exhausted, Limits, Opening, open_with};

fn member_names(file: &[u8], most: usize) -> Vec<&str> {
    list(file, most).iter().map(|member| std::str::from_utf8(member.name).unwrap()).collect()
}

#[test]
fn members_are_listed_and_walked() {
    let file =
        zip_of(&[Entry::stored("a.txt", b"Hello"), Entry::deflated("b/c.txt", &[b'x'; 999])]);
    assert_eq!(member_names(&file, 9), ["a.txt", "b/c.txt"]);
    assert_eq!(member_names(&file, 1), ["a.txt"]);
    // What stands before the archive shifts its offsets.
    for file in [file.clone(), [&b"MZ"[..], &file].concat()] {
        let members = list(&file, 9);
        assert_eq!(beginning(&file, &members[0], 9).as_deref(), Some(&b"Hello"[..]));
        assert_eq!(beginning(&file, &members[1], 9).as_deref(), Some(&[b'x'; 9][..]));
    }
    let walked = walk_file("a.zip", &file);
    let paths: Vec<(&str, u64)> =
        walked.items.iter().map(|item| (item.path.as_str(), item.octets)).collect();
    assert_eq!(paths, [("a.zip", file.len() as u64), ("a.zip/a.txt", 5), ("a.zip/b/c.txt", 999)]);
    assert_eq!(walked.remarks, []);
}

#[test]
fn another_opener_sees_each_member_and_keeps_what_it_wants() {
    let file = Bytes::from(zip_of(&[
        Entry::deflated("word/document.xml", b"<w:document/>"),
        Entry::stored("word/embeddings/a.bin", b"embedded"),
    ]));
    fn office(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
        for_each_member(octets, opening, &mut |name, unpacked, opening| {
            if name.ends_with(".xml") {
                opening.text(&String::from_utf8_lossy(&unpacked.octets));
                return Ok(Then::Done);
            }
            Ok(Then::Walk)
        })
    }
    let contents = open_with(&file, Limits::default(), office);
    let names: Vec<&str> = contents.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["file", "word/embeddings/a.bin"]);
}

#[test]
fn names_are_listed_without_a_directory_and_of_hostile_files() {
    let entry = Entry::stored("a.txt", b"Hello");
    let cut = [entry.local(), entry.data.clone(), Entry::stored("b", b"").local()].concat();
    assert_eq!(member_names(&cut, 9), ["a.txt", "b"]);
    let mut endless = Entry::stored("a", b"");
    endless.local_sizes = Some((u32::MAX, u32::MAX));
    assert_eq!(member_names(&endless.local(), 9), ["a"]);
    assert!(list(b"", 9).is_empty() && list(b"PK\x05\x06", 9).is_empty());
}

#[test]
fn a_program_with_a_zip_in_its_middle_is_no_archive() {
    let inner = zip_of(&[Entry::stored("a", b"Hello")]);
    let picture = [&b"GIF89a"[..], &inner, &[1; 100]].concat();
    assert!(!is_appended(Nature::Gif, "a.gif", &picture));
    assert!(is_appended(Nature::Gif, "a.zip", &picture));
    assert!(is_appended(Nature::WindowsProgram, "a.exe", &picture));
    assert!(!is_appended(Nature::Zip, "a.zip", &inner));
    // An end record alone is no archive.
    assert!(!is_appended(Nature::Gif, "a.gif", &[&b"GIF89a"[..], &zip_of(&[])].concat()));
}
