//! The content-rule engine: octets a second with 100, 1,000 and 10,000 patterns beside the
//! pattern engine alone on the same text and database; compile time, start from the cache, and
//! texts that match at every octet.
//!
//! Tables `rates`, `rspamd`, `starts` and `hostile` on standard output; the quickest of some runs
//! counts, in time on the processor. `rspamd` gives the same patterns and texts to rspamd's own
//! multi-pattern scan, where it is installed.

mod rspamd;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use postern::analysis::rules::seam::Valid;
use postern::analysis::rules::{Lookups, RuleSet};
use postern::analysis::weights::Weights;
use postern::message::Zone;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 3] = [100, 1_000, 10_000];
const BATCHES: usize = 3;

/// A row of numbers that looks random and is the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap_or_default()
    }

    fn pick<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words.get(self.roll(words.len())).copied().unwrap_or_default()
    }
}

/// A word that could be one, of three to five syllables.
fn word(number: usize) -> String {
    const SYLLABLES: [&str; 24] = [
        "ka", "ro", "mi", "ten", "sol", "ver", "du", "pla", "ning", "est", "or", "ba", "lim",
        "que", "ful", "tor", "sen", "cha", "ri", "om", "pre", "lin", "ga", "ment",
    ];
    let mut dice = Dice((number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    dice.roll(2);
    (0..3 + dice.roll(3)).map(|_| dice.pick(&SYLLABLES)).collect()
}

/// Prose with numbers and names in it, a line end here and there.
fn prose(octets: usize) -> String {
    const WORDS: [&str; 36] = [
        "the",
        "minutes",
        "of",
        "last",
        "meeting",
        "are",
        "attached",
        "please",
        "read",
        "them",
        "before",
        "Thursday",
        "and",
        "tell",
        "me",
        "what",
        "is",
        "missing",
        "we",
        "meet",
        "at",
        "ten",
        "in",
        "small",
        "room",
        "budget",
        "for",
        "next",
        "year",
        "only",
        "thing",
        "to",
        "decide",
        "planning",
        "order",
        "presentment",
    ];
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut text = String::with_capacity(octets + 32);
    while text.len() < octets {
        match dice.roll(40) {
            0 => text.push_str(&format!("{}", dice.roll(1_000_000))),
            1 => text.push_str(&word(dice.roll(40_000))),
            2 => text.push_str("größte"),
            _ => text.push_str(dice.pick(&WORDS)),
        }
        text.push_str(if dice.roll(12) == 0 { ". " } else { " " });
    }
    text
}

fn head(kind: &str, number: usize, worth: &str) -> String {
    format!(
        "[[{kind}]]\nid = \"BENCH_{number}\"\nwhere = [\"body\", \"subject\", \"attachment\"]\n\
         class = \"policy\"\n{worth} = 0.0\ndescription = \"bench\"\nhit = [\"a\", \"b\"]\n\
         near_miss = [\"c\", \"d\"]\n"
    )
}

/// One word, of every third term two.
fn term(number: usize) -> String {
    match number % 3 {
        0 => format!("{} {}", word(number), word(number + 1)),
        _ => word(number),
    }
}

/// One word list of so many terms.
fn words(count: usize) -> String {
    let mut text = head("lexicon", 0, "max_score") + "terms = [\n";
    for number in 0..count {
        text.push_str(&format!("{{ text = \"{}\", score = 0.0 }},\n", term(number)));
    }
    text + "]\n"
}

/// One pattern of a rule of many kinds, or the two of a proximity rule.
fn patterns(number: usize) -> Vec<String> {
    let (a, b) = (word(2 * number), word(2 * number + 1));
    vec![match number % 6 {
        0 => format!("\\b{a} (?:{b}|{})\\b", word(number + 7)),
        1 => format!("\\b{a}[ -]?{b}(?:s|ed|ing)?\\b"),
        2 => format!("{a}[^.!?]*{b}"),
        3 => format!("\\b{a} (?:no|ref)[.:]? ?\\d{{4,8}}\\b"),
        4 => return vec![format!("\\b{a}\\b"), format!("\\b{b}\\b")],
        _ => format!("\\b{a}-\\d{{3}}[A-Z]{{2}}\\b"),
    }]
}

/// So many rules of all kinds of patterns, as people write them.
fn mixed(count: usize) -> String {
    let one = |number: usize| {
        let mut rest = match patterns(number).as_slice() {
            [a, b] => format!("a = '{a}'\nb = '{b}'\nwithin = 50\n"),
            one => format!("pattern = '{}'\n", one.concat()),
        };
        rest.push_str(match number % 6 {
            1 => "count = 2\n",
            3 => "validate = 'ten'\n",
            _ => "",
        });
        let kind = if number % 6 == 4 { "proximity" } else { "rule" };
        head(kind, number, "score") + &rest
    };
    (0..count).map(one).collect()
}

/// Numbers whose digits add up to a multiple of ten.
fn ten(text: &str) -> Option<Valid> {
    let digits = text.len() - text.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
    let start = text.len() - digits;
    let normal = text.get(start..)?.to_owned();
    let sum: u32 = normal.bytes().map(|digit| u32::from(digit.wrapping_sub(b'0'))).sum();
    sum.is_multiple_of(10).then_some(Valid { start, normal })
}

fn load(rules: &str, cache: Option<&Path>) -> Option<RuleSet> {
    let lookups =
        Lookups { validator: Some(|name| (name == "ten").then_some(ten)), ..Lookups::default() };
    match RuleSet::parse_with(rules, "bench.toml", cache, lookups) {
        Ok(set) => Some(set),
        Err(error) => {
            eprintln!("{error}");
            None
        }
    }
}

/// Time that this thread has had on a processor, so that busy neighbours do not count; where
/// the system does not tell, time of the clock.
fn on_processor(since: Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = stat.and_then(|stat| stat.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// Of some batches; the system tells the time of a thread in steps of milliseconds only.
fn quickest(mut run: impl FnMut()) -> Duration {
    const BATCH: Duration = Duration::from_millis(150);
    let since = Instant::now();
    let mut batch = |_| {
        let (began, mut runs) = (on_processor(since), 0);
        loop {
            run();
            runs += 1;
            let taken = on_processor(since).saturating_sub(began);
            if taken >= BATCH {
                return taken / runs;
            }
        }
    };
    (0..BATCHES).map(&mut batch).min().unwrap_or_default()
}

fn megabytes_a_second(octets: usize, time: Duration) -> f64 {
    octets as f64 / time.as_secs_f64() / 1e6
}

/// One message of these texts.
fn scanned(set: &RuleSet, weights: &Weights, texts: &[(Zone, &str)]) -> usize {
    let Ok(mut scan) = set.scan() else { return 0 };
    for (zone, text) in texts {
        scan.text(*zone, text);
    }
    scan.finish(weights).map_or(0, |hits| hits.content.len())
}

fn rates(kind: &str, write: fn(usize) -> String, weights: &Weights) {
    let large = prose(4_000_000);
    let small = prose(8_000);
    let subject = prose(60);
    for size in SIZES {
        let Some(set) = load(&write(size), None) else { return };
        for (name, texts, times) in [
            ("one of 4 MB", vec![(Zone::Attachment, large.as_str())], 1),
            ("8 KB and a subject", vec![(Zone::Body, &small), (Zone::Subject, &subject)], 200),
        ] {
            let octets = times * texts.iter().map(|(_, text)| text.len()).sum::<usize>();
            let matches: u64 = texts.iter().filter_map(|(_, text)| set.matches(text).ok()).sum();
            let alone = quickest(|| {
                for _ in 0..times {
                    for (_, text) in &texts {
                        black_box(set.matches(text).ok());
                    }
                }
            });
            let whole = quickest(|| {
                for _ in 0..times {
                    black_box(scanned(&set, weights, &texts));
                }
            });
            println!(
                "{kind:6} {:6} {name:20} {matches:9} {:10.0} {:10.0} {:7.0} %",
                set.patterns(),
                megabytes_a_second(octets, alone),
                megabytes_a_second(octets, whole),
                100.0 * alone.as_secs_f64() / whole.as_secs_f64(),
            );
        }
    }
}

fn starts(kind: &str, write: fn(usize) -> String) {
    let dir = std::env::temp_dir().join(format!("postern-bench-{}", std::process::id()));
    if let Err(error) = std::fs::create_dir_all(&dir) {
        return eprintln!("{}: {error}", dir.display());
    }
    for size in SIZES {
        let rules = write(size);
        let since = Instant::now();
        let began = on_processor(since);
        let compiled = load(&rules, Some(&dir));
        let compiling = on_processor(since).saturating_sub(began);
        let kept =
            std::fs::metadata(dir.join("content-patterns.hsdb")).map_or(0, |file| file.len());
        let reading = quickest(|| {
            black_box(load(&rules, Some(&dir)));
        });
        let patterns = compiled.map_or(0, |set| set.patterns());
        println!("{kind:6} {patterns:6} {compiling:12.2?} {reading:12.2?} {:10}", kept >> 10);
    }
    std::fs::remove_dir_all(&dir).ok();
}

/// Ten megabytes that match at every octet or nearly.
fn hostile(weights: &Weights) {
    let near = |a: &str, b: &str| format!("a = '{a}'\nb = '{b}'\nwithin = 10000\ncount = 2\n");
    let ones = "1".repeat(10_000_000);
    let gaps = "1 ".repeat(5_000_000);
    let numbers: String = (0..1_000_000).map(|number| format!("{number:09} ")).collect();
    let table = [
        ("hits once", "rule", "pattern = '1'\n".to_owned(), &ones),
        ("counted, fixed length", "rule", "pattern = '\\d{3}'\ncount = 2\n".to_owned(), &ones),
        ("counted, growing", "rule", "pattern = '\\d+'\ncount = 2\n".to_owned(), &ones),
        ("validated, growing", "rule", "pattern = '\\d+'\nvalidate = 'ten'\n".to_owned(), &ones),
        ("validated, each", "rule", "pattern = '\\d'\nvalidate = 'ten'\n".to_owned(), &gaps),
        (
            "a million numbers",
            "rule",
            "pattern = '\\b\\d{9}\\b'\nvalidate = 'ten'\n".into(),
            &numbers,
        ),
        ("near, itself", "proximity", near("\\d", "\\d"), &ones),
        ("near, never", "proximity", near("\\d", "x"), &gaps),
        ("near, numbers", "proximity", near("\\b\\d{9}\\b", "0 0"), &numbers),
    ];
    for (name, kind, rest, text) in table {
        let Some(set) = load(&(head(kind, 0, "score") + &rest), None) else { return };
        let matches = set.matches(text).unwrap_or_default();
        let alone = quickest(|| {
            black_box(set.matches(text).ok());
        });
        let whole = quickest(|| {
            black_box(scanned(&set, weights, &[(Zone::Body, text)]));
        });
        println!("{name:24} {matches:9} {alone:12.2?} {whole:12.2?}");
    }
}

fn main() {
    let weights = match Weights::shipped() {
        Ok(weights) => weights,
        Err(error) => return eprintln!("{error}"),
    };
    // `cargo bench --bench content -- hostile` for one table.
    let asked: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with('-')).collect();
    let wants = |table: &str| asked.is_empty() || asked.iter().any(|one| one == table);
    if wants("rates") {
        println!("kind   patterns text               matches  engine MB/s   all MB/s   share");
        rates("words", words, &weights);
        rates("mixed", mixed, &weights);
    }
    if wants("rspamd") {
        println!("\nkind   patterns text               matches     rspamd MB/s");
        let term = |number| vec![format!("\\b{}\\b", term(number))];
        rspamd::rates("words", term);
        rspamd::rates("mixed", patterns);
    }
    if wants("starts") {
        println!("\nkind   patterns   compiled    from cache    kept KB");
        starts("words", words);
        starts("mixed", mixed);
    }
    if wants("hostile") {
        println!("\n10 MB of                 matches       engine          all");
        hostile(&weights);
    }
}
