//! Pieces of pages that several pages have: times, sizes, verdicts, ways to older rows.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::web::Pairs;

/// A moment in the box's own time zone, and exactly for programs.
pub fn time(at_ms: u64) -> Markup {
    let at = Timestamp::from_millisecond(i64::try_from(at_ms).unwrap_or(i64::MAX));
    let at = at.unwrap_or_default();
    let zoned = at.to_zoned(TimeZone::system());
    html! {
        time datetime=(at.to_string()) title=(zoned.strftime("%A, %-d %B %Y, %H:%M:%S %:z")) {
            (zoned.strftime("%Y-%m-%d %H:%M:%S"))
        }
    }
}

/// The same out of RFC 3339, as rows of the desk have it.
pub fn time_of(text: &str) -> Markup {
    match text.parse::<Timestamp>() {
        Ok(at) => time(u64::try_from(at.as_millisecond()).unwrap_or_default()),
        Err(_) => html! { (text) },
    }
}

/// So many octets, to three digits.
pub fn size(octets: u64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let (mut value, mut at) = (octets as f64, 0);
    while value >= 999.5 && at + 1 < units.len() {
        value /= 1000.0;
        at += 1;
    }
    let unit = units.get(at).unwrap_or(&"");
    match at {
        0 => format!("{octets} {unit}"),
        _ if value < 9.95 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

/// A number with thin gaps between thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// The word for one, or for any other number.
pub fn word_for<'w>(number: u64, one: &'w str, many: &'w str) -> &'w str {
    if number == 1 { one } else { many }
}

/// How many there are of these, and how many of them a table shows where not all.
pub fn how_many(count: usize, these: &str, shown: usize) -> Markup {
    html! {
        (count) " " (these)
        @if count > shown { "; these are the first " (shown) }
    }
}

/// What a mail was judged to be, with a colour that is not the only sign.
pub fn verdict(verdict: &str) -> Markup {
    let kind = match verdict {
        "clean" => "badge good",
        "spam" | "policy" | "ambiguous" | "unscannable" => "badge warn",
        "malicious" | "virus" => "badge bad",
        _ => "badge",
    };
    html! { span class=(kind) { (verdict) } }
}

/// Text of strangers as pages and tables show it: what a terminal or a browser might obey, and
/// what turns the direction of writing so that a name reads as another one, is seen as a mark.
pub fn harmless(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => letter,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

/// What a mail says that it is about.
pub fn subject(text: &str) -> String {
    match text.trim() {
        "" => "(no subject)".to_owned(),
        subject => harmless(subject),
    }
}

/// A list of addresses, the first ones of it.
pub fn addresses(all: &[String]) -> Markup {
    html! {
        @for (at, address) in all.iter().take(3).enumerate() {
            @if at > 0 { ", " }
            (harmless(address))
        }
        @if all.len() > 3 { " and " (all.len() - 3) " more" }
        @if all.is_empty() { span.soft { "nobody" } }
    }
}

/// A reverse-path; the null one in words.
pub fn reverse_path(path: &str) -> Markup {
    html! { @if path.is_empty() || path == "<>" { span.soft { "(null)" } } @else { (harmless(path)) } }
}

/// A way to the same list from another place on.
pub fn further(query: &Pairs, path: &str, name: &str, value: &str, words: &str) -> Markup {
    let there = format!("{path}?{}", query.clone().with(name, value).to_query());
    html! { p { a.button.plain href=(there) rel="next" { (words) } } }
}

/// A choice among fixed values, with the present one chosen.
pub fn select(name: &str, id: &str, present: &str, choices: &[(&str, &str)]) -> Markup {
    html! {
        select name=(name) id=(id) {
            @for (value, words) in choices {
                option value=(value) selected[*value == present] { (words) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (octets, words) in
            [(0, "0 B"), (999, "999 B"), (1_000, "1.0 KB"), (9_960, "10 KB"), (2_500_000, "2.5 MB")]
        {
            assert_eq!(size(octets), words);
        }
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(12), "12");
    }

    #[test]
    fn what_comes_from_mail_is_escaped() {
        let row = addresses(&["<script>\"&'".to_owned()]).into_string();
        assert!(!row.contains('<'), "{row}");
        assert!(!time_of("<b>").into_string().contains("<b>"));
    }

    #[test]
    fn nothing_turns_the_direction_of_writing() {
        assert_eq!(harmless("a\u{202e}fdp.exe\u{2069}\0"), "a\u{fffd}fdp.exe\u{fffd}\u{fffd}");
        assert_eq!(harmless("שלום\u{200f} a\tb\r\nc"), "שלום\u{200f} a\tb\nc");
        assert_eq!(subject(" \u{202e}bill "), "\u{fffd}bill");
        assert_eq!(subject(" "), "(no subject)");
        let row = addresses(&["\u{202e}a@b.test".to_owned()]).into_string();
        assert_eq!(row, "\u{fffd}a@b.test");
        assert_eq!(reverse_path("\u{2066}a@b.test").into_string(), "\u{fffd}a@b.test");
    }
}
