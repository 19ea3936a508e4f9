//! What a module does, by its words and by the strings that it puts together.
//!
//! In: a module's name and source. Out: [`Signs`]. Words count where they stand as code or in
//! strings, never in comments; a word that only stands in a string that is put together when
//! the macro runs is hidden, and that is a sign too.

use super::code::{self, Code};
use super::signs::{Sign, Signs};

/// Procedures that Office calls by itself.
#[rustfmt::skip]
const AUTO: [&str; 44] = [
    // Word
    "autoexec", "autoopen", "autonew", "autoclose", "autoexit", "document_open", "documentopen",
    "document_new", "document_close", "documentbeforeclose", "documentchange",
    "document_beforeclose", "document_contentcontrolonenter", "newdocument",
    // Excel
    "auto_open", "auto_close", "auto_activate", "auto_deactivate", "workbook_open",
    "workbook_activate", "workbook_beforeclose", "workbook_beforesave", "workbook_close",
    "workbook_deactivate", "workbook_newsheet", "workbook_sheetactivate",
    "workbook_sheetcalculate", "worksheet_activate", "worksheet_calculate",
    "worksheet_selectionchange", "workbook_addininstall", "workbook_windowactivate",
    // PowerPoint, Publisher, Project, Visio, Access, Outlook
    "onslideshowpagechange", "onslideshowterminate", "auto_ope", "auto_showslides",
    "document_documentopened", "app_presentationopen", "project_open", "application_startup",
    "application_newmail", "application_itemsend", "form_load", "userform_initialize",
];

/// Ends of the names of procedures that ActiveX objects in a document call by themselves.
const AUTO_ENDS: [&str; 24] = [
    "_painted",
    "_painting",
    "_gotfocus",
    "_lostfocus",
    "_mousehover",
    "_mousemove",
    "_mouseenter",
    "_mouseleave",
    "_layout",
    "_resize",
    "_beforenavigate2",
    "_beforescriptexecute",
    "_documentcomplete",
    "_downloadbegin",
    "_downloadcomplete",
    "_filedownload",
    "_navigatecomplete2",
    "_navigateerror",
    "_progresschange",
    "_propertychange",
    "_statustextchange",
    "_titlechange",
    "_onconnecting",
    "_ondisconnected",
];

/// What loads something from elsewhere, as a part of a word or string.
#[rustfmt::skip]
const DOWNLOAD: [&str; 27] = [
    "urldownloadtofile", "urldownloadtocachefile", "msxml2.xmlhttp", "msxml2.serverxmlhttp",
    "microsoft.xmlhttp", "winhttp.winhttprequest", "winhttprequest", "serverxmlhttp", "xmlhttp60",
    "internetopenurl", "internetopena", "internetreadfile", "httpopenrequest", "httpsendrequest",
    "winhttpopen", "urlopenblockingstream", "urlopenstream", "net.webclient", "downloadfile",
    "downloadstring", "downloaddata", "invoke-webrequest", "start-bitstransfer", "bitsadmin",
    "certutil -url", "certutil.exe -url", "net.http.httpclient",
];

/// What starts programs or code, as a part of a word or string.
#[rustfmt::skip]
const RUNS: [&str; 46] = [
    "wscript.shell", "shell.application", "shellexecute", "createprocess", "winexec",
    "win32_process", "winmgmts:", "powershell", "pwsh", "cmd.exe", "cmd /c", "cmd /k", "cmd.exe /c",
    "%comspec%", "rundll32", "regsvr32", "mshta", "wscript.exe", "cscript", "schtasks",
    "schedule.service", "createthread", "virtualalloc", "rtlmovememory", "writeprocessmemory",
    "callwindowproc", "createtimerqueuetimer", "enumsystemlanguagegroups", "enumdateformats",
    "ntallocatevirtualmemory", "queueuserapc", "mmc20.application", "shellbrowserwindow",
    "9ba05972-f6a8-11cf-a442-00a0c90a8f39", "c08afd90-f2a1-11d1-8455-00a0c91f3880",
    "72c24dd5-d70a-438b-8a42-98424b88afb8", "scriptcontrol", "wbemscripting.swbemlocator",
    "installutil", "msbuild", "forfiles", "pcalua", "wmic ", "msiexec", "verclsid", "script:http",
];

