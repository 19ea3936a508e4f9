//! The machine against arbitrary octets: what must hold whatever comes in.
//!
//! In: a few octets that choose the listener, the splits and the driver's answers, then what
//! the client sends. Fails by panic, with the invariant that was broken.

#![expect(clippy::panic, reason = "a broken invariant is what a fuzzer wants to see")]

use std::sync::Arc;

use super::{Channel, Commands, StartTls, Terms, Turn};
use crate::mail::{Domain, EnhancedCode, Reply, Role};

const MESSAGE_OCTETS: u64 = 2_048;
const COMMAND_OCTETS: usize = 512;

/// Runs one session and checks the invariants: no panic, at most one command line held,
/// replies well formed, not more messages than there were `354`s and `BDAT … LAST`s, never
/// more content than permitted, nothing read after the end.
#[doc(hidden)]
pub fn fuzz_body(data: &[u8]) {
    let Some((seed, wire)) = data.split_first_chunk::<4>() else { return };
    let [listener, ..] = *seed;
    let mut dice = Dice(u32::from_le_bytes(*seed) | 1);
    let Some(terms) = terms(listener) else { return };
    let channel = if listener & 8 == 0 { Channel::Clear } else { Channel::Encrypted };
    let mut run = Run { replies: Vec::new(), begun: 0, ended: 0, taken_octets: 0 };
    let mut turn = Turn::Commands(Commands::greet(Arc::new(terms), channel));
    let mut rest = wire;
    let mut input: &[u8] = &[];
    loop {
        run.replies.extend(turn.take_replies());
        if turn.held_octets() > COMMAND_OCTETS {
            panic!("more than a line is held");
        }
        let is_hungry = matches!(turn, Turn::Commands(_) | Turn::Content(_));
        if is_hungry && input.is_empty() {
            if rest.is_empty() {
                break;
            }
            let octets = (dice.roll() as usize % 97 + 1).min(rest.len());
            (input, rest) = rest.split_at_checked(octets).unwrap_or((rest, &[]));
        }
        turn = match run.step(turn, &mut input, &mut dice) {
            Some(next) => next,
            None => break,
        };
    }
    if run.ended > run.begun {
        panic!("{} messages ended but only {} began", run.ended, run.begun);
    }
    check_replies(&run.replies);
}

struct Dice(u32);

impl Dice {
    /// xorshift: repeatable, nothing more is asked of it.
    fn roll(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn is_kind(&mut self) -> bool {
        !self.roll().is_multiple_of(5)
    }
}

struct Run {
    replies: Vec<u8>,
    begun: usize,
    ended: usize,
    taken_octets: u64,
}

impl Run {
    fn step(&mut self, turn: Turn, input: &mut &[u8], dice: &mut Dice) -> Option<Turn> {
        let no = Reply::new(550, EnhancedCode(5, 7, 1), "no");
        let later = Reply::new(451, EnhancedCode(4, 3, 0), "later");
        Some(match turn {
            Turn::Commands(commands) => {
                let before = input.len();
                let mut turn = commands.advance(input);
                if input.len() == before && matches!(turn, Turn::Commands(_)) {
                    panic!("no progress");
                }
                if turn.reply_octets() > before * 300 + 300 {
                    panic!("replies grow without bound");
                }
                turn
            }
            Turn::Sender(asked) if dice.is_kind() => Turn::Commands(asked.accept()),
            Turn::Sender(asked) => asked.refuse(&no),
            Turn::Recipient(asked) if dice.is_kind() => match "a@fuzz.test".parse() {
                Ok(address) => Turn::Commands(asked.accept(address)),
                Err(_) => asked.refuse(&later),
            },
            Turn::Recipient(asked) => asked.refuse(&no),
            Turn::Authenticate(asked) if dice.is_kind() => Turn::Commands(asked.accept()),
            Turn::Authenticate(asked) => asked.refuse(),
            Turn::StartTls(asked) if dice.is_kind() => {
                let (replies, pending) = asked.accept();
                self.replies.extend(replies);
                Turn::Commands(pending.established())
            }
            Turn::StartTls(asked) => asked.refuse(&later),
            Turn::Begin(asked) if dice.is_kind() => {
                self.begun += 1;
                self.taken_octets = 0;
                asked.accept()
            }
            Turn::Begin(asked) => asked.refuse(&later),
            Turn::Content(mut content) => {
                if !dice.is_kind() && !dice.is_kind() {
                    content.fail(&later);
                }
                let flow = content.advance(input);
                self.taken_octets += flow.octets.len() as u64;
                if self.taken_octets > MESSAGE_OCTETS {
                    panic!("more content than permitted");
                }
                flow.turn
            }
            Turn::Ended(ended) => {
                self.ended += 1;
                if ended.envelope().recipients.is_empty() {
                    panic!("a message without recipients");
                }
                if ended.octets() != self.taken_octets {
                    panic!("the count of octets is wrong");
                }
                ended.refused(&later)
            }
            Turn::Closing(_) => return None,
        })
    }
}

fn terms(listener: u8) -> Option<Terms> {
    let role = match listener & 3 {
        0 | 1 => Role::Inbound,
        2 => Role::Outbound,
        _ => Role::Submission,
    };
    Some(Terms {
        hostname: Domain::parse("mx.fuzz.test").ok()?,
        role,
        starttls: if listener & 4 == 0 { StartTls::Offered } else { StartTls::NotOffered },
        message_octets: MESSAGE_OCTETS,
        recipients: 5,
        mails: 10,
        command_octets: COMMAND_OCTETS,
        text_line_octets: 1_000,
        errors: 10,
        idle_commands: 20,
        hops: 3,
    })
}

/// RFC 5321 section 4.2: `code SP text CRLF`, or `code "-" text CRLF` before the last line.
fn check_replies(replies: &[u8]) {
    let Ok(text) = std::str::from_utf8(replies) else { panic!("replies are not text") };
    let Some(lines) = text.strip_suffix("\r\n") else { panic!("an unfinished reply: {text:?}") };
    for line in lines.split("\r\n") {
        let code = line.get(..3).and_then(|digits| digits.parse::<u16>().ok()).unwrap_or(0);
        let separator = line.as_bytes().get(3);
        let is_code = (200..600).contains(&code) && matches!(separator, Some(b' ' | b'-'));
        if !is_code || line.len() > 510 || line.chars().any(char::is_control) {
            panic!("malformed reply line {line:?}");
        }
    }
}
