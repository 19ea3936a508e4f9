//! EBCDIC: the code pages of IBM's large machines, which mail programs of Windows decode.
//!
//! In: octets and the number of a code page. Out: text; every octet is a letter. The pages of
//! Western Europe and Turkey are known whole. Of others only what all of them have in common is
//! sure (letters, digits, most signs), and [`Page::is_whole`] says so. The tables were made
//! from the public mappings of the code pages.

/// Code page 37; all of its letters are of ISO 8859-1.
#[rustfmt::skip]
const LATIN: [u8; 256] = [
    0x00, 0x01, 0x02, 0x03, 0x9c, 0x09, 0x86, 0x7f, 0x97, 0x8d, 0x8e, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
    0x10, 0x11, 0x12, 0x13, 0x9d, 0x85, 0x08, 0x87, 0x18, 0x19, 0x92, 0x8f, 0x1c, 0x1d, 0x1e, 0x1f,
    0x80, 0x81, 0x82, 0x83, 0x84, 0x0a, 0x17, 0x1b, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x05, 0x06, 0x07,
    0x90, 0x91, 0x16, 0x93, 0x94, 0x95, 0x96, 0x04, 0x98, 0x99, 0x9a, 0x9b, 0x14, 0x15, 0x9e, 0x1a,
    0x20, 0xa0, 0xe2, 0xe4, 0xe0, 0xe1, 0xe3, 0xe5, 0xe7, 0xf1, 0xa2, 0x2e, 0x3c, 0x28, 0x2b, 0x7c,
    0x26, 0xe9, 0xea, 0xeb, 0xe8, 0xed, 0xee, 0xef, 0xec, 0xdf, 0x21, 0x24, 0x2a, 0x29, 0x3b, 0xac,
    0x2d, 0x2f, 0xc2, 0xc4, 0xc0, 0xc1, 0xc3, 0xc5, 0xc7, 0xd1, 0xa6, 0x2c, 0x25, 0x5f, 0x3e, 0x3f,
    0xf8, 0xc9, 0xca, 0xcb, 0xc8, 0xcd, 0xce, 0xcf, 0xcc, 0x60, 0x3a, 0x23, 0x40, 0x27, 0x3d, 0x22,
    0xd8, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0xab, 0xbb, 0xf0, 0xfd, 0xfe, 0xb1,
    0xb0, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0xaa, 0xba, 0xe6, 0xb8, 0xc6, 0xa4,
    0xb5, 0x7e, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0xa1, 0xbf, 0xd0, 0xdd, 0xde, 0xae,
    0x5e, 0xa3, 0xa5, 0xb7, 0xa9, 0xa7, 0xb6, 0xbc, 0xbd, 0xbe, 0x5b, 0x5d, 0xaf, 0xa8, 0xb4, 0xd7,
    0x7b, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0xad, 0xf4, 0xf6, 0xf2, 0xf3, 0xf5,
    0x7d, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0xb9, 0xfb, 0xfc, 0xf9, 0xfa, 0xff,
    0x5c, 0xf7, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0xb2, 0xd4, 0xd6, 0xd2, 0xd3, 0xd5,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0xb3, 0xdb, 0xdc, 0xd9, 0xda, 0x9f,
];

