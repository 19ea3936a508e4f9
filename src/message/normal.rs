//! One normal form for text that is scanned, so that a rule need not know every disguise.
//!
//! In: text in UTF-8. Out: text in NFKC, with zero-width, bidirectional and other invisible
//! characters and controls removed, typographic quotes and dashes made plain, and every run
//! of white space made one space. Behind it, when there are any, stand the words that were
//! written `l i k e t h i s`, and those of look-alike letters from several scripts in Latin.
//! ASCII takes a fast way. Output is bounded.

mod looks;
mod spaced;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::fixed::{ascii_octets, rest};
pub use looks::latin_look;
use spaced::Wide;

/// Disguises that were seen in a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tricks {
    /// Invisible characters between two letters of a word.
    pub hidden_in_words: u32,
    /// Words of look-alike letters from several scripts.
    pub mixed_scripts: u32,
    /// The output limit was reached.
    pub cut: bool,
}

/// Appends texts in normal form to a buffer.
#[derive(Debug, Clone, Copy)]
pub struct Normaliser {
    /// The buffer never grows beyond this.
    pub limit_octets: usize,
}

impl Normaliser {
    /// Appends `text` in normal form.
    pub fn append(&self, text: &str, out: &mut String) -> Tricks {
        let start = out.len();
        let mut fold =
            Fold { out, start, gap: false, tricks: Tricks::default(), wide: Wide::default() };
        let is_ascii = text.is_ascii();
        match is_ascii {
            true => fold.ascii(text),
            false => fold.unicode(text, self.limit_octets),
        }
        let mut tricks = fold.tricks;
        let mut extras = String::new();
        if fold.wide.found() || spaced::has_single_letters(text.as_bytes()) {
            spaced::push_words(text, &mut extras);
        }
        let form = out.get(start..).unwrap_or_default();
        if !is_ascii && looks::has_any(form) {
            tricks.mixed_scripts = looks::push_latin(form, &mut extras);
        }
        if !extras.is_empty() {
            out.push_str(&extras.to_lowercase());
        }
        tricks
    }
}

/// A text on its way into normal form.
struct Fold<'o> {
    out: &'o mut String,
    /// Where the text begins in `out`.
    start: usize,
    /// White space was read and not written yet.
    gap: bool,
    tricks: Tricks,
    wide: Wide,
}

impl Fold<'_> {
    /// Copies run by run; a single space inside a run is copied with it.
    fn ascii(&mut self, text: &str) {
        self.out.reserve(text.len());
        let octets = text.as_bytes();
        let mut at = 0;
        while at < octets.len() {
            let begin = at;
            if octets.get(at).is_some_and(|first| is_kept(*first)) {
                at += run_octets(rest(octets, at));
            }
            if at > begin {
                self.close_gap();
                self.out.push_str(text.get(begin..at).unwrap_or_default());
            }
            let between = octets.get(at..).unwrap_or_default();
            for octet in between.iter().take_while(|octet| !is_kept(**octet)) {
                self.gap |= is_space(*octet);
                at += 1;
            }
        }
    }

    fn close_gap(&mut self) {
        if self.gap && self.out.len() > self.start {
            self.out.push(' ');
        }
        self.gap = false;
    }

    /// ASCII in the fast way, what is between in whole stretches.
    fn unicode(&mut self, text: &str, limit_octets: usize) {
        let mut rest = text;
        let mut before = None;
        while !rest.is_empty() {
            if self.out.len() >= limit_octets {
                self.tricks.cut = true;
                return;
            }
            let ascii = ascii_octets(rest.as_bytes());
            let (plain, from) = rest.split_at_checked(ascii).unwrap_or((rest, ""));
            self.ascii(plain);
            before = plain.bytes().next_back().or(before.filter(|_| plain.is_empty()));
            let other = from.bytes().position(|octet| octet < 128).unwrap_or(from.len());
            let (stretch, after) = from.split_at_checked(other).unwrap_or((from, ""));
            self.wide.stretch(plain.as_bytes(), stretch, after.as_bytes());
            self.stretch(before, stretch, after.bytes().next(), limit_octets);
            rest = after;
        }
    }

    /// Takes characters beyond ASCII; `before` and `after` are the octets around them.
    fn stretch(
        &mut self,
        before: Option<u8>,
        stretch: &str,
        after: Option<u8>,
        limit_octets: usize,
    ) {
        if self.out.len() + stretch.len() < limit_octets && stretch.chars().all(is_simple) {
            self.close_gap();
            self.out.extend(stretch.chars().map(plain));
            return;
        }
        let (mut hidden, mut shown) = (false, false);
        for letter in stretch.chars() {
            match is_hidden(letter) {
                // Soft hyphens stand inside words in honest mail.
                true => hidden |= letter != '\u{ad}',
                false => shown = true,
            }
        }
        let is_letter = |octet: Option<u8>| octet.is_some_and(|octet| octet.is_ascii_alphabetic());
        if hidden && !shown && is_letter(before) && is_letter(after) {
            self.tricks.hidden_in_words += 1;
        }
        let visible = stretch.chars().filter(|letter| !is_hidden(*letter));
        if is_nfkc_quick(visible.clone()) == IsNormalized::Yes {
            self.letters(visible, limit_octets);
            return;
        }
        // What stands before may be the base of a mark.
        let base = match before.is_some_and(is_kept) && !self.gap {
            true => self.out.pop(),
            false => None,
        };
        let composed: String = base.into_iter().chain(visible).nfkc().take(limit_octets).collect();
        self.letters(composed.chars(), limit_octets);
    }

    fn letters(&mut self, letters: impl Iterator<Item = char>, limit_octets: usize) {
        for letter in letters {
            if letter.is_whitespace() {
                self.gap = true;
                continue;
            }
            // NFKC may bring out what was hidden.
            if letter.is_control() || is_hidden(letter) {
                continue;
            }
            if self.out.len() >= limit_octets {
                self.tricks.cut = true;
                return;
            }
            self.close_gap();
            self.out.push(plain(letter));
        }
    }
}

