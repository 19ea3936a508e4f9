//! Visual Basic source → its words and the strings that it puts together.
//!
//! In: the source of a module, whatever its quality. Out: [`Code`]. Comments are left out.
//! Expressions of constants are worked out as the program would when it runs, because that is
//! how such code hides what it calls: `"She" & Chr(108) & "l"`, `StrReverse`, `Replace`,
//! variables that are built piece by piece, lists of character codes. Nothing is executed:
//! what is not constant ends an expression.
//!
//! Invariants: one pass over the tokens; strings that are put together have bounded sizes,
//! alone and in all, so that doubling variables cost nothing.

use std::collections::HashMap;

/// Tokens, and octets of one string and of all strings that are put together.
const TOKENS: usize = 1 << 20;
const STRING_OCTETS: usize = 64 << 10;
const STRINGS_OCTETS: usize = 4 << 20;
/// Calls and parentheses in one another.
const DEPTH: u8 = 12;
/// Numbers in a row that may be the codes of characters.
const CODES: usize = 16;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(i64),
    Mark(char),
    End,
}

/// What the source of a module says.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// Names and keywords in lower case, in their order; `.` stands before those that are
    /// called on something.
    pub(super) words: Vec<String>,
    /// Names of the procedures that it declares, in lower case.
    pub(super) procedures: Vec<String>,
    /// Strings as they are written.
    pub(super) written: Vec<String>,
    /// Strings that are put together when it runs.
    pub(super) built: Vec<String>,
    /// Calls of Chr and its kin.
    pub(super) character_calls: usize,
    /// Lines of code that are no attributes.
    pub(super) lines: usize,
    /// Arguments of CreateObject and GetObject; None where they are not constant.
    pub(super) objects: Vec<Option<String>>,
}

/// Reads the source of a module.
pub(super) fn read(source: &str) -> Code {
    let tokens = tokens(source);
    let mut code = Code::default();
    for line in tokens.split(|token| *token == Token::End) {
        let is_attribute = matches!(line.first(), Some(Token::Word(word)) if word == "attribute");
        code.lines += usize::from(!line.is_empty() && !is_attribute);
    }
    note_words(&tokens, &mut code);
    let mut folding = Folding { tokens: &tokens, known: HashMap::new(), spent: 0 };
    folding.run(&mut code);
    code
}

fn note_words(tokens: &[Token], code: &mut Code) {
    let mut before: Option<&Token> = None;
    for token in tokens {
        match token {
            Token::Word(word) => {
                if matches!(before, Some(Token::Word(kind)) if kind == "sub" || kind == "function")
                {
                    code.procedures.push(word.clone());
                }
                if matches!(word.as_str(), "chr" | "chrw" | "chrb") {
                    code.character_calls += 1;
                }
                let is_member = matches!(before, Some(Token::Mark('.')));
                code.words.push(if is_member { format!(".{word}") } else { word.clone() });
            }
            Token::Text(text) => code.written.push(text.clone()),
            _ => {}
        }
        before = Some(token);
    }
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut letters = source.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if tokens.len() >= TOKENS {
            break;
        }
        let mut take = |keep: fn(char) -> bool| {
            let mut taken = String::new();
            while let Some((_, next)) = letters.next_if(|(_, next)| keep(*next)) {
                taken.push(next);
            }
            taken
        };
        match letter {
            '\r' | '\n' | ':' => tokens.push(Token::End),
            '\'' => drop(take(|letter| letter != '\n')),
            '"' => {
                let mut text = take(|letter| letter != '"' && letter != '\n');
                // A quotation mark within is written twice.
                while letters.next_if(|(_, next)| *next == '"').is_some() {
                    if letters.next_if(|(_, next)| *next == '"').is_none() {
                        break;
                    }
                    text.push('"');
                    while let Some((_, next)) =
                        letters.next_if(|(_, next)| *next != '"' && *next != '\n')
                    {
                        text.push(next);
                    }
                }
                tokens.push(Token::Text(text));
            }
            '0'..='9' => {
                let digits = take(|letter| letter.is_ascii_digit());
                let number = format!("{letter}{digits}").parse();
                tokens.push(Token::Number(number.unwrap_or(i64::MAX)));
            }
            '&' if radix(source, at).is_some() => {
                letters.next();
                let digits = take_digits(&mut letters);
                let radix = radix(source, at).unwrap_or(16);
                let number = i64::from_str_radix(&digits, radix);
                tokens.push(Token::Number(number.unwrap_or(i64::MAX)));
                // `&` behind the digits says how wide the number is.
                letters.next_if(|(_, next)| *next == '&');
            }
            '_' if continues(source, at) => {
                take(|letter| letter != '\n');
                letters.next();
            }
            letter if letter.is_alphanumeric() || letter == '_' => {
                let rest = take(|letter| letter.is_alphanumeric() || letter == '_');
                let word = format!("{letter}{rest}").to_lowercase();
                letters.next_if(|(_, next)| matches!(next, '$' | '%' | '!' | '#' | '@'));
                if word == "rem" {
                    while letters.next_if(|(_, next)| *next != '\n').is_some() {}
                } else {
                    tokens.push(Token::Word(word));
                }
            }
            letter if letter.is_whitespace() => {}
            mark => tokens.push(Token::Mark(mark)),
        }
    }
    tokens
}