/// What other pages have instead.
#[rustfmt::skip]
const PAGES: &[(u16, &[(u8, char)])] = &[
    (37, &[]),
    (273, &[(0x43, '{'), (0x4a, 'Ä'), (0x4f, '!'), (0x59, '~'), (0x5a, 'Ü'), (0x5f, '^'), (0x63, '['), (0x6a, 'ö'), (0x7c, '§'), (0xa1, 'ß'), (0xb0, '¢'), (0xb5, '@'), (0xba, '¬'), (0xbb, '|'), (0xbc, '\u{203e}'), (0xc0, 'ä'), (0xcc, '¦'), (0xd0, 'ü'), (0xdc, '}'), (0xe0, 'Ö'), (0xec, '\\'), (0xfc, ']')]),
    (277, &[(0x47, '}'), (0x4a, '#'), (0x4f, '!'), (0x5a, '¤'), (0x5b, 'Å'), (0x5f, '^'), (0x67, '$'), (0x6a, 'ø'), (0x70, '¦'), (0x7b, 'Æ'), (0x7c, 'Ø'), (0x80, '@'), (0x9c, '{'), (0x9e, '['), (0x9f, ']'), (0xa1, 'ü'), (0xb0, '¢'), (0xba, '¬'), (0xbb, '|'), (0xc0, 'æ'), (0xd0, 'å'), (0xdc, '~')]),
    (278, &[(0x43, '{'), (0x47, '}'), (0x4a, '§'), (0x4f, '!'), (0x51, '`'), (0x5a, '¤'), (0x5b, 'Å'), (0x5f, '^'), (0x63, '#'), (0x67, '$'), (0x6a, 'ö'), (0x71, '\\'), (0x79, 'é'), (0x7b, 'Ä'), (0x7c, 'Ö'), (0x9f, ']'), (0xa1, 'ü'), (0xb0, '¢'), (0xb5, '['), (0xba, '¬'), (0xbb, '|'), (0xc0, 'ä'), (0xcc, '¦'), (0xd0, 'å'), (0xdc, '~'), (0xe0, 'É'), (0xec, '@')]),
    (280, &[(0x44, '{'), (0x48, '\\'), (0x4a, '°'), (0x4f, '!'), (0x51, ']'), (0x54, '}'), (0x58, '~'), (0x5a, 'é'), (0x5f, '^'), (0x6a, 'ò'), (0x79, 'ù'), (0x7b, '£'), (0x7c, '§'), (0x90, '['), (0xa1, 'ì'), (0xb0, '¢'), (0xb1, '#'), (0xb5, '@'), (0xba, '¬'), (0xbb, '|'), (0xc0, 'à'), (0xcd, '¦'), (0xd0, 'è'), (0xdd, '`'), (0xe0, 'ç')]),
    (284, &[(0x49, '¦'), (0x4a, '['), (0x5a, ']'), (0x69, '#'), (0x6a, 'ñ'), (0x7b, 'Ñ'), (0xa1, '¨'), (0xb0, '¢'), (0xba, '^'), (0xbb, '!'), (0xbd, '~')]),
    (285, &[(0x4a, '$'), (0x5b, '£'), (0xa1, '¯'), (0xb0, '¢'), (0xb1, '['), (0xba, '^'), (0xbc, '~')]),
    (297, &[(0x44, '@'), (0x48, '\\'), (0x4a, '°'), (0x4f, '!'), (0x51, '{'), (0x54, '}'), (0x5a, '§'), (0x5f, '^'), (0x6a, 'ù'), (0x79, 'µ'), (0x7b, '£'), (0x7c, 'à'), (0x90, '['), (0xa0, '`'), (0xa1, '¨'), (0xb0, '¢'), (0xb1, '#'), (0xb5, ']'), (0xba, '¬'), (0xbb, '|'), (0xbd, '~'), (0xc0, 'é'), (0xd0, 'è'), (0xdd, '¦'), (0xe0, 'ç')]),
    (500, &[(0x4a, '['), (0x4f, '!'), (0x5a, ']'), (0x5f, '^'), (0xb0, '¢'), (0xba, '¬'), (0xbb, '|')]),
    (871, &[(0x4a, 'Þ'), (0x4f, '!'), (0x5a, 'Æ'), (0x5f, 'Ö'), (0x79, 'ð'), (0x7c, 'Ð'), (0x8c, '`'), (0x8e, '{'), (0x9c, '}'), (0x9e, ']'), (0xa1, 'ö'), (0xac, '@'), (0xae, '['), (0xb0, '¢'), (0xba, '¬'), (0xbb, '|'), (0xbe, '\\'), (0xc0, 'þ'), (0xcc, '~'), (0xd0, 'æ'), (0xe0, '´'), (0xec, '^')]),
    (1026, &[(0x48, '{'), (0x4a, 'Ç'), (0x4f, '!'), (0x5a, 'Ğ'), (0x5b, 'İ'), (0x5f, '^'), (0x68, '['), (0x6a, 'ş'), (0x79, 'ı'), (0x7b, 'Ö'), (0x7c, 'Ş'), (0x7f, 'Ü'), (0x8c, '}'), (0x8d, '`'), (0x8e, '¦'), (0xa1, 'ö'), (0xac, ']'), (0xad, '$'), (0xae, '@'), (0xb0, '¢'), (0xba, '¬'), (0xbb, '|'), (0xc0, 'ç'), (0xcc, '~'), (0xd0, 'ğ'), (0xdc, '\\'), (0xe0, 'ü'), (0xec, '#'), (0xfc, '"')]),
    (1047, &[(0x5f, '^'), (0xad, '['), (0xb0, '¬'), (0xba, 'Ý'), (0xbb, '¨'), (0xbd, ']')]),
];

