//! Names of files as clients read them, and what is odd about fields, beyond what
//! [`super::messages`] has.

use super::*;

const HEAD: &str =
    "From: a@x.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMIME-Version: 1.0\r\n";

fn media(fields: &str) -> Media {
    taken_apart(&format!("{HEAD}{fields}\r\n\r\nx")).0.parts[0].media.clone()
}

#[test]
fn names_are_those_that_clients_show() {
    let disposition = |rest: &str| format!("Content-Disposition: attachment; {rest}");
    let table: [(String, &[&str], &str); 15] = [
        (disposition("filename=a.txt"), &["a.txt"], "a.txt"),
        (disposition("filename=\"a b.txt\""), &["a b.txt"], "a b.txt"),
        (disposition("filename*0=\"a.\"; filename*1=\"exe\""), &["a.exe"], "a.exe"),
        (disposition("filename=a.txt; filename*=utf-8''a%2Eexe"), &["a.exe", "a.txt"], "a.exe"),
        (
            disposition("filename=a.txt\r\nContent-Type: application/x; name=b.exe"),
            &["a.txt", "b.exe"],
            "b.exe",
        ),
        (disposition("filename=a.exe; filename=a.txt"), &["a.exe", "a.txt"], "a.exe"),
        (disposition("name=a.exe"), &["a.exe"], "a.exe"),
        (disposition("filename=\"=?utf-8?b?YS5leGU=?=\""), &["a.exe"], "a.exe"),
        (disposition("filename=my file.pdf"), &["my file.pdf", "my"], "my file.pdf"),
        (disposition("filename=a.exe b.txt"), &["a.exe b.txt", "a.exe"], "a.exe"),
        (disposition("filename=\"a.exe. . \""), &["a.exe. ."], "a.exe. ."),
        (disposition("filename=\"a.exe:b.txt\""), &["a.exe:b.txt", "a.exe"], "a.exe"),
        (disposition("filename=\"a.exe\0.txt\""), &["a.exe.txt", "a.exe"], "a.exe"),
        (disposition("filename=gr\u{fc}n.txt"), &["grün.txt"], "grün.txt"),
        (disposition("filename=report(1).pdf"), &["report.pdf", "report(1).pdf"], "report.pdf"),
    ];
    for (fields, names, worst) in table {
        let media = media(&fields);
        assert_eq!(media.names, names, "{fields:?}");
        assert_eq!(media.worst_name(), worst, "{fields:?}");
        assert_eq!(media.filename.as_deref(), names.first().copied());
    }
    let long = media(&disposition(&format!("filename=\"{}.exe.txt\"", "a".repeat(251))));
    assert!(long.worst_name().ends_with("a.exe") && long.names.len() == 2);
}

