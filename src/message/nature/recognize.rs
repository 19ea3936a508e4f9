//! Octets and a name → a nature, or all natures that they can be read as.
//!
//! In: the octets of a file, and its name as its reader sees it. Out: the most dangerous
//! reading ([`recognize`]), or all of them, the most dangerous first ([`readings`]): a file can
//! be made to be one thing to one program and another to the next, and who only looks at the
//! first is deceived. Never fails; looks at bounded pieces of the file.

use super::{Nature, compound, package, signatures, textual, types};
use crate::mail::Family;
use crate::message::archive::zip::listing;
use crate::message::fixed::{find, slice};

/// What a file is. `name` is its name as its reader sees it, or empty.
pub fn recognize(octets: &[u8], name: &str) -> Nature {
    readings(octets, name).next().unwrap_or(Nature::Unknown)
}

/// What is said of a file beside its octets.
#[derive(Debug, Clone, Copy)]
pub struct Label<'l> {
    /// Its name as its reader sees it, or empty.
    pub name: &'l str,
    /// The media type that it is declared to be of, in lower case, or empty.
    pub declared: &'l str,
    /// It is text that is shown where it stands: nobody opens it, and its words accuse nobody.
    pub is_shown: bool,
}

impl Label<'_> {
    /// Of a file of which nothing but its name is known; what has none is shown.
    pub fn named(name: &str) -> Label<'_> {
        Label { name, declared: "", is_shown: name.trim().is_empty() }
    }

    /// Programs that save a file without a name take the extension from its media type.
    fn extension(&self) -> String {
        match self.name.trim().is_empty() && !self.is_shown {
            true => types::extension_of(self.declared).to_owned(),
            false => extension(self.name),
        }
    }
}

/// Everything that a file can be read as, the most dangerous first; at least one.
pub fn readings(octets: &[u8], name: &str) -> impl Iterator<Item = Nature> + use<> {
    readings_as(octets, Label::named(name))
}

/// The same of a file of which more is said. A mail program shows as HTML what is declared so,
/// however it begins.
pub fn readings_as(octets: &[u8], label: Label<'_>) -> impl Iterator<Item = Nature> + use<> {
    let mut found = Vec::new();
    match octets.is_empty() {
        true => found.push(Nature::Empty),
        false => collect(octets, label, &mut found),
    }
    let is_shown_so = matches!(label.declared, "text/html" | "application/xhtml+xml");
    if is_shown_so && may_be_page(octets, &found) {
        found.push(Nature::Html);
        found.retain(|nature| !matches!(nature, Nature::Text | Nature::Unknown));
    }
    found.sort_by_key(|nature| danger(*nature));
    found.dedup();
    found.into_iter()
}

/// Whether a browser would show words of these octets, and they are no page already.
fn may_be_page(octets: &[u8], found: &[Nature]) -> bool {
    let is_page = |nature: &Nature| {
        matches!(
            nature,
            Nature::Empty
                | Nature::Html
                | Nature::HtmlApplication
                | Nature::Mail
                | Nature::Mailbox
                | Nature::Mhtml
                | Nature::Svg
        )
    };
    let is_unknown = found.iter().all(|nature| matches!(nature, Nature::Text | Nature::Unknown));
    !found.iter().any(is_page) && (is_unknown || may_be_text_too(octets))
}

/// The part of a name that decides which program opens the file, in lower case. Windows drops
/// dots and spaces at its end, and ends it at a NUL or at the colon of a stream.
pub fn extension(name: &str) -> String {
    let name = name.split('\0').next().unwrap_or_default();
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let ended = |name: &str| {
        name.trim_end_matches(|letter: char| {
            letter == '.' || letter.is_whitespace() || letter.is_control()
        })
        .to_owned()
    };
    let mut name = ended(name);
    if let Some((file, stream)) = name.split_once(':')
        && file.contains('.')
        && (stream.is_empty() || stream.starts_with(':') || !stream.contains('.'))
    {
        name = ended(file);
    }
    let is_shown = |letter: &char| !crate::message::is_hidden(*letter);
    match name.rsplit_once('.') {
        Some((_, extension)) => {
            extension.chars().filter(is_shown).collect::<String>().to_lowercase()
        }
        None => String::new(),
    }
}

