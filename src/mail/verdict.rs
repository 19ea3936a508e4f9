//! What analysis found and what policy made of it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::{Address, Reply, Summary};

/// The kind of trouble that a finding speaks of; policy may act on it whatever the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Unsolicited bulk mail.
    Spam,
    /// An attempt to obtain credentials or money by pretence.
    Phish,
    /// Advance-fee, prize, investment, extortion and the like.
    Scam,
    /// A virus, or what a virus scanner calls one.
    Malware,
    /// Words that a workplace does not want.
    Profanity,
    /// Two readers could see two different messages.
    Ambiguous,
    /// What could not be looked into: encrypted, broken, too large, or the scanner failed.
    Unscannable,
    /// A rule of the organisation.
    Policy,
    /// Speaks of the message without accusing it.
    Notice,
    /// Two readers could see two authors, or another header field that decides.
    Equivocal,
}

impl Class {
    /// Every class, in the order in which the worst of a message is chosen.
    pub const ALL: [Class; 10] = [
        Class::Malware,
        Class::Phish,
        Class::Scam,
        Class::Equivocal,
        Class::Ambiguous,
        Class::Unscannable,
        Class::Policy,
        Class::Spam,
        Class::Profanity,
        Class::Notice,
    ];
}

impl fmt::Display for Class {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Class::Spam => "spam",
            Class::Phish => "phish",
            Class::Scam => "scam",
            Class::Malware => "malware",
            Class::Equivocal => "equivocal",
            Class::Profanity => "profanity",
            Class::Ambiguous => "ambiguous",
            Class::Unscannable => "unscannable",
            Class::Policy => "policy",
            Class::Notice => "notice",
        })
    }
}

/// Writes a score for people as they would: sums of binary fractions have more digits than
/// sense. Forms that only programs read keep it as it is.
pub fn two_decimals<S: Serializer>(score: &f32, out: S) -> Result<S::Ok, S::Error> {
    match out.is_human_readable() {
        // Adding nothing makes a negative zero a plain one.
        true => out.serialize_f64((f64::from(*score) * 100.0).round() / 100.0 + 0.0),
        false => out.serialize_f32(*score),
    }
}

/// One thing that a stage of analysis saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// A noun in upper snake case: `SPF_FAIL`, `MACRO_AUTO_OPEN`.
    pub name: Cow<'static, str>,
    /// What it speaks of.
    pub class: Class,
    /// Added to the message's score; negative for signs of good mail.
    pub score: f32,
    /// For the administrator: where and what, in plain words; at most a few hundred octets.
    pub detail: String,
}

impl Finding {
    /// A finding with a fixed name.
    pub fn new(name: &'static str, class: Class, score: f32, detail: impl Into<String>) -> Finding {
        Finding { name: Cow::Borrowed(name), class, score, detail: detail.into() }
    }
}

/// What a message is, once for all recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing speaks against it.
    Clean,
    /// Its score or a class makes it spam, phishing or scam.
    Spam,
    /// It carries malware.
    Malicious,
    /// It can be read in more than one way.
    Ambiguous,
    /// It could not be looked into.
    Unscannable,
    /// A rule of the organisation forbids it.
    Policy,
}

impl Verdict {
    /// Every verdict, in the order of the enumeration.
    pub const ALL: [Verdict; 6] = [
        Verdict::Clean,
        Verdict::Spam,
        Verdict::Malicious,
        Verdict::Ambiguous,
        Verdict::Unscannable,
        Verdict::Policy,
    ];
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Verdict::Clean => "clean",
            Verdict::Spam => "spam",
            Verdict::Malicious => "malicious",
            Verdict::Ambiguous => "ambiguous",
            Verdict::Unscannable => "unscannable",
            Verdict::Policy => "policy",
        })
    }
}

/// What is to become of one recipient's copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposition {
    /// Passed on.
    Deliver,
    /// Kept from the recipient, in a named area, until released or expired.
    Quarantine {
        /// Which area.
        area: String,
    },
    /// Refused with this 5xx reply. Only when every recipient's copy is rejected does the
    /// sender see it; otherwise the copy is quarantined and journalled.
    Reject {
        /// What the peer reads.
        reply: Reply,
    },
    /// Refused for now with this 4xx reply, the whole message together.
    Defer {
        /// What the peer reads.
        reply: Reply,
    },
    /// Accepted but not scanned yet: never delivered before it is.
    HoldUnscanned,
    /// Accepted and dropped, journalled.
    Discard,
    /// Kept in the quarantine until somebody who may releases or refuses it, or time does.
    Approval {
        /// Who is asked.
        approver: Address,
        /// How long the question stands.
        expires_hours: u32,
        /// What an unanswered question comes to.
        on_expiry: Expiry,
        /// The rule that asks.
        rule: String,
    },
}

/// What becomes of a copy whose approval nobody has given or refused in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expiry {
    /// It is refused, and the sender told where that can be done safely.
    #[default]
    Refuse,
    /// It is delivered.
    Release,
}

/// Where an annotation stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnnotationPlace {
    /// Before it.
    Above,
    /// Behind it.
    #[default]
    Below,
}

/// Whose mail is counted together.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RateKey {
    /// That of one reverse-path.
    #[default]
    Sender,
    /// That of one domain of reverse-paths.
    SenderDomain,
    /// That for one forward-path.
    Recipient,
    /// That of one authenticated account.
    Account,
    /// That of one client's address.
    Client,
}

