//! Fields, links and addresses in documents: what in them loads or runs something.
//!
//! In: the code of a field (`DDEAUTO c:\\windows\\…`), the target of a link, a formula. Out:
//! remarks. All office formats have these in one form or another, so the judgement stands here.

use crate::message::contents::Opening;

/// What a document loads when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// A template: its macros run.
    Template,
    /// An object, a frame or a sub-document.
    Object,
    /// A picture, sound or film: tells its host that the mail was read.
    Picture,
    /// Only when the reader clicks.
    Link,
}

/// Schemes that start programs of the system.
const RISKY_SCHEMES: [&str; 10] = [
    "ms-msdt:",
    "search-ms:",
    "search:",
    "ms-search:",
    "ms-officecmd:",
    "script:",
    "javascript:",
    "vbscript:",
    "ms-appinstaller:",
    "shell:",
];

/// The name of a remark and its detail.
pub(super) type Judgement = (&'static str, String);

/// Remarks what was judged.
pub(super) fn tell(judgements: impl IntoIterator<Item = Judgement>, opening: &mut Opening<'_, '_>) {
    for (remark, detail) in judgements {
        opening.remark(remark, detail);
    }
}

/// Judges the target of something that lies outside of the document.
pub(super) fn judge_target(load: Load, target: &str) -> Option<Judgement> {
    let target = target.trim();
    let lower = target.to_lowercase();
    if RISKY_SCHEMES.iter().any(|scheme| lower.starts_with(scheme)) {
        return Some(("LINK_RISKY_SCHEME", target.to_owned()));
    }
    let is_mhtml = lower.starts_with("mhtml:");
    if !is_remote(&lower) && !is_mhtml {
        return None;
    }
    let remark = match load {
        Load::Template => "TEMPLATE_EXTERNAL",
        Load::Object => "OBJECT_EXTERNAL",
        _ if is_mhtml => "OBJECT_EXTERNAL",
        Load::Picture => "PICTURE_EXTERNAL",
        Load::Link => return None,
    };
    Some((remark, target.to_owned()))
}

/// Whether a target lies on another host: a web address or the path of a share.
pub(super) fn is_remote(lower: &str) -> bool {
    let web = ["http:", "https:", "ftp:", "ftps:", "webdav:"];
    if web.iter().any(|scheme| lower.starts_with(scheme)) || lower.starts_with("\\\\") {
        return true;
    }
    let Some(path) = lower.strip_prefix("file:") else { return lower.starts_with("//") };
    let path = path.replace('\\', "/");
    let share = path.trim_start_matches('/');
    let slashes = path.len() - share.len();
    // file:///C:/… and the like are files of the machine that opens it.
    let is_drive = share.as_bytes().get(1) == Some(&b':');
    !is_drive && (slashes == 2 || slashes >= 4)
}

/// Judges the code of a field of a text document (its text between the marks of a field).
pub(super) fn judge_field(code: &str) -> Vec<Judgement> {
    let code: String = code.chars().filter(|letter| !letter.is_control()).take(2_048).collect();
    let code = code.trim_start();
    let end = code.find(char::is_whitespace).unwrap_or(code.len());
    let (word, rest) = code.split_at(end);
    let kind = word.trim_start_matches('\\').to_uppercase();
    let rest = rest.trim();
    let targets = |load| {
        arguments(rest).iter().filter_map(|target| judge_target(load, target)).collect::<Vec<_>>()
    };
    match kind.as_str() {
        "DDE" | "DDEAUTO" => vec![("DDE_FIELD", format!("{kind} {rest}"))],
        "INCLUDETEXT" | "IMPORT" | "LINK" | "INCLUDE" | "RD" => targets(Load::Object),
        "INCLUDEPICTURE" => targets(Load::Picture),
        "HYPERLINK" => targets(Load::Link),
        "MACROBUTTON" => vec![("FIELD_RUNS_MACRO", rest.to_owned())],
        // `QUOTE 68 68 69` builds text from numbers: only ever seen to hide DDE.
        "QUOTE" => {
            let letters = rest.split_whitespace().filter_map(|word| word.parse::<u8>().ok());
            let text: String = letters.map(char::from).collect();
            let hides = text.to_uppercase().contains("DDE") || text.len() >= 8;
            if hides { vec![("DDE_FIELD", format!("QUOTE {text}"))] } else { Vec::new() }
        }
        _ => Vec::new(),
    }
}

/// The arguments of a field; `\\` in them stands for one backslash.
fn arguments(rest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_quotes = false;
    let mut argument = String::new();
    for letter in rest.chars() {
        match letter {
            '"' | '“' | '”' => in_quotes = !in_quotes,
            letter if letter.is_whitespace() && !in_quotes => {
                found.push(std::mem::take(&mut argument));
            }
            letter => argument.push(letter),
        }
    }
    found.push(argument);
    found.retain(|argument| !argument.is_empty() && found_is_target(argument));
    found.iter().map(|argument| argument.replace("\\\\", "\\")).map(as_share).collect()
}

fn found_is_target(argument: &str) -> bool {
    // Switches are a backslash and one letter.
    !(argument.starts_with('\\') && argument.chars().count() <= 3)
}

/// A share's two leading backslashes are four in a field; one level was taken off above.
fn as_share(argument: String) -> String {
    match argument.strip_prefix('\\') {
        Some(rest) if !rest.starts_with('\\') && rest.contains('\\') => format!("\\{argument}"),
        _ => argument,
    }
}

/// Programs that answer to DDE from a sheet, by which commands run.
const DDE_PROGRAMS: [&str; 9] = [
    "cmd",
    "msexcel",
    "powershell",
    "mshta",
    "rundll32",
    "regsvr32",
    "wscript",
    "cscript",
    "certutil",
];

/// Judges a formula of a sheet: `=cmd|'/c calc'!A0` and what loads from elsewhere.
pub(super) fn judge_formula(formula: &str) -> Vec<Judgement> {
    let lower = formula.to_lowercase();
    let mut judgements = Vec::new();
    let calls_program = lower.match_indices('|').take(16).any(|(at, _)| {
        let before = lower.get(..at).unwrap_or_default().trim_end_matches(['\'', '"', ' ']);
        let start = before.rfind(|letter: char| !letter.is_alphanumeric() && letter != '.');
        let word = before
            .get(
                start.map_or(0, |start| {
                    start
                        + before
                            .get(start..)
                            .and_then(|it| it.chars().next())
                            .map_or(1, char::len_utf8)
                })..,
            )
            .unwrap_or_default();
        let word = word.trim_end_matches(".exe");
        let behind = lower.get(at + 1..).unwrap_or_default().trim_start();
        let has_item = behind.starts_with('\'') && behind.contains("'!");
        DDE_PROGRAMS.contains(&word) && behind.contains('!') || (!word.is_empty() && has_item)
    });
    let detail = || formula.trim().to_owned();
    if calls_program {
        judgements.push(("DDE_FIELD", detail()));
    }
    if lower.contains("webservice(") {
        judgements.push(("FORMULA_LOADS", detail()));
    }
    judgements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_fields_and_formulas_are_judged() {
        let target = |load, target| judge_target(load, target).into_iter().collect::<Vec<_>>();
        let (field, formula) = (judge_field, judge_formula);
        let table = [
            (target(Load::Template, "http://a.test/t.dotm"), "TEMPLATE_EXTERNAL"),
            (target(Load::Template, r"\\a.test\share\t.dotm"), "TEMPLATE_EXTERNAL"),
            (target(Load::Template, "file://a.test/share/t.dotm"), "TEMPLATE_EXTERNAL"),
            (target(Load::Template, "file:///\\\\a.test\\t.dotm"), "TEMPLATE_EXTERNAL"),
            (target(Load::Template, "file:///C:\\Users\\ann\\t.dotm"), ""),
            (target(Load::Template, "C:\\t.dotm"), ""),
            (target(Load::Object, "mhtml:http://a.test/x!x-usc:http://a.test"), "OBJECT_EXTERNAL"),
            (target(Load::Link, "mhtml:http://a.test/x"), "OBJECT_EXTERNAL"),
            (target(Load::Link, "ms-msdt:/id PCWDiagnostic"), "LINK_RISKY_SCHEME"),
            (target(Load::Link, "SEARCH-MS:query=x"), "LINK_RISKY_SCHEME"),
            (target(Load::Link, "https://a.test/"), ""),
            (target(Load::Picture, "https://a.test/p.png"), "PICTURE_EXTERNAL"),
            (field(r#"DDEAUTO c:\\windows\\cmd.exe "/k calc""#), "DDE_FIELD"),
            (field("  dde excel x y"), "DDE_FIELD"),
            (field("QUOTE 68 68 69 65 85 84 79"), "DDE_FIELD"),
            (field("DATE \\@ \"d.M.yyyy\""), ""),
            (field(r#"INCLUDETEXT "http://a.test/x.docx" \* MERGEFORMAT"#), "OBJECT_EXTERNAL"),
            (field(r#"INCLUDETEXT "\\\\a.test\\s\\x.docx""#), "OBJECT_EXTERNAL"),
            (field(r#"INCLUDEPICTURE "http://a.test/x.png" \d"#), "PICTURE_EXTERNAL"),
            (field(r#"HYPERLINK "http://a.test/""#), ""),
            (field("MACROBUTTON AutoOpen click"), "FIELD_RUNS_MACRO"),
            (formula("=cmd|'/c calc.exe'!A0"), "DDE_FIELD"),
            (formula("+1+1=MSEXCEL|'\\..\\..\\cmd.exe /c calc'!''"), "DDE_FIELD"),
            (formula("=SUM(A1:A2)"), ""),
            (formula("a | b"), ""),
            (formula("=WEBSERVICE(\"http://a.test\")"), "FORMULA_LOADS"),
        ];
        for (number, (judgements, expected)) in table.into_iter().enumerate() {
            let remarks: Vec<&str> = judgements.iter().map(|(remark, _)| *remark).collect();
            let expected: Vec<&str> = expected.split_whitespace().collect();
            assert_eq!(remarks, expected, "row {number}");
        }
    }
}
