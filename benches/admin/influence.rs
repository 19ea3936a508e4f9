//! What administrators at work do to the replies of SMTP.
//!
//! Mail comes at a steady rate, far below what the box can take; the time from the last octet of
//! a message to its reply counts. Minutes without and with three administrators at work take
//! turns, so that what else the machine does meets both alike. Each administrator watches the
//! live counters and asks for a page or a search each second.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::corpus::Corpus;
use super::journal::Dice;
use super::session::Session;
use super::site::{House, any_search};

/// Connections that bring mail, and the pause of each behind a message.
const CONNECTIONS: usize = 8;
const PAUSE: Duration = Duration::from_millis(80);
/// Of each kind; they take turns.
const TURNS: usize = 4;
const TURN: Duration = Duration::from_secs(30);
const ADMINISTRATORS: u8 = 3;

/// Prints p50, p95 and p99 without and with administrators at work.
pub fn measure(house: &House, mails: u64) {
    let corpus = Corpus::plain("4 KB", 4_000, 0);
    let number = AtomicUsize::new(0);
    let inbound = house.postern.inbound();
    // What is done once, such as learning the peer, is not to be counted.
    minutes(inbound, &corpus, &number, Duration::from_secs(5));
    let (mut quiet, mut busy, mut pages) = (Vec::new(), Vec::new(), 0);
    for turn in 0..TURNS {
        quiet.extend(minutes(inbound, &corpus, &number, TURN));
        let ends = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let at_work: Vec<_> = (0..ADMINISTRATORS)
                .map(|who| {
                    let (ends, seed) = (&ends, (turn as u64 + 1) * 1_000 + u64::from(who) + 7);
                    scope.spawn(move || at_work(house, who, ends, Dice(seed), mails))
                })
                .collect();
            busy.extend(minutes(inbound, &corpus, &number, TURN));
            ends.store(true, Ordering::Relaxed);
            pages += at_work.into_iter().map(|one| one.join().unwrap()).sum::<usize>();
        });
    }
    let (before, after) =
        (shown("SMTP replies, nobody at work", quiet), shown("SMTP replies, three at work", busy));
    println!("{pages} pages meanwhile; p99 changes by {:+.1} %", 100.0 * (after / before - 1.0));
}

fn shown(what: &str, mut times_ms: Vec<f64>) -> f64 {
    times_ms.sort_by(f64::total_cmp);
    let at = |percent: f64| times_ms[((times_ms.len() - 1) as f64 * percent / 100.0) as usize];
    println!(
        "{what:<42} p50 {:>8.2} ms  p95 {:>8.2} ms  p99 {:>8.2} ms  worst {:>8.2} ms  {} replies",
        at(50.0),
        at(95.0),
        at(99.0),
        at(100.0),
        times_ms.len()
    );
    at(99.0)
}

/// One administrator; how many pages were asked for.
fn at_work(house: &House, who: u8, ends: &AtomicBool, mut dice: Dice, mails: u64) -> usize {
    const PAGES: [&str; 5] = ["/", "/?span=week", "/tracking", "/queue", "/quarantine"];
    let mut browser = house.browser(100 + who);
    let mut asked = 0;
    while !ends.load(Ordering::Relaxed) {
        let began = Instant::now();
        let path = match dice.one_in(2) {
            true => any_search(&mut dice, mails),
            false => PAGES[dice.below(PAGES.len() as u64) as usize].to_owned(),
        };
        assert_eq!(browser.get(&path).status, 200, "{path}");
        asked += 1;
        std::thread::sleep(Duration::from_secs(1).saturating_sub(began.elapsed()));
    }
    asked
}

/// Mail for so long; the time of each reply in milliseconds.
fn minutes(inbound: SocketAddr, corpus: &Corpus, number: &AtomicUsize, time: Duration) -> Vec<f64> {
    let until = Instant::now() + time;
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..CONNECTIONS)
            .map(|_| scope.spawn(|| connection(inbound, corpus, number, until).unwrap()))
            .collect();
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    })
}

fn connection(
    inbound: SocketAddr,
    corpus: &Corpus,
    number: &AtomicUsize,
    until: Instant,
) -> std::io::Result<Vec<f64>> {
    let mut session = Session::open(inbound)?;
    let mut times = Vec::new();
    while Instant::now() < until {
        let (head, rest) = corpus.message(number.fetch_add(1, Ordering::Relaxed));
        times.push(session.send(&head, rest)?);
        std::thread::sleep(PAUSE);
    }
    session.quit().map(|()| times)
}
