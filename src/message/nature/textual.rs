//! Natures of text: markup by its root, settings by their sections, scripts by their syntax.
//!
//! In: octets and the extension. Out: every nature that the text shows. Text is what decodes
//! as UTF-8, UTF-16 or UTF-32 or has no control characters; leading white space and byte order
//! marks are no part of it. Looks at a bounded beginning.

use super::Nature;
use crate::message::charset;
use crate::message::fixed::{ascii_octets, find, rest, slice};

/// Octets of text that are looked at, behind leading white space.
const WINDOW_OCTETS: usize = 16 << 10;
/// White space before the beginning that is read over.
const LEADING_OCTETS: usize = 4 << 20;

/// The beginning of a text.
pub(super) struct Window {
    /// As it is written, without leading white space.
    pub(super) plain: String,
    /// The same in small letters.
    lower: String,
    /// The octets that begin its lines.
    firsts: Firsts,
}

/// A set of octets.
struct Firsts([bool; 256]);

impl Firsts {
    fn of(text: &str) -> Self {
        let mut firsts = [false; 256];
        for line in text.lines() {
            // With and without the white space before it.
            for octet in [line.bytes().next(), line.trim_start().bytes().next()] {
                if let Some(first) = octet.and_then(|octet| firsts.get_mut(usize::from(octet))) {
                    *first = true;
                }
            }
        }
        Firsts(firsts)
    }

    /// Whether some line may begin so.
    fn allow(&self, wanted: &str) -> bool {
        let first = wanted.bytes().next().map(usize::from);
        first.is_none_or(|first| self.0.get(first) == Some(&true))
    }
}

/// The text that octets are, or nothing when they are no text.
pub(super) fn window(octets: &[u8]) -> Option<Window> {
    let plain = decode(octets)?;
    let plain = plain.trim_start_matches(|letter: char| {
        letter.is_whitespace() || matches!(letter, '\u{feff}' | '\0')
    });
    let plain = plain.to_owned();
    let lower = lowered(&plain);
    Some(Window { firsts: Firsts::of(&lower), lower, plain })
}

fn decode(octets: &[u8]) -> Option<String> {
    let wide = |label: &str, octets: &[u8]| {
        let text = charset::decode(slice(octets, 0, 2 * WINDOW_OCTETS), Some(label)).text;
        is_plain(&text).then(|| text.into_owned())
    };
    match octets {
        [0xff, 0xfe, 0, 0, text @ ..] => return Some(utf32(text, u32::from_le_bytes)),
        [0, 0, 0xfe, 0xff, text @ ..] => return Some(utf32(text, u32::from_be_bytes)),
        [0xff, 0xfe, text @ ..] => return wide("utf-16le", text),
        [0xfe, 0xff, text @ ..] => return wide("utf-16be", text),
        _ => {}
    }
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let blank = slice(octets, 0, LEADING_OCTETS)
        .iter()
        .take_while(|octet| octet.is_ascii_whitespace() || **octet == 0x0b)
        .count();
    let sample = slice(octets, blank, WINDOW_OCTETS);
    if sample.is_empty() {
        return (blank > 0).then(String::new);
    }
    if let Some(label) = wide_without_mark(slice(sample, 0, 512)) {
        return wide(label, rest(octets, blank - blank % 2));
    }
    let text = match std::str::from_utf8(sample) {
        Ok(text) => text.to_owned(),
        // The window may end within a letter.
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(slice(sample, 0, error.valid_up_to())).into_owned()
        }
        // Octets of every value are letters of some charset, but for NUL.
        Err(_) if sample.contains(&0) => return None,
        Err(_) => charset::guess(sample).into_owned(),
    };
    is_plain(&text).then_some(text)
}

