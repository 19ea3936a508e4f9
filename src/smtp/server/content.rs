//! Content: text after `DATA`, octets of `BDAT` chunks, and the right to answer for them.
//!
//! Good octets are given to the driver as slices of its own input. As soon as the message is
//! refused (too large, a line too long, a loop, or by the driver) the rest is skipped and the
//! reply given where the protocol has room for it; what is skipped is bounded too. A bare CR
//! or LF is answered at once and ends the session.

use super::asks::Opening;
use super::replies;
use super::talk::{Chunks, Talk, sane};
use super::text::{Framing, Hops, Piece, Text};
use super::{Commands, Hello, Turn, Why};
use crate::mail::{Envelope, Receipt, Reply};
use crate::smtp::command::Chunk;

/// How far the content of one message has come.
#[derive(Debug)]
pub(super) struct Progress {
    text: Text,
    hops: Hops,
    octets: u64,
}

impl Progress {
    pub(super) fn new(framing: Framing) -> Progress {
        Progress { text: Text::new(framing), hops: Hops::default(), octets: 0 }
    }
}

/// Octets that belong to the message, and what is next. When the input is used up and the
/// turn is still [`Turn::Content`], more is wanted.
#[derive(Debug)]
pub struct Flow<'i> {
    /// A part of the input.
    pub octets: &'i [u8],
    /// What is next, after these octets.
    pub turn: Turn,
}

/// Taking content.
#[derive(Debug)]
pub struct Content {
    talk: Box<Talk>,
    opening: Opening,
    progress: Progress,
    /// Octets of the chunk that are still to come.
    remaining_octets: u64,
    /// The message is lost and this is why.
    failure: Option<Reply>,
    skipped_octets: u64,
}

impl Content {
    pub(super) fn data(talk: Box<Talk>) -> Content {
        let progress = Progress::new(Framing::Dots);
        Content::new(talk, Opening::Data, progress, u64::MAX)
    }

    pub(super) fn chunk(talk: Box<Talk>, progress: Progress, chunk: Chunk) -> Content {
        Content::new(talk, Opening::Chunk(chunk), progress, chunk.octets)
    }

    /// A chunk that is refused already.
    pub(super) fn skip(talk: Box<Talk>, chunk: Chunk, reply: Reply) -> Content {
        let progress = Progress::new(Framing::Counted);
        let failure = Some(reply);
        Content { failure, ..Content::new(talk, Opening::Chunk(chunk), progress, chunk.octets) }
    }

    fn new(
        talk: Box<Talk>,
        opening: Opening,
        progress: Progress,
        remaining_octets: u64,
    ) -> Content {
        Content { talk, opening, progress, remaining_octets, failure: None, skipped_octets: 0 }
    }

    pub(super) fn talk(&mut self) -> &mut Talk {
        &mut self.talk
    }

    pub(super) fn into_talk(self) -> Box<Talk> {
        self.talk
    }

    /// An empty chunk needs no octets and must not wait for any.
    pub(super) fn into_turn(self) -> Turn {
        match self.remaining_octets {
            0 => self.advance(&mut &[][..]).turn,
            _ => Turn::Content(self),
        }
    }

    /// Whether the message is lost already and its octets are only skipped.
    pub fn is_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The driver cannot keep the content: the rest is skipped, and this said at its end.
    pub fn fail(&mut self, reply: &Reply) {
        if self.failure.is_none() {
            self.failure = Some(sane(reply));
        }
    }

