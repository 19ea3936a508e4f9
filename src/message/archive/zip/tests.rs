use super::member_names;
use crate::message::archive::tests::build::{Entry, walk_file, zip_of};

#[test]
fn members_are_listed_and_walked() {
    let file =
        zip_of(&[Entry::stored("a.txt", b"Hello"), Entry::deflated("b/c.txt", &[b'x'; 999])]);
    assert_eq!(member_names(&file, 9), ["a.txt", "b/c.txt"]);
    assert_eq!(member_names(&file, 1), ["a.txt"]);
    let walked = walk_file("a.zip", &file);
    let paths: Vec<(&str, u64)> =
        walked.items.iter().map(|item| (item.path.as_str(), item.octets)).collect();
    assert_eq!(paths, [("a.zip", file.len() as u64), ("a.zip/a.txt", 5), ("a.zip/b/c.txt", 999)]);
    assert_eq!(walked.remarks, []);
}