fn collect(octets: &[u8], label: Label<'_>, found: &mut Vec<Nature>) {
    let extension = label.extension();
    signatures::all(octets, found);
    refine(octets, found);
    let has_signature = !found.is_empty();
    let text = match has_signature && !may_be_text_too(octets) {
        true => None,
        false => textual::window(octets),
    };
    if let Some(text) = &text {
        // Only the names of pictures can begin a script; `%PDF` cannot.
        let may_run = found.iter().all(|nature| nature.family() == Family::Image);
        let mut shown = Vec::new();
        text.natures(may_run && !label.is_shown, &mut shown);
        found.append(&mut shown);
    } else if has_markup(octets) {
        // A browser shows markup behind any octets, if it is told that it is HTML.
        found.push(Nature::Html);
    }
    // A system reads this line of any file, and its shell reads on up to what it cannot read.
    found.extend(textual::shebang(octets).filter(|_| text.is_none()));
    by_extension(&extension, text.is_some(), octets, found);
    // Scripts encoded by Microsoft's tool bear one mark for both languages.
    if found.contains(&Nature::VisualBasic) && extension == "jse" {
        found.retain(|nature| *nature != Nature::VisualBasic);
    }
    if found.is_empty() {
        found.push(match text {
            Some(_) => Nature::Text,
            None => Nature::Unknown,
        });
    }
    if found.len() > 1 {
        found.retain(|nature| *nature != Nature::Unknown);
    }
}

/// Signatures that may stand before text, so that both readings count: `GIF89a=1;…` is a
/// picture and a script, and a PDF may be text from its first octet to its last.
fn may_be_text_too(octets: &[u8]) -> bool {
    let start = slice(octets, 0, 512);
    !start.contains(&0) || start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff")
}

/// Markup that runs in a browser, in the first octets of a binary file or behind its end.
fn has_markup(octets: &[u8]) -> bool {
    const REACH_OCTETS: usize = 64 << 10;
    let first = slice(octets, 0, REACH_OCTETS).to_ascii_lowercase();
    let last =
        slice(octets, octets.len().saturating_sub(REACH_OCTETS), REACH_OCTETS).to_ascii_lowercase();
    let tags: [&[u8]; 4] = [b"<script>", b"<script ", b"<!doctype html", b"<html>"];
    tags.iter().any(|tag| find(&first, tag).is_some() || find(&last, tag).is_some())
        && !is_container(octets)
}

/// Containers whose members may be stored as they are, and programs, whose resources often
/// hold markup: the markup is theirs.
fn is_container(octets: &[u8]) -> bool {
    let mut found = Vec::new();
    signatures::all(octets, &mut found);
    found.is_empty() || !found.iter().all(|nature| nature.family() == Family::Image)
}

/// Replaces containers by what their members say, and adds archives that begin elsewhere.
fn refine(octets: &[u8], found: &mut Vec<Nature>) {
    if !found.contains(&Nature::Zip) && listing::has_directory(octets) {
        found.push(Nature::Zip);
    }
    for nature in found.iter_mut() {
        match nature {
            Nature::Zip => *nature = package::refine(octets),
            Nature::Compound => *nature = compound::refine(octets),
            _ => {}
        }
    }
    if found.contains(&Nature::BrowserExtension) {
        found.retain(|nature| *nature != Nature::Zip);
    }
    let weak = |nature: &Nature| {
        matches!(
            nature,
            Nature::Lzma
                | Nature::PgpMessage
                | Nature::PgpSignature
                | Nature::PgpKey
                | Nature::Mp3
                | Nature::Aac
                | Nature::Arj
                | Nature::Arc
                | Nature::Compress
                | Nature::PythonByteCode
                | Nature::Font
                | Nature::Cpio
        )
    };
    if found.iter().any(|nature| !weak(nature)) {
        found.retain(|nature| !weak(nature));
    }
}

