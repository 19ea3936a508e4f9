//! Which opener takes a nature apart.

use bytes::Bytes;

use super::{Exhausted, Opening};
use crate::message::nature::{Family, Nature};
use crate::message::{archive, document};

/// Takes a file apart by its nature; what has no opener holds nothing that is looked for.
pub(super) fn open(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    use Nature as N;
    match nature {
        N::Apk | N::Appx | N::BrowserExtension | N::Ipa => archive::zip::open(octets, opening),
        N::Compound | N::OfficeEncrypted | N::OldExcel | N::OldPowerPoint | N::OldWord => {
            document::ole::open(octets, opening)
        }
        N::Excel | N::ExcelBinary | N::ExcelMacro => document::ooxml::open(octets, opening),
        N::Jar | N::Zip => archive::zip::open(octets, opening),
        N::Msi | N::Publisher => document::ole::open(octets, opening),
        N::ExcelText => document::old::text_sheet::open(octets, opening),
        N::OfficeXml => document::ooxml::open_flat(octets, opening),
        N::OpenOther | N::OpenSheet | N::OpenSlides | N::OpenText => {
            document::ooxml::open(octets, opening)
        }
        N::PowerPoint | N::PowerPointMacro | N::Visio | N::Word | N::WordMacro | N::Xps => {
            document::ooxml::open(octets, opening)
        }
        N::Rtf => document::rtf::open(octets, opening),
        N::Xml if document::ooxml::is_flat(octets) => document::ooxml::open_flat(octets, opening),
        N::Text | N::Unknown if document::old::text_sheet::is_named_so(opening.name()) => {
            document::old::text_sheet::open(octets, opening)
        }
        // Word asks for no more than this, whatever follows.
        _ if octets.starts_with(b"{\\rt") => document::rtf::open(octets, opening),
        _ if octets.starts_with(b"ActiveMime") => {
            document::old::slides::open_active_mime(octets, opening)
        }
        _ => Ok(()),
    }
}

/// Whether a file of this nature holds others, so that not opening it leaves something unseen.
pub(super) fn holds_files(nature: Nature) -> bool {
    matches!(nature.family(), Family::Archive | Family::DiskImage)
        || matches!(nature, Nature::Jar | Nature::Apk | Nature::OutlookMessage | Nature::Mail)
}
