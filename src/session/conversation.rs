//! One session: reads, asks the machine what that means, decides, writes.
//!
//! Time-outs: a command must be complete in `command_timeout_s` however slowly it drips in,
//! content may pause `data_timeout_s`, and all of it together has `session_timeout_s`. When
//! the box drains, a session without a mail under way ends at once and any other when its
//! mail does. A session that ends with an error says so, and then reads on for a moment, so
//! that the peer's unread octets do not reset the connection before the reply is read.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::house::{Account, Authenticator, House, Sight, Trail, Visitor};
use super::pipeline::{Decision, Pipeline, Received};
use super::serve::turned_true;
use super::settings::Settings;
use super::tarpit::Offences;
use super::wire::Wire;
use crate::mail::{
    ContentError, ContentWriter, EnhancedCode, Envelope, Facts, Mail, MailId, Manners, Reply,
    TlsFacts,
};
use crate::smtp::server::{
    BeginAsked, Closing, Commands, Content, Ended, Refusal, TlsAsked, Turn, Why,
};

/// Read at once while commands are awaited, and while content is.
const COMMAND_READ_OCTETS: usize = 16 << 10;
const CONTENT_READ_OCTETS: usize = 64 << 10;
/// Replies to a long batch are written when there are so many.
const REPLY_OCTETS: usize = 16 << 10;
/// After the last reply: how long, and how much, is read and thrown away.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_OCTETS: usize = 4 << 20;

/// Why there is nothing more to do.
pub(super) enum End {
    /// The machine has come to its end.
    Closing(Closing),
    /// The connection was lost or closed by the client.
    Gone,
    /// The handshake failed: nothing more can be said.
    Silent,
}

pub(super) struct Conversation<S, P, A> {
    wire: Wire<S>,
    pub(super) visitor: Visitor,
    pub(super) settings: Arc<Settings>,
    pub(super) house: Arc<House<P, A>>,
    pub(super) drain: watch::Receiver<bool>,
    pub(super) is_draining: bool,
    /// Read and not yet understood, from `taken` on.
    inbox: Vec<u8>,
    taken: usize,
    command_by: Instant,
    pub(super) end_by: Instant,
    tls: Option<TlsFacts>,
    pub(super) account: Option<Account>,
    /// The transaction that is open.
    pub(super) trail: Option<Trail>,
    pub(super) manners: Manners,
    pub(super) offences: Offences,
    writer: Option<ContentWriter>,
    /// The content of this mail could not be kept, and this is what the client reads.
    lost: Option<Reply>,
}

