//! One target for all bodies: `POSTERN_FUZZ` names the one that runs.

#![no_main]

use std::sync::LazyLock;

use postern_fuzz::message::fuzz;

type Body = fn(&[u8]) -> usize;

const BODIES: [(&str, Body); 15] = [
    ("anatomy", fuzz::dissect),
    ("annotate", fuzz::annotate),
    ("author", fuzz::author),
    ("results", fuzz::results),
    ("walk", fuzz::walk),
    ("text_files", fuzz::text_files),
    ("tnef", fuzz::tnef),
    ("fields", fuzz::fields),
    ("archive", fuzz::archive),
    ("packed", fuzz::packed),
    ("ole", fuzz::ole),
    ("ooxml", fuzz::ooxml),
    ("rtf", fuzz::rtf),
    ("pdf", fuzz::pdf),
    ("document", fuzz::document),
];

static BODY: LazyLock<Body> = LazyLock::new(|| {
    let wanted = std::env::var("POSTERN_FUZZ").unwrap_or_default();
    match BODIES.iter().find(|(name, _)| *name == wanted) {
        Some((_, body)) => *body,
        None => panic!("POSTERN_FUZZ must be one of {:?}", BODIES.map(|(name, _)| name)),
    }
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    BODY(data);
});
