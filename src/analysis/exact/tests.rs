//! Lists from table to match: what is found and what is not, hostile tables and texts, and good
//! mail, in which a list of invented people is not to be found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::csv::Encoding;
use super::keyed::Key;
use super::values::{Refusal, Weakness};
use super::words::Accents;
use super::*;

fn list_with(table: &str, spec: &Spec) -> (ExactList, ImportReport) {
    let key = Key::random().unwrap();
    let (octets, report) = ExactList::import(table.as_bytes(), spec, &key).unwrap();
    (ExactList::parse(&octets, &key).unwrap(), report)
}

fn list(table: &str) -> ExactList {
    list_with(table, &Spec::default()).0
}

fn query(columns: usize, within_chars: usize) -> Query {
    Query { columns, within_chars, rows: 1 }
}

fn rows(list: &ExactList, text: &str, query: &Query) -> Vec<u32> {
    list.matches(text, query).found.iter().map(|row| row.row).collect()
}

const STAFF: &str = "name,number,post code\n\
    \"Okonkwo, Adaeze\",943 476 5919,LS1 4AP\n\
    Siân Llywelyn-Jones,100200300,CF10 1EP\n\
    Padraig O'Sullivan,100200301,BT1 5GS\n\
    Mark Young,100200302,LS1 4AP\n\
    Li,100200303,SW1A 1AA\n";

#[test]
fn a_value_is_found_however_it_is_written() {
    let list = list(STAFF);
    let table: [(&str, &[u32]); 22] = [
        ("Her number is 943 476 5919.", &[1]),
        ("number:943-476-5919;", &[1]),
        ("9434765919", &[1]),
        ("943.476.5919 and 943/476/5919", &[1]),
        ("(943) 476 \u{2013} 5919", &[1]),
        ("943476\r\n5919", &[1]),
        ("\u{ff19}434765919", &[1]),
        ("9434765918", &[]),
        ("19434765919", &[]),
        ("94347659190", &[]),
        ("943, 476, 5919", &[]),
        ("Adaeze Okonkwo", &[1]),
        ("OKONKWO,   ADAEZE", &[1]),
        ("Okonkwo\n> Adaeze's file", &[1]),
        ("Adaeze of Okonkwo", &[]),
        ("Sian Llywelyn Jones; Padraig O\u{2019}Sullivan", &[2, 3]),
        ("Si\u{e2}n Llywelyn\u{2011}Jones", &[2]),
        ("Sia\u{302}n Llywelyn-Jones", &[2]),
        ("padraig osullivan", &[3]),
        ("Padraig Sullivan", &[]),
        ("Li", &[]),
        ("ls14ap", &[1]),
    ];
    for (text, expected) in table {
        assert_eq!(rows(&list, text, &query(1, 100)), expected, "{text}");
    }
}

#[test]
fn columns_of_one_row_have_to_stand_together() {
    let list = list(STAFF);
    let far = "x ".repeat(60);
    let table: [(String, usize, usize, &[u32]); 11] = [
        ("Adaeze Okonkwo, LS1 4AP".into(), 2, 100, &[1]),
        ("Mark Young, LS1 4AP".into(), 2, 100, &[4]),
        ("Padraig O'Sullivan, LS1 4AP".into(), 2, 100, &[]),
        (format!("Adaeze Okonkwo {far} LS1 4AP"), 2, 100, &[]),
        (format!("Adaeze Okonkwo {far} LS1 4AP"), 2, 122, &[1]),
        (format!("Adaeze Okonkwo {far} LS1 4AP"), 2, 121, &[]),
        ("LS1 4AP: 943 476 5919 (Okonkwo, Adaeze)".into(), 3, 100, &[1]),
        ("LS1 4AP: 943 476 5919".into(), 3, 100, &[]),
        ("Li, 100200303".into(), 2, 100, &[5]),
        ("100200303".into(), 2, 100, &[]),
        ("100200303 100200302 100200301".into(), 1, 0, &[3, 4, 5]),
    ];
    for (text, columns, within_chars, expected) in table {
        let found = rows(&list, &text, &query(columns, within_chars));
        assert_eq!(found, expected, "{text} {columns} {within_chars}");
    }
    let row = list.matches("to 943 476 5919, LS1 4AP", &query(2, 10)).found[0];
    assert_eq!(list.column_names(row.columns), ["number", "post code"]);
    assert_eq!((row.from_char, row.to_char), (3, 24));
}

