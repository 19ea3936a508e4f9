//! Names of members as the readers of an archive may see them.
//!
//! In: the octets of a name, and what the archive says of their encoding. Out: one name, the
//! most dangerous of those that readers could see, since it decides what opening the member
//! does; and whether a name or a link leads out of the folder that it is unpacked to. Names are words
//! here: they never reach a file system.

use crate::mail::Family;
use crate::message::nature::Nature;

/// The upper half of code page 437, which names in zip archives are written in when nothing
/// else is said (APPNOTE appendix D.1).
const UPPER_437: &str = concat!(
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ",
    "áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐",
    "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀",
    "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
);

/// Octets of a name that are looked at.
const NAME_OCTETS: usize = 4_096;

/// How a name can be read, each reading once; the one that its archive declares comes first.
pub(super) fn readings(raw: &[u8], says_utf8: bool, others: &[&[u8]]) -> Vec<String> {
    let raw = raw.get(..NAME_OCTETS).unwrap_or(raw);
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: String| {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    };
    let utf8 = std::str::from_utf8(raw).ok();
    match utf8 {
        Some(utf8) => add(utf8.to_owned()),
        None if says_utf8 => add(String::from_utf8_lossy(raw).into_owned()),
        None => {}
    }
    if !raw.is_ascii() && !says_utf8 {
        add(from_437(raw));
    }
    for other in others {
        add(String::from_utf8_lossy(other.get(..NAME_OCTETS).unwrap_or(other)).into_owned());
    }
    // Readers written in C stop at the first NUL.
    for whole in names.clone() {
        if let Some((before, _)) = whole.split_once('\0')
            && !before.is_empty()
            && !names.iter().any(|name| name == before)
        {
            names.push(before.to_owned());
        }
    }
    names
}

fn from_437(raw: &[u8]) -> String {
    let upper: Vec<char> = UPPER_437.chars().collect();
    let letter = |octet: &u8| match octet.checked_sub(0x80) {
        Some(at) => upper.get(usize::from(at)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
        None => char::from(*octet),
    };
    raw.iter().map(letter).collect()
}

/// The most dangerous of several names by what its extension makes a reader's system do; of
/// equal ones the first. And whether they differ in that.
pub(super) fn worst(names: &[String]) -> (&str, bool) {
    // Mostly there is one, and to look its extension up costs more than all the rest.
    if let [only] = names {
        return (only, false);
    }
    let mut worst: Option<(&String, u8)> = None;
    let mut differ = false;
    for name in names {
        let danger = danger(name);
        match worst {
            Some((_, so_far)) if danger == so_far => {}
            Some((_, so_far)) => {
                differ = true;
                if danger > so_far {
                    worst = Some((name, danger));
                }
            }
            None => worst = Some((name, danger)),
        }
    }
    (worst.map_or("", |(name, _)| name.as_str()), differ)
}

/// How dangerous it is to open a file of this name.
fn danger(name: &str) -> u8 {
    // Windows leaves away spaces and dots at the end.
    let name = name.trim_end_matches([' ', '.', '\0']);
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let Some((_, extension)) = base.rsplit_once('.') else { return 0 };
    let of_family = |nature: Nature| match nature.family() {
        Family::Executable => 9,
        Family::Script => 8,
        Family::Shortcut => 7,
        Family::DiskImage => 6,
        Family::Archive => 5,
        Family::Document | Family::Spreadsheet | Family::Presentation | Family::Office => 4,
        Family::Message => 3,
        Family::Text => 2,
        _ => 1,
    };
    Nature::of_extension(&extension.to_lowercase()).map(of_family).max().unwrap_or(1)
}

/// Where a name leads that is not within the folder that its archive is unpacked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// To a place on the reader's disk, by a root or a drive. Some honest programs write this.
    Absolute,
    /// Upwards, by `..`.
    Above,
}

impl Outside {
    /// The remark that goes with it.
    pub(super) fn remark(self) -> &'static str {
        match self {
            Outside::Absolute => "ARCHIVE_ABSOLUTE_NAME",
            Outside::Above => "ARCHIVE_PATH_TRAVERSAL",
        }
    }
}

/// Whether a member's name leads out of the folder: any `..` does, since programs differ in
/// what they make of it.
pub(super) fn outside(name: &str) -> Option<Outside> {
    match folders(name).any(|folder| folder == "..") {
        true => Some(Outside::Above),
        false => is_absolute(name).then_some(Outside::Absolute),
    }
}

