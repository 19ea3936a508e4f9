//! Natures that are told by octets at fixed places.
//!
//! In: the octets of a file. Out: every nature whose signature they bear; several where a file
//! is made to be read in several ways. Signatures as their formats' descriptions give them.
//! Looks at fixed places only.

use super::Nature;
use crate::message::fixed::{be32, find, le16, le32, place, rest, slice};

/// The first of sixteen.
const SKIPPABLE_MARK: u32 = 0x184d_2a50;

/// Frames that are skipped to see what comes behind them.
const SKIPPED_FRAMES: usize = 64;

/// Place, octets, nature.
type Signature = (usize, &'static [u8], Nature);

#[rustfmt::skip]
const SIGNATURES: &[Signature] = &[
    // Binary data may lie in it, so it is no text to others.
    (0, b"{\\rt", Nature::Rtf),
    (0, b"PK\x03\x04", Nature::Zip),
    (0, b"PK\x05\x06", Nature::Zip),
    // A volume of several, or one that was meant to be (APPNOTE 8.5.3, 8.5.4).
    (0, b"PK\x07\x08PK", Nature::Zip),
    (0, b"PK00PK\x03\x04", Nature::Zip),
    (0, b"Cr24", Nature::BrowserExtension),
    (0, b"\x1f\x8b", Nature::Gzip),
    (0, b"\xfd7zXZ\x00", Nature::Xz),
    (0, b"LZIP\x01", Nature::Lzip),
    (0, b"\x28\xb5\x2f\xfd", Nature::Zstd),
    (0, b"\x04\x22\x4d\x18", Nature::Lz4),
    (0, b"\x02\x21\x4c\x18", Nature::Lz4),
    (0, b"\xce\xb2\xcf\x81", Nature::Brotli),
    (0, b"\x1f\x9d", Nature::Compress),
    (0, b"\x1f\xa0", Nature::Compress),
    (257, b"ustar", Nature::Tar),
    (0, b"\xc7\x71", Nature::Cpio),
    (0, b"\x71\xc7", Nature::Cpio),
    (0, b"070701", Nature::Cpio),
    (0, b"070702", Nature::Cpio),
    (0, b"070707", Nature::Cpio),
    (0, b"\xed\xab\xee\xdb", Nature::Rpm),
    (0, b"7z\xbc\xaf\x27\x1c", Nature::SevenZip),
    (0, b"Rar!\x1a\x07\x00", Nature::Rar),
    (0, b"Rar!\x1a\x07\x01\x00", Nature::Rar),
    (0, b"RE~^", Nature::Rar),
    (0, b"MSCF\0\0\0\0", Nature::Cab),
    (0, b"ISc(", Nature::Cab),
    (0, b"\x60\xea", Nature::Arj),
    (7, b"**ACE**", Nature::Ace),
    (20, b"\xdc\xa7\xc4\xfd", Nature::Zoo),
    (0, b"ALZ\x01", Nature::Alz),
    (0, b"EGGA", Nature::Alz),
    (0, b"StuffIt", Nature::StuffIt),
    (0, b"SIT!", Nature::StuffIt),
    (0, b"xar!", Nature::Xar),
    (0, b"MSWIM\0\0\0", Nature::Wim),
    (0, b"WLPWM\0\0\0", Nature::Wim),
    // ECMA-119 section 8.1, in any of the first three descriptors, and in raw sectors.
    (0x8001, b"CD001", Nature::Iso),
    (0x8801, b"CD001", Nature::Iso),
    (0x9001, b"CD001", Nature::Iso),
    (0x9311, b"CD001", Nature::Iso),
    (0x9319, b"CD001", Nature::Iso),
    (0, b"conectix", Nature::Vhd),
    (0, b"vhdxfile", Nature::Vhdx),
    (0, b"KDMV", Nature::Vmdk),
    (0, b"COWD", Nature::Vmdk),
    (0, b"# Disk DescriptorFile", Nature::Vmdk),
    (0, b"QFI\xfb", Nature::Qcow),
    (0x40, b"\x7f\x10\xda\xbe", Nature::RawDisk),
    (0, b"encrcdsa", Nature::Dmg),
    (0, b"hsqs", Nature::RawDisk),
    (3, b"NTFS    ", Nature::RawDisk),
    (3, b"EXFAT   ", Nature::RawDisk),
    (0x400, b"H+\x00\x04", Nature::RawDisk),
    (0x400, b"HX\x00\x05", Nature::RawDisk),
    (512, b"EFI PART", Nature::RawDisk),
    (0, b"\x7fELF", Nature::ElfProgram),
    (0, b"\xfe\xed\xfa\xce", Nature::MachProgram),
    (0, b"\xfe\xed\xfa\xcf", Nature::MachProgram),
    (0, b"\xce\xfa\xed\xfe", Nature::MachProgram),
    (0, b"\xcf\xfa\xed\xfe", Nature::MachProgram),
    (0, b"dex\n0", Nature::Dex),
    (0, b"dey\n0", Nature::Dex),
    (0, b"cdex0", Nature::Dex),
    (0, b"\0asm", Nature::WebAssembly),
    (0, b"\x1bLua", Nature::LuaByteCode),
    (0, b"\x1bLJ", Nature::LuaByteCode),
    (0, b"\xa3\x48\x4b\xbe\x98\x6c\x4a\xa9\x99\x4c\x53\x0a\x86\xd6\x48\x7d", Nature::AutoIt),
    (0, b"FasdUAS", Nature::AppleScript),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Nature::Compound),
    (0, b"\x0e\x11\xfc\x0d\xd0\xcf\x11\x0e", Nature::Compound),
    // MS-ONESTORE section 2.3.1, and its package of sections' table of contents.
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", Nature::OneNote),
    (0, b"\xa1\x2f\xff\x43\xd9\xef\x76\x4c\x9e\xe2\x10\xea\x57\x22\x76\x5f", Nature::OneNote),
    (4, b"Standard Jet DB", Nature::Access),
    (4, b"Standard ACE DB", Nature::Access),
    (0, b"ITSF\x03\0\0\0", Nature::Help),
    (0, b"ITOLITLS", Nature::Help),
    (0, b"\x3f\x5f\x03\0", Nature::Help),
    // MS-OXTNEF section 2.1.1.
    (0, b"\x78\x9f\x3e\x22", Nature::Tnef),
    (0, b"!BDN", Nature::OutlookStore),
    (0, b"#@~^", Nature::VisualBasic),
    // MS-SHLLINK section 2.1.
    (0, b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", Nature::Shortcut),
    // A program information file, which starts the program that it names.
    (0x171, b"MICROSOFT PIFEX\0", Nature::DosProgram),
    // ISO 32000-1 section 12.7.7: form data, with the syntax of a PDF.
    (0, b"%FDF-", Nature::Pdf),
    (0, b"\xff\xd8\xff", Nature::Jpeg),
    (0, b"\x89PNG\r\n\x1a\n", Nature::Png),
    (0, b"GIF87a", Nature::Gif),
    (0, b"GIF89a", Nature::Gif),
    (0, b"II*\0", Nature::Tiff),
    (0, b"MM\0*", Nature::Tiff),
    (0, b"II+\0", Nature::Tiff),
    (0, b"MM\0+", Nature::Tiff),
    (0, b"\xd7\xcd\xc6\x9a", Nature::Wmf),
    (0, b"\x01\0\x09\0\0\x03", Nature::Wmf),
    (0, b"8BPS", Nature::Psd),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", Nature::Jpeg2000),
    (0, b"\xff\x4f\xff\x51", Nature::Jpeg2000),
    (128, b"DICM", Nature::Dicom),
    (0, b"AC10", Nature::Cad),
    (0, b"AutoCAD Binary DXF", Nature::Cad),
    (0, b"ID3", Nature::Mp3),
    (0, b"OggS", Nature::Ogg),
    (0, b"fLaC", Nature::Flac),
    (0, b"MThd\0\0\0\x06", Nature::Midi),
    (0, b"#!AMR", Nature::Amr),
    (0, b"\x1a\x45\xdf\xa3", Nature::Matroska),
    (0, b"\0\0\x01\xba", Nature::Mpeg),
    (0, b"\0\0\x01\xb3", Nature::Mpeg),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c", Nature::Asf),
    (0, b"FLV\x01", Nature::FlashVideo),
    (0, b"\0\x01\0\0\0", Nature::Font),
    (0, b"OTTO", Nature::Font),
    (0, b"ttcf", Nature::Font),
    (0, b"wOFF", Nature::Font),
    (0, b"wOF2", Nature::Font),
    (34, b"LP\0\0", Nature::Font),
    (0, b"SQLite format 3\0", Nature::Sqlite),
    (0, b"\xd4\xc3\xb2\xa1", Nature::Pcap),
    (0, b"\xa1\xb2\xc3\xd4", Nature::Pcap),
    (0, b"\x4d\x3c\xb2\xa1", Nature::Pcap),
    (0, b"\xa1\xb2\x3c\x4d", Nature::Pcap),
    (0, b"\x0a\x0d\x0d\x0a", Nature::Pcap),
    (0, b"d8:announce", Nature::Torrent),
    (0, b"d13:announce-list", Nature::Torrent),
    (0, b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5", Nature::PasswordStore),
    (0, b"\x03\xd9\xa2\x9a\x65\xfb\x4b\xb5", Nature::PasswordStore),
    (0, b"\x03\xd9\xa2\x9a\x66\xfb\x4b\xb5", Nature::PasswordStore),
    (0, b"\xfe\xed\xfe\xed\0\0\0", Nature::KeyStore),
    (0, b"\xce\xce\xce\xce\0\0\0", Nature::KeyStore),
    (0, b"\xc5\xd0\xd3\xc6", Nature::PostScript),
];

/// ISO 32000-1 annex H.3, implementation note 13: junk before the header is read over.
const PDF_JUNK_OCTETS: usize = 1_024;

/// Every nature whose signature the octets bear.
pub(super) fn all(octets: &[u8], found: &mut Vec<Nature>) {
    let bears = |(at, signature, _): &&Signature| rest(octets, *at).starts_with(signature);
    found.extend(SIGNATURES.iter().filter(bears).map(|(_, _, nature)| *nature));
    if find(slice(octets, 0, PDF_JUNK_OCTETS + 5), b"%PDF-").is_some()
        || find(slice(octets, 0, PDF_JUNK_OCTETS), b"%!PS-Adobe-3.0 PDF-").is_some()
    {
        found.push(Nature::Pdf);
    }
    found.extend(behind_skippable(octets));
    // UDF (ECMA-167 part 2, section 9.1) stands in the volume recognition sequence.
    let sequence = slice(octets, 0x8000, 16 * 2_048);
    let descriptor = |chunk: &[u8]| matches!(slice(chunk, 1, 5), b"NSR02" | b"NSR03");
    if sequence.chunks(2_048).any(descriptor) {
        found.push(Nature::Udf);
    }
    found.extend(
        [dos_or_windows, cafe_babe, swf, riff, boxed].iter().filter_map(|test| test(octets)),
    );
    found.extend([bzip2, lha, disk, tail, python].iter().filter_map(|test| test(octets)));
    found.extend([picture, ar, lzma, der, pgp_packet].iter().filter_map(|test| test(octets)));
    found.extend([tar_without_magic, plist, sound, arc].iter().filter_map(|test| test(octets)));
}

/// RFC 8878 section 3.1.2: frames to be skipped may come first; lz4 has the same ones.
fn behind_skippable(octets: &[u8]) -> Option<Nature> {
    let mut at = 0_usize;
    for _ in 0..SKIPPED_FRAMES {
        if le32(octets, at).is_none_or(|mark| mark & !15 != SKIPPABLE_MARK) {
            break;
        }
        let length = le32(octets, at.saturating_add(4))?;
        at = at.saturating_add(8).saturating_add(usize::try_from(length).ok()?);
    }
    let is_lz4 = [&b"\x04\x22\x4d\x18"[..], b"\x02\x21\x4c\x18"]
        .iter()
        .any(|mark| rest(octets, at).starts_with(mark));
    (at > 0).then_some(if is_lz4 { Nature::Lz4 } else { Nature::Zstd })
}

fn dos_or_windows(octets: &[u8]) -> Option<Nature> {
    if !octets.starts_with(b"MZ") && !octets.starts_with(b"ZM") {
        return None;
    }
    let header_at = le32(octets, 0x3c).map(place);
    if let Some(at) = header_at {
        match slice(octets, at, 4) {
            b"PE\0\0" => return Some(Nature::WindowsProgram),
            [b'N' | b'L', b'E' | b'X', ..] => return Some(Nature::WindowsProgram),
            _ => {}
        }
    }
    // Text that begins with these letters is none: its "numbers" are printable octets.
    let is_text = slice(octets, 2, 62).iter().all(|octet| matches!(octet, 9..=13 | 32..=126));
    (!is_text && octets.len() >= 28).then_some(Nature::DosProgram)
}

/// A fat Mach-O counts its architectures where a class has its version, at least 45.
fn cafe_babe(octets: &[u8]) -> Option<Nature> {
    let kind = be32(octets, 0)?;
    let number = be32(octets, 4)?;
    match kind {
        0xcafe_babe if number & 0xffff >= 43 => Some(Nature::JavaClass),
        0xcafe_babe | 0xcafe_babf | 0xbeba_feca | 0xbfba_feca => Some(Nature::MachProgram),
        0xcafe_d00d => Some(Nature::JavaClass),
        _ => None,
    }
}

fn swf(octets: &[u8]) -> Option<Nature> {
    match octets {
        [b'F' | b'C' | b'Z', b'W', b'S', 1..=60, ..] => Some(Nature::Flash),
        _ => None,
    }
}

fn riff(octets: &[u8]) -> Option<Nature> {
    match (slice(octets, 0, 4), slice(octets, 8, 4)) {
        (b"RIFF" | b"RIFX" | b"RF64", b"WAVE") => Some(Nature::Wave),
        (b"RIFF", b"AVI ") => Some(Nature::Avi),
        (b"RIFF", b"WEBP") => Some(Nature::WebP),
        (b"RIFF", b"ACON") => Some(Nature::Ico),
        (b"FORM", b"AIFF" | b"AIFC") => Some(Nature::Wave),
        _ => None,
    }
}

/// ISO/IEC 14496-12 section 4.3: the brand tells films from pictures.
fn boxed(octets: &[u8]) -> Option<Nature> {
    match slice(octets, 4, 4) {
        b"ftyp" => Some(match slice(octets, 8, 4) {
            b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1" | b"avif" | b"avis" | b"heim" => {
                Nature::Heif
            }
            b"M4A " | b"M4B " | b"F4A " => Nature::Aac,
            b"jp2 " | b"jpx " => Nature::Jpeg2000,
            _ => Nature::Mp4,
        }),
        b"moov" | b"mdat" | b"wide" | b"free" if be32(octets, 0)? >= 8 => {
            find(slice(octets, 0, 4_096), b"moov").map(|_| Nature::Mp4)
        }
        _ => None,
    }
}

fn bzip2(octets: &[u8]) -> Option<Nature> {
    let is_block = matches!(slice(octets, 4, 6), b"1AY&SY" | b"\x17\x72\x45\x38\x50\x90");
    match octets {
        [b'B', b'Z', b'h', b'1'..=b'9', ..] if is_block || octets.len() < 10 => Some(Nature::Bzip2),
        _ => None,
    }
}

fn lha(octets: &[u8]) -> Option<Nature> {
    match slice(octets, 2, 5) {
        [b'-', b'l', b'h' | b'z', b'0'..=b'9' | b'd' | b's' | b'x', b'-'] => Some(Nature::Lha),
        [b'-', b'p', b'm', b'0'..=b'9' | b's', b'-'] => Some(Nature::Lha),
        _ => None,
    }
}

/// A boot sector of a FAT disk, a table of partitions, or an ext file system.
fn disk(octets: &[u8]) -> Option<Nature> {
    if slice(octets, 0x438, 2) == b"\x53\xef" && le32(octets, 0x418)? <= 6 && octets.len() > 2_048 {
        return Some(Nature::RawDisk);
    }
    if slice(octets, 510, 2) != b"\x55\xaa" {
        return None;
    }
    let sector = le16(octets, 11)?;
    let is_jump = matches!(octets, [0xeb, _, 0x90, ..] | [0xe9, ..]);
    let fats = octets.get(16).copied()?;
    let is_fat = is_jump && matches!(sector, 512 | 1_024 | 2_048 | 4_096) && matches!(fats, 1 | 2);
    let partition = |entry: &[u8]| {
        let status = matches!(entry.first(), Some(0 | 0x80));
        status && entry.get(4).is_some_and(|kind| *kind != 0) && le32(entry, 12) > Some(0)
    };
    let is_table = slice(octets, 446, 64).chunks(16).any(partition);
    (is_fat || is_table).then_some(Nature::RawDisk)
}

/// Formats whose signature stands in their last sector.
fn tail(octets: &[u8]) -> Option<Nature> {
    let at = octets.len().checked_sub(512)?;
    let last = rest(octets, at);
    match () {
        () if last.starts_with(b"koly\0\0\0\x04") => Some(Nature::Dmg),
        () if last.starts_with(b"conectix") => Some(Nature::Vhd),
        // Older disks end one octet earlier.
        () if rest(octets, at + 1).starts_with(b"conectix") => Some(Nature::Vhd),
        () => None,
    }
}

/// A version and CR LF; then flags, which are small numbers.
fn python(octets: &[u8]) -> Option<Nature> {
    let version = le16(octets, 0)?;
    let known = matches!(version, 3_000..=3_700 | 20_117..=20_121 | 50_428 | 50_823 | 60_202 | 60_717 | 62_011..=62_220);
    let is_code = slice(octets, 2, 2) == b"\r\n" && known && octets.len() >= 16;
    is_code.then_some(Nature::PythonByteCode)
}

fn picture(octets: &[u8]) -> Option<Nature> {
    let is_icon = |octets: &[u8]| {
        matches!(octets, [0, 0, 1 | 2, 0, 1..=255, 0, ..])
            && octets.len() > 22
            && octets.get(9) == Some(&0)
            && le32(octets, 18).is_some_and(|at| place(at) < octets.len())
    };
    match octets {
        [b'B', b'M', ..]
            if matches!(le32(octets, 14), Some(12 | 40 | 52 | 56 | 64 | 108 | 124))
                && slice(octets, 6, 4) == [0; 4] =>
        {
            Some(Nature::Bmp)
        }
        _ if is_icon(octets) => Some(Nature::Ico),
        [1, 0, 0, 0, ..] if slice(octets, 40, 4) == b" EMF" => Some(Nature::Wmf),
        _ => None,
    }
}

fn ar(octets: &[u8]) -> Option<Nature> {
    if !octets.starts_with(b"!<arch>\n") && !octets.starts_with(b"!<thin>\n") {
        return None;
    }
    Some(match slice(octets, 8, 13) == b"debian-binary" {
        true => Nature::Deb,
        false => Nature::UnixArchive,
    })
}

/// LZMA has no signature, but its properties, dictionary and size are seldom arbitrary.
fn lzma(octets: &[u8]) -> Option<Nature> {
    let dictionary = le32(octets, 1)?;
    let usual = dictionary.is_power_of_two() || (dictionary / 3).is_power_of_two();
    let size = crate::message::fixed::le64(octets, 5)?;
    let is_lzma = octets.first() == Some(&0x5d)
        && usual
        && dictionary >= 1 << 12
        && (size == u64::MAX || size < 1 << 38)
        && octets.get(13) == Some(&0);
    is_lzma.then_some(Nature::Lzma)
}

/// DER (X.690): certificates, CMS and PKCS #12 are told apart by their first elements.
fn der(octets: &[u8]) -> Option<Nature> {
    const PKCS7: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";
    const PKCS9_SMIME: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01";
    let head = match octets {
        [0x30, 0x80, inner @ ..] => inner,
        [0x30, 0x81, _, inner @ ..] => inner,
        [0x30, 0x82, _, _, inner @ ..] => inner,
        [0x30, 0x83, _, _, _, inner @ ..] => inner,
        [0x30, 0x84, _, _, _, _, inner @ ..] => inner,
        [0x30, length, inner @ ..] if *length >= 11 && *length < 0x80 => inner,
        _ => return None,
    };
    if head.starts_with(PKCS7) || head.starts_with(PKCS9_SMIME) {
        return Some(Nature::Cms);
    }
    if head.starts_with(b"\x02\x01\x03\x30") && find(slice(head, 0, 64), PKCS7).is_some() {
        return Some(Nature::KeyStore);
    }
    // tbsCertificate with its explicit version, or a certificate request or list.
    let body = match head {
        [0x30, 0x82, _, _, body @ ..] | [0x30, 0x81, _, body @ ..] => body,
        _ => return None,
    };
    let is_certificate = body.starts_with(b"\xa0\x03\x02\x01") || body.starts_with(b"\x02\x01");
    is_certificate.then_some(Nature::Certificate)
}

/// RFC 9580 section 4.2: binary packets whose tag and version are known.
fn pgp_packet(octets: &[u8]) -> Option<Nature> {
    let first = *octets.first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let (tag, body) = match first & 0x40 {
        0 => {
            let length_octets = match first & 3 {
                0 => 1,
                1 => 2,
                2 => 4,
                _ => return None,
            };
            (first >> 2 & 15, rest(octets, 1 + length_octets))
        }
        _ => {
            let length_octets = match octets.get(1)? {
                0..=191 => 1,
                192..=223 => 2,
                255 => 5,
                _ => 1,
            };
            (first & 63, rest(octets, 1 + length_octets))
        }
    };
    match (tag, body) {
        // The octets behind the version are an algorithm or type, which are small numbers.
        (1, [3, _, _, _, _, _, _, _, _, 1..=27, ..]) | (1, [6, 0..=33, ..]) => {
            Some(Nature::PgpMessage)
        }
        (3, [4..=6, 1..=13, 0..=4, ..]) => Some(Nature::PgpMessage),
        (5 | 6, [4, _, _, _, _, 1..=27, ..]) | (5 | 6, [6, _, _, _, _, 1..=28, ..]) => {
            Some(Nature::PgpKey)
        }
        (2, [4 | 6, 0..=31, 1..=28, 1..=14, ..]) => Some(Nature::PgpSignature),
        (2, [3, 5, 0..=1, ..]) => Some(Nature::PgpSignature),
        _ => None,
    }
}

/// The tar of Unix version 7 has no magic; its checksum of octal digits is one.
fn tar_without_magic(octets: &[u8]) -> Option<Nature> {
    let head = octets.get(..512)?;
    if head.first() == Some(&0) || slice(head, 257, 5) == b"ustar" {
        return None;
    }
    let digits = |field: &[u8]| {
        let text = std::str::from_utf8(field).ok()?;
        u64::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()
    };
    let claimed = digits(slice(head, 148, 8))?;
    digits(slice(head, 124, 12))?;
    let sum: u64 = head
        .iter()
        .enumerate()
        .map(|(at, octet)| if (148..156).contains(&at) { 32 } else { u64::from(*octet) })
        .sum();
    (sum == claimed).then_some(Nature::Tar)
}

fn plist(octets: &[u8]) -> Option<Nature> {
    // A binary property list with one key, URL: what Safari makes of a dragged link.
    let head = slice(octets, 0, 64);
    if !head.starts_with(b"bplist0") {
        return None;
    }
    const SETTINGS_OCTETS: usize = 64 << 10;
    let runs = find(slice(octets, 0, SETTINGS_OCTETS), b"CommandString").is_some();
    match runs {
        true => Some(Nature::TerminalSettings),
        false => find(head, b"SURL").map(|_| Nature::Webloc),
    }
}

/// Frames of MPEG sound begin with eleven ones; two in a row of a table's bit rates are no
/// accident.
fn sound(octets: &[u8]) -> Option<Nature> {
    match octets {
        [0xff, 0xf0 | 0xf1 | 0xf8 | 0xf9, ..] => Some(Nature::Aac),
        [0xff, 0xf2 | 0xf3 | 0xfa | 0xfb | 0xe3, rate, ..]
            if rate >> 4 != 15 && rate >> 4 != 0 && rate >> 2 & 3 != 3 =>
        {
            Some(Nature::Mp3)
        }
        _ => None,
    }
}

/// A method and a file name of DOS, closed by NUL; nothing else is known of ARC.
fn arc(octets: &[u8]) -> Option<Nature> {
    let [0x1a, 1..=9, name @ ..] = octets else { return None };
    let name = slice(name, 0, 13);
    let end = name.iter().position(|octet| *octet == 0)?;
    let legal = |octet: &u8| octet.is_ascii_alphanumeric() || b"._-$~!#%&'()@^`{}".contains(octet);
    let is_name = end > 0 && name.get(..end)?.iter().all(legal);
    let size = le32(octets, 15)?;
    (is_name && place(size) <= octets.len()).then_some(Nature::Arc)
}
