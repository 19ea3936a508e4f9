//! A file embedded in every way is walked.

use std::io::Write;

use base64::Engine;

use super::build::{Walked, hex, package, rtf, word};
use crate::message::document::ole::compound_of;
use crate::message::document::ole::native::{object_of, package_of};
use crate::message::tests::hidden::eicar;

fn zlib(octets: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(octets).expect("packed");
    packer.finish().expect("packed")
}

#[test]
fn a_file_is_found_however_it_is_embedded() {
    let eicar = eicar();
    let packed = package_of("eicar.txt", "C:\\eicar.com", &eicar);
    let native = [&(packed.len() as u32).to_le_bytes()[..], &packed].concat();
    let ole = compound_of(&[("/\u{1}Ole10Native", &native)]);
    let object = object_of("Package", &packed);
    let ole_object = object_of("Word.Document.8", &ole);
    let base64 = base64::engine::general_purpose::STANDARD.encode(&eicar);
    let spaced: String = hex(&object).chars().flat_map(|digit| [digit, ' ', '\n']).collect();
    let (first, second) = object.split_at(40);
    let grouped = format!("{}{{\\*\\ignored}}{}", hex(first), hex(second));
    let inner = format!("{}{{{}}}", hex(first), hex(second));
    let decoy = format!("{}{{\\x 0badf00d}}{}", hex(first), hex(second));
    let words = format!("{}\\par\\b0 {}", hex(first), hex(second));
    let mut binary =
        format!("{{\\rtf1{{\\object{{\\*\\objdata {}\\bin{} ", hex(first), second.len())
            .into_bytes();
    binary.extend_from_slice(second);
    binary.extend_from_slice(b"}}}");
    let objdata = |hex: &str| rtf(&format!("{{\\object\\objemb{{\\*\\objdata {hex}}}}}"));
    let storage = |kind: u16, body: &[u8]| {
        [&(kind << 4).to_le_bytes()[..], &[0x11, 0x10], &(body.len() as u32).to_le_bytes(), body]
            .concat()
    };
    let slide_packed = storage(1, &[&[0; 4][..], &zlib(&ole)].concat());
    let slide_plain = storage(0, &ole);
    let mso = [b"ActiveMime\0\0\x01\xf0\x04\0\0\0".as_slice(), &[0; 28], &zlib(&ole)].concat();
    let flat_mso = base64::engine::general_purpose::STANDARD.encode(&mso);
    let orphan = {
        // The stream stays in the directory, and no storage names it.
        let mut file = compound_of(&[("/a", &eicar)]);
        let root = 512 * (1 + u32::from_le_bytes(file[48..52].try_into().expect("four")) as usize);
        file[root + 76..root + 80].copy_from_slice(&[0xff; 4]);
        file
    };
    let table: Vec<(&str, &str, Vec<u8>)> = vec![
        ("a stream", "a.doc", compound_of(&[("/Anything", &eicar)])),
        ("a stream in a storage", "a.doc", compound_of(&[("/A/B/C", &eicar)])),
        ("an orphan stream", "a.doc", orphan),
        ("a package", "a.doc", ole.clone()),
        ("a package without length", "a.doc", compound_of(&[("/\u{1}Ole10Native", &packed)])),
        ("contents", "a.doc", compound_of(&[("/CONTENTS", &eicar)])),
        ("an object in a document", "a.docx", word("", &[("word/embeddings/oleObject1.bin", &ole)])),
        ("a package in a document", "a.docx", word("", &[("word/embeddings/a.docx", &word("", &[("x.dat", &eicar)]))])),
        ("a member", "a.xlsx", package(&[("xl/media/image1.png", &eicar)])),
        ("a member called XML", "a.docx", word("", &[("customXml/item1.xml", &eicar)])),
        ("open document", "a.odt", package(&[("content.xml", b"<a/>"), ("Object 1", &ole)])),
        ("flat", "a.xml", format!("<?xml version=\"1.0\"?><office:document xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\"><office:binary-data>{base64}</office:binary-data></office:document>").into_bytes()),
        ("flat with lines", "a.xml", format!("<?xml version=\"1.0\"?><?mso-application progid=\"Word.Document\"?><w:wordDocument xmlns:w=\"http://schemas.microsoft.com/office/word/2003/wordml\"><w:binData w:name='a'>{}\n{}</w:binData></w:wordDocument>", &base64[..20], &base64[20..]).into_bytes()),
        ("ActiveMime", "editdata.mso", mso),
        ("ActiveMime, flat", "a.xml", format!("<?xml version=\"1.0\"?><?mso-application progid=\"Word.Document\"?><w:wordDocument xmlns:w=\"http://schemas.microsoft.com/office/word/2003/wordml\"><w:binData w:name='editdata.mso'>{flat_mso}</w:binData></w:wordDocument>").into_bytes()),
        ("slides, packed", "a.ppt", compound_of(&[("/PowerPoint Document", &slide_packed)])),
        ("slides", "a.ppt", compound_of(&[("/PowerPoint Document", &slide_plain)])),
        ("rich text", "a.rtf", objdata(&hex(&object))),
        ("rich text, capitals", "a.rtf", objdata(&hex(&object).to_uppercase())),
        ("rich text, spaces", "a.rtf", objdata(&spaced)),
        ("rich text, ignored group", "a.rtf", objdata(&grouped)),
        ("rich text, inner group", "a.rtf", objdata(&inner)),
        ("rich text, decoy in a group", "a.rtf", objdata(&decoy)),
        ("rich text, words", "a.rtf", objdata(&words)),
        ("rich text, binary", "a.rtf", binary),
        ("rich text, object", "a.rtf", objdata(&hex(&ole_object))),
        ("rich text, no version", "a.rtf", objdata(&hex(&[&[9; 4][..], &object[4..]].concat()))),
        ("rich text, unclosed", "a.rtf", format!("{{\\rt{{\\object{{\\objdata {}", hex(&object)).into_bytes()),
        ("rich text, data only", "a.rtf", objdata(&hex(&eicar))),
        ("rich text, picture", "a.rtf", rtf(&format!("{{\\pict\\pngblip {}}}", hex(&eicar)))),
    ];
    let mut missed = Vec::new();
    for (what, name, octets) in &table {
        let walked = Walked::of(name, octets);
        let is_found = walked.contents.items.iter().any(|item| {
            item.content.as_deref().is_some_and(|content| {
                content == eicar.as_slice() || (item.depth > 0 && content.ends_with(&eicar))
            })
        });
        if !is_found {
            let paths: Vec<String> = walked
                .contents
                .items
                .iter()
                .map(|item| format!("{} {:?}", item.path, item.nature))
                .collect();
            missed.push(format!("{what}: {paths:?}"));
        }
    }
    assert!(missed.is_empty(), "{} of {}:\n{}", missed.len(), table.len(), missed.join("\n"));
}

