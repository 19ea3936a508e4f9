//! SMTP replies: a three-digit code, an enhanced status code (RFC 2034, RFC 3463) and text.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::MailId;

/// `class.subject.detail` of RFC 3463, for example `5.7.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnhancedCode(pub u8, pub u16, pub u16);

impl fmt::Display for EnhancedCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A reply as it goes to, or came from, a peer. Text lines hold no CR, LF or other controls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// Absent in greetings, in replies to HELO and EHLO, and from peers without RFC 2034.
    pub enhanced: Option<EnhancedCode>,
    /// At least one line.
    pub text: Vec<String>,
}

/// RFC 5321 section 4.5.3.1.5: a reply line is at most 512 octets with its code and CRLF.
const REPLY_TEXT_OCTETS: usize = 480;
/// A reference goes on a line of its own where the last line has no room for it.
const REFERRED_TEXT_OCTETS: usize = 440;

impl Reply {
    /// A reply of one line with an enhanced code. Controls in `text` are replaced and what
    /// is too long for a reply line is cut, so hostile text cannot forge a second reply.
    pub fn new(code: u16, enhanced: EnhancedCode, text: impl AsRef<str>) -> Reply {
        Reply { code, enhanced: Some(enhanced), text: vec![printable(text.as_ref())] }
    }

    /// A reply without an enhanced code, of one or more lines.
    pub fn plain<T: AsRef<str>>(code: u16, lines: impl IntoIterator<Item = T>) -> Reply {
        let text = lines.into_iter().map(|line| printable(line.as_ref())).collect();
        Reply { code, enhanced: None, text }
    }

    /// The same with a name at its end by which the sender can ask the administrator about it.
    pub fn with_reference(mut self, reference: MailId) -> Reply {
        let name = reference.to_string();
        if self.text.iter().any(|line| line.contains(&name)) {
            return self;
        }
        match self.text.last_mut().filter(|last| last.len() <= REFERRED_TEXT_OCTETS) {
            Some(last) => last.push_str(&format!(" ({name})")),
            None => self.text.push(format!("({name})")),
        }
        self
    }

    /// 2xx.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4xx: the same command may succeed later.
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5xx: it will not.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// Appends the reply in wire form, every line ended by CRLF.
    pub fn write_to(&self, wire: &mut Vec<u8>) {
        let last = self.text.len().saturating_sub(1);
        for (at, line) in self.text.iter().enumerate() {
            let separator = if at == last { ' ' } else { '-' };
            wire.extend_from_slice(format!("{}{separator}", self.code).as_bytes());
            if let Some(enhanced) = self.enhanced {
                wire.extend_from_slice(format!("{enhanced} ").as_bytes());
            }
            wire.extend_from_slice(line.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
    }
}

fn printable(text: &str) -> String {
    let mut end = text.len().min(REPLY_TEXT_OCTETS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default();
    kept.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// One line, as for a log or a delivery report.
impl fmt::Display for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(out, " {enhanced}")?;
        }
        self.text.iter().try_for_each(|line| write!(out, " {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_have_wire_form_and_cannot_be_forged() {
        let mut wire = Vec::new();
        Reply::new(550, EnhancedCode(5, 1, 1), "no <x\r\n250 ok>").write_to(&mut wire);
        Reply::plain(250, ["mx.test", "SIZE 1"]).write_to(&mut wire);
        let text = String::from_utf8(wire).unwrap();
        assert_eq!(text, "550 5.1.1 no <x??250 ok>\r\n250-mx.test\r\n250 SIZE 1\r\n");
        let long = Reply::new(550, EnhancedCode(5, 1, 1), "ä".repeat(600));
        assert!(long.text[0].len() <= REPLY_TEXT_OCTETS);
    }

    #[test]
    fn a_reference_is_given_once_and_finds_room() {
        let id = MailId::from_octets([0; 12]);
        let reply = Reply::new(550, EnhancedCode(5, 1, 1), "no").with_reference(id);
        assert_eq!(reply.text, ["no (00000000000000000000)"]);
        assert_eq!(reply.clone().with_reference(id), reply);
        let long = Reply::new(550, EnhancedCode(5, 1, 1), "x".repeat(470)).with_reference(id);
        assert_eq!(long.text[1], "(00000000000000000000)");
    }
}