/// UTF-16 of Latin letters has a NUL at every other place.
fn wide_without_mark(sample: &[u8]) -> Option<&'static str> {
    let pairs = sample.len() / 2;
    if pairs < 4 {
        return None;
    }
    let nuls =
        |offset: usize| sample.iter().skip(offset).step_by(2).filter(|octet| **octet == 0).count();
    let (even, odd) = (nuls(0), nuls(1));
    match () {
        () if odd * 10 >= pairs * 7 && even * 10 < pairs => Some("utf-16le"),
        () if even * 10 >= pairs * 7 && odd * 10 < pairs => Some("utf-16be"),
        () => None,
    }
}

fn utf32(octets: &[u8], read: fn([u8; 4]) -> u32) -> String {
    let letter = |quad: &[u8]| {
        let quad: [u8; 4] = quad.try_into().unwrap_or_default();
        char::from_u32(read(quad)).unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    slice(octets, 0, 4 * WINDOW_OCTETS).chunks_exact(4).map(letter).collect()
}

/// In small letters; ASCII in whole stretches, whatever stands between.
fn lowered(text: &str) -> String {
    let mut lower = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let ascii = ascii_octets(rest.as_bytes());
        let (stretch, other) = rest.split_at_checked(ascii).unwrap_or((rest, ""));
        let at = lower.len();
        lower.push_str(stretch);
        if let Some(copied) = lower.get_mut(at..) {
            copied.make_ascii_lowercase();
        }
        let mut letters = other.chars();
        lower.extend(letters.next().into_iter().flat_map(char::to_lowercase));
        rest = letters.as_str();
    }
    lower
}

/// Control characters that no text has are an accident in text, and the rule in binary files.
fn is_plain(text: &str) -> bool {
    // Nearly every text is of these alone; 0xc2 may begin a control character, and 0xef the
    // replacement character.
    let usual = |octet: &u8| {
        let octet = *octet;
        (octet >= b' ') & (octet != 0x7f) & (octet != 0xc2) & (octet != 0xef)
            | (9..=13).contains(&octet)
    };
    let mut blocks = text.as_bytes().chunks(1_024);
    if blocks.all(|block| block.iter().fold(true, |all, octet| all & usual(octet))) {
        return true;
    }
    let mut letters = 0_usize;
    let mut strange = 0_usize;
    for letter in text.chars() {
        letters += 1;
        let usual =
            matches!(letter, '\t' | '\n' | '\r' | '\x0b' | '\x0c' | '\x1b' | '\x1a' | '\u{85}');
        strange +=
            usize::from(letter.is_control() && !usual || letter == char::REPLACEMENT_CHARACTER);
    }
    strange * 50 <= letters
}

/// The script that a file is by its first line, whatever stands behind that: archives that
/// unpack themselves begin so.
pub(super) fn shebang(octets: &[u8]) -> Option<Nature> {
    const LINE_OCTETS: usize = 256;
    interpreter(&String::from_utf8_lossy(slice(octets, 0, LINE_OCTETS)).to_lowercase())
}

/// Who runs a text in small letters, by its first line.
fn interpreter(lower: &str) -> Option<Nature> {
    let line = lower.strip_prefix("#!")?.lines().next()?;
    let words = line.split(|letter: char| letter.is_whitespace() || letter == '/');
    words.rev().find_map(|word| {
        let bare = word.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        Some(match bare {
            "sh" | "bash" | "dash" | "zsh" | "ksh" | "csh" | "tcsh" | "ash" | "fish"
            | "busybox" | "awk" | "sed" | "expect" | "tclsh" | "make" => Nature::Shell,
            "python" | "pypy" => Nature::Python,
            "perl" => Nature::Perl,
            "php" => Nature::Php,
            "ruby" => Nature::Ruby,
            "lua" | "luajit" => Nature::Lua,
            "node" | "nodejs" | "deno" | "bun" => Nature::JavaScript,
            "pwsh" | "powershell" => Nature::PowerShell,
            "osascript" => Nature::AppleScript,
            _ => return None,
        })
    })
}

impl Window {
    fn has(&self, wanted: &str) -> bool {
        find(self.lower.as_bytes(), wanted.as_bytes()).is_some()
    }

