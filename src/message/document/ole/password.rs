//! Encrypted packages (MS-OFFCRYPTO 2.3.4) under the password that Excel tries by itself.
//!
//! In: the streams `EncryptionInfo` and `EncryptedPackage`. Out: the package, if it opens with
//! `VelvetSweatshop`. Such a workbook opens without a question, and scanners that do not know
//! this see an encrypted file: attackers use it. Other passwords are not tried.
//!
//! Deriving the key takes as many steps as the file says; above [`STEPS`] it is left alone.

use base64::Engine;
use bytes::Bytes;
use ring::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};

use super::aes::Decryptor;
use crate::message::contents::{Exhausted, Opening};
use crate::message::document::xml::{Piece, Xml, attribute};
use crate::message::fixed::{le16, le32, le64, place, slice};

/// Section 2.4.2.3 of MS-XLS: what Excel tries.
const PASSWORD: &str = "VelvetSweatshop";
/// Office derives keys in 100 000 steps.
const STEPS: u32 = 1_000_000;
/// Section 2.3.4.15: octets of a package that are encrypted together.
const SEGMENT_OCTETS: usize = 4_096;
/// Section 2.3.4.7: the steps of the older method.
const STANDARD_STEPS: u32 = 50_000;

/// The package, if the default password opens it.
pub(super) fn open(
    info: &[u8],
    package: &[u8],
    opening: &mut Opening<'_, '_>,
) -> Result<Option<Bytes>, Exhausted> {
    let size = le64(package, 0).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    let packed = package.get(8..).unwrap_or_default();
    opening.pay_octets(packed.len() as u64)?;
    let plain = match (le16(info, 0), le16(info, 2)) {
        (Some(4), Some(4)) => agile(info.get(8..).unwrap_or_default(), packed, opening)?,
        (Some(2..=4), Some(2)) => standard(info, packed, opening)?,
        _ => None,
    };
    Ok(plain.map(|mut plain| {
        plain.truncate(size);
        plain.into()
    }))
}

