//! The machine: greeting, EHLO or HELO or LHLO, STARTTLS, then one transaction after another.

use std::collections::VecDeque;
use std::sync::Arc;

use super::capabilities::Capabilities;
use super::commands;
use super::reader::{BadReply, ReplyReader};
use crate::mail::{EnhancedCode, Envelope, Reply};

/// Commands sent without waiting for their replies, at most. Bounded so that neither side's
/// buffers can fill up while both are writing (RFC 2920 section 3.1).
const BATCH_COMMANDS: usize = 50;
const BATCH_OCTETS: usize = 8_192;
/// RFC 5321 section 4.5.3.1.8: every server takes at least 100 recipients.
const RECIPIENTS: usize = 100;

/// Which protocol the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// RFC 5321: one reply to end of data.
    Smtp,
    /// RFC 2033: one reply to end of data for every accepted recipient.
    Lmtp,
}

/// What to do about STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Stay in clear.
    Never,
    /// Use it when the server offers it.
    Offered,
    /// No mail without it.
    Required,
}

/// How to greet.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Which protocol.
    pub dialect: Dialect,
    /// The name in EHLO.
    pub hostname: String,
    /// TLS.
    pub starttls: StartTls,
}

/// What a message needs of the server, beside what the envelope says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nature {
    /// Octets above 127 occur in it.
    pub eight_bit: bool,
    /// They occur in its header.
    pub utf8_header: bool,
}

/// One transaction to do.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Whose paths and parameters.
    pub envelope: Arc<Envelope>,
    /// Which of its recipients, at most [`Client::recipients_max`].
    pub recipients: Vec<u16>,
    /// Size of the text, before dot-stuffing.
    pub octets: u64,
    /// What the text needs.
    pub nature: Nature,
}

/// Who refused or accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The server.
    Peer,
    /// This box: the server could not be asked or said nothing.
    Box,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Index in the envelope.
    pub recipient: u16,
    /// 2xx, 4xx or 5xx.
    pub reply: Reply,
    /// Whose words these are.
    pub speaker: Speaker,
}

/// Why a connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server does not want to, now or at all: greeting, EHLO, RSET, or 421 anywhere.
    #[error("{0}")]
    Refused(Reply),
    /// TLS is required and not to be had.
    #[error("TLS is required and the server does not offer it")]
    NoTls,
    /// Not SMTP.
    #[error("{0}")]
    BadReply(#[from] BadReply),
    /// A reply that the command cannot have.
    #[error("unexpected reply to {command}: {reply}")]
    Unexpected {
        /// The command.
        command: &'static str,
        /// The reply.
        reply: Reply,
    },
    /// Octets that nobody asked for; after STARTTLS they could be an intruder's.
    #[error("the server spoke out of turn")]
    OutOfTurn,
    /// Said by the driver.
    #[error("{0}")]
    Lost(String),
}

/// What the driver waits for; chooses the time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaiting {
    /// 220.
    Greeting,
    /// The reply to a command.
    Reply,
    /// The reply to end of data.
    EndOfData,
}

/// What the driver is to do, after it has sent what [`Client::take_output`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Read and [`Client::feed`].
    Read(Awaiting),
    /// Do the TLS handshake, then [`Client::secured`].
    Handshake,
    /// [`Client::begin`] or [`Client::quit`].
    Parcel,
    /// Send the text, encoded with [`super::Stuffing`], then [`Client::text_sent`].
    Text,
    /// [`Client::settle`].
    Settle,
    /// Close; [`Client::failure`] says why, unless it was by QUIT.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hello,
    Handshake,
    Idle,
    Commands,
    Text,
    EndOfData,
    Settled,
    Quitting,
    Closed,
}

/// A command whose reply is outstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Rset,
    Mail,
    Rcpt(usize),
    Data,
    /// End of an empty message that no recipient is left for.
    Withdrawn,
    /// End of data, for all accepted recipients.
    End,
    /// End of data, for this recipient (LMTP).
    EndFor(usize),
    Quit,
}

/// The next command of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Mail,
    Rcpt(usize),
    Data,
    Nothing,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Deliver,
    /// To hear what is said of the recipients; nothing is sent to them.
    Ask,
}

#[derive(Debug)]
struct Transaction {
    purpose: Purpose,
    parcel: Parcel,
    /// One a recipient of the parcel.
    answers: Vec<Option<(Reply, Speaker)>>,
    /// Places in the parcel that were accepted by RCPT.
    accepted: Vec<usize>,
    next: Next,
    mail_refused: Option<Reply>,
    /// The server answered at least once, other than with 421.
    heard: bool,
}