    fn begins(&self, wanted: &str) -> bool {
        self.lower.starts_with(wanted)
    }

    fn count(&self, wanted: &[&str]) -> usize {
        wanted.iter().filter(|word| self.has(word)).count()
    }

    /// Whether a line begins so.
    fn line(&self, wanted: &str) -> bool {
        self.may_begin_line(wanted)
            && self.lower.lines().any(|line| line.trim_start().starts_with(wanted))
    }

    /// A quick look before the lines are read one by one.
    fn may_begin_line(&self, wanted: &str) -> bool {
        self.firsts.allow(wanted) && self.has(wanted)
    }

    /// Every nature that this text shows; plain text shows none. `named` tells whether the
    /// file has a name: what has none is shown, not run, and its words accuse nobody.
    pub(super) fn natures(&self, named: bool, found: &mut Vec<Nature>) {
        if let Some(nature) = self.by_beginning() {
            found.push(nature);
        }
        self.markup(found);
        if found.is_empty() {
            found.extend(self.settings());
        }
        if self.has("<?php") || self.begins("<?=") {
            found.push(Nature::Php);
        }
        if let Some(nature) = self.message() {
            // Markup in a message is its body.
            if !self.begins("<") {
                found.retain(|nature| *nature != Nature::Html);
            }
            found.push(nature);
        } else if found.is_empty() {
            found.extend(self.encoded());
        }
        // A page is known by its first octets; a script may well write one.
        let may_be_script = found.is_empty()
            || !self.begins("<")
                && found.iter().all(|nature| matches!(nature, Nature::Html | Nature::Json));
        if named && may_be_script {
            found.extend(self.script());
        }
        if found.is_empty() {
            found.extend(self.block());
        }
        if found.is_empty() && self.is_json() {
            found.push(Nature::Json);
        }
    }

    fn by_beginning(&self) -> Option<Nature> {
        #[rustfmt::skip]
        const BEGINNINGS: &[(&str, Nature)] = &[
            ("{\\rt", Nature::Rtf), ("%!ps", Nature::PostScript), ("\u{4}%!ps", Nature::PostScript),
            ("begin:vcalendar", Nature::Calendar), ("begin:vcard", Nature::Contact),
            ("regedit4", Nature::Registry), ("windows registry editor version", Nature::Registry),
            ("id;p", Nature::ExcelText), ("table\r\n0,1", Nature::ExcelText), ("table\n0,1", Nature::ExcelText),
            ("web\r\n1\r\n", Nature::ExcelText), ("web\n1\n", Nature::ExcelText),
            ("# disk descriptorfile", Nature::Vmdk), ("#@~^", Nature::VisualBasic),
            ("-----begin pgp message", Nature::PgpMessage), ("-----begin pgp signature", Nature::PgpSignature),
            ("-----begin pgp public", Nature::PgpKey), ("-----begin pgp private", Nature::PgpKey),
            ("-----begin certificate", Nature::Certificate), ("-----begin x509", Nature::Certificate),
            ("-----begin trusted cert", Nature::Certificate), ("-----begin new certificate", Nature::Certificate),
            ("-----begin pkcs7", Nature::Cms), ("-----begin cms", Nature::Cms),
            ("-----begin private key", Nature::KeyStore), ("-----begin encrypted private", Nature::KeyStore),
            ("-----begin rsa private", Nature::KeyStore), ("-----begin ec private", Nature::KeyStore),
            ("-----begin dsa private", Nature::KeyStore), ("-----begin openssh private", Nature::KeyStore),
            ("-----begin public key", Nature::Certificate), ("putty-user-key-file", Nature::KeyStore),
            ("(this file must be converted with binhex", Nature::BinHex),
            ("jarsignature-version", Nature::Text), ("0\nsection\n", Nature::Cad), ("  0\nsection\n", Nature::Cad),
            ("0\r\nsection\r\n", Nature::Cad), ("#noenv", Nature::AutoHotkey), ("#singleinstance", Nature::AutoHotkey),
            ("#autoit3wrapper", Nature::AutoHotkey), ("#persistent", Nature::AutoHotkey),
        ];
        let found = BEGINNINGS.iter().find(|(beginning, _)| self.begins(beginning));
        found.map(|(_, nature)| *nature).or_else(|| interpreter(&self.lower))
    }