fn password_octets() -> Vec<u8> {
    PASSWORD.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn joined(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

/// Section 2.3.4.7 and .11: the digest of salt and password, again and again.
fn stretched(
    algorithm: &'static Algorithm,
    salt: &[u8],
    steps: u32,
    opening: &Opening<'_, '_>,
) -> Result<Vec<u8>, Exhausted> {
    let mut hash = joined(algorithm, &[salt, &password_octets()]);
    for step in 0..steps {
        if step.is_multiple_of(1_024) {
            opening.pay_time()?;
        }
        hash = joined(algorithm, &[&step.to_le_bytes(), &hash]);
    }
    Ok(hash)
}

/// Section 2.3.4.10: what the XML of the newer method says of one key.
struct Key {
    algorithm: &'static Algorithm,
    salt: Vec<u8>,
    key_octets: usize,
    steps: u32,
    verifier: Vec<u8>,
    verifier_hash: Vec<u8>,
    value: Vec<u8>,
}

impl Key {
    fn of(attributes: &str) -> Option<Key> {
        let text = |name: &str| attribute(attributes, name).unwrap_or_default();
        let octets = |name: &str| {
            let engine = base64::engine::general_purpose::STANDARD;
            engine.decode(text(name).trim()).unwrap_or_default()
        };
        let algorithm = match text("hashAlgorithm").to_uppercase().replace('-', "").as_str() {
            "SHA1" => &SHA1_FOR_LEGACY_USE_ONLY,
            "SHA256" => &SHA256,
            "SHA384" => &SHA384,
            "SHA512" => &SHA512,
            _ => return None,
        };
        Some(Key {
            algorithm,
            salt: octets("saltValue"),
            key_octets: text("keyBits").parse::<usize>().ok()?.min(256) / 8,
            steps: text("spinCount").parse().unwrap_or(0),
            verifier: octets("encryptedVerifierHashInput"),
            verifier_hash: octets("encryptedVerifierHashValue"),
            value: octets("encryptedKeyValue"),
        })
    }

    /// Section 2.3.4.11: the key for one purpose; short digests are filled up.
    fn for_purpose(&self, hash: &[u8], purpose: &[u8]) -> Option<Decryptor> {
        let mut key = joined(self.algorithm, &[hash, purpose]);
        key.resize(self.key_octets, 0x36);
        Decryptor::new(&key)
    }
}

fn agile(
    xml: &[u8],
    packed: &[u8],
    opening: &Opening<'_, '_>,
) -> Result<Option<Vec<u8>>, Exhausted> {
    let text = String::from_utf8_lossy(xml);
    let (mut data, mut password) = (None, None);
    for part in Xml::new(&text) {
        match part {
            Piece::Open { name: "keyData", attributes } => data = Key::of(attributes),
            Piece::Open { name: "encryptedKey", attributes } => password = Key::of(attributes),
            _ => {}
        }
    }
    let (Some(data), Some(key)) = (data, password) else { return Ok(None) };
    if key.steps > STEPS {
        return Ok(None);
    }
    let hash = stretched(key.algorithm, &key.salt, key.steps, opening)?;
    // Section 2.3.4.13: three purposes, each with a number of its own.
    let open = |purpose: &[u8], octets: &[u8]| {
        Some(key.for_purpose(&hash, purpose)?.chained(octets, &key.salt))
    };
    let verifier = open(b"\xfe\xa7\xd2\x76\x3b\x4b\x9e\x79", &key.verifier);
    let expected = open(b"\xd7\xaa\x0f\x6d\x30\x61\x34\x4e", &key.verifier_hash);
    let (Some(verifier), Some(expected)) = (verifier, expected) else { return Ok(None) };
    let found = digest(key.algorithm, &verifier);
    if found.as_ref().is_empty() || !expected.starts_with(found.as_ref()) {
        return Ok(None);
    }
    let Some(mut value) = open(b"\x14\x6e\x0b\xe7\xab\xac\xd0\xd6", &key.value) else {
        return Ok(None);
    };
    value.truncate(data.key_octets);
    let Some(decryptor) = Decryptor::new(&value) else { return Ok(None) };
    let mut plain = Vec::with_capacity(packed.len());
    for (number, segment) in packed.chunks(SEGMENT_OCTETS).enumerate() {
        opening.pay_time()?;
        let number = u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let first = joined(data.algorithm, &[&data.salt, &number]);
        plain.extend(decryptor.chained(segment, &first));
    }
    Ok(Some(plain))
}

/// Section 2.3.4.5 to .9: the older method, AES and SHA-1.
fn standard(
    info: &[u8],
    packed: &[u8],
    opening: &Opening<'_, '_>,
) -> Result<Option<Vec<u8>>, Exhausted> {
    let header_octets = le32(info, 8).map_or(0, place);
    let key_octets = le32(info, 12 + 16).map_or(0, place).min(256) / 8;
    let verifier_at = 12usize.saturating_add(header_octets);
    let Some(verifier) = info.get(verifier_at..) else { return Ok(None) };
    let salt = slice(verifier, 4, 16);
    let hash = stretched(&SHA1_FOR_LEGACY_USE_ONLY, salt, STANDARD_STEPS, opening)?;
    let hash = joined(&SHA1_FOR_LEGACY_USE_ONLY, &[&hash, &[0; 4]]);
    let padded = |filling: u8| {
        let mut block = vec![filling; 64];
        for (slot, octet) in block.iter_mut().zip(&hash) {
            *slot ^= octet;
        }
        joined(&SHA1_FOR_LEGACY_USE_ONLY, &[&block])
    };
    let mut key = [padded(0x36), padded(0x5c)].concat();
    key.truncate(key_octets);
    let Some(decryptor) = Decryptor::new(&key) else { return Ok(None) };
    let found = digest(&SHA1_FOR_LEGACY_USE_ONLY, &decryptor.separate(slice(verifier, 20, 16)));
    let expected = decryptor.separate(slice(verifier, 40, 32));
    if !expected.starts_with(found.as_ref()) {
        return Ok(None);
    }
    let mut plain = Vec::with_capacity(packed.len());
    for segment in packed.chunks(SEGMENT_OCTETS) {
        opening.pay_time()?;
        plain.extend(decryptor.separate(segment));
    }
    Ok(Some(plain))
}
