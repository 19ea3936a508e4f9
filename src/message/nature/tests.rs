use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::{Honesty, Nature, extension, is_honest, readings, recognize};

/// A zip of these members; what begins with `deflate:` is packed.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let at = out.len() as u32;
        let packed = data.strip_prefix(b"deflate:").map(|plain| {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).unwrap();
            (encoder.finish().unwrap(), plain.len())
        });
        let method: u16 = if packed.is_some() { 8 } else { 0 };
        let (body, size) = packed.unwrap_or_else(|| (data.to_vec(), data.len()));
        let mut fields = Vec::new();
        for number in [20_u16, 0, method, 0, 0] {
            fields.extend(number.to_le_bytes());
        }
        for number in [0_u32, body.len() as u32, size as u32] {
            fields.extend(number.to_le_bytes());
        }
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend(0_u16.to_le_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&fields);
        out.extend(name.as_bytes());
        out.extend(&body);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, size) = (out.len() as u32, directory.len() as u32);
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([members.len() as u16; 2].iter().flat_map(|count| count.to_le_bytes()));
    out.extend(size.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// A compound file whose directory is one sector of four entries.
fn ole(names: &[&str], class: u32) -> Vec<u8> {
    let mut out = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    out.resize(512, 0);
    out[30] = 9;
    out[48..52].copy_from_slice(&1_u32.to_le_bytes());
    out[76..80].copy_from_slice(&0_u32.to_le_bytes());
    let mut table = vec![0xff; 512];
    table[..8].copy_from_slice(&[0xfd, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff]);
    out.extend(table);
    for number in 0..4 {
        let mut entry = vec![0; 128];
        let (name, kind) = match number {
            0 => ("Root Entry", 5),
            _ => (names.get(number - 1).copied().unwrap_or(""), 2),
        };
        for (at, unit) in name.encode_utf16().enumerate() {
            entry[at * 2..at * 2 + 2].copy_from_slice(&unit.to_le_bytes());
        }
        entry[66] = if name.is_empty() { 0 } else { kind };
        if number == 0 {
            entry[80..84].copy_from_slice(&class.to_le_bytes());
        }
        out.extend(entry);
    }
    out
}

fn at(place: usize, octets: &[u8]) -> Vec<u8> {
    let mut out = vec![0; place];
    out.extend(octets);
    out.extend([0; 600]);
    out
}

fn pe() -> Vec<u8> {
    let mut out = at(0x80, b"PE\0\0");
    out[..2].copy_from_slice(b"MZ");
    out[0x3c] = 0x80;
    out
}

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let order = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
    text.encode_utf16().flat_map(order).collect()
}