    fn markup(&self, found: &mut Vec<Nature>) {
        let mut only_xml = false;
        if self.begins("<") {
            match self.xml_root() {
                Some(nature) => found.push(nature),
                None => only_xml = self.begins("<?xml") || self.lower.contains(" xmlns"),
            }
        }
        let is_html = match self.begins("<") && !only_xml {
            // What browsers take for HTML (WHATWG, MIME sniffing section 7.1).
            true => self.count(&HTML_TAGS) > 0,
            false => {
                self.count(&[
                    "<html",
                    "<!doctype html",
                    "<script",
                    "<body",
                    "<iframe",
                    "<meta http-equiv",
                ]) > 0
            }
        };
        if is_html
            && !found.contains(&Nature::Svg)
            && !found.iter().any(|nature| DEFINITE.contains(nature))
        {
            found.push(Nature::Html);
        }
        if self.has("<hta:application") {
            found.push(Nature::HtmlApplication);
        }
        if found.is_empty() && only_xml {
            found.push(Nature::Xml);
        }
    }

    /// The first element of an XML document, behind declaration, comments and document type.
    fn xml_root(&self) -> Option<Nature> {
        let mut text = self.lower.as_str();
        let root = loop {
            text = text.trim_start();
            let end = match () {
                () if text.starts_with("<!--") => "-->",
                () if text.starts_with("<?component") => return Some(Nature::ScriptFile),
                () if text.starts_with("<?") => ">",
                () if text.starts_with("<!doctype") => match text.find(['[', '>']) {
                    Some(at) if text.get(at..)?.starts_with('[') => "]>",
                    _ => ">",
                },
                () => break text.strip_prefix('<')?,
            };
            text = text.get(text.find(end)? + end.len()..)?;
        };
        let name: String = root
            .chars()
            .take_while(|letter| {
                letter.is_alphanumeric() || matches!(letter, ':' | '_' | '-' | '.')
            })
            .take(64)
            .collect();
        let local = name.rsplit(':').next().unwrap_or_default();
        Some(match local {
            "svg" => Nature::Svg,
            // By its namespace (XSLT 1.0 section 2.1, and the draft before it), which an entity
            // may hide: the styles of a workbook have a root of the same name.
            "stylesheet" | "transform"
                if self.has("/xsl/transform") || self.has("/wd-xsl") || self.has("<!entity") =>
            {
                Nature::XslScript
            }
            "librarydescription" | "searchconnectordescription" | "persistedquery" => {
                Nature::LibraryShortcut
            }
            "pcsettings" => Nature::SettingShortcut,
            "jnlp" => Nature::JavaLauncher,
            "mmc_consolefile" => Nature::ManagementConsole,
            "assembly"
                if self.has("<deployment") || self.has(":deployment") || self.has("clickonce") =>
            {
                Nature::ClickOnce
            }
            "job" | "scriptlet" | "component" if self.has("<script") => Nature::ScriptFile,
            "package" if self.has("<job") || self.has("<component") => Nature::ScriptFile,
            "package" if self.has("schemas.microsoft.com/office/2006/xmlpackage") => {
                Nature::OfficeXml
            }
            "worddocument" => Nature::OfficeXml,
            "workbook" if self.has("urn:schemas-microsoft-com:office") => Nature::OfficeXml,
            "plist" if self.has("<key>commandstring</key>") => Nature::TerminalSettings,
            "plist" if self.has("<key>url</key>") => Nature::Webloc,
            "document" if self.has("oasis:names:tc:opendocument") => self.flat_document(),
            "html" if !self.has("xmlns:o=\"urn:schemas-microsoft-com:office") => Nature::Html,
            _ => return None,
        })
    }

