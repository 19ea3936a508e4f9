//! SVG pictures (W3C SVG 1.1 and 2), which are documents with scripts to a browser.
//!
//! In: octets. Out: text, the files written in it, and remarks about what runs or leads away.

use bytes::Bytes;

use super::payload;
use super::source::{any, has, read_markup};
use crate::message::contents::{Exhausted, Opening};
use crate::message::html::{Attributes, HtmlReader, attribute_value, read_html};

/// Takes an SVG picture apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    // `.svgz` is a gzip file by its octets, and comes here unpacked.
    let source = read_markup(octets, opening);
    let found = payload::find(&source, opening)?;
    let mut picture = Picture::default();
    read_html(&source, &mut picture);
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
        match element {
            "script" | "handler" => self.scripts.push("script".to_owned()),
            "foreignobject" => self.foreign = true,
            "iframe" | "embed" | "object" => self.foreign = true,
            _ => {}
        }
        for (name, value) in attributes {
            // A prefix of a name space may stand before any of them.
            let name = name.rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
            let plain = attribute_value(value);
            let target: String = plain
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
                    self.scripts.push(name);
                }
                "href" if element == "a" && target.contains("//") => self.links.push(plain),
                "type" if element == "input" && target == "password" => self.password = true,
                name if name.starts_with("on") && name.len() > 3 && !plain.is_empty() => {
                    self.scripts.push(name.to_owned())
                }
                _ => {}
            }
        }
    }

    fn close(&mut self, _element: &str) {}
}