/// One connection's machine.
#[derive(Debug)]
pub struct Client {
    settings: ClientSettings,
    reader: ReplyReader,
    output: Vec<u8>,
    asked: VecDeque<Asked>,
    state: State,
    offered: Capabilities,
    secured: bool,
    /// The last transaction did not come to its end of data.
    needs_rset: bool,
    transaction: Option<Transaction>,
    failure: Option<ClientError>,
}

impl Client {
    /// A machine for a connection that was just made.
    pub fn new(settings: ClientSettings) -> Client {
        Client {
            settings,
            reader: ReplyReader::default(),
            output: Vec::new(),
            asked: VecDeque::from([Asked::Greeting]),
            state: State::Hello,
            offered: Capabilities::default(),
            secured: false,
            needs_rset: false,
            transaction: None,
            failure: None,
        }
    }

    /// What the server offers; empty before [`Want::Parcel`] first appears.
    pub fn capabilities(&self) -> &Capabilities {
        &self.offered
    }

    /// Recipients of one parcel at most.
    pub fn recipients_max(&self) -> usize {
        self.offered.recipients_max.unwrap_or(RECIPIENTS).min(RECIPIENTS)
    }

    /// Why the connection is of no more use.
    pub fn failure(&self) -> Option<&ClientError> {
        self.failure.as_ref()
    }

    /// Whether the server has said anything in this transaction but farewell. When not, on a
    /// connection that was used before, the mail may be tried again at once on a fresh one.
    pub fn heard(&self) -> bool {
        self.transaction.as_ref().is_some_and(|open| open.heard)
    }

    /// Octets to send now.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// What to do next.
    pub fn want(&self) -> Want {
        match self.state {
            State::Settled => Want::Settle,
            State::Closed => Want::Close,
            State::Handshake => Want::Handshake,
            State::Idle => Want::Parcel,
            State::Text => Want::Text,
            State::Hello if self.asked.front() == Some(&Asked::Greeting) => {
                Want::Read(Awaiting::Greeting)
            }
            State::EndOfData => Want::Read(Awaiting::EndOfData),
            State::Hello | State::Commands | State::Quitting => Want::Read(Awaiting::Reply),
        }
    }

