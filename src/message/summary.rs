//! What a list shows of a message: bounded, on one line, without controls.
//!
//! In: [`Anatomy`]. Out: [`Summary`]; what is absent is empty. All of it is the sender's word.

use super::anatomy::Anatomy;
use super::words;
use crate::mail::Summary;

const SUBJECT_CHARS: usize = 200;
const AUTHOR_CHARS: usize = 200;
const MESSAGE_ID_OCTETS: usize = 250;

impl Anatomy {
    /// Subject, Message-ID and author of the message.
    pub fn summary(&self) -> Summary {
        let text = |name: &str, limit| {
            let value = self.head().and_then(|head| head.first(name)).unwrap_or_default();
            one_line(&words::decode(value), limit)
        };
        let message_id = text("message-id", MESSAGE_ID_OCTETS);
        let bare = message_id.trim().trim_start_matches('<').trim_end_matches('>');
        let end = bare.floor_char_boundary(MESSAGE_ID_OCTETS);
        Summary {
            subject: text("subject", SUBJECT_CHARS),
            message_id: bare.get(..end).unwrap_or_default().to_owned(),
            author: text("from", AUTHOR_CHARS),
        }
    }
}

/// Controls become spaces, runs of white space one of them.
fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::with_capacity(text.len().min(4 * limit));
    let mut left = limit;
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !line.is_empty() && left > 0 {
            line.push(' ');
            left -= 1;
        }
        let kept: String = word.chars().take(left).collect();
        left -= kept.chars().count();
        line.push_str(&kept);
        if left == 0 {
            break;
        }
    }
    line.trim_end().to_owned()
}