/// A change to the copies that go out; several accumulate in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Puts the text and a space before the Subject, unless it already begins with it.
    TagSubject(String),
    /// Adds a header field above all others.
    AddHeader {
        /// Field name.
        name: String,
        /// Field body on one line; folded when written.
        value: String,
    },
    /// Removes every header field of this name.
    RemoveHeader(String),
    /// Removes every Authentication-Results field that claims to come from the server of this
    /// name (RFC 8601, section 5), and those that cannot be read.
    RemoveResults(String),
    /// Puts other octets in a place of the body as it was received. Places in the header are
    /// refused when it is carried out.
    Replace {
        /// Offset of the first octet that goes.
        start: u64,
        /// Offset of the first octet that stays.
        end: u64,
        /// What stands there afterwards.
        with: Vec<u8>,
    },
    /// Keeps the mail as it came in an area of the quarantine before anything of it goes out.
    KeepOriginal {
        /// Which area.
        area: String,
    },
    /// For these recipients only (their numbers in the envelope); orders without it are for
    /// all.
    For {
        /// Whose copies.
        recipients: Vec<u16>,
        /// What is to be done with them.
        order: Box<Order>,
    },
    /// Puts a text of the house into the body.
    Annotate {
        /// For plain text.
        text: String,
        /// For HTML; made of the text when absent.
        html: Option<String>,
        /// Where.
        place: AnnotationPlace,
        /// Names the annotation, so that a thread has it once.
        key: String,
    },
    /// The copy goes to these instead of its recipient.
    Redirect {
        /// Who has it.
        to: Vec<Address>,
    },
    /// These get a copy as well; nobody is shown it.
    Copy {
        /// Who has them.
        to: Vec<Address>,
    },
    /// A mail of the box's own about this one.
    Notify {
        /// Who reads it.
        to: Vec<Address>,
        /// A template.
        subject: String,
        /// A template.
        text: String,
    },
    /// Goes by these next hops, with spaces between, in their order, whatever the routes say.
    RouteVia(String),
    /// Keeps the mail as it came in the archive before anything of it goes out.
    Archive {
        /// Which class of the archive.
        class: String,
    },
    /// Counts the mail, and does not let more than so many through in a time.
    RateLimit {
        /// Of the limit; limits of one name share their counts.
        name: String,
        /// So many.
        count: u32,
        /// In any so many seconds.
        per_s: u32,
        /// Whose mails are counted together.
        by: RateKey,
    },
}

impl Order {
    /// Whether it is carried out once for the mail, beside what becomes of its copies. What
    /// was kept back and is released has it behind it.
    pub fn is_errand(&self) -> bool {
        match self {
            Order::For { order, .. } => order.is_errand(),
            Order::Archive { .. } | Order::Copy { .. } | Order::Notify { .. } => true,
            Order::RateLimit { .. } => true,
            _ => false,
        }
    }

    /// Whether it belongs to what stands in the place of something of the mail.
    fn replaces(&self) -> bool {
        let describes =
            |name: &str| name.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case("content-"));
        match self {
            Order::For { order, .. } => order.replaces(),
            Order::Replace { .. } | Order::KeepOriginal { .. } => true,
            Order::AddHeader { name, .. } | Order::RemoveHeader(name) => describes(name),
            _ => false,
        }
    }

    /// Whether it marks the mail as what it was judged to be.
    fn tags(&self) -> bool {
        match self {
            Order::For { order, .. } => order.tags(),
            Order::TagSubject(_) => true,
            _ => false,
        }
    }

    fn keeps_original_in(&self, wanted: &str) -> bool {
        match self {
            Order::For { order, .. } => order.keeps_original_in(wanted),
            Order::KeepOriginal { area } => area == wanted,
            _ => false,
        }
    }

    /// The order with its recipients counted anew: `numbers` are those that stay, in their
    /// new order. Nothing when it is for none of them.
    fn renumbered(&self, numbers: &[u16]) -> Option<Order> {
        let Order::For { recipients, order } = self else { return Some(self.clone()) };
        let order = order.renumbered(numbers)?;
        let kept = (0u16..).zip(numbers).filter(|(_, number)| recipients.contains(number));
        let recipients: Vec<u16> = kept.map(|(at, _)| at).collect();
        (!recipients.is_empty()).then(|| Order::For { recipients, order: Box::new(order) })
    }

    /// The order as it stands for a recipient, if it does.
    fn of(&self, recipient: u16) -> Option<&Order> {
        match self {
            Order::For { recipients, order } => {
                order.of(recipient).filter(|_| recipients.contains(&recipient))
            }
            order => Some(order),
        }
    }
}

impl Judgement {
    /// The judgement of some of the recipients, as a mail of its own has it.
    pub fn of_some(&self, recipients: &[u16]) -> Judgement {
        let mut judgement = self.clone();
        let pick = |number: &u16| self.dispositions.get(usize::from(*number)).cloned();
        judgement.dispositions = recipients.iter().filter_map(pick).collect();
        judgement.orders =
            self.orders.iter().filter_map(|order| order.renumbered(recipients)).collect();
        judgement
    }

    /// What is released from an area in which originals are kept goes out as it came: nothing is
    /// taken out of it again, and its subject is not tagged.
    pub fn release_from(&mut self, area: &str) {
        if self.orders.iter().any(|order| order.keeps_original_in(area)) {
            self.orders.retain(|order| !order.replaces() && !order.tags());
        }
    }

    /// The orders for one recipient's copy, in order.
    pub fn orders_of(&self, recipient: u16) -> Vec<Order> {
        self.orders.iter().filter_map(|order| order.of(recipient)).cloned().collect()
    }
}

/// All that analysis and policy said of a mail: what the log keeps beside the content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// What the message is.
    pub verdict: Verdict,
    /// Sum of the findings' scores.
    pub score: f32,
    /// Why.
    pub findings: Vec<Finding>,
    /// For lists and tracking.
    pub summary: Summary,
    /// One a recipient, in the envelope's order.
    pub dispositions: Vec<Disposition>,
    /// Changes to what goes out.
    pub orders: Vec<Order>,
}
