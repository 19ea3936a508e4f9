//! Rule files: TOML text → checked rules, with line and column in every error.
//!
//! In: the text of a file. Out: [`Rule`]s. Each rule brings its own examples: at least two
//! that it must hit and two near misses, but for those that look for what must not be written
//! down. Unknown keys are errors.

use std::collections::HashMap;
use std::sync::Arc;

use toml::Spanned;

use super::compile;
use super::form::{Expression, Flags, Form, Rule, Share, Side};
use super::layout::{
    ExactText, File, FingerprintText, Head, LexiconText, MarkingText, ProximityText, RuleText,
    ZoneName,
};
use super::seam::{ExactQuery, Lookups, Validator};
use super::source::Source;
use super::tally::VALUES_A_RULE;
use super::word::{self, Word};
use super::{RuleError, mark};
use crate::message::Zone;

/// Further apart, two things have nothing to do with each other.
const MOST_WITHIN_CHARACTERS: u32 = 10_000;
/// How close the values of a row stand, when a rule does not say.
const ROW_WITHIN_CHARACTERS: u32 = 100;
/// How close two things stand, when a rule does not say.
const NEAR_WITHIN_CHARACTERS: u32 = 50;
/// Of a document, when a rule does not say.
const SHARE_PERCENT: f32 = 20.0;

/// Reads the rules of one file.
pub(super) fn parse(text: &str, file: &str, lookups: &Lookups) -> Result<Vec<Rule>, RuleError> {
    let source = Source::new(text, file);
    let parsed: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        source.wrong(at, error.message().trim())
    })?;
    let reader = Reader { source, lookups };
    let mut rules = Vec::with_capacity(parsed.rule.len() + parsed.lexicon.len());
    for rule in parsed.rule {
        rules.push(reader.rule(rule)?);
    }
    for lexicon in parsed.lexicon {
        rules.push(reader.lexicon(lexicon)?);
    }
    for proximity in parsed.proximity {
        rules.push(reader.proximity(proximity)?);
    }
    for exact in parsed.exact {
        rules.push(reader.exact(exact)?);
    }
    for fingerprint in parsed.fingerprint {
        rules.push(reader.fingerprint(fingerprint)?);
    }
    for marking in parsed.marking {
        rules.push(reader.marking(marking)?);
    }
    Ok(rules)
}

/// Gives the sides of proximity rules the terms of the lexicons that they name.
pub(super) fn resolve(rules: &mut [Rule]) -> Result<(), RuleError> {
    let mut lexicons: HashMap<String, Arc<[Expression]>> = HashMap::new();
    let named: Vec<String> = rules
        .iter()
        .flat_map(|rule| match &rule.form {
            Form::Proximity { a, b, .. } => [Some(a), Some(b)],
            _ => [None, None],
        })
        .filter_map(|side| match side {
            Some(Side::Lexicon { id, .. }) => Some(id.clone()),
            _ => None,
        })
        .collect();
    for rule in rules.iter() {
        if let Form::Lexicon { terms, .. } = &rule.form
            && named.contains(&rule.id)
        {
            lexicons.insert(rule.id.clone(), terms.as_slice().into());
        }
    }
    for rule in rules {
        let Form::Proximity { a, b, .. } = &mut rule.form else { continue };
        for side in [a, b] {
            let Side::Lexicon { id, place, validator, terms } = side else { continue };
            let Some(found) = lexicons.get(id) else {
                let what = format!("{}: no lexicon `{id}`", rule.id);
                return Err(RuleError::Wrong { file: rule.file.clone(), place: *place, what });
            };
            let with = |term: &Expression| {
                let validator = validator.or(term.validator);
                Expression { validator, place: *place, ..term.clone() }
            };
            *terms = found.iter().map(with).collect();
        }
    }
    Ok(())
}

struct Reader<'s> {
    source: Source<'s>,
    lookups: &'s Lookups,
}

