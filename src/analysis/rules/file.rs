//! Rule files: TOML text → checked rules, with line and column in every error.
//!
//! In: the text of a file. Out: [`Rule`]s. Each rule brings its own examples: at least two
//! that it must hit and two near misses. Unknown keys are errors.

use serde::Deserialize;
use toml::Spanned;

use super::{RuleError, mark};
use crate::config::Place;
use crate::mail::Class;
use crate::message::Zone;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Spanned<RuleText>>,
    #[serde(default)]
    lexicon: Vec<Spanned<LexiconText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    id: Spanned<String>,
    pattern: Spanned<String>,
    #[serde(default = "caseless")]
    flags: Spanned<String>,
    #[serde(rename = "where")]
    zones: Vec<ZoneName>,
    score: Spanned<f32>,
    class: Class,
    description: String,
    hit: Vec<String>,
    near_miss: Vec<String>,
}

fn caseless() -> Spanned<String> {
    Spanned::new(0..0, "i".to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LexiconText {
    id: Spanned<String>,
    terms: Vec<TermText>,
    max_score: Spanned<f32>,
    #[serde(rename = "where")]
    zones: Vec<ZoneName>,
    class: Class,
    description: String,
    hit: Vec<String>,
    near_miss: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermText {
    text: Spanned<String>,
    score: Spanned<f32>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum ZoneName {
    Subject,
    From,
    ReplyTo,
    Header,
    Body,
    Html,
    Filename,
    Attachment,
}

impl ZoneName {
    fn zone(self) -> Zone {
        match self {
            ZoneName::Subject => Zone::Subject,
            ZoneName::From => Zone::From,
            ZoneName::ReplyTo => Zone::ReplyTo,
            ZoneName::Header => Zone::Header,
            ZoneName::Body => Zone::Body,
            ZoneName::Html => Zone::Html,
            ZoneName::Filename => Zone::Filename,
            ZoneName::Attachment => Zone::Attachment,
        }
    }
}

/// How a pattern is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// `i`: case does not matter.
    pub caseless: bool,
    /// `s`: a dot stands for a line end too.
    pub dot_all: bool,
    /// `m`: `^` and `$` stand at every line.
    pub multi_line: bool,
    /// `w`: only whole words.
    pub words: bool,
    /// `u`: `\w`, `\d` and `\s` speak of all scripts; `\b` cannot be used then.
    pub unicode: bool,
}

/// A pattern for the engine and where it stands in its file.
#[derive(Debug, Clone)]
pub struct Expression {
    /// In Hyperscan's syntax.
    pub text: String,
    /// How it is meant.
    pub flags: Flags,
    /// Where it stands.
    pub place: Place,
    /// What a distinct term of a lexicon adds to the score.
    pub term_score: f32,
    /// Looks only into texts behind one of these marks (see [`super::mark`]).
    pub(super) marks: Option<String>,
}

/// What makes a rule hit.
#[derive(Debug, Clone)]
pub enum Form {
    /// One pattern.
    Pattern(Expression),
    /// Words; distinct ones add up to a highest score.
    Lexicon {
        /// One a term.
        terms: Vec<Expression>,
        /// The sum never exceeds this.
        max_score: f32,
    },
}

/// A rule as its file gives it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The name of its finding.
    pub id: String,
    /// Bits of the zones where it looks.
    pub zones: u8,
    /// What a hit adds to the score; for a lexicon the highest sum.
    pub score: f32,
    /// What it speaks of.
    pub class: Class,
    /// For the administrator.
    pub description: String,
    /// What makes it hit.
    pub form: Form,
    /// Texts that it must hit.
    pub hit: Vec<String>,
    /// Texts that it must not hit.
    pub near_miss: Vec<String>,
    /// The name of its file.
    pub file: String,
    /// Where it stands in its file.
    pub place: Place,
}

impl Rule {
    /// Whether it looks into a zone.
    pub fn looks_into(&self, zone: Zone) -> bool {
        self.zones & zone.bit() != 0
    }

    /// Whether the box ships it; a site's folders are known by absolute paths.
    pub fn is_shipped(&self) -> bool {
        self.file.starts_with("rules/")
    }
}

/// Reads the rules of one file.
pub(super) fn parse(text: &str, file: &str) -> Result<Vec<Rule>, RuleError> {
    let source = Source { text, file };
    let parsed: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        source.wrong(at, error.message().trim())
    })?;
    let mut rules = Vec::with_capacity(parsed.rule.len() + parsed.lexicon.len());
    for rule in parsed.rule {
        rules.push(source.rule(rule)?);
    }
    for lexicon in parsed.lexicon {
        rules.push(source.lexicon(lexicon)?);
    }
    Ok(rules)
}

struct Source<'s> {
    text: &'s str,
    file: &'s str,
}

