//! What a PDF does by itself or by a click (ISO 32000-1 section 12.6), and scripts in it.
//!
//! In: a [`File`]. Out: remarks, and scripts as text. Actions are looked for in every
//! dictionary of every object, by what they say and not by what leads to them.

use super::file::File;
use super::lexer::{Dictionary, Value};
use super::text::text_string;
use crate::message::contents::{Exhausted, Opening};
use crate::message::document::script;

/// Names that only those obfuscate who have something to hide.
const TELLING: [&[u8]; 22] = [
    b"JavaScript",
    b"JS",
    b"OpenAction",
    b"AA",
    b"Launch",
    b"EmbeddedFile",
    b"EmbeddedFiles",
    b"URI",
    b"SubmitForm",
    b"GoToR",
    b"GoToE",
    b"RichMedia",
    b"XFA",
    b"AcroForm",
    b"ObjStm",
    b"FlateDecode",
    b"Encrypt",
    b"Action",
    b"Names",
    b"Filespec",
    b"ASCIIHexDecode",
    b"ASCII85Decode",
];

pub(super) fn remark_hidden_names(file: &File<'_>, opening: &mut Opening<'_, '_>) {
    for name in &file.hidden_names {
        if TELLING.contains(&name.as_slice()) {
            opening.remark("PDF_HIDDEN_NAMES", String::from_utf8_lossy(name));
        }
    }
}