    /// Takes in octets from the server.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.state == State::Closed {
            return;
        }
        self.reader.push(octets);
        loop {
            match self.reader.next() {
                Ok(Some(reply)) => self.hear(reply),
                Ok(None) => break,
                Err(bad) => self.fail(bad.into()),
            }
            if self.failure.is_some() || self.state == State::Closed {
                return;
            }
        }
        let silent = matches!(self.state, State::Idle | State::Handshake);
        if silent && !self.reader.is_empty() {
            self.fail(ClientError::OutOfTurn);
        }
    }

    /// The handshake is done. RFC 3207 section 4.2: what was offered before is forgotten.
    pub fn secured(&mut self) {
        if self.state == State::Handshake {
            self.secured = true;
            self.offered = Capabilities::default();
            self.greet(Asked::Ehlo);
        }
    }

    /// Begins a transaction. Only when [`Client::want`] is [`Want::Parcel`].
    pub fn begin(&mut self, parcel: Parcel) {
        self.open(parcel, Purpose::Deliver);
    }

    /// Asks what the server says of the recipients: a transaction that ends before its data.
    /// The next one, if any, begins with RSET. Only when [`Client::want`] is [`Want::Parcel`].
    pub fn ask(&mut self, envelope: Arc<Envelope>, recipients: Vec<u16>) {
        let parcel = Parcel { envelope, recipients, octets: 0, nature: Nature::default() };
        self.open(parcel, Purpose::Ask);
    }

    fn open(&mut self, parcel: Parcel, purpose: Purpose) {
        if self.state != State::Idle {
            return;
        }
        let answers = vec![None; parcel.recipients.len()];
        let transaction = Transaction {
            purpose,
            parcel,
            answers,
            accepted: Vec::new(),
            next: Next::Mail,
            mail_refused: None,
            heard: false,
        };
        self.state = State::Commands;
        let transaction = self.transaction.insert(transaction);
        transaction.refuse_what_cannot_be_said(&self.offered);
        self.proceed();
    }

    /// The text was sent whole, with its final dot.
    pub fn text_sent(&mut self) {
        if self.state == State::Text {
            self.state = State::EndOfData;
        }
    }

    /// The connection broke, ended or took too long.
    pub fn lost(&mut self, why: impl Into<String>) {
        if self.state != State::Closed {
            self.fail(ClientError::Lost(why.into()));
        }
    }

    /// The answers of the transaction, one for each recipient of the parcel.
    pub fn settle(&mut self) -> Vec<Answer> {
        let Some(done) = self.transaction.take() else { return Vec::new() };
        if self.state == State::Settled {
            self.state = match self.failure {
                Some(_) => State::Closed,
                None => State::Idle,
            };
        }
        let silence = self.silence();
        let answers = done.answers.into_iter().zip(&done.parcel.recipients);
        let answer = |(said, recipient): (Option<(Reply, Speaker)>, &u16)| {
            let (reply, speaker) = said.unwrap_or_else(|| silence.clone());
            Answer { recipient: *recipient, reply, speaker }
        };
        answers.map(answer).collect()
    }

    /// Ends the connection politely.
    pub fn quit(&mut self) {
        match self.state {
            State::Idle => {
                self.say(b"QUIT\r\n", Asked::Quit);
                self.state = State::Quitting;
            }
            _ => self.state = State::Closed,
        }
    }

    /// What recipients are told for whom the server said nothing.
    fn silence(&self) -> (Reply, Speaker) {
        let lost = EnhancedCode(4, 4, 2);
        match &self.failure {
            Some(ClientError::Refused(reply)) if reply.is_transient() => {
                (reply.clone(), Speaker::Peer)
            }
            Some(error) => (Reply::new(451, lost, error.to_string()), Speaker::Box),
            None => (Reply::new(451, lost, "the transaction was not finished"), Speaker::Box),
        }
    }

    fn say(&mut self, line: &[u8], asked: Asked) {
        self.output.extend_from_slice(line);
        self.asked.push_back(asked);
    }

    fn greet(&mut self, asked: Asked) {
        let verb = match (asked, self.settings.dialect) {
            (Asked::Helo, _) => "HELO",
            (_, Dialect::Smtp) => "EHLO",
            (_, Dialect::Lmtp) => "LHLO",
        };
        let line = format!("{verb} {}\r\n", self.settings.hostname);
        self.state = State::Hello;
        self.say(line.as_bytes(), asked);
    }

    fn fail(&mut self, error: ClientError) {
        self.failure = Some(error);
        self.output.clear();
        self.asked.clear();
        match &mut self.transaction {
            Some(open) => {
                open.spread_refusal_of_mail();
                self.state = State::Settled;
            }
            None => self.state = State::Closed,
        }
    }

    fn hear(&mut self, reply: Reply) {
        if let Some(open) = &mut self.transaction {
            open.heard |= reply.code != 421;
        }
        let asked = self.asked.pop_front();
        // RFC 5321 section 3.8: 421 may come in reply to any command.
        if reply.code == 421 && asked != Some(Asked::Quit) {
            return self.fail(ClientError::Refused(reply));
        }
        match asked {
            None => self.fail(ClientError::OutOfTurn),
            Some(Asked::Quit) => self.state = State::Closed,
            Some(asked) if self.state == State::Hello => self.hear_hello(asked, reply),
            Some(asked) => self.hear_transaction(asked, reply),
        }
    }

    fn hear_hello(&mut self, asked: Asked, reply: Reply) {
        match asked {
            Asked::Greeting if reply.code == 220 => self.greet(Asked::Ehlo),
            Asked::Ehlo if reply.is_positive() => {
                self.offered = Capabilities::parse(&reply);
                match (self.settings.starttls, self.secured, self.offered.starttls) {
                    (StartTls::Never, _, _) | (_, true, _) => self.state = State::Idle,
                    (_, false, true) => self.say(b"STARTTLS\r\n", Asked::StartTls),
                    (StartTls::Required, false, false) => self.fail(ClientError::NoTls),
                    (StartTls::Offered, false, false) => self.state = State::Idle,
                }
            }
            // RFC 5321 section 3.2: a server without extensions.
            Asked::Ehlo if reply.is_permanent() && self.settings.dialect == Dialect::Smtp => {
                self.greet(Asked::Helo);
            }
            Asked::Helo if reply.is_positive() => {
                let without_tls = !self.secured && self.settings.starttls == StartTls::Required;
                match without_tls {
                    true => self.fail(ClientError::NoTls),
                    false => {
                        self.offered = Capabilities {
                            peer_name: peer_name(&reply),
                            ..Capabilities::default()
                        };
                        self.state = State::Idle;
                    }
                }
            }
            Asked::StartTls if reply.code == 220 => match self.reader.is_empty() {
                true => self.state = State::Handshake,
                // What follows in clear would be read as if it had come encrypted.
                false => self.fail(ClientError::OutOfTurn),
            },
            Asked::StartTls if self.settings.starttls == StartTls::Required => {
                self.fail(ClientError::NoTls);
            }
            Asked::StartTls if reply.is_transient() || reply.is_permanent() => {
                self.state = State::Idle;
            }
            _ if reply.is_transient() || reply.is_permanent() => {
                self.fail(ClientError::Refused(reply));
            }
            _ => self.fail(ClientError::Unexpected { command: asked.word(), reply }),
        }
    }

    fn hear_transaction(&mut self, asked: Asked, reply: Reply) {
        let refused = reply.is_transient() || reply.is_permanent();
        let Some(open) = &mut self.transaction else {
            return self.fail(ClientError::OutOfTurn);
        };
        match asked {
            Asked::Rset if reply.is_positive() => self.needs_rset = false,
            Asked::Rset if refused => return self.fail(ClientError::Refused(reply)),
            Asked::Mail if reply.is_positive() => self.needs_rset = true,
            Asked::Mail if refused => open.mail_refused = Some(reply),
            // They follow from the refusal of MAIL and say nothing of the recipient.
            Asked::Rcpt(_) if open.mail_refused.is_some() => {}
            Asked::Rcpt(place) if reply.is_positive() => match open.purpose {
                Purpose::Deliver => open.accepted.push(place),
                Purpose::Ask => open.answer(place, reply),
            },
            Asked::Rcpt(place) if refused => open.answer(place, reply),
            Asked::Data if reply.code == 354 => return self.go_ahead(),
            Asked::Data if refused => {
                if open.mail_refused.is_none() {
                    open.answer_accepted(&reply);
                }
            }
            Asked::Withdrawn => self.needs_rset = false,
            // A verdict on text that the server has not seen whole.
            _ if self.state == State::Text => {
                if refused {
                    open.answer_accepted(&reply);
                }
                return self.fail(ClientError::OutOfTurn);
            }
            Asked::End if reply.is_positive() || refused => open.answer_accepted(&reply),
            Asked::EndFor(place) if reply.is_positive() || refused => open.answer(place, reply),
            _ => return self.fail(ClientError::Unexpected { command: asked.word(), reply }),
        }
        self.proceed();
    }

    /// 354 came.
    fn go_ahead(&mut self) {
        let Some(open) = &mut self.transaction else { return };
        if open.mail_refused.is_some() && !open.accepted.is_empty() {
            // To go on would leave an empty mail with those recipients.
            let reply = Reply::plain(354, ["after MAIL was refused"]);
            return self.fail(ClientError::Unexpected { command: Asked::Data.word(), reply });
        }
        if open.accepted.is_empty() {
            // RFC 2920 section 3.1: all were refused and the server wants text all the same.
            return self.say(b".\r\n", Asked::Withdrawn);
        }
        match self.settings.dialect {
            Dialect::Smtp => self.asked.push_back(Asked::End),
            Dialect::Lmtp => {
                self.asked.extend(open.accepted.iter().map(|place| Asked::EndFor(*place)));
            }
        }
        self.state = State::Text;
    }

    /// Sends the next commands, or ends the transaction, when no reply is outstanding.
    fn proceed(&mut self) {
        if !self.asked.is_empty() {
            return;
        }
        let Some(open) = &mut self.transaction else { return };
        if self.state == State::EndOfData {
            self.needs_rset = false;
            self.state = State::Settled;
            return;
        }
        let batch = if self.offered.pipelining { BATCH_COMMANDS } else { 1 };
        open.spread_refusal_of_mail();
        if open.next == Next::Mail && self.needs_rset && !open.is_over() {
            self.output.extend_from_slice(b"RSET\r\n");
            self.asked.push_back(Asked::Rset);
            if batch == 1 {
                return;
            }
        }
        while self.asked.len() < batch && self.output.len() < BATCH_OCTETS {
            let waits = !self.asked.is_empty();
            let Some((line, asked)) = open.next_command(&self.offered, waits) else { break };
            self.output.extend_from_slice(line.as_bytes());
            self.asked.push_back(asked);
        }
        if self.asked.is_empty() {
            self.state = State::Settled;
        }
    }
}

