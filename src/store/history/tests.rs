use proptest::prelude::*;

use super::*;
use crate::store::Store;

const HALF_LIFE_S: u64 = 30 * DAY_S;
const GOOD: Push = Push { good: 0.5, suspicious: 0.0, bad: 0.0 };
const BAD: Push = Push { good: 0.0, suspicious: 0.0, bad: 1.0 };

fn after(pushes: &[(u64, Push)]) -> Standing {
    let pushed = pushes
        .iter()
        .fold(None, |old, (now_s, push)| Some(Standing::pushed(old, *push, *now_s, HALF_LIFE_S)));
    pushed.unwrap()
}

#[test]
fn counts_fade_by_half_in_a_half_life() {
    let standing = after(&[(1_000, BAD), (1_000, GOOD)]);
    let table = [
        (1_000, 0.5, 1.0),
        (1_000 + HALF_LIFE_S, 0.25, 0.5),
        (1_000 + 10 * HALF_LIFE_S, 0.5 / 1024.0, 1.0 / 1024.0),
        (0, 0.5, 1.0),
        (u64::MAX, 0.0, 0.0),
    ];
    for (now_s, good, bad) in table {
        let faded = standing.faded(now_s, HALF_LIFE_S);
        assert!((faded.good - good).abs() < 1e-6 && (faded.bad - bad).abs() < 1e-6, "{now_s}");
    }
    assert!(standing.faded(5_000, 0).good.is_finite());
}

#[test]
fn a_day_moves_a_standing_so_far_and_no_farther() {
    let flood: Vec<(u64, Push)> = (0..10_000).map(|at| (DAY_S + at, GOOD)).collect();
    assert!(after(&flood).good <= GOOD_PER_DAY);
    let flood: Vec<(u64, Push)> = (0..10_000).map(|at| (DAY_S + at, BAD)).collect();
    assert!(after(&flood).bad <= BAD_PER_DAY);
    let days: Vec<(u64, Push)> = (0..4).flat_map(|day| [(day * DAY_S, GOOD); 100]).collect();
    let good = after(&days).good;
    assert!(good > 3.0 * GOOD_PER_DAY && good <= 4.0 * GOOD_PER_DAY, "{good}");
}

fn key(text: &str) -> Key {
    Key::of(&[text.as_bytes()])
}

#[test]
fn one_network_moves_a_domain_so_far_and_no_farther() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let history = store.history();
    let bad = |kind, network: &str, day: u64| {
        for _ in 0..100 {
            let now_s = day * DAY_S + 5;
            history.push(kind, key("x.test"), &key(network), BAD, now_s, HALF_LIFE_S).unwrap();
        }
        history.standing(kind, &key("x.test")).unwrap().unwrap().bad
    };
    assert_eq!(bad(Kind::Domain, "a", 1), PER_NETWORK_PER_DAY);
    assert_eq!(bad(Kind::Domain, "b", 1), 2.0 * PER_NETWORK_PER_DAY);
    assert!(bad(Kind::Domain, "a", 2) > 2.5 * PER_NETWORK_PER_DAY);
    assert_eq!(bad(Kind::Network, "a", 1), BAD_PER_DAY);
}

#[test]
fn what_was_pushed_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let since_s = {
        let store = Store::open(dir.path()).unwrap();
        let history = store.history();
        history.push(Kind::Network, key("n"), &key("n"), GOOD, 50, HALF_LIFE_S).unwrap();
        history.wrote(key("w"), 60).unwrap();
        history.since_s()
    };
    let store = Store::open(dir.path()).unwrap();
    let history = store.history();
    assert_eq!(history.standing(Kind::Network, &key("n")).unwrap().unwrap().good, 0.5);
    assert_eq!(history.standing(Kind::Domain, &key("n")).unwrap(), None);
    assert!(history.has_written(&key("w"), 60 + DAY_S).unwrap());
    assert!(!history.has_written(&key("w"), 60 + 400 * DAY_S).unwrap());
    assert_eq!(history.since_s(), since_s);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn standings_stay_finite_and_within_bounds(
        pushes in proptest::collection::vec(
            (0..400 * DAY_S, -1.0e30f32..1.0e30, any::<f32>(), any::<f32>()), 1..200,
        ),
    ) {
        let mut standing: Option<Standing> = None;
        for (now_s, good, suspicious, bad) in pushes {
            let before = standing.map_or(0.0, |old: Standing| old.faded(now_s, HALF_LIFE_S).good);
            let new = Standing::pushed(standing, Push { good, suspicious, bad }, now_s, HALF_LIFE_S);
            for count in [new.good, new.suspicious, new.bad] {
                prop_assert!(count.is_finite() && count >= 0.0, "{new:?}");
            }
            prop_assert!(new.good <= before + GOOD_PER_DAY + 1e-3);
            prop_assert!(new.first_s <= new.last_s);
            standing = Some(new);
        }
    }
}
