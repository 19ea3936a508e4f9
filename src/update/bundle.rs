//! The file of an update.
//!
//! ```text
//! postern-update 1\n
//! LENGTH\n                 of the manifest, decimal
//! manifest                 JSON
//! signature                64 octets, Ed25519 over everything before it
//! root                     squashfs with its hash tree, as it goes into a slot
//! kernel_a, kernel_b       signed kernels, for either slot
//! ```
//!
//! In: a file. Out: [`Bundle`], whose signature is right, and whose parts are checked against
//! the signed digests by [`Bundle::verify`] before anybody writes any of them. A file that is
//! longer or shorter than the manifest says is refused. Bounded memory, whatever the file says.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::{UpdateError, Version};

/// What a bundle begins with.
pub const MAGIC: &[u8] = b"postern-update 1\n";
const SIGNATURE_OCTETS: usize = 64;
const MANIFEST_OCTETS: usize = 64 << 10;
/// A kernel larger than this is none.
const KERNEL_OCTETS: u64 = 256 << 20;
const CHUNK_OCTETS: usize = 1 << 20;

/// What the signature vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The kind of machine.
    pub machine: String,
    /// What it holds.
    pub version: Version,
    /// The root partition.
    pub root: Part,
    /// The kernel that starts slot A.
    pub kernel_a: Part,
    /// The kernel that starts slot B.
    pub kernel_b: Part,
}

/// Size and digest of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its size.
    pub octets: u64,
    /// SHA-256, in small hexadecimal letters.
    pub sha256: String,
}

/// Which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartName {
    /// The root partition.
    Root,
    /// The kernel for slot A.
    KernelA,
    /// The kernel for slot B.
    KernelB,
}

impl PartName {
    const ALL: [PartName; 3] = [PartName::Root, PartName::KernelA, PartName::KernelB];

    fn shown(self) -> &'static str {
        match self {
            PartName::Root => "the root partition",
            PartName::KernelA => "the kernel for slot A",
            PartName::KernelB => "the kernel for slot B",
        }
    }
}

/// A file whose signature is right.
#[derive(Debug)]
pub struct Bundle {
    /// What was signed.
    pub manifest: Manifest,
    file: File,
    path: PathBuf,
    payload: u64,
}

impl Bundle {
    /// Opens a file and checks its signature, and that all of it is there.
    pub fn open(path: &Path, key: &[u8; 32]) -> Result<Bundle, UpdateError> {
        let mut file = File::open(path).map_err(UpdateError::at(path))?;
        let whole = file.metadata().map_err(UpdateError::at(path))?.len();
        let head = read_exactly(&mut file, MAGIC.len())?;
        if head != MAGIC {
            return Err(malformed("it does not begin as one"));
        }
        let length_line = read_line(&mut file)?;
        let length: usize = length_line
            .parse()
            .ok()
            .filter(|length| *length <= MANIFEST_OCTETS)
            .ok_or_else(|| malformed("the length of its manifest is wrong"))?;
        let manifest = read_exactly(&mut file, length)?;
        let signature = read_exactly(&mut file, SIGNATURE_OCTETS)?;
        let mut signed = head;
        signed.extend(format!("{length_line}\n").bytes());
        signed.extend(&manifest);
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&signed, &signature)
            .map_err(|_| UpdateError::Signature)?;
        let manifest: Manifest = serde_json::from_slice(&manifest)
            .map_err(|error| malformed(&format!("its manifest: {error}")))?;
        let payload = (signed.len() + signature.len()) as u64;
        let bundle = Bundle { manifest, file, path: path.to_owned(), payload };
        bundle.check_sizes(whole)?;
        Ok(bundle)
    }

    fn check_sizes(&self, whole: u64) -> Result<(), UpdateError> {
        let Manifest { root, kernel_a, kernel_b, .. } = &self.manifest;
        if kernel_a.octets.max(kernel_b.octets) > KERNEL_OCTETS {
            return Err(malformed("a kernel is too large"));
        }
        let needed = [root, kernel_a, kernel_b]
            .iter()
            .try_fold(self.payload, |sum, part| sum.checked_add(part.octets))
            .ok_or_else(|| malformed("its sizes are wrong"))?;
        match needed == whole {
            true => Ok(()),
            false => Err(malformed(&format!("{whole} octets are there, {needed} were signed"))),
        }
    }

    /// Size and digest of a part.
    pub fn part(&self, name: PartName) -> &Part {
        match name {
            PartName::Root => &self.manifest.root,
            PartName::KernelA => &self.manifest.kernel_a,
            PartName::KernelB => &self.manifest.kernel_b,
        }
    }

    /// Checks every part against what was signed.
    pub fn verify(&mut self) -> Result<(), UpdateError> {
        PartName::ALL.into_iter().try_for_each(|name| self.copy(name, &mut |_| Ok(())))
    }

    /// Hands a part over in pieces, and fails at the end when it was not what was signed: the
    /// file may have changed since it was verified.
    pub(super) fn copy(
        &mut self,
        name: PartName,
        each: &mut dyn FnMut(&[u8]) -> Result<(), UpdateError>,
    ) -> Result<(), UpdateError> {
        let begin = match name {
            PartName::Root => self.payload,
            PartName::KernelA => self.payload + self.manifest.root.octets,
            PartName::KernelB => {
                self.payload + self.manifest.root.octets + self.manifest.kernel_a.octets
            }
        };
        let part = self.part(name).clone();
        self.file.seek(SeekFrom::Start(begin)).map_err(UpdateError::at(&self.path))?;
        let digest = digest(&mut (&self.file).take(part.octets), &self.path, each)?;
        match digest == part.sha256 {
            true => Ok(()),
            false => Err(UpdateError::Damaged(name.shown())),
        }
    }
}

/// SHA-256 of all that a reader gives, in small hexadecimal letters; each piece is shown.
pub(super) fn digest(
    reader: &mut dyn Read,
    place: &Path,
    each: &mut dyn FnMut(&[u8]) -> Result<(), UpdateError>,
) -> Result<String, UpdateError> {
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK_OCTETS];
    loop {
        let count = match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(UpdateError::at(place)(error)),
        };
        let piece = chunk.get(..count).unwrap_or_default();
        context.update(piece);
        each(piece)?;
    }
    let digest = context.finish();
    Ok(digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect())
}

fn malformed(why: &str) -> UpdateError {
    UpdateError::Malformed(why.to_owned())
}

fn read_exactly(file: &mut File, octets: usize) -> Result<Vec<u8>, UpdateError> {
    let mut text = vec![0; octets];
    file.read_exact(&mut text).map_err(|_| malformed("it ends too early"))?;
    Ok(text)
}

/// The line with the length: at most eight digits.
fn read_line(file: &mut File) -> Result<String, UpdateError> {
    let mut line = String::new();
    for _ in 0..9 {
        match read_exactly(file, 1)?.first() {
            Some(b'\n') if !line.is_empty() => return Ok(line),
            Some(digit) if digit.is_ascii_digit() => line.push(char::from(*digit)),
            _ => break,
        }
    }
    Err(malformed("the length of its manifest is wrong"))
}
