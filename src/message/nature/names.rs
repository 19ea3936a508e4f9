//! The table of natures: family, media type, extensions, and the words that people are shown.

use super::Nature;
use crate::mail::Family;

struct Row {
    nature: Nature,
    family: Family,
    media_type: &'static str,
    extensions: &'static [&'static str],
    words: &'static str,
}

#[rustfmt::skip]
const fn row(
    nature: Nature,
    family: Family,
    media_type: &'static str,
    extensions: &'static [&'static str],
    words: &'static str,
) -> Row {
    Row { nature, family, media_type, extensions, words }
}

/// In the order of the enum.
#[rustfmt::skip]
const ROWS: [Row; 165] = [
    row(Nature::Empty, Family::Data, "application/x-empty", &[], "nothing"),
    row(Nature::Text, Family::Text, "text/plain", &["txt", "log", "csv", "md", "text", "asc"], "plain text"),
    row(Nature::Html, Family::Text, "text/html", &["html", "htm", "shtml", "xhtml", "xht"], "web page"),
    row(Nature::Mhtml, Family::Text, "multipart/related", &["mht", "mhtml"], "web archive"),
    row(Nature::Xml, Family::Text, "application/xml", &["xml", "xsd"], "XML"),
    row(Nature::Json, Family::Text, "application/json", &["json"], "JSON"),
    row(Nature::Css, Family::Text, "text/css", &["css"], "style sheet"),
    row(Nature::Svg, Family::Image, "image/svg+xml", &["svg", "svgz"], "SVG picture"),
    row(Nature::Calendar, Family::Message, "text/calendar", &["ics", "ical", "ifb", "vcs"], "calendar"),
    row(Nature::Contact, Family::Message, "text/vcard", &["vcf", "vcard"], "contact"),
    row(Nature::Rtf, Family::Document, "application/rtf", &["rtf"], "RTF document"),
    row(Nature::Pdf, Family::Document, "application/pdf", &["pdf"], "PDF document"),
    row(Nature::PostScript, Family::Document, "application/postscript", &["ps", "eps"], "PostScript"),
    row(Nature::Word, Family::Document, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", &["docx", "dotx"], "Word document"),
    row(Nature::WordMacro, Family::Document, "application/vnd.ms-word.document.macroenabled.12", &["docm", "dotm"], "Word document that can hold macros"),
    row(Nature::Excel, Family::Spreadsheet, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &["xlsx", "xltx"], "Excel sheet"),
    row(Nature::ExcelMacro, Family::Spreadsheet, "application/vnd.ms-excel.sheet.macroenabled.12", &["xlsm", "xltm", "xlam"], "Excel sheet that can hold macros"),
    row(Nature::ExcelBinary, Family::Spreadsheet, "application/vnd.ms-excel.sheet.binary.macroenabled.12", &["xlsb"], "binary Excel sheet"),
    row(Nature::PowerPoint, Family::Presentation, "application/vnd.openxmlformats-officedocument.presentationml.presentation", &["pptx", "potx", "ppsx"], "PowerPoint slides"),
    row(Nature::PowerPointMacro, Family::Presentation, "application/vnd.ms-powerpoint.presentation.macroenabled.12", &["pptm", "potm", "ppsm", "ppam"], "PowerPoint slides that can hold macros"),
    row(Nature::Visio, Family::Office, "application/vnd.ms-visio.drawing", &["vsdx", "vsdm"], "Visio drawing"),
    row(Nature::Xps, Family::Document, "application/oxps", &["xps", "oxps"], "XPS document"),
    row(Nature::OpenText, Family::Document, "application/vnd.oasis.opendocument.text", &["odt", "ott", "fodt"], "OpenDocument text"),
    row(Nature::OpenSheet, Family::Spreadsheet, "application/vnd.oasis.opendocument.spreadsheet", &["ods", "ots", "fods"], "OpenDocument sheet"),
    row(Nature::OpenSlides, Family::Presentation, "application/vnd.oasis.opendocument.presentation", &["odp", "otp", "fodp"], "OpenDocument slides"),
    row(Nature::OpenOther, Family::Office, "application/vnd.oasis.opendocument.graphics", &["odg", "odf", "odb"], "OpenDocument file"),
    row(Nature::Epub, Family::Document, "application/epub+zip", &["epub"], "electronic book"),
    row(Nature::OldWord, Family::Document, "application/msword", &["doc", "dot"], "Word 97 document"),
    row(Nature::OldExcel, Family::Spreadsheet, "application/vnd.ms-excel", &["xls", "xlt", "xla"], "Excel 97 sheet"),
    row(Nature::OldPowerPoint, Family::Presentation, "application/vnd.ms-powerpoint", &["ppt", "pps", "pot"], "PowerPoint 97 slides"),
    row(Nature::OfficeEncrypted, Family::Office, "application/encrypted-office", &["docx", "xlsx", "pptx", "doc"], "encrypted office document"),
    row(Nature::Compound, Family::Office, "application/x-ole-storage", &["ole", "bin", "vsd", "pub", "mpp", "wps"], "OLE compound file"),
    row(Nature::OfficeXml, Family::Office, "application/vnd.ms-office.xml", &["xml"], "office document in one XML file"),
    row(Nature::ExcelText, Family::Spreadsheet, "text/spreadsheet", &["slk", "dif", "iqy"], "spreadsheet in text with formulas"),
    row(Nature::OneNote, Family::Office, "application/onenote", &["one", "onepkg"], "OneNote section"),
    row(Nature::Access, Family::Office, "application/x-msaccess", &["mdb", "accdb", "accde", "mde"], "Access database"),
    row(Nature::Publisher, Family::Office, "application/x-mspublisher", &["pub"], "Publisher document"),
    row(Nature::Help, Family::Executable, "application/vnd.ms-htmlhelp", &["chm", "hlp"], "Windows help"),
    row(Nature::OutlookMessage, Family::Message, "application/vnd.ms-outlook", &["msg", "oft"], "Outlook message"),
    row(Nature::Tnef, Family::Message, "application/ms-tnef", &["dat", "tnef"], "Outlook rich text (winmail.dat)"),
    row(Nature::Mail, Family::Message, "message/rfc822", &["eml", "mime"], "mail message"),
    row(Nature::Mailbox, Family::Message, "application/mbox", &["mbox", "mbx"], "mailbox"),
    row(Nature::OutlookStore, Family::Message, "application/vnd.ms-outlook-pst", &["pst", "ost"], "Outlook store"),
    row(Nature::Uuencode, Family::Archive, "text/x-uuencode", &["uu", "uue"], "uuencoded file"),
    row(Nature::YEnc, Family::Archive, "text/x-yenc", &["ync"], "yEnc file"),
    row(Nature::BinHex, Family::Archive, "application/mac-binhex40", &["hqx"], "BinHex file"),
    row(Nature::Zip, Family::Archive, "application/zip", &["zip", "zipx"], "zip archive"),
    row(Nature::Jar, Family::Executable, "application/java-archive", &["jar", "war", "ear"], "Java program"),
    row(Nature::Apk, Family::Executable, "application/vnd.android.package-archive", &["apk", "xapk", "aab"], "Android program"),
    row(Nature::Ipa, Family::Executable, "application/x-ios-app", &["ipa"], "iOS program"),
    row(Nature::Appx, Family::Executable, "application/vnd.ms-appx", &["appx", "msix", "appxbundle", "msixbundle"], "Windows app package"),
    row(Nature::BrowserExtension, Family::Executable, "application/x-browser-extension", &["xpi", "crx"], "browser extension"),
    row(Nature::Gzip, Family::Archive, "application/gzip", &["gz", "tgz"], "gzip file"),
    row(Nature::Bzip2, Family::Archive, "application/x-bzip2", &["bz2", "tbz", "tbz2"], "bzip2 file"),
    row(Nature::Xz, Family::Archive, "application/x-xz", &["xz", "txz"], "xz file"),
    row(Nature::Lzma, Family::Archive, "application/x-lzma", &["lzma"], "lzma file"),
    row(Nature::Lzip, Family::Archive, "application/x-lzip", &["lz"], "lzip file"),
    row(Nature::Zstd, Family::Archive, "application/zstd", &["zst", "tzst"], "zstd file"),
    row(Nature::Lz4, Family::Archive, "application/x-lz4", &["lz4"], "lz4 file"),
    row(Nature::Brotli, Family::Archive, "application/x-brotli", &["br"], "brotli file"),
    row(Nature::Compress, Family::Archive, "application/x-compress", &["z"], "compress file"),
    row(Nature::Tar, Family::Archive, "application/x-tar", &["tar"], "tar archive"),
    row(Nature::Cpio, Family::Archive, "application/x-cpio", &["cpio"], "cpio archive"),
    row(Nature::UnixArchive, Family::Archive, "application/x-archive", &["a", "ar"], "Unix ar archive"),
    row(Nature::Deb, Family::Executable, "application/vnd.debian.binary-package", &["deb"], "Debian package"),
    row(Nature::Rpm, Family::Executable, "application/x-rpm", &["rpm"], "RPM package"),
    row(Nature::SevenZip, Family::Archive, "application/x-7z-compressed", &["7z"], "7z archive"),
    row(Nature::Rar, Family::Archive, "application/vnd.rar", &["rar", "r00", "rev"], "RAR archive"),
    row(Nature::Cab, Family::Archive, "application/vnd.ms-cab-compressed", &["cab"], "cabinet archive"),
    row(Nature::Arj, Family::Archive, "application/x-arj", &["arj"], "ARJ archive"),
    row(Nature::Lha, Family::Archive, "application/x-lzh-compressed", &["lzh", "lha"], "LHA archive"),
    row(Nature::Ace, Family::Archive, "application/x-ace-compressed", &["ace"], "ACE archive"),
    row(Nature::Zoo, Family::Archive, "application/x-zoo", &["zoo"], "ZOO archive"),
    row(Nature::Arc, Family::Archive, "application/x-arc", &["arc"], "ARC archive"),
    row(Nature::Alz, Family::Archive, "application/x-alz", &["alz", "egg"], "ALZ archive"),
    row(Nature::StuffIt, Family::Archive, "application/x-stuffit", &["sit", "sitx"], "StuffIt archive"),
    row(Nature::Xar, Family::Archive, "application/x-xar", &["xar", "pkg"], "XAR archive"),
    row(Nature::Wim, Family::DiskImage, "application/x-ms-wim", &["wim", "esd", "swm"], "Windows image"),
    row(Nature::Iso, Family::DiskImage, "application/x-iso9660-image", &["iso"], "CD image"),
    row(Nature::Udf, Family::DiskImage, "application/x-udf-image", &["udf"], "UDF image"),
    row(Nature::Vhd, Family::DiskImage, "application/x-vhd", &["vhd"], "virtual disk"),
    row(Nature::Vhdx, Family::DiskImage, "application/x-vhdx", &["vhdx"], "virtual disk"),
    row(Nature::Vmdk, Family::DiskImage, "application/x-vmdk", &["vmdk"], "virtual disk"),
    row(Nature::Qcow, Family::DiskImage, "application/x-qemu-disk", &["qcow2", "qcow"], "virtual disk"),
    row(Nature::Dmg, Family::DiskImage, "application/x-apple-diskimage", &["dmg"], "Apple disk image"),
    row(Nature::RawDisk, Family::DiskImage, "application/x-raw-disk-image", &["img", "ima", "dsk"], "disk image"),
    row(Nature::WindowsProgram, Family::Executable, "application/vnd.microsoft.portable-executable", &["exe", "dll", "scr", "cpl", "sys", "ocx", "pif", "com", "drv", "efi", "mui", "ax"], "Windows program"),
    row(Nature::DosProgram, Family::Executable, "application/x-dosexec", &["com", "exe"], "DOS program"),
    row(Nature::ElfProgram, Family::Executable, "application/x-elf", &["elf", "so", "o", "bin", "run"], "Unix program"),
    row(Nature::MachProgram, Family::Executable, "application/x-mach-binary", &["dylib", "macho"], "macOS program"),
    row(Nature::JavaClass, Family::Executable, "application/java-vm", &["class"], "Java class"),
    row(Nature::Dex, Family::Executable, "application/x-dex", &["dex"], "Android code"),
    row(Nature::WebAssembly, Family::Executable, "application/wasm", &["wasm"], "WebAssembly code"),
    row(Nature::Flash, Family::Executable, "application/x-shockwave-flash", &["swf"], "Flash film"),
    row(Nature::Msi, Family::Executable, "application/x-msi", &["msi", "msp", "mst"], "Windows installer package"),
    row(Nature::PythonByteCode, Family::Executable, "application/x-python-code", &["pyc", "pyo"], "Python code"),
    row(Nature::LuaByteCode, Family::Executable, "application/x-lua-bytecode", &["luac"], "Lua code"),
    row(Nature::AutoIt, Family::Executable, "application/x-autoit", &["a3x"], "AutoIt code"),
    row(Nature::JavaScript, Family::Script, "text/javascript", &["js", "jse", "mjs", "cjs", "jsx"], "JavaScript"),
    row(Nature::VisualBasic, Family::Script, "text/vbscript", &["vbs", "vbe", "vb", "vba", "bas"], "Visual Basic script"),
    row(Nature::ScriptFile, Family::Script, "text/x-wsf", &["wsf", "wsh", "wsc", "sct"], "Windows script file"),
    row(Nature::HtmlApplication, Family::Script, "application/hta", &["hta"], "HTML application"),
    row(Nature::PowerShell, Family::Script, "text/x-powershell", &["ps1", "psm1", "psd1", "ps1xml", "psc1", "msh", "cdxml"], "PowerShell script"),
    row(Nature::Batch, Family::Script, "text/x-batch", &["bat", "cmd", "btm"], "batch file"),
    row(Nature::Shell, Family::Script, "text/x-shellscript", &["sh", "bash", "zsh", "ksh", "csh", "command"], "shell script"),
    row(Nature::Python, Family::Script, "text/x-python", &["py", "pyw", "pyz"], "Python script"),
    row(Nature::Perl, Family::Script, "text/x-perl", &["pl", "pm"], "Perl script"),
    row(Nature::Php, Family::Script, "text/x-php", &["php", "phtml"], "PHP script"),
    row(Nature::Ruby, Family::Script, "text/x-ruby", &["rb"], "Ruby script"),
    row(Nature::Lua, Family::Script, "text/x-lua", &["lua"], "Lua script"),
    row(Nature::AppleScript, Family::Script, "text/x-applescript", &["scpt", "applescript", "scptd"], "AppleScript"),
    row(Nature::Registry, Family::Script, "text/x-ms-regedit", &["reg"], "registry file"),
    row(Nature::SetupScript, Family::Script, "text/x-ms-inf", &["inf", "ins", "isp", "sif"], "setup script"),
    row(Nature::XslScript, Family::Script, "text/xsl", &["xsl", "xslt"], "XSL transformation"),
    row(Nature::AutoHotkey, Family::Script, "text/x-autohotkey", &["ahk", "au3"], "automation script"),
    row(Nature::Shortcut, Family::Shortcut, "application/x-ms-shortcut", &["lnk"], "Windows shortcut"),
    row(Nature::InternetShortcut, Family::Shortcut, "application/x-mswinurl", &["url", "website"], "Internet shortcut"),
    row(Nature::DesktopEntry, Family::Shortcut, "application/x-desktop", &["desktop"], "desktop entry"),
    row(Nature::Webloc, Family::Shortcut, "application/x-webloc", &["webloc"], "macOS link"),
    row(Nature::TerminalSettings, Family::Shortcut, "application/x-apple-terminal", &["terminal"], "macOS Terminal settings"),
    row(Nature::LibraryShortcut, Family::Shortcut, "application/x-ms-library", &["library-ms", "search-ms", "searchconnector-ms"], "Windows library or search"),
    row(Nature::SettingShortcut, Family::Shortcut, "application/x-ms-settingcontent", &["settingcontent-ms", "diagcab", "diagcfg", "diagpkg", "theme", "themepack", "desktopthemepack"], "Windows settings file"),
    row(Nature::RemoteDesktop, Family::Shortcut, "application/x-rdp", &["rdp"], "remote desktop connection"),
    row(Nature::ClickOnce, Family::Shortcut, "application/x-ms-application", &["application", "appref-ms", "manifest", "xbap", "appinstaller"], "Windows web installer"),
    row(Nature::JavaLauncher, Family::Shortcut, "application/x-java-jnlp-file", &["jnlp"], "Java launcher"),
    row(Nature::ManagementConsole, Family::Script, "application/x-mmc", &["msc"], "Windows management console file"),
    row(Nature::ShellScrap, Family::Executable, "application/x-ms-scrap", &["shs", "shb", "scf"], "Windows scrap file"),
    row(Nature::Jpeg, Family::Image, "image/jpeg", &["jpg", "jpeg", "jpe", "jfif"], "JPEG picture"),
    row(Nature::Png, Family::Image, "image/png", &["png", "apng"], "PNG picture"),
    row(Nature::Gif, Family::Image, "image/gif", &["gif"], "GIF picture"),
    row(Nature::Bmp, Family::Image, "image/bmp", &["bmp", "dib"], "BMP picture"),
    row(Nature::Tiff, Family::Image, "image/tiff", &["tif", "tiff"], "TIFF picture"),
    row(Nature::WebP, Family::Image, "image/webp", &["webp"], "WebP picture"),
    row(Nature::Ico, Family::Image, "image/vnd.microsoft.icon", &["ico", "cur"], "icon"),
    row(Nature::Heif, Family::Image, "image/heif", &["heic", "heif", "avif"], "HEIF picture"),
    row(Nature::Wmf, Family::Image, "image/wmf", &["wmf", "emf", "wmz", "emz"], "Windows metafile"),
    row(Nature::Psd, Family::Image, "image/vnd.adobe.photoshop", &["psd"], "Photoshop picture"),
    row(Nature::Jpeg2000, Family::Image, "image/jp2", &["jp2", "j2k", "jpx"], "JPEG 2000 picture"),
    row(Nature::Dicom, Family::Image, "application/dicom", &["dcm"], "medical picture"),
    row(Nature::Cad, Family::Data, "image/vnd.dwg", &["dwg", "dxf"], "CAD drawing"),
    row(Nature::Mp3, Family::Audio, "audio/mpeg", &["mp3"], "sound"),
    row(Nature::Wave, Family::Audio, "audio/wav", &["wav"], "sound"),
    row(Nature::Ogg, Family::Audio, "audio/ogg", &["ogg", "oga", "opus"], "sound"),
    row(Nature::Flac, Family::Audio, "audio/flac", &["flac"], "sound"),
    row(Nature::Midi, Family::Audio, "audio/midi", &["mid", "midi"], "sound"),
    row(Nature::Amr, Family::Audio, "audio/amr", &["amr"], "sound"),
    row(Nature::Aac, Family::Audio, "audio/aac", &["aac", "m4a"], "sound"),
    row(Nature::Mp4, Family::Video, "video/mp4", &["mp4", "m4v", "mov", "3gp"], "film"),
    row(Nature::Avi, Family::Video, "video/x-msvideo", &["avi"], "film"),
    row(Nature::Matroska, Family::Video, "video/x-matroska", &["mkv", "webm"], "film"),
    row(Nature::Mpeg, Family::Video, "video/mpeg", &["mpg", "mpeg"], "film"),
    row(Nature::Asf, Family::Video, "video/x-ms-asf", &["wmv", "wma", "asf"], "film"),
    row(Nature::FlashVideo, Family::Video, "video/x-flv", &["flv"], "film"),
    row(Nature::Font, Family::Data, "font/sfnt", &["ttf", "otf", "woff", "woff2", "eot", "ttc"], "font"),
    row(Nature::Sqlite, Family::Data, "application/vnd.sqlite3", &["sqlite", "db", "sqlite3"], "SQLite database"),
    row(Nature::Pcap, Family::Data, "application/vnd.tcpdump.pcap", &["pcap", "pcapng"], "network capture"),
    row(Nature::Torrent, Family::Data, "application/x-bittorrent", &["torrent"], "torrent"),
    row(Nature::PgpMessage, Family::Cryptographic, "application/pgp-encrypted", &["pgp", "gpg"], "OpenPGP message"),
    row(Nature::PgpSignature, Family::Cryptographic, "application/pgp-signature", &["sig"], "OpenPGP signature"),
    row(Nature::PgpKey, Family::Cryptographic, "application/pgp-keys", &["key"], "OpenPGP key"),
    row(Nature::Cms, Family::Cryptographic, "application/pkcs7-mime", &["p7m", "p7c", "p7s", "p7b"], "S/MIME file"),
    row(Nature::Certificate, Family::Cryptographic, "application/pkix-cert", &["cer", "crt", "der", "pem"], "certificate"),
    row(Nature::KeyStore, Family::Cryptographic, "application/x-pkcs12", &["p12", "pfx", "jks"], "key store"),
    row(Nature::PasswordStore, Family::Cryptographic, "application/x-keepass2", &["kdbx", "kdb"], "password store"),
    row(Nature::Unknown, Family::Unknown, "application/octet-stream", &[], "unknown data"),
];

impl Nature {
    /// All natures.
    pub fn all() -> impl Iterator<Item = Nature> {
        ROWS.iter().map(|row| row.nature)
    }

    fn row(self) -> &'static Row {
        const UNKNOWN: Row = row(Nature::Unknown, Family::Unknown, "", &[], "unknown data");
        ROWS.get(self as usize).unwrap_or(&UNKNOWN)
    }

    /// What it is used for.
    pub fn family(self) -> Family {
        self.row().family
    }

    /// Its usual media type, in lower case.
    pub fn media_type(self) -> &'static str {
        self.row().media_type
    }

    /// Extensions that such files honestly have, in lower case, the usual one first.
    pub fn extensions(self) -> &'static [&'static str] {
        self.row().extensions
    }

    /// What people are told that it is.
    pub fn words(self) -> &'static str {
        self.row().words
    }

    /// Natures that files of this extension (lower case, no dot) honestly have.
    pub fn of_extension(extension: &str) -> impl Iterator<Item = Nature> + '_ {
        ROWS.iter().filter(move |row| row.extensions.contains(&extension)).map(|row| row.nature)
    }
}

#[cfg(test)]
mod tests {
    use super::{Nature, ROWS};

    #[test]
    fn rows_stand_in_the_order_of_the_enum() {
        for (at, row) in ROWS.iter().enumerate() {
            assert_eq!(row.nature as usize, at, "{:?}", row.nature);
        }
        assert_eq!(ROWS.last().map(|row| row.nature), Some(Nature::Unknown));
    }
}
