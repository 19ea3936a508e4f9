//! Pages of the site as a browser gets them: a new connection, TLS, the whole answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;

use super::harness::browser::{Browser, PASSWORD, people};
use super::harness::{Postern, Setup};
use super::journal::{DAY_MS, DAYS, Dice, HOME, now_ms, own_person, stranger, word};
use super::searches::measure;

/// A running box whose journal is the made-up one.
pub struct House {
    pub postern: Postern,
}

impl House {
    pub fn start(folder: &Path, sink: SocketAddr) -> House {
        let hop = format!("smtp://{sink}");
        let domain =
            |name: &str| format!("[[domain]]\nname = \"{name}\"\nnext_hop = [\"{hop}\"]\n");
        let others: String = HOME[1..].iter().map(|name| domain(name)).collect();
        let setup = Setup::new()
            .with_site()
            .data_dir(folder)
            .next_hop(&hop)
            .raw(&others)
            .set("journal", "keep_days = 3650")
            .set("telemetry", "level = \"warn\"");
        if !folder.join("store").exists() {
            people(folder, &[]);
        }
        let before = Instant::now();
        let postern = setup.start();
        println!("the box listens after {:.1?}", before.elapsed());
        House { postern }
    }

    /// An administrator's browser. Each comes from an address of its own, for what one address
    /// may ask a minute is limited.
    pub fn browser(&self, number: u8) -> Browser {
        let mut browser = Browser::new(self.postern.site());
        browser.own = Some(Ipv4Addr::new(127, 0, 9, number));
        let page = browser.log_in("olive", PASSWORD, "");
        assert_eq!(page.status, 200, "{}", page.text());
        browser
    }
}

/// A page that somebody could ask for next.
pub fn any_search(dice: &mut Dice, mails: u64) -> String {
    let day = |ago: u64| {
        let at = jiff::Timestamp::from_millisecond((now_ms() - ago * DAY_MS) as i64).unwrap();
        at.strftime("%Y-%m-%d").to_string()
    };
    match dice.below(7) {
        0 => format!("/tracking?subject={}", word(dice.below(20))),
        1 => format!("/tracking?subject=nr{}", dice.below(mails) / 10 * 10),
        2 => format!("/tracking?recipient={}", own_person(dice)),
        3 => format!("/tracking?any={}", stranger(dice)),
        4 => {
            let ago = 1 + dice.below(DAYS - 1);
            format!("/tracking?verdict=spam&since={}&until={}", day(ago), day(ago - 1))
        }
        5 => format!("/tracking?client=10.{}.{}.0/24", dice.below(64), dice.below(256)),
        _ => format!("/tracking?finding=FINDING_{}&state=deferred", dice.below(120)),
    }
}

/// Each page often, and how long it took with its connection.
pub fn pages(house: &House, mails: u64) {
    let mut browsers: Vec<Browser> = (1..15).map(|number| house.browser(number)).collect();
    let list = browsers[0].get("/tracking?verdict=clean");
    assert_eq!(list.status, 200, "{}", list.text());
    let newest = links(&list.body);
    let mut turn = 0;
    let mut ask = |path: &str| {
        turn += 1;
        let at = turn % browsers.len();
        let page = browsers[at].get(path);
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        page.body.len()
    };
    for path in [
        "/",
        "/?span=hour",
        "/?span=week",
        "/?span=month",
        "/tracking",
        "/queue",
        "/quarantine",
        "/audit",
        "/policy",
        "/settings",
        "/people",
        "/account",
    ] {
        measure(&format!("page: {path}"), |_| ask(path));
    }
    measure("page: one mail", |dice| ask(&newest[dice.below(newest.len() as u64) as usize]));
    measure("page: a search", |dice| ask(&any_search(dice, mails)));
}

/// The mails that a list leads to.
fn links(list: &str) -> Vec<String> {
    let mut links: Vec<String> = list
        .split("href=\"/tracking/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| name.len() == 20)
        .map(|name| format!("/tracking/{name}"))
        .collect();
    links.dedup();
    assert!(!links.is_empty(), "a list of mails");
    links
}