/// Pages that differ from an older one in the euro sign only, which replaces the sign of any
/// currency.
const EURO_PAGES: [(u16, u16); 10] = [
    (1140, 37),
    (1141, 273),
    (1142, 277),
    (1143, 278),
    (1144, 280),
    (1145, 284),
    (1146, 285),
    (1147, 297),
    (1148, 500),
    (1149, 871),
];

/// Pages of other scripts, and some of several octets a letter.
const OTHER_PAGES: [u16; 32] = [
    256, 290, 300, 420, 423, 424, 833, 834, 835, 836, 837, 838, 870, 875, 880, 905, 918, 924, 930,
    931, 933, 935, 937, 939, 1025, 1112, 1122, 1123, 1364, 1388, 1390, 1399,
];

/// A code page that was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page(u16);

impl Page {
    /// The page of a label: `IBM037`, `cp500`, `ibm-1047`, `IBM01140`, `ebcdic-cp-us`.
    pub(super) fn of_label(label: &str) -> Option<Page> {
        let label = label.trim().to_ascii_lowercase().replace('_', "-");
        let is_known = |number: u16| {
            PAGES.iter().any(|(page, _)| *page == number)
                || EURO_PAGES.iter().any(|(page, _)| *page == number)
                || OTHER_PAGES.contains(&number)
        };
        if let Some(number) = named(&label) {
            return Some(Page(number));
        }
        let prefixes = ["x-ibm", "x-cp", "csibm", "ibm", "ccsid", "cp", "windows", "ebcdic-cp"];
        let bare = prefixes.iter().find_map(|prefix| label.strip_prefix(prefix)).unwrap_or(&label);
        let bare = bare.trim_start_matches('-');
        let digits = bare.strip_suffix("-euro").or_else(|| bare.strip_suffix("+euro"));
        let digits = digits.or_else(|| bare.strip_suffix("-ebcdic")).unwrap_or(bare);
        let is_number =
            (2..=5).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
        let number = digits.parse().ok().filter(|number| is_number && is_known(*number));
        match number {
            Some(number) => Some(Page(number)),
            None => label.contains("ebcdic").then_some(Page(0)),
        }
    }

    /// Whether every letter of the page is known.
    pub(super) fn is_whole(self) -> bool {
        !OTHER_PAGES.contains(&self.0) && self.0 != 0
    }

    /// The text that octets are in this page.
    pub(super) fn decode(self, octets: &[u8]) -> String {
        let euro = EURO_PAGES.iter().find(|(page, _)| *page == self.0);
        let number = euro.map_or(self.0, |(_, older)| *older);
        let mut letters = LATIN.map(char::from);
        let changes = PAGES.iter().find(|(page, _)| *page == number);
        for (octet, letter) in changes.map_or(&[][..], |(_, changes)| changes) {
            if let Some(place) = letters.get_mut(usize::from(*octet)) {
                *place = *letter;
            }
        }
        let letter = |octet: &u8| match letters.get(usize::from(*octet)).copied() {
            Some('\u{a4}') if euro.is_some() => '\u{20ac}',
            // The new line of these machines.
            Some('\u{85}') => '\n',
            Some(letter) => letter,
            None => char::REPLACEMENT_CHARACTER,
        };
        octets.iter().map(letter).collect()
    }
}

