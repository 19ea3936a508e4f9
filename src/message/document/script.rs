//! Scripts: what they fetch, run and hide, by the words that they need for it.
//!
//! In: octets of a script of any language. Out: its source as text, files written in it, and
//! remarks. Nothing is run or interpreted: what a script does only after it has been untangled
//! shows as tangle ([`SCRIPT_OBFUSCATED`](look)). Scripts of Microsoft's encoder are not
//! decoded, and remarked as such.

use bytes::Bytes;

use super::payload;
use super::source::{any, count, has, read, times};
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::transfer;

/// Takes a script apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let source = read(octets, opening);
    let found = payload::find(&source, opening)?;
    if found.dangerous + found.archives > 0 {
        opening.remark("SCRIPT_PAYLOAD", "");
    }
    look(&source, opening)
}

const FETCHES: [&str; 26] = [
    "xmlhttp",
    "winhttp",
    "downloadfile",
    "downloadstring",
    "downloaddata",
    "invoke-webrequest",
    "invoke-restmethod",
    "iwr ",
    "irm ",
    "curl ",
    "curl.exe",
    "wget ",
    "bitsadmin",
    "start-bitstransfer",
    "-urlcache",
    "net.webclient",
    "urldownloadtofile",
    "httpclient",
    "system.net.http",
    "urllib",
    "requests.get",
    "http.get(",
    "https.get(",
    "lwp::simple",
    "file_get_contents('http",
    "openread(",
];
const RUNS: [&str; 39] = [
    "wscript.shell",
    "shell.application",
    "shellexecute",
    "start-process",
    "invoke-expression",
    "iex(",
    "iex ",
    "|iex",
    "| iex",
    "&iex",
    "cmd /c",
    "cmd.exe",
    "cmd /k",
    "powershell",
    "pwsh",
    "mshta",
    "rundll32",
    "regsvr32",
    "certutil",
    "wmic ",
    "win32_process",
    "schtasks",
    "process.start",
    "[diagnostics.process]",
    "createprocess",
    "msiexec",
    "cscript",
    "wscript.exe",
    "reflection.assembly",
    "subprocess.",
    "os.system(",
    "os.popen(",
    "child_process",
    "shell_exec(",
    "passthru(",
    "proc_open(",
    "installutil",
    "msbuild",
    "do shell script",
];
const HIDES: [&str; 24] = [
    "-windowstyle hidden",
    "-w hidden",
    "-win hidden",
    "-windowstyle 1",
    "-w 1",
    "-executionpolicy bypass",
    "-ep bypass",
    "-exec bypass",
    "-ex bypass",
    "-encodedcommand",
    "-enc ",
    "-ec ",
    "-e jab",
    "-nop ",
    "-noprofile",
    "amsiutils",
    "amsiinitfailed",
    "amsiscanbuffer",
    "set-mppreference",
    "add-mppreference",
    "virtualalloc",
    "createthread",
    "vssadmin delete",
    "disableantispyware",
];

/// Remarks about a source.
pub(super) fn look(source: &str, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    if source.contains("#@~^") {
        opening.remark("SCRIPT_ENCODED", "");
        opening.close(Closed::Unsupported);
    }
    opening.pay_time()?;
    let plain = untangled(source);
    let lower = plain.to_lowercase();
    remark_words(&lower, opening);
    if is_tangled(source) {
        opening.remark("SCRIPT_OBFUSCATED", "");
    }
    opening.pay_time()?;
    read_encoded_command(&plain, opening);
    Ok(())
}

fn remark_words(lower: &str, opening: &mut Opening<'_, '_>) {
    let first = |words: &[&'static str]| words.iter().find(|word| has(lower, word)).copied();
    let fetches = first(&FETCHES);
    let writes = any(
        lower,
        &[
            "adodb.stream",
            "savetofile",
            "scripting.filesystemobject",
            "writeallbytes",
            "-outfile",
            "-o ",
        ],
    );
    let starts = any(lower, &[".run ", ".run(", ".exec(", "shell("])
        && any(lower, &["createobject", "activexobject", "wscript", "getobject("]);
    let runs = first(&RUNS).or_else(|| starts.then_some("run"));
    match (fetches, runs) {
        (Some(fetches), Some(runs)) => {
            opening.remark("SCRIPT_DOWNLOAD_RUN", format!("{fetches} {runs}"))
        }
        (Some(fetches), None) if writes => opening.remark("SCRIPT_DOWNLOAD_RUN", fetches),
        (Some(fetches), None) => opening.remark("SCRIPT_DOWNLOAD", fetches),
        (None, Some(runs)) => opening.remark("SCRIPT_RUN", runs),
        (None, None) => {}
    }
    if let Some(hides) = first(&HIDES) {
        opening.remark("SCRIPT_HIDDEN_COMMAND", hides);
    }
}

/// The source without the signs that its interpreter reads over: `^` of batch files, back
/// ticks of PowerShell, and joints between pieces of one string.
fn untangled(source: &str) -> String {
    let mut plain = String::with_capacity(source.len());
    let mut letters = source.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '^' | '`' => {}
            '"' | '\'' => {
                // `"ab" + "cd"`, `"ab" & "cd"`
                let mut ahead = letters.clone();
                let mut joint = None;
                for next in ahead.by_ref().take(24) {
                    match next {
                        ' ' | '\t' | '\r' | '\n' => {}
                        '+' | '&' if joint.is_none() => joint = Some(next),
                        '"' | '\'' if joint.is_some() => {
                            joint = Some('"');
                            break;
                        }
                        _ => {
                            joint = None;
                            break;
                        }
                    }
                }
                match joint {
                    Some('"') => letters = ahead,
                    _ => plain.push(letter),
                }
            }
            letter => plain.push(letter),
        }
    }
    plain
}

