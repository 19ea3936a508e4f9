//! HTML files: pages that build a file in the browser, ask for a password, or lead elsewhere.
//!
//! In: octets of a file that is HTML. Out: its text, the files that are written in it, and
//! remarks. What a mail shows as its own body runs no script in any mail reader, so the
//! remarks are about files only; the files written in it count everywhere.

use bytes::Bytes;

use super::payload::{self, Found};
use super::source::{any, count, has, read_markup};
use crate::message::contents::{Exhausted, Opening};
use crate::message::html::{Attributes, HtmlReader, attribute_value, read_html};

/// Pages shorter than this that lead away at once have no other purpose.
const SHORT_OCTETS: usize = 8 << 10;

/// Takes an HTML file apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let source = read_markup(octets, opening);
    let found = payload::find_in_markup(&source, opening)?;
    if opening.is_body() {
        return Ok(());
    }
    opening.pay_time()?;
    let lower = source.to_lowercase();
    remark_script(&lower, found, opening);
    remark_protocols(&lower, opening);
    let mut page = Page::default();
    read_html(&source, &mut page);
    page.remark(source.len(), &lower, opening);
    Ok(())
}

/// In XHTML, a prefix may stand before the name of an element.
const SCRIPTS: [&str; 7] =
    ["<script", ":script>", ":script ", "onload=", "onerror=", "javascript:", "hta:application"];
const ASSEMBLES: [&str; 6] = [
    "new blob(",
    "new window.blob(",
    "blobbuilder",
    "new file([",
    "createobjecturl",
    "filesystemwritable",
];
const SAVES: [&str; 8] = [
    "mssaveoropenblob",
    "mssaveblob",
    ".download",
    "setattribute('download'",
    "setattribute(\"download\"",
    "createobjecturl",
    "navigator.mssave",
    "saveas(",
];
const STARTS: [&str; 7] = [
    ".click()",
    "mssaveoropenblob",
    "mssaveblob",
    "dispatchevent(",
    "location.href",
    "window.location",
    "location.assign",
];
const DECODES: [&str; 8] = [
    "atob(",
    "fromcharcode",
    "charcodeat",
    "base64",
    "unescape(",
    "decodeuricomponent(",
    "uint8array",
    "[\"at\"+\"ob\"]",
];
const WRITES: [&str; 10] = [
    "document.write(unescape(",
    "document.write(atob(",
    "document.write(decodeuricomponent(",
    "eval(atob(",
    "eval(unescape(",
    "eval(decodeuricomponent(",
    "document.writeln(unescape(",
    "document.write(string.fromcharcode(",
    "eval(string.fromcharcode(",
    "document.write(window.atob(",
];

fn remark_script(lower: &str, found: Found, opening: &mut Opening<'_, '_>) {
    let has_script = any(lower, &SCRIPTS);
    let assembles = any(lower, &ASSEMBLES) && any(lower, &SAVES);
    let decodes = any(lower, &DECODES);
    let hands_out = lower.contains("download") && lower.contains("data:");
    let starts = has_script && any(lower, &STARTS);
    let holds = found.files + found.unknown > 0;
    let packed = found.dangerous + found.archives > 0;
    match () {
        () if has_script && assembles && packed => {
            opening.remark("HTML_SMUGGLING", "a script assembles a file");
        }
        () if (hands_out || starts) && found.dangerous > 0
            || hands_out && starts && found.archives > 0 =>
        {
            opening.remark("HTML_SMUGGLING", "a file is written in the page");
        }
        () if has_script && assembles && decodes && holds || hands_out && packed => {
            opening.remark("HTML_BLOB_PAYLOAD", "");
        }
        () if has_script && assembles && decodes && starts => {
            opening.remark("HTML_BLOB_DOWNLOAD", "");
        }
        () => {}
    }
    if has_script && any(lower, &WRITES) {
        opening.remark("HTML_WRITTEN_BY_SCRIPT", "");
    }
    let tangled = [
        "_0x",
        "\\x",
        "\\u00",
        "fromcharcode",
        "parseint(",
        "['push']",
        "['shift']",
        "atob(",
        "eval(",
    ];
    if has_script
        && (super::source::times(lower, "_0x") > 40
            || count(lower, &tangled) >= 4 && super::source::times(lower, "\\x") > 50)
    {
        opening.remark("HTML_OBFUSCATED", "");
    }
}