impl Transaction {
    fn answer(&mut self, place: usize, reply: Reply) {
        self.say(place, reply, Speaker::Peer);
    }

    fn say(&mut self, place: usize, reply: Reply, speaker: Speaker) {
        if let Some(slot) = self.answers.get_mut(place) {
            slot.get_or_insert((reply, speaker));
        }
    }

    fn answer_accepted(&mut self, reply: &Reply) {
        for place in std::mem::take(&mut self.accepted) {
            self.answer(place, reply.clone());
        }
    }

    /// RFC 5321 section 3.3: when MAIL is refused, it is refused for all.
    fn spread_refusal_of_mail(&mut self) {
        if let Some(reply) = self.mail_refused.clone() {
            // It says nothing of a recipient who is only asked about.
            let speaker = match self.purpose {
                Purpose::Deliver => Speaker::Peer,
                Purpose::Ask => Speaker::Box,
            };
            (0..self.answers.len()).for_each(|place| self.say(place, reply.clone(), speaker));
            self.next = Next::Nothing;
        }
    }

    /// Whether every recipient is answered before the first command.
    fn is_over(&self) -> bool {
        self.answers.iter().all(Option::is_some)
    }

    /// The next command, unless the transaction is done or must hear replies first.
    fn next_command(&mut self, offered: &Capabilities, waits: bool) -> Option<(String, Asked)> {
        if self.next == Next::Mail {
            if self.is_over() {
                return None;
            }
            self.next = Next::Rcpt(0);
            let line = commands::mail(&self.parcel.envelope, self.parcel.octets, offered);
            return Some((line, Asked::Mail));
        }
        while let Next::Rcpt(place) = self.next {
            let Some(recipient) = self.parcel.recipients.get(place) else {
                self.next = Next::Data;
                break;
            };
            self.next = Next::Rcpt(place + 1);
            let open = self.answers.get(place).is_some_and(Option::is_none);
            let named = self.parcel.envelope.recipients.get(usize::from(*recipient));
            if let Some(recipient) = named.filter(|_| open) {
                return Some((commands::rcpt(recipient, offered), Asked::Rcpt(place)));
            }
        }
        if self.purpose == Purpose::Ask {
            self.next = Next::Nothing;
        }
        // While replies are outstanding one of them may yet be an acceptance.
        if self.next == Next::Data && (waits || !self.accepted.is_empty()) {
            self.next = Next::Nothing;
            return Some(("DATA\r\n".into(), Asked::Data));
        }
        None
    }

