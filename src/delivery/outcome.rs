//! What follows from an attempt. Pure: time is an argument.
//!
//! In: what each recipient was told, the mail's age and history. Out: [`Conclusion`]: who is
//! done, who has failed, who waits until when, and which reports are due.
//!
//! RFC 3461: `NOTIFY` decides who is told of what; without it failures and delays are told,
//! successes are not. Nobody is told anything about a mail with a null reverse-path, except
//! the postmaster about a report of this box that could not be delivered, and not about one
//! to the postmaster: so no report leads to another without end.

use std::time::{SystemTime, UNIX_EPOCH};

use super::lane::{Handed, Onward};
use super::lanes::Attempt;
use super::letter::Origin;
use super::report::{Action, Entry, Kind};
use super::schedule::Schedule;
use crate::mail::{Address, EnhancedCode, Envelope, MailId, Notify, Reply, ReversePath};
use crate::smtp::client::Speaker;

/// What is known of a mail when an attempt ends.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Which mail.
    pub id: MailId,
    /// Its paths.
    pub envelope: &'a Envelope,
    /// Who wrote it.
    pub origin: Origin,
    /// Since when it is in the queue.
    pub queued: SystemTime,
    /// When the attempt ended.
    pub now: SystemTime,
    /// Attempts before this one.
    pub attempts: u32,
    /// The sender was told of the delay before.
    pub warned: Warned,
    /// Who is told of undeliverable reports.
    pub postmaster: &'a Address,
    /// The intervals in force.
    pub schedule: &'a Schedule,
}

/// Whether a delay warning was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warned {
    /// Not yet.
    No,
    /// Once is enough.
    Yes,
}

/// A report that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What it says.
    pub kind: Kind,
    /// Who reads it.
    pub reader: Address,
    /// About whom.
    pub entries: Vec<Entry>,
}

/// What follows from an attempt.
#[derive(Debug, Default)]
pub struct Conclusion {
    /// A next hop or mailbox has them.
    pub delivered: Vec<Handed>,
    /// Given up.
    pub failed: Vec<Handed>,
    /// Told to wait, with the reason.
    pub deferred: Vec<Handed>,
    /// Given up because the mail is too old; they are among `failed` too.
    pub expired: Vec<u16>,
    /// To be committed before those that they speak of are recorded.
    pub reports: Vec<Due>,
    /// When those that wait are tried again; absent when none waits.
    pub next_attempt: Option<SystemTime>,
    /// Whether this was an attempt, or their turn did not come.
    pub counts: bool,
}

/// Draws the conclusions.
pub fn conclude(situation: Situation<'_>, attempt: Attempt) -> Conclusion {
    let expires = situation.schedule.expires(situation.queued, &situation.envelope.reverse_path);
    let expired = situation.now >= expires;
    let mut outcome = Conclusion { counts: !attempt.handed.is_empty(), ..Conclusion::default() };
    for mut handed in attempt.handed {
        match handed.reply.code / 100 {
            2 => outcome.delivered.push(handed),
            5 => outcome.failed.push(handed),
            _ if expired => {
                outcome.expired.push(handed.recipient);
                handed.reply = too_old(&handed.reply);
                outcome.failed.push(handed);
            }
            _ => outcome.deferred.push(handed),
        }
    }
    if !outcome.deferred.is_empty() || !attempt.untried.is_empty() {
        let next = situation.schedule.next_attempt(
            situation.id,
            situation.attempts.saturating_add(1),
            expires,
            situation.now,
        );
        // A turn that did not come comes soon; with others deferred, the nearer of the two.
        let turn = (!attempt.untried.is_empty()).then(|| situation.now + attempt.again_in);
        outcome.next_attempt = match (turn, outcome.deferred.is_empty()) {
            (Some(turn), true) => Some(turn),
            (Some(turn), false) => Some(turn.min(next)),
            (None, _) => Some(next),
        };
    }
    outcome.reports = reports(&situation, &outcome);
    outcome
}

/// RFC 3463: X.4.7, delivery time expired. The reason of the last attempt is kept.
fn too_old(last: &Reply) -> Reply {
    let mut text = vec!["it could not be delivered in time; at last:".to_owned()];
    text.push(last.to_string());
    Reply { code: 554, enhanced: Some(EnhancedCode(5, 4, 7)), text }
}

