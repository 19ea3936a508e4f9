//! What the name of a file makes its reader believe.

use crate::mail::Family;
use crate::message::Nature;
use crate::message::contents::Item;

/// Extensions of what people open without a thought.
fn is_trusted(family: Family) -> bool {
    use Family::{Audio, Document, Image, Message, Presentation, Spreadsheet, Text, Video};
    matches!(family, Document | Spreadsheet | Presentation | Text | Image | Audio | Video | Message)
}

/// Natures of what does something when it is opened.
pub(super) fn is_active(family: Family) -> bool {
    use Family::{DiskImage, Executable, Script, Shortcut};
    matches!(family, Executable | Script | Shortcut | DiskImage)
}

fn extensions(name: &str) -> impl Iterator<Item = String> + '_ {
    let name = name.trim_end_matches(['.', ' ']);
    name.rsplit('.').map(|piece| piece.trim().to_lowercase())
}

fn families_of(extension: &str) -> impl Iterator<Item = Family> + '_ {
    Nature::of_extension(extension).map(Nature::family)
}

/// An extension that is trusted, and that nothing has which does something.
fn is_bait(extension: &str) -> bool {
    families_of(extension).any(is_trusted) && !families_of(extension).any(is_active)
}

/// A program whose name or declared type says that it is a document, a picture, or the like.
pub(super) fn pretended(item: &Item) -> Option<String> {
    // A script that is opened as a text does nothing, and texts have scripts in them.
    let family = item.nature.family();
    if !is_active(family) || family == Family::Script {
        return None;
    }
    let extension = extensions(&item.name).next().filter(|_| item.name.contains('.'));
    let by_name = extension.filter(|extension| is_bait(extension));
    if let Some(extension) = by_name {
        return Some(format!("{} that calls itself .{extension}", item.nature.words()));
    }
    let declared = item.declared.as_deref()?;
    let is_shown = ["image/", "audio/", "video/", "application/pdf", "application/msword"]
        .iter()
        .any(|start| declared.starts_with(start));
    is_shown.then(|| format!("{} that is declared as {declared}", item.nature.words()))
}

/// `invoice.pdf.exe`: an extension that does something behind one that is trusted.
pub(super) fn double_extension(name: &str) -> Option<String> {
    let mut from_end = extensions(name);
    let (last, before) = (from_end.next()?, from_end.next()?);
    // A name must stand before both.
    from_end.next().filter(|rest| !rest.is_empty())?;
    let does_something = families_of(&last).any(is_active);
    (does_something && is_bait(&before)).then(|| format!(".{before}.{last}"))
}

/// Spaces that push the extension out of sight.
pub(super) fn is_padded(name: &str) -> bool {
    const SPACES: usize = 8;
    let Some((stem, extension)) = name.trim_end().rsplit_once('.') else { return false };
    let blank =
        |letter: char| letter.is_whitespace() || matches!(letter, '_' | '\u{2800}' | '\u{3164}');
    let run = stem.chars().rev().take_while(|letter| blank(*letter)).count();
    let inner = extension.chars().take_while(|letter| blank(*letter)).count();
    run.max(inner) >= SPACES && families_of(&extension.trim().to_lowercase()).any(is_active)
}
