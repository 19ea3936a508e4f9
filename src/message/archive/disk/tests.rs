use super::super::packed::tests::{closed, fixture, open_as, with_marker};
use crate::message::contents::Closed;

const FOUR: [&str; 4] = ["long name of a document.txt", "read.txt", "sub/inner.js", "tool.js"];

/// The footer of a virtual disk of some kind.
fn footer(kind: u32, octets: u64) -> Vec<u8> {
    let mut footer = vec![0; 512];
    footer[..8].copy_from_slice(b"conectix");
    footer[16..24].copy_from_slice(&512_u64.to_be_bytes());
    footer[48..56].copy_from_slice(&octets.to_be_bytes());
    footer[60..64].copy_from_slice(&kind.to_be_bytes());
    footer
}

/// A dynamic disk of blocks that hold something; others are not written.
fn dynamic(disk: &[u8], block: usize) -> Vec<u8> {
    let blocks: Vec<&[u8]> = disk.chunks(block).collect();
    let head = footer(3, disk.len() as u64);
    let mut header = vec![0; 1_024];
    header[..8].copy_from_slice(b"cxsparse");
    header[16..24].copy_from_slice(&1_536_u64.to_be_bytes());
    header[28..32].copy_from_slice(&u32::try_from(blocks.len()).unwrap().to_be_bytes());
    header[32..36].copy_from_slice(&u32::try_from(block).unwrap().to_be_bytes());
    let table_octets = (blocks.len() * 4).next_multiple_of(512);
    let bitmap = (block / 512).div_ceil(8).next_multiple_of(512);
    let (mut table, mut data) = (Vec::new(), Vec::new());
    for octets in blocks {
        if octets.iter().all(|octet| *octet == 0) {
            table.extend_from_slice(&[0xff; 4]);
            continue;
        }
        let sector = (1_536 + table_octets + data.len()) / 512;
        table.extend_from_slice(&u32::try_from(sector).unwrap().to_be_bytes());
        data.extend(vec![0xff; bitmap]);
        data.extend_from_slice(octets);
        data.resize(data.len().next_multiple_of(512), 0);
    }
    table.resize(table_octets, 0xff);
    [head.clone(), header, table, data, head].concat()
}

/// An entry of a master boot record.
fn mbr_entry(kind: u8, sector: u32, sectors: u32) -> Vec<u8> {
    let mut entry = vec![0, 0, 0, 0, kind, 0, 0, 0];
    entry.extend_from_slice(&sector.to_le_bytes());
    entry.extend_from_slice(&sectors.to_le_bytes());
    entry
}

fn boot_record(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut record = vec![0; 446];
    record.extend(entries.concat());
    record.resize(510, 0);
    record.extend_from_slice(&[0x55, 0xaa]);
    record
}

fn partitioned(volume: &[u8]) -> Vec<u8> {
    let sectors = u32::try_from(volume.len() / 512).unwrap();
    let mut disk = boot_record(&[mbr_entry(0x0e, 63, sectors)]);
    disk.resize(63 * 512, 0);
    disk.extend_from_slice(volume);
    disk
}

/// The same volume in an extended partition whose chain turns back to its begin.
fn extended(volume: &[u8]) -> Vec<u8> {
    let sectors = u32::try_from(volume.len() / 512).unwrap();
    let mut disk = boot_record(&[mbr_entry(0x0f, 10, sectors + 20)]);
    disk.resize(10 * 512, 0);
    disk.extend(boot_record(&[mbr_entry(0x06, 5, sectors), mbr_entry(0x05, 0, 9)]));
    disk.resize(15 * 512, 0);
    disk.extend_from_slice(volume);
    disk
}

