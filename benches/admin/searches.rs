//! What the journal answers: searches, counts of the dashboard, acts of administrators.

use std::time::{Duration, Instant};

use postern::journal::{ActQuery, Direction, Journal, Span, State, Topping, TrackQuery};

use super::journal::{DAY_MS, DAYS, Dice, HOME, name, now_ms, own_person, stranger, word};

/// Of each kind of question.
const QUESTIONS: usize = 200;

/// Asks often and says how long it took; the 95th percentile, in milliseconds.
pub fn measure(what: &str, mut ask: impl FnMut(&mut Dice) -> usize) -> f64 {
    let mut dice = Dice(0x0123_4567_89ab_cdef);
    let mut found = 0;
    let mut times: Vec<Duration> = Vec::with_capacity(QUESTIONS);
    let until = Instant::now() + Duration::from_secs(60);
    while times.len() < QUESTIONS && Instant::now() < until {
        let before = Instant::now();
        found += ask(&mut dice);
        times.push(before.elapsed());
    }
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "{what:<42} p50 {:>8.2} ms  p95 {:>8.2} ms  worst {:>8.2} ms  {:>7.1} found",
        at(50),
        at(95),
        at(100),
        found as f64 / times.len() as f64
    );
    at(95)
}

pub fn searches(journal: &Journal, mails: u64) {
    let now_ms = now_ms();
    let ask = |query: TrackQuery| journal.search(&query).unwrap().stories.len();
    let plain = TrackQuery::default;
    measure("search: nothing, newest 100", |_| ask(plain()));
    measure("search: common word", |dice| {
        ask(TrackQuery { subject: Some(word(dice.below(20))), ..plain() })
    });
    measure("search: rare word", |dice| {
        let number = dice.below(mails) / 10 * 10;
        ask(TrackQuery { subject: Some(format!("nr{number}")), ..plain() })
    });
    measure("search: two common words", |dice| {
        let words = format!("{} {}", word(dice.below(50)), word(dice.below(50)));
        ask(TrackQuery { subject: Some(words), ..plain() })
    });
    measure("search: part of an own address", |dice| {
        let number = dice.below(5_000);
        ask(TrackQuery { recipient: Some(format!("{}.{number}@", word(number))), ..plain() })
    });
    measure("search: any part of a stranger's address", |dice| {
        let part = stranger(dice);
        ask(TrackQuery { any: Some(part[..part.len() - 8].into()), ..plain() })
    });
    measure("search: part that all addresses have", |_| {
        ask(TrackQuery { any: Some("e".into()), ..plain() })
    });
    measure("search: part that no address has", |dice| {
        ask(TrackQuery { any: Some(format!("nobody{}", dice.below(900))), ..plain() })
    });
    measure("search: verdict within a day", |dice| {
        let since = now_ms - (1 + dice.below(DAYS - 1)) * DAY_MS;
        let verdict = ["spam", "malicious", "policy"][dice.below(3) as usize].to_owned();
        let until_ms = Some(since + DAY_MS);
        ask(TrackQuery { verdict: Some(verdict), since_ms: Some(since), until_ms, ..plain() })
    });
    measure("search: rule", |dice| {
        ask(TrackQuery { rule: Some(format!("rule {}", dice.below(40))), ..plain() })
    });
    measure("search: finding and state", |dice| {
        let finding = Some(format!("FINDING_{}", dice.below(120)));
        ask(TrackQuery { finding, state: Some(State::Deferred), ..plain() })
    });
    measure("search: part of a virus's name", |dice| {
        ask(TrackQuery { virus: Some(format!("agent-{}", dice.below(300))), ..plain() })
    });
    measure("search: client by network", |dice| {
        let client = Some(format!("10.{}.{}.0/24", dice.below(64), dice.below(256)));
        ask(TrackQuery { client, ..plain() })
    });
    measure("search: Message-ID that is not there", |dice| {
        ask(TrackQuery { message_id: Some(format!("{}@no", dice.below(1 << 30))), ..plain() })
    });
    measure("search: internal, one domain, spam", |_| {
        let domains = Some(vec![HOME[2].to_owned()]);
        let direction = Some(Direction::Internal);
        ask(TrackQuery { domains, direction, verdict: Some("spam".into()), ..plain() })
    });
    measure("search: sender and word that never meet", |dice| {
        let sender = Some(own_person(dice));
        ask(TrackQuery { sender, subject: Some(word(dice.below(20))), ..plain() })
    });
    measure("search: page of 100 from the middle", |dice| {
        let before = Some(name(now_ms - dice.below(DAYS * DAY_MS), 0));
        ask(TrackQuery { before, verdict: Some("clean".into()), ..plain() })
    });
    let newest = journal.search(&plain()).unwrap().stories;
    measure("one mail by its name", |dice| {
        let mail_id = Some(newest[dice.below(newest.len() as u64) as usize].mail_id);
        ask(TrackQuery { mail_id, ..plain() })
    });
}

pub fn counts(journal: &Journal) {
    let school = [HOME[2].to_owned()];
    for span in Span::ALL {
        for (whose, domains) in [("all", None), ("one domain", Some(&school[..]))] {
            measure(&format!("flow: {span:?}, {whose}"), |_| {
                journal.flow(span, domains).unwrap().total.all().received as usize
            });
            for topping in [Topping::Senders, Topping::Recipients, Topping::Findings] {
                measure(&format!("top: {span:?}, {topping:?}, {whose}"), |_| {
                    journal.top(span, topping, 10, domains).unwrap().rows.len()
                });
            }
        }
    }
    let ask = |query: ActQuery| journal.acts(&query).unwrap().acts.len();
    measure("acts: newest 100", |_| ask(ActQuery::default()));
    measure("acts: of one administrator", |dice| {
        ask(ActQuery { who: Some(format!("admin{}", dice.below(30))), ..ActQuery::default() })
    });
    measure("acts: on one object", |dice| {
        let number = dice.below(5_000);
        ask(ActQuery { object: Some(format!("{}.{number}@", word(number))), ..ActQuery::default() })
    });
    measure("acts: of nobody", |_| {
        ask(ActQuery { who: Some("nobody".into()), ..ActQuery::default() })
    });
    measure("live totals", |_| journal.watch().borrow().events as usize);
}