/// Letters that are their own NFKC form and never join with what stands before them: the most
/// frequent ones of Latin, Cyrillic, Chinese and Korean, and typographic signs.
#[inline]
fn is_simple(letter: char) -> bool {
    matches!(letter,
        '\u{c0}'..='\u{131}' | '\u{410}'..='\u{44f}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{2013}' | '\u{2014}' | '\u{2018}'..='\u{201e}')
}

/// What an ASCII octet is to the fold.
fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

#[inline]
fn is_kept(octet: u8) -> bool {
    (octet > b' ') & (octet != 0x7f)
}

/// How many octets from the first are copied as they are: what is kept, and single spaces
/// between. The first one is kept.
fn run_octets(octets: &[u8]) -> usize {
    const STEP: usize = 16;
    let ends = |octet: u8, next: u8| !is_kept(octet) & !((octet == b' ') & is_kept(next));
    let mut at = 0;
    // Without a branch within a step, so that it is a few instructions.
    while let (Some(these), Some(next)) =
        (rest(octets, at).first_chunk::<STEP>(), rest(octets, at + 1).first_chunk::<STEP>())
        && !these.iter().zip(next).fold(false, |any, (octet, next)| any | ends(*octet, *next))
    {
        at += STEP;
    }
    let last = rest(octets, at);
    let next = rest(last, 1);
    match last.iter().zip(next).position(|(octet, next)| ends(*octet, *next)) {
        Some(place) => at + place,
        // Behind the last octet stands nothing that is kept.
        None => at + next.len() + usize::from(last.last().is_some_and(|octet| is_kept(*octet))),
    }
}

/// Characters without a shape of their own: zero-width, bidirectional controls, soft hyphen,
/// variation selectors, fillers, tags.
pub fn is_hidden(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Typographic quotes and dashes as they are on a keyboard.
#[inline]
fn plain(letter: char) -> char {
    match letter {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' | '\u{2032}' | '\u{2b9}' | '\u{2bc}' => {
            '\''
        }
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{2033}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{660}'..='\u{1819}' => digit(letter).unwrap_or(letter),
        _ => letter,
    }
}

/// The digit of another script (Arabic, Indian and others) as one of ASCII.
fn digit(letter: char) -> Option<char> {
    const ZEROS: [u32; 17] = [
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50,
        0xed0, 0xf20, 0x1040, 0x17e0,
    ];
    let value = ZEROS
        .iter()
        .find_map(|zero| u32::from(letter).checked_sub(*zero).filter(|own| *own < 10))?;
    char::from_digit(value, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> (String, Tricks) {
        let mut out = String::new();
        let tricks = Normaliser { limit_octets: 1_000 }.append(text, &mut out);
        (out, tricks)
    }

    #[test]
    fn texts_get_one_form() {
        let table = [
            ("", ""),
            ("plain text", "plain text"),
            ("  a \r\n\t b  ", "a b"),
            ("a\0b\u{7f}c \u{1} d", "abc d"),
            ("ﬁne ｆｕｌｌ ⅷ", "fine full viii"),
            ("don\u{2019}t \u{201c}x\u{201d} a\u{2013}b", "don't \"x\" a-b"),
            ("a\u{a0}\u{2003}b", "a b"),
            ("pass\u{200b}word", "password"),
            ("pass\u{ad}word", "password"),
            ("e\u{200d}\u{301}", "é"),
            ("V i a g r a now", "V i a g r a now viagra"),
            ("V.I.A.G.R.A", "V.I.A.G.R.A viagra"),
            ("V i a g r a  o n l y x", "V i a g r a o n l y x viagra onlyx"),
            ("e.g. a - b", "e.g. a - b"),
            ("1 2 3", "1 2 3"),
            ("Раypal login", "Раypal login paypal"),
            ("ɡooɡle Ꭺmazon", "ɡooɡle Ꭺmazon google amazon"),
            ("a\u{1bca0}b", "ab"),
            ("Привет мир", "Привет мир"),
            ("\u{669}\u{664}\u{663} \u{96f}\u{6f0}", "943 90"),
        ];
        for (text, form) in table {
            assert_eq!(normal(text).0, form, "{text:?}");
        }
    }

    #[test]
    fn disguises_are_counted_and_output_is_bounded() {
        assert_eq!(normal("pa\u{200b}ss\u{200b}wo\u{ad}rd \u{200b}x").1.hidden_in_words, 2);
        assert_eq!(normal("Раypal аpple Москва").1.mixed_scripts, 2);
        let (out, tricks) = normal(&"\u{fdfa}".repeat(1_000));
        assert!(tricks.cut && out.len() < 1_100);
    }
}
