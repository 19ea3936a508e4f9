//! The rules of the house, checked: rooms import only rooms above them, files and functions
//! stay small, every file says what it is for, names say what things are, and the top level
//! holds what it may.
//!
//! In: the files of the repository. Out: a list of what is wrong, each with file and line.
//! The Rust is read by a scanner that blanks comments and literals, not by a parser: what it
//! looks for is plain enough.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a check that meets the unexpected has to fail"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Top to bottom: a room imports only rooms that stand before it.
const ROOMS: &[&str] = &[
    "mail",
    "config",
    "telemetry",
    "log",
    "store",
    "smtp",
    "message",
    "net",
    "directory",
    "journal",
    "session",
    "analysis",
    "policy",
    "spool",
    "quarantine",
    "archive",
    "delivery",
    "secure",
    "community",
    "action",
    "ha",
    "web",
    "portal",
    "admin",
    "firewall",
    "update",
    "cli",
    "app",
];

/// Beside dot-files.
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "appliance",
    "benches",
    "image",
    "qemu",
    "rules",
    "src",
    "tests",
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &[
    "common", "handler", "handlers", "helper", "helpers", "info", "manager", "misc", "util",
    "utils",
];

const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 60;
const FUNCTION_LINES_AT_MOST: usize = 100;
/// A test may hold a long table.
const TEST_LINES_AT_MOST: usize = 200;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(dir)];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn all_rust_files() -> Vec<PathBuf> {
    ["src", "tests", "benches"].into_iter().flat_map(rust_files).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn fail_on(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}

/// The text with comments and the insides of literals blanked; line ends stay.
fn code_of(text: &str) -> String {
    let source: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < source.len() {
        let end = skip_blank(&source, at);
        if end > at {
            let kept = |letter: &char| if *letter == '\n' { '\n' } else { ' ' };
            code.extend(source[at..end].iter().map(kept));
            at = end;
        } else {
            code.push(source[at]);
            at += 1;
        }
    }
    code
}

/// Where the comment or literal that begins here ends; the same place when none does.
fn skip_blank(source: &[char], at: usize) -> usize {
    let next = |offset: usize| source.get(at + offset).copied().unwrap_or('\0');
    let before = if at == 0 { ' ' } else { source[at - 1] };
    match (source[at], next(1)) {
        ('/', '/') => position(source, at, |rest| rest[0] == '\n'),
        ('/', '*') => position(source, at + 2, |rest| rest.starts_with(&['*', '/'])) + 2,
        ('"', _) => quoted(source, at),
        ('r', '"' | '#') if !is_word(before) || before == 'b' => raw(source, at),
        ('\'', '\\') => position(source, at + 3, |rest| rest[0] == '\'') + 1,
        ('\'', _) if next(2) == '\'' => at + 3,
        _ => at,
    }
    .min(source.len())
}

fn position(source: &[char], from: usize, is_end: impl Fn(&[char]) -> bool) -> usize {
    (from..source.len()).find(|at| is_end(&source[*at..])).unwrap_or(source.len())
}

fn quoted(source: &[char], at: usize) -> usize {
    let mut place = at + 1;
    while place < source.len() && source[place] != '"' {
        place += if source[place] == '\\' { 2 } else { 1 };
    }
    place + 1
}

fn raw(source: &[char], at: usize) -> usize {
    let hashes = source[at + 1..].iter().take_while(|letter| **letter == '#').count();
    if source.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    position(source, at + 2 + hashes, |rest| rest.starts_with(&end)) + 1 + hashes
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Names that follow `crate::` in this code, with their line, groups in braces included.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(is_word) {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + "crate::".len()..];
        match rest.trim_start().strip_prefix('{') {
            Some(group) => {
                found.extend(names_of_group(group).into_iter().map(|name| (line, name)));
            }
            None => {
                found.push((line, rest.chars().take_while(|letter| is_word(*letter)).collect()))
            }
        }
    }
    found
}

