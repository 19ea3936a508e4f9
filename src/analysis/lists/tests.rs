use super::*;
use crate::analysis::history::tests::{Mailing, store_and_config};
use crate::store::lists::ListedSender;

fn lists(text: &str) -> SenderLists {
    SenderLists::new(&toml::from_str(text).unwrap(), None)
}

fn mailing(client: &str, sender: &str, proven: bool) -> Mailing {
    let mut mailing = Mailing::new(client, sender, &["bob@own.test"], 0.0);
    if proven {
        let domain = mailing.envelope.reverse_path.address().unwrap().domain().cloned();
        mailing.look.authenticated.author_domain = domain.clone();
        mailing.look.authenticated.vouching = domain.into_iter().collect();
    }
    mailing
}

fn said(lists: &SenderLists, mailing: &Mailing) -> Vec<Listed> {
    let look = &mailing.look;
    let (seen, listed) = lists.look(mailing.passage(), &look.author, &look.authenticated);
    let names: Vec<&str> = seen.iter().map(|one| one.name).collect();
    assert_eq!(names.contains(&"SENDER_TRUSTED"), listed.contains(&Listed::Trusted));
    assert_eq!(names.contains(&"SENDER_BLOCKED"), listed.contains(&Listed::Blocked));
    listed
}

const OWN: &str = "[[domain]]\nname = 'own.test'\n";
const BOB: &str = "[[user]]\naddress = 'Bob@own.test'\n";

#[test]
fn the_most_specific_level_wins_and_blocked_beats_trusted() {
    use Listed::{Blocked, No, Trusted};
    let table: [(&str, &str, bool, Listed); 16] = [
        ("blocked = ['a@x.test']", "a@x.test", false, Blocked),
        ("blocked = ['A@X.test']", "a@x.test", false, Blocked),
        ("blocked = ['a@x.test']", "b@x.test", false, No),
        ("blocked = ['@x.test']", "b@x.test", false, Blocked),
        ("blocked = ['@x.test']", "b@y.x.test", false, No),
        ("blocked = ['@.x.test']", "b@y.x.test", false, Blocked),
        ("blocked = ['@.x.test']", "b@yx.test", false, No),
        ("blocked = ['192.0.2.0/24']", "b@x.test", false, Blocked),
        ("trusted = ['a@x.test']", "a@x.test", true, Trusted),
        ("trusted = ['a@x.test']", "a@x.test", false, No),
        ("trusted = ['192.0.2.7']", "a@x.test", false, Trusted),
        ("trusted = ['a@x.test']\nblocked = ['@x.test']", "a@x.test", true, Blocked),
        ("blocked = ['@x.test']\nOWNtrusted = ['a@x.test']", "a@x.test", true, Trusted),
        ("trusted = ['a@x.test']\nBOBblocked = ['@x.test']", "a@x.test", true, Blocked),
        ("OWNblocked = ['a@x.test']\nBOBtrusted = ['a@x.test']", "a@x.test", true, Trusted),
        // What is not proven is as if it were not said, and the next level speaks.
        ("blocked = ['@x.test']\nBOBtrusted = ['a@x.test']", "a@x.test", false, Blocked),
    ];
    for (text, sender, proven, expected) in table {
        let lists = lists(&text.replace("OWN", OWN).replace("BOB", BOB));
        let mailing = mailing("192.0.2.7", sender, proven);
        assert_eq!(said(&lists, &mailing), [expected], "{text} {sender}");
    }
}