impl<S, P, A> Conversation<S, P, A>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    P: Pipeline,
    A: Authenticator,
{
    pub(super) fn new(
        wire: Wire<S>,
        visitor: Visitor,
        settings: Arc<Settings>,
        house: Arc<House<P, A>>,
        tls: Option<TlsFacts>,
        drain: watch::Receiver<bool>,
    ) -> Conversation<S, P, A> {
        let now = Instant::now();
        Conversation {
            command_by: now + settings.limits.command_timeout(),
            end_by: now + settings.limits.session_timeout(),
            wire,
            visitor,
            settings,
            house,
            drain,
            is_draining: false,
            inbox: Vec::new(),
            taken: 0,
            tls,
            account: None,
            trail: None,
            manners: Manners::default(),
            offences: Offences::default(),
            writer: None,
            lost: None,
        }
    }

    /// Goes on until the session ends.
    pub(super) async fn run(mut self, mut turn: Turn) {
        loop {
            turn = match self.next(turn).await {
                Ok(turn) => turn,
                Err(end) => return self.end(end).await,
            };
        }
    }

    async fn next(&mut self, mut turn: Turn) -> Result<Turn, End> {
        let refusals = turn.take_refusals();
        for refusal in &refusals {
            let (command, reply) = (refusal.command.as_str(), &refusal.reply);
            let trail = self.trail.as_ref().filter(|_| refusal.in_transaction);
            self.saw(Sight::CommandRefused { trail, command, reply });
        }
        self.count_errors(&refusals);
        if matches!(&turn, Turn::Commands(commands) if !commands.is_in_transaction()) {
            self.trail = None;
        }
        if self.owes_delay(&turn) {
            Box::pin(self.delay(&mut turn)).await?;
        }
        if turn.reply_octets() > REPLY_OCTETS {
            self.flush(&mut turn).await?;
        }
        match turn {
            Turn::Commands(commands) if self.has_input() => {
                let mut input = self.inbox.get(self.taken..).unwrap_or_default();
                let turn = commands.advance(&mut input);
                self.taken = self.inbox.len() - input.len();
                Ok(turn)
            }
            Turn::Content(content) if self.has_input() => Ok(self.take_content(content)),
            Turn::Commands(commands) => self.await_command(commands).await,
            Turn::Content(content) => self.await_content(content).await,
            Turn::Sender(asked) => Ok(Box::pin(self.judge_sender(asked)).await),
            Turn::Recipient(asked) => Ok(Box::pin(self.judge_recipient(asked)).await),
            Turn::Begin(asked) => Ok(self.begin(asked)),
            Turn::Authenticate(asked) => Ok(Box::pin(self.authenticate(asked)).await),
            Turn::StartTls(asked) => Box::pin(self.start_tls(asked)).await,
            Turn::Ended(ended) => Ok(Box::pin(self.decide(ended)).await),
            Turn::Closing(closing) => Err(End::Closing(closing)),
        }
    }

    /// What the machine refused for good; RFC 3463 section 3.6: x.5.x is about the protocol.
    fn count_errors(&mut self, refusals: &[Refusal]) {
        let permanent = refusals.iter().filter(|refusal| refusal.reply.is_permanent());
        self.offences.add(permanent.clone().count());
        let is_protocol =
            |refusal: &&Refusal| matches!(refusal.reply.enhanced, Some(code) if code.1 == 5);
        let errors = u16::try_from(permanent.filter(is_protocol).count()).unwrap_or(u16::MAX);
        self.manners.errors = self.manners.errors.saturating_add(errors);
    }

    pub(super) fn saw(&self, sight: Sight<'_>) {
        self.house.witness.saw(&self.visitor, sight);
    }

    fn has_input(&self) -> bool {
        self.taken < self.inbox.len()
    }

    pub(super) async fn flush(&mut self, turn: &mut Turn) -> Result<(), End> {
        let replies = turn.take_replies();
        self.write(&replies).await.map_err(|_| End::Gone)
    }

    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        if octets.is_empty() {
            return Ok(());
        }
        let write = async {
            self.wire.write_all(octets).await?;
            self.wire.flush().await
        };
        timeout(self.settings.limits.command_timeout(), write).await?
    }

    /// A mail that is under way has so long.
    pub(super) fn begin_draining(&mut self) {
        self.is_draining = true;
        let patience = Duration::from_secs(self.settings.limits.drain_timeout_s);
        self.end_by = self.end_by.min(Instant::now() + patience);
    }

    async fn await_command(&mut self, commands: Commands) -> Result<Turn, End> {
        if !commands.is_between_chunks() {
            self.writer = None;
            self.lost = None;
        }
        let is_idle = !commands.is_in_transaction();
        if !commands.is_within_line() {
            self.command_by = Instant::now() + self.settings.limits.command_timeout();
        }
        let mut turn = Turn::Commands(commands);
        self.flush(&mut turn).await?;
        if self.is_draining && is_idle {
            return Ok(Turn::Closing(turn.shut(&going_down())));
        }
        let by = self.command_by.min(self.end_by);
        self.read::<COMMAND_READ_OCTETS>(turn, by).await
    }

    async fn await_content(&mut self, content: Content) -> Result<Turn, End> {
        let mut turn = Turn::Content(content);
        self.flush(&mut turn).await?;
        let by = Instant::now() + self.settings.limits.data_timeout();
        let by = by.min(self.end_by);
        self.read::<CONTENT_READ_OCTETS>(turn, by).await
    }

    /// Waits for octets; the turn stays what it is unless there are none in time.
    async fn read<const OCTETS: usize>(&mut self, turn: Turn, by: Instant) -> Result<Turn, End> {
        // Freed, not kept: thousands may wait at once.
        self.inbox = Vec::new();
        self.taken = 0;
        let read = self.wire.read_some::<OCTETS>(&mut self.inbox);
        let read = tokio::select! {
            biased;
            read = timeout_at(by, read) => read,
            () = turned_true(&mut self.drain), if !self.is_draining => {
                self.begin_draining();
                return Ok(turn);
            }
        };
        match read {
            Ok(Ok(1..)) => Ok(turn),
            Ok(Ok(0) | Err(_)) => {
                if let Some(trail) = &self.trail {
                    self.saw(Sight::MailAbandoned { trail });
                }
                Err(End::Gone)
            }
            Err(_) => {
                let reply = match (by == self.end_by, self.is_draining) {
                    (true, true) => going_down(),
                    (true, false) => timed_out("the session has lasted too long"),
                    (false, _) => timed_out("timeout: nothing came"),
                };
                // Who has only waited was refused nothing.
                let Some(trail) = &self.trail else { return Ok(Turn::Closing(turn.shut(&reply))) };
                let reply = reply.with_reference(trail.mail_id);
                let trail = Some(trail);
                self.saw(Sight::CommandRefused { trail, command: "(time-out)", reply: &reply });
                Ok(Turn::Closing(turn.shut(&reply)))
            }
        }
    }

    /// RFC 3207.
    async fn start_tls(&mut self, asked: TlsAsked) -> Result<Turn, End> {
        let Some(acceptor) = self.house.tls.acceptor() else {
            let text = "TLS is not available for the moment";
            let reply = Reply::new(454, EnhancedCode(4, 7, 0), text);
            return Ok(asked.refuse(&reply.with_reference(self.visitor.reference)));
        };
        let (replies, pending) = asked.accept();
        self.inbox = Vec::new();
        self.taken = 0;
        self.write(&replies).await.map_err(|_| End::Gone)?;
        let limit = self.settings.limits.handshake_timeout();
        let failure = match timeout(limit, self.wire.encrypt(&acceptor)).await {
            Ok(Ok(facts)) => {
                self.tls = Some(facts);
                self.account = None;
                return Ok(Turn::Commands(pending.established()));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no TLS handshake in time".to_owned(),
        };
        self.saw(Sight::HandshakeFailed { reason: &failure });
        Err(End::Silent)
    }

    fn begin(&mut self, asked: BeginAsked) -> Turn {
        let limits = &self.settings.limits;
        let spill_dir = Arc::clone(&self.settings.spill_dir);
        let octets = limits.memory_octets_per_message;
        self.lost = None;
        match ContentWriter::new(&self.house.budget, octets, spill_dir) {
            Ok(writer) => {
                self.writer = Some(writer);
                asked.accept()
            }
            Err(error) => {
                self.writer = None;
                let mail_id = self.mail_id().unwrap_or(self.visitor.reference);
                let reply = unkept(&error).with_reference(mail_id);
                if let trail @ Some(_) = self.trail.as_ref() {
                    self.saw(Sight::CommandRefused { trail, command: "DATA", reply: &reply });
                }
                asked.refuse(&reply)
            }
        }
    }

    /// Keeps what the machine passes on.
    fn take_content(&mut self, mut content: Content) -> Turn {
        if let Some(reply) = &self.lost {
            content.fail(reply);
        }
        let mut input = self.inbox.get(self.taken..).unwrap_or_default();
        let flow = content.advance(&mut input);
        let mut turn = flow.turn;
        let kept = match &mut self.writer {
            Some(writer) if !flow.octets.is_empty() => keep(writer, flow.octets),
            _ => Ok(()),
        };
        self.taken = self.inbox.len() - input.len();
        if let Err(error) = kept {
            tracing::warn!(%error, mail_id = ?self.mail_id(), "content cannot be kept");
            let reply = unkept(&error);
            if let Turn::Content(content) = &mut turn {
                content.fail(&reply);
            }
            self.lost = Some(reply);
        }
        // What is lost must not hold its part of the budget while the rest is skipped.
        if self.lost.is_some() || matches!(&turn, Turn::Content(content) if content.is_failed()) {
            self.writer = None;
        }
        turn
    }

    async fn decide(&mut self, ended: Ended) -> Turn {
        let mail_id = self.mail_id().unwrap_or_else(MailId::mint);
        let (Some(writer), None) = (self.writer.take(), &self.lost) else {
            let lost = self.lost.take().unwrap_or_else(|| unkept(&ContentError::OverBudget));
            let lost = lost.with_reference(mail_id);
            self.refused(mail_id, &ended, &lost);
            return ended.refused(&lost);
        };
        let facts = self.facts(&ended);
        let mut envelope = ended.envelope().clone();
        name_once(&mut envelope);
        let recipients = envelope.recipients.len();
        let envelope = Arc::new(envelope);
        let mail = Mail::new(mail_id, envelope, Arc::new(facts), writer.finish(), Received::mint());
        self.saw(Sight::MailReceived { mail: &mail });
        match self.house.pipeline.process(mail).await {
            Decision::Accepted(receipt) => {
                self.saw(Sight::MailAccepted { mail_id });
                self.house.doorman.mail_taken(self.visitor.client, recipients);
                Turn::Commands(ended.accepted(receipt))
            }
            Decision::Refused(reply) => {
                let reply = reply.with_reference(mail_id);
                self.refused(mail_id, &ended, &reply);
                ended.refused(&reply)
            }
        }
    }

    pub(super) fn mail_id(&self) -> Option<MailId> {
        self.trail.as_ref().map(|trail| trail.mail_id)
    }

    fn refused(&self, mail_id: MailId, ended: &Ended, reply: &Reply) {
        let envelope = ended.envelope();
        self.saw(Sight::MailRefused { mail_id, envelope, reply });
    }

    fn facts(&self, ended: &Ended) -> Facts {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let hello = ended.hello();
        Facts {
            role: self.visitor.role,
            client: self.visitor.client,
            helo: hello.map(|hello| hello.name.clone()).unwrap_or_default(),
            extended: hello.is_some_and(|hello| hello.extended),
            tls: self.tls.clone(),
            account: self.account.as_ref().map(|account| account.name.clone()),
            received_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            manners: Manners { pipelined_unasked: ended.has_pipelined_unasked(), ..self.manners },
        }
    }

    /// Says the last words, closes in order, and lets the peer read them.
    async fn end(mut self, end: End) {
        self.writer = None;
        let why = match end {
            End::Silent => return,
            End::Gone => Why::Quit,
            End::Closing(closing) => {
                let why = closing.why();
                let replies = Turn::Closing(closing).take_replies();
                if self.write(&replies).await.is_err() {
                    return;
                }
                why
            }
        };
        // For TLS this is close_notify, for TCP the end of our side.
        if !matches!(timeout(LINGER, self.wire.shutdown()).await, Ok(Ok(()))) || why == Why::Quit {
            return;
        }
        let mut thrown_away = 0;
        let linger = async {
            while thrown_away < LINGER_OCTETS {
                self.inbox.clear();
                match self.wire.read_some::<CONTENT_READ_OCTETS>(&mut self.inbox).await {
                    Ok(octets @ 1..) => thrown_away += octets,
                    Ok(0) | Err(_) => break,
                }
            }
        };
        // Whether the peer closed or the time is up makes no difference any more.
        let _: Result<(), _> = timeout(LINGER, linger).await;
    }
}

