//! Markings in header fields and document properties that are there for them, and sensitivity
//! labels.
//!
//! In: a name and a value. Out: what is marked. Standards: RFC 2156 section 5.3.4 and RFC 4021
//! section 2.1.56 (Sensitivity), the Australian e-mail protective marking standard
//! (X-Protective-Marking), RFC 7444 (SIO-Label), the label metadata of Microsoft's information
//! protection (`MSIP_Label_<guid>_<attribute>`, in the field `msip_labels` and as properties of
//! documents). Fields of other programs are known by their names only.

use base64::Engine;

use super::forms::{self, Found, Setting};
use crate::mail::MarkingLevel;

/// Header fields that name a marking, in lower case.
const FIELDS: [&str; 22] = [
    "x-protective-marking",
    "protective-marking",
    "x-classification",
    "classification",
    "x-security-classification",
    "security-classification",
    "x-sensitivity",
    "x-sensitivity-label",
    "x-data-classification",
    "x-message-classification",
    "x-email-classification",
    "x-security-label",
    "x-label",
    "sio-label",
    "x-gsc",
    "x-gpms",
    "x-marking",
    "x-dlp-label",
    "x-bj-classification",
    "x-clearswift-classification",
    "x-janusseal-classification",
    "x-ms-exchange-organization-classification",
];

/// Beginnings of the names of such fields.
const FIELD_STEMS: [&str; 5] =
    ["x-titus", "titus", "x-boldonjames", "x-bjclassification", "x-fortra-classification"];

/// Properties of documents that name a marking, in lower case without spaces, `-` and `_`.
const PROPERTIES: [&str; 18] = [
    "classification",
    "securityclassification",
    "protectivemarking",
    "sensitivity",
    "sensitivitylabel",
    "dataclassification",
    "documentclassification",
    "informationclassification",
    "marking",
    "securitymarking",
    "gsc",
    "gscmarking",
    "bjdocumentsecuritylabel",
    "bjdocumentlabel",
    "bjclsusercaption",
    "titusclassification",
    "confidentiality",
    "classificationmarking",
];

/// Properties of documents that people write what they like into.
const TITLES: [&str; 9] = [
    "title",
    "subject",
    "keywords",
    "keyword",
    "category",
    "description",
    "comments",
    "contentstatus",
    "contenttype",
];

/// Octets of a value that are looked at.
const VALUE_OCTETS: usize = 16 << 10;

/// Whether a header field may name a marking.
pub(super) fn is_field(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower == "sensitivity"
        || lower == "msip_labels"
        || lower.starts_with("msip_label_")
        || FIELDS.contains(&lower.as_str())
        || FIELD_STEMS.iter().any(|stem| lower.starts_with(stem))
}

/// What a header field says; those of labels are [`Gathered`].
pub(super) fn of_field(name: &str, value: &str) -> Vec<Found> {
    let value = bounded(value);
    if name.eq_ignore_ascii_case("sensitivity") {
        return of_sensitivity(value).into_iter().collect();
    }
    of_value(value).into_iter().collect()
}

/// RFC 2156 section 5.3.4.
fn of_sensitivity(value: &str) -> Option<Found> {
    let value = value.trim();
    let level = match value.to_ascii_lowercase().replace([' ', '_'], "-").as_str() {
        "personal" => MarkingLevel::Personal,
        "private" => MarkingLevel::Private,
        "company-confidential" => MarkingLevel::CompanyConfidential,
        "normal" | "" => return None,
        _ => forms::level_within(value)?,
    };
    Some(Found { level, words: forms::shortened(value) })
}

/// `SEC=OFFICIAL:Sensitive, VER=…`, `marking="SECRET"; …`, or the words alone.
fn of_value(value: &str) -> Option<Found> {
    let decoded = unpacked(value);
    let value = decoded.as_deref().unwrap_or(value);
    const KEYS: [&str; 6] = ["sec", "marking", "classification", "label", "sensitivity", "level"];
    let pieces = || value.split([',', ';', '\n', '{', '}']);
    let keyed = pieces().find_map(|piece| {
        let (key, own) = piece.split_once(['=', ':'])?;
        let key = key.trim_matches(|letter: char| !letter.is_alphanumeric()).to_ascii_lowercase();
        let is_known =
            KEYS.iter().any(|known| key == *known || key.ends_with(&format!(" {known}")));
        let is_known = is_known || key.ends_with("classification");
        is_known.then_some(own)
    });
    let words = keyed.unwrap_or(value).trim().trim_matches(['"', '\'', '[', ']', ' ']);
    let whole = forms::of_phrase(words, Setting::Announced);
    whole.or_else(|| {
        let level = forms::level_within(words)?;
        Some(Found { level, words: forms::shortened(words) })
    })
}

/// Some programs pack their values in base 64.
fn unpacked(value: &str) -> Option<String> {
    let packed: String = value.chars().filter(|letter| !letter.is_whitespace()).collect();
    if packed.len() < 16 || !packed.len().is_multiple_of(4) || value.trim().contains(' ') {
        return None;
    }
    let octets = base64::engine::general_purpose::STANDARD.decode(packed).ok()?;
    String::from_utf8(octets).ok()
}

/// What a property of a document says; those of labels are [`Gathered`].
pub(super) fn of_property(line: &str) -> Vec<Found> {
    let Some((name, value)) = line.split_once(':').filter(|(name, _)| name.len() <= 60) else {
        return Vec::new();
    };
    let bare: String =
        name.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase();
    match () {
        () if PROPERTIES.contains(&bare.as_str()) => of_property_value(value),
        () if TITLES.contains(&bare.as_str()) => of_title(value),
        () => Vec::new(),
    }
}