impl Reader<'_> {
    fn rule(&self, spanned: Spanned<RuleText>) -> Result<Rule, RuleError> {
        let at = spanned.span().start;
        let mut text = spanned.into_inner();
        let head = text.head();
        let mut expression = self.expression(&text.pattern, &text.flags)?;
        expression.validator = self.validator(text.validate.as_ref())?;
        if expression.word.is_none() {
            expression.marks = mark::marks(text.pattern.get_ref(), zone_bits(&head.zones));
        }
        let score = self.score(&text.score)?;
        let share = self.share(&text, at)?;
        let form = Form::Pattern { expression, share };
        self.checked(head, at, score, form, Examples::Needed)
    }

    /// `among` names a validator for what looks alike, `share_percent` how many must be valid.
    fn share(&self, text: &RuleText, at: usize) -> Result<Option<Share>, RuleError> {
        let (among, percent) = match (&text.among, &text.share_percent) {
            (None, None) => return Ok(None),
            (Some(among), Some(percent)) if text.validate.is_some() => (among, percent),
            _ => {
                let what = "`among` and `share_percent` go together, and with `validate`";
                return Err(self.source.wrong(at, what));
            }
        };
        if !(1.0..=100.0).contains(percent.get_ref()) {
            let what = "`share_percent` is a number from 1 to 100";
            return Err(self.source.wrong(percent.span().start, what));
        }
        let among = self.validator(Some(among))?;
        Ok(among.map(|among| Share { among, percent: *percent.get_ref() }))
    }

    fn lexicon(&self, spanned: Spanned<LexiconText>) -> Result<Rule, RuleError> {
        let at = spanned.span().start;
        let mut text = spanned.into_inner();
        let head = text.head();
        if text.terms.is_empty() {
            return Err(self.source.wrong(at, "a lexicon needs `terms`"));
        }
        let validator = self.validator(text.validate.as_ref())?;
        let mut terms = Vec::with_capacity(text.terms.len());
        for term in &text.terms {
            let at = term.text.span().start;
            let word = Zone::Body.normal_form(term.text.get_ref());
            if word.is_empty() {
                return Err(self.source.wrong(at, "an empty term"));
            }
            terms.push(Expression {
                text: word::literal(&word),
                flags: Flags { caseless: true, ..Flags::default() },
                place: self.source.place(at),
                term_score: self.score(&term.score)?,
                validator,
                marks: None,
                word: Some(Word::of(&word)),
            });
        }
        let max_score = self.score(&text.max_score)?;
        let most = terms.len() as u64;
        let distinct = self.number(text.distinct.as_ref(), "distinct", most)?;
        let most_per_term =
            self.number(text.most_per_term.as_ref(), "most_per_term", u64::from(VALUES_A_RULE))?;
        let form = Form::Lexicon { terms, max_score, distinct, most_per_term };
        self.checked(head, at, max_score, form, Examples::Needed)
    }

    fn proximity(&self, spanned: Spanned<ProximityText>) -> Result<Rule, RuleError> {
        let at = spanned.span().start;
        let mut text = spanned.into_inner();
        let head = text.head();
        let within_characters = self.within(text.within.as_ref(), NEAR_WITHIN_CHARACTERS)?;
        let a = self.side(&text.a, &text.flags, text.validate_a.as_ref())?;
        let b = self.side(&text.b, &text.flags, text.validate_b.as_ref())?;
        let score = self.score(&text.score)?;
        let form = Form::Proximity { a, b, within_characters };
        self.checked(head, at, score, form, Examples::Needed)
    }

    fn exact(&self, spanned: Spanned<ExactText>) -> Result<Rule, RuleError> {
        let at = spanned.span().start;
        let mut text = spanned.into_inner();
        let head = text.head();
        let list = text.list.get_ref().clone();
        let known = self.lookups.exact.as_ref().and_then(|lists| lists.columns(&list));
        let Some(known) = known else {
            let what = format!("no list `{list}`");
            return Err(self.source.wrong(text.list.span().start, what));
        };
        let columns = self.number(text.columns.as_ref(), "columns", u64::from(known))?;
        let within_characters = self.within(text.within.as_ref(), ROW_WITHIN_CHARACTERS)?;
        let columns = u16::try_from(columns).unwrap_or(known);
        let form = Form::Exact(ExactQuery { list, columns, within_characters });
        let score = self.score(&text.score)?;
        self.checked(head, at, score, form, Examples::Optional)
    }

    fn fingerprint(&self, spanned: Spanned<FingerprintText>) -> Result<Rule, RuleError> {
        let at = spanned.span().start;
        let mut text = spanned.into_inner();
        let head = text.head();
        let documents = text.documents.get_ref().clone();
        let known = self.lookups.documents.as_ref().is_some_and(|all| all.knows(&documents));
        if !known {
            let what = format!("no set of documents `{documents}`");
            return Err(self.source.wrong(text.documents.span().start, what));
        }
        let share_percent = match &text.share_percent {
            None => SHARE_PERCENT,
            Some(share) if (0.1..=100.0).contains(share.get_ref()) => *share.get_ref(),
            Some(share) => {
                let what = "`share_percent` is a number from 0.1 to 100";
                return Err(self.source.wrong(share.span().start, what));
            }
        };
        let score = self.score(&text.score)?;
        let form = Form::Fingerprint { documents, share_percent };
        self.checked(head, at, score, form, Examples::Optional)
    }

    fn marking(&self, spanned: Spanned<MarkingText>) -> Result<Rule, RuleError> {
        let at = spanned.span().start;
        let mut text = spanned.into_inner();
        let head = text.head();
        if text.markings.is_empty() {
            return Err(self.source.wrong(at, "a marking rule needs `markings`"));
        }
        for name in &text.markings {
            let known = self.lookups.markings.as_ref().is_some_and(|all| all.knows(name.get_ref()));
            if !known {
                let what = format!("no marking `{}`", name.get_ref());
                return Err(self.source.wrong(name.span().start, what));
            }
        }
        let names = text.markings.into_iter().map(Spanned::into_inner).collect();
        let score = self.score(&text.score)?;
        self.checked(head, at, score, Form::Marking { names }, Examples::Needed)
    }

    fn expression(
        &self,
        pattern: &Spanned<String>,
        flags: &Spanned<String>,
    ) -> Result<Expression, RuleError> {
        let mut flags = self.flags(flags)?;
        let mut text = pattern.get_ref().clone();
        let word = word::of_pattern(&text, flags);
        let word = word.map(|(plain, word)| {
            text = plain;
            flags = Flags { caseless: flags.caseless, ..Flags::default() };
            word
        });
        if let Some(why) = compile::too_large(&text, flags) {
            return Err(self.source.wrong(pattern.span().start, why));
        }
        Ok(Expression {
            text,
            flags,
            place: self.source.place(pattern.span().start),
            term_score: 0.0,
            validator: None,
            marks: None,
            word,
        })
    }

    /// `@NAME` is a lexicon, anything else a pattern.
    fn side(
        &self,
        text: &Spanned<String>,
        flags: &Spanned<String>,
        validate: Option<&Spanned<String>>,
    ) -> Result<Side, RuleError> {
        let validator = self.validator(validate)?;
        match text.get_ref().strip_prefix('@') {
            Some(id) => Ok(Side::Lexicon {
                id: id.to_owned(),
                place: self.source.place(text.span().start),
                validator,
                terms: Arc::default(),
            }),
            None => Ok(Side::Pattern(Expression { validator, ..self.expression(text, flags)? })),
        }
    }

    fn validator(&self, name: Option<&Spanned<String>>) -> Result<Option<Validator>, RuleError> {
        let Some(name) = name else { return Ok(None) };
        match self.lookups.validator_of(name.get_ref()) {
            Some(validator) => Ok(Some(validator)),
            None => {
                let what = format!("no validator `{}`", name.get_ref());
                Err(self.source.wrong(name.span().start, what))
            }
        }
    }

    fn within(&self, within: Option<&Spanned<u32>>, default: u32) -> Result<u32, RuleError> {
        match within {
            None => Ok(default),
            Some(within) if (1..=MOST_WITHIN_CHARACTERS).contains(within.get_ref()) => {
                Ok(*within.get_ref())
            }
            Some(within) => {
                let what = format!("`within` is 1 to {MOST_WITHIN_CHARACTERS} characters");
                Err(self.source.wrong(within.span().start, what))
            }
        }
    }

    /// A number from 1 to `most`; 1 when it is left out.
    fn number(
        &self,
        number: Option<&Spanned<u32>>,
        key: &str,
        most: u64,
    ) -> Result<u32, RuleError> {
        match number {
            None => Ok(1),
            Some(number) if (1..=most).contains(&u64::from(*number.get_ref())) => {
                Ok(*number.get_ref())
            }
            Some(number) => {
                let what = format!("`{key}` is a number from 1 to {most}");
                Err(self.source.wrong(number.span().start, what))
            }
        }
    }

    fn score(&self, score: &Spanned<f32>) -> Result<f32, RuleError> {
        match score.get_ref().is_finite() && score.get_ref().abs() <= 1_000.0 {
            true => Ok(*score.get_ref()),
            false => {
                Err(self.source.wrong(score.span().start, "a score is a number from -1000 to 1000"))
            }
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
                    return Err(self.source.wrong(text.span().start, what));
                }
            }
        }
        match flags.words && flags.unicode {
            true => {
                Err(self.source.wrong(text.span().start, "flags `w` and `u` do not go together"))
            }
            false => Ok(flags),
        }
    }

    fn checked(
        &self,
        head: Head,
        at: usize,
        score: f32,
        form: Form,
        examples: Examples,
    ) -> Result<Rule, RuleError> {
        let id_at = head.id.span().start;
        let count = match &head.count {
            Some(count) => Some(self.number(Some(count), "count", u64::from(VALUES_A_RULE))?),
            None => None,
        };
        let rule = Rule {
            id: head.id.into_inner(),
            zones: zone_bits(&head.zones),
            score,
            class: head.class,
            severity: head.severity,
            count,
            description: head.description,
            form,
            hit: head.hit,
            near_miss: head.near_miss,
            file: self.source.file.to_owned(),
            place: self.source.place(at),
        };
        match fault(&rule, examples) {
            Some(what) => Err(self.source.wrong(id_at, format!("{}: {what}", rule.id))),
            None => Ok(rule),
        }
    }
}

/// Whether a rule must bring examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Examples {
    Needed,
    /// They would give away what the rule protects.
    Optional,
}

fn fault(rule: &Rule, examples: Examples) -> Option<&'static str> {
    let is_name = rule.id.starts_with(|letter: char| letter.is_ascii_uppercase())
        && rule.id.len() <= 64
        && rule
            .id
            .bytes()
            .all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit() || octet == b'_');
    let has_few = rule.hit.len() < 2 || rule.near_miss.len() < 2;
    if !is_name {
        Some("an id is upper case letters, digits and underscores")
    } else if rule.zones == 0 {
        Some("`where` must name at least one place")
    } else if rule.description.trim().is_empty() {
        Some("a rule needs a `description` for the administrator")
    } else if has_few && examples == Examples::Needed {
        Some("a rule needs at least two `hit` and two `near_miss` examples")
    } else {
        None
    }
}

fn zone_bits(zones: &[ZoneName]) -> u8 {
    zones.iter().fold(0, |bits, zone| bits | zone.zone().bit())
}
