use super::Limits;
use crate::message::Nature;
use crate::message::tests::walked::walk;

#[test]
fn the_files_of_a_message_have_names_and_natures() {
    let message = b"From: a@x.test\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\nHello\r\n\
        --b\r\nContent-Disposition: attachment; filename=\"a\tb.pdf\"\r\n\r\n%PDF-1.7\r\n--b--\r\n";
    let (contents, _) = walk(&message[..], Limits::default());
    let natures: Vec<Nature> = contents.items.iter().map(|item| item.nature).collect();
    assert_eq!(natures, [Nature::Text, Nature::Pdf]);
    assert_eq!(contents.items[1].path, "a?b.pdf");
}

#[test]
fn parts_behind_a_limit_are_listed() {
    let message = b"From: a@x.test\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Disposition: attachment; filename=a.zip\r\n\r\nPK\x05\x06\r\n\
        --b\r\nContent-Disposition: attachment; filename=b.exe\r\n\r\nMZ\r\n--b--\r\n";
    let limits = Limits { members: 0, ..Limits::default() };
    let (contents, _) = walk(&message[..], limits);
    let names: Vec<&str> = contents.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["a.zip", "b.exe"]);
    let limits = Limits { members: 1, ..Limits::default() };
    let (contents, _) = walk(&message[..], limits);
    assert_eq!(contents.items.len(), 2);
    let remarks: Vec<&str> = contents.remarks.iter().map(|remark| remark.name).collect();
    assert_eq!(remarks, ["ARCHIVE_DAMAGED", "ARCHIVE_LIMIT"]);
}
