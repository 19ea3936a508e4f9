//! The words of protective markings, and when words are one: the grammar of a phrase.
//!
//! In: a phrase, such as a line. Out: [`Found`] when all of it is a marking with its
//! descriptors. Standards: Government Security Classifications (2014 and 2023), the Government
//! Protective Marking Scheme before them, and what houses write. Hyphens, colons, slashes and
//! spaces between the words are the same.
//!
//! A word such as "official" stands in many sentences. It is a marking only where nothing
//! follows it but descriptors and handling instructions, and alone only in capitals.

use crate::mail::MarkingLevel;

/// A marking in a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) level: MarkingLevel,
    /// As it is written.
    pub(super) words: String,
}

/// How sure the words alone make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Several words that say nothing else: in any case.
    Plain,
    /// A word of every day: in capitals.
    Everyday,
}

struct Form {
    words: &'static [&'static str],
    level: MarkingLevel,
    weight: Weight,
}

const fn plain(words: &'static [&'static str], level: MarkingLevel) -> Form {
    Form { words, level, weight: Weight::Plain }
}

const fn everyday(words: &'static [&'static str], level: MarkingLevel) -> Form {
    Form { words, level, weight: Weight::Everyday }
}

/// Longer forms stand before those that they begin with.
const FORMS: &[Form] = &[
    plain(&["TOP", "SECRET"], MarkingLevel::TopSecret),
    plain(&["OFFICIAL", "SENSITIVE"], MarkingLevel::OfficialSensitive),
    plain(&["OFFICIALSENSITIVE"], MarkingLevel::OfficialSensitive),
    everyday(&["OFFICIAL"], MarkingLevel::Official),
    everyday(&["SECRET"], MarkingLevel::Secret),
    everyday(&["RESTRICTED"], MarkingLevel::Restricted),
    plain(&["NHS", "CONFIDENTIAL"], MarkingLevel::NhsConfidential),
    plain(&["NHS", "IN", "CONFIDENCE"], MarkingLevel::NhsConfidential),
    plain(&["PATIENT", "CONFIDENTIAL"], MarkingLevel::NhsConfidential),
    plain(&["PATIENT", "IN", "CONFIDENCE"], MarkingLevel::NhsConfidential),
    plain(&["MEDICAL", "IN", "CONFIDENCE"], MarkingLevel::NhsConfidential),
    plain(&["MEDICAL", "CONFIDENTIAL"], MarkingLevel::NhsConfidential),
    plain(&["COMPANY", "CONFIDENTIAL"], MarkingLevel::CompanyConfidential),
    plain(&["COMPANY", "IN", "CONFIDENCE"], MarkingLevel::CompanyConfidential),
    plain(&["COMPANY", "PRIVATE"], MarkingLevel::CompanyConfidential),
    plain(&["COMPANY", "RESTRICTED"], MarkingLevel::CompanyConfidential),
    plain(&["CORPORATE", "CONFIDENTIAL"], MarkingLevel::CompanyConfidential),
    plain(&["BUSINESS", "CONFIDENTIAL"], MarkingLevel::CompanyConfidential),
    plain(&["PROPRIETARY", "AND", "CONFIDENTIAL"], MarkingLevel::CompanyConfidential),
    plain(&["CONFIDENTIAL", "AND", "PROPRIETARY"], MarkingLevel::CompanyConfidential),
    plain(&["COMMERCIAL", "IN", "CONFIDENCE"], MarkingLevel::CommercialInConfidence),
    plain(&["COMMERCIAL", "CONFIDENTIAL"], MarkingLevel::CommercialInConfidence),
    plain(&["COMMERCIALLY", "CONFIDENTIAL"], MarkingLevel::CommercialInConfidence),
    plain(&["COMMERCIALLY", "SENSITIVE"], MarkingLevel::CommercialInConfidence),
    plain(&["COMMERCIALLY", "IN", "CONFIDENCE"], MarkingLevel::CommercialInConfidence),
    plain(&["CONFIDENTIAL", "COMMERCIAL"], MarkingLevel::CommercialInConfidence),
    plain(&["STAFF", "IN", "CONFIDENCE"], MarkingLevel::Private),
    plain(&["STAFF", "CONFIDENTIAL"], MarkingLevel::Private),
    plain(&["PERSONNEL", "IN", "CONFIDENCE"], MarkingLevel::Private),
    plain(&["PRIVATE", "AND", "CONFIDENTIAL"], MarkingLevel::Private),
    plain(&["PRIVATE", "CONFIDENTIAL"], MarkingLevel::Private),
    plain(&["CONFIDENTIAL", "AND", "PRIVATE"], MarkingLevel::Private),
    plain(&["PERSONAL", "AND", "CONFIDENTIAL"], MarkingLevel::Private),
    plain(&["PERSONAL", "AND", "PRIVATE"], MarkingLevel::Private),
    plain(&["LEGALLY", "PRIVILEGED", "AND", "CONFIDENTIAL"], MarkingLevel::LegallyPrivileged),
    plain(&["PRIVILEGED", "AND", "CONFIDENTIAL"], MarkingLevel::LegallyPrivileged),
    plain(&["CONFIDENTIAL", "AND", "LEGALLY", "PRIVILEGED"], MarkingLevel::LegallyPrivileged),
    plain(&["CONFIDENTIAL", "AND", "PRIVILEGED"], MarkingLevel::LegallyPrivileged),
    plain(&["SUBJECT", "TO", "LEGAL", "PRIVILEGE"], MarkingLevel::LegallyPrivileged),
    plain(
        &["SUBJECT", "TO", "LEGAL", "PROFESSIONAL", "PRIVILEGE"],
        MarkingLevel::LegallyPrivileged,
    ),
    plain(&["ATTORNEY", "CLIENT", "PRIVILEGED"], MarkingLevel::LegallyPrivileged),
    plain(&["ATTORNEY", "CLIENT", "PRIVILEGE"], MarkingLevel::LegallyPrivileged),
    plain(&["LEGALLY", "PRIVILEGED"], MarkingLevel::LegallyPrivileged),
    plain(&["LEGAL", "PRIVILEGE"], MarkingLevel::LegallyPrivileged),
    plain(&["LEGAL", "IN", "CONFIDENCE"], MarkingLevel::LegallyPrivileged),
    plain(&["COUNCIL", "CONFIDENTIAL"], MarkingLevel::CompanyConfidential),
    plain(&["INTERNAL", "USE", "ONLY"], MarkingLevel::Internal),
    plain(&["FOR", "INTERNAL", "USE", "ONLY"], MarkingLevel::Internal),
    everyday(&["FOR", "INTERNAL", "USE"], MarkingLevel::Internal),
    everyday(&["INTERNAL", "ONLY"], MarkingLevel::Internal),
    everyday(&["INTERNAL", "USE"], MarkingLevel::Internal),
    plain(&["COMPANY", "INTERNAL"], MarkingLevel::Internal),
    plain(&["FOR", "OFFICIAL", "USE", "ONLY"], MarkingLevel::OfficialSensitive),
    plain(&["NOT", "PROTECTIVELY", "MARKED"], MarkingLevel::Unclassified),
    everyday(&["UNCLASSIFIED"], MarkingLevel::Unclassified),
    everyday(&["CONFIDENTIAL"], MarkingLevel::Confidential),
    everyday(&["PROTECT"], MarkingLevel::Protect),
    everyday(&["PRIVATE"], MarkingLevel::Private),
    everyday(&["PERSONAL"], MarkingLevel::Personal),
    everyday(&["INTERNAL"], MarkingLevel::Internal),
];

