//! What a file is, by its octets; its name decides only where octets cannot (scripts have no
//! signature).
//!
//! In: the octets of a file and the name that it was given. Out: a [`Nature`], one of a closed
//! list. Never fails: what nothing is known of is [`Nature::Unknown`]. Looks at the first and
//! last octets and at the list of members of a package, never at more than is bounded here.

mod compound;
mod honest;
mod names;
mod package;
mod recognize;
mod signatures;
#[cfg(test)]
mod tests;
mod textual;
mod types;

pub use honest::{Honesty, is_honest};
pub use recognize::{Label, extension, readings, readings_as, recognize};
pub(in crate::message) use types::{extension_of, is_shown_inline};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Nature {
    /// Nothing.
    Empty,
    /// Plain text.
    Text,
    /// Web page.
    Html,
    /// Web archive.
    Mhtml,
    /// XML.
    Xml,
    /// JSON.
    Json,
    /// Style sheet.
    Css,
    /// SVG picture.
    Svg,
    /// Calendar.
    Calendar,
    /// Contact.
    Contact,
    /// RTF document.
    Rtf,
    /// PDF document.
    Pdf,
    /// PostScript.
    PostScript,
    /// Word document.
    Word,
    /// Word document that can hold macros.
    WordMacro,
    /// Excel sheet.
    Excel,
    /// Excel sheet that can hold macros.
    ExcelMacro,
    /// Binary Excel sheet.
    ExcelBinary,
    /// PowerPoint slides.
    PowerPoint,
    /// PowerPoint slides that can hold macros.
    PowerPointMacro,
    /// Visio drawing.
    Visio,
    /// XPS document.
    Xps,
    /// OpenDocument text.
    OpenText,
    /// OpenDocument sheet.
    OpenSheet,
    /// OpenDocument slides.
    OpenSlides,
    /// OpenDocument file.
    OpenOther,
    /// Electronic book.
    Epub,
    /// Word 97 document.
    OldWord,
    /// Excel 97 sheet.
    OldExcel,
    /// PowerPoint 97 slides.
    OldPowerPoint,
    /// Encrypted office document.
    OfficeEncrypted,
    /// OLE compound file.
    Compound,
    /// Office document in one XML file.
    OfficeXml,
    /// Spreadsheet in text with formulas.
    ExcelText,
    /// OneNote section.
    OneNote,
    /// Access database.
    Access,
    /// Publisher document.
    Publisher,
    /// Windows help.
    Help,
    /// Outlook message.
    OutlookMessage,
    /// Outlook rich text (winmail.dat).
    Tnef,
    /// Mail message.
    Mail,
    /// Mailbox.
    Mailbox,
    /// Outlook store.
    OutlookStore,
    /// Uuencoded file.
    Uuencode,
    /// yEnc file.
    YEnc,
    /// BinHex file.
    BinHex,
    /// Zip archive.
    Zip,
    /// Java program.
    Jar,
    /// Android program.
    Apk,
    /// IOS program.
    Ipa,
    /// Windows app package.
    Appx,
    /// Browser extension.
    BrowserExtension,
    /// Gzip file.
    Gzip,
    /// Bzip2 file.
    Bzip2,
    /// Xz file.
    Xz,
    /// Lzma file.
    Lzma,
    /// Lzip file.
    Lzip,
    /// Zstd file.
    Zstd,
    /// Lz4 file.
    Lz4,
    /// Brotli file.
    Brotli,
    /// Compress file.
    Compress,
    /// Tar archive.
    Tar,
    /// Cpio archive.
    Cpio,
    /// Unix ar archive.
    UnixArchive,
    /// Debian package.
    Deb,
    /// RPM package.
    Rpm,
    /// 7z archive.
    SevenZip,
    /// RAR archive.
    Rar,
    /// Cabinet archive.
    Cab,
    /// ARJ archive.
    Arj,
    /// LHA archive.
    Lha,
    /// ACE archive.
    Ace,
    /// ZOO archive.
    Zoo,
    /// ARC archive.
    Arc,
    /// ALZ archive.
    Alz,
    /// StuffIt archive.
    StuffIt,
    /// XAR archive.
    Xar,
    /// Windows image.
    Wim,
    /// CD image.
    Iso,
    /// UDF image.
    Udf,
    /// Virtual disk.
    Vhd,
    /// Virtual disk.
    Vhdx,
    /// Virtual disk.
    Vmdk,
    /// Virtual disk.
    Qcow,
    /// Apple disk image.
    Dmg,
    /// Disk image.
    RawDisk,
    /// Windows program.
    WindowsProgram,
    /// DOS program.
    DosProgram,
    /// Unix program.
    ElfProgram,
    /// MacOS program.
    MachProgram,
    /// Java class.
    JavaClass,
    /// Android code.
    Dex,
    /// WebAssembly code.
    WebAssembly,
    /// Flash film.
    Flash,
    /// Windows installer package.
    Msi,
    /// Python code.
    PythonByteCode,
    /// Lua code.
    LuaByteCode,
    /// AutoIt code.
    AutoIt,
    /// JavaScript.
    JavaScript,
    /// Visual Basic script.
    VisualBasic,
    /// Windows script file.
    ScriptFile,
    /// HTML application.
    HtmlApplication,
    /// PowerShell script.
    PowerShell,
    /// Batch file.
    Batch,
    /// Shell script.
    Shell,
    /// Python script.
    Python,
    /// Perl script.
    Perl,
    /// PHP script.
    Php,
    /// Ruby script.
    Ruby,
    /// Lua script.
    Lua,
    /// AppleScript.
    AppleScript,
    /// Registry file.
    Registry,
    /// Setup script.
    SetupScript,
    /// XSL transformation.
    XslScript,
    /// Automation script.
    AutoHotkey,
    /// Windows shortcut.
    Shortcut,
    /// Internet shortcut.
    InternetShortcut,
    /// Desktop entry.
    DesktopEntry,
    /// MacOS link.
    Webloc,
    /// macOS Terminal settings, which run a command when they are opened.
    TerminalSettings,
    /// Windows library or search.
    LibraryShortcut,
    /// Windows settings file.
    SettingShortcut,
    /// Remote desktop connection.
    RemoteDesktop,
    /// Windows web installer.
    ClickOnce,
    /// Java launcher.
    JavaLauncher,
    /// Windows management console file.
    ManagementConsole,
    /// Windows scrap file.
    ShellScrap,
    /// JPEG picture.
    Jpeg,
    /// PNG picture.
    Png,
    /// GIF picture.
    Gif,
    /// BMP picture.
    Bmp,
    /// TIFF picture.
    Tiff,
    /// WebP picture.
    WebP,
    /// Icon.
    Ico,
    /// HEIF picture.
    Heif,
    /// Windows metafile.
    Wmf,
    /// Photoshop picture.
    Psd,
    /// JPEG 2000 picture.
    Jpeg2000,
    /// Medical picture.
    Dicom,
    /// CAD drawing.
    Cad,
    /// Sound.
    Mp3,
    /// Sound.
    Wave,
    /// Sound.
    Ogg,
    /// Sound.
    Flac,
    /// Sound.
    Midi,
    /// Sound.
    Amr,
    /// Sound.
    Aac,
    /// Film.
    Mp4,
    /// Film.
    Avi,
    /// Film.
    Matroska,
    /// Film.
    Mpeg,
    /// Film.
    Asf,
    /// Film.
    FlashVideo,
    /// Font.
    Font,
    /// SQLite database.
    Sqlite,
    /// Network capture.
    Pcap,
    /// Torrent.
    Torrent,
    /// OpenPGP message.
    PgpMessage,
    /// OpenPGP signature.
    PgpSignature,
    /// OpenPGP key.
    PgpKey,
    /// S/MIME file.
    Cms,
    /// Certificate.
    Certificate,
    /// Key store.
    KeyStore,
    /// Password store.
    PasswordStore,
    /// Unknown data.
    Unknown,
}