/// Words of code, whole, that start programs or code.
const RUNS_WORDS: [&str; 10] = [
    "shell",
    ".shellexecute",
    "executeexcel4macro",
    ".executeexcel4macro",
    "ddeexecute",
    "ddeinitiate",
    "macscript",
    "applescripttask",
    "popen",
    "execshell",
];

/// What writes files or the registry, as a part of a word or string.
const WRITES: [&str; 12] = [
    "adodb.stream",
    "savetofile",
    "createtextfile",
    "filecopy",
    "copyfile",
    "movefile",
    "regwrite",
    "createfolder",
    "writetext",
    "writeprivateprofilestring",
    "regsetvalue",
    "deletefile",
];

/// Objects that honest macros make.
const HONEST_OBJECTS: [&str; 22] = [
    "scripting.dictionary",
    "scripting.filesystemobject",
    "vbscript.regexp",
    "adodb.connection",
    "adodb.recordset",
    "adodb.command",
    "adox.catalog",
    "adodb.stream",
    "dao.dbengine",
    "excel.application",
    "word.application",
    "outlook.application",
    "powerpoint.application",
    "access.application",
    "msproject.application",
    "visio.application",
    "system.collections.arraylist",
    "system.collections.sortedlist",
    "msxml2.domdocument",
    "sapgui",
    "forms.",
    "htmlfile",
];

/// Reads a module and notes its signs.
pub(in crate::message::document) fn look(module: &str, source: &str, signs: &mut Signs) {
    let code = code::read(source);
    note_auto(module, &code, signs);
    for word in &code.words {
        note_listed(module, word, signs);
        if RUNS_WORDS.contains(&word.as_str()) {
            signs.note(Sign::Runs, module, word);
        }
    }
    if let Some(at) = code.words.iter().position(|word| word == "open") {
        let line = code.words.get(at..(at + 8).min(code.words.len())).unwrap_or_default();
        let is_write = |word: &String| matches!(word.as_str(), "output" | "binary" | "append");
        if line.iter().any(is_write) && line.iter().any(|word| word == "for") {
            signs.note(Sign::Writes, module, "Open … For");
        }
    }
    let written: Vec<String> = code.written.iter().map(|text| text.to_lowercase()).collect();
    for text in &written {
        note_listed(module, text, signs);
    }
    note_objects(module, &code, signs);
    note_built(module, &code, &written, signs);
    note_disguise(module, &code, signs);
}

/// Reads strings of which it is not known where they stand: those of a compiled macro.
pub(super) fn look_at_strings(module: &str, strings: &[String], signs: &mut Signs) {
    for text in strings {
        let text = text.to_lowercase();
        if AUTO.contains(&text.as_str()) {
            signs.note(Sign::Auto, module, &text);
        }
        note_listed(module, &text, signs);
    }
}

/// What a text of another language of macros says, by the same lists.
pub(in crate::message::document) fn note_listed(module: &str, text: &str, signs: &mut Signs) {
    let lists: [(Sign, &[&str]); 3] =
        [(Sign::Download, &DOWNLOAD), (Sign::Runs, &RUNS), (Sign::Writes, &WRITES)];
    for (sign, list) in lists {
        if let Some(found) = list.iter().find(|known| text.contains(*known)) {
            signs.note(sign, module, found);
        }
    }
}

fn note_auto(module: &str, code: &Code, signs: &mut Signs) {
    for procedure in &code.procedures {
        let ends = || AUTO_ENDS.iter().any(|end| procedure.ends_with(end));
        if AUTO.contains(&procedure.as_str()) || ends() {
            signs.note(Sign::Auto, module, procedure);
        }
    }
}

fn note_objects(module: &str, code: &Code, signs: &mut Signs) {
    for object in &code.objects {
        match object {
            Some(object) => {
                let object = object.to_lowercase();
                let is_honest = HONEST_OBJECTS.iter().any(|honest| object.starts_with(honest));
                if !is_honest && (object.contains("script:") || object.contains("new:")) {
                    signs.note(Sign::Runs, module, &object);
                }
            }
            None => signs.note(Sign::Obfuscated, module, "CreateObject of a hidden name"),
        }
    }
}

