//! Whether a file is what its extension says.
//!
//! In: a nature and an extension. Out: [`Honesty`], three grades: makers of files are often
//! careless, and only a few lies are dangerous.

use super::Nature;
use crate::mail::Family;

/// How far a name and what the octets are agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Honesty {
    /// The extension is one that such files have, or nothing is known of either.
    Honest,
    /// Another one, of the same use or of no danger: a PNG picture called `.jpg`.
    Careless,
    /// One that hides something dangerous: a program called `.pdf`.
    Lying,
}

/// Compares a nature with an extension in lower case, without its dot.
pub fn is_honest(nature: Nature, extension: &str) -> Honesty {
    let natures = [Nature::Unknown, Nature::Empty];
    if extension.is_empty() || natures.contains(&nature) || nature.extensions().contains(&extension)
    {
        return Honesty::Honest;
    }
    if is_usual(nature, extension) {
        return Honesty::Honest;
    }
    let mut claimed = Nature::of_extension(extension).map(Nature::family).peekable();
    let is_known = claimed.peek().is_some();
    let same_use = claimed.any(|family| use_of(family) == use_of(nature.family()));
    match () {
        () if same_use => Honesty::Careless,
        () if is_dangerous(nature.family()) && is_known => Honesty::Lying,
        () => Honesty::Careless,
    }
}

/// Extensions that many formats share.
fn is_usual(nature: Nature, extension: &str) -> bool {
    match nature.family() {
        Family::Text | Family::Script
            if matches!(extension, "txt" | "log" | "conf" | "cfg" | "ini") =>
        {
            true
        }
        Family::Spreadsheet => matches!(extension, "csv"),
        _ => match nature {
            Nature::Zip => matches!(
                extension,
                "kmz"
                    | "sketch"
                    | "key"
                    | "numbers"
                    | "pages"
                    | "3mf"
                    | "usdz"
                    | "whl"
                    | "nupkg"
                    | "vsix"
            ),
            Nature::Rtf => extension == "doc",
            Nature::Html | Nature::OfficeXml | Nature::Mhtml => {
                matches!(extension, "xls" | "doc" | "xml")
            }
            Nature::Certificate | Nature::KeyStore => {
                matches!(extension, "pem" | "key" | "crt" | "asc")
            }
            Nature::PgpMessage | Nature::PgpSignature | Nature::PgpKey => {
                matches!(extension, "asc" | "pgp" | "gpg" | "sig" | "dat")
            }
            _ => false,
        },
    }
}

/// Families between which a wrong extension deceives nobody.
fn use_of(family: Family) -> u8 {
    match family {
        Family::Executable => 0,
        Family::Script => 1,
        Family::Shortcut => 2,
        Family::Archive | Family::DiskImage => 3,
        Family::Document | Family::Spreadsheet | Family::Presentation | Family::Office => 4,
        Family::Image | Family::Audio | Family::Video => 5,
        Family::Text | Family::Message => 6,
        Family::Cryptographic => 7,
        Family::Data => 8,
        Family::Unknown => 9,
    }
}

fn is_dangerous(family: Family) -> bool {
    matches!(
        family,
        Family::Executable
            | Family::Script
            | Family::Shortcut
            | Family::Archive
            | Family::DiskImage
    )
}