/// What the program does that is told to open a file of this extension, whatever is in it.
fn by_extension(extension: &str, is_text: bool, octets: &[u8], found: &mut Vec<Nature>) {
    if extension.is_empty() {
        return;
    }
    let is_cover = is_cover(found);
    for nature in Nature::of_extension(extension) {
        let applies = match nature.family() {
            // Interpreters read text; some read over whatever comes before it, and what begins
            // like a picture or a sound may be a comment to all of them.
            Family::Script => is_text || runs_behind_junk(nature) || is_cover,
            Family::Shortcut => {
                is_text && nature != Nature::Shortcut || is_cover && is_lines(nature)
            }
            Family::Executable => {
                nature == Nature::DosProgram && is_bare_program(extension, octets, found)
            }
            _ if found.is_empty() && nature != Nature::Html => {
                by_name_alone(nature) || is_text && is_written(nature)
            }
            _ => nature == Nature::Html && !is_container_of(found),
        };
        // A manifest, theme or class module of Visual Basic is often something else.
        let vague =
            matches!(extension, "manifest" | "bin" | "bas" | "vb" | "pl" | "pm" | "command")
                && !found.is_empty();
        if applies && !vague {
            found.push(nature);
        }
    }
}

/// Whether octets look like nothing but what nobody calls by the extension of a script.
fn is_cover(found: &[Nature]) -> bool {
    let is_harmless = |nature: &Nature| {
        matches!(nature.family(), Family::Image | Family::Audio | Family::Video | Family::Data)
            || *nature == Nature::Html
    };
    found.iter().all(is_harmless)
}

/// Shortcuts of lines, whose readers look for a section and read over what stands before it.
fn is_lines(nature: Nature) -> bool {
    matches!(nature, Nature::InternetShortcut | Nature::DesktopEntry | Nature::RemoteDesktop)
}

fn is_container_of(found: &[Nature]) -> bool {
    found.iter().any(|nature| matches!(nature, Nature::Mhtml | Nature::Mail | Nature::Html))
}

/// A program of DOS may be nothing but code; EICAR's test file is one.
fn is_bare_program(extension: &str, octets: &[u8], found: &[Nature]) -> bool {
    extension == "com"
        && octets.len() < 0xff00
        && found.iter().all(|nature| nature.family() == Family::Unknown)
}

fn runs_behind_junk(nature: Nature) -> bool {
    matches!(nature, Nature::HtmlApplication | Nature::Batch | Nature::Php | Nature::Shell)
}

/// Formats of text that have no beginning of their own.
fn is_written(nature: Nature) -> bool {
    matches!(
        nature,
        Nature::Html
            | Nature::Css
            | Nature::Json
            | Nature::Xml
            | Nature::Svg
            | Nature::Calendar
            | Nature::Contact
            | Nature::Mail
            | Nature::Mhtml
            | Nature::Mailbox
            | Nature::ExcelText
            | Nature::Uuencode
            | Nature::YEnc
    )
}

/// Binary formats without a signature.
fn by_name_alone(nature: Nature) -> bool {
    // What calls itself an archive and is none of those known is opened, and found damaged.
    let is_packed = matches!(nature.family(), Family::Archive | Family::DiskImage)
        && !matches!(nature, Nature::Uuencode | Nature::YEnc | Nature::BinHex);
    is_packed
        || matches!(
            nature,
            Nature::Brotli
                | Nature::Lzma
                | Nature::PgpMessage
                | Nature::PgpSignature
                | Nature::PgpKey
                | Nature::Cms
                | Nature::RawDisk
                | Nature::Mp3
                | Nature::StuffIt
                | Nature::PasswordStore
        )
}

/// How far down a reading stands: the least number is the most dangerous.
fn danger(nature: Nature) -> (u8, Nature) {
    let rank = match nature.family() {
        Family::Executable => 0,
        Family::Shortcut => 1,
        Family::Script => 2,
        Family::DiskImage => 3,
        Family::Archive => 4,
        Family::Office | Family::Document | Family::Spreadsheet | Family::Presentation => 5,
        Family::Message => 7,
        Family::Text if nature == Nature::Html || nature == Nature::Mhtml => 6,
        Family::Image if nature == Nature::Svg => 6,
        Family::Cryptographic => 8,
        Family::Data => 9,
        Family::Image | Family::Audio | Family::Video => 10,
        Family::Text => 11,
        Family::Unknown => 12,
    };
    (rank, nature)
}