    fn flat_document(&self) -> Nature {
        match () {
            () if self.has("opendocument.spreadsheet") => Nature::OpenSheet,
            () if self.has("opendocument.presentation") => Nature::OpenSlides,
            () if self.has("opendocument.text") => Nature::OpenText,
            () => Nature::OpenOther,
        }
    }

    fn settings(&self) -> Option<Nature> {
        match () {
            () if self.line("[internetshortcut") => Some(Nature::InternetShortcut),
            () if self.line("[desktop entry]") => Some(Nature::DesktopEntry),
            () if self.line("[theme]") && self.line("[control panel\\") => {
                Some(Nature::SettingShortcut)
            }
            () if self.line("[shell]") && self.line("command=") => Some(Nature::ShellScrap),
            () if self.line("[version]") && self.line("signature") => Some(Nature::SetupScript),
            () if self.line("[autorun]") => Some(Nature::SetupScript),
            () if self.line("full address:s:") || self.line("remoteapplicationprogram:s:") => {
                Some(Nature::RemoteDesktop)
            }
            () => None,
        }
    }

    /// RFC 5322, RFC 4155 and RFC 2557, by the names of the first fields.
    fn message(&self) -> Option<Nature> {
        const KNOWN: [&str; 18] = [
            "from",
            "to",
            "subject",
            "date",
            "received",
            "return-path",
            "message-id",
            "mime-version",
            "content-type",
            "delivered-to",
            "cc",
            "reply-to",
            "sender",
            "x-mailer",
            "dkim-signature",
            "content-transfer-encoding",
            "snapshot-content-location",
            "x-priority",
        ];
        let mailbox = self.begins("from ");
        let mut names = Vec::new();
        for line in self.lower.lines().skip(usize::from(mailbox)).take(100) {
            if line.starts_with([' ', '\t']) {
                continue;
            }
            let Some((name, _)) = line.split_once(':') else { break };
            if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_graphic()) {
                break;
            }
            names.push(name.to_owned());
        }
        let known = names.iter().filter(|name| KNOWN.contains(&name.as_str())).count();
        if known < 2 {
            return None;
        }
        let head = self.lower.split("\r\n\r\n").next().unwrap_or_default();
        let head = head.split("\n\n").next().unwrap_or_default();
        let is_archive = names.iter().any(|name| name == "snapshot-content-location")
            || head.contains("multipart/related")
                && !names.iter().any(|name| name == "to" || name == "received")
            || head.contains("saved by windows internet explorer");
        Some(match () {
            () if mailbox => Nature::Mailbox,
            () if is_archive => Nature::Mhtml,
            () => Nature::Mail,
        })
    }

    fn encoded(&self) -> Option<Nature> {
        let lines = || self.lower.lines().take(200);
        let is_begin = |line: &str| {
            let mode = line.strip_prefix("begin ").or_else(|| line.strip_prefix("begin-base64 "));
            mode.and_then(|mode| mode.split_once(' ')).is_some_and(|(mode, name)| {
                (3..=5).contains(&mode.len())
                    && mode.bytes().all(|octet| (b'0'..=b'7').contains(&octet))
                    && !name.trim().is_empty()
            })
        };
        let begins = self.has("begin ") || self.has("begin-base64 ");
        if begins && lines().any(is_begin) {
            return Some(Nature::Uuencode);
        }
        let is_yenc = |line: &str| line.starts_with("=ybegin ") && line.contains("size=");
        if self.may_begin_line("=ybegin ") && lines().any(is_yenc) {
            return Some(Nature::YEnc);
        }
        self.has("(this file must be converted with binhex").then_some(Nature::BinHex)
    }

    /// Scripts have no signature; words that only they have, several of one language.
    fn script(&self) -> Option<Nature> {
        // Words that every text may have count only beside one that it may not.
        let scored = |strong: &[&str], weak: &[&str]| match self.count(strong) {
            0 => 0,
            strong => 3 * strong + self.count(weak),
        };
        let scores = [
            (Nature::Batch, self.batch()),
            (Nature::PowerShell, scored(&POWERSHELL, &POWERSHELL_WEAK)),
            (Nature::VisualBasic, scored(&VISUAL_BASIC, &VISUAL_BASIC_WEAK)),
            (
                Nature::JavaScript,
                if self.begins_as_code() { scored(&JAVASCRIPT, &JAVASCRIPT_WEAK) } else { 0 },
            ),
            (Nature::Python, self.python()),
            (Nature::Perl, scored(&["use strict;", "use warnings;"], &["my $", "print ", "sub "])),
            (
                Nature::AppleScript,
                scored(&["tell application \""], &["end tell", "do shell script"]),
            ),
            (
                Nature::AutoHotkey,
                scored(
                    &["#include <guiconstants", "autoitsetoption", "endfunc"],
                    &["local $", "func ", "send,", "^!"],
                ),
            ),
        ];
        let best = scores.iter().max_by_key(|(_, score)| *score)?;
        (best.1 >= 4).then_some(best.0)
    }

    /// A script is one from its first word on, behind comments; a text with an example is not.
    fn begins_as_code(&self) -> bool {
        const WORDS: [&str; 30] = [
            "var ",
            "let ",
            "const ",
            "function",
            "(",
            "!",
            "//",
            "/*",
            "\"",
            "'",
            "import ",
            "export ",
            "try",
            "if",
            "eval",
            "new ",
            "for",
            "while",
            "window.",
            "document.",
            "this",
            "$",
            ";",
            "wscript",
            "gif8",
            "{",
            "[",
            "async ",
            "class ",
            "activexobject",
        ];
        let is_c = self.line("#include ") || self.line("#define ") || self.line("use std::");
        let is_rust = self.has("pub fn ") || self.has("let mut ") || self.has("impl ");
        WORDS.iter().any(|word| self.begins(word)) && !is_c && !is_rust || self.is_assignment()
    }

    /// `x = …`
    fn is_assignment(&self) -> bool {
        let first = self.lower.split(['=', '(']).next().unwrap_or_default();
        let name = first.trim_end();
        first.len() < self.lower.len()
            && (1..40).contains(&name.len())
            && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"_$.".contains(&octet))
    }

    fn batch(&self) -> usize {
        let begins =
            ["@echo off", "@echo  off", "@if ", "@set ", "@rem ", "@powershell", "@cmd", "@start "];
        let strong = begins.iter().filter(|word| self.begins(word)).count()
            + usize::from(self.line("@echo off"));
        let words = [
            "%~dp0",
            "set /p ",
            "set /a ",
            "goto :",
            "goto ",
            "%errorlevel%",
            "cmd /c ",
            "cmd.exe /c",
            "endlocal",
            "setlocal",
            "%temp%",
            "%appdata%",
            "%comspec%",
            "start /b",
            "start \"\"",
            "if not exist ",
            "if exist ",
            "::",
            "rem ",
            "echo off",
            ">nul",
            "> nul",
            "exit /b",
        ];
        match (strong, self.count(&words)) {
            (0, words) => words.saturating_sub(2),
            (strong, words) => 4 * strong + words,
        }
    }

    fn python(&self) -> usize {
        let line = |word: &str| {
            self.may_begin_line(word) && self.lower.lines().any(|line| line.starts_with(word))
        };
        let defines = line("def ") && (self.has("):\n") || self.has("):\r\n"));
        let imports = usize::from(line("import ") && !self.has(";"))
            + usize::from(line("from ") && self.has(" import "));
        let words = ["exec(", "print(", "base64.b64decode", "subprocess.", "os.system("];
        3 * usize::from(defines)
            + 2 * imports
            + 3 * usize::from(line("if __name__ =="))
            + self.count(&words)
    }

    /// Blocks of RFC 7468 and OpenPGP behind some words.
    fn block(&self) -> Option<Nature> {
        const BLOCKS: [(&str, Nature); 7] = [
            ("-----begin pgp message", Nature::PgpMessage),
            ("-----begin pkcs7", Nature::Cms),
            ("-----begin cms", Nature::Cms),
            ("-----begin rsa private", Nature::KeyStore),
            ("-----begin private key", Nature::KeyStore),
            ("-----begin certificate", Nature::Certificate),
            ("-----begin pgp public key", Nature::PgpKey),
        ];
        if !self.may_begin_line("-----begin ") {
            return None;
        }
        let begins = |block: &str| self.lower.lines().any(|line| line.starts_with(block));
        BLOCKS.iter().find(|(block, _)| begins(block)).map(|(_, nature)| *nature)
    }

    fn is_json(&self) -> bool {
        let inner = match self.plain.chars().next() {
            Some('{') => self.plain.get(1..),
            Some('[') => self.plain.get(1..),
            _ => None,
        };
        let inner = inner.unwrap_or_default().trim_start();
        let is_object = self.begins("{")
            && (inner.starts_with('"') && inner.contains("\":")
                || inner.contains("\" :")
                || inner.starts_with('}'));
        let is_list = self.begins("[")
            && inner.starts_with([
                '{', '[', '"', ']', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
            ])
            && (inner.contains(']') || self.plain.len() > 4_096)
            && !self.line("[version]");
        is_object || is_list
    }
}

