//! How two texts differ, line by line, for people.
//!
//! In: two texts. Out: a piece of page, or the lines of either side alone for the journal.
//! Lines that went begin with `-`, those that came with `+`, so that colour is not the only
//! sign. Bounded: a comparison that takes too long is cut short and says more than it must.

use std::time::Duration;

use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

/// Lines around a change that are shown, too.
const AROUND: usize = 3;
/// Afterwards large pieces are taken for changed as a whole.
const PATIENCE: Duration = Duration::from_millis(500);

/// Both texts in one, as a `pre`.
pub fn shown(old: &str, new: &str) -> Markup {
    let mut settings = TextDiff::configure();
    let compared = settings.timeout(PATIENCE).diff_lines(old, new);
    let groups = compared.grouped_ops(AROUND);
    html! {
        @if groups.is_empty() {
            p.soft { "Nothing differs." }
        } @else {
            pre tabindex="0" role="group" aria-label="What differs" {
                @for (at, group) in groups.iter().enumerate() {
                    @if at > 0 { span.soft { "…\n" } }
                    @for change in group.iter().flat_map(|op| compared.iter_changes(op)) {
                        (line(change.tag(), change.value()))
                    }
                }
            }
        }
    }
}

fn line(tag: ChangeTag, text: &str) -> Markup {
    let text = text.trim_end_matches(['\r', '\n']);
    html! {
        @match tag {
            ChangeTag::Equal => { "  " (text) "\n" }
            ChangeTag::Delete => { del { "- " (text) } }
            ChangeTag::Insert => { ins { "+ " (text) } }
        }
    }
}

/// The lines that went, and those that came.
pub fn sides(old: &str, new: &str) -> (String, String) {
    let mut settings = TextDiff::configure();
    let compared = settings.timeout(PATIENCE).diff_lines(old, new);
    let (mut went, mut came) = (String::new(), String::new());
    for change in compared.iter_all_changes() {
        match change.tag() {
            ChangeTag::Delete => went.push_str(change.value()),
            ChangeTag::Insert => came.push_str(change.value()),
            ChangeTag::Equal => {}
        }
    }
    (went, came)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_marked_by_more_than_colour_and_escaped() {
        let page = shown("a\nb\n<c>\n", "a\nB\n<c>\n").into_string();
        assert!(page.contains("<del>- b</del><ins>+ B</ins>"), "{page}");
        assert!(page.contains("&lt;c&gt;"), "{page}");
        assert!(shown("a", "a").into_string().contains("Nothing differs"));
        assert_eq!(sides("a\nb\n", "a\nc\nd\n"), ("b\n".into(), "c\nd\n".into()));
    }
}
