//! The style sheets of a message, as far as they hide text.
//!
//! In: HTML. Out: [`Sheet`]: the declarations that simple selectors give to an element, its
//! classes and its name (`p`, `.a`, `#a`, `p.a`, and lists of these). Selectors that look at
//! more than one element are left out. What a block for other screens (`@media`) shows again is
//! not taken for hidden: newsletters carry a second form for small screens. Reading is linear,
//! sheets and declarations are bounded.

use std::collections::{HashMap, HashSet};

/// Octets of style sheets that are read of a document.
const SHEET_OCTETS: usize = 128 << 10;
/// Selectors kept of a document.
const MOST_SELECTORS: usize = 2_000;
/// Octets of declarations that are kept for one selector.
const DECLARATION_OCTETS: usize = 1_000;
/// Classes of one element that are looked up.
const MOST_CLASSES: usize = 16;

/// What the style sheets of a document say of single elements.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// By the selector, in small letters.
    rules: HashMap<String, String>,
    /// Selectors that are shown on some screens.
    shown_elsewhere: HashSet<String>,
}

impl Sheet {
    /// Reads the `style` elements of a document, wherever they stand.
    pub(super) fn of(html: &str) -> Sheet {
        let mut sheet = Sheet::default();
        let mut left = SHEET_OCTETS;
        let mut rest = html;
        while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
            let from = rest.get(at..).unwrap_or_default();
            if let Some(comment) = from.strip_prefix("<!--") {
                rest = comment.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            let is_style = from.get(1..6).is_some_and(|name| name.eq_ignore_ascii_case("style"));
            rest = from.get(1..).unwrap_or_default();
            if !is_style {
                continue;
            }
            let Some((tag, after)) = rest.split_once('>') else { break };
            let end = memchr::memmem::find(after.as_bytes(), b"</").unwrap_or(after.len());
            let css = after.get(..end.min(after.floor_char_boundary(left))).unwrap_or_default();
            left -= css.len();
            rest = after.get(end..).unwrap_or_default();
            sheet.read(css, is_for_other_screens(&tag.to_ascii_lowercase()));
        }
        sheet
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Declarations for an element, the weakest first.
    pub(super) fn declarations<'s>(
        &'s self,
        element: &str,
        class: &str,
        id: &str,
    ) -> impl Iterator<Item = (&'s str, bool)> {
        let mut keys = vec!["*".to_owned(), element.to_owned()];
        for class in class.split_ascii_whitespace().take(MOST_CLASSES) {
            let class = class.to_lowercase();
            keys.push(format!(".{class}"));
            keys.push(format!("{element}.{class}"));
        }
        if !id.is_empty() {
            let id = id.trim().to_lowercase();
            keys.push(format!("#{id}"));
            keys.push(format!("{element}#{id}"));
        }
        // One class that is shown elsewhere shows the element there.
        let elsewhere = keys.iter().skip(2).any(|key| self.shown_elsewhere.contains(key));
        keys.into_iter()
            .filter_map(move |key| Some((self.rules.get(&key)?.as_str(), elsewhere)))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Reads rules; `elsewhere` is whether they are for other screens than the usual one.
    fn read(&mut self, css: &str, elsewhere: bool) {
        let css = without_comments(css);
        let mut rest = css.as_str();
        while let Some((prelude, after)) = rest.split_once('{') {
            let prelude = prelude.rsplit([';', '}']).next().unwrap_or_default().trim();
            if let Some(at_rule) = prelude.strip_prefix('@') {
                let (block, behind) = block(after);
                rest = behind;
                let at_rule = at_rule.to_ascii_lowercase();
                if at_rule.starts_with("media") {
                    let other = elsewhere || is_condition(&at_rule);
                    self.read_flat(block, other);
                } else if at_rule.starts_with("supports") {
                    self.read_flat(block, true);
                }
                continue;
            }
            let (declarations, behind) = after.split_once('}').unwrap_or((after, ""));
            rest = behind;
            self.note(prelude, declarations, elsewhere);
        }
    }

    /// Rules inside of a block; what is nested deeper is left out.
    fn read_flat(&mut self, css: &str, elsewhere: bool) {
        let mut rest = css;
        while let Some((prelude, after)) = rest.split_once('{') {
            let (declarations, behind) = after.split_once('}').unwrap_or((after, ""));
            rest = behind;
            let prelude = prelude.rsplit([';', '}']).next().unwrap_or_default().trim();
            self.note(prelude, declarations, elsewhere);
        }
    }

    fn note(&mut self, selectors: &str, declarations: &str, elsewhere: bool) {
        let end = declarations.floor_char_boundary(DECLARATION_OCTETS);
        let declarations = declarations.get(..end).unwrap_or_default().to_ascii_lowercase();
        for selector in selectors.split(',') {
            let selector = selector.trim().to_lowercase();
            // What other screens show may be told of elements inside of others.
            let last = selector.split_whitespace().next_back().unwrap_or_default();
            if elsewhere {
                if shows(&declarations) && self.shown_elsewhere.len() < MOST_SELECTORS {
                    self.shown_elsewhere.insert(bare(last).to_owned());
                }
                continue;
            }
            if !is_simple(&selector) {
                continue;
            }
            if let Some(known) = self.rules.get_mut(&selector) {
                if known.len() < DECLARATION_OCTETS {
                    known.push(';');
                    known.push_str(&declarations);
                }
            } else if self.rules.len() < MOST_SELECTORS {
                self.rules.insert(selector, declarations.clone());
            }
        }
    }
}

/// A selector without what it asks of the moment, such as `:hover`.
fn bare(selector: &str) -> &str {
    selector.trim_start_matches('*').split(':').next().unwrap_or_default()
}

/// Whether declarations show what was hidden.
fn shows(declarations: &str) -> bool {
    declarations.split(';').filter_map(|one| one.split_once(':')).any(|(name, value)| {
        let (name, value) = (name.trim(), value.trim());
        match name {
            "display" => !value.starts_with("none"),
            "visibility" => value.starts_with("visible"),
            "max-height" | "height" | "font-size" | "width" | "max-width" => {
                !value.starts_with('0')
            }
            "opacity" => !value.starts_with('0'),
            "overflow" => value.starts_with("visible"),
            _ => false,
        }
    })
}

/// One element's name, class or id, or a name with one of these.
fn is_simple(selector: &str) -> bool {
    let names = selector.trim_start_matches(['.', '#']);
    let is_name = |name: &str| {
        !name.is_empty()
            && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))
    };
    if selector == "*" || is_name(names) && selector.len() - names.len() <= 1 {
        return true;
    }
    selector.split_once(['.', '#']).is_some_and(|(element, name)| is_name(element) && is_name(name))
}

