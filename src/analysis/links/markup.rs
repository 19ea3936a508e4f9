//! Links of HTML, with what is shown beside them.
//!
//! In: HTML. Out: links and forms. The walk is [`read_html`]'s, so that these links stand in
//! the text that the content rules see. An `a` ends where the next one begins, as in browsers.

use std::ops::Range;

use super::{Form, Links, Place, Spot, Target, written};
use crate::message::{Attributes, HtmlReader, attribute_value, is_block, read_html};

/// Forms kept of a message.
const MOST_FORMS: usize = 50;

/// Reads the links of a document.
pub(super) fn read(html: &str, spot: Spot, links: &mut Links) {
    let first = links.all.len();
    let first_form = links.forms.len();
    let mut reader = Reader {
        base: None,
        text: String::with_capacity(html.len() / 2),
        links,
        spot,
        anchor: None,
        form: None,
        anchored: Vec::new(),
    };
    read_html(html, &mut reader);
    reader.end_anchor();
    reader.end_form();
    let Reader { text, anchored, base, .. } = reader;
    if let Some(base) = base {
        resolve(&base, links, first, first_form);
    }
    links.note_shown(&text, spot);
    let mut at = 0;
    for range in anchored {
        written::read(text.get(at..range.start).unwrap_or_default(), spot, links);
        at = range.end;
    }
    written::read(text.get(at..).unwrap_or_default(), spot, links);
}

/// An `a` that is open.
struct Anchor {
    target: String,
    /// Where its text begins.
    start: usize,
    pictured: bool,
    hidden: bool,
}

struct Reader<'l> {
    /// What relative links are meant from: the first `base` that says it.
    base: Option<String>,
    text: String,
    links: &'l mut Links,
    spot: Spot,
    anchor: Option<Anchor>,
    form: Option<Form>,
    /// Where in the text anchors stand: what is written there is no link of its own.
    anchored: Vec<Range<usize>>,
}

impl HtmlReader for Reader<'_> {
    fn text(&mut self) -> &mut String {
        &mut self.text
    }

    fn open(&mut self, element: &str, attributes: Attributes<'_>) {
        if is_block(element) {
            self.text.push('\n');
        }
        match element {
            "a" => self.open_anchor(attributes),
            "area" => {
                let alt = value_of(attributes.clone(), "alt").unwrap_or_default();
                self.link(Place::Anchor, value_of(attributes, "href"), &alt);
            }
            "img" => self.open_image(attributes),
            "form" => {
                self.end_form();
                let action = value_of(attributes, "action").unwrap_or_default();
                self.link(Place::Form, Some(action.clone()), "");
                self.form = Some(Form { action, attached: self.spot.attached, ..Form::default() });
            }
            "input" | "button" | "textarea" | "select" => self.open_field(element, attributes),
            "iframe" | "frame" | "embed" => {
                self.link(Place::Frame, value_of(attributes, "src"), "");
            }
            "object" => self.link(Place::Frame, value_of(attributes, "data"), ""),
            "base" => {
                let target = value_of(attributes, "href");
                self.link(Place::Base, target.clone(), "");
                self.base = self.base.take().or(target);
            }
            "link" | "image" | "use" => {
                let target = value_of(attributes.clone(), "href");
                let target = target.or_else(|| value_of(attributes, "xlink:href"));
                self.link(Place::Resource, target, "");
            }
            "script" | "video" | "audio" | "source" | "bgsound" => {
                self.link(Place::Resource, value_of(attributes, "src"), "");
            }
            "body" | "table" | "td" | "th" | "tr" => {
                self.link(Place::Resource, value_of(attributes, "background"), "");
            }
            "meta" => self.open_meta(attributes),
            _ => {}
        }
    }

    fn close(&mut self, element: &str) {
        match element {
            "a" => self.end_anchor(),
            "form" => self.end_form(),
            _ => {}
        }
        if is_block(element) {
            self.text.push('\n');
        }
    }
}

