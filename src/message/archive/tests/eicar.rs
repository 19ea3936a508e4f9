//! The test file of virus scanners, hidden in archives in every way that is known: found by
//! the walk, or the message is not clean. The table grows.

use super::build::{
    Entry, bzip2, checksummed, compress, deflate, end_record, gzip, lz4, lzip, lzma_alone, pax,
    ppmd, tar_header, tar_member, tar_of, walk_file, xz, zip_lzma, zip_of, zip_with, zstd,
};
use crate::message::tests::hidden::eicar;

const INNOCENT: &[u8] = b"Nothing to see here, move along to the next of the members of this file.";

fn named(name: &str) -> Entry {
    Entry::deflated(name, &eicar())
}

fn changed(mut entry: Entry, change: impl FnOnce(&mut Entry)) -> Entry {
    change(&mut entry);
    entry
}

/// An extra field.
fn extra(kind: u16, octets: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(octets.len() as u16).to_le_bytes(), octets].concat()
}

fn gzip_named(name: &[u8]) -> Vec<u8> {
    let mut file = gzip(&eicar());
    file[3] |= 8;
    file.splice(10..10, [name, b"\0"].concat());
    file
}

/// How it was seen: in an item of its own (`Found`), found and remarked (`Both`), or only
/// remarked.
enum Seen {
    Found,
    Both(&'static str),
    Told(&'static str),
}

use Seen::{Both, Found, Told};

#[rustfmt::skip]
fn zip_rows() -> Vec<(&'static str, &'static str, Vec<u8>, Seen)> {
    let hidden = named("a.txt");
    let mismatch = "ARCHIVE_HEADER_MISMATCH";
    let sizes = |packed, unpacked| Some((packed, unpacked));
    vec![
        ("stored", "a.zip", zip_of(&[Entry::stored("a", &eicar())]), Found),
        ("deflated", "a.zip", zip_of(std::slice::from_ref(&hidden)), Found),
        ("deflate64", "a.zip", zip_of(&[Entry::packed("a", 9, &eicar(), deflate(&eicar()))]), Found),
        ("bzip2", "a.zip", zip_of(&[Entry::packed("a", 12, &eicar(), bzip2(&eicar()))]), Found),
        ("lzma", "a.zip", zip_of(&[Entry::packed("a", 14, &eicar(), zip_lzma(&eicar()))]), Found),
        ("xz", "a.zip", zip_of(&[Entry::packed("a", 95, &eicar(), xz(&eicar()))]), Found),
        ("zstd", "a.zip", zip_of(&[Entry::packed("a", 93, &eicar(), zstd(&eicar()))]), Found),
        ("old zstd", "a.zip", zip_of(&[Entry::packed("a", 20, &eicar(), zstd(&eicar()))]), Found),
        ("ppmd", "a.zip", zip_of(&[Entry::packed("a", 98, &eicar(), ppmd(&eicar()))]), Found),
        ("implode", "a.zip", zip_of(&[Entry::packed("a", 6, &eicar(), deflate(&eicar()))]), Told("ARCHIVE_UNSUPPORTED")),
        ("no such method", "a.zip", zip_of(&[Entry::packed("a", 777, &eicar(), deflate(&eicar()))]), Told("ARCHIVE_UNSUPPORTED")),
        ("data descriptor", "a.zip", zip_of(&[hidden.clone().streamed()]), Found),
        ("stored, data descriptor", "a.zip", zip_of(&[Entry::stored("a", &eicar()).streamed()]), Found),
        ("encrypted", "a.zip", zip_of(&[changed(hidden.clone(), |it| it.flags = 1)]), Told("ARCHIVE_ENCRYPTED")),
        ("AES", "a.zip", zip_of(&[changed(hidden.clone(), |it| (it.flags, it.method) = (1, 99))]), Told("ARCHIVE_ENCRYPTED")),
        ("encrypted by the directory only", "a.zip", zip_of(&[changed(hidden.clone(), |it| it.central_flags = Some(1))]), Both(mismatch)),
        ("encrypted by the local header only", "a.zip", zip_of(&[changed(hidden.clone(), |it| (it.flags, it.central_flags) = (1, Some(0)))]), Both(mismatch)),
        ("methods differ", "a.zip", zip_of(&[changed(hidden.clone(), |it| it.central_method = Some(0))]), Both(mismatch)),
        ("methods differ the other way", "a.zip", zip_of(&[changed(hidden.clone(), |it| (it.method, it.central_method) = (0, Some(8)))]), Both(mismatch)),
        ("names differ", "a.zip", zip_of(&[changed(hidden.clone(), |it| it.central_name = Some(b"b.exe".to_vec()))]), Both(mismatch)),
        ("directory says 0 octets, stored", "a.zip", zip_of(&[changed(Entry::stored("a", &eicar()), |it| it.central_sizes = sizes(0, 0))]), Both(mismatch)),
        ("local header says 0 octets, stored", "a.zip", zip_of(&[changed(Entry::stored("a", &eicar()), |it| it.local_sizes = sizes(0, 0))]), Both(mismatch)),
        ("directory says 3 octets", "a.zip", zip_of(&[changed(hidden.clone(), |it| it.central_sizes = sizes(3, 3))]), Both(mismatch)),
        ("both say 3 octets", "a.zip", zip_of(&[changed(hidden.clone(), |it| (it.local_sizes, it.central_sizes) = (sizes(3, 68), sizes(3, 68)))]), Both(mismatch)),
        ("both say 0 octets", "a.zip", zip_of(&[changed(hidden.clone(), |it| (it.local_sizes, it.central_sizes) = (sizes(0, 0), sizes(0, 0)))]), Both(mismatch)),
        ("both say 0 octets, open end, stored", "a.zip", zip_of(&[changed(Entry::stored("a", &eicar()).streamed(), |it| it.central_sizes = sizes(0, 0))]), Both(mismatch)),
        ("unpacked size too small", "a.zip", zip_of(&[changed(hidden.clone(), |it| (it.local_sizes, it.central_sizes) = (sizes(it.data.len() as u32, 2), sizes(it.data.len() as u32, 2)))]), Both(mismatch)),
        ("huge sizes", "a.zip", zip_of(&[changed(hidden.clone(), |it| (it.local_sizes, it.central_sizes) = (sizes(u32::MAX - 1, u32::MAX - 1), sizes(u32::MAX - 1, u32::MAX - 1)))]), Both("ARCHIVE_DAMAGED")),
        ("wrong checksum", "a.zip", zip_of(&[changed(hidden.clone(), |it| it.crc ^= 1)]), Both("ARCHIVE_CHECKSUM")),
        ("only a local header", "a.zip", zip_of(&[Entry::stored("b", INNOCENT), changed(hidden.clone(), |it| it.in_directory = false)]), Both(mismatch)),
        ("only in the directory", "a.zip", zip_of(&[changed(hidden.clone(), |it| (it.has_local, it.data) = (false, Vec::new()))]), Told("ARCHIVE_DAMAGED")),
        ("no directory", "a.zip", [hidden.local(), hidden.data.clone()].concat(), Both("ARCHIVE_DAMAGED")),
        ("no directory, open end", "a.zip", [hidden.clone().streamed().local(), hidden.data.clone()].concat(), Both("ARCHIVE_DAMAGED")),
        ("cut directory", "a.zip", { let mut file = zip_of(&[named("a"), named("b")]); file.truncate(file.len() - 40); file }, Both("ARCHIVE_DAMAGED")),
        ("cut data", "a.zip", [hidden.local(), hidden.data[..9].to_vec()].concat(), Told("ARCHIVE_DAMAGED")),
        ("zip in zip, stored", "a.zip", zip_of(&[Entry::stored("b.zip", &zip_of(std::slice::from_ref(&hidden)))]), Found),
        ("zip in zip, deflated", "a.zip", zip_of(&[Entry::deflated("b.zip", &zip_of(std::slice::from_ref(&hidden)))]), Found),
        ("zip in a member of another name", "a.zip", zip_of(&[Entry::deflated("b.jpg", &zip_of(std::slice::from_ref(&hidden)))]), Found),
        ("program before", "a.exe", zip_with(std::slice::from_ref(&hidden), &[b"MZ", &[0x90; 300][..]].concat(), b""), Both("ARCHIVE_SELF_EXTRACTING")),
        ("picture before", "a.gif", zip_with(std::slice::from_ref(&hidden), &[b"GIF89a", &[1; 300][..]].concat(), b""), Both("ARCHIVE_POLYGLOT")),
        ("document before", "a.pdf", zip_with(std::slice::from_ref(&hidden), b"%PDF-1.7\n", b""), Both("ARCHIVE_POLYGLOT")),
        ("rubbish before", "a.zip", zip_with(std::slice::from_ref(&hidden), b"rubbish", b""), Found),
        ("rubbish behind", "a.zip", [zip_of(std::slice::from_ref(&hidden)), vec![7; 200]].concat(), Both("ARCHIVE_TRAILING_DATA")),
        ("much rubbish behind", "a.zip", [zip_of(std::slice::from_ref(&hidden)), vec![7; 200_000]].concat(), Both("ARCHIVE_TRAILING_DATA")),
        ("itself behind an archive", "a.zip", [zip_of(&[Entry::stored("b", INNOCENT)]), eicar()].concat(), Both("ARCHIVE_TRAILING_DATA")),
        ("two archives", "a.zip", [zip_of(&[Entry::stored("b", INNOCENT)]), zip_of(std::slice::from_ref(&hidden))].concat(), Both(mismatch)),
        ("two archives the other way", "a.zip", [zip_of(std::slice::from_ref(&hidden)), zip_of(&[Entry::stored("b", INNOCENT)])].concat(), Both(mismatch)),
        ("archive in the comment", "a.zip", zip_with(&[Entry::stored("b", INNOCENT)], b"", &zip_of(std::slice::from_ref(&hidden))), Both(mismatch)),
        ("end record in the comment", "a.zip", zip_with(std::slice::from_ref(&hidden), b"", &end_record(0, 0, 0, b"")), Found),
        ("two directories", "a.zip", two_directories(), Both(mismatch)),
        ("count of entries too small", "a.zip", { let mut file = zip_of(&[Entry::stored("b", INNOCENT), named("a")]); let at = file.len() - 14; file[at] = 1; file[at + 2] = 1; file }, Both(mismatch)),
        ("count of entries too large", "a.zip", { let mut file = zip_of(&[named("a")]); let at = file.len() - 12; file[at] = 9; file }, Both("ARCHIVE_DAMAGED")),
        ("a folder with content", "a.zip", zip_of(&[named("folder/")]), Found),
        ("name with NUL", "a.zip", zip_of(&[named("a.exe\0.txt")]), Both(mismatch)),
        ("no name", "a.zip", zip_of(&[named("")]), Found),
        ("name out of the folder", "a.zip", zip_of(&[named("../../a.exe")]), Both("ARCHIVE_PATH_TRAVERSAL")),
        ("name with drive", "a.zip", zip_of(&[named("C:\\Windows\\a.exe")]), Both("ARCHIVE_ABSOLUTE_NAME")),
        ("Unicode name differs", "a.zip", zip_of(&[changed(hidden.clone(), |it| it.central_extra = extra(0x7075, b"\x01\0\0\0\0a.exe"))]), Both(mismatch)),
        ("twice the same name", "a.zip", zip_of(&[Entry::stored("a", INNOCENT), named("a")]), Found),
        ("entries share data", "a.zip", zip_of(&[named("a"), changed(named("b"), |it| (it.has_local, it.data, it.offset, it.central_sizes, it.central_name) = (false, Vec::new(), Some(0), sizes(deflate(&eicar()).len() as u32, 68), Some(b"b.exe".to_vec())))]), Both("ARCHIVE_OVERLAP")),
        ("zip64 sizes", "a.zip", zip64(), Found),
        ("later volume", "a.z02", { let mut file = end_record(1, 46, 9, b""); file[4] = 2; [&b"PK\x03\x04"[..], &[9; 60], &file].concat() }, Told("ARCHIVE_INCOMPLETE")),
        ("directory is encrypted", "a.zip", [hidden.local(), hidden.data.clone(), vec![0xa5; 60], end_record(1, 60, 98, b"")].concat(), Both("ARCHIVE_ENCRYPTED")),
        ("data behind the compressed stream", "a.zip", zip_of(&[changed(Entry::deflated("a", INNOCENT), |it| it.data.extend(zip_of(&[named("x")])))]), Both(mismatch)),
        ("jar", "a.jar", zip_of(&[Entry::stored("META-INF/MANIFEST.MF", b""), named("a")]), Found),
    ]
}

/// Entries of one archive, told by two directories; the end record points to the first, and
/// stands behind the second.
fn two_directories() -> Vec<u8> {
    let (one, other) = (Entry::stored("a", INNOCENT), named("b"));
    let mut file = [one.local(), one.data.clone()].concat();
    let offset = file.len() as u32;
    file.extend([other.local(), other.data.clone()].concat());
    let first = file.len() as u32;
    file.extend(one.central(0));
    let second = other.central(offset);
    file.extend(&second);
    file.extend(end_record(1, second.len() as u32, first, b""));
    file
}

fn zip64() -> Vec<u8> {
    let content = eicar();
    let entry = changed(Entry::stored("a", &content), |it| {
        let both = [68_u64.to_le_bytes(), 68_u64.to_le_bytes()].concat();
        it.local_extra = extra(1, &both);
        it.central_extra = extra(1, &[both, 0_u64.to_le_bytes().to_vec()].concat());
        it.local_sizes = Some((u32::MAX, u32::MAX));
        it.central_sizes = Some((u32::MAX, u32::MAX));
        it.offset = Some(u32::MAX);
    });
    let mut file = [entry.local(), entry.data.clone()].concat();
    let start = file.len() as u64;
    let directory = entry.central(0);
    file.extend(&directory);
    let record = file.len() as u64;
    file.extend(b"PK\x06\x06");
    file.extend(44_u64.to_le_bytes());
    file.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [1, 1, directory.len() as u64, start] {
        file.extend(number.to_le_bytes());
    }
    file.extend(b"PK\x06\x07\0\0\0\0");
    file.extend(record.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend(end_record(u16::MAX, u32::MAX, u32::MAX, b""));
    file
}

#[rustfmt::skip]
fn stream_rows() -> Vec<(&'static str, &'static str, Vec<u8>, Seen)> {
    let innocent_gzip = gzip(INNOCENT);
    vec![
        ("gzip", "a.gz", gzip(&eicar()), Found),
        ("gzip with a name", "a.gz", gzip_named(b"a.exe"), Found),
        ("gzip with a name out of the folder", "a.gz", gzip_named(b"../a.exe"), Both("ARCHIVE_PATH_TRAVERSAL")),
        ("empty gzip member before", "a.gz", [gzip(b""), gzip(&eicar())].concat(), Found),
        ("half in the next member", "a.gz", [gzip(&eicar()[..30]), gzip(&eicar()[30..])].concat(), Found),
        ("behind gzip", "a.gz", [innocent_gzip.clone(), eicar()].concat(), Both("ARCHIVE_TRAILING_DATA")),
        ("behind gzip and zeros", "a.gz", [innocent_gzip.clone(), vec![0; 9], eicar()].concat(), Told("ARCHIVE_TRAILING_DATA")),
        ("zip behind gzip", "a.gz", [innocent_gzip, zip_of(&[named("a")])].concat(), Both("ARCHIVE_TRAILING_DATA")),
        ("gzip with wrong checksum", "a.gz", { let mut file = gzip(&eicar()); let at = file.len() - 8; file[at] ^= 1; file }, Both("ARCHIVE_CHECKSUM")),
        ("gzip without its end", "a.gz", { let mut file = gzip(&eicar()); file.truncate(file.len() - 6); file }, Both("ARCHIVE_DAMAGED")),
        ("bzip2", "a.bz2", bzip2(&eicar()), Found),
        ("two bzip2 streams", "a.bz2", [bzip2(b""), bzip2(&eicar())].concat(), Found),
        ("behind bzip2", "a.bz2", [bzip2(INNOCENT), gzip(&eicar())].concat(), Both("ARCHIVE_TRAILING_DATA")),
        ("xz", "a.xz", xz(&eicar()), Found),
        ("two xz streams", "a.xz", [xz(&eicar()[..9]), vec![0; 4], xz(&eicar()[9..])].concat(), Found),
        ("behind xz", "a.xz", [xz(INNOCENT), gzip(&eicar())].concat(), Both("ARCHIVE_TRAILING_DATA")),
        ("lzma", "a.lzma", lzma_alone(&eicar()), Found),
        ("lzip", "a.lz", lzip(&eicar()), Found),
        ("two lzip members", "a.lz", [lzip(&eicar()[..9]), lzip(&eicar()[9..])].concat(), Found),
        ("zstd", "a.zst", zstd(&eicar()), Found),
        ("zstd behind a skippable frame", "report", [&b"\x50\x2a\x4d\x18\x03\0\0\0abc"[..], &zstd(&eicar())].concat(), Found),
        ("two zstd frames", "a.zst", [zstd(&eicar()[..9]), zstd(&eicar()[9..])].concat(), Found),
        ("zstd with a huge window", "a.zst", { let mut file = zstd(&eicar()); file[5] = 0xf0; file }, Told("ARCHIVE_TOO_LARGE")),
        ("lz4", "a.lz4", lz4(&eicar()), Found),
        ("legacy lz4", "a.lz4", { let frame = lz4(&eicar()); [b"\x02\x21\x4c\x18", &frame[7..frame.len() - 4]].concat() }, Found),
        ("compress", "a.z", compress(&eicar()), Found),
        ("gzip in gzip in gzip", "a.gz", gzip(&gzip(&gzip(&eicar()))), Found),
        ("bzip2 in xz in zstd", "a.zst", zstd(&xz(&bzip2(&eicar()))), Found),
    ]
}

#[rustfmt::skip]
fn tar_rows() -> Vec<(&'static str, &'static str, Vec<u8>, Seen)> {
    let member = |kind| tar_member("a.txt", kind, &eicar());
    let innocent = tar_member("b.txt", b'0', INNOCENT);
    let with = |before: Vec<u8>| tar_of(&[before, member(b'0')]);
    let header = |change: fn(&mut [u8; 512])| {
        let mut block = tar_header("a.txt", b'0', 68);
        change(&mut block);
        let mut file = checksummed(block).to_vec();
        file.extend(eicar());
        file.resize(2_048, 0);
        file
    };
    let mismatch = "ARCHIVE_HEADER_MISMATCH";
    vec![
        ("tar", "a.tar", tar_of(&[member(b'0')]), Found),
        ("v7", "a.tar", header(|block| { block[156] = 0; block[257..265].fill(0); }), Found),
        ("tar.gz", "a.tgz", gzip(&tar_of(&[member(b'0')])), Found),
        ("contiguous file", "a.tar", tar_of(&[member(b'7')]), Found),
        ("unknown type", "a.tar", tar_of(&[member(b'Q')]), Found),
        ("long name", "a.tar", with(tar_member("././@LongLink", b'L', &[b'n'; 200])), Found),
        ("pax name", "a.tar", with(tar_member("pax", b'x', &pax("path", "x/y.exe"))), Found),
        ("pax name out of the folder", "a.tar", with(tar_member("pax", b'x', &pax("path", "../y"))), Both("ARCHIVE_PATH_TRAVERSAL")),
        ("pax size", "a.tar", { let mut file = with(tar_member("pax", b'x', &pax("size", "68"))); let at = 1_024; let block = tar_header("a.txt", b'0', 0); file[at..at + 512].copy_from_slice(&block); file }, Found),
        ("sizes differ", "a.tar", with(tar_member("pax", b'x', &pax("size", "5"))), Both(mismatch)),
        ("header in skipped data", "a.tar", tar_of(&[tar_member("pax", b'x', &pax("size", "4096")), innocent.clone(), member(b'0')]), Both(mismatch)),
        ("global pax", "a.tar", with(tar_member("pax", b'g', &pax("comment", "x"))), Found),
        ("a link with data", "a.tar", tar_of(&[member(b'2')]), Both("ARCHIVE_LINK")),
        ("a folder with data", "a.tar", tar_of(&[member(b'5')]), Found),
        ("a folder over a member", "a.tar", tar_of(&[tar_header("d", b'5', 1_024).to_vec(), member(b'0')]), Both(mismatch)),
        ("base 256", "a.tar", header(|block| { block[124..136].fill(0); block[124] = 0x80; block[135] = 68; }), Found),
        ("wrong checksum", "a.tar", { let mut file = tar_of(&[member(b'0')]); file[149] ^= 1; file }, Both("ARCHIVE_CHECKSUM")),
        ("concatenated", "a.tar", [tar_of(std::slice::from_ref(&innocent)), tar_of(&[member(b'0')])].concat(), Both(mismatch)),
        ("behind rubbish", "a.tar", [innocent.clone(), vec![0xee; 512], tar_of(&[member(b'0')])].concat(), Both("ARCHIVE_DAMAGED")),
        ("cut", "a.tar", tar_header("a", b'0', 1 << 30).into_iter().chain(eicar()).collect(), Both("ARCHIVE_DAMAGED")),
        ("GNU sparse", "a.tar", gnu_sparse(), Found),
        ("pax sparse 0.1", "a.tar", with(tar_member("pax", b'x', &[pax("GNU.sparse.size", "68"), pax("GNU.sparse.map", "0,68")].concat())), Found),
        ("pax sparse 1.0", "a.tar", tar_of(&[tar_member("pax", b'x', &[pax("GNU.sparse.major", "1"), pax("GNU.sparse.realsize", "68")].concat()), tar_member("a", b'0', &[&b"1\n0\n68\n"[..], &[0; 505], &eicar()].concat())]), Found),
        ("the rest of another volume", "a.tar", tar_of(&[member(b'M')]), Both("ARCHIVE_INCOMPLETE")),
        ("zip at the end of tar", "a.tar", tar_of(&[innocent, tar_member("a.zip", b'0', &zip_of(&[named("a")]))]), Found),
    ]
}

/// The file in two runs with a hole between, which is octets of it: only whoever puts it
/// together sees it.
fn gnu_sparse() -> Vec<u8> {
    let mut block = tar_header("a", b'S', 68);
    block[257..265].copy_from_slice(b"ustar  \0");
    for (at, number) in [(386, 0), (398, 30), (410, 30), (422, 38)] {
        block[at..at + 12].copy_from_slice(format!("{number:011o}\0").as_bytes());
    }
    block[483..495].copy_from_slice(format!("{:011o}\0", 68).as_bytes());
    let mut data = eicar();
    data.resize(512, 0);
    tar_of(&[checksummed(block).to_vec(), data])
}

#[test]
fn it_is_found_or_told_in_every_archive() {
    let rows: Vec<_> = [zip_rows(), stream_rows(), tar_rows()].into_iter().flatten().collect();
    assert!(rows.len() >= 100, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (words, name, file, seen) in rows {
        let contents = walk_file(name, &file);
        let is_found = contents.items.iter().any(|item| {
            let content = item.content.as_deref().unwrap_or_default();
            item.depth > 0 && content.starts_with(&eicar())
        });
        let remarks: Vec<&str> = contents.remarks.iter().map(|remark| remark.name).collect();
        let is_right = match seen {
            // What honest archives look like too has no remark.
            Found => is_found && remarks.iter().all(|name| *name == "ARCHIVE_NESTED_SINGLE"),
            Both(remark) => is_found && remarks.contains(&remark),
            Told(remark) => remarks.contains(&remark),
        };
        if !is_right {
            let paths: Vec<_> =
                contents.items.iter().map(|item| (&item.path, item.nature)).collect();
            wrong.push(format!("{words}: found {is_found}, {:?}, {paths:?}", contents.remarks));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
