//! Builders of documents.

use std::io::{Cursor, Write};

use crate::message::contents::Contents;
use crate::message::document::ole::compound_of;
use crate::message::document::vba::{pack, table_of};
use crate::message::tests::walked::walk_file;

/// What a walk found.
pub(super) struct Walked {
    pub(super) contents: Contents,
    pub(super) remarks: Vec<(&'static str, String)>,
    pub(super) texts: String,
}

impl Walked {
    pub(super) fn of(name: &str, octets: &[u8]) -> Walked {
        let (contents, texts) = walk_file(name, octets);
        let remarks = contents.remarks.iter().map(|it| (it.name, contents.place(it))).collect();
        Walked { contents, remarks, texts }
    }

    pub(super) fn has(&self, remark: &str) -> bool {
        self.remarks.iter().any(|(name, _)| *name == remark)
    }
}

/// A package of parts; what tells its kind is added where it lacks.
pub(super) fn package(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let lacks = |wanted: &str| !parts.iter().any(|(name, _)| *name == wanted);
    let is_open = parts.iter().any(|(name, _)| *name == "content.xml" || name.contains("manifest"));
    let mut all: Vec<(&str, &[u8])> = Vec::new();
    if is_open && lacks("mimetype") {
        all.push(("mimetype", b"application/vnd.oasis.opendocument.text"));
    } else if !is_open && lacks("[Content_Types].xml") {
        all.push(("[Content_Types].xml", b"<Types/>"));
    }
    all.extend_from_slice(parts);
    let parts = all;
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, octets) in &parts {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(*name, options).expect("a member");
        zip.write_all(octets).expect("octets");
    }
    zip.finish().expect("a file").into_inner()
}

const TYPES: &str = r#"<?xml version="1.0"?><Types><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;

/// A Word document: its body, and other parts.
pub(super) fn word(body: &str, parts: &[(&str, &[u8])]) -> Vec<u8> {
    let document =
        format!("<?xml version=\"1.0\"?><w:document><w:body>{body}</w:body></w:document>");
    let mut all: Vec<(&str, &[u8])> =
        vec![("[Content_Types].xml", TYPES.as_bytes()), ("word/document.xml", document.as_bytes())];
    all.extend_from_slice(parts);
    package(&all)
}

/// An Excel workbook of parts.
pub(super) fn excel(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all: Vec<(&str, &[u8])> = vec![
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", b"<workbook><sheets><sheet name='S1'/></sheets></workbook>"),
    ];
    all.retain(|(name, _)| !parts.iter().any(|(own, _)| own == name));
    all.extend_from_slice(parts);
    package(&all)
}

/// A part with one relationship that leads out.
pub(super) fn relation(kind: &str, target: &str) -> Vec<u8> {
    format!(
        "<Relationships><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/\
         officeDocument/2006/relationships/{kind}\" Target=\"{target}\" TargetMode=\"External\"/>\
         </Relationships>"
    )
    .into_bytes()
}

/// A `vbaProject.bin` with modules of a name and source.
pub(super) fn project(modules: &[(&str, &str)]) -> Vec<u8> {
    let compiled: Vec<(&str, Vec<u8>, &str)> =
        modules.iter().map(|(name, source)| (*name, vec![0; 16], *source)).collect();
    project_with(&compiled, "VBA")
}

/// The same with compiled code before the source, in a storage of another name.
pub(super) fn project_with(modules: &[(&str, Vec<u8>, &str)], storage: &str) -> Vec<u8> {
    let table: Vec<(&str, u32)> =
        modules.iter().map(|(name, compiled, _)| (*name, compiled.len() as u32)).collect();
    let mut streams = vec![
        (format!("/{storage}/dir"), pack(&table_of(&table))),
        (format!("/{storage}/_VBA_PROJECT"), b"\xcc\x61\xff\xff\0\0\0AutoOpen\0".to_vec()),
    ];
    for (name, compiled, source) in modules {
        let mut octets = compiled.clone();
        if !source.is_empty() {
            let source = format!("Attribute VB_Name = \"{name}\"\r\n{source}");
            octets.extend(pack(source.as_bytes()));
        }
        streams.push((format!("/{storage}/{name}"), octets));
    }
    let streams: Vec<(&str, &[u8])> =
        streams.iter().map(|(name, octets)| (name.as_str(), octets.as_slice())).collect();
    compound_of(&streams)
}

/// A Word document with macros.
pub(super) fn word_with_macro(source: &str) -> Vec<u8> {
    word(
        "<w:p><w:r><w:t>x</w:t></w:r></w:p>",
        &[("word/vbaProject.bin", &project(&[("M1", source)]))],
    )
}

/// An RTF document.
pub(super) fn rtf(body: &str) -> Vec<u8> {
    format!("{{\\rtf1\\ansi {body}}}").into_bytes()
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