/// Pages by the names of RFC 1345 and of Windows.
fn named(label: &str) -> Option<u16> {
    #[rustfmt::skip]
    const NAMES: &[(&str, u16)] = &[
        ("ebcdic-cp-us", 37), ("ebcdic-cp-ca", 37), ("ebcdic-cp-wt", 37), ("ebcdic-cp-nl", 37),
        ("ebcdic-us-37+euro", 1140), ("x-ebcdic-us-ca-euro", 1140),
        ("ebcdic-cp-dk", 277), ("ebcdic-cp-no", 277), ("x-ebcdic-denmarknorway", 277),
        ("ebcdic-cp-fi", 278), ("ebcdic-cp-se", 278), ("x-ebcdic-finlandsweden", 278),
        ("ebcdic-cp-it", 280), ("x-ebcdic-italy", 280),
        ("ebcdic-cp-es", 284), ("x-ebcdic-spain", 284),
        ("ebcdic-cp-gb", 285), ("x-ebcdic-uk", 285),
        ("ebcdic-cp-fr", 297), ("x-ebcdic-france", 297),
        ("ebcdic-de-273+euro", 1141), ("x-ebcdic-germany", 273), ("x-ebcdic-germany-euro", 1141),
        ("x-ebcdic-denmarknorway-euro", 1142), ("x-ebcdic-finlandsweden-euro", 1143),
        ("x-ebcdic-italy-euro", 1144), ("x-ebcdic-spain-euro", 1145), ("x-ebcdic-uk-euro", 1146),
        ("x-ebcdic-france-euro", 1147), ("x-ebcdic-international-euro", 1148),
        ("x-ebcdic-icelandic-euro", 1149), ("x-ebcdic-icelandic", 871), ("ebcdic-cp-is", 871),
        ("ebcdic-cp-be", 500), ("ebcdic-cp-ch", 500), ("ebcdic-latin9--euro", 924),
        ("ibm-latin-1", 1047), ("open-systems-latin-1", 1047), ("ibm-thai", 838),
    ];
    NAMES.iter().find(|(name, _)| *name == label).map(|(_, page)| *page)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn labels_name_pages() {
        let table = [
            ("IBM037", Some(37)),
            ("cp037", Some(37)),
            ("037", Some(37)),
            ("csIBM037", Some(37)),
            ("ibm-37", Some(37)),
            ("EBCDIC-CP-US", Some(37)),
            ("IBM500", Some(500)),
            ("x-cp500", Some(500)),
            ("IBM1047", Some(1047)),
            ("IBM01047", Some(1047)),
            ("IBM01140", Some(1140)),
            ("CCSID01140", Some(1140)),
            ("cp1140", Some(1140)),
            ("ibm-37-euro", Some(37)),
            ("cp1026", Some(1026)),
            ("IBM424", Some(424)),
            ("x-EBCDIC-KoreanExtended", Some(0)),
            ("IBM437", None),
            ("cp850", None),
            ("cp1252", None),
            ("windows-1252", None),
            ("utf-8", None),
            ("", None),
            ("ibm", None),
            ("ibm999999999999", None),
        ];
        for (label, page) in table {
            assert_eq!(Page::of_label(label), page.map(Page), "{label}");
        }
        assert!(Page(37).is_whole() && Page(1140).is_whole() && !Page(424).is_whole());
    }

    #[test]
    fn letters_are_read() {
        let hello = b"\xc8\x85\x93\x93\x96\x6b\x40\xa6\x96\x99\x93\x84\x5a\x25";
        assert_eq!(Page(37).decode(hello), "Hello, world!\n");
        assert_eq!(Page(424).decode(hello), "Hello, world!\n");
        assert_eq!(Page(1140).decode(b"\x9f\x15"), "\u{20ac}\n");
        assert_eq!(Page(500).decode(b"\x4a\x5a"), "[]");
        assert_eq!(Page(1047).decode(b"\xad\xbd"), "[]");
        assert_eq!(Page(273).decode(b"\xc0\x6a\xd0"), "\u{e4}\u{f6}\u{fc}");
    }

    /// Every octet of every page that Python knows is what Python says.
    #[test]
    fn pages_are_those_of_python() {
        let script = "import sys\nfor name in sys.argv[1:]:\n print(name, *(ord(letter) for letter in bytes(range(256)).decode(name)))";
        let pages = ["cp037", "cp273", "cp500", "cp1026", "cp1140"];
        let output = Command::new("python3").arg("-c").arg(script).args(pages).output();
        let Some(output) = output.ok().filter(|output| output.status.success()) else {
            println!("skipped: no python3");
            return;
        };
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), pages.len());
        let octets: Vec<u8> = (0..=255).collect();
        for line in text.lines() {
            let (name, letters) = line.split_once(' ').unwrap();
            let letter = |number: &str| char::from_u32(number.parse().unwrap()).unwrap();
            let expected: String = letters.split(' ').map(letter).collect();
            let decoded = Page::of_label(name).unwrap().decode(&octets);
            assert_eq!(decoded, expected.replace('\u{85}', "\n"), "{name}");
        }
    }
}
