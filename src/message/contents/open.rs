//! Which opener takes a nature apart.

use bytes::Bytes;

use super::{Exhausted, Opening};
use crate::message::document;
use crate::message::nature::{Family, Nature};

/// Takes a file apart by its nature; what has no opener holds nothing that is looked for.
pub(super) fn open(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    match nature {
        // Nature::Zip => archive::zip::open(octets, opening),
        Nature::Calendar | Nature::Contact => document::calendar::open(octets, opening),
        Nature::Cms => document::cryptographic::open_cms(octets, opening),
        Nature::Html => document::html_script::open(octets, opening),
        Nature::OneNote => document::onenote::open(octets, opening),
        Nature::Pdf => document::pdf::open(octets, opening),
        Nature::PgpMessage => document::cryptographic::open_pgp(octets, opening),
        Nature::Shortcut => document::shortcut::open(octets, opening),
        Nature::Svg => document::svg::open(octets, opening),
        Nature::Text | Nature::Xml | Nature::Json | Nature::Css | Nature::ExcelText => {
            document::plain::open(nature, octets, opening)
        }
        Nature::HtmlApplication | Nature::XslScript => {
            document::script::open(octets, opening)?;
            document::html_script::open(octets, opening)
        }
        Nature::ManagementConsole | Nature::ShellScrap => {
            document::shortcut::open_text(octets, opening)
        }
        Nature::WindowsProgram | Nature::DosProgram | Nature::ElfProgram | Nature::MachProgram => {
            document::program::open(octets, opening)
        }
        _ if nature.family() == Family::Script => document::script::open(octets, opening),
        _ if nature.family() == Family::Shortcut => document::shortcut::open_text(octets, opening),
        _ if nature.family() == Family::Image => document::program::open_picture(octets, opening),
        _ => Ok(()),
    }
}

/// Whether a file of this nature holds others, so that not opening it leaves something unseen.
pub(super) fn holds_files(nature: Nature) -> bool {
    matches!(nature.family(), Family::Archive | Family::DiskImage)
        || matches!(nature, Nature::Jar | Nature::Apk | Nature::OutlookMessage | Nature::Mail)
        || matches!(nature, Nature::Pdf | Nature::OneNote | Nature::Cms | Nature::PgpMessage)
}
