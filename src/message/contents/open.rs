//! Which opener takes a nature apart.

use bytes::Bytes;

use super::{Exhausted, Opening};
use crate::message::archive;
use crate::message::nature::{Family, Nature};

/// Takes a file apart by its nature; what has no opener holds nothing that is looked for.
pub(super) fn open(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if archive::intext::may_hold_files(nature, octets) {
        archive::intext::open(octets, opening)?;
    }
    match nature {
        Nature::Mail | Nature::Mailbox | Nature::Mhtml => archive::mail::open(octets, opening),
        Nature::Tnef => archive::tnef::open(octets, opening),
        _ => Ok(()),
    }
}

/// Whether a file of this nature holds others, so that not opening it leaves something unseen.
pub(super) fn holds_files(nature: Nature) -> bool {
    matches!(nature.family(), Family::Archive | Family::DiskImage)
        || matches!(nature, Nature::Jar | Nature::Apk | Nature::OutlookMessage | Nature::Mail)
}
