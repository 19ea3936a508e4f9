//! SVG pictures (W3C SVG 1.1 and 2), which are documents with scripts to a browser.
//!
//! In: octets. Out: text, the files written in it, and remarks about what runs or leads away.

use bytes::Bytes;

use super::payload;
use super::source::{any, has, read_markup};
use super::xml::{Piece, Xml, all_attributes};
use crate::message::contents::{Exhausted, Opening};
use crate::message::html::{Attributes, HtmlReader, attribute_value, read_html};

/// Scripts that are told of.
const SCRIPTS: usize = 20;
/// Entities that are looked at, how long one may be, and how deep they are resolved.
const ENTITIES: usize = 64;
const ENTITY_OCTETS: usize = 64 << 10;
const EXPANSIONS: usize = 4;

/// Takes an SVG picture apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    // `.svgz` is a gzip file by its octets, and comes here unpacked.
    let source = read_markup(octets, opening);
    let found = payload::find_in_markup(&source, opening)?;
    let mut picture = Picture::default();
    read_html(&source, &mut picture);
    picture.read_xml(&source, &[]);
    let entities = entities(&source);
    for entity in &entities {
        opening.pay_time()?;
        picture.read_xml(&entity.value, &entities);
    }
    if !entities.is_empty() {
        picture.read_xml(&source, &entities);
    }
    let lower = source.to_lowercase();
    for what in &picture.scripts {
        opening.remark("SVG_SCRIPT", what.clone());
    }
    if has(&lower, "<!entity") {
        opening.remark("SVG_ENTITY", "");
    }
    if picture.foreign {
        opening.remark("SVG_FOREIGN_OBJECT", "");
    }
    if picture.password {
        opening.remark("HTML_CREDENTIAL_FORM", "");
    }
    if let Some(link) = picture.links.first() {
        opening.remark("SVG_LINK", link.clone());
    }
    let assembles =
        any(&lower, &["new blob(", "createobjecturl", "atob(", "fromcharcode", "location"]);
    if !picture.scripts.is_empty()
        && assembles
        && found.dangerous + found.archives + found.unknown > 0
    {
        opening.remark("HTML_SMUGGLING", "in a picture");
    }
    Ok(())
}

#[derive(Default)]
struct Picture {
    text: String,
    scripts: Vec<String>,
    links: Vec<String>,
    foreign: bool,
    password: bool,
}

impl HtmlReader for Picture {
    fn text(&mut self) -> &mut String {
        self.text.clear();
        &mut self.text
    }

    fn open(&mut self, element: &str, attributes: Attributes<'_>) {
        let values = attributes.map(|(name, value)| (name, attribute_value(value)));
        self.element(element, values);
    }

    fn close(&mut self, _element: &str) {}
}

impl Picture {
    /// The same as XML, in which a prefix may stand before any name, and with the entities that
    /// the picture declares.
    fn read_xml(&mut self, source: &str, entities: &[Entity]) {
        for piece in Xml::new(source) {
            match piece {
                Piece::Open { name, attributes } => {
                    let values = all_attributes(attributes)
                        .map(|(name, value)| (name, expand(&value, entities)));
                    self.element(&name.to_ascii_lowercase(), values);
                }
                Piece::Instruction(text) if is_transformed(text) => self.script("xml-stylesheet"),
                _ => {}
            }
        }
    }

    fn element<'a>(&mut self, element: &str, attributes: impl Iterator<Item = (&'a str, String)>) {
        match element {
            "script" | "handler" => self.script("script"),
            "foreignobject" | "iframe" | "embed" | "object" => self.foreign = true,
            _ => {}
        }
        for (name, value) in attributes {
            // A prefix of a name space may stand before any of them.
            let name = name.rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
            let target: String = value
                .chars()
                .filter(|letter| !letter.is_whitespace() && !letter.is_control())
                .collect();
            let target = target.to_lowercase();
            match name.as_str() {
                "href" | "src" | "to" | "from" | "values" | "action"
                    if target.starts_with("javascript:")
                        || target.starts_with("data:text/html")
                        || target.starts_with("vbscript:") =>
                {
                    self.script(&name);
                }
                "href" if element == "a" && target.contains("//") => self.links.push(value),
                "type" if element == "input" && target == "password" => self.password = true,
                "attributename" if runs(&target) => self.script(&target),
                name if runs(name) && !value.is_empty() => self.script(name),
                _ => {}
            }
        }
    }

    fn script(&mut self, what: &str) {
        if self.scripts.len() < SCRIPTS && !self.scripts.iter().any(|known| known == what) {
            self.scripts.push(what.to_owned());
        }
    }
}

/// Whether an attribute of this name is a script.
fn runs(name: &str) -> bool {
    name.starts_with("on") && name.len() > 3
}

/// Whether an instruction tells browsers to transform the picture, by which scripts come in.
fn is_transformed(instruction: &str) -> bool {
    let lower = instruction.to_ascii_lowercase();
    lower.starts_with("<?xml-stylesheet") && (lower.contains("xsl") || lower.contains("text/xml"))
}

/// What the picture declares that a name stands for (XML 1.0 section 4.2).
struct Entity {
    reference: String,
    /// Characters by number are decoded, as section 4.5 has it.
    value: String,
}

/// The entities of a source, and those that these declare in turn.
fn entities(source: &str) -> Vec<Entity> {
    let mut found: Vec<Entity> = Vec::new();
    let mut read = 0;
    collect(source, &mut found);
    while let Some(value) = found.get(read).map(|entity| entity.value.clone()) {
        collect(&value, &mut found);
        // Declared within another declaration, its characters were written by number twice.
        let again = attribute_value(&value);
        if again != value && found.len() < ENTITIES {
            found.push(Entity { reference: String::new(), value: again });
        }
        read += 1;
    }
    found
}

fn collect(source: &str, found: &mut Vec<Entity>) {
    for declaration in source.split("<!ENTITY").skip(1) {
        if found.len() >= ENTITIES {
            return;
        }
        let declaration = declaration.trim_start();
        let declaration = declaration.strip_prefix('%').unwrap_or(declaration).trim_start();
        let Some((name, rest)) = declaration.split_once(char::is_whitespace) else { continue };
        let rest = rest.trim_start();
        let Some(quote) = rest.chars().next().filter(|letter| matches!(letter, '"' | '\'')) else {
            continue;
        };
        let value = rest.get(1..).unwrap_or_default().split(quote).next().unwrap_or_default();
        let end = value.floor_char_boundary(ENTITY_OCTETS);
        let value = attribute_value(value.get(..end).unwrap_or_default());
        found.push(Entity { reference: format!("&{name};"), value });
    }
}

/// A value with its entities, which may hold others; no longer than a script's beginning.
fn expand(value: &str, entities: &[Entity]) -> String {
    let mut value = value.to_owned();
    for _ in 0..EXPANSIONS {
        if entities.is_empty() || !value.contains('&') || value.len() > ENTITY_OCTETS {
            break;
        }
        for entity in entities {
            let is_named = !entity.reference.is_empty();
            if is_named && value.contains(&entity.reference) && value.len() <= ENTITY_OCTETS {
                value = value.replacen(&entity.reference, &entity.value, 1);
            }
        }
    }
    value
}