/// Words before a marking that belong to it.
const LEADS: [&str; 14] = [
    "CLASSIFICATION",
    "SECURITY",
    "PROTECTIVE",
    "PROTECTIVELY",
    "MARKING",
    "MARKED",
    "SENSITIVITY",
    "UK",
    "HMG",
    "NATO",
    "STRICTLY",
    "HIGHLY",
    "HANDLING",
    "GSC",
];
/// Of these, those that say that a marking follows, so that its case does not matter.
const ANNOUNCING: [&str; 5] = ["CLASSIFICATION", "MARKING", "MARKED", "SENSITIVITY", "GSC"];

/// Words of descriptors and handling instructions.
const DESCRIPTORS: &str = " PERSONAL COMMERCIAL LOCSEN STAFF MEDICAL HR LEGAL POLICY \
     INVESTIGATION INVESTIGATIONS INTELLIGENCE CONTRACT CONTRACTS MARKET SENSITIVE DATA RECIPIENTS \
     RECIPIENT ONLY UK US EYES HMG USE ORGANISATIONAL ORGANISATION EMBARGO EMBARGOED WHEN COMPLETE \
     COMPLETED FINANCE FINANCIAL BUDGET HONOURS APPOINTMENT APPOINTMENTS VISITS MANAGEMENT PATIENT \
     CLINICAL SAFEGUARDING ADDRESSEE ADDRESSEES FOR NAMED NATO NOFORN REL TO INTERNAL AND DRAFT \
     CHILD CHILDREN VICTIM WITNESS WITNESSES POLICE OPERATIONAL OPERATION CRIME PRIVILEGED CABINET \
     NOT PUBLIC RELEASE DISCLOSURE PERSONNEL SECURITY PRIVATE CONFIDENTIAL INFORMATION DOCUMENT \
     EMAIL MAIL MESSAGE CORRESPONDENCE COMMUNICATION CONFIDENCE IN FIVE STRAP PAGE OF INSPECTIONS \
     VETTING THIRD PARTY PARTIES PROPRIETARY STRICTLY DO FORWARD COPY ORCON ATOMIC CODEWORD \
     ACCESS CONTROLLED DIPLOMATIC ECONOMIC ";