    /// What the server lacks for this message is refused here, permanently: it will not
    /// learn it by being asked again.
    fn refuse_what_cannot_be_said(&mut self, offered: &Capabilities) {
        let envelope = Arc::clone(&self.parcel.envelope);
        let nature = self.parcel.nature;
        let refusal = |code, enhanced, text| Some(Reply::new(code, enhanced, text));
        let utf8_path =
            envelope.reverse_path.address().is_some_and(|address| address.needs_smtputf8());
        let whole = if offered.size.is_some_and(|most| most > 0 && most < self.parcel.octets) {
            // RFC 1870 section 6.1.
            refusal(552, EnhancedCode(5, 3, 4), "the message is larger than the next hop takes")
        } else if !offered.smtputf8 && (utf8_path || nature.utf8_header) {
            // RFC 6531 section 3.2.
            refusal(550, EnhancedCode(5, 6, 7), "the next hop does not offer SMTPUTF8")
        } else if !offered.eight_bit_mime && nature.eight_bit {
            // RFC 6152 section 3.
            refusal(554, EnhancedCode(5, 6, 3), "the next hop does not offer 8BITMIME")
        } else {
            None
        };
        for place in 0..self.answers.len() {
            let index = self.parcel.recipients.get(place).copied().map(usize::from);
            let named = index.and_then(|index| envelope.recipients.get(index));
            let own = match named {
                None => refusal(550, EnhancedCode(5, 1, 1), "no such recipient in the envelope"),
                Some(recipient) if recipient.forward_path.needs_smtputf8() && !offered.smtputf8 => {
                    refusal(550, EnhancedCode(5, 6, 7), "the next hop does not offer SMTPUTF8")
                }
                Some(_) => None,
            };
            if let Some(reply) = whole.clone().or(own) {
                self.say(place, reply, Speaker::Box);
            }
        }
    }
}

impl Asked {
    fn word(self) -> &'static str {
        match self {
            Asked::Greeting => "the connection",
            Asked::Ehlo => "EHLO",
            Asked::Helo => "HELO",
            Asked::StartTls => "STARTTLS",
            Asked::Rset => "RSET",
            Asked::Mail => "MAIL",
            Asked::Rcpt(_) => "RCPT",
            Asked::Data => "DATA",
            Asked::Withdrawn | Asked::End | Asked::EndFor(_) => "end of data",
            Asked::Quit => "QUIT",
        }
    }
}

fn peer_name(reply: &Reply) -> String {
    let greeting = reply.text.first().map(String::as_str).unwrap_or_default();
    greeting.split(' ').next().unwrap_or_default().to_ascii_lowercase()
}