/// `a::{b, c}, d}` → `a`, `d`.
fn names_of_group(group: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut depth = 0;
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            _ if depth == 0 => names.last_mut().unwrap().push(letter),
            _ => {}
        }
    }
    let first = |name: &String| name.trim().split("::").next().unwrap_or_default().to_owned();
    names.iter().map(first).filter(|name| !name.is_empty()).collect()
}

/// The room that a file of `src/` belongs to; `None` for the files outside all rooms.
fn room_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root().join("src")).ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main", "app"].contains(&name)).then(|| name.to_owned())
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

#[test]
fn rooms_import_only_rooms_above_them() {
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let Some(room) = room_of(&path) else { continue };
        let Some(own) = rank(&room) else {
            wrong.push(format!("{}: {room} is no room of the house", shown(&path)));
            continue;
        };
        let code = code_of(&std::fs::read_to_string(&path).unwrap());
        for (line, name) in crate_paths(&code) {
            if rank(&name).is_some_and(|other| other > own) {
                wrong.push(format!("{}:{line}: {room} imports {name}", shown(&path)));
            }
        }
    }
    fail_on("an upper room imports a lower one", &wrong);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for path in all_rust_files() {
        if !std::fs::read_to_string(&path).unwrap().starts_with("//! ") {
            let tests_beside = path.file_stem().is_some_and(|stem| stem == "tests");
            if !tests_beside {
                wrong.push(shown(&path));
            }
        }
    }
    fail_on("no //! at the head", &wrong);
}

#[test]
fn files_and_functions_stay_small() {
    let mut wrong = Vec::new();
    let mut long = Vec::new();
    for path in all_rust_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if lines > FILE_LINES {
            wrong.push(format!("{}: {lines} lines", shown(&path)));
        }
        let at_most = if is_test(&path) { TEST_LINES_AT_MOST } else { FUNCTION_LINES_AT_MOST };
        for (line, name, count) in functions(&code_of(&text)) {
            let place = format!("{}:{line}: {name} has {count} lines", shown(&path));
            if count > at_most {
                wrong.push(place);
            } else if count > FUNCTION_LINES {
                long.push(place);
            }
        }
    }
    println!("functions of more than {FUNCTION_LINES} lines: {}", long.len());
    long.iter().for_each(|place| println!("  {place}"));
    fail_on("too long", &wrong);
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

/// Line, name and number of lines of each function with a body.
fn functions(code: &str) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(is_word) {
            continue;
        }
        let rest = &code[at + 3..];
        let name: String = rest.chars().take_while(|letter| is_word(*letter)).collect();
        let Some(open) = body_start(rest).filter(|_| !name.is_empty()) else { continue };
        let line = code[..at].matches('\n').count() + 1;
        found.push((line, name, rest[..open + body_length(&rest[open..])].lines().count()));
    }
    found
}

/// Where the body of a function begins; `None` for a declaration without one.
fn body_start(rest: &str) -> Option<usize> {
    let mut depth = 0i32;
    for (at, letter) in rest.char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' | '}' if depth == 0 => return None,
            ',' | '=' if depth < 0 => return None,
            _ => {}
        }
    }
    None
}

fn body_length(body: &str) -> usize {
    let mut depth = 0usize;
    for (at, letter) in body.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    body.len()
}

#[test]
fn names_say_what_things_are() {
    let mut wrong = Vec::new();
    for path in all_rust_files() {
        let inside = path.strip_prefix(root()).unwrap().with_extension("");
        let parts = inside.components().filter_map(|part| part.as_os_str().to_str());
        for part in parts.filter(|part| EMPTY_NAMES.contains(part)) {
            wrong.push(format!("{}: {part} says nothing", shown(&path)));
        }
        let code = code_of(&std::fs::read_to_string(&path).unwrap());
        for (number, line) in code.lines().enumerate() {
            let lower = line.to_lowercase();
            let banned = ["fn get_", "blacklist", "whitelist"];
            for name in banned.into_iter().filter(|name| lower.contains(name)) {
                wrong.push(format!("{}:{}: {name}", shown(&path), number + 1));
            }
            let module = line.trim().trim_start_matches("pub ").strip_prefix("mod ");
            let module = module.map(|name| name.trim_end_matches([' ', '{', ';']));
            if module.is_some_and(|name| EMPTY_NAMES.contains(&name)) {
                wrong.push(format!("{}:{}: {line}", shown(&path), number + 1));
            }
        }
    }
    fail_on("names", &wrong);
}

