//! What was found as a table for other programs (RFC 4180).
//!
//! Every cell is in quotation marks. A cell that a spreadsheet would take for a formula begins
//! with an apostrophe instead: senders choose subjects and addresses, and somebody opens the
//! file.

use std::fmt::Write;

use super::rows;
use crate::admin::site::pieces;
use crate::journal::Story;

const NAMES: &[&str] = &[
    "time",
    "mail_id",
    "sender",
    "recipients",
    "subject",
    "message_id",
    "client",
    "verdict",
    "score",
    "became",
];

/// A table with a line of names; ends with a line that says so when there is more.
pub(super) fn csv(stories: &[Story], is_complete: bool) -> String {
    let mut out = String::new();
    line(&mut out, NAMES.iter().map(ToString::to_string));
    for story in stories {
        let judged = rows::judged(story);
        let cells = [
            super::criteria::written(rows::began_ms(story)),
            story.mail_id.to_string(),
            story.reverse_path.clone(),
            story.forward_paths.join(" "),
            story.subject.clone(),
            story.message_id.clone(),
            rows::client(story),
            judged.map(|(verdict, _)| verdict.to_string()).unwrap_or_default(),
            judged.map(|(_, score)| format!("{score:.1}")).unwrap_or_default(),
            rows::became(story).to_owned(),
        ];
        line(&mut out, cells.into_iter());
    }
    if !is_complete {
        line(&mut out, std::iter::once("There is more: narrow the search.".to_owned()));
    }
    out
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    for (at, cell) in cells.enumerate() {
        // Writing into a string cannot fail.
        let _ = write!(out, "{}\"{}\"", if at > 0 { "," } else { "" }, safe(&cell));
    }
    out.push_str("\r\n");
}

/// A cell that is text to every program.
fn safe(cell: &str) -> String {
    let plain = pieces::harmless(cell).replace('"', "\"\"");
    let is_number = cell.parse::<f64>().is_ok_and(f64::is_finite);
    let first = cell.trim_start_matches([' ', '\u{a0}', '\u{feff}']).chars().next();
    match first {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '|' | '＝' | '＋' | '－' | '＠')
            if !is_number =>
        {
            format!("'{plain}")
        }
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for hostile in ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "|calc"]
        {
            assert!(safe(hostile).starts_with('\''), "{hostile:?}");
        }
        assert_eq!(safe("-3.5"), "-3.5", "a score is a number");
        assert_eq!(safe("a\"b"), "a\"\"b");
        assert_eq!(safe("hello = 1"), "hello = 1");
        assert_eq!(safe("a\u{202e}fdp.exe"), "a\u{fffd}fdp.exe");
    }

    #[test]
    fn a_table_has_names_and_says_when_there_is_more() {
        let story = Story {
            mail_id: crate::mail::MailId::mint(),
            reverse_path: "=cmd@x.test".into(),
            forward_paths: vec!["a@b.test".into(), "c@b.test".into()],
            subject: "one,\"two\"\r\nthree".into(),
            message_id: String::new(),
            events: Vec::new(),
        };
        let table = csv(&[story], false);
        assert!(table.starts_with("\"time\",\"mail_id\","), "{table}");
        assert!(
            table.contains("\"'=cmd@x.test\",\"a@b.test c@b.test\",\"one,\"\"two\"\""),
            "{table}"
        );
        assert!(table.ends_with("\"There is more: narrow the search.\"\r\n"), "{table}");
    }
}