fn reports(situation: &Situation<'_>, outcome: &Conclusion) -> Vec<Due> {
    let wants = |handed: &Handed, what: fn(Notify) -> bool, by_default: bool| {
        let recipient = situation.envelope.recipients.get(usize::from(handed.recipient));
        recipient.is_some_and(|recipient| recipient.notify.map_or(by_default, what))
    };
    let ReversePath::Mailbox(sender) = &situation.envelope.reverse_path else {
        return double_bounce(situation, outcome).into_iter().collect();
    };
    let mut due = Vec::new();
    let mut add = |kind, entries: Vec<Entry>| {
        if !entries.is_empty() {
            due.push(Due { kind, reader: sender.clone(), entries });
        }
    };
    let failed = outcome.failed.iter().filter(|handed| wants(handed, |asked| asked.failure, true));
    add(Kind::Failure, failed.map(|handed| entry(handed, Action::Failed)).collect());
    let late = situation.warned == Warned::No
        && situation.schedule.is_late(situation.queued, situation.now);
    let delayed = outcome.deferred.iter().filter(|_| late);
    let delayed = delayed.filter(|handed| wants(handed, |asked| asked.delay, true));
    add(Kind::Delay, delayed.map(|handed| entry(handed, Action::Delayed)).collect());
    // RFC 3461 section 5.2.2: where the next hop does not report, this box says "relayed".
    let ended = outcome.delivered.iter().filter_map(|handed| match handed.onward {
        Onward::Entrusted => None,
        Onward::Relayed => Some((handed, Action::Relayed)),
        Onward::Final => Some((handed, Action::Delivered)),
    });
    let ended = ended.filter(|(handed, _)| wants(handed, |asked| asked.success, false));
    add(Kind::Success, ended.map(|(handed, action)| entry(handed, action)).collect());
    due
}

/// A report of this box that cannot be delivered, or a copy, is told to the postmaster, once.
fn double_bounce(situation: &Situation<'_>, outcome: &Conclusion) -> Option<Due> {
    let to_postmaster = |handed: &&Handed| {
        let recipient = situation.envelope.recipients.get(usize::from(handed.recipient));
        recipient.is_some_and(|named| named.forward_path.key() == situation.postmaster.key())
    };
    if situation.origin == Origin::Session
        || outcome.failed.iter().any(|handed| to_postmaster(&handed))
    {
        return None;
    }
    let entries: Vec<Entry> =
        outcome.failed.iter().map(|handed| entry(handed, Action::Failed)).collect();
    let reader = situation.postmaster.clone();
    (!entries.is_empty()).then_some(Due { kind: Kind::Failure, reader, entries })
}

fn entry(handed: &Handed, action: Action) -> Entry {
    let class = u8::try_from(handed.reply.code / 100).unwrap_or(5);
    let status = handed.reply.enhanced.unwrap_or(EnhancedCode(class, 0, 0));
    let remote = (handed.speaker == Speaker::Peer).then(|| handed.hop.clone());
    Entry { recipient: handed.recipient, action, status, remote, words: handed.reply.to_string() }
}

