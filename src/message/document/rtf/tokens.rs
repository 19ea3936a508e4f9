//! RTF → tokens: groups, control words, text, binary data.

/// A token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'o> {
    Open,
    Close,
    /// `\word`, with its number if it has one.
    Word(&'o str, Option<i32>),
    /// `\'1f`: an octet of text.
    Octet(u8),
    /// `\` and a character that is no letter.
    Symbol(u8),
    /// Octets of text.
    Text(&'o [u8]),
    /// What follows `\bin`.
    Binary(&'o [u8]),
}

/// Longest word and number that Word reads (section "Formal Syntax").
const WORD_OCTETS: usize = 32;
const NUMBER_OCTETS: usize = 10;

pub(super) struct Tokens<'o> {
    octets: &'o [u8],
    at: usize,
}

impl<'o> Tokens<'o> {
    pub(super) fn new(octets: &'o [u8]) -> Tokens<'o> {
        Tokens { octets, at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.octets.get(self.at + ahead).copied()
    }

    fn run(&mut self, most: usize, keep: impl Fn(u8) -> bool) -> &'o [u8] {
        let rest = self.octets.get(self.at..).unwrap_or_default();
        let end = rest.iter().take(most).position(|octet| !keep(*octet));
        let taken = rest.get(..end.unwrap_or(most.min(rest.len()))).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn control(&mut self) -> Token<'o> {
        match self.peek(0) {
            None => Token::Text(b""),
            Some(b'\'') => {
                let digits = self.octets.get(self.at + 1..self.at + 3);
                let octet = digits
                    .and_then(|digits| std::str::from_utf8(digits).ok())
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                self.at += if octet.is_some() { 3 } else { 1 };
                octet.map_or(Token::Symbol(b'\''), Token::Octet)
            }
            Some(letter) if letter.is_ascii_alphabetic() => self.word(),
            Some(symbol) => {
                self.at += 1;
                Token::Symbol(symbol)
            }
        }
    }

    fn word(&mut self) -> Token<'o> {
        let word = self.run(WORD_OCTETS, |octet| octet.is_ascii_alphabetic());
        let word = std::str::from_utf8(word).unwrap_or_default();
        let sign =
            if self.peek(0) == Some(b'-') && self.peek(1).is_some_and(|it| it.is_ascii_digit()) {
                self.at += 1;
                -1
            } else {
                1
            };
        let digits = self.run(NUMBER_OCTETS, |octet| octet.is_ascii_digit());
        let number: Option<i64> =
            std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let number = number.map(|number| i32::try_from(sign * number).unwrap_or(i32::MAX));
        if self.peek(0) == Some(b' ') {
            self.at += 1;
        }
        if word == "bin" {
            let size = number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
            let data = self.octets.get(self.at..).unwrap_or_default();
            let data = data.get(..size.min(data.len())).unwrap_or_default();
            self.at += data.len();
            return Token::Binary(data);
        }
        Token::Word(word, number)
    }
}

impl<'o> Iterator for Tokens<'o> {
    type Item = Token<'o>;

    fn next(&mut self) -> Option<Token<'o>> {
        let first = self.peek(0)?;
        match first {
            b'{' => {
                self.at += 1;
                Some(Token::Open)
            }
            b'}' => {
                self.at += 1;
                Some(Token::Close)
            }
            b'\\' => {
                self.at += 1;
                Some(self.control())
            }
            b'\r' | b'\n' | 0 => {
                self.at += 1;
                Some(Token::Text(b""))
            }
            _ => Some(Token::Text(self.run(usize::MAX, |octet| {
                !matches!(octet, b'{' | b'}' | b'\\' | b'\r' | b'\n' | 0)
            }))),
        }
    }
}