#[test]
fn the_top_level_holds_what_it_may() {
    let listed = Command::new("git").arg("-C").arg(root()).args(["ls-files", "-z"]).output();
    let names: Vec<String> = match listed {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split('\0')
            .filter_map(|path| path.split('/').next().map(str::to_owned))
            .collect(),
        _ => {
            println!("skipped: without git the folder is looked at, built things left out");
            let entries = std::fs::read_dir(root()).unwrap().flatten();
            let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            entries.map(name).filter(|name| !["target", "var"].contains(&name.as_str())).collect()
        }
    };
    let mut wrong: Vec<String> = names
        .into_iter()
        .filter(|name| !name.is_empty() && !name.starts_with('.'))
        .filter(|name| !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    wrong.dedup();
    fail_on("not at the top level", &wrong);
}

#[test]
fn no_path_of_a_certain_machine_is_in_the_project() {
    let listed = Command::new("git").arg("-C").arg(root()).args(["ls-files", "-z"]).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        println!("skipped: git does not list the files");
        return;
    };
    // Put together so that this file does not hold them itself.
    let banned = ["work", "root", "home", "farm"].map(|name| format!("/{name}/"));
    let mut wrong = Vec::new();
    for name in String::from_utf8_lossy(&listed.stdout).split('\0') {
        if name.is_empty() || name == "Cargo.lock" {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(root().join(name)) else { continue };
        for (number, line) in text.lines().enumerate() {
            let is_path = |banned: &&String| {
                line.match_indices(banned.as_str())
                    .any(|(at, _)| !line[..at].ends_with(|letter| is_word(letter) || letter == '.'))
            };
            if banned.iter().any(|path| is_path(&path)) {
                wrong.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    fail_on("paths of one machine", &wrong);
}

/// Names of the dependencies in a manifest, as code writes them.
fn dependencies(manifest: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(manifest).unwrap();
    let parsed: toml::Table = text.parse().unwrap();
    let named = parsed["dependencies"].as_table().unwrap();
    named.keys().map(|name| name.replace('-', "_")).collect()
}

#[test]
fn the_fuzzer_has_all_crates_that_its_rooms_use() {
    let own = dependencies(&root().join("tests/fuzz/Cargo.toml"));
    let mut missing = Vec::new();
    for path in ["src/mail", "src/message"].into_iter().flat_map(rust_files) {
        if is_test(&path) {
            continue;
        }
        let code = code_of(&std::fs::read_to_string(&path).unwrap());
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        for name in dependencies(&root().join("Cargo.toml")) {
            let uses = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                before.is_none_or(|letter| !is_word(letter) && letter != ':')
            });
            if uses && !own.contains(&name) {
                missing.push(format!("{} uses {name}", shown(&path)));
            }
        }
    }
    fail_on("tests/fuzz/Cargo.toml lacks crates, and the fuzzer does not build", &missing);
}

#[test]
fn the_scanner_sees_what_it_should() {
    let code = code_of(
        "// crate::cli\nuse crate::{mail::{a, b}, config};\nlet x = \"crate::cli\"; \
         let c = '\"'; let y = r#\"crate::cli\"#; /* crate::cli */ crate::spool::f(); 'a: loop {}",
    );
    let names: Vec<String> = crate_paths(&code).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["mail", "config", "spool"]);
    let code = "fn a(x: [u8; 3]) {\n  b\n}\ntrait T { fn c(&self); }\nfn d() -> u8\n{ 1 }\n";
    let found = functions(code);
    assert_eq!(found, [(1, "a".to_owned(), 3), (5, "d".to_owned(), 2)]);
}
