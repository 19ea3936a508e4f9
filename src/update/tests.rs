//! Files stand for partitions, a folder for the boot partition.

use std::fs;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::bundle::{MAGIC, Manifest, Part};
use super::*;

const ROOT: &[u8] = b"a new root, and its hash tree";

struct Box {
    dir: tempfile::TempDir,
    pair: Ed25519KeyPair,
    places: Places,
}

fn a_box() -> Box {
    let dir = tempfile::tempdir().unwrap();
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let kernels = dir.path().join("kernels");
    fs::create_dir(&kernels).unwrap();
    fs::write(kernels.join("postern-000007-a.efi"), "running").unwrap();
    fs::write(kernels.join("postern-000006-b.efi"), "before").unwrap();
    fs::write(kernels.join("memtest.efi"), "not ours").unwrap();
    for name in ["a", "b"] {
        fs::write(dir.path().join(name), vec![name.as_bytes()[0]; 100]).unwrap();
    }
    let places = Places {
        kernels,
        slot_a: dir.path().join("a"),
        slot_b: dir.path().join("b"),
        running: Slot::A,
        version: "1.4.0".parse().unwrap(),
        key: pair.public_key().as_ref().try_into().unwrap(),
        machine: "postern-x86_64".into(),
    };
    Box { dir, pair, places }
}

fn part(content: &[u8]) -> Part {
    let sha256 = bundle::digest(&mut &*content, Path::new("-"), &mut |_| Ok(())).unwrap();
    Part { octets: content.len() as u64, sha256 }
}

impl Box {
    fn manifest(&self, version: &str) -> Manifest {
        Manifest {
            machine: "postern-x86_64".into(),
            version: version.parse().unwrap(),
            root: part(ROOT),
            kernel_a: part(b"kernel a"),
            kernel_b: part(b"kernel b!"),
        }
    }

    fn signed(&self, manifest: &[u8]) -> Vec<u8> {
        let mut file = [MAGIC, format!("{}\n", manifest.len()).as_bytes(), manifest].concat();
        let signature = self.pair.sign(&file);
        file.extend(signature.as_ref());
        file.extend([ROOT, b"kernel a", b"kernel b!"].concat());
        file
    }

    fn bundle(&self, version: &str) -> Vec<u8> {
        self.signed(&serde_json::to_vec(&self.manifest(version)).unwrap())
    }