/// Calls `visit` for every dictionary in a value.
pub(super) fn each_dictionary<'v>(value: &'v Value, visit: &mut dyn FnMut(&'v Dictionary)) {
    match value {
        Value::Dictionary(own) => {
            visit(own);
            own.0.iter().for_each(|(_, value)| each_dictionary(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| each_dictionary(value, visit)),
        _ => {}
    }
}

/// Remarks about all actions; scripts are read where the file is readable.
pub(super) fn read(
    file: &File<'_>,
    readable: bool,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    for (count, object) in file.objects.iter().enumerate() {
        if count % 64 == 0 {
            opening.pay_time()?;
        }
        let mut dictionaries = Vec::new();
        each_dictionary(&object.value, &mut |own| dictionaries.push(own));
        for own in dictionaries {
            one(file, own, readable, opening)?;
        }
    }
    for trailer in &file.trailers {
        one(file, trailer, readable, opening)?;
    }
    Ok(())
}

fn one(
    file: &File<'_>,
    own: &Dictionary,
    readable: bool,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    for script in own.all(b"JS") {
        opening.remark("PDF_JAVASCRIPT", "");
        if readable {
            read_script(file, script, opening)?;
        }
    }
    if let Some(scripts) = file.entry(own, b"JavaScript") {
        read_form_scripts(file, scripts, readable, opening)?;
    }
    let kind = own.value(b"S").and_then(|value| file.resolve(value).as_name());
    match kind.unwrap_or_default() {
        b"JavaScript" if !own.has(b"JS") => opening.remark("PDF_JAVASCRIPT", ""),
        b"Launch" => opening.remark("PDF_LAUNCH", target(file, own)),
        b"SubmitForm" | b"ImportData" => opening.remark("PDF_SUBMIT_FORM", target(file, own)),
        b"GoToR" | b"GoToE" | b"Thread" if own.has(b"F") => {
            let target = target(file, own);
            // A share on another machine is given the reader's credentials.
            if target.starts_with("\\\\") || target.starts_with("//") || target.contains("://") {
                opening.remark("PDF_GOTO_REMOTE", target);
            } else {
                opening.remark("PDF_GOTO_FILE", target);
            }
        }
        b"RichMediaExecute" | b"Movie" | b"GoTo3DView" => opening.remark("PDF_RICH_MEDIA", ""),
        _ => {}
    }
    if matches!(own.name(b"Subtype"), Some(b"RichMedia" | b"3D" | b"Flash")) {
        opening.remark("PDF_RICH_MEDIA", "");
    }
    if let Some(opens) = file.entry(own, b"OpenAction") {
        remark_opening(file, opens, "", opening);
    }
    if let Some(more) = file.entry(own, b"AA") {
        for (trigger, action) in &more.0 {
            if let Some(action) = file.dictionary(action) {
                remark_opening(file, action, &String::from_utf8_lossy(trigger), opening);
            }
        }
    }
    for form in own.all(b"XFA") {
        if !matches!(file.resolve(form), Value::Null) || readable {
            opening.remark("PDF_XFA", "");
        }
        if readable {
            read_form(file, form, opening)?;
        }
    }
    if let Some(Value::Text(target)) = own.value(b"URI").map(|value| file.resolve(value))
        && readable
    {
        opening.text(&text_string(target));
    }
    Ok(())
}

/// ISO 32000-1 section 12.7.7.3: scripts of form data, which run when it is imported.
fn read_form_scripts(
    file: &File<'_>,
    scripts: &Dictionary,
    readable: bool,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    for key in [b"Before".as_slice(), b"After", b"AfterPermsReady", b"Doc"] {
        let Some(value) = scripts.value(key) else { continue };
        let name = String::from_utf8_lossy(key);
        opening.remark("PDF_JAVASCRIPT", "");
        opening.remark("PDF_OPEN_ACTION", format!("{name} JavaScript"));
        let values: &[Value] = match file.resolve(value) {
            // Names and scripts by turns.
            Value::Array(values) => values,
            _ => std::slice::from_ref(value),
        };
        for value in values.iter().take(100).filter(|_| readable) {
            read_script(file, value, opening)?;
        }
    }
    Ok(())
}

/// An action that starts by itself; going to a page is what nearly all of them do.
fn remark_opening(
    file: &File<'_>,
    action: &Dictionary,
    trigger: &str,
    opening: &mut Opening<'_, '_>,
) {
    let kind =
        action.value(b"S").and_then(|value| file.resolve(value).as_name()).unwrap_or_default();
    let does = String::from_utf8_lossy(kind).into_owned();
    if matches!(
        kind,
        b"JavaScript"
            | b"Launch"
            | b"URI"
            | b"SubmitForm"
            | b"ImportData"
            | b"GoToR"
            | b"GoToE"
            | b"Rendition"
            | b"RichMediaExecute"
    ) {
        opening.remark("PDF_OPEN_ACTION", format!("{trigger} {does}"));
    }
}

/// What an action leads to: a file specification or the parameters of a program.
fn target(file: &File<'_>, action: &Dictionary) -> String {
    let mut words = Vec::new();
    for key in [b"F".as_slice(), b"UF", b"P", b"D", b"O"] {
        for own in [
            Some(action),
            file.entry(action, b"F"),
            file.entry(action, b"Win"),
            file.entry(action, b"Unix"),
        ]
        .into_iter()
        .flatten()
        {
            if let Some(Value::Text(text)) = own.value(key).map(|value| file.resolve(value)) {
                words.push(text_string(text));
            }
        }
    }
    words.dedup();
    words.join(" ")
}

fn read_script(
    file: &File<'_>,
    value: &Value,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let source = match file.resolve(value) {
        Value::Text(text) => text_string(text),
        _ => match file.decode(value, opening)? {
            Some(decoded) => text_string(&decoded.octets),
            None => return Ok(()),
        },
    };
    opening.text(&source);
    script::look_at_pdf(&source, opening);
    Ok(())
}

/// Section 12.7.8: a form in XML, whole or in packets, each behind its name.
fn read_form(
    file: &File<'_>,
    value: &Value,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let packets = match file.resolve(value) {
        Value::Array(packets) => packets.iter().take(64).collect(),
        _ => vec![value],
    };
    for packet in packets {
        let Some(decoded) = file.decode(packet, opening)? else { continue };
        let text = text_string(&decoded.octets);
        if text.contains("application/x-javascript") || text.contains("<script") {
            opening.remark("PDF_JAVASCRIPT", "XFA");
            opening.text(&text);
        } else {
            opening.text(&crate::message::html::html_to_text(&text));
        }
    }
    Ok(())
}
