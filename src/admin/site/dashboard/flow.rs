//! Mail over time: charts, and the same numbers as tables whose numbers are links.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{CAME, behind, chart};
use crate::admin::site::pieces;
use crate::journal::{Direction, Flow, FlowBucket, Span, Tally};

/// One chart a direction; what there is none of is left out, but for mail from outside.
pub(super) fn charts(flow: &Flow) -> Markup {
    let ways = [
        (Direction::In, "From outside", "in"),
        (Direction::Out, "To others", "out"),
        (Direction::Internal, "Within the house", "internal"),
    ];
    html! {
        @for (direction, title, name) in ways {
            @if direction == Direction::In || flow.total.of(direction) != Tally::default() {
                (one(flow, title, (direction, name)))
            }
        }
    }
}

fn one(flow: &Flow, title: &str, way: (Direction, &str)) -> Markup {
    let parts = |bucket: &FlowBucket| parts(&bucket.ways.of(way.0));
    let bars: Vec<[u64; 5]> = flow.buckets.iter().map(parts).collect();
    let labels: Vec<String> =
        flow.buckets.iter().map(|bucket| label(flow.span, bucket.start_ms)).collect();
    let sum: u64 = bars.iter().flatten().sum();
    let words = ["clean", "spam", "malicious", "other verdicts", "turned away before their text"];
    html! {
        section.card aria-label=(title) {
            h2 { (title) }
            @if sum == 0 { p.soft { "No mail in this time." } } @else {
                figure.chart role="img" aria-label=(format!("{title}: bars of {} steps; the table below has the numbers", bars.len())) {
                    (chart::bars(&bars, &labels))
                }
                ul.legend {
                    @for (class, words) in chart::CLASSES.iter().zip(words) {
                        li { span class=(format!("swatch {class}")) {} (words) }
                    }
                }
            }
            (table(flow, title, way))
        }
    }
}

/// What a bar is made of: no mail is counted twice. What was refused after its text is part of
/// its verdict.
fn parts(tally: &Tally) -> [u64; 5] {
    let other = tally.ambiguous + tally.unscannable + tally.policy;
    [tally.clean, tally.spam, tally.malicious, other, tally.turned_away]
}

fn label(span: Span, start_ms: u64) -> String {
    let at = Timestamp::from_millisecond(i64::try_from(start_ms).unwrap_or(i64::MAX));
    let at = at.unwrap_or_default().to_zoned(TimeZone::system());
    let form = match span {
        Span::Hour | Span::Day => "%H:%M",
        Span::Week => "%a %H:%M",
        Span::Month => "%-d %b",
    };
    at.strftime(form).to_string()
}

/// Columns: name, count, what a search asks for. Who was turned away has no direction yet.
const COLUMNS: &[(&str, fn(&Tally) -> u64, &str, &str)] = &[
    ("Mails", |tally| tally.received, CAME.0, CAME.1),
    ("Clean", |tally| tally.clean, "verdict", "clean"),
    ("Spam", |tally| tally.spam, "verdict", "spam"),
    ("Malicious", |tally| tally.malicious, "verdict", "malicious"),
    ("Ambiguous", |tally| tally.ambiguous, "verdict", "ambiguous"),
    ("Unscannable", |tally| tally.unscannable, "verdict", "unscannable"),
    ("Policy", |tally| tally.policy, "verdict", "policy"),
    ("Refused", |tally| tally.refused, "state", "refused"),
    ("Turned away", |tally| tally.turned_away, "state", "turned_away"),
];

fn table(flow: &Flow, title: &str, (direction, name): (Direction, &str)) -> Markup {
    html! {
        details {
            summary { "The same as a table" }
            div.scroll { table {
                caption { (title) ", by time" }
                thead { tr {
                    th scope="col" { "From" }
                    @for (words, ..) in COLUMNS { th.num scope="col" { (words) } }
                    th.num scope="col" { "Size" }
                } }
                tbody { @for bucket in flow.buckets.iter().rev() { (line(flow, bucket, name, &bucket.ways.of(direction))) } }
            } }
        }
    }
}

fn line(flow: &Flow, bucket: &FlowBucket, way: &str, tally: &Tally) -> Markup {
    let until_ms = bucket.start_ms + flow.step_ms;
    let there = |name: &str, value: &str| {
        let way = if value == "turned_away" { "" } else { way };
        behind(bucket.start_ms, Some(until_ms), &[("direction", way), (name, value)])
    };
    html! {
        tr {
            th scope="row" { (pieces::time(bucket.start_ms)) }
            @for (_, count_of, name, value) in COLUMNS {
                @let count = count_of(tally);
                td.num { @if count == 0 { "0" } @else { a href=(there(name, value)) { (pieces::count(count)) } } }
            }
            td.num { (pieces::size(tally.octets)) }
        }
    }
}