#[test]
fn odd_fields_have_findings() {
    let mixed = |rest: &str| format!("Content-Type: multipart/mixed{rest}");
    let body = "--b\r\n\r\nx\r\n--b--\r\n";
    let table: Vec<(String, &str)> = vec![
        (mixed("; boundary=b (c)"), "MIME_PARAMETER_COMMENT"),
        (mixed("; boundary=b (c)"), "MIME_PARAMETER_AMBIGUOUS"),
        (mixed("; boundary=b c"), "MIME_PARAMETER_AMBIGUOUS"),
        (mixed("; boundary=c; boundary*=''b"), "MIME_PARAMETER_AMBIGUOUS"),
        (mixed("; boundary==?us-ascii?q?b?="), "MIME_PARAMETER_ENCODED_WORD"),
        (mixed(" boundary=b"), "MIME_PARAMETER_NO_SEPARATOR"),
        (mixed("; boundary=\"b{}\""), "MULTIPART_BOUNDARY_ODD"),
        (mixed(&format!("; boundary={}", "b".repeat(71))), "MULTIPART_BOUNDARY_TOO_LONG"),
        (mixed("; boundary=\"b \""), "MULTIPART_BOUNDARY_SPACE"),
        (mixed("; boundary=b\r\n\r\n --b"), "MULTIPART_BOUNDARY_LINE"),
        (mixed("; boundary=b\r\n\r\nContent-Type: a/b\r\n"), "MULTIPART_PART_OUTSIDE"),
        (mixed("; boundary=b\r\n\r\n--b\r\nContent-Type: a/b"), "PART_HEADER_UNENDED"),
        ("Content-Type: text/plain; charset=utf-7".into(), "CHARSET_UTF7"),
        ("Content-Type: text/html\r\n\r\n<meta charset=utf-7>".into(), "CHARSET_UTF7"),
        ("Content-Type: text/plain; charset=a b".into(), "CHARSET_DIFFERS"),
        ("Content-Transfer-Encoding: \"base64\"".into(), "ENCODING_AMBIGUOUS"),
        (
            "Content-Transfer-Encoding: base64\r\n\r\n<p>This: \"is\" no base64, (not) at all!?</p>"
                .into(),
            "ENCODING_UNTRUE",
        ),
        (
            "Content-Type: message/external-body; access-type=URL; url=\"http://x\"".into(),
            "MESSAGE_EXTERNAL_BODY",
        ),
        ("Content-Disposition: x; filename=\"a\u{202e}fdp.exe\"".into(), "FILENAME_BIDI"),
        ("Content-Disposition: x; filename=\"a\0b\"".into(), "FILENAME_NUL"),
        (format!("Content-Disposition: x; filename={}", "a".repeat(300)), "FILENAME_TOO_LONG"),
        ("Content-Disposition: x; filename=gr\u{fc}n".into(), "FILENAME_UNDECLARED_CHARSET"),
        ("\r\n--b\r\nContent-Type: a/b\r\n\r\nx".into(), "MIME_IN_TEXT"),
    ];
    for (fields, finding) in table {
        let message = format!("{HEAD}{fields}\r\n\r\n{body}");
        let names = names(&taken_apart(&message).0);
        assert!(names.contains(&finding.to_owned()), "{fields:?}: {names:?}");
    }
    let bare = "From: a@x.test\r\nContent-Type: text/plain\r\n\r\nx";
    assert!(names(&taken_apart(bare).0).contains(&"MIME_VERSION_ABSENT".to_owned()));
    let external = "Content-Type: message/external-body; access-type=URL; url=\"http://x.test/a\"";
    let (anatomy, _) = taken_apart(&format!("{HEAD}{external}\r\n\r\n"));
    let place = anatomy.oddities.sights().find(|(name, _)| *name == "MESSAGE_EXTERNAL_BODY");
    assert_eq!(place.map(|(_, place)| place), Some("URL http://x.test/a".to_owned()));
}

#[test]
fn ordinary_fields_have_none() {
    let table = [
        "Content-Type: text/plain; charset=\"utf-8\"; format=flowed; delsp=yes",
        "Content-Type: text/plain; charset=utf-8 ; format=flowed;",
        "Content-Type: application/pdf; name=\"a (1).pdf\"\r\nContent-Disposition: attachment; filename=\"a (1).pdf\"; size=3",
        "Content-Type: application/pdf;\r\n name=\"=?utf-8?q?gr=C3=BCn.pdf?=\"\r\nContent-Disposition: attachment;\r\n filename*0*=utf-8''gr%C3%BCn;\r\n filename*1=.pdf",
        "Content-Disposition: attachment; filename=\"gr_n.pdf\"; filename*=UTF-8''gr%C3%BCn.pdf",
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: BASE64\r\n\r\nQUJD",
    ];
    for fields in table {
        let (anatomy, _) = taken_apart(&format!("{HEAD}{fields}\r\n\r\nx"));
        let names: Vec<String> =
            names(&anatomy).into_iter().filter(|name| !name.starts_with("BASE64")).collect();
        assert_eq!((names.len(), anatomy.parts.len()), (0, 1), "{fields:?}: {names:?}");
    }
}