fn take_digits(letters: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> String {
    let mut digits = String::new();
    while let Some((_, next)) = letters.next_if(|(_, next)| next.is_ascii_hexdigit()) {
        digits.push(next);
    }
    digits
}

/// `&H1F` and `&O17`; directly behind a string or a parenthesis `&` joins.
fn radix(source: &str, at: usize) -> Option<u32> {
    let before = source.get(..at).and_then(|before| before.bytes().next_back());
    if matches!(before, Some(b'"' | b')' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$')) {
        return None;
    }
    let mut behind = source.get(at + 1..)?.bytes();
    match (behind.next()?, behind.next()?) {
        (b'H' | b'h', digit) if digit.is_ascii_hexdigit() => Some(16),
        (b'O' | b'o', b'0'..=b'7') => Some(8),
        _ => None,
    }
}

/// `_` at the end of a line: the next line belongs to it.
fn continues(source: &str, at: usize) -> bool {
    let before = source.get(..at).and_then(|before| before.bytes().next_back());
    let stands_alone = before.is_none_or(|octet| octet.is_ascii_whitespace());
    let behind = source.get(at + 1..).unwrap_or_default();
    stands_alone
        && behind.bytes().find(|octet| !matches!(octet, b' ' | b'\t' | b'\r')) == Some(b'\n')
}

struct Folding<'t> {
    tokens: &'t [Token],
    /// Variables whose value is constant so far.
    known: HashMap<String, String>,
    spent: usize,
}

impl Folding<'_> {
    fn run(&mut self, code: &mut Code) {
        let mut at = 0;
        while at < self.tokens.len() {
            if let Some(next) = self.codes(at, code) {
                at = next;
                continue;
            }
            match (self.tokens.get(at), self.tokens.get(at + 1)) {
                (Some(Token::Word(call)), Some(mark))
                    if matches!(call.as_str(), "createobject" | "getobject")
                        && matches!(mark, Token::Mark('(')) =>
                {
                    let argument = self.expression(at + 2, DEPTH).map(|(text, _)| text);
                    code.objects.push(argument);
                    at += 2;
                }
                (Some(Token::Word(name)), Some(Token::Mark('='))) => {
                    at = self.assignment(name, at + 2, code);
                }
                _ => match self.expression(at, DEPTH) {
                    // One string alone is written, not built.
                    Some((text, next)) => {
                        if next > at + 1 {
                            self.keep(text, code);
                        }
                        at = next.max(at + 1);
                    }
                    None => at += 1,
                },
            }
        }
    }

    fn assignment(&mut self, name: &str, at: usize, code: &mut Code) -> usize {
        match self.expression(at, DEPTH) {
            Some((text, next)) => {
                if matches!(self.tokens.get(next), None | Some(Token::End)) {
                    self.spent += text.len();
                    if self.spent < STRINGS_OCTETS {
                        self.known.insert(name.to_owned(), text.clone());
                    }
                }
                if next > at + 1 {
                    self.keep(text, code);
                }
                next.max(at + 1)
            }
            None => {
                self.known.remove(name);
                at
            }
        }
    }

    fn keep(&mut self, text: String, code: &mut Code) {
        self.spent += text.len();
        if self.spent < STRINGS_OCTETS && text.len() > 2 {
            code.built.push(text);
        }
    }

    /// A list of numbers that are the codes of characters.
    fn codes(&mut self, at: usize, code: &mut Code) -> Option<usize> {
        let mut text = String::new();
        let mut next = at;
        while let Some(Token::Number(number @ 9..=126)) = self.tokens.get(next) {
            text.push(u8::try_from(*number).map(char::from).ok()?);
            next += 1;
            match self.tokens.get(next) {
                Some(Token::Mark(',' | ';')) => next += 1,
                _ => break,
            }
        }
        (text.len() >= CODES).then(|| {
            self.keep(text, code);
            next
        })
    }

    /// Constants joined by `&` or `+`.
    fn expression(&self, at: usize, depth: u8) -> Option<(String, usize)> {
        let (mut text, mut next) = self.term(at, depth)?;
        while let Some(Token::Mark('&' | '+')) = self.tokens.get(next) {
            let Some((more, behind)) = self.term(next + 1, depth) else { break };
            if text.len() + more.len() > STRING_OCTETS {
                break;
            }
            text.push_str(&more);
            next = behind;
        }
        Some((text, next))
    }

    fn term(&self, at: usize, depth: u8) -> Option<(String, usize)> {
        let depth = depth.checked_sub(1)?;
        match self.tokens.get(at)? {
            Token::Text(text) if text.len() <= STRING_OCTETS => Some((text.clone(), at + 1)),
            Token::Mark('(') => {
                let (text, next) = self.expression(at + 1, depth)?;
                self.closed(text, next)
            }
            Token::Word(word) => match self.tokens.get(at + 1) {
                Some(Token::Mark('(')) => self.call(word, at + 2, depth),
                _ => match word.as_str() {
                    "vbcrlf" | "vbnewline" | "vblf" | "vbcr" => Some(("\n".into(), at + 1)),
                    "vbnullstring" => Some((String::new(), at + 1)),
                    "vbtab" => Some(("\t".into(), at + 1)),
                    word => Some((self.known.get(word)?.clone(), at + 1)),
                },
            },
            _ => None,
        }
    }

    fn closed(&self, text: String, at: usize) -> Option<(String, usize)> {
        matches!(self.tokens.get(at), Some(Token::Mark(')'))).then_some((text, at + 1))
    }

    fn call(&self, name: &str, at: usize, depth: u8) -> Option<(String, usize)> {
        match name {
            "chr" | "chrw" | "chrb" => {
                let (code, next) = self.sum(at, depth)?;
                let letter = u32::try_from(code & 0xffff).ok().and_then(char::from_u32)?;
                self.closed(letter.into(), next)
            }
            "strreverse" => {
                let (text, next) = self.expression(at, depth)?;
                self.closed(text.chars().rev().collect(), next)
            }
            "lcase" | "ucase" | "trim" | "cstr" | "ltrim" | "rtrim" | "split" => {
                let (text, next) = self.expression(at, depth)?;
                self.closed(text, next)
            }
            "replace" => {
                let (text, next) = self.expression(at, depth)?;
                let (old, next) = self.argument(next, depth)?;
                let (new, next) = self.argument(next, depth)?;
                let grows = new.len() > old.len() && text.len() > 4_096;
                if old.is_empty() || grows || new.len() > 64 {
                    return self.closed(text, next);
                }
                self.closed(text.replace(&old, &new), next)
            }
            _ => None,
        }
    }

    fn argument(&self, at: usize, depth: u8) -> Option<(String, usize)> {
        matches!(self.tokens.get(at), Some(Token::Mark(','))).then_some(())?;
        self.expression(at + 1, depth)
    }

    /// A number, and what is added to it and so on, from left to right.
    fn sum(&self, at: usize, depth: u8) -> Option<(i64, usize)> {
        let (mut value, mut next) = self.number(at, depth)?;
        loop {
            let operation: fn(i64, i64) -> Option<i64> = match self.tokens.get(next) {
                Some(Token::Mark('+')) => i64::checked_add,
                Some(Token::Mark('-')) => i64::checked_sub,
                Some(Token::Mark('*')) => i64::checked_mul,
                Some(Token::Mark('/' | '\\')) => i64::checked_div,
                Some(Token::Word(word)) if word == "xor" => |left, right| Some(left ^ right),
                Some(Token::Word(word)) if word == "mod" => i64::checked_rem,
                _ => return Some((value, next)),
            };
            let (right, behind) = self.number(next + 1, depth)?;
            value = operation(value, right)?;
            next = behind;
        }
    }

    fn number(&self, at: usize, depth: u8) -> Option<(i64, usize)> {
        let depth = depth.checked_sub(1)?;
        match self.tokens.get(at)? {
            Token::Number(number) => Some((*number, at + 1)),
            Token::Mark('-') => {
                let (number, next) = self.number(at + 1, depth)?;
                Some((number.checked_neg()?, next))
            }
            Token::Mark('(') => {
                let (number, next) = self.sum(at + 1, depth)?;
                matches!(self.tokens.get(next), Some(Token::Mark(')')))
                    .then_some((number, next + 1))
            }
            Token::Word(word)
                if matches!(word.as_str(), "clng" | "cint" | "val" | "abs" | "asc" | "cbyte")
                    && matches!(self.tokens.get(at + 1), Some(Token::Mark('('))) =>
            {
                if let Some((text, next)) = self.term(at + 2, depth) {
                    let value = match word.as_str() {
                        "asc" => i64::from(u32::from(text.chars().next()?)),
                        _ => text.trim().parse().ok()?,
                    };
                    let (_, next) = self.closed(String::new(), next)?;
                    return Some((value, next));
                }
                let (value, next) = self.sum(at + 2, depth)?;
                let (_, next) = self.closed(String::new(), next)?;
                Some((value, next))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_put_together_as_the_program_would() {
        let table = [
            (r#"x = "She" & "ll""#, "Shell"),
            (r#"x = Chr(83) & Chr$(&H68) + ChrW(100 + 1) & Chr(54*2) & "l""#, "Shell"),
            (r#"x = StrReverse("llehS")"#, "Shell"),
            (r#"x = Replace("SXhXeXlXl", "X", "")"#, "Shell"),
            ("a = \"Sh\"\r\na = a & \"el\"\r\nRun a & \"l\"", "Shell"),
            ("x = \"Sh\" _\r\n & \"ell\"", "Shell"),
            ("x = Chr(Asc(\"S\")) & LCase((\"hell\"))", "Shell"),
            ("x = Chr(82 Xor 1) & \"hell\"", "Shell"),
            (
                "Array(87, 83, 99, 114, 105, 112, 116, 46, 83, 104, 101, 108, 108, 32, 32, 32)",
                "WScript.Shell   ",
            ),
        ];
        for (source, text) in table {
            let code = read(source);
            assert!(code.built.iter().any(|built| built == text), "{source}: {:?}", code.built);
        }
    }

    #[test]
    fn words_strings_and_comments_are_told_apart() {
        let code = read(
            "Attribute VB_Name = \"A\"\r\n' Shell in a comment\r\nSub AutoOpen()\r\n\
             REM Kill\r\nx = \"say \"\"Shell\"\"\" : y.Run 1\r\nEnd Sub",
        );
        assert_eq!(code.procedures, ["autoopen"]);
        assert_eq!(code.written, ["A", "say \"Shell\""]);
        assert!(code.words.contains(&".run".to_owned()));
        assert!(!code.words.iter().any(|word| word == "shell" || word == "kill"));
        assert_eq!(code.lines, 4);
    }

    #[test]
    fn hostile_source_costs_little() {
        let doubling = format!("a = \"xxxxxxxx\"\r\n{}", "a = a & a\r\n".repeat(5_000));
        let deep = format!("x = {}\"a\"{}", "Chr(".repeat(50_000), ")".repeat(50_000));
        let joined = format!("x = {}\"a\"", "\"a\" & ".repeat(100_000));
        for source in [doubling, deep, joined, "\"".repeat(100_001), "&H".repeat(9_999)] {
            let code = read(&source);
            assert!(code.built.iter().map(String::len).sum::<usize>() <= STRINGS_OCTETS);
        }
    }
}