const DEFINITE: [Nature; 10] = [
    Nature::XslScript,
    Nature::LibraryShortcut,
    Nature::SettingShortcut,
    Nature::ScriptFile,
    Nature::OfficeXml,
    Nature::Webloc,
    Nature::TerminalSettings,
    Nature::JavaLauncher,
    Nature::Html,
    Nature::ManagementConsole,
];

const HTML_TAGS: [&str; 22] = [
    "<!doctype html",
    "<html",
    "<head",
    "<script",
    "<iframe",
    "<h1",
    "<div",
    "<font",
    "<table",
    "<a ",
    "<style",
    "<title",
    "<b>",
    "<body",
    "<br",
    "<p>",
    "<p ",
    "<form",
    "<img ",
    "<meta ",
    "<center",
    "<span",
];
const POWERSHELL: [&str; 15] = [
    "invoke-expression",
    "invoke-webrequest",
    "new-object net.webclient",
    "new-object system.net.webclient",
    "write-host",
    "[convert]::frombase64string",
    "[system.convert]::",
    "[system.text.encoding]::",
    "start-bitstransfer",
    "-executionpolicy",
    "get-childitem",
    "[cmdletbinding()]",
    "$psscriptroot",
    "$env:",
    "[reflection.assembly]::",
];
const POWERSHELL_WEAK: [&str; 11] = [
    "iex",
    "param(",
    "start-process",
    "-enc",
    "downloadstring",
    "downloadfile",
    "foreach-object",
    "where-object",
    "$_.",
    "-join",
    "$true",
];
const VISUAL_BASIC: [&str; 7] = [
    "on error resume next",
    "createobject(",
    "end sub",
    "end function",
    "wscript.createobject",
    "executeglobal",
    "option explicit",
];
const VISUAL_BASIC_WEAK: [&str; 9] =
    ["\ndim ", "\nset ", "dim ", "wscript.", "chr(", "end if", "msgbox", "& chr", "sub "];
const JAVASCRIPT: [&str; 9] = [
    "new activexobject(",
    "eval(",
    "string.fromcharcode",
    "document.write(",
    "function(){",
    "function() {",
    "new function(",
    "wscript.createobject(",
    "require('",
];
const JAVASCRIPT_WEAK: [&str; 13] = [
    "var ",
    "function ",
    "let ",
    "const ",
    "=> {",
    "return ",
    "unescape(",
    "try{",
    "try {",
    ".split(",
    "wscript.",
    "this.",
    "};",
];
