//! Documents built here, walked through as attachments of a message.

mod build;
mod corpora;
mod embedded;
mod hostile;
mod macros;
mod pages;
mod texts;

use self::build::Walked;

/// A document and what must be found in it.
struct Row {
    what: &'static str,
    name: &'static str,
    octets: Vec<u8>,
    /// Remarks that must be made, apart by spaces; `!` before those that must not.
    remarks: &'static str,
    /// What the texts must hold, parts apart by `|`.
    texts: &'static str,
}

fn row(
    what: &'static str,
    name: &'static str,
    octets: Vec<u8>,
    remarks: &'static str,
    texts: &'static str,
) -> Row {
    Row { what, name, octets, remarks, texts }
}

fn check(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for row in &rows {
        let walked = Walked::of(row.name, &row.octets);
        for remark in row.remarks.split_whitespace() {
            let (remark, expected) = match remark.strip_prefix('!') {
                Some(remark) => (remark, false),
                None => (remark, true),
            };
            if walked.has(remark) != expected {
                wrong.push(format!("{}: {remark} not as expected: {:?}", row.what, walked.remarks));
            }
        }
        for text in row.texts.split('|').filter(|text| !text.is_empty()) {
            if !walked.texts.contains(text) {
                wrong.push(format!("{}: no {text:?} in {:?}", row.what, walked.texts));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