/// Whether a link leads out of the folder: `..` may go up as far as the link lies down.
pub(super) fn link_outside(name: &str, target: &str) -> Option<Outside> {
    if is_absolute(target) {
        return Some(Outside::Absolute);
    }
    let mut depth = folders(name).count().saturating_sub(1);
    for folder in folders(target) {
        depth = match folder {
            ".." if depth == 0 => return Some(Outside::Above),
            ".." => depth - 1,
            _ => depth + 1,
        };
    }
    None
}

/// The folders in a name and what lies in them; Windows leaves away blanks at their ends.
fn folders(name: &str) -> impl Iterator<Item = &str> {
    name.split(['/', '\\'])
        .map(|folder| folder.trim_end_matches(' '))
        .filter(|folder| !folder.is_empty() && *folder != ".")
}

fn is_absolute(name: &str) -> bool {
    let mut letters = name.chars();
    let (first, second) = (letters.next(), letters.next());
    let has_drive = first.is_some_and(|first| first.is_ascii_alphabetic()) && second == Some(':');
    has_drive || name.starts_with(['/', '\\'])
}

/// The name of what a compressed file holds: its own without the last extension, where that
/// says only how it is compressed; of `a.tgz` it is `a.tar`.
pub(super) fn unpacked_name(name: &str, extensions: &[&str]) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let Some((stem, extension)) = base.rsplit_once('.') else { return base.to_owned() };
    let extension = extension.to_lowercase();
    match extension.as_str() {
        "tgz" | "taz" | "tbz" | "tbz2" | "tb2" | "tz2" | "txz" | "tlz" | "tzst" => {
            format!("{stem}.tar")
        }
        "svgz" => format!("{stem}.svg"),
        "emz" => format!("{stem}.emf"),
        "wmz" => format!("{stem}.wmf"),
        _ if extensions.contains(&extension.as_str()) => stem.to_owned(),
        _ => base.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Outside, link_outside, outside, readings, unpacked_name, worst};

    #[test]
    fn names_are_read_in_every_way() {
        assert_eq!(UPPER_437_LETTERS, 128);
        let cases: [(&[u8], bool, &[&[u8]], &str); 9] = [
            (b"a.txt", false, &[], "a.txt"),
            (b"gr\x81n.exe", false, &[], "grün.exe"),
            (b"gr\xc3\xbcn.exe", true, &[], "grün.exe"),
            (b"a.txt", false, &[b"a.exe"], "a.exe"),
            (b"a.exe", false, &[b"a.txt"], "a.exe"),
            (b"a.exe\0.txt", false, &[], "a.exe"),
            (b"a.txt\0.exe", false, &[], "a.txt\0.exe"),
            (b"a.pdf", false, &[b"a.js", b"a.zip"], "a.js"),
            (b"", false, &[], ""),
        ];
        for (raw, utf8, others, expected) in cases {
            let names = readings(raw, utf8, others);
            assert_eq!(worst(&names).0, expected, "{raw:?}");
        }
    }

    const UPPER_437_LETTERS: usize = {
        // Counts the first octets of UTF-8 sequences.
        let octets = super::UPPER_437.as_bytes();
        let (mut at, mut letters) = (0, 0);
        while at < octets.len() {
            letters += (octets[at] & 0xc0 != 0x80) as usize;
            at += 1;
        }
        letters
    };

    #[test]
    fn names_that_lead_out() {
        for name in ["../a", "a/../../b", "a\\..\\b", ".. /a", "/../a"] {
            assert_eq!(outside(name), Some(Outside::Above), "{name}");
        }
        for name in ["/etc/passwd", "\\\\host\\a", "C:\\a", "c:a"] {
            assert_eq!(outside(name), Some(Outside::Absolute), "{name}");
        }
        for name in ["a/b", "a..b", "...", "a/.b/c", "b..", "", "./a"] {
            assert_eq!(outside(name), None, "{name}");
        }
        let above = Some(Outside::Above);
        for (name, target, expected) in [
            ("a/b/link", "../c", None),
            ("./a/link", "../../c", above),
            ("link", "..", above),
            ("a/b/link", "c/../../../../d", above),
            ("a/link", "/etc", Some(Outside::Absolute)),
            ("link", "a/b", None),
        ] {
            assert_eq!(link_outside(name, target), expected, "{name} -> {target}");
        }
    }

    #[test]
    fn names_of_what_is_compressed() {
        for (name, expected) in [
            ("a.tar.gz", "a.tar"),
            ("A.TGZ", "A.tar"),
            ("b", "b"),
            ("dir/report.pdf.gz", "report.pdf"),
            ("x.dat", "x.dat"),
        ] {
            assert_eq!(unpacked_name(name, &["gz"]), expected);
        }
    }
}