fn guid(volume: &[u8]) -> Vec<u8> {
    let mut disk = boot_record(&[mbr_entry(0xee, 1, u32::MAX)]);
    let mut header = vec![0; 512];
    header[..8].copy_from_slice(b"EFI PART");
    header[72..80].copy_from_slice(&2_u64.to_le_bytes());
    header[80..84].copy_from_slice(&128_u32.to_le_bytes());
    header[84..88].copy_from_slice(&128_u32.to_le_bytes());
    disk.extend(header);
    let mut entry = vec![7; 32];
    entry.extend_from_slice(&40_u64.to_le_bytes());
    entry.extend_from_slice(&(40 + volume.len() as u64 / 512).to_le_bytes());
    disk.extend(entry);
    disk.resize(40 * 512, 0);
    disk.extend_from_slice(volume);
    disk
}

#[test]
fn volumes_are_found_by_every_way() {
    let volume = fixture("fat12.img");
    let ways = [
        ("fixed.vhd", [volume.clone(), footer(2, volume.len() as u64)].concat()),
        ("dynamic.vhd", dynamic(&volume, 4_096)),
        ("dynamic.vhd", dynamic(&volume, 2 << 20)),
        ("partitions.vhd", dynamic(&partitioned(&volume), 64 << 10)),
        ("partitions.img", partitioned(&volume)),
        ("extended.img", extended(&volume)),
        ("guid.img", guid(&volume)),
        ("guid.vhd", dynamic(&guid(&fixture("fat16.img")), 32 << 10)),
    ];
    for (name, disk) in ways {
        let (contents, _) = open_as(name, &disk);
        assert_eq!(with_marker(&contents), FOUR, "{name}: {:?}", contents.remarks);
        assert_eq!(closed(&contents), [], "{name}");
        let hidden: Vec<&str> =
            contents.remarks.iter().map(|remark| remark.detail.as_str()).collect();
        assert_eq!(hidden, ["tool.js"], "{name}");
    }
}

#[test]
fn other_file_systems_are_closed() {
    let boot = |id: &[u8]| [&[0xeb, 0x52, 0x90], id, &[0; 4_096]].concat();
    let cases = [
        (boot(b"NTFS    "), Closed::Unsupported),
        (boot(b"EXFAT   "), Closed::Unsupported),
        (boot(b"-FVE-FS-"), Closed::Encrypted),
        (boot(b"unheard-"), Closed::Unsupported),
        (vec![0; 100], Closed::Unsupported),
    ];
    for (disk, why) in cases {
        let (contents, _) = open_as("a.img", &disk);
        assert_eq!(closed(&contents), [("", why)]);
    }
    let differing = [vec![0; 512], footer(4, 512)].concat();
    let (contents, _) = open_as("a.vhd", &differing);
    assert_eq!(closed(&contents), [("", Closed::Elsewhere)]);
}

#[test]
fn chains_and_folders_that_loop_end() {
    // All clusters lead to the second one; the table begins in the second sector.
    let mut looped = fixture("fat12.img");
    for at in (515..512 + 9 * 512).step_by(3) {
        looped[at..at + 3].copy_from_slice(&[0x02, 0x20, 0x00]);
    }
    let (contents, _) = open_as("a.img", &looped);
    assert!(contents.exhausted.is_none());
    // A folder that holds itself.
    let mut looped = fixture("fat16.img");
    let entry = memchr::memmem::find(&looped, b"SUB        ").unwrap();
    let cluster = u16::from_le_bytes([looped[entry + 26], looped[entry + 27]]);
    let inner = memchr::memmem::find(&looped, b"INNER   JS ").unwrap();
    looped[inner + 11] = 0x10;
    looped[inner + 26..inner + 28].copy_from_slice(&cluster.to_le_bytes());
    let (contents, _) = open_as("a.img", &looped);
    assert!(contents.exhausted.is_none());
    assert!(contents.items.len() < 10);
}

#[test]
fn a_chain_that_ends_too_early_closes_its_file() {
    let mut cut = fixture("fat12.img");
    let entry = memchr::memmem::find(&cut, b"READ    TXT")
        .or_else(|| memchr::memmem::find(&cut, b"read    txt"));
    let size = entry.unwrap() + 28;
    cut[size..size + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let (contents, _) = open_as("a.img", &cut);
    assert!(with_marker(&contents).contains(&"read.txt"));
    assert!(closed(&contents).contains(&("read.txt", Closed::Damaged)));
}
