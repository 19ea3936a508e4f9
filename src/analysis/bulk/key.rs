//! The key by which this site signs its digests.
//!
//! In: the data directory. Out: [`SiteKey`], made when there is none, readable by the box's
//! user only (PKCS #8, Ed25519, RFC 8032).

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::BulkError;
use crate::config::FeedKey;

/// In the data directory.
pub const KEY_FILE: &str = "bulk.key";

/// A key pair.
#[derive(Debug)]
pub struct SiteKey(Ed25519KeyPair);

impl SiteKey {
    /// Opens the site's key; makes it when there is none.
    pub fn of_site(data_dir: &Path) -> Result<SiteKey, BulkError> {
        let path = data_dir.join(KEY_FILE);
        let unusable = |error| BulkError::File { path: path.clone(), error };
        let bad = || BulkError::Key { path: path.clone() };
        match fs::read(&path) {
            Ok(document) => {
                return Ed25519KeyPair::from_pkcs8(&document).map(SiteKey).map_err(|_| bad());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(error)),
        }
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| bad())?;
        // Beside and then moved, so that a full disk leaves no half of a key.
        let beside = data_dir.join(format!("{KEY_FILE}.new"));
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&beside)?;
            file.write_all(document.as_ref())?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            fs::File::open(data_dir)?.sync_all()
        };
        write().map_err(unusable)?;
        Ed25519KeyPair::from_pkcs8(document.as_ref()).map(SiteKey).map_err(|_| bad())
    }

    /// What other sites need.
    pub fn public(&self) -> FeedKey {
        let mut octets = [0; 32];
        for (to, octet) in octets.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *octet;
        }
        FeedKey(octets)
    }

    /// Signs.
    pub(super) fn sign(&self, octets: &[u8]) -> Vec<u8> {
        self.0.sign(octets).as_ref().to_vec()
    }
}