fn fat_disk() -> Vec<u8> {
    let mut out = vec![0; 1_024];
    out[..3].copy_from_slice(&[0xeb, 0x3c, 0x90]);
    out[11..13].copy_from_slice(&512_u16.to_le_bytes());
    out[16] = 2;
    out[510..512].copy_from_slice(&[0x55, 0xaa]);
    out
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn octets_tell_what_a_file_is() {
    use Nature::*;
    let types = |kind: &str| {
        format!("deflate:<Types><Override ContentType=\"application/{kind}\"/></Types>")
            .into_bytes()
    };
    let office =
        |kind: &str, part: &str| zip(&[("[Content_Types].xml", &types(kind)), (part, b"x")]);
    let old_tar = {
        let mut head = vec![0; 512];
        head[..5].copy_from_slice(b"a.txt");
        head[124..135].copy_from_slice(b"00000000000");
        head[148..156].fill(b' ');
        let sum: u32 = head.iter().map(|octet| u32::from(*octet)).sum();
        head[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        head
    };
    #[rustfmt::skip]
    let table: Vec<(Vec<u8>, &str, Nature)> = vec![
        (vec![], "a.zip", Empty),
        (b"PK\x03\x04....".to_vec(), "picture.jpg", Zip),
        (zip(&[("a.txt", b"x")]), "a", Zip),
        (b"PK\x05\x06\0\0".to_vec(), "", Zip),
        (office("vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml", "word/document.xml"), "a.docx", Word),
        (office("vnd.ms-word.document.macroEnabled.main+xml", "word/document.xml"), "a.docx", WordMacro),
        (office("vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml", "word/vbaProject.bin"), "a.docx", WordMacro),
        (office("vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml", "xl/workbook.xml"), "a.xlsx", Excel),
        (office("vnd.ms-excel.sheet.macroEnabled.main+xml", "xl/workbook.xml"), "a.xlsm", ExcelMacro),
        (office("vnd.ms-excel.sheet.binary.macroEnabled.main", "xl/workbook.bin"), "a.xlsb", ExcelBinary),
        (office("vnd.openxmlformats-officedocument.presentationml.presentation.main+xml", "ppt/presentation.xml"), "a", PowerPoint),
        (office("vnd.ms-powerpoint.presentation.macroEnabled.main+xml", "ppt/presentation.xml"), "a", PowerPointMacro),
        (office("vnd.ms-visio.drawing.main+xml", "visio/document.xml"), "a.vsdx", Visio),
        (office("vnd.ms-package.xps-fixeddocumentsequence+xml", "FixedDocSeq.fdseq"), "a.xps", Xps),
        (zip(&[("[Content_Types].xml", b"<Types/>"), ("word\\document.xml", b"x")]), "a.docx", Word),
        (zip(&[("[Content_Types].xml", b"<Types/>"), ("AppxManifest.xml", b"x")]), "a.msix", Appx),
        (zip(&[("mimetype", b"application/vnd.oasis.opendocument.text")]), "a.odt", OpenText),
        (zip(&[("mimetype", b"application/vnd.oasis.opendocument.spreadsheet")]), "a", OpenSheet),
        (zip(&[("mimetype", b"application/vnd.oasis.opendocument.presentation")]), "a", OpenSlides),
        (zip(&[("mimetype", b"application/vnd.oasis.opendocument.graphics")]), "a", OpenOther),
        (zip(&[("mimetype", b"application/epub+zip")]), "a", Epub),
        (zip(&[("META-INF/MANIFEST.MF", b"x")]), "a.zip", Jar),
        (zip(&[("a/B.class", b"x")]), "a.zip", Jar),
        (zip(&[("AndroidManifest.xml", b"x"), ("META-INF/MANIFEST.MF", b"x")]), "a.zip", Apk),
        (zip(&[("Payload/A.app/Info.plist", b"x")]), "a.zip", Ipa),
        (zip(&[("manifest.json", b"{}"), ("META-INF/mozilla.rsa", b"x")]), "a.xpi", BrowserExtension),
        (b"Cr24\x03\0\0\0".to_vec(), "", BrowserExtension),
        (ole(&["WordDocument"], 0), "a.xls", OldWord),
        (ole(&["Workbook"], 0), "a.doc", OldExcel),
        (ole(&["Book"], 0), "a", OldExcel),
        (ole(&["PowerPoint Document"], 0), "a", OldPowerPoint),
        (ole(&["EncryptionInfo", "EncryptedPackage"], 0), "a.docx", OfficeEncrypted),
        (ole(&["__properties_version1.0"], 0), "a", OutlookMessage),
        (ole(&[], 0x000c_1084), "a.doc", Msi),
        (ole(&["Quill"], 0), "a", Publisher),
        (ole(&["other"], 0), "a.doc", Compound),
        (b"\x1f\x8b\x08\0".to_vec(), "", Gzip),
        (b"BZh91AY&SYxx".to_vec(), "", Bzip2),
        (b"\xfd7zXZ\0".to_vec(), "", Xz),
        (b"LZIP\x01".to_vec(), "", Lzip),
        (b"\x28\xb5\x2f\xfd".to_vec(), "", Zstd),
        (b"\x04\x22\x4d\x18".to_vec(), "", Lz4),
        (b"\x1f\x9d\x90".to_vec(), "", Compress),
        (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0abc".to_vec(), "", Lzma),
        (b"\x81\x05\x80\x9c".to_vec(), "a.br", Brotli),
        (at(257, b"ustar\0"), "", Tar),
        (old_tar, "", Tar),
        (b"070701000000".to_vec(), "", Cpio),
        (b"!<arch>\ndebian-binary   ".to_vec(), "", Deb),
        (b"!<arch>\nfoo.o/".to_vec(), "", UnixArchive),
        (b"\xed\xab\xee\xdb\x03".to_vec(), "", Rpm),
        (b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), "", SevenZip),
        (b"Rar!\x1a\x07\0".to_vec(), "", Rar),
        (b"Rar!\x1a\x07\x01\0".to_vec(), "", Rar),
        (b"MSCF\0\0\0\0".to_vec(), "", Cab),
        (b"\x60\xea\x2b\0".to_vec(), "", Arj),
        (b"\x20\x11-lh5-\0\0".to_vec(), "", Lha),
        (b"1234567**ACE**".to_vec(), "", Ace),
        (at(20, b"\xdc\xa7\xc4\xfd"), "", Zoo),
        (b"\x1a\x08A.TXT\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(), "", Arc),
        (b"ALZ\x01\x0a\0".to_vec(), "", Alz),
        (b"EGGA\0\x01".to_vec(), "", Alz),
        (b"SIT!\0\x01".to_vec(), "", StuffIt),
        (b"xar!\0\x1c".to_vec(), "", Xar),
        (b"MSWIM\0\0\0\xd0".to_vec(), "", Wim),
        (at(0x8001, b"CD001"), "", Iso),
        (at(0x9001, b"CD001"), "", Iso),
        (at(0x8801, b"NSR02"), "", Udf),
        (b"conectix\0\0".to_vec(), "", Vhd),
        (join(&[&[7; 600], b"conectix", &[0; 504]]), "", Vhd),
        (b"vhdxfile".to_vec(), "", Vhdx),
        (b"KDMV\x01".to_vec(), "", Vmdk),
        (b"# Disk DescriptorFile\nversion=1".to_vec(), "", Vmdk),
        (b"QFI\xfb\0\0".to_vec(), "", Qcow),
        (join(&[&[7; 600], b"koly\0\0\0\x04", &[0; 504]]), "", Dmg),
        (fat_disk(), "a.img", RawDisk),
    ];
    all_are_known(&table);
}

#[test]
fn octets_tell_programs_and_texts() {
    use Nature::*;
    #[rustfmt::skip]
    let table: Vec<(Vec<u8>, &str, Nature)> = vec![
        (pe(), "invoice.pdf", WindowsProgram),
        (join(&[b"MZ\x90\0\x03\0\0\0\x04", &[0; 60]]), "a", DosProgram),
        (b"MZ is how this text begins, and it goes on and on, longer than a header.".to_vec(), "a.txt", Text),
        (b"X5O!P%@AP".to_vec(), "a.com", DosProgram),
        (b"\x7fELF\x02\x01".to_vec(), "", ElfProgram),
        (b"\xcf\xfa\xed\xfe\x07\0".to_vec(), "", MachProgram),
        (b"\xca\xfe\xba\xbe\0\0\0\x02\0\0".to_vec(), "", MachProgram),
        (b"\xca\xfe\xba\xbe\0\0\0\x34\0\0".to_vec(), "", JavaClass),
        (b"dex\n035\0".to_vec(), "", Dex),
        (b"\0asm\x01\0\0\0".to_vec(), "", WebAssembly),
        (b"CWS\x0a\0\0".to_vec(), "", Flash),
        (b"\x1bLuaQ".to_vec(), "", LuaByteCode),
        (join(&[&3_413_u16.to_le_bytes(), b"\r\n", &[0; 14]]), "", PythonByteCode),
        (b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46\x9b".to_vec(), "a.pdf", Shortcut),
        (b"%PDF-1.7\n".to_vec(), "a.txt", Pdf),
        (join(&[&[b'x'; 1_000], b"%PDF-1.4"]), "", Pdf),
        (join(&[&[b'x'; 1_100], b"%PDF-1.4"]), "", Text),
        (b"\xef\xbb\xbf  {\\rtf1 x}".to_vec(), "a.doc", Rtf),
        (b"{\\rt\\x}".to_vec(), "", Rtf),
        (b"%!PS-Adobe-3.0".to_vec(), "", PostScript),
        (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3".to_vec(), "", OneNote),
        (b"\0\x01\0\0Standard Jet DB\0".to_vec(), "", Access),
        (b"ITSF\x03\0\0\0".to_vec(), "", Help),
        (b"\x78\x9f\x3e\x22\x01\0".to_vec(), "", Tnef),
        (b"!BDN\x01".to_vec(), "", OutlookStore),
        (b"  \r\n<!DOCTYPE html><p>x".to_vec(), "a.txt", Html),
        (b"<html><body>".to_vec(), "", Html),
        (utf16("\u{feff}<html><script>1</script>", true), "", Html),
        (utf16("<html><body>plain</body></html>", false), "", Html),
        (b"some words\n<script>alert(1)</script>".to_vec(), "", Html),
        (b"no markup at all".to_vec(), "page.html", Html),
        (b"<?xml version='1.0'?><!-- x --><svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), "", Svg),
        (b"<svg:svg xmlns:svg='x'/>".to_vec(), "a.xml", Svg),
        (b"<?xml version=\"1.0\"?><data/>".to_vec(), "", Xml),
        (b"{\"a\": 1}".to_vec(), "", Json),
        (b"[1, 2]".to_vec(), "", Json),
        (b"p { color: red }".to_vec(), "a.css", Css),
        (b"\r\nBEGIN:VCALENDAR\r\nVERSION:2.0".to_vec(), "", Calendar),
        (b"BEGIN:VCARD\r\n".to_vec(), "", Contact),
        (b"From: a@x.test\r\nTo: b@x.test\r\nSubject: x\r\n\r\nx".to_vec(), "", Mail),
        (b"From a@x.test Mon Jan  1 00:00:00 2024\nFrom: a@x.test\nTo: b\n\nx".to_vec(), "", Mailbox),
        (b"From: <Saved by Windows Internet Explorer 8>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n".to_vec(), "", Mhtml),
        (b"hello\nbegin 644 a.exe\nM".to_vec(), "", Uuencode),
        (b"=ybegin line=128 size=12 name=a\n".to_vec(), "", YEnc),
        (b"(This file must be converted with BinHex 4.0)".to_vec(), "", BinHex),
        (b"<?xml version='1.0'?><w:wordDocument/>".to_vec(), "a.doc", OfficeXml),
        (b"ID;PWXL;N;E\r\n".to_vec(), "", ExcelText),
        (b"WEB\r\n1\r\nhttp://x.test".to_vec(), "a.iqy", ExcelText),
        (b"WScript.Echo 1".to_vec(), "a.vbs", VisualBasic),
        (b"x".to_vec(), "invoice.pdf.JS. . ", JavaScript),
        (b"#@~^AAAAAA==".to_vec(), "a.vbe", VisualBasic),
        (b"#@~^AAAAAA==".to_vec(), "a.jse", JavaScript),
        (b"var a = new ActiveXObject('WScript.Shell'); eval(b);".to_vec(), "a.txt", JavaScript),
        (b"On Error Resume Next\nSet s = CreateObject(\"WScript.Shell\")\n".to_vec(), "a.txt", VisualBasic),
        (b"@echo off\r\nset x=1\r\n".to_vec(), "a.txt", Batch),
        (b"$x = New-Object Net.WebClient; IEX $x.DownloadString('x')".to_vec(), "a.txt", PowerShell),
        (b"#!/bin/sh\n".to_vec(), "", Shell),
        (b"#!/usr/bin/env python3\n".to_vec(), "", Python),
        (b"#!/usr/bin/perl -w\n".to_vec(), "", Perl),
        (b"#!/usr/bin/env node\n".to_vec(), "", JavaScript),
        (b"\n<?php echo 1;".to_vec(), "a.jpg", Php),
        (b"<html><HTA:APPLICATION id=x></html>".to_vec(), "a.html", HtmlApplication),
        (b"<package><job><script>1</script></job></package>".to_vec(), "a.xml", ScriptFile),
        (
            b"<?xml version='1.0'?><x:stylesheet xmlns:x='http://www.w3.org/1999/XSL/Transform'/>"
                .to_vec(),
            "a.xml",
            XslScript,
        ),
        (b"<!DOCTYPE a [<!ENTITY n 'x'>]><a:transform xmlns:a='&n;'/>".to_vec(), "a.xml", XslScript),
        (
            b"<?xml version='1.0'?><styleSheet xmlns='http://schemas.openxmlformats.org/\
              spreadsheetml/2006/main'><numFmts count='1'/></styleSheet>"
                .to_vec(),
            "styles.xml",
            Xml,
        ),
        (utf16("\u{feff}Windows Registry Editor Version 5.00\r\n", true), "", Registry),
        (b"[Version]\r\nSignature=\"$Windows NT$\"".to_vec(), "a.txt", SetupScript),
        (b"[InternetShortcut]\r\nURL=file://x".to_vec(), "a.txt", InternetShortcut),
        (b"[Desktop Entry]\nExec=x".to_vec(), "a", DesktopEntry),
        (b"<?xml version='1.0'?><plist><dict><key>URL</key></dict></plist>".to_vec(), "a", Webloc),
        (b"<libraryDescription xmlns='x'/>".to_vec(), "a.xml", LibraryShortcut),
        (b"<PCSettings><SearchableContent/></PCSettings>".to_vec(), "a.xml", SettingShortcut),
        (b"screen mode id:i:2\r\nfull address:s:x.test\r\n".to_vec(), "a.txt", RemoteDesktop),
        (b"<asmv1:assembly xmlns:asmv1='x'><deployment/></asmv1:assembly>".to_vec(), "a.xml", ClickOnce),
        (b"<jnlp spec='1.0'/>".to_vec(), "a", JavaLauncher),
        (b"<?xml version='1.0'?><MMC_ConsoleFile/>".to_vec(), "a", ManagementConsole),
        (b"[Shell]\r\nCommand=2\r\nIconFile=\\\\x\\y".to_vec(), "a.txt", ShellScrap),
        (b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "a.png", Jpeg),
        (b"\x89PNG\r\n\x1a\n\0".to_vec(), "", Png),
        (b"GIF89a\x01\0\x01\0\0\0\0".to_vec(), "", Gif),
        (b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec(), "", Bmp),
        (b"II*\0\x08\0".to_vec(), "", Tiff),
        (b"RIFF\0\0\0\0WEBPVP8 ".to_vec(), "", WebP),
        (b"RIFF\0\0\0\0WAVEfmt ".to_vec(), "", Wave),
        (b"RIFF\0\0\0\0AVI LIST".to_vec(), "", Avi),
        (b"\0\0\0\x18ftypheic".to_vec(), "", Heif),
        (b"\0\0\0\x18ftypisom".to_vec(), "", Mp4),
        (b"\0\0\0\x18ftypM4A ".to_vec(), "", Aac),
        (b"8BPS\0\x01".to_vec(), "", Psd),
        (at(128, b"DICM"), "", Dicom),
        (b"AC1032\0".to_vec(), "", Cad),
        (b"ID3\x03\0".to_vec(), "", Mp3),
        (b"OggS\0\x02".to_vec(), "", Ogg),
        (b"fLaC\0".to_vec(), "", Flac),
        (b"\x1a\x45\xdf\xa3\x01".to_vec(), "", Matroska),
        (b"wOF2\0".to_vec(), "", Font),
        (b"SQLite format 3\0".to_vec(), "", Sqlite),
        (b"\xd4\xc3\xb2\xa1\x02\0".to_vec(), "", Pcap),
        (b"d8:announce20:".to_vec(), "", Torrent),
        (b"ID3=1;/*\x80\x90\xff\x80\x90\xff\0*/run()".to_vec(), "a.js", JavaScript),
        (b"GIF89a=1;/*\0\0*/run()".to_vec(), "a.js", JavaScript),
        (b"OTTO=1;/*\0\0*/run()".to_vec(), "a.wsf", ScriptFile),
        (b"\xff\xfb\x90\x64;<#\0\0\x80\x80#>\r\nrun".to_vec(), "a.ps1", PowerShell),
        (b"ID3\x03\0<html><script>x</script>".to_vec(), "a.vbe", VisualBasic),
        (b"ID3\x03\0\0\0\r\n[InternetShortcut]\r\nURL=file://x".to_vec(), "a.url", InternetShortcut),
        (b"ID3\x03\0\0\0".to_vec(), "a.vb", Mp3),
        (b"ID3\x03\0\0\0".to_vec(), "a.txt", Mp3),
        (b"#!/bin/sh\ncurl x | sh\nexit 0\n\0".to_vec(), "readme", Shell),
        (join(&[b"#!/bin/sh\nskip=9\n", &[0x1f, 0x8b, 8, 0, 0x90, 0xff, 0, 1]]), "setup.run", Shell),
        (join(&[b"#!/usr/bin/env python3\n", &[0x90, 0xff, 0, 1, 0x81]]), "", Python),
        (b"#!AMR\n\x3c\x91\0\xff".to_vec(), "a.amr", Amr),
        (b"<plist><dict><key>CommandString</key><string>sh</string></dict></plist>".to_vec(), "a", TerminalSettings),
        (b"bplist00\xd1\x01\x02\x5dCommandString\x52sh".to_vec(), "a", TerminalSettings),
        (b"<plist><dict/></plist>".to_vec(), "a.terminal", TerminalSettings),
        (at(0x171, b"MICROSOFT PIFEX\0"), "a.pif", DosProgram),
        (b"%FDF-1.2\n".to_vec(), "a.fdf", Pdf),
        (b"-----BEGIN PGP MESSAGE-----\n".to_vec(), "", PgpMessage),
        (b"-----BEGIN PGP SIGNATURE-----\n".to_vec(), "", PgpSignature),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n".to_vec(), "", PgpKey),
        (b"-----BEGIN CERTIFICATE-----\n".to_vec(), "", Certificate),
        (b"-----BEGIN PKCS7-----\n".to_vec(), "", Cms),
        (b"-----BEGIN RSA PRIVATE KEY-----\n".to_vec(), "", KeyStore),
        (b"\x30\x82\x01\0\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0".to_vec(), "", Cms),
        (b"\x30\x82\x03\0\x30\x82\x02\0\xa0\x03\x02\x01\x02".to_vec(), "", Certificate),
        (b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01".to_vec(), "", PasswordStore),
        (b"Plain words.".to_vec(), "a", Text),
        ("Grüße — schöne".as_bytes().to_vec(), "", Text),
        (b"gr\xfc\xdfe aus k\xf6ln".to_vec(), "", Text),
        (utf16("\u{feff}plain text", true), "", Text),
        (utf16("plain text without a mark", true), "", Text),
        (b"\xff\xfe\0\0h\0\0\0i\0\0\0".to_vec(), "", Text),
        (b"\x01\x02\x03\x04\x05\xf0\x90\x00\x11".to_vec(), "a.bin", Unknown),
        (b"\x01\x02\x03\x04\x05\xf0\x90\x00\x11".to_vec(), "a.zip", Zip),
        (b"\x01\x02\0\x80<b>x".to_vec(), "a.html", Html),
        (b"From: a@x.test\nTo: b@x.test\nSubject: x\nContent-Type: text/html\n\n<html><body>x</body></html>".to_vec(), "a.eml", Mail),
        (b"Subject: x, a certificate\n\n-----BEGIN CERTIFICATE-----\n".to_vec(), "a.pem", Certificate),
        (b"<html><script>var a = function() { return eval('1') };</script>".to_vec(), "a.html", Html),
        (b"# Title\n\nSome words:\n\n    var x = function() { return eval(y); };\n".to_vec(), "a.md", Text),
        (b"#include <stdio.h>\nint main(void) { const int x = 1; return eval(x); }".to_vec(), "a.c", Text),
        (b"//! Words.\npub fn new() { let x = 1; return eval(x); }".to_vec(), "a.rs", Text),
        (b"Dear team, the function of eval is to let us return home.".to_vec(), "a.txt", Text),
    ];
    all_are_known(&table);
}

fn all_are_known(table: &[(Vec<u8>, &str, Nature)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter(|(octets, name, nature)| recognize(octets, name) != *nature)
        .map(|(octets, name, nature)| {
            let start = String::from_utf8_lossy(&octets[..octets.len().min(30)]).into_owned();
            format!(
                "{start:?} {name}: {nature:?}, not {:?}",
                readings(octets, name).collect::<Vec<_>>()
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_can_be_many_things() {
    let archive = zip(&[("a.exe", b"x")]);
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xae\x42\x60\x82".to_vec();
    let table: Vec<(Vec<u8>, &str, Vec<Nature>)> = vec![
        (join(&[b"%PDF-1.4\n%%EOF\n", &archive]), "a.pdf", vec![Nature::Zip, Nature::Pdf]),
        (join(&[&png, &archive]), "a.png", vec![Nature::Zip, Nature::Png]),
        (join(&[&pe(), &archive]), "a.exe", vec![Nature::WindowsProgram, Nature::Zip]),
        (
            join(&[b"<html><script>x</script></html>", &archive]),
            "a.html",
            vec![Nature::Zip, Nature::Html],
        ),
        (
            b"GIF89a=1;eval(unescape('x'));function f(){return 1}".to_vec(),
            "a.js",
            vec![Nature::JavaScript, Nature::Gif],
        ),
        (
            b"GIF89a=1;new ActiveXObject('x');eval(y);".to_vec(),
            "a.gif",
            vec![Nature::JavaScript, Nature::Gif],
        ),
        (
            join(&[&png, b"<html><script>x</script></html>"]),
            "a.png",
            vec![Nature::Html, Nature::Png],
        ),
        (join(&[&png, b"xx"]), "a.hta", vec![Nature::HtmlApplication, Nature::Png]),
        (png.clone(), "a.png", vec![Nature::Png]),
        (b"%PDF-1.4 <html><script>x</script>".to_vec(), "a.pdf", vec![Nature::Pdf, Nature::Html]),
    ];
    for (octets, name, natures) in table {
        assert_eq!(readings(&octets, name).collect::<Vec<_>>(), natures, "{name}");
    }
}

#[test]
fn the_last_extension_counts() {
    let table = [
        ("a.pdf.exe", "exe"),
        ("a.EXE. . ", "exe"),
        ("a.js\0.txt", "js"),
        ("a.js::$DATA", "js"),
        ("C:\\x\\a.b\\c", ""),
        ("a/b.tar.gz", "gz"),
        ("exe", ""),
        ("a.j\u{200b}s", "js"),
        ("a\u{202e}fdp.exe", "exe"),
        ("", ""),
    ];
    for (name, wanted) in table {
        assert_eq!(extension(name), wanted, "{name:?}");
    }
}

#[test]
fn lies_are_told_from_carelessness() {
    let table = [
        (Nature::WindowsProgram, "exe", Honesty::Honest),
        (Nature::WindowsProgram, "pdf", Honesty::Lying),
        (Nature::JavaScript, "jpg", Honesty::Lying),
        (Nature::Zip, "docx", Honesty::Lying),
        (Nature::Zip, "kmz", Honesty::Honest),
        (Nature::Png, "jpg", Honesty::Careless),
        (Nature::Rtf, "doc", Honesty::Honest),
        (Nature::Html, "xls", Honesty::Honest),
        (Nature::Pdf, "txt", Honesty::Careless),
        (Nature::Zip, "rar", Honesty::Careless),
        (Nature::Shortcut, "pdf", Honesty::Lying),
        (Nature::Unknown, "pdf", Honesty::Honest),
        (Nature::Zip, "xyz", Honesty::Careless),
        (Nature::Text, "", Honesty::Honest),
    ];
    for (nature, extension, honesty) in table {
        assert_eq!(is_honest(nature, extension), honesty, "{nature:?} {extension}");
    }
}

#[test]
fn no_octets_harm() {
    let mut samples = vec![
        zip(&[("[Content_Types].xml", b"deflate:<Types/>"), ("word/a", b"x")]),
        ole(&["Workbook"], 0),
        pe(),
        fat_disk(),
    ];
    samples.push(b"<?xml version='1.0'?><!DOCTYPE x [ <svg".to_vec());
    samples.push(b"#!/".to_vec());
    for sample in samples {
        for end in 0..sample.len().min(1_500) {
            recognize(&sample[..end], "a.b");
        }
        for at in 0..sample.len().min(1_500) {
            for value in [0, 0x7f, 0xff] {
                let mut flipped = sample.clone();
                flipped[at] = value;
                recognize(&flipped, "");
            }
        }
    }
}