/// Milliseconds since 1970.
pub fn ms_since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::delivery::testing;
    use std::time::Duration;

    const DAY: u64 = 86_400;

    fn handed(recipient: u16, code: u16, onward: Onward) -> Handed {
        let reply = Reply::plain(code, ["words"]);
        let speaker = Speaker::Peer;
        Handed {
            recipient,
            reply,
            speaker,
            hop: "mx.test (192.0.2.1:25)".into(),
            tls: None,
            onward,
        }
    }

    /// Success, failure, delay.
    type Asked = Option<(bool, bool, bool)>;

    struct Case {
        envelope: Envelope,
        origin: Origin,
        age_s: u64,
        warned: Warned,
    }

    impl Case {
        fn new(recipients: &[&str]) -> Case {
            let envelope = testing::envelope(recipients);
            Case { envelope, origin: Origin::Session, age_s: 10, warned: Warned::No }
        }

        fn notify(mut self, notify: Asked) -> Case {
            for recipient in &mut self.envelope.recipients {
                recipient.notify =
                    notify.map(|(success, failure, delay)| Notify { success, failure, delay });
            }
            self
        }

        fn conclude(&self, codes: &[(u16, Onward)], untried: &[u16]) -> Conclusion {
            let received = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            let attempt = Attempt {
                handed: (0u16..)
                    .zip(codes)
                    .map(|(recipient, (code, onward))| handed(recipient, *code, *onward))
                    .collect(),
                untried: untried.to_vec(),
                again_in: Duration::from_secs(3),
            };
            let situation = Situation {
                id: MailId::from_octets([3; 12]),
                envelope: &self.envelope,
                origin: self.origin,
                queued: received,
                now: received + Duration::from_secs(self.age_s),
                attempts: 0,
                warned: self.warned,
                postmaster: &"postmaster@own.test".parse().unwrap(),
                schedule: &Schedule::new(&config::Delivery::default()),
            };
            conclude(situation, attempt)
        }

        fn told(&self, codes: &[(u16, Onward)]) -> Vec<String> {
            let told = |due: &Due| {
                let whom = due.entries.iter().map(|entry| entry.recipient.to_string());
                let whom = whom.collect::<Vec<_>>().join(",");
                format!("{:?} to {} about {whom}", due.kind, due.reader)
            };
            self.conclude(codes, &[]).reports.iter().map(told).collect()
        }
    }

    #[test]
    fn each_recipient_goes_its_way() {
        use Onward::Relayed;
        let case = Case::new(&["a@x.test", "b@x.test", "c@x.test"]);
        let outcome = case.conclude(&[(250, Relayed), (550, Relayed), (450, Relayed)], &[]);
        let ids = |list: &[Handed]| list.iter().map(|h| h.recipient).collect::<Vec<_>>();
        assert_eq!(ids(&outcome.delivered), [0]);
        assert_eq!(ids(&outcome.failed), [1]);
        assert_eq!(ids(&outcome.deferred), [2]);
        assert!(outcome.counts && outcome.next_attempt.is_some());
        assert!(case.conclude(&[(250, Relayed)], &[]).next_attempt.is_none());
        let untried = case.conclude(&[], &[0, 1]);
        let wait = untried.next_attempt.unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert_eq!((untried.counts, wait), (false, 1_700_000_013));
    }

    #[test]
    fn notify_decides_who_is_told() {
        use Onward::{Entrusted, Final, Relayed};
        let failed = "Failure to sender@from.test about 0".to_owned();
        let delayed = "Delay to sender@from.test about 0".to_owned();
        let done = "Success to sender@from.test about 0".to_owned();
        let table: [(Asked, u64, (u16, Onward), Option<&String>); 15] = [
            (None, 10, (550, Relayed), Some(&failed)),
            (Some((false, true, false)), 10, (550, Relayed), Some(&failed)),
            (Some((true, false, true)), 10, (550, Relayed), None),
            (Some((false, false, false)), 10, (550, Relayed), None),
            (None, 10, (450, Relayed), None),
            (None, DAY, (450, Relayed), Some(&delayed)),
            (Some((false, false, true)), DAY, (450, Relayed), Some(&delayed)),
            (Some((false, true, false)), DAY, (450, Relayed), None),
            (None, 5 * DAY, (450, Relayed), Some(&failed)),
            (Some((false, false, false)), 5 * DAY, (450, Relayed), None),
            (None, 10, (250, Relayed), None),
            (Some((true, true, false)), 10, (250, Relayed), Some(&done)),
            (Some((true, true, false)), 10, (250, Final), Some(&done)),
            (Some((true, true, false)), 10, (250, Entrusted), None),
            (Some((false, true, false)), 10, (250, Relayed), None),
        ];
        for (notify, age_s, answer, told) in table {
            let case = Case { age_s, ..Case::new(&["a@x.test"]).notify(notify) };
            let told: Vec<String> = told.into_iter().cloned().collect();
            assert_eq!(case.told(&[answer]), told, "{notify:?} {age_s} {answer:?}");
        }
        let warned = Case { age_s: DAY, warned: Warned::Yes, ..Case::new(&["a@x.test"]) };
        assert!(warned.told(&[(450, Relayed)]).is_empty());
    }

    #[test]
    fn one_report_speaks_of_all_that_failed() {
        let case = Case::new(&["a@x.test", "b@x.test", "c@x.test"]);
        let told =
            case.told(&[(550, Onward::Relayed), (250, Onward::Relayed), (551, Onward::Relayed)]);
        assert_eq!(told, ["Failure to sender@from.test about 0,2"]);
    }

    #[test]
    fn an_old_mail_is_given_up_with_its_last_reason() {
        let case = Case { age_s: 5 * DAY, ..Case::new(&["a@x.test"]) };
        let outcome = case.conclude(&[(450, Onward::Relayed)], &[]);
        assert_eq!(outcome.expired, [0]);
        assert_eq!(outcome.reports[0].entries[0].status, EnhancedCode(5, 4, 7));
        let words = &outcome.reports[0].entries[0].words;
        assert_eq!(words, "554 5.4.7 it could not be delivered in time; at last: 450 words");
        // A turn that did not come is no reason to give up.
        assert!(case.conclude(&[], &[0]).failed.is_empty());
    }

    #[test]
    fn reports_never_lead_to_reports_without_end() {
        let null = |recipient: &str, origin| {
            let mut case = Case { origin, age_s: 5 * DAY, ..Case::new(&[recipient]) };
            case.envelope.reverse_path = ReversePath::Null;
            case
        };
        let failed = [(550, Onward::Relayed)];
        assert!(null("a@x.test", Origin::Session).told(&failed).is_empty());
        assert_eq!(
            null("a@x.test", Origin::Box).told(&failed),
            ["Failure to postmaster@own.test about 0"]
        );
        assert!(null("PostMaster@own.test", Origin::Box).told(&failed).is_empty());
        assert!(null("a@x.test", Origin::Box).told(&[(250, Onward::Relayed)]).is_empty());
    }
}