#[test]
fn a_package_tells_both_its_names() {
    let packed = package_of("invoice.pdf", "C:\\invoice.exe", b"MZ");
    let native = [&(packed.len() as u32).to_le_bytes()[..], &packed].concat();
    let walked = Walked::of("a.doc", &compound_of(&[("/\u{1}Ole10Native", &native)]));
    assert!(walked.has("OBJECT_NAME_DIFFERS") && walked.has("OBJECT_PACKAGE"));
    assert!(walked.contents.items.iter().any(|item| item.name == "invoice.exe"));
}

/// Made with msoffcrypto-tool from a workbook of two parts; the passwords are VelvetSweatshop
/// and another one. The streams of the older method were made by hand in Python, by the steps
/// of MS-OFFCRYPTO.
#[test]
fn the_password_that_excel_tries_is_tried() {
    let open = Walked::of("a.xlsx", include_bytes!("fixtures/default_password.xlsx"));
    assert!(open.has("DOCUMENT_DEFAULT_PASSWORD"), "{:?}", open.remarks);
    assert!(open.contents.items.iter().any(|item| {
        item.depth == 1 && item.content.as_deref().is_some_and(|it| it.starts_with(b"PK"))
    }));
    assert!(open.texts.contains("Hidden behind a password"), "{:?}", open.remarks);
    let closed = Walked::of("a.xlsx", include_bytes!("fixtures/other_password.xlsx"));
    assert!(closed.has("DOCUMENT_ENCRYPTED") && !closed.has("DOCUMENT_DEFAULT_PASSWORD"));
    let older = compound_of(&[
        ("/EncryptionInfo", include_bytes!("fixtures/standard_info.bin")),
        ("/EncryptedPackage", include_bytes!("fixtures/standard_package.bin")),
    ]);
    let open = Walked::of("a.xlsx", &older);
    assert!(open.texts.contains("Hidden by the older method"), "{:?}", open.remarks);
}
