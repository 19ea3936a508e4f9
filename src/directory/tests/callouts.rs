//! Next hops that are asked: what is kept, for how long, and what is never taken for a no.

use std::collections::HashMap;
use std::sync::Mutex;

use super::*;

#[derive(Debug, Default)]
struct Hop {
    says: Mutex<HashMap<String, Called>>,
    usually: Mutex<Option<Called>>,
    asked: Mutex<Vec<String>>,
}

impl NextHops for Hop {
    fn take<'a>(&'a self, address: &'a Address) -> Calling<'a> {
        let key = address.key();
        self.asked.lock().unwrap().push(key.clone());
        let said = self.says.lock().unwrap().get(&key).cloned();
        let usually = self.usually.lock().unwrap().clone().unwrap_or(Called::Unknown);
        Box::pin(std::future::ready(said.unwrap_or(usually)))
    }
}

impl Hop {
    fn say(&self, address: &str, called: Called) {
        self.says.lock().unwrap().insert(address.to_owned(), called);
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut *self.asked.lock().unwrap()).len()
    }
}

fn callouts(hop: &Arc<Hop>, lines: &str) -> Directories {
    let text = format!(
        "[system]\nhostname = \"mx.example.test\"\ndata_dir = \"/nowhere\"\n\
         postmaster = \"postmaster@example.test\"\n[[domain]]\nname = \"example.test\"\n\
         next_hop = [\"smtp://127.0.0.1\"]\nrecipients = \"callout\"\n[callout]\n{lines}"
    );
    let config = Config::parse(&text, "t".as_ref(), "/".as_ref()).unwrap();
    Directories::new(&config, Arc::clone(hop) as Arc<dyn NextHops>, None).unwrap()
}

#[tokio::test]
async fn answers_of_next_hops_are_kept() {
    let hop = Arc::new(Hop::default());
    hop.say("ann@example.test", Called::Known);
    let directories = callouts(&hop, "");
    for (recipient, expected, asked) in [
        // Once for her, once for somebody who cannot exist.
        ("ann@example.test", "ann@example.test", 2),
        ("Ann@example.test", "Ann@example.test", 0),
        ("eve@example.test", "unknown", 1),
        ("eve@example.test", "unknown", 0),
        ("x@elsewhere.test", "x@elsewhere.test", 0),
    ] {
        assert_eq!(told(&directories, recipient).await, expected);
        assert_eq!(hop.asked(), asked, "{recipient}");
    }
}

#[tokio::test]
async fn what_is_put_off_is_never_a_no() {
    let hop = Arc::new(Hop::default());
    let greylisted = || Called::Unclear("451 4.7.1 come again".into());
    hop.say("ann@example.test", greylisted());
    for (policy, said) in [("accept", "Accept"), ("defer", "Defer"), ("refuse", "Refuse")] {
        let lines =
            format!("on_unclear = \"{policy}\"\npositive_s = 0\nunclear_s = 0\ncatch_all_s = 1");
        let directories = callouts(&hop, &lines);
        let answer = told(&directories, "ann@example.test").await;
        assert_eq!(answer, format!("{said}: 451 4.7.1 come again"));
        // A yes of old counts.
        hop.say("ann@example.test", Called::Known);
        assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
        hop.say("ann@example.test", greylisted());
        assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
        hop.say("ann@example.test", Called::Unknown);
        assert_eq!(told(&directories, "ann@example.test").await, "unknown");
        hop.say("ann@example.test", greylisted());
    }
}

#[tokio::test]
async fn next_hops_that_take_anybody_are_left_alone() {
    let hop = Arc::new(Hop::default());
    *hop.usually.lock().unwrap() = Some(Called::Known);
    let directories = callouts(&hop, "");
    assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
    assert_eq!(hop.asked(), 2);
    for number in 0..10 {
        let recipient = format!("x{number}@example.test");
        assert_eq!(told(&directories, &recipient).await, recipient);
    }
    assert_eq!(hop.asked(), 0);
    assert_eq!(directories.callouts().takers_of_any(), ["example.test"]);
}

#[tokio::test]
async fn silent_next_hops_cost_so_much_time_and_no_more() {
    #[derive(Debug)]
    struct Silent;
    impl NextHops for Silent {
        fn take<'a>(&'a self, _: &'a Address) -> Calling<'a> {
            Box::pin(std::future::pending())
        }
    }
    let text = "[system]\nhostname = \"mx.example.test\"\ndata_dir = \"/nowhere\"\n\
         postmaster = \"p@example.test\"\n[[domain]]\nname = \"example.test\"\n\
         next_hop = [\"smtp://127.0.0.1\"]\nrecipients = \"callout\"\n\
         [callout]\ntimeout_s = 1\n";
    let config = Config::parse(text, "t".as_ref(), "/".as_ref()).unwrap();
    let directories = Arc::new(Directories::new(&config, Arc::new(Silent), None).unwrap());
    let begun = tokio::time::Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..50 {
        let directories = Arc::clone(&directories);
        waiting.spawn(async move { told(&directories, &format!("x{number}@example.test")).await });
    }
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.unwrap(), "Defer: no answer in time");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "50 questions did not each wait their turn");
}