/// A word and where it stands in its phrase.
#[derive(Debug, Clone)]
pub(super) struct Word<'p> {
    pub(super) start: usize,
    pub(super) text: &'p str,
    upper: String,
}

/// Words of the longest phrase that is looked at.
const WORDS: usize = 16;

/// The words of a phrase; `&` is one, for it stands for "and".
pub(super) fn words(phrase: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, letter) in phrase.char_indices().chain([(phrase.len(), ' ')]) {
        if letter.is_alphanumeric() {
            start.get_or_insert(at);
            continue;
        }
        if let Some(start) = start.take()
            && let Some(text) = phrase.get(start..at)
        {
            words.push(Word { start, text, upper: text.to_uppercase() });
        }
        if letter == '&' {
            let text = phrase.get(at..at + 1).unwrap_or_default();
            words.push(Word { start: at, text, upper: "AND".to_owned() });
        }
        if words.len() > WORDS {
            break;
        }
    }
    words
}

/// A form at some word of a phrase.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    pub(super) level: MarkingLevel,
    /// Words that it takes.
    pub(super) length: usize,
    is_everyday: bool,
}

impl Match {
    /// Whether it is a word of every day.
    pub(super) fn is_everyday(self) -> bool {
        self.is_everyday
    }
}

/// The words with which forms of several words begin, each once.
pub(super) fn first_words() -> Vec<&'static str> {
    let several = FORMS.iter().filter(|form| form.weight == Weight::Plain);
    let mut words: Vec<&str> = several.filter_map(|form| form.words.first().copied()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The form that begins at the first of the words.
pub(super) fn form_at(words: &[Word<'_>]) -> Option<Match> {
    FORMS
        .iter()
        .find(|form| {
            form.words.len() <= words.len()
                && form.words.iter().zip(words).all(|(own, word)| *own == word.upper)
        })
        .map(|form| Match {
            level: form.level,
            length: form.words.len(),
            is_everyday: form.weight == Weight::Everyday,
        })
}

/// Whether words are written in capitals.
pub(super) fn are_capitals(words: &[Word<'_>]) -> bool {
    words.iter().all(|word| !word.text.chars().any(char::is_lowercase))
}

/// Whether every word is one of descriptors or a number.
pub(super) fn are_descriptors(words: &[Word<'_>]) -> bool {
    words.iter().all(|word| {
        word.text.bytes().all(|octet| octet.is_ascii_digit())
            || DESCRIPTORS.contains(&format!(" {} ", word.upper))
    })
}

/// Where a phrase stands, which tells how much its words must say by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// Among other lines of a text.
    Line,
    /// Where markings stand: first or last line, brackets, beside other columns of a header.
    Prominent,
    /// In a field or property that is there for it.
    Announced,
}

/// The marking that all of a phrase is.
pub(super) fn of_phrase(phrase: &str, setting: Setting) -> Option<Found> {
    let words = words(phrase);
    if words.len() > WORDS {
        return None;
    }
    let leads = words.iter().take_while(|word| LEADS.contains(&word.upper.as_str())).count();
    // "UK" and "NATO" begin sentences too; so the form must follow at once.
    (0..=leads.min(4)).rev().find_map(|skipped| {
        let (lead, own) = words.split_at_checked(skipped)?;
        let form = form_at(own)?;
        let (taken, rest) = own.split_at_checked(form.length)?;
        let is_announced = setting == Setting::Announced
            || lead.iter().any(|word| ANNOUNCING.contains(&word.upper.as_str()));
        let holds =
            is_written_so(taken, &form, setting, is_announced) && is_tail(rest, &form, phrase);
        let last = words.last()?;
        let from = words.first()?.start;
        let written = phrase.get(from..last.start + last.text.len())?;
        holds.then(|| Found { level: form.level, words: shortened(written) })
    })
}

fn is_written_so(taken: &[Word<'_>], form: &Match, setting: Setting, is_announced: bool) -> bool {
    let is_title = taken.iter().all(|word| word.text.starts_with(char::is_uppercase));
    match () {
        () if is_announced || are_capitals(taken) => true,
        () if form.is_everyday => setting == Setting::Prominent && is_title,
        () => true,
    }
}

/// What may follow: descriptors; behind OFFICIAL-SENSITIVE any few words in capitals that a
/// colon, hyphen, slash or bracket sets off.
fn is_tail(rest: &[Word<'_>], form: &Match, phrase: &str) -> bool {
    // "Personal finance" is a page of a newspaper.
    let is_homely = matches!(form.level, MarkingLevel::Personal | MarkingLevel::Internal);
    if form.is_everyday && is_homely {
        return rest.iter().all(|word| word.upper == "ONLY");
    }
    if are_descriptors(rest) {
        let is_sentence = rest.len() > 1 && form.is_everyday && !are_capitals(rest);
        return !is_sentence;
    }
    let Some(first) = rest.first() else { return true };
    let before = phrase.get(..first.start).unwrap_or_default().trim_end();
    let is_set_off = before.ends_with([':', '-', '/', '(', '[', '|', ',', '\u{2013}', '\u{2014}']);
    form.level == MarkingLevel::OfficialSensitive
        && is_set_off
        && rest.len() <= 6
        && are_capitals(rest)
}

/// The highest level that is named anywhere in the words of a field, property or label.
pub(super) fn level_within(text: &str) -> Option<MarkingLevel> {
    let words = words(text);
    (0..words.len())
        .filter_map(|at| words.get(at..).and_then(form_at))
        .map(|form| form.level)
        .max()
        .or_else(|| {
            let named = |name: &str| words.iter().any(|word| word.upper == name);
            match () {
                () if named("SENSITIVE") => Some(MarkingLevel::OfficialSensitive),
                () if named("PUBLIC") || named("UNRESTRICTED") => Some(MarkingLevel::Unclassified),
                () if named("GENERAL") => Some(MarkingLevel::Internal),
                () => None,
            }
        })
}

/// Characters of a marking's words that are kept.
const SHOWN_CHARACTERS: usize = 80;

/// Words for people to read, of bounded length.
pub(super) fn shortened(text: &str) -> String {
    let spaced = text.split_whitespace().collect::<Vec<_>>().join(" ");
    spaced.chars().filter(|letter| !letter.is_control()).take(SHOWN_CHARACTERS).collect()
}