/// Appends octets; what goes to a disk must not keep other sessions waiting.
fn keep(writer: &mut ContentWriter, octets: &[u8]) -> Result<(), ContentError> {
    let may_block = writer.will_block(octets.len());
    match may_block && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        true => tokio::task::block_in_place(|| writer.push(octets)),
        false => writer.push(octets),
    }
}

fn unkept(error: &ContentError) -> Reply {
    match error {
        ContentError::OverBudget => {
            Reply::new(452, EnhancedCode(4, 3, 1), "too much mail at once; try again later")
        }
        ContentError::Io(_) => {
            Reply::new(452, EnhancedCode(4, 3, 1), "no room for the message; try again later")
        }
    }
}

pub(super) fn going_down() -> Reply {
    Reply::new(421, EnhancedCode(4, 3, 2), "going down; try again later")
}

fn timed_out(text: &str) -> Reply {
    Reply::new(421, EnhancedCode(4, 4, 2), text)
}

/// Who is named twice gets one copy: the first naming counts.
fn name_once(envelope: &mut Envelope) {
    if envelope.recipients.len() < 2 {
        return;
    }
    let mut named = HashSet::with_capacity(envelope.recipients.len());
    envelope.recipients.retain(|recipient| named.insert(recipient.forward_path.clone()));
}
