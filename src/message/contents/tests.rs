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

/// The nature of a part with these fields, and of the same part in a mail that is attached.
fn natures_of(fields: &str, body: &str) -> [Nature; 2] {
    let inner = format!(
        "From: a@x.test\r\nTo: b@x.test\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/html\r\n\r\n<p>Hello\r\n--b\r\n{fields}\r\n\r\n{body}\r\n--b--\r\n"
    );
    let outer = format!(
        "From: a@x.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n\
         --o\r\nContent-Type: application/octet-stream; name=a.eml\r\n\r\n{inner}\r\n--o--\r\n"
    );
    [inner, outer].map(|message| {
        let (contents, _) = walk(message, Limits::default());
        contents.items.last().unwrap().nature
    })
}

#[test]
fn a_file_without_a_name_is_known_by_its_type_and_its_words() {
    use Nature::*;
    const JS: &str = "var x = new ActiveXObject('WScript.Shell'); x.Run('calc')";
    const PAGE: &str = "<script>new ActiveXObject('WScript.Shell').Run('calc')</script>";
    const PY: &str =
        "import os\r\ndef f():\r\n    os.system('x')\r\nif __name__ == '__main__': f()";
    let attached = |kind: &str| format!("Content-Type: {kind}\r\nContent-Disposition: attachment");
    let inline = |kind: &str| format!("Content-Type: {kind}");
    let table = [
        (attached("application/hta"), PAGE, HtmlApplication),
        (attached("text/javascript"), "run()", JavaScript),
        (attached("application/x-javascript"), "run()", JavaScript),
        (attached("text/vbscript"), "run", VisualBasic),
        (attached("application/x-powershell"), "run", PowerShell),
        (attached("application/x-sh"), "run", Shell),
        (attached("application/x-bat"), "run", Batch),
        (attached("text/x-python"), "run", Python),
        (attached("application/octet-stream"), JS, JavaScript),
        (attached("text/plain"), JS, JavaScript),
        (inline("text/javascript"), "run()", JavaScript),
        (inline("application/octet-stream"), JS, JavaScript),
        // What is shown in the mail runs nowhere.
        (inline("text/plain"), JS, Text),
        (inline("text/x-patch"), JS, Text),
        (inline("text/x-python"), PY, Text),
        (inline("text/html"), "<p>Hello", Html),
        (inline("text/calendar"), "BEGIN:VCALENDAR\r\nVERSION:2.0", Calendar),
        (attached("application/zip"), "none", Text),
        (attached("text/plain"), "Dear Bob", Text),
    ];
    for (fields, body, expected) in table {
        let natures = natures_of(&fields, body);
        // A text that is shown in an attached mail is read with that mail, and is no file.
        let is_read_before = natures[1] == Html && matches!(expected, Text | Calendar);
        assert!(natures[0] == expected, "{fields} {body}: {natures:?}");
        assert!(natures[1] == expected || is_read_before, "{fields} {body}: {natures:?}");
    }
}

#[test]
fn another_type_is_another_file_when_there_is_no_name() {
    let message = b"From: a@x.test\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain\r\nContent-Type: application/hta\r\n\
        Content-Disposition: attachment\r\n\r\nrun()";
    let (contents, _) = walk(&message[..], Limits::default());
    assert!(contents.items.iter().any(|item| item.nature == Nature::HtmlApplication));
}

#[test]
fn a_page_without_a_name_is_a_file_when_it_is_attached() {
    let page = "<a href=\"search-ms:query=x\">here</a>";
    let remarks = |disposition: &str| {
        let message = format!(
            "From: a@x.test\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\
             Content-Disposition: {disposition}\r\n\r\n{page}"
        );
        walk(message, Limits::default()).0.remarks.len()
    };
    assert_eq!(remarks("inline"), 0);
    assert!(remarks("attachment") > 0);
}