#[test]
fn one_mention_is_one_row() {
    let mut table = String::from("given,family,number\n");
    for number in 0..200 {
        table.push_str(&format!("Gareth,Pritchard,7000{number:04}\n"));
    }
    table.push_str("Gareth,Gareth,80000001\n");
    let list = list(&table);
    let two = |text: &str| rows(&list, text, &query(2, 50));
    assert_eq!(two("Gareth Pritchard"), [1]);
    assert_eq!(two("Gareth Pritchard, Gareth Pritchard"), [1]);
    assert_eq!(two("Gareth Pritchard 70000041"), [42]);
    assert_eq!(two("Gareth 70000041, Gareth 70000042"), [42, 43]);
    assert_eq!(two("Gareth"), Vec::<u32>::new());
    assert_eq!(two("Gareth Gareth"), [201]);
    let one = |text: &str| rows(&list, text, &query(1, 50)).len();
    assert_eq!(one("Pritchard"), 1);
    let far = "so ".repeat(50);
    assert_eq!(one(&format!("70000041 {far} Pritchard {far} Gareth")), 1);
    let enough = Query { columns: 1, within_chars: 50, rows: 3 };
    assert!(list.matches("70000041 70000042 70000043", &enough).is_enough(&enough));
    assert!(!list.matches("70000041 70000042 70000042", &enough).is_enough(&enough));
}

#[test]
fn texts_of_one_message_are_counted_together() {
    let list = list(STAFF);
    let ask = query(1, 100);
    let mut tally = Tally::default();
    for text in ["100200301", "Padraig O'Sullivan 100200301", "100200302", ""] {
        tally.add(list.matches(text, &ask));
    }
    let rows = tally.rows();
    assert_eq!((rows.count(), rows.found[0].column_count()), (2, 2));
}

#[test]
fn everyday_words_count_beside_each_other_only() {
    let list = list("given,family\nWill,Summers\nMark,Young\nLi,Ng\n");
    let one = |text: &str| rows(&list, text, &query(1, 100));
    let two = |text: &str| rows(&list, text, &query(2, 100));
    for text in ["Will you mark this in summers when you are young", "Mark is young", "Li will"] {
        assert_eq!((one(text).len(), two(text).len()), (0, 0), "{text}");
    }
    assert_eq!(two("Will Summers, Young (Mark) and Ng, Li"), [1, 2, 3]);
    let (_, report) = list_with("n\nWill\nLi\n1234\nOkonkwo\nMark Young\n", &Spec::default());
    assert_eq!(report.weak[&Weakness::Ordinary].lines, [2]);
    assert_eq!(report.weak[&Weakness::Short].lines, [3, 4]);
    assert_eq!(report.ordinary_phrases.lines, [6]);
    assert_eq!((report.columns[0].values, report.columns[0].weak), (5, 3));
}

#[test]
fn accents_may_be_kept() {
    let spec = Spec { accents: Accents::Kept, ..Spec::default() };
    let (list, _) = list_with("n\nSi\u{e2}n Llywelyn\n", &spec);
    assert_eq!(rows(&list, "SIA\u{302}N Llywelyn", &query(1, 0)), [1]);
    assert_eq!(rows(&list, "Sian Llywelyn", &query(1, 0)), Vec::<u32>::new());
}

#[test]
fn scripts_without_spaces_are_looked_through() {
    let list = list("n\n\u{738b}\u{5c0f}\u{660e}\n\u{ae40}\u{cca0}\u{c218}\n");
    assert_eq!(rows(&list, "\u{6211}\u{662f}\u{738b}\u{5c0f}\u{660e}\u{3002}", &query(1, 0)), [1]);
    assert_eq!(rows(&list, "\u{ae40}\u{cca0}\u{c218}\u{b294}", &query(1, 0)), [2]);
}

