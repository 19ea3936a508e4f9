//! Readings that other projects recorded beside their test messages: how many parts there are,
//! their names and what is in them. Where we differ, the table says why.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::corpora::corpus;
use super::*;
use crate::message::contents::{Contents, Limits as ContentsLimits};

/// What a leaf is, so that it can be compared: its text without white space, or its octets.
type Leaf = Vec<u8>;

fn bare(text: &[u8]) -> Leaf {
    text.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect()
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Recorded {
    leaves: Vec<Leaf>,
    names: Vec<String>,
}

fn octets(value: &Value) -> Leaf {
    let numbers = value.as_array().into_iter().flatten();
    numbers.filter_map(Value::as_u64).map(|octet| octet as u8).collect()
}

/// mail-parser writes the parts of a message and of those within it as JSON.
fn recorded(message: &Value, recorded_here: &mut Recorded) {
    for part in message["parts"].as_array().into_iter().flatten() {
        for field in part["headers"].as_array().into_iter().flatten() {
            let attributes = field["value"]["ContentType"]["attributes"].as_array();
            let wanted = match field["name"].as_str() {
                Some("content_disposition") => "filename",
                Some("content_type") => "name",
                _ => continue,
            };
            for attribute in attributes.into_iter().flatten() {
                if attribute["name"] == wanted {
                    recorded_here.names.extend(attribute["value"].as_str().map(str::to_owned));
                }
            }
        }
        let Some(body) = part["body"].as_object() else { continue };
        for (kind, value) in body {
            match kind.as_str() {
                "Text" | "Html" => {
                    let text = value.as_str().unwrap_or_default();
                    recorded_here.leaves.push(bare(text.as_bytes()));
                }
                "Binary" | "InlineBinary" => recorded_here.leaves.push(bare(&octets(value))),
                "Message" => recorded(value, recorded_here),
                _ => {}
            }
        }
    }
}

/// The leaves of the message as we read it; all names of each.
fn ours(data: Vec<u8>) -> (Recorded, Vec<Leaf>) {
    let anatomy = Anatomy::of(&data.into(), Limits::default());
    let mut read = Recorded::default();
    let mut others = Vec::new();
    for part in &anatomy.parts {
        if part.is_leaf() {
            let leaf = match part.kind {
                Kind::Text | Kind::Html => bare(part.text().as_bytes()),
                _ => bare(&part.content()),
            };
            match part.is_main() {
                true => read.leaves.push(leaf),
                false => others.push(leaf),
            }
        }
        read.names.extend(part.media.names.iter().cloned());
    }
    others.extend(anatomy.strays.iter().map(|stray| bare(stray)));
    (read, others)
}

/// How a recorded reading is not ours; empty when it is.
fn difference(recorded: &Recorded, data: Vec<u8>) -> String {
    let (read, others) = ours(data);
    let mut what = String::new();
    if recorded.leaves.len() != read.leaves.len() {
        what.push_str(&format!("{} leaves, ours {}; ", recorded.leaves.len(), read.leaves.len()));
    }
    let is_there = |leaf: &&Leaf| read.leaves.contains(leaf) || others.contains(leaf);
    for leaf in recorded.leaves.iter().filter(|leaf| !leaf.is_empty() && !is_there(leaf)) {
        let shown = String::from_utf8_lossy(&leaf[..leaf.len().min(60)]).into_owned();
        what.push_str(&format!("not ours: {shown}; "));
    }
    for name in recorded.names.iter().filter(|name| !name.is_empty()) {
        if !read.names.iter().any(|ours| bare(ours.as_bytes()) == bare(name.as_bytes())) {
            what.push_str(&format!("name {name:?}; "));
        }
    }
    what
}

#[test]
fn messages_are_read_as_mail_parser_reads_them() {
    let mut differing: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    for file in corpus("mime-mail-parser") {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let crlf = file.to_string_lossy().ends_with(".crlf.json");
        let stem = file.to_string_lossy().replace(".crlf.json", "").replace(".json", "");
        let message = Path::new(&stem).with_extension("eml");
        let Ok(mut data) = std::fs::read(&message) else { continue };
        let Ok(json) = serde_json::from_slice(&std::fs::read(&file).unwrap()) else { continue };
        if crlf {
            data = with_crlf(&data);
        }
        let mut wanted = Recorded::default();
        recorded(&json, &mut wanted);
        count += 1;
        let what = difference(&wanted, data);
        if !what.is_empty() {
            let short: Vec<&str> = stem.rsplit('/').take(2).collect();
            differing.insert(format!("{}/{}", short[1], short[0]), what);
        }
    }
    println!("{count} recorded readings, {} differ", differing.len());
    assert_known(differing, &MAIL_PARSER);
}

/// Every message that differs is in the table, and every one in the table differs.
fn assert_known(differing: BTreeMap<String, String>, known: &[(&str, &str)]) {
    if differing.is_empty() {
        return;
    }
    let unknown: Vec<String> = differing
        .iter()
        .filter(|(file, _)| !known.iter().any(|(name, _)| name == file))
        .map(|(file, what)| format!("{file}: {what}"))
        .collect();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    let settled = known.iter().filter(|(name, _)| !differing.contains_key(*name));
    let settled: Vec<&str> = settled.map(|(name, _)| *name).collect();
    assert!(settled.is_empty(), "no longer differ: {settled:?}");
}

/// Messages that mail-parser reads otherwise, and why.
const MAIL_PARSER: [(&str, &str); 20] = [
    ("legacy/016", "a name in Latin-1 without a charset: we read it as windows-1252"),
    ("legacy/023", "the same"),
    ("legacy/026", "the same, and a text in Latin-1 without a charset"),
    ("legacy/052", "a text in Latin-1 without a charset: we read it as windows-1252"),
    ("malformed/000", "parts whose header never ends: to us they are parts"),
    ("malformed/001", "an inner boundary that is the beginning of the outer one"),
    ("malformed/002", "a boundary that is never used: an alternative reading and a stray text"),
    ("malformed/004", "the same"),
    ("malformed/005", "the same"),
    ("malformed/007", "a boundary within a header: our header goes on, its rest is a stray text"),
    ("malformed/009", "an inner multipart that never ends: to us the outer boundary ends it"),
    ("malformed/011", "the same"),
    ("malformed/012", "the same"),
    ("malformed/013", "an opening boundary at the very end: an empty part to us"),
    ("malformed/014", "the same"),
    ("malformed/016", "boundaries that begin with one another: to us only whole lines count"),
    ("malformed/020", "an opening boundary instead of a closing one: an empty part to us"),
    ("malformed/021", "the same"),
    ("thirdparty/002", "UTF-8 that breaks off: another number of replacement characters"),
    ("thirdparty/005", "a part that ends with the closing boundary on its line"),
];

#[test]
fn messages_are_read_as_mime_tools_reads_them() {
    let mut differing: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    for file in corpus("mime-tools") {
        if file.extension().is_none_or(|extension| extension != "ref") {
            continue;
        }
        let message = file.with_extension("msg");
        let Ok(data) = std::fs::read(&message) else { continue };
        let record = std::fs::read_to_string(&file).unwrap_or_default();
        count += 1;
        let what = difference_of_record(&record, data);
        if !what.is_empty() {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            differing.insert(name, what);
        }
    }
    println!("{count} recorded readings, {} differ", differing.len());
    assert_known(differing, &MIME_TOOLS);
}

/// MIME-tools writes each part with its type, its name and the octets of its decoded body.
fn difference_of_record(record: &str, data: Vec<u8>) -> String {
    let mut what = String::new();
    let anatomy = Anatomy::of(&data.into(), Limits::default());
    let contents = Contents::of(&anatomy, ContentsLimits::default(), &mut |_, _| {});
    let mut leaves = 0;
    let mut record = record.to_owned();
    while record.contains("  =>") {
        record = record.replace("  =>", " =>");
    }
    for block in record.split("=> {").skip(1) {
        let value = |key: &str| {
            let (_, rest) = block.split_once(&format!("\"{key}\" => "))?;
            let text = rest.split('\n').next()?.trim_matches([',', '"', ' ']);
            let quoted = text.strip_prefix("qq{").and_then(|text| text.strip_suffix('}'));
            Some(quoted.map_or_else(|| text.replace('\\', ""), str::to_owned))
        };
        let Some(kind) = value("Type") else { continue };
        if kind.starts_with("multipart/") || kind == "message/rfc822" {
            continue;
        }
        leaves += 1;
        if let Some(name) = value("Filename")
            && !anatomy.parts.iter().any(|part| part.media.names.contains(&name))
            && !contents.items.iter().any(|item| item.name == name)
        {
            what.push_str(&format!("name {name:?}; "));
        }
        let size = value("Size").and_then(|size| size.parse::<usize>().ok());
        let is_base64 = value("Encoding").is_some_and(|encoding| encoding == "base64");
        if let Some(size) = size.filter(|_| is_base64)
            && !contents.items.iter().any(|item| item.octets == size as u64)
        {
            what.push_str(&format!("{kind} of {size} octets; "));
        }
    }
    let ours = anatomy.main_parts().filter(|part| part.is_leaf()).count();
    if leaves != ours {
        what.push_str(&format!("{leaves} leaves, ours {ours}; "));
    }
    what
}

/// Messages that MIME-tools reads otherwise, and why.
const MIME_TOOLS: [(&str, &str); 3] = [
    ("hdr-fakeout", "a header that a line of one blank ends: read there not at all"),
    ("russian", "the record writes the letters of the same name as numbers"),
    ("uu-zeegee", "uuencoded files: parts there, files of the text here"),
];

fn with_crlf(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 1_000);
    for (at, octet) in data.iter().enumerate() {
        if *octet == b'\n' && at.checked_sub(1).and_then(|at| data.get(at)) != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(*octet);
    }
    out
}