/// `<style media="…">`.
fn is_for_other_screens(tag: &str) -> bool {
    tag.split_once("media").is_some_and(|(_, value)| is_condition(value))
}

/// Whether a query asks for more than a screen.
fn is_condition(query: &str) -> bool {
    query.contains('(') || query.contains("print") || query.contains("speech")
}

/// What stands before the bracket that closes a block, and what stands behind it.
fn block(text: &str) -> (&str, &str) {
    let mut depth = 1usize;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let (inside, behind) = text.split_at_checked(at).unwrap_or((text, ""));
            return (inside, behind.get(1..).unwrap_or_default());
        }
    }
    (text, "")
}

/// Comments of CSS, and those of HTML that hide a sheet from old readers, are nothing.
fn without_comments(css: &str) -> String {
    let mut plain = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("/*") {
        plain.push_str(before);
        plain.push(' ');
        rest = after.split_once("*/").map_or("", |(_, behind)| behind);
    }
    plain.push_str(rest);
    plain.replace("<!--", " ").replace("-->", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sheet: &Sheet, element: &str, class: &str, id: &str) -> String {
        let told: Vec<&str> =
            sheet.declarations(element, class, id).map(|(said, _)| said).collect();
        told.join("|")
    }

    #[test]
    fn simple_selectors_are_read() {
        let sheet = Sheet::of(
            "<STYLE type='text/css'><!-- /* x { */ .z , #Y{Display:none} p.q{color:red}\
             div > p{color:blue} .z{opacity:0} @import url(x); b{top:1px} --></STYLE>\
             <!--[if mso]><style>.n{display:none}</style><![endif]-->",
        );
        assert_eq!(told(&sheet, "p", "a Z", ""), "display:none;opacity:0");
        assert_eq!(told(&sheet, "p", "q", "y"), "color:red|display:none");
        assert_eq!(told(&sheet, "div", "q n", ""), "");
        assert_eq!(told(&sheet, "b", "", ""), "top:1px");
    }

    #[test]
    fn what_small_screens_show_is_marked() {
        let sheet = Sheet::of(
            "<style>.m{display:none} @media only screen and (max-width:600px)\
             { .m, .o { display:block !important } } .w{display:none}\
             @media screen { .v{display:none} }</style>",
        );
        let marks = |class| sheet.declarations("p", class, "").map(|(_, mark)| mark).next();
        assert_eq!(marks("m"), Some(true));
        assert_eq!(marks("w"), Some(false));
        assert_eq!(marks("v"), Some(false));
    }

    #[test]
    fn hostile_sheets_end_soon() {
        for text in ["{", "@media{", ".a,", "/*", "<style>", "@media (x){.a{", "}", ".a{b:c}"] {
            Sheet::of(&format!("<style>{}", text.repeat(200_000)));
            Sheet::of(&text.repeat(200_000));
        }
        Sheet::of(&format!("<style>{}</style>", "é{ü:ö}".repeat(100_000)));
    }
}