/// Words that are not written, but come about when the macro runs.
fn note_built(module: &str, code: &Code, written: &[String], signs: &mut Signs) {
    let known = || DOWNLOAD.iter().chain(&RUNS).chain(&WRITES);
    for built in &code.built {
        let built = built.to_lowercase();
        note_listed(module, &built, signs);
        let is_hidden = |word: &&&str| {
            built.contains(**word)
                && !written.iter().any(|text| text.contains(**word))
                && !word.contains(' ')
        };
        if let Some(word) = known().find(is_hidden) {
            signs.note(Sign::Obfuscated, module, &format!("hidden word {word}"));
        }
    }
    for text in code.written.iter().chain(&code.built) {
        for decoded in decoded(text) {
            let decoded = decoded.to_lowercase();
            if known().any(|word| decoded.contains(word)) || decoded.contains("http://") {
                signs.note(Sign::Obfuscated, module, "encoded string");
                note_listed(module, &decoded, signs);
            }
        }
    }
}

/// What a string says when it is hex or base64, as text or as UTF-16.
fn decoded(text: &str) -> Vec<String> {
    use base64::Engine;
    let text = text.trim();
    if text.len() < 8 || text.len() > 64 << 10 {
        return Vec::new();
    }
    let mut found = Vec::new();
    if text.len().is_multiple_of(2) && text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        let pairs = text.as_bytes().chunks_exact(2);
        let octets = pairs.filter_map(|pair| {
            std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        found.push(octets.collect::<Vec<u8>>());
    }
    let is_base64 =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=');
    if text.bytes().all(is_base64) {
        let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
        found.extend(engine.decode(text.trim_end_matches('=')).ok());
    }
    found
        .iter()
        .map(|octets| octets.iter().filter(|octet| **octet != 0).copied().collect::<Vec<u8>>())
        .filter_map(|octets| String::from_utf8(octets).ok())
        .collect()
}

/// Calls of Chr in honest macros: line ends and quotation marks.
const HONEST_CHARACTER_CALLS: usize = 24;
/// A string without spaces that is longer is data.
const LONG_STRING_OCTETS: usize = 200;

fn note_disguise(module: &str, code: &Code, signs: &mut Signs) {
    let has = |word: &str| code.words.iter().any(|own| own == word);
    if code.character_calls > HONEST_CHARACTER_CALLS {
        let what = format!("{} calls of Chr", code.character_calls);
        signs.note(Sign::Obfuscated, module, &what);
    }
    if has("strreverse") {
        signs.note(Sign::Obfuscated, module, "StrReverse");
    }
    let makes_letters = ["chr", "chrw", "chrb", "asc", "ascw", "strconv"].into_iter().any(has);
    if has("xor") && makes_letters {
        signs.note(Sign::Obfuscated, module, "Xor of characters");
    }
    if has("callbyname") {
        signs.note(Sign::Obfuscated, module, "CallByName");
    }
    let is_data = |text: &&String| {
        let mixed = text.bytes().any(|octet| octet.is_ascii_digit());
        text.len() >= LONG_STRING_OCTETS
            && mixed
            && text.bytes().all(|octet| octet.is_ascii_graphic())
            && !text.contains("://")
            && !text.contains('\\')
    };
    let long = code.written.iter().chain(&code.built).filter(is_data).count();
    if long > 0 {
        signs.note(Sign::Obfuscated, module, "long encoded string");
    }
    if let Some(name) = random_names(code) {
        signs.note(Sign::Obfuscated, module, &format!("names like {name}"));
    }
}

/// Names of eight letters and more without sense: one, if most long names are such.
fn random_names(code: &Code) -> Option<&str> {
    let mut names: Vec<&str> = code
        .words
        .iter()
        .filter(|word| word.len() >= 8 && !word.starts_with('.') && !word.contains('_'))
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names.dedup();
    let random: Vec<&str> = names.iter().copied().filter(|name| is_random(name)).collect();
    (random.len() >= 6 && random.len() * 5 >= names.len() * 2).then(|| random.first().copied())?
}

/// Six consonants in a row, or letters and digits in turns: nobody speaks so.
fn is_random(name: &str) -> bool {
    let is_vowel = |octet: u8| b"aeiouy".contains(&octet);
    let (mut run, mut longest, mut turns) = (0, 0, 0);
    let mut before = 0u8;
    for octet in name.bytes() {
        let is_consonant = octet.is_ascii_lowercase() && !is_vowel(octet);
        run = if is_consonant { run + 1 } else { 0 };
        longest = longest.max(run);
        turns += usize::from(before.is_ascii_digit() && octet.is_ascii_lowercase());
        before = octet;
    }
    longest >= 6 || turns >= 3
}
