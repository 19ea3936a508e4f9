//! Ten million events of made-up mails, written once and used by every run.

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use postern::config;
use postern::journal::{Act, ActNote, Event, FindingNote, Journal};
use postern::mail::{MailId, Role, TlsFacts, Verdict};

use super::harness::postern::DOMAIN;

/// The box's own domains.
pub const HOME: [&str; 3] = [DOMAIN, "town.example", "school.example"];
/// Days that the events are spread over.
pub const DAYS: u64 = 29;
/// Milliseconds.
pub const DAY_MS: u64 = 86_400_000;

/// Numbers that are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    /// Small numbers are more frequent, as with words and with people.
    pub fn skewed(&mut self, limit: u64) -> u64 {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        ((limit as f64).powf(share) - 1.0) as u64
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// A word that can be spoken, by its number.
pub fn word(mut number: u64) -> String {
    const SYLLABLES: [&str; 16] = [
        "ba", "ne", "ti", "ro", "lus", "mer", "kan", "do", "fi", "gra", "pel", "su", "vor", "xi",
        "zan", "the",
    ];
    let mut word = String::new();
    for _ in 0..4 {
        word.push_str(SYLLABLES[(number % 16) as usize]);
        number /= 16;
    }
    word
}

pub fn stranger(dice: &mut Dice) -> String {
    let domain = dice.skewed(20_000);
    format!("{}{}@{}.example", word(dice.below(400)), dice.skewed(900), word(domain))
}

pub fn own_person(dice: &mut Dice) -> String {
    let number = dice.skewed(5_000);
    format!("{}.{number}@{}", word(number), HOME[(number % 3) as usize])
}

fn subject(dice: &mut Dice, number: u64) -> String {
    let mut words: Vec<String> =
        (0..3 + dice.below(5)).map(|_| word(dice.skewed(20_000))).collect();
    if number.is_multiple_of(10) {
        words.push(format!("nr{number}"));
    }
    words.join(" ")
}

fn judged(dice: &mut Dice, number: u64, verdict: Verdict) -> Event {
    let mut findings: Vec<FindingNote> = (0..3 + dice.below(6))
        .map(|_| FindingNote {
            name: format!("FINDING_{}", dice.skewed(120)),
            score: 0.7,
            detail: "seen in the second part of the message".into(),
        })
        .collect();
    if dice.one_in(8) {
        let detail = format!("the rule \"rule {}\": tag-subject", dice.skewed(40));
        findings.push(FindingNote { name: "POLICY_RULE".into(), score: 0.0, detail });
    }
    if verdict == Verdict::Malicious {
        let detail = format!("invoice.zip: signature Win.Trojan.Agent-{}", dice.skewed(300));
        findings.push(FindingNote { name: "VIRUS_FOUND".into(), score: 20.0, detail });
    }
    Event::Judged {
        verdict,
        score: 4.2,
        findings,
        subject: subject(dice, number),
        message_id: format!("{number}.{}@mail.{}.example", dice.below(1 << 30), word(number % 900)),
        dispositions: "deliver 1".into(),
    }
}

/// The events of one mail.
fn mail(dice: &mut Dice, number: u64) -> Vec<Event> {
    let client = std::net::Ipv4Addr::from(0x0a00_0000 + dice.skewed(1 << 22) as u32).into();
    let is_inbound = !dice.one_in(4);
    let people = 1 + if dice.one_in(6) { dice.below(6) } else { 0 };
    let is_internal = dice.one_in(3);
    let (reverse_path, forward_paths): (String, Vec<String>) = match is_inbound {
        true => (stranger(dice), (0..people).map(|_| own_person(dice)).collect()),
        false => {
            let mut to = |_| if is_internal { own_person(dice) } else { stranger(dice) };
            let to: Vec<String> = (0..people).map(&mut to).collect();
            (own_person(dice), to)
        }
    };
    if is_inbound && dice.one_in(6) {
        let reply = "550 5.7.1 rejected: the client is on a blocklist".to_owned();
        let stage = "RCPT".to_owned();
        return vec![Event::TurnedAway { client, reverse_path, forward_paths, reply, stage }];
    }
    if is_inbound && dice.one_in(20) {
        let reply = "554 5.7.1 no service for this client".to_owned();
        return vec![Event::VisitRefused { client, reply, stage: "connection".into() }];
    }
    let verdict = match dice.below(200) {
        0..150 => Verdict::Clean,
        150..190 => Verdict::Spam,
        190..194 => Verdict::Malicious,
        194..196 => Verdict::Unscannable,
        _ => Verdict::Policy,
    };
    let tls = TlsFacts { version: "TLSv1.3".into(), cipher: "TLS13_AES_256_GCM_SHA384".into() };
    let mut events = vec![
        Event::Received {
            role: if is_inbound { Role::Inbound } else { Role::Outbound },
            client,
            helo: format!("mail.{}.example", word(number % 900)),
            reverse_path,
            forward_paths: forward_paths.clone(),
            size_octets: 2_000 + dice.skewed(5_000_000),
            tls: Some(tls.clone()),
            account: None,
        },
        judged(dice, number, verdict),
    ];
    match verdict {
        Verdict::Spam | Verdict::Malicious if !dice.one_in(3) => {
            let reply = "550 5.7.1 this message is not wanted here".into();
            events.push(Event::Refused { reply, stage: "end of data".into() });
        }
        Verdict::Clean | Verdict::Unscannable => {
            events.push(Event::Committed);
            for recipient in forward_paths {
                if dice.one_in(40) {
                    let reply = "451 4.7.1 greylisted, come again".into();
                    let recipient = recipient.clone();
                    events.push(Event::Deferred { recipient, reply, next_attempt_ms: 0 });
                }
                let (hop, reply) = ("smtp://10.0.0.5:25".into(), "250 2.0.0 queued".into());
                events.push(Event::Delivered { recipient, hop, reply, tls: Some(tls.clone()) });
            }
        }
        _ => {
            events.push(Event::Committed);
            events.push(Event::Quarantined { area: "spam".into(), recipients: forward_paths });
        }
    }
    events
}

pub fn name(at_ms: u64, number: u64) -> MailId {
    let mut octets = [0; 12];
    octets[..6].copy_from_slice(&at_ms.to_be_bytes()[2..]);
    octets[6..8].copy_from_slice(&(number as u16).to_be_bytes());
    MailId::from_octets(octets)
}

pub fn generate(folder: &Path, wanted: u64) {
    let journal = open(folder);
    let (start_ms, mut dice) = (now_ms() - DAYS * DAY_MS, Dice(0x9e37_79b9_7f4a_7c15));
    let started = Instant::now();
    let (mut events, mut number) = (0, 0);
    // Copies that waited, to be told later among other mails.
    let mut late: Vec<(u64, MailId, Event)> = Vec::new();
    while events < wanted {
        let at_ms = start_ms + events * (DAYS * DAY_MS - 1_000) / wanted;
        let mail_id = name(at_ms, number);
        let mut is_late = false;
        for event in mail(&mut dice, number) {
            events += 1;
            if is_late {
                late.push((number + 1 + dice.skewed(80_000), mail_id, event));
                continue;
            }
            is_late = matches!(event, Event::Deferred { .. });
            journal.record_at(mail_id, at_ms, event);
        }
        if number % 64 == 0 {
            let (due, rest) = late.into_iter().partition(|(due, ..)| *due <= number);
            late = rest;
            for (_, mail_id, event) in due {
                journal.record_at(mail_id, at_ms, event);
            }
        }
        if number % 100 == 0 {
            events += 1;
            let what = ["quarantine.release", "policy.publish", "login", "settings.change"];
            // Named at its time: a name of today would be in every segment's reach.
            let mut octets = *mail_id.octets();
            octets[11] = 1;
            let act_id = MailId::from_octets(octets);
            let act = Act {
                who: format!("admin{}", dice.skewed(30)),
                what: what[dice.below(4) as usize].into(),
                object: own_person(&mut dice),
                before: Some("held".into()),
                after: Some("released".into()),
                ..Act::default()
            };
            let concerned = if number % 200 == 0 { mail_id } else { act_id };
            let note = Event::Administered(Box::new(ActNote { act_id, act }));
            journal.record_at(concerned, at_ms, note);
        }
        number += 1;
    }
    journal.close();
    let took = started.elapsed();
    println!(
        "{events} events of {number} mails written in {took:.0?}, {:.1} µs an event",
        took.as_secs_f64() * 1e6 / events as f64
    );
    std::fs::write(folder.join("complete"), events.to_string()).unwrap();
}

pub fn open(folder: &Path) -> Arc<Journal> {
    let settings = config::Journal { keep_days: 3_650, ..config::Journal::default() };
    let journal = Journal::open(&settings, folder).unwrap();
    journal.set_home(&HOME.map(str::to_owned));
    journal
}

pub fn size(folder: &Path, extension: &str) -> (usize, f64) {
    let files = std::fs::read_dir(folder.join("journal")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let sizes: Vec<u64> = paths
        .filter(|path| path.extension().is_some_and(|one| one == extension))
        .map(|path| path.metadata().unwrap().len())
        .collect();
    (sizes.len(), sizes.iter().sum::<u64>() as f64 / f64::from(1 << 20))
}

pub fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1_024.0
}