#[test]
fn trust_needs_a_proof_for_what_is_trusted() {
    use Listed::{No, Trusted};
    let domain = |text: &str| Domain::parse(text).unwrap();
    let forged = mailing("192.0.2.7", "a@x.test", false);
    let mut other_proof = forged.clone();
    other_proof.look.authenticated.author_domain = Some(domain("x.test"));
    other_proof.look.authenticated.vouching = vec![domain("evil.test")];
    // The reverse-path's domain vouches, the author is somebody else's.
    let mut half = mailing("192.0.2.7", "a@evil.test", true);
    half.look.author = forged.look.author.clone();
    half.look.authenticated.author_domain = Some(domain("x.test"));
    let table = [
        ("trusted = ['@x.test']", &forged, No),
        ("trusted = ['@x.test']", &other_proof, No),
        ("trusted = ['@x.test']", &half, No),
        ("trusted = ['@evil.test']", &half, Trusted),
        ("trusted = ['@x.test']\ntrust_unauthenticated = true", &forged, Trusted),
        ("trusted = ['@x.test']\nnetworks = ['192.0.2.0/28']", &forged, Trusted),
        ("trusted = ['@x.test']\nnetworks = ['198.51.100.0/24']", &forged, No),
    ];
    for (text, mailing, expected) in table {
        let listed = if expected == No { vec![No] } else { vec![expected] };
        assert_eq!(said(&lists(text), mailing), listed, "{text}");
    }
}

#[test]
fn several_authors_are_blocked_by_any_and_trusted_by_none() {
    let mut several = mailing("192.0.2.7", "a@x.test", true);
    let Authorship::One(first) = several.look.author.clone() else { unreachable!() };
    let mut second = first.clone();
    second.address = "b@y.test".parse().unwrap();
    several.look.author = Authorship::Several(vec![first, second]);
    several.envelope.reverse_path = ReversePath::Null;
    assert_eq!(said(&lists("trusted = ['@x.test']"), &several), [Listed::No]);
    assert_eq!(said(&lists("blocked = ['@y.test']"), &several), [Listed::Blocked]);
}

#[test]
fn at_recipient_only_what_is_sure_is_refused() {
    let client: IpAddr = "192.0.2.7".parse().unwrap();
    let sender = ReversePath::Mailbox("a@x.test".parse().unwrap());
    let own: Address = "bob@own.test".parse().unwrap();
    let table = [
        ("blocked = ['@x.test']", true),
        ("blocked = ['192.0.2.0/24']", true),
        ("trusted = ['@x.test']", false),
        ("blocked = ['@y.test']", false),
        // Bob may trust the author, who is not known yet.
        ("blocked = ['@x.test']\nBOBtrusted = ['@z.test']", false),
        ("blocked = ['@x.test']\nBOBblocked = ['@z.test']", true),
        ("BOBblocked = ['@x.test']\ntrusted = ['@x.test']", true),
    ];
    for (text, refused) in table {
        let mut text = text.replace("BOB", BOB);
        // Tables come after keys of the site.
        if let Some((user, site)) = text.clone().split_once("\ntrusted = ['@x.test']") {
            text = format!("trusted = ['@x.test']\n{user}{site}");
        }
        let lists = lists(&text);
        let reply = lists.at_recipient(Role::Inbound, client, &sender, &own);
        assert_eq!(reply.map(|reply| reply.code), refused.then_some(550), "{text}");
        assert_eq!(lists.at_recipient(Role::Outbound, client, &sender, &own), None);
    }
    let null = lists("blocked = ['@x.test']");
    assert_eq!(null.at_recipient(Role::Inbound, client, &ReversePath::Null, &own), None);
}

#[test]
fn entries_of_run_time_count_at_once() {
    let (_dir, store, _) = store_and_config("");
    let lists = SenderLists::new(&Lists::default(), Some(&store));
    let mailing = mailing("192.0.2.7", "a@x.test", false);
    assert_eq!(said(&lists, &mailing), []);
    let entry: SenderEntry = "@x.test".parse().unwrap();
    let level = Level::user(&"bob@own.test".parse().unwrap());
    let listed = ListedSender {
        level: level.clone(),
        entry: entry.clone(),
        side: Side::Blocked,
        by: "bob".into(),
        since_ms: 1,
    };
    store.lists().put(&listed).unwrap();
    assert_eq!(said(&lists, &mailing), [Listed::Blocked]);
    store.lists().forget(&level, &entry).unwrap();
    assert_eq!(said(&lists, &mailing), []);
}

#[test]
fn own_mail_is_not_looked_up() {
    let lists = lists("blocked = ['@x.test']");
    let mut own = mailing("192.0.2.7", "a@x.test", false);
    own.facts.role = Role::Submission;
    assert_eq!(said(&lists, &own), []);
}