    fn apply(&self, file: &[u8], downgrade: Downgrade) -> Result<Applied, UpdateError> {
        let path = self.dir.path().join("update");
        fs::write(&path, file).unwrap();
        self.places.apply(&path, downgrade)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.places.kernels)
            .unwrap()
            .map(|one| one.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Nothing was written anywhere.
    fn is_untouched(&self) -> bool {
        self.names() == ["memtest.efi", "postern-000006-b.efi", "postern-000007-a.efi"]
            && fs::read(&self.places.slot_a).unwrap() == [b'a'; 100]
            && fs::read(&self.places.slot_b).unwrap() == [b'b'; 100]
    }
}

#[test]
fn a_newer_version_goes_into_the_other_slot() {
    let one = a_box();
    let applied = one.apply(&one.bundle("1.4.1"), Downgrade::Refuse).unwrap();
    assert_eq!(applied.slot, Slot::B);
    assert_eq!(one.names(), ["memtest.efi", "postern-000007-a.efi", "postern-000008-b+3.efi"]);
    let written = fs::read(&one.places.slot_b).unwrap();
    assert!(written.starts_with(ROOT) && written.len() == 100);
    assert_eq!(fs::read(&one.places.slot_a).unwrap(), [b'a'; 100]);
    let kernel = one.places.kernels.join("postern-000008-b+3.efi");
    assert_eq!(fs::read(kernel).unwrap(), b"kernel b!");
    assert_eq!(one.places.entries().unwrap()[0], applied.entry);
}

#[test]
fn it_is_tried_and_then_blessed() {
    let mut one = a_box();
    one.apply(&one.bundle("1.4.1"), Downgrade::Refuse).unwrap();
    // As the boot loader does on each start.
    let name = |left: &str| one.places.kernels.join(format!("postern-000008-b{left}.efi"));
    fs::rename(name("+3"), name("+2-1")).unwrap();
    one.places.running = Slot::B;
    let again = one.apply(&one.bundle("1.4.2"), Downgrade::Refuse);
    assert!(matches!(again, Err(UpdateError::OnTrial)), "{again:?}");
    assert!(one.places.bless().unwrap());
    assert!(!one.places.bless().unwrap());
    assert_eq!(one.names(), ["memtest.efi", "postern-000007-a.efi", "postern-000008-b.efi"]);
    let applied = one.apply(&one.bundle("1.4.2"), Downgrade::Refuse).unwrap();
    assert_eq!((applied.slot, applied.entry.generation), (Slot::A, 9));
    assert_eq!(one.names(), ["memtest.efi", "postern-000008-b.efi", "postern-000009-a+3.efi"]);
}

#[test]
fn a_version_that_was_given_up_is_the_last_choice() {
    let one = a_box();
    one.apply(&one.bundle("1.4.1"), Downgrade::Refuse).unwrap();
    let name = |left: &str| one.places.kernels.join(format!("postern-000008-b{left}.efi"));
    fs::rename(name("+3"), name("+0-3")).unwrap();
    let entries = one.places.entries().unwrap();
    assert_eq!(entries[0].slot, Slot::A);
    assert!(entries[1].is_bad());
    // The next update takes its place.
    one.apply(&one.bundle("1.4.2"), Downgrade::Refuse).unwrap();
    assert_eq!(one.names(), ["memtest.efi", "postern-000007-a.efi", "postern-000009-b+3.efi"]);
}

#[test]
fn downgrades_need_the_owner() {
    for version in ["1.4.0", "1.3.9", "1.3.99.9", "0.9"] {
        let one = a_box();
        let refused = one.apply(&one.bundle(version), Downgrade::Refuse);
        assert!(matches!(refused, Err(UpdateError::Downgrade { .. })), "{version}: {refused:?}");
        assert!(one.is_untouched());
        assert!(one.apply(&one.bundle(version), Downgrade::OwnerOverride).is_ok());
    }
}

#[test]
fn every_single_flipped_octet_is_refused_before_anything_is_written() {
    let one = a_box();
    let whole = one.bundle("1.4.1");
    for at in 0..whole.len() {
        let mut file = whole.clone();
        file[at] ^= 1;
        assert!(one.apply(&file, Downgrade::OwnerOverride).is_err(), "octet {at}");
        assert!(one.is_untouched(), "octet {at}");
    }
}

#[test]
fn truncated_and_prolonged_bundles_are_refused() {
    let one = a_box();
    let whole = one.bundle("1.4.1");
    for length in 0..whole.len() {
        assert!(one.apply(&whole[..length], Downgrade::Refuse).is_err(), "{length} octets");
        assert!(one.is_untouched(), "{length} octets");
    }
    let longer = [&whole[..], b"x"].concat();
    assert!(matches!(one.apply(&longer, Downgrade::Refuse), Err(UpdateError::Malformed(_))));
    assert!(one.is_untouched());
}

#[test]
fn another_key_and_another_machine_are_refused() {
    let one = a_box();
    let stranger = a_box();
    let refused = one.apply(&stranger.bundle("1.4.1"), Downgrade::OwnerOverride);
    assert!(matches!(refused, Err(UpdateError::Signature)), "{refused:?}");
    let manifest = Manifest { machine: "postern-arm\u{7}".into(), ..one.manifest("1.4.1") };
    let file = one.signed(&serde_json::to_vec(&manifest).unwrap());
    match one.apply(&file, Downgrade::OwnerOverride) {
        Err(UpdateError::OtherMachine(name)) => assert_eq!(name, "postern-arm"),
        other => panic!("{other:?}"),
    }
    assert!(one.is_untouched());
}

#[test]
fn absurd_sizes_do_not_overflow() {
    let one = a_box();
    let root = Part { octets: u64::MAX, ..part(ROOT) };
    let manifest = Manifest { root, ..one.manifest("1.4.1") };
    let file = one.signed(&serde_json::to_vec(&manifest).unwrap());
    assert!(matches!(one.apply(&file, Downgrade::Refuse), Err(UpdateError::Malformed(_))));
}

#[test]
fn what_does_not_fit_is_refused() {
    let one = a_box();
    fs::write(&one.places.slot_b, b"tiny").unwrap();
    let refused = one.apply(&one.bundle("1.4.1"), Downgrade::Refuse);
    assert!(matches!(refused, Err(UpdateError::TooLarge { room: 4, .. })), "{refused:?}");
    assert_eq!(fs::read(&one.places.slot_b).unwrap(), b"tiny");
}

#[test]
fn versions_are_read_and_compared() {
    let version = |text: &str| text.parse::<Version>();
    for bad in
        ["", ".", "1.", ".1", "1..2", "a", "1.2.3.4.5", "-1", "+1", " 1", "4294967296", "1e3"]
    {
        assert!(version(bad).is_err(), "{bad}");
    }
    for pair in ["1.9 1.10", "1.2.3 1.2.3.1", "0.9.9 1", "1.2.3.4 1.2.4"] {
        let (less, more) = pair.split_once(' ').unwrap();
        assert!(version(less).unwrap() < version(more).unwrap(), "{pair}");
    }
    assert_eq!(version("1").unwrap(), version("1.0.0.0").unwrap());
    assert_eq!(version("1.2.3.4").unwrap().to_string(), "1.2.3.4");
}

#[test]
fn names_of_entries_are_read_and_written() {
    for name in ["postern-000001-a.efi", "postern-000012-b+3.efi", "postern-999999-a+0-3.efi"] {
        assert_eq!(Entry::parse(name).unwrap().name(), name);
    }
    for name in [
        "postern-1-a.efi",
        "postern-000001-c.efi",
        "postern-000001-a",
        "postern-000001-a+.efi",
        "postern-000001-a+x.efi",
        "postern-000001-a+1-.efi",
        "other-000001-a.efi",
        ".efi",
        "",
    ] {
        assert_eq!(Entry::parse(name), None, "{name}");
    }
}