fn remark_protocols(lower: &str, opening: &mut Opening<'_, '_>) {
    const PROTOCOLS: [&str; 8] = [
        "search-ms:",
        "search:query=",
        "ms-msdt:",
        "ms-officecmd:",
        "ms-appinstaller:",
        "ms-word:",
        "ms-excel:",
        "shell:",
    ];
    for protocol in PROTOCOLS {
        for quote in ['"', '\'', '='] {
            if has(lower, &format!("{quote}{protocol}")) {
                opening.remark("HTML_PROTOCOL_LAUNCH", protocol);
            }
        }
    }
}

/// What the elements of a page say.
#[derive(Default)]
struct Page {
    text: String,
    passwords: usize,
    /// The address that the page leads to by itself.
    refresh: Option<String>,
    action: Option<String>,
    frames: Vec<String>,
}

impl HtmlReader for Page {
    fn text(&mut self) -> &mut String {
        // Only the elements matter here.
        self.text.clear();
        &mut self.text
    }

    fn open(&mut self, element: &str, attributes: Attributes<'_>) {
        let of = |wanted: &str| {
            let mut same = attributes.clone().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            same.next().map(|(_, value)| attribute_value(value))
        };
        match element {
            "input" => {
                let is_password =
                    of("type").is_some_and(|kind| kind.trim().eq_ignore_ascii_case("password"));
                let named = of("name").or_else(|| of("id")).unwrap_or_default().to_lowercase();
                self.passwords += usize::from(
                    is_password || matches!(named.as_str(), "passwd" | "password" | "pass" | "pwd"),
                );
            }
            "form" => self.action = self.action.take().or_else(|| of("action")),
            "meta"
                if of("http-equiv")
                    .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("refresh")) =>
            {
                let content = of("content").unwrap_or_default();
                let lower = content.to_lowercase();
                if let Some(at) = lower.find("url") {
                    let target = content.get(at + 3..).unwrap_or_default();
                    self.refresh =
                        Some(target.trim_start_matches([' ', '=', '\'', '"']).to_owned());
                }
            }
            "iframe" | "frame" | "embed" | "object" => {
                self.frames.extend(of("src").or_else(|| of("data")))
            }
            _ => {}
        }
    }

    fn close(&mut self, _element: &str) {}
}

impl Page {
    fn remark(&self, octets: usize, lower: &str, opening: &mut Opening<'_, '_>) {
        let is_away = |target: &str| {
            let target = target.trim().to_lowercase();
            target.contains("//") || target.starts_with("\\\\") || target.starts_with("data:")
        };
        let written = has(lower, "type=\\\"password")
            || has(lower, "type=\\'password")
            || has(lower, ".type='password'")
            || has(lower, ".type = \"password\"");
        if self.passwords > 0 || written {
            opening.remark("HTML_CREDENTIAL_FORM", self.action.clone().unwrap_or_default());
        }
        if let Some(target) = self.refresh.as_deref().filter(|target| is_away(target)) {
            opening.remark("HTML_REDIRECT", target);
        } else if octets < SHORT_OCTETS && leads_away(lower) {
            opening.remark("HTML_REDIRECT", "by script");
        }
        for frame in self.frames.iter().take(20) {
            let frame = frame.trim().to_lowercase();
            if frame.starts_with("\\\\") || frame.starts_with("file:") {
                opening.remark("HTML_REMOTE_FILE", frame);
            } else if frame.starts_with("data:text/html") || frame.starts_with("javascript:") {
                opening.remark("HTML_WRITTEN_BY_SCRIPT", "in a frame");
            }
        }
    }
}

/// `location = "https:…"` in any of its spellings.
fn leads_away(lower: &str) -> bool {
    const SPELLINGS: [&str; 7] = [
        "location.href",
        "location.replace(",
        "location.assign(",
        "window.location",
        "document.location",
        "top.location",
        "self.location",
    ];
    SPELLINGS.iter().any(|spelling| {
        memchr::memmem::find_iter(lower.as_bytes(), spelling.as_bytes()).take(16).any(|at| {
            let after = lower.get(at + spelling.len()..).unwrap_or_default();
            let value = after
                .trim_start_matches(".href")
                .trim_start_matches([' ', '=', '(', '"', '\'', '`']);
            after.trim_start().starts_with(['=', '"', '\'', '(', '.', 'a', 'h', 'd', '`'])
                && (value.starts_with("http")
                    || value.starts_with("//")
                    || value.starts_with("atob(")
                    || value.starts_with("decodeuri"))
        })
    })
}
