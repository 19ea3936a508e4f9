//! However values are spread over the texts of a message, what is counted is the same.

use std::collections::HashSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::fakes::{form, set};
use super::*;

static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    let everywhere = "where = ['subject', 'from', 'body', 'attachment', 'html']";
    let rule = |id: &str, rest: &str| form("rule", id, &format!("{rest}\n{everywhere}"));
    set(&[
        rule(
            "SPANS",
            r"pattern = 'id \d+\b'
count = 1",
        ),
        rule(
            "FIXED",
            r"pattern = '\b\d{4}\b'
count = 1",
        ),
        rule(
            "VALID",
            r"pattern = '\b\d{4}\b'
validate = 'sum_ten'",
        ),
        form(
            "proximity",
            "NEAR",
            &format!("a = '\\b\\d{{4}}\\b'\nb = 'id'\nwithin = 1\ncount = 1\n{everywhere}"),
        ),
    ]
    .concat())
});

fn zones() -> impl Strategy<Value = Zone> {
    let zones = [Zone::Subject, Zone::From, Zone::Body, Zone::Attachment, Zone::Html];
    proptest::sample::select(zones.to_vec())
}

fn is_valid(number: u32) -> bool {
    let digits = number.to_string();
    digits.bytes().map(|digit| u32::from(digit - b'0')).sum::<u32>().is_multiple_of(10)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_do_not_depend_on_texts(
        texts in prop::collection::vec((zones(), prop::collection::vec(1_000..1_060_u32, 0..9)), 0..8),
    ) {
        let mut scan = RULES.scan().unwrap();
        let mut all = HashSet::new();
        for (zone, numbers) in &texts {
            let text: String =
                numbers.iter().map(|number| format!("and id {number}, é ")).collect();
            scan.text(*zone, &text);
            all.extend(numbers);
        }
        let found = scan.finish(&Weights::default()).unwrap().content;
        let of = |name: &str| {
            found.iter().find(|hit| hit.rule == name).map_or(0, |hit| hit.count as usize)
        };
        prop_assert_eq!(of("SPANS"), all.len());
        prop_assert_eq!(of("FIXED"), all.len());
        prop_assert_eq!(of("NEAR"), all.len());
        let valid = all.iter().filter(|number| is_valid(**number)).count();
        prop_assert_eq!(of("VALID"), valid);
    }
}