impl Source<'_> {
    fn place(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place { line, column }
    }

    fn wrong(&self, at: usize, what: impl Into<String>) -> RuleError {
        RuleError::Wrong { file: self.file.to_owned(), place: self.place(at), what: what.into() }
    }

    fn rule(&self, spanned: Spanned<RuleText>) -> Result<Rule, RuleError> {
        let at = spanned.span().start;
        let text = spanned.into_inner();
        let flags = self.flags(&text.flags)?;
        let expression = Expression {
            text: text.pattern.get_ref().clone(),
            flags,
            place: self.place(text.pattern.span().start),
            term_score: 0.0,
            marks: mark::marks(text.pattern.get_ref(), zone_bits(&text.zones)),
        };
        let rule = Rule {
            id: text.id.get_ref().clone(),
            zones: zone_bits(&text.zones),
            score: self.score(&text.score)?,
            class: text.class,
            description: text.description,
            form: Form::Pattern(expression),
            hit: text.hit,
            near_miss: text.near_miss,
            file: self.file.to_owned(),
            place: self.place(at),
        };
        self.checked(rule, text.id.span().start)
    }

    fn lexicon(&self, spanned: Spanned<LexiconText>) -> Result<Rule, RuleError> {
        let at = spanned.span().start;
        let text = spanned.into_inner();
        if text.terms.is_empty() {
            return Err(self.wrong(at, "a lexicon needs `terms`"));
        }
        let mut terms = Vec::with_capacity(text.terms.len());
        for term in &text.terms {
            let at = term.text.span().start;
            let word = Zone::Body.normal_form(term.text.get_ref());
            if word.is_empty() {
                return Err(self.wrong(at, "an empty term"));
            }
            let term_score = self.score(&term.score)?;
            let flags = Flags { caseless: true, ..Flags::default() };
            terms.push(Expression {
                text: whole_word(&word),
                flags,
                place: self.place(at),
                term_score,
                marks: None,
            });
        }
        let max_score = self.score(&text.max_score)?;
        let rule = Rule {
            id: text.id.get_ref().clone(),
            zones: zone_bits(&text.zones),
            score: max_score,
            class: text.class,
            description: text.description,
            form: Form::Lexicon { terms, max_score },
            hit: text.hit,
            near_miss: text.near_miss,
            file: self.file.to_owned(),
            place: self.place(at),
        };
        self.checked(rule, text.id.span().start)
    }

    fn score(&self, score: &Spanned<f32>) -> Result<f32, RuleError> {
        match score.get_ref().is_finite() && score.get_ref().abs() <= 1_000.0 {
            true => Ok(*score.get_ref()),
            false => Err(self.wrong(score.span().start, "a score is a number from -1000 to 1000")),
        }
    }

    fn flags(&self, text: &Spanned<String>) -> Result<Flags, RuleError> {
        let mut flags = Flags::default();
        for letter in text.get_ref().chars() {
            match letter {
                'i' => flags.caseless = true,
                's' => flags.dot_all = true,
                'm' => flags.multi_line = true,
                'w' => flags.words = true,
                'u' => flags.unicode = true,
                _ => {
                    let what =
                        format!("unknown flag `{letter}`, expected of `i`, `s`, `m`, `w`, `u`");
                    return Err(self.wrong(text.span().start, what));
                }
            }
        }
        match flags.words && flags.unicode {
            true => Err(self.wrong(text.span().start, "flags `w` and `u` do not go together")),
            false => Ok(flags),
        }
    }

    fn checked(&self, rule: Rule, id_at: usize) -> Result<Rule, RuleError> {
        let is_name = rule.id.starts_with(|letter: char| letter.is_ascii_uppercase())
            && rule.id.len() <= 64
            && rule
                .id
                .bytes()
                .all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit() || octet == b'_');
        let what = if !is_name {
            "an id is upper case letters, digits and underscores"
        } else if rule.zones == 0 {
            "`where` must name at least one place"
        } else if rule.description.trim().is_empty() {
            "a rule needs a `description` for the administrator"
        } else if rule.hit.len() < 2 || rule.near_miss.len() < 2 {
            "a rule needs at least two `hit` and two `near_miss` examples"
        } else {
            return Ok(rule);
        };
        Err(self.wrong(id_at, format!("{}: {what}", rule.id)))
    }
}

fn zone_bits(zones: &[ZoneName]) -> u8 {
    zones.iter().fold(0, |bits, zone| bits | zone.zone().bit())
}

/// A pattern for a literal text that stands alone. `\b` knows ASCII only, so at other letters
/// the boundary is spelt out.
fn whole_word(word: &str) -> String {
    let mut pattern = String::with_capacity(word.len() + 16);
    let boundary = |letter: Option<char>, other: &'static str| match letter {
        Some(letter) if letter.is_ascii_alphanumeric() || letter == '_' => r"\b",
        Some(letter) if letter.is_alphanumeric() => other,
        _ => "",
    };
    pattern.push_str(boundary(word.chars().next(), r"(?:^|[^\pL\pN])"));
    for letter in word.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && letter != ' ' {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push_str(boundary(word.chars().next_back(), r"(?:[^\pL\pN]|$)"));
    pattern
}