/// Shares of signs that people do not write.
fn is_tangled(source: &str) -> bool {
    let lower = source.to_lowercase();
    let codes = times(&lower, "chr(")
        + times(&lower, "fromcharcode")
        + times(&lower, "[char]")
        + times(&lower, "chrw(");
    let escapes = times(source, "\\x") + times(source, "\\u00") + times(source, "%u");
    let joints = times(source, "\"+\"")
        + times(source, "'+'")
        + times(source, "\" & \"")
        + times(source, "\"&\"");
    let carets = times(source, "^");
    let ticks = times(source, "`");
    let slices = times(source, ":~");
    let numbered = times(source, "_0x");
    let per_kilo = source.len() / 1_024 + 1;
    let signs = [
        (codes >= 20 && codes / per_kilo >= 4),
        (escapes >= 60 && escapes / per_kilo >= 20),
        (joints >= 25 && joints / per_kilo >= 8),
        (carets >= 20 && carets / per_kilo >= 12),
        (ticks >= 20 && ticks / per_kilo >= 12),
        (slices >= 20 && slices / per_kilo >= 8),
        (numbered >= 40),
        any(
            &lower,
            &[
                "strreverse(",
                "-join[regex]::matches",
                "[array]::reverse",
                "eval(function(p,a,c,k,e",
            ],
        ),
        (any(&lower, &["execute(", "executeglobal", "eval("])
            && count(
                &lower,
                &["replace(", "split(", "mid(", "xor", "asc(", "charcodeat", "substr"],
            ) >= 2
            && source.lines().any(|line| line.len() > 1_500)),
    ];
    signs.contains(&true)
}

/// The argument of PowerShell's `-EncodedCommand`, by any of its short names: base64 of UTF-16.
pub(super) fn read_encoded_command(source: &str, opening: &mut Opening<'_, '_>) {
    let mut words = source.split_whitespace().take(200_000).peekable();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix(['-', '/', '–']) else { continue };
        let option = option.to_lowercase();
        if option.is_empty() || !("encodedcommand".starts_with(&option) || option == "ec") {
            continue;
        }
        let Some(argument) = words.peek() else { break };
        let argument = argument.trim_matches(['"', '\'', ';', ')']);
        if argument.len() < 16 {
            continue;
        }
        let (octets, _) = transfer::decode_base64(argument.as_bytes());
        let text = super::source::decode(&octets);
        if text.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').count() * 10
            < text.chars().count() * 7
        {
            continue;
        }
        opening.remark("SCRIPT_HIDDEN_COMMAND", "encoded");
        opening.text(&text);
        remark_words(&untangled(&text).to_lowercase(), opening);
    }
}

/// A command of a shortcut or a setting, which is a script of one line.
pub(super) fn look_at_command(command: &str, opening: &mut Opening<'_, '_>) {
    let plain = untangled(command);
    remark_words(&plain.to_lowercase(), opening);
    read_encoded_command(&plain, opening);
}

/// A script in a PDF: it knows other words.
pub(super) fn look_at_pdf(source: &str, opening: &mut Opening<'_, '_>) {
    const REACHES: [&str; 9] = [
        "exportdataobject",
        "app.launchurl",
        "geturl(",
        "submitform",
        "unescape(",
        "util.printf(",
        "collab.",
        "media.newplayer",
        "spell.customdictionaryopen",
    ];
    let lower = source.to_lowercase();
    if let Some(word) = REACHES.iter().find(|word| has(&lower, word)) {
        opening.remark("PDF_JAVASCRIPT_REACH", *word);
    }
    if is_tangled(source)
        || count(&lower, &["eval(", "unescape(", "fromcharcode", "%u9090", "replace("]) >= 2
    {
        opening.remark("SCRIPT_OBFUSCATED", "");
    }
}