    /// Takes octets up to the next event.
    pub fn advance<'i>(mut self, input: &mut &'i [u8]) -> Flow<'i> {
        loop {
            if self.remaining_octets == 0 {
                return Flow { octets: &[], turn: self.end_of_chunk() };
            }
            if self.opening != Opening::Data && self.failure.is_some() {
                if input.is_empty() {
                    return Flow { octets: &[], turn: Turn::Content(self) };
                }
                self.skip_chunk(input);
                continue;
            }
            match self.piece(input) {
                Piece::Hungry => return Flow { octets: &[], turn: Turn::Content(self) },
                Piece::Bare => return Flow { octets: &[], turn: self.bare() },
                Piece::End => return Flow { octets: &[], turn: self.end_of_data() },
                Piece::Octets(octets) => {
                    self.weigh(octets);
                    if self.failure.is_none() {
                        return Flow { octets, turn: self.into_turn() };
                    }
                    self.skipped_octets += octets.len() as u64;
                    let limit = self.talk.terms.message_octets.saturating_mul(2);
                    if self.skipped_octets > limit {
                        return Flow { octets: &[], turn: self.give_up() };
                    }
                }
            }
        }
    }

    fn piece<'i>(&mut self, input: &mut &'i [u8]) -> Piece<'i> {
        let wanted = usize::try_from(self.remaining_octets).unwrap_or(usize::MAX);
        let (mut within, rest) = match input.split_at_checked(wanted) {
            Some((within, rest)) if self.opening != Opening::Data => (within, rest),
            _ => (*input, &[][..]),
        };
        let before = within.len();
        let piece = self.progress.text.next(&mut within);
        let taken = before - within.len();
        if self.opening != Opening::Data {
            self.remaining_octets -= taken as u64;
        }
        *input = match rest.is_empty() {
            true => within,
            false => input.get(taken..).unwrap_or_default(),
        };
        piece
    }

    /// The rest of a chunk of a failed message is counted, not read.
    fn skip_chunk(&mut self, input: &mut &[u8]) {
        let wanted = usize::try_from(self.remaining_octets).unwrap_or(usize::MAX);
        let taken = wanted.min(input.len());
        self.remaining_octets -= taken as u64;
        *input = input.get(taken..).unwrap_or_default();
    }

    /// Holds good octets against the limits.
    fn weigh(&mut self, octets: &[u8]) {
        let terms = &self.talk.terms;
        self.progress.octets += octets.len() as u64;
        self.progress.hops.feed(octets);
        let say = match () {
            () if self.progress.octets > terms.message_octets => replies::TOO_LARGE,
            () if self.progress.text.longest_line_octets() > terms.text_line_octets => {
                replies::LINE_OF_TEXT_TOO_LONG
            }
            () if self.progress.hops.count() > terms.hops => replies::TOO_MANY_HOPS,
            () => return,
        };
        self.fail(&say.reply());
    }

    /// RFC 5321 section 2.3.8: neither may stand alone, and who lets them is smuggled past.
    fn bare(mut self) -> Turn {
        self.talk.note(b"(message text)", replies::BARE_TEXT.reply());
        self.talk.transaction = None;
        self.talk.close(Why::BareLineEnd)
    }

    fn give_up(mut self) -> Turn {
        let reply = self.failure.take().unwrap_or_else(|| replies::TOO_LARGE.reply());
        self.talk.note(b"(message text)", reply);
        self.talk.transaction = None;
        self.talk.close(Why::Misconduct)
    }

    fn end_of_data(mut self) -> Turn {
        match self.failure.take() {
            Some(reply) => refused(self.talk, reply),
            None => ended(self.talk, self.progress.octets),
        }
    }

    fn end_of_chunk(mut self) -> Turn {
        let Opening::Chunk(chunk) = self.opening else { return Turn::Content(self) };
        if chunk.last && self.failure.is_none() && !self.progress.text.may_end() {
            return self.bare();
        }
        match (self.failure.take(), chunk.last) {
            (Some(reply), _) => failed_chunk(self.talk, chunk, reply),
            (None, true) => ended(self.talk, self.progress.octets),
            (None, false) => {
                if chunk.octets == 0 && self.talk.is_idling() {
                    let say = replies::TOO_MANY_IDLE_COMMANDS;
                    return self.talk.close_with(b"BDAT 0", say, Why::Misconduct);
                }
                let wire = format!("250 2.0.0 {} octets received\r\n", chunk.octets);
                self.talk.wire(wire.as_bytes());
                if let Some(transaction) = &mut self.talk.transaction {
                    transaction.chunks = Some(Chunks::Open(self.progress));
                }
                self.talk.go_on()
            }
        }
    }
}

/// RFC 3030 section 2: later chunks of a failed message are skipped until its last one or
/// RSET. Without recipients it has not begun, and some may still be named.
fn failed_chunk(mut talk: Box<Talk>, chunk: Chunk, reply: Reply) -> Turn {
    let has_recipients = talk.transaction.as_ref().is_some_and(|open| !open.recipients.is_empty());
    if !has_recipients {
        if chunk.last {
            talk.transaction = None;
        }
        return talk.error(b"BDAT", reply);
    }
    if chunk.last {
        return refused(talk, reply);
    }
    if let Some(transaction) = &mut talk.transaction {
        transaction.chunks = Some(Chunks::Failed);
    }
    if chunk.octets == 0 {
        return talk.error(b"BDAT", reply);
    }
    talk.note(b"BDAT", reply);
    talk.go_on()
}

/// The transaction is over and its mail was not kept.
fn refused(mut talk: Box<Talk>, reply: Reply) -> Turn {
    talk.note(b"(message)", reply);
    talk.count_mail();
    talk.go_on()
}

fn ended(mut talk: Box<Talk>, octets: u64) -> Turn {
    match talk.transaction.take() {
        Some(mut transaction) => {
            Turn::Ended(Ended { envelope: transaction.envelope(), talk, octets })
        }
        // Content is only taken within a transaction.
        None => talk.error(b"(message)", replies::MAIL_FIRST.reply()),
    }
}

/// A whole message waits for its answer.
#[derive(Debug)]
pub struct Ended {
    talk: Box<Talk>,
    envelope: Envelope,
    octets: u64,
}

impl Ended {
    pub(super) fn talk(&mut self) -> &mut Talk {
        &mut self.talk
    }

    pub(super) fn into_talk(self) -> Box<Talk> {
        self.talk
    }

    /// Who it is from and for; the recipients are those that were accepted.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Octets of content that were passed on.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// How the client greeted.
    pub fn hello(&self) -> Option<&Hello> {
        self.talk.hello.as_ref()
    }

    /// Whether the client did not wait for a reply that it had to wait for, in this session.
    pub fn has_pipelined_unasked(&self) -> bool {
        self.talk.has_pipelined_unasked
    }

    /// The account that sends, when authenticated.
    pub fn account(&self) -> Option<&str> {
        self.talk.account.as_deref()
    }

    /// It is durable: the one way to a `250`.
    pub fn accepted(mut self, receipt: Receipt) -> Commands {
        self.talk.count_mail();
        let wire = format!("250 2.0.0 {} accepted\r\n", receipt.mail_id());
        self.talk.wire(wire.as_bytes());
        Commands::of(self.talk)
    }

    /// It was not kept.
    pub fn refused(mut self, reply: &Reply) -> Turn {
        self.talk.count_mail();
        let reply = sane(reply);
        reply.write_to(&mut self.talk.replies);
        match reply.code {
            421 => self.talk.close(Why::Shut),
            _ => self.talk.go_on(),
        }
    }
}
