//! Texts, properties, links and fields of documents.

use super::build::{excel, package, relation, rtf, word};
use super::{check, row};
use crate::message::document::old::excel::book_of;
use crate::message::document::old::word::document_of;
use crate::message::document::ole::compound_of;
use crate::message::document::ole::properties::stream_of;

#[test]
fn texts_of_packages() {
    let custom = b"<Properties><property name='MSIP_Label_ab_Name'><vt:lpwstr>Secret</vt:lpwstr></property></Properties>";
    let core = b"<cp:coreProperties><dc:title>The plan</dc:title><cp:keywords>merger</cp:keywords></cp:coreProperties>";
    let utf16: Vec<u8> = "\u{feff}<w:document><w:t>Gr\u{fc}n</w:t></w:document>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    check(vec![
        row("body", "a.docx", word("<w:p><w:r><w:t>Hel</w:t></w:r><w:r><w:t>lo</w:t></w:r></w:p><w:p><w:t>World</w:t></w:p>", &[]), "!MACRO_PRESENT !TEMPLATE_EXTERNAL !DDE_FIELD", "Hello\nWorld"),
        row("hidden and deleted", "a.docx", word("<w:p><w:rPr><w:vanish/></w:rPr><w:t>unseen</w:t><w:delText>gone</w:delText></w:p>", &[]), "", "unseen|gone"),
        row("strict prefixes", "a.docx", word("<x:p><x:t>strict</x:t></x:p>", &[]), "", "strict"),
        row("other parts", "a.docx", word("", &[("word/header1.xml", b"<w:hdr><w:t>head</w:t></w:hdr>"), ("word/comments.xml", b"<w:comments><w:t>remark</w:t></w:comments>"), ("word/footnotes.xml", b"<w:footnotes><w:t>note</w:t></w:footnotes>")]), "", "head|remark|note"),
        row("odd names", "a.docx", package(&[("[Content_Types].xml", b"<Types><Override PartName='/x/y.z' ContentType='application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml'/></Types>"), ("x/y.z", b"<w:document><w:t>odd</w:t></w:document>")]), "", "odd"),
        row("utf-16", "a.docx", package(&[("word/document.xml", &utf16)]), "", "Grün"),
        row("properties", "a.docx", word("", &[("docProps/custom.xml", custom), ("docProps/core.xml", core)]), "", "MSIP_Label_ab_Name: Secret|title: The plan|keywords: merger"),
        row("label", "a.docx", word("", &[("docMetadata/LabelInfo.xml", b"<clbl:labelList><clbl:label id='{ab-cd}' enabled='1' removed='0'/><clbl:label id='{ef-01}' enabled='1' removed='1'/></clbl:labelList>")]), "", "MSIP_Label_ab-cd_Enabled: true|MSIP_Label_ef-01_Enabled: false"),
        row("cells", "a.xlsx", excel(&[("xl/sharedStrings.xml", b"<sst><si><t>shared</t></si><si><r><t>ri</t></r><r><t>ch</t></r></si></sst>"), ("xl/worksheets/sheet1.xml", b"<worksheet><c t='s'><v>77</v></c><c t='inlineStr'><is><t>inline</t></is></c><c><v>4111111111111111</v></c></worksheet>"), ("xl/comments1.xml", b"<comments><comment><text><t>remark</t></text></comment></comments>")]), "", "shared|rich|inline|4111111111111111|remark"),
        row("header", "a.xlsx", excel(&[("xl/worksheets/sheet1.xml", b"<worksheet><headerFooter><oddHeader>&amp;L&amp;&quot;Arial,Bold&quot;x&amp;C&amp;14OFFICIAL-SENSITIVE</oddHeader><firstFooter>&amp;RSECRET</firstFooter></headerFooter></worksheet>")]), "", "\nOFFICIAL-SENSITIVE\n|\nSECRET\n"),
        row("headings", "a.xlsx", excel(&[("xl/worksheets/sheet1.xml", b"<worksheet><row r='1'><c r='A1' t='s'><v>0</v></c><c r='C1' t='s'><v>1</v></c></row><row r='2'><c r='A2'><v>25583</v></c><c r='C2'><v>9434765919</v></c></row></worksheet>"), ("xl/sharedStrings.xml", b"<sst><si><t>DOB</t></si><si><t>NHS number</t></si></sst>")]), "", "DOB: 1970-01-15; NHS number: 9434765919"),
        row("headings of ODF", "a.ods", package(&[("content.xml", b"<office:document-content><table:table-row><table:table-cell><text:p>Name</text:p></table:table-cell><table:table-cell table:number-columns-repeated='2'/><table:table-cell><text:p>PIN</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell table:number-columns-repeated='3'/><table:table-cell><text:p>4821</text:p></table:table-cell></table:table-row></office:document-content>")]), "", "PIN: 4821"),
        row("slides", "a.pptx", package(&[("ppt/slides/slide1.xml", b"<p:sld><a:p><a:r><a:t>slide</a:t></a:r></a:p></p:sld>"), ("ppt/notesSlides/n1.xml", b"<p:notes><a:t>note</a:t></p:notes>")]), "", "slide|note"),
        row("drawing", "a.vsdx", package(&[("visio/pages/page1.xml", b"<PageContents><Text>shape</Text></PageContents>")]), "", "shape"),
        row("entities", "a.docx", package(&[("word/document.xml", b"<!DOCTYPE a [<!ENTITY b 'cc'><!ENTITY d '&b;&b;'>]><w:document><w:t>&d;</w:t></w:document>")]), "XML_ENTITIES", ""),
        row("flat", "a.xml", b"<?xml version='1.0'?><pkg:package xmlns:pkg='http://schemas.microsoft.com/office/2006/xmlPackage'><pkg:part pkg:name='/word/document.xml'><pkg:xmlData><w:document><w:t>flat</w:t><w:fldSimple w:instr='DDE x'/></w:document></pkg:xmlData></pkg:part></pkg:package>".to_vec(), "DDE_FIELD", "flat"),
        row("open document", "a.odt", package(&[("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"<office:document-content><text:p>open</text:p></office:document-content>"), ("meta.xml", b"<office:document-meta><dc:title>Plan</dc:title><meta:user-defined meta:name='Classification'>Secret</meta:user-defined></office:document-meta>")]), "", "open|Plan|Classification: Secret"),
    ]);
}

#[test]
fn what_packages_load() {
    let rels = |kind: &str, target: &str| {
        word("", &[("word/_rels/document.xml.rels", &relation(kind, target))])
    };
    let field = |body: &str| word(body, &[]);
    let manifest = b"<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let odt = |content: &str| {
        package(&[(
            "content.xml",
            format!("<office:document-content>{content}</office:document-content>").as_bytes(),
        )])
    };
    let basic = b"<script:module script:name='M'>Sub Main\nShell(\"x\")\nEnd Sub\n</script:module>";
    check(vec![
        row("template", "a.docx", rels("attachedTemplate", "http://a.test/x.dotm"), "TEMPLATE_EXTERNAL", "http://a.test/x.dotm"),
        row("template on a share", "a.docx", rels("attachedTemplate", "file://a.test/x.dotm"), "TEMPLATE_EXTERNAL", ""),
        row("template of the house", "a.docx", rels("attachedTemplate", "file:///C:\\x.dotm"), "!TEMPLATE_EXTERNAL", ""),
        row("object", "a.docx", rels("oleObject", "mhtml:http://a.test/x.html!x-usc:http://a.test/x.html"), "OBJECT_EXTERNAL", ""),
        row("frame", "a.docx", rels("frame", "https://a.test/x"), "OBJECT_EXTERNAL", ""),
        row("picture", "a.docx", rels("image", "https://a.test/x.png"), "PICTURE_EXTERNAL !OBJECT_EXTERNAL", ""),
        row("link", "a.docx", rels("hyperlink", "https://a.test/x"), "!PICTURE_EXTERNAL !OBJECT_EXTERNAL", "https://a.test/x"),
        row("msdt", "a.docx", rels("hyperlink", "ms-msdt:/id PCWDiagnostic"), "LINK_RISKY_SCHEME", ""),
        row("search", "a.docx", rels("hyperlink", "search-ms:query=x&amp;crumb=location:a.test"), "LINK_RISKY_SCHEME", ""),
        row("strict", "a.docx", word("", &[("word/_rels/s.rels", b"<Relationships><Relationship Type='http://purl.oclc.org/ooxml/officeDocument/relationships/attachedTemplate' Target='http://a.test/t.dotm' TargetMode='External'/></Relationships>")]), "TEMPLATE_EXTERNAL", ""),
        row("dde over runs", "a.docx", field("<w:p><w:fldChar w:fldCharType='begin'/><w:r><w:instrText>DDE</w:instrText></w:r><w:r><w:instrText>AUTO c:\\\\windows\\\\cmd.exe</w:instrText></w:r><w:fldChar w:fldCharType='end'/></w:p>"), "DDE_FIELD", ""),
        row("dde in a simple field", "a.docx", field("<w:fldSimple w:instr='DDEAUTO c:\\\\x.exe'/>"), "DDE_FIELD", ""),
        row("dde of numbers", "a.docx", field("<w:fldChar w:fldCharType='begin'/><w:fldChar w:fldCharType='begin'/><w:instrText>QUOTE 68 68 69 65 85 84 79</w:instrText><w:fldChar w:fldCharType='end'/><w:fldChar w:fldCharType='end'/>"), "DDE_FIELD", ""),
        row("a date", "a.docx", field("<w:fldSimple w:instr='DATE'/><w:t>DDEAUTO is a field</w:t>"), "!DDE_FIELD", ""),
        row("dde of a sheet", "a.xlsx", excel(&[("xl/externalLinks/e1.xml", b"<externalLink><ddeLink ddeService='cmd' ddeTopic='/c calc'/></externalLink>")]), "DDE_FIELD", ""),
        row("dde in a formula", "a.xlsx", excel(&[("xl/worksheets/s.xml", b"<worksheet><c><f>cmd|'/c calc'!A0</f></c></worksheet>")]), "DDE_FIELD", ""),
        row("active x", "a.docx", word("", &[("word/activeX/activeX1.xml", b"<ax:ocx ax:classid='{EAB22AC3-30C1-11CF-A7EB-0000C05BAE0B}'/>")]), "ACTIVEX_PRESENT OBJECT_RISKY", ""),
        row("open document object", "a.odt", odt("<draw:object xlink:href='https://a.test/x.ods'/>"), "OBJECT_EXTERNAL", ""),
        row("open document dde", "a.odt", odt("<text:dde-connection-decl office:dde-application='soffice' office:dde-topic='x'/>"), "DDE_FIELD", ""),
        row("open document event", "a.odt", odt("<script:event-listener script:event-name='dom:load' xlink:href='vnd.sun.star.script:Standard.M.Main?language=Basic'/>"), "MACRO_AUTO_OPEN MACRO_PRESENT", ""),
        row("open document macro", "a.odt", package(&[("content.xml", b"<a/>"), ("Basic/Standard/M.xml", basic)]), "MACRO_PRESENT MACRO_RUNS", "Shell"),
        row("open document encrypted", "a.odt", package(&[("META-INF/manifest.xml", manifest)]), "DOCUMENT_ENCRYPTED", ""),
    ]);
}

#[test]
fn old_documents() {
    let (document, table) =
        document_of("Hello\r\u{13}DDEAUTO c:\\\\x.exe\u{15}Grün\r", "http://a.test/t.dot");
    let (honest, honest_table) = document_of("Hello\r\u{13} PAGE \u{14}1\u{15}", "Normal.dot");
    let mut encrypted = document.clone();
    encrypted[11] |= 1;
    let label = [&[0; 6][..], &[5, 0, 0], b"label"].concat();
    let strings = [&[2, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0][..], b"text", &[4, 0, 1], b"w\0i\0"].concat();
    let begin = (0x0809, vec![0, 6, 5, 0, 0, 0, 0, 0]);
    let dde = [&[0, 0, 11, 0, 0][..], b"cmd\x03/c calc"].concat();
    let sheet = book_of(&[
        begin.clone(),
        (0x00fc, strings),
        (0x003c, b"\x01d\0e\0".to_vec()),
        (0x0204, label),
    ]);
    let linked = book_of(&[begin.clone(), (0x01ae, dde)]);
    let locked = book_of(&[begin, (0x002f, vec![1, 0])]);
    let slides = [
        &[0x0f, 0, 0xe8, 3, 99, 0, 0, 0][..],
        &[0, 0, 0xa8, 0x0f, 5, 0, 0, 0],
        b"slide",
        &[0, 0, 0xa0, 0x0f, 4, 0, 0, 0],
        b"w\0i\0",
    ]
    .concat();
    let properties = stream_of(&[("MSIP_Label_1", "Secret")]);
    check(vec![
        row(
            "word",
            "a.doc",
            compound_of(&[("/WordDocument", &document), ("/1Table", &table)]),
            "DDE_FIELD TEMPLATE_EXTERNAL",
            "Hello|Grün",
        ),
        row(
            "word, honest",
            "a.doc",
            compound_of(&[("/WordDocument", &honest), ("/1Table", &honest_table)]),
            "!DDE_FIELD !TEMPLATE_EXTERNAL !DOCUMENT_ENCRYPTED",
            "Hello",
        ),
        row(
            "word, encrypted",
            "a.doc",
            compound_of(&[("/WordDocument", &encrypted), ("/1Table", &table)]),
            "DOCUMENT_ENCRYPTED",
            "",
        ),
        row(
            "excel",
            "a.xls",
            compound_of(&[("/Workbook", &sheet)]),
            "!DDE_FIELD !MACRO_EXCEL4",
            "text|wide|label",
        ),
        row("excel, linked", "a.xls", compound_of(&[("/Workbook", &linked)]), "DDE_FIELD", ""),
        row(
            "excel, locked",
            "a.xls",
            compound_of(&[("/Workbook", &locked)]),
            "DOCUMENT_ENCRYPTED",
            "",
        ),
        row(
            "slides",
            "a.ppt",
            compound_of(&[("/PowerPoint Document", &slides)]),
            "!DOCUMENT_ENCRYPTED",
            "slide|wi",
        ),
        row(
            "package, locked",
            "a.docx",
            compound_of(&[
                ("/EncryptedPackage", b"xxxxxxxx"),
                ("/EncryptionInfo", b"\x04\0\x04\0"),
            ]),
            "DOCUMENT_ENCRYPTED !ARCHIVE_ENCRYPTED",
            "",
        ),
        row(
            "properties",
            "a.doc",
            compound_of(&[("/\u{5}DocumentSummaryInformation", &properties)]),
            "",
            "MSIP_Label_1: Secret",
        ),
    ]);
}

#[test]
fn sheets_in_text() {
    check(vec![
        row("csv", "a.csv", b"a,=cmd|' /C calc'!A0\r\n".to_vec(), "DDE_FIELD", ""),
        row("csv with a plus", "a.csv", b"\"+cmd|'/c x'!A1\",2\r\n".to_vec(), "DDE_FIELD", ""),
        row("honest csv", "a.csv", b"a|b,c\r\n=SUM(A1:A2),-5\r\n".to_vec(), "!DDE_FIELD", ""),
        row(
            "sylk",
            "a.slk",
            b"ID;P\r\nO;E\r\nNN;NAuto_open;ER1C1\r\nC;X1;Y1;K0;EEXEC(\"calc\")\r\nE\r\n".to_vec(),
            "MACRO_EXCEL4 MACRO_SUSPICIOUS",
            "",
        ),
        row(
            "honest sylk",
            "a.slk",
            b"ID;P\r\nC;X1;Y1;K5\r\nE\r\n".to_vec(),
            "!MACRO_EXCEL4",
            "C;X1",
        ),
        row("query", "a.iqy", b"WEB\r\n1\r\nhttp://a.test/x\r\n".to_vec(), "OBJECT_EXTERNAL", ""),
    ]);
}

#[test]
fn rich_text() {
    check(vec![
        row(
            "text",
            "a.rtf",
            rtf(
                r"Hello\par {\b bold} gr\'fcn \u8364?\u-10179?\u-8704? {\*\unknown hidden}{\fonttbl{\f0 Arial;}}",
            ),
            "!RTF_OBFUSCATED",
            "Hello\nbold grün €😀",
        ),
        row("a code page", "a.rtf", rtf(r"\ansicpg1251 \'cf\'f0"), "", "Пр"),
        row(
            "a font's code page",
            "a.rtf",
            rtf(r"{\fonttbl{\f3\fcharset204 X;}}\f3 \'cf\'f0"),
            "",
            "Пр",
        ),
        row(
            "properties",
            "a.rtf",
            rtf(r"{\info{\title The plan}}{\*\userprops{\propname Label}{\staticval Secret}}"),
            "",
            "The plan|Label|Secret",
        ),
        row(
            "a text box",
            "a.rtf",
            rtf(r"{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt boxed}}}"),
            "!OBJECT_RISKY",
            "boxed",
        ),
        row(
            "template",
            "a.rtf",
            rtf(r"{\*\template http://a.test/t.dotm}"),
            "TEMPLATE_EXTERNAL",
            "",
        ),
        row(
            "template of the house",
            "a.rtf",
            rtf(r"{\*\template C:\\t.dot}"),
            "!TEMPLATE_EXTERNAL",
            "",
        ),
        row(
            "template of characters",
            "a.rtf",
            rtf(r"{\*\template \u104?\u116?\u116?\u112?://a.test/x}"),
            "TEMPLATE_EXTERNAL",
            "",
        ),
        row("dde", "a.rtf", rtf(r#"{\field{\*\fldinst {DDE}{AUTO c:\\x.exe}}}"#), "DDE_FIELD", ""),
        row(
            "link",
            "a.rtf",
            rtf(r#"{\field{\*\fldinst {HYPERLINK "http://a.test/"}}{\fldrslt here}}"#),
            "!DDE_FIELD",
            "http://a.test/|here",
        ),
        row(
            "fragments",
            "a.rtf",
            rtf(r"{\shp{\sp{\sn pFragments}{\sv 1;2;3}}}"),
            "OBJECT_RISKY",
            "",
        ),
        row(
            "equation by name",
            "a.rtf",
            rtf(r"{\object\objemb{\*\objclass Equation.3}}"),
            "OBJECT_EQUATION",
            "",
        ),
        row(
            "loads by itself",
            "a.rtf",
            rtf(r"{\object\objautlink\objupdate{\*\objclass Word.Document.8}}"),
            "OBJECT_UPDATES OBJECT_EXTERNAL",
            "",
        ),
        row("a short head", "a.rtf", br"{\rt text}".to_vec(), "", "text"),
        row(
            "many groups",
            "a.rtf",
            rtf(&format!("{}deep", "{".repeat(9_000))),
            "RTF_OBFUSCATED",
            "deep",
        ),
    ]);
}
