//! Which openers take a nature apart: one that knows the format, and where a file of one
//! format may hold another (programs with an archive behind them, texts with files in them)
//! a second one.

use bytes::Bytes;

use super::{Exhausted, Opening};
use crate::mail::Family;
use crate::message::nature::Nature;
use crate::message::{archive, document};

/// Takes a file apart by its nature; what has no opener holds nothing that is looked for.
pub(super) fn open(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if archive::intext::may_hold_files(nature, octets) {
        archive::intext::open(octets, opening)?;
    }
    if archive::apple::is_wrapped(octets) {
        archive::apple::open(octets, opening)?;
    }
    if octets.starts_with(b"ActiveMime") {
        return document::old::slides::open_active_mime(octets, opening);
    }
    match nature.family() {
        Family::Archive | Family::DiskImage => open_archive(nature, octets, opening),
        Family::Executable => open_program(nature, octets, opening),
        Family::Script => open_script(nature, octets, opening),
        Family::Shortcut => match nature {
            Nature::Shortcut => document::shortcut::open(octets, opening),
            _ => document::shortcut::open_text(octets, opening),
        },
        Family::Image => match nature {
            Nature::Svg => document::svg::open(octets, opening),
            _ => document::program::open_picture(octets, opening),
        },
        Family::Message => open_mail(nature, octets, opening),
        Family::Text | Family::Unknown => open_text(nature, octets, opening),
        _ => open_document(nature, octets, opening),
    }
}

fn open_archive(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    use Nature as N;
    match nature {
        N::Ace => archive::old::ace::open(octets, opening),
        N::Alz => archive::old::alz::open(octets, opening),
        N::Arc => archive::old::arc::open(octets, opening),
        N::Arj => archive::old::arj::open(octets, opening),
        N::Bzip2 => archive::single::open_bzip2(octets, opening),
        N::Cab => archive::cab::open(octets, opening),
        N::Compress => archive::single::open_compress(octets, opening),
        N::Cpio => archive::cpio::open(octets, opening),
        N::Dmg | N::Qcow | N::Vhdx | N::Vmdk | N::Wim => archive::sealed::open(octets, opening),
        N::Gzip => archive::single::open_gzip(octets, opening),
        N::Iso | N::Udf => archive::iso::open(octets, opening),
        N::Lha => archive::old::lha::open(octets, opening),
        N::Lz4 => archive::single::open_lz4(octets, opening),
        N::Lzip => archive::single::open_lzip(octets, opening),
        N::Lzma => archive::single::open_lzma(octets, opening),
        N::Rar => archive::rar::open(octets, opening),
        N::RawDisk => archive::disk::open_raw(octets, opening),
        N::SevenZip => archive::seven_zip::open(octets, opening),
        N::StuffIt => archive::old::stuffit::open(octets, opening),
        N::Tar => archive::tar::open(octets, opening),
        N::UnixArchive => archive::ar::open(octets, opening),
        N::Vhd => archive::disk::open_vhd(octets, opening),
        N::Xar => archive::xar::open(octets, opening),
        N::Xz => archive::single::open_xz(octets, opening),
        N::Zip => archive::zip::open(octets, opening),
        N::Zoo => archive::old::zoo::open(octets, opening),
        N::Zstd => archive::single::open_zstd(octets, opening),
        _ => Ok(()),
    }
}

fn open_program(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    use Nature as N;
    match nature {
        N::Apk | N::Appx | N::BrowserExtension | N::Ipa | N::Jar => {
            archive::zip::open(octets, opening)
        }
        N::Deb => archive::ar::open(octets, opening),
        N::Help => archive::sealed::open(octets, opening),
        N::Msi => document::ole::open(octets, opening),
        N::Rpm => archive::rpm::open(octets, opening),
        N::ShellScrap => document::shortcut::open_text(octets, opening),
        N::DosProgram | N::ElfProgram | N::MachProgram | N::WindowsProgram => {
            document::program::open(octets, opening)
        }
        _ => Ok(()),
    }
}

fn open_script(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    match nature {
        Nature::HtmlApplication | Nature::XslScript => {
            document::script::open(octets, opening)?;
            document::html_script::open(octets, opening)
        }
        Nature::ManagementConsole => document::shortcut::open_text(octets, opening),
        _ => document::script::open(octets, opening),
    }
}

fn open_mail(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    use Nature as N;
    match nature {
        N::Calendar | N::Contact => document::calendar::open(octets, opening),
        N::Mail | N::Mailbox => archive::mail::open(octets, opening),
        N::OutlookMessage => archive::msg::open(octets, opening),
        N::Tnef => archive::tnef::open(octets, opening),
        _ => Ok(()),
    }
}

fn open_text(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let is_sheet = document::old::text_sheet::is_named_so(opening.name());
    match nature {
        Nature::Html => document::html_script::open(octets, opening),
        Nature::Mhtml => archive::mail::open(octets, opening),
        Nature::Text | Nature::Unknown if is_sheet => {
            document::old::text_sheet::open(octets, opening)
        }
        Nature::Unknown => archive::volume::open(octets, opening),
        Nature::Xml if document::ooxml::is_flat(octets) => {
            document::ooxml::open_flat(octets, opening)
        }
        _ => document::plain::open(nature, octets, opening),
    }
}

fn open_document(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    use Nature as N;
    match nature {
        N::Cms => document::cryptographic::open_cms(octets, opening),
        N::PgpMessage => document::cryptographic::open_pgp(octets, opening),
        N::Compound | N::OfficeEncrypted | N::OldExcel | N::OldPowerPoint | N::OldWord => {
            document::ole::open(octets, opening)
        }
        N::Publisher => document::ole::open(octets, opening),
        N::ExcelText => document::old::text_sheet::open(octets, opening),
        N::OfficeXml => document::ooxml::open_flat(octets, opening),
        N::OneNote => document::onenote::open(octets, opening),
        N::Excel | N::ExcelBinary | N::ExcelMacro | N::Visio | N::Xps => {
            document::ooxml::open(octets, opening)
        }
        N::OpenOther | N::OpenSheet | N::OpenSlides | N::OpenText => {
            match octets.starts_with(b"PK") || !document::ooxml::is_flat(octets) {
                true => document::ooxml::open(octets, opening),
                false => document::ooxml::open_flat(octets, opening),
            }
        }
        N::PowerPoint | N::PowerPointMacro | N::Word | N::WordMacro => {
            document::ooxml::open(octets, opening)
        }
        N::Epub => archive::zip::open(octets, opening),
        N::Pdf => document::pdf::open(octets, opening),
        N::Rtf => document::rtf::open(octets, opening),
        _ => Ok(()),
    }
}

/// Whether a file of this nature holds others, so that not opening it leaves something unseen.
pub(super) fn holds_files(nature: Nature) -> bool {
    use Family::{Archive, DiskImage, Document, Office, Presentation, Spreadsheet};
    matches!(nature.family(), Archive | DiskImage | Document | Spreadsheet | Presentation | Office)
        || matches!(nature, Nature::Jar | Nature::Apk | Nature::Appx | Nature::Msi)
        || matches!(nature, Nature::OneNote | Nature::Cms | Nature::PgpMessage)
        || matches!(nature, Nature::OutlookMessage | Nature::Mail | Nature::Mailbox | Nature::Tnef)
}