impl Reader<'_> {
    fn link(&mut self, place: Place, target: Option<String>, visible: &str) {
        let Some(target) = target.filter(|target| !target.trim().is_empty()) else { return };
        self.links.push(place, &target, visible, self.spot);
    }

    fn open_anchor(&mut self, attributes: Attributes<'_>) {
        self.end_anchor();
        let mut target = None;
        let mut hidden = false;
        for (name, value) in attributes {
            // The first of a name counts. In SVG it is `xlink:href`.
            if name.eq_ignore_ascii_case("href") || name.eq_ignore_ascii_case("xlink:href") {
                target.get_or_insert_with(|| attribute_value(value));
            } else if name.eq_ignore_ascii_case("style") {
                hidden |= hides(value);
            }
        }
        if let Some(target) = target.filter(|target| !target.trim().is_empty()) {
            self.anchor = Some(Anchor { target, start: self.text.len(), pictured: false, hidden });
        }
    }

    fn end_anchor(&mut self) {
        let Some(anchor) = self.anchor.take() else { return };
        let range = anchor.start..self.text.len();
        let visible = self.text.get(range.clone()).unwrap_or_default();
        let link = self.links.push(Place::Anchor, &anchor.target, visible, self.spot);
        if let Some(link) = link {
            link.pictured = anchor.pictured;
            link.hidden = anchor.hidden;
        }
        if !range.is_empty() {
            self.anchored.push(range);
        }
    }

    fn open_image(&mut self, attributes: Attributes<'_>) {
        if let Some(anchor) = &mut self.anchor {
            anchor.pictured = true;
        }
        if let Some(alt) = value_of(attributes.clone(), "alt") {
            self.text.push(' ');
            self.text.push_str(&alt);
            self.text.push(' ');
        }
        self.link(Place::Resource, value_of(attributes, "src"), "");
    }

    fn open_field(&mut self, element: &str, attributes: Attributes<'_>) {
        let label = value_of(attributes.clone(), "value").unwrap_or_default();
        self.link(Place::Form, value_of(attributes.clone(), "formaction"), &label);
        let kind = value_of(attributes, "type").unwrap_or_default().to_ascii_lowercase();
        let kind = kind.trim();
        if element == "button" || matches!(kind, "hidden" | "submit" | "button" | "image" | "reset")
        {
            return;
        }
        // A field outside of any form is sent by a script.
        let attached = self.spot.attached;
        let form = self.form.get_or_insert_with(|| Form { attached, ..Form::default() });
        form.fields += 1;
        form.password |= kind == "password";
    }

    fn end_form(&mut self) {
        if let Some(form) = self.form.take()
            && self.links.forms.len() < MOST_FORMS
        {
            self.links.forms.push(form);
        }
    }

    /// `<meta http-equiv=refresh content="0; url=…">`.
    fn open_meta(&mut self, attributes: Attributes<'_>) {
        let equivalent = value_of(attributes.clone(), "http-equiv").unwrap_or_default();
        if !equivalent.trim().eq_ignore_ascii_case("refresh") {
            return;
        }
        let content = value_of(attributes, "content").unwrap_or_default();
        let after = content.split_once([';', ',']).map_or("", |(_, after)| after).trim_start();
        let named = after.get(..3).is_some_and(|name| name.eq_ignore_ascii_case("url"));
        let target = match named {
            true => after.get(3..).unwrap_or_default().trim_start().trim_start_matches('='),
            false => after,
        };
        let target = target.trim().trim_matches(['"', '\'']);
        self.link(Place::Refresh, Some(target.to_owned()), "");
    }
}

/// Relative links of a document lead to where its `base` says, wherever they stand in it.
fn resolve(base: &str, links: &mut Links, first: usize, first_form: usize) {
    let resolved = |target: &str| Target::parse(target).resolved(target, base);
    for link in links.all.iter_mut().skip(first).filter(|link| link.place != Place::Base) {
        // Up and down the message itself.
        if link.target.trim_start().starts_with('#') {
            continue;
        }
        let Some(target) = resolved(&link.target) else { continue };
        link.parsed = Target::parse(&target);
        link.host = link.parsed.host.clone();
        link.target = target;
    }
    for form in links.forms.iter_mut().skip(first_form) {
        if let Some(action) = resolved(&form.action) {
            form.action = action;
        }
    }
}

/// The decoded value of the first attribute of a name.
fn value_of(attributes: Attributes<'_>, wanted: &str) -> Option<String> {
    let mut named = attributes.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    named.next().map(|(_, value)| attribute_value(value))
}

/// Whether a style makes what it is given to invisible.
fn hides(style: &str) -> bool {
    let style: String = style
        .chars()
        .take(1_000)
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let without = ["display:none", "visibility:hidden", "font-size:0;", "font-size:0px"];
    without.iter().any(|part| style.contains(part))
        || style.ends_with("font-size:0")
        || style.split(';').any(|rule| rule == "opacity:0")
}