/// A title, subject, category or keyword: read as the Subject of a mail is, but that a word of
/// every day is in capitals. Keywords are divided by commas.
fn of_title(value: &str) -> Vec<Found> {
    const KEYWORDS: usize = 32;
    let value = bounded(value).trim();
    let mut found: Vec<Found> = Vec::new();
    let pieces = value.split([',', ';']).map(str::trim).take(KEYWORDS);
    for own in pieces.filter_map(|piece| forms::of_phrase(piece, Setting::Line)) {
        found.push(own);
    }
    let words = forms::words(value);
    if found.is_empty() && (words.len() > 1 || forms::are_capitals(&words)) {
        found = super::subject::markings(value);
    }
    found
}

fn of_property_value(value: &str) -> Vec<Found> {
    let value = bounded(value).trim();
    // A sentence that begins with such a word is none.
    let is_short = forms::words(value).len() <= 8;
    let found = forms::of_phrase(value, Setting::Announced).filter(|_| is_short).or_else(|| {
        let words = forms::words(value);
        let is_label =
            is_short && words.iter().all(|word| word.text.starts_with(char::is_uppercase));
        let level = forms::level_within(value).filter(|_| is_label)?;
        Some(Found { level, words: forms::shortened(value) })
    });
    found.into_iter().collect()
}

/// Labels that are told apart in one text.
const LABELS: usize = 32;
/// Attributes of labels that are gathered.
const ATTRIBUTES: usize = LABELS * 16;
/// The beginning of the names of attributes.
const LABEL: &str = "MSIP_Label_";

/// What one header or one file says of labels: each attribute stands for itself, and together
/// they say whether a label counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered {
    text: String,
    pieces: usize,
}

impl Gathered {
    /// Takes a header field, if it is one of labels.
    pub(super) fn field(&mut self, name: &str, value: &str) -> bool {
        let begin = name.get(..LABEL.len()).filter(|own| own.eq_ignore_ascii_case(LABEL));
        match begin.and_then(|_| name.get(LABEL.len()..)) {
            Some(attribute) => self.add(&[LABEL, attribute, "=", bounded(value)]),
            None if name.eq_ignore_ascii_case("msip_labels") => self.add(&[bounded(value)]),
            None => return false,
        }
        true
    }

    /// Takes a line of a file, if it is one of labels.
    pub(super) fn property(&mut self, line: &str) -> bool {
        let is_one = line.contains(LABEL);
        if is_one {
            self.add(&[bounded(line)]);
        }
        is_one
    }

    fn add(&mut self, pieces: &[&str]) {
        if self.pieces < ATTRIBUTES {
            self.pieces += 1;
            pieces.iter().for_each(|piece| self.text.push_str(piece));
            self.text.push('\n');
        }
    }

    /// What all of it says.
    pub(super) fn labels(&self) -> Vec<Found> {
        labels(&self.text)
    }
}

#[derive(Default)]
struct Label<'v> {
    guid: &'v str,
    name: Option<&'v str>,
    is_enabled: Option<bool>,
}

/// `MSIP_Label_<guid>_<attribute>=value`, several of them with `;` or line ends between.
fn labels(text: &str) -> Vec<Found> {
    let mut labels: Vec<Label<'_>> = Vec::new();
    for piece in text.split(LABEL).skip(1).take(ATTRIBUTES) {
        let Some((guid, rest)) = piece.split_once('_').filter(|(guid, _)| is_guid(guid)) else {
            continue;
        };
        let attribute_ends = rest.find(|letter: char| !letter.is_ascii_alphanumeric());
        let (attribute, rest) =
            rest.split_at_checked(attribute_ends.unwrap_or(rest.len())).unwrap_or_default();
        let value = rest.trim_start_matches([' ', '=', ':', '>', '"', '\'']);
        let value_ends = value.find([';', '\n', '<', '"', '\'', '\r']).unwrap_or(value.len());
        let value = value.get(..value_ends).unwrap_or_default().trim();
        let at = labels.iter().position(|label| label.guid.eq_ignore_ascii_case(guid));
        let at = match at {
            Some(at) => at,
            None if labels.len() >= LABELS => continue,
            None => {
                labels.push(Label { guid, ..Label::default() });
                labels.len() - 1
            }
        };
        let Some(label) = labels.get_mut(at) else { continue };
        match attribute.to_ascii_lowercase().as_str() {
            "name" if !value.is_empty() => label.name = Some(value),
            // A line of the text itself does not switch off what a property switches on.
            "enabled" => {
                let is_off = value.eq_ignore_ascii_case("false");
                label.is_enabled = Some(label.is_enabled == Some(true) || !is_off);
            }
            _ => {}
        }
    }
    labels.iter().filter(|label| label.is_enabled != Some(false)).flat_map(of_label).collect()
}

/// A label by its name, for people, and by its identifier, which stays when it is renamed. A
/// label of which the name says nothing still marks.
fn of_label(label: &Label<'_>) -> Vec<Found> {
    let level = label.name.and_then(forms::level_within).unwrap_or(MarkingLevel::Internal);
    let named = label.name.map(|name| Found { level, words: forms::shortened(name) });
    let by_guid = Found { level, words: label.guid.to_ascii_lowercase() };
    named.into_iter().chain([by_guid]).collect()
}

fn is_guid(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 40
        && text.bytes().all(|octet| octet.is_ascii_hexdigit() || octet == b'-')
}

fn bounded(value: &str) -> &str {
    value.get(..value.floor_char_boundary(VALUE_OCTETS.min(value.len()))).unwrap_or_default()
}