#[test]
fn a_report_names_lines_and_no_values() {
    let table = "id,name,extra\n1,Okonkwo,\n2,Okonkwo,--\n3\n10004,\"Jones,x\n";
    let key = Key::random().unwrap();
    let error = ExactList::import(table.as_bytes(), &Spec::default(), &key).unwrap_err();
    assert!(error.to_string().starts_with("2 of 4 rows are not in order"), "{error}");
    let good: String = (0..30).map(|number| format!("{number}9999,N{number}n,\n")).collect();
    let table = format!("id,name,extra\n{good}3\n55555,Okonkwo,--\n");
    let (_, report) = list_with(&table, &Spec::default());
    assert_eq!((report.rows, report.used_rows), (32, 31));
    assert_eq!(report.faults["1 fields, the header has 3"].lines, [32]);
    assert_eq!(report.refused[&Refusal::Signs].lines, [33]);
    assert_eq!(report.encoding, Some(Encoding::Utf8));
    assert_eq!(report.columns.iter().map(|one| one.distinct).collect::<Vec<_>>(), [31, 31, 0]);
}

#[test]
fn columns_are_chosen_by_name() {
    let key = Key::random().unwrap();
    let table = "Id;Full Name;Note;Note\n12345;Adaeze Okonkwo;hello there;x\n";
    let import = |names: &[&str]| {
        let columns = names.iter().map(|name| (*name).to_owned()).collect();
        ExactList::import(table.as_bytes(), &Spec { columns, ..Spec::default() }, &key)
    };
    let (octets, _) = import(&["full name", "ID"]).unwrap();
    let list = ExactList::parse(&octets, &key).unwrap();
    let names: Vec<_> = list.head().columns.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["Full Name", "Id"]);
    assert_eq!(rows(&list, "hello there", &query(1, 0)), Vec::<u32>::new());
    for (names, said) in [
        (&["nmae"][..], "no column nmae"),
        (&["note"], "two columns are called note"),
        (&["id", "ID"], "asked for twice"),
    ] {
        let error = import(names).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    for (table, said) in [
        ("", "empty"),
        ("a\n", "no row holds a value"),
        ("a\n--\n", "no row holds a value"),
        ("a\n\0\n", "NUL"),
        ("a\n\"x\n", "never closed"),
    ] {
        let error = ExactList::import(table.as_bytes(), &Spec::default(), &key).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn no_clear_value_is_in_the_file_and_the_key_is_needed() {
    let key = Key::random().unwrap();
    let (octets, _) = ExactList::import(STAFF.as_bytes(), &Spec::default(), &key).unwrap();
    for value in ["okonkwo", "Okonkwo", "9434765919", "943 476", "ls14ap", "Mark"] {
        assert!(memchr::memmem::find(&octets, value.as_bytes()).is_none(), "{value}");
    }
    let error = ExactList::parse(&octets, &Key::random().unwrap()).unwrap_err();
    assert!(error.to_string().contains("its key is another one"), "{error}");
    let (again, _) = ExactList::import(STAFF.as_bytes(), &Spec::default(), &key).unwrap();
    assert_eq!(octets, again);
}

#[test]
fn damaged_files_are_refused() {
    let key = Key::random().unwrap();
    let (octets, _) = ExactList::import(STAFF.as_bytes(), &Spec::default(), &key).unwrap();
    for at in 0..octets.len() {
        let mut bad = octets.clone();
        bad[at] ^= 0x41;
        assert!(ExactList::parse(&bad, &key).is_err(), "octet {at}");
        assert!(ExactList::parse(&octets[..at], &key).is_err(), "cut at {at}");
    }
    let longer: Vec<u8> = octets.iter().copied().chain([0]).collect();
    assert!(ExactList::parse(&longer, &key).is_err());
}

#[test]
fn hostile_texts_cost_bounded_work() {
    let mut table = String::from("given,family\n");
    for number in 0..20_000 {
        table.push_str(&format!("Gareth{},Pritchard{}\n", number % 20, number % 30));
    }
    let list = list(&table);
    let mut text = String::new();
    for number in 0..40_000 {
        text.push_str(&format!("Gareth{} Pritchard{} ", number % 20, (number * 7) % 30));
    }
    let began = Worked::now();
    let found = list.matches(&text, &query(2, 10_000));
    assert!(found.is_cut && found.count() > 10);
    let digits = "1 ".repeat(500_000);
    assert_eq!(list.matches(&digits, &query(1, 100)).count(), 0);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn a_shelf_keeps_names_and_sees_changes() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path();
    let import = |table: &str| {
        let key = Shelf::<ExactList>::make_key(data_dir, "staff").unwrap();
        let (octets, _) = ExactList::import(table.as_bytes(), &Spec::default(), &key).unwrap();
        Shelf::<ExactList>::put_file(data_dir, "staff", &octets).unwrap()
    };
    let shelf = Shelf::<ExactList>::of(data_dir);
    assert!(shelf.open("staff").unwrap().is_none());
    assert!(shelf.item("staff").is_none());
    let path = import("n\nOkonkwo\n");
    shelf.refresh();
    let found = |text: &str| rows(&shelf.item("staff").unwrap(), text, &query(1, 0)).len();
    assert_eq!(found("Okonkwo Llywelyn"), 1);
    import("n\nOkonkwo\nLlywelyn\n");
    shelf.refresh();
    assert_eq!(found("Okonkwo Llywelyn"), 2);
    std::fs::write(&path, b"PSTNEXA1 and more").unwrap();
    shelf.refresh();
    assert_eq!(found("Okonkwo Llywelyn"), 2);
    assert!(shelf.open("other").unwrap().is_none());
    assert_eq!(Shelf::<ExactList>::names(data_dir).unwrap(), ["staff"]);
    use std::os::unix::fs::PermissionsExt;
    for file in [path, data_dir.join("content/keys/exact-staff.key")] {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(Shelf::<ExactList>::remove(data_dir, "staff").unwrap());
    assert!(!Shelf::<ExactList>::remove(data_dir, "staff").unwrap());
    shelf.refresh();
    assert!(shelf.item("staff").is_none());
    for name in ["", "../x", "A", "a/b", &"x".repeat(65)] {
        assert!(Shelf::<ExactList>::path(data_dir, name).is_err(), "{name}");
    }
}

/// Values as tables hold them, and the same as mail might write them.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z][a-z]{4,9}( [A-Z][a-z]{1,9}){0,4}",
        "[0-9]{5,14}",
        "[0-9]{3}[ -][0-9]{3}[ -][0-9]{4}",
        "[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
        "\\PC{1,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_is_found_in_a_text_that_holds_it(
        cells in proptest::collection::vec(cell(), 1..20),
        before in "(\\PC{0,30}[ ,.;\n])?",
        after in "([ ,.;\n]\\PC{0,30})?",
    ) {
        let quoted = |cell: &String| format!("\"{}\"\n", cell.replace('"', "\"\""));
        let table: String = std::iter::once("v\n".to_owned()).chain(cells.iter().map(quoted)).collect();
        let key = Key::random().unwrap();
        let Ok((octets, _)) = ExactList::import(table.as_bytes(), &Spec::default(), &key) else {
            return Ok(());
        };
        let list = ExactList::parse(&octets, &key).unwrap();
        for cell in &cells {
            let Ok(values) = values::Value::of(cell.trim(), Accents::Folded) else { continue };
            let text = format!("{before}{cell}{after}");
            let hits = list.hits(&text);
            prop_assert!(!hits.is_empty(), "{text:?}");
            if values[0].weakness.is_none() {
                prop_assert!(list.matches(&text, &query(1, 100)).count() >= 1, "{text:?}");
            }
            let shouted = list.hits(&format!("{before}{}{after}", cell.to_uppercase()));
            // Some letters have no capital, or one that is another letter's.
            prop_assert!(!cell.is_ascii() || !shouted.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a_number_with_one_digit_changed_is_not_found(
        numbers in proptest::collection::vec("[0-9]{6,12}", 1..50),
        chosen in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        by in 1_u8..10,
    ) {
        let table = format!("v\n{}\n", numbers.join("\n"));
        let list = list(&table);
        let number = chosen.get(&numbers);
        let mut octets = number.clone().into_bytes();
        let at = place.index(octets.len());
        octets[at] = b'0' + (octets[at] - b'0' + by) % 10;
        let changed = String::from_utf8(octets).unwrap();
        prop_assume!(!numbers.contains(&changed));
        let text = format!("no {changed}.");
        prop_assert!(list.hits(&text).is_empty());
        let digits: Vec<String> = number.chars().map(String::from).collect();
        for text in [number.clone(), digits.join(" "), digits.join("-")] {
            let found = list.matches(&text, &query(1, 0)).count();
            prop_assert!(found >= 1, "{text}");
        }
    }

    #[test]
    fn no_table_and_no_text_does_harm(
        table in proptest::collection::vec(any::<u8>(), 0..300),
        text in "\\PC{0,200}",
    ) {
        let key = Key::random().unwrap();
        if let Ok((octets, _)) = ExactList::import(table.as_slice(), &Spec::default(), &key) {
            let list = ExactList::parse(&octets, &key).unwrap();
            list.matches(&text, &query(2, 100));
        }
        ExactList::parse(&table, &key).unwrap_err();
    }
}

/// Names and numbers of people that were made up: from syllables and usual names of Britain.
pub(in crate::analysis) fn invented_people(count: usize) -> String {
    const GIVEN: [&str; 40] = [
        "Oliver",
        "George",
        "Harry",
        "Jack",
        "Jacob",
        "Noah",
        "Charlie",
        "Muhammad",
        "Thomas",
        "Oscar",
        "William",
        "James",
        "Leo",
        "Alfie",
        "Henry",
        "Joshua",
        "Freddie",
        "Archie",
        "Ethan",
        "Isaac",
        "Olivia",
        "Amelia",
        "Isla",
        "Emily",
        "Ava",
        "Lily",
        "Mia",
        "Sophia",
        "Isabella",
        "Grace",
        "Poppy",
        "Ella",
        "Evie",
        "Charlotte",
        "Jessica",
        "Daisy",
        "Priya",
        "Siobhan",
        "Rhys",
        "Angharad",
    ];
    const FAMILY: [&str; 40] = [
        "Smith", "Jones", "Taylor", "Brown", "Williams", "Wilson", "Johnson", "Davies", "Patel",
        "Robinson", "Wright", "Thompson", "Evans", "Walker", "White", "Roberts", "Green", "Hall",
        "Thomas", "Clarke", "Jackson", "Wood", "Harris", "Edwards", "Turner", "Martin", "Cooper",
        "Hill", "Ward", "Hughes", "Moore", "Clark", "King", "Harrison", "Lewis", "Baker", "Lee",
        "Allen", "Morris", "Khan",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut table = String::from("given name,family name,full name,customer number,nhs number\n");
    for _ in 0..count {
        let (given, family) = (GIVEN[next(40)], FAMILY[next(40)]);
        let middle = GIVEN[next(40)];
        let (customer, nhs) = (10_000_000 + next(90_000_000), next(1_000_000_000));
        let nhs = format!("9{nhs:09}");
        let (one, two, three) = (&nhs[..3], &nhs[3..6], &nhs[6..]);
        table.push_str(&format!(
            "{given},{family},{given} {middle} {family},C{customer},{one} {two} {three}\n"
        ));
    }
    table
}

/// Good mail, as it is given: header and body.
pub(in crate::analysis) fn good_mail() -> Vec<String> {
    let Some(root) = std::env::var_os("POSTERN_SA_CORPUS").map(PathBuf::from) else {
        println!("skipped: POSTERN_SA_CORPUS names no folder with good mail");
        return Vec::new();
    };
    let roots = [root.join("package/data"), root.join("data"), root];
    let Some(root) = roots.into_iter().find(|root| root.join("easy-ham-1").is_dir()) else {
        println!("skipped: POSTERN_SA_CORPUS holds no folder easy-ham-1");
        return Vec::new();
    };
    let mut texts = Vec::new();
    for folder in ["easy-ham-1", "easy-ham-2", "hard-ham-1"] {
        for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "txt") {
                let octets = std::fs::read(entry.path()).unwrap_or_default();
                texts.push(String::from_utf8_lossy(&octets).into_owned());
            }
        }
    }
    texts
}

#[test]
fn good_mail_gives_nobody_away() {
    let (list, report) = list_with(&invented_people(10_000), &Spec::default());
    assert_eq!((report.rows, report.used_rows), (10_000, 10_000));
    let texts = good_mail();
    let (mut numbers, mut pairs, mut triples) = (0, 0, 0);
    for text in &texts {
        let hits = list.hits(text);
        let of = |columns| list.rows(&hits, &query(columns, 100)).found;
        // What has a number: names alone are people's names.
        numbers += of(1).iter().filter(|row| row.columns & 0b1_1000 != 0).count();
        pairs += usize::from(!of(2).is_empty());
        triples += usize::from(!of(3).is_empty());
    }
    println!("{} messages: {numbers} numbers, {pairs} pairs, {triples} triples", texts.len());
    assert_eq!((numbers, triples), (0, 0));
    assert!(pairs * 50 <= texts.len(), "people of the same usual names: {pairs}");
}

#[test]
fn files_lie_where_they_are_said_to() {
    let path = Shelf::<ExactList>::path(Path::new("data"), "staff").unwrap();
    assert_eq!(path, Path::new("data/content/exact/staff.list"));
}

/// Time on a processor, which others that use it do not lengthen.
#[derive(Clone, Copy)]
pub(in crate::analysis) struct Worked(Duration);

impl Worked {
    pub(in crate::analysis) fn now() -> Worked {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let on_processor_ns = text.split(' ').next().and_then(|number| number.parse().ok());
        Worked(Duration::from_nanos(on_processor_ns.unwrap_or_default()))
    }

    pub(in crate::analysis) fn elapsed(self) -> Duration {
        Worked::now().0.saturating_sub(self.0)
    }
}

/// What a million rows cost: `cargo test --release -- --ignored --nocapture a_million_rows`.
#[test]
#[ignore = "a measurement, for a build with optimisation"]
fn a_million_rows_in_figures() {
    let dir = tempfile::tempdir().unwrap();
    let began = Worked::now();
    let mut table = String::from("given,full name,customer number,mail\n");
    for row in 0..1_000_000_u64 {
        let spread = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (one, two) = (spread >> 44, (spread >> 24) & 0xf_ffff);
        table.push_str(&format!(
            "Given{},Given{} Family{one:x},{:010},n{two}.{row}@example.org\n",
            row % 900,
            row % 900,
            spread % 10_000_000_000
        ));
    }
    println!("made: {:?}, {} octets", began.elapsed(), table.len());
    let began = Worked::now();
    let key = Shelf::<ExactList>::make_key(dir.path(), "large").unwrap();
    let (octets, report) = ExactList::import(table.as_bytes(), &Spec::default(), &key).unwrap();
    println!("imported: {:?}, {} octets, {} rows", began.elapsed(), octets.len(), report.used_rows);
    let path = Shelf::<ExactList>::put_file(dir.path(), "large", &octets).unwrap();
    drop((octets, table, report));
    let began = Worked::now();
    let list = ExactList::load(&path).unwrap();
    println!("loaded: {:?}, {} octets in memory", began.elapsed(), list.octets());
    let (small, _) = list_with(&invented_people(10_000), &Spec::default());
    for (name, list) in [("1,000,000 rows", &list), ("10,000 rows", &small)] {
        let texts = good_mail();
        let octets: usize = texts.iter().map(String::len).sum();
        let began = Worked::now();
        let hits: usize = texts.iter().map(|text| list.hits(text).len()).sum();
        let hit = began.elapsed();
        for text in &texts {
            list.matches(text, &query(2, 100));
        }
        let rate = |took: Duration| octets as f64 / took.as_secs_f64() / 1e6;
        let all = began.elapsed() - hit;
        println!("{name}: {hits} hits; {:.0} MB/s, with rows {:.0} MB/s", rate(hit), rate(all));
    }
    let digits: String = (0..1_000_000_u64)
        .map(|n| format!("{} ", n.wrapping_mul(2_654_435_761) % 100_000))
        .collect();
    let began = Worked::now();
    let hits = list.hits(&digits).len();
    println!(
        "digits: {hits} hits, {:.0} MB/s",
        digits.len() as f64 / began.elapsed().as_secs_f64() / 1e6
    );
}
