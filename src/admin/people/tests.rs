//! Log-ins, second factors, owners, keys.

use totp_rs::{Builder, Secret};

use super::*;

const PASSWORD: &str = "copper lantern 47 sings";
const NOW_MS: u64 = 1_800_000_000_000;

fn people() -> (tempfile::TempDir, Store, People) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let people = People::open(&store).unwrap();
    (folder, store, people)
}

async fn may_log_in(people: &People, name: &str, password: &str, code: &str, at_ms: u64) -> bool {
    people.log_in(name, password, code, at_ms).await.unwrap().is_some()
}

fn code_of(secret: &str, at_ms: u64) -> String {
    let totp = Builder::new()
        .with_secret(Secret::try_from_base32(secret).unwrap())
        .with_account_name("x")
        .with_issuer(Some("y"))
        .build()
        .unwrap();
    totp.generate(at_ms / 1000).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_and_each_code_counts_once() {
    let (_folder, _store, people) = people();
    people.add_first("Ann", PASSWORD, NOW_MS).unwrap();
    assert!(matches!(people.add_first("bob", PASSWORD, NOW_MS), Err(PeopleError::Exists(_))));
    assert!(may_log_in(&people, "ANN ", PASSWORD, "", NOW_MS).await);
    assert!(!may_log_in(&people, "ann", "wrong", "", NOW_MS).await);
    assert!(!may_log_in(&people, "nobody", PASSWORD, "", NOW_MS).await);
    let enrolment = Enrolment::begin().unwrap();
    assert!(matches!(
        people.enrol("ann", &enrolment, "000000x", NOW_MS),
        Err(PeopleError::WrongCode)
    ));
    let code = code_of(enrolment.secret(), NOW_MS);
    let recovery = people.enrol("ann", &enrolment, &code, NOW_MS).unwrap();
    assert_eq!(recovery.len(), RECOVERY_CODES);
    assert!(!may_log_in(&people, "ann", PASSWORD, "", NOW_MS).await, "no code");
    assert!(!may_log_in(&people, "ann", PASSWORD, &code, NOW_MS).await, "it was used to enrol");
    let next = code_of(enrolment.secret(), NOW_MS + 30_000);
    assert!(may_log_in(&people, "ann", PASSWORD, &next, NOW_MS + 30_000).await);
    assert!(!may_log_in(&people, "ann", PASSWORD, &next, NOW_MS + 31_000).await, "again");
    let far = code_of(enrolment.secret(), NOW_MS + 300_000);
    assert!(!may_log_in(&people, "ann", PASSWORD, &far, NOW_MS + 31_000).await, "of the future");
    let one = recovery[0].to_lowercase();
    assert!(!may_log_in(&people, "ann", "wrong", &one, NOW_MS).await);
    assert!(may_log_in(&people, "ann", PASSWORD, &one, NOW_MS).await);
    assert!(
        !may_log_in(&people, "ann", PASSWORD, &one, NOW_MS).await,
        "a recovery code is used up"
    );
    assert_eq!(people.find("ann").unwrap().unwrap().recovery_left(), RECOVERY_CODES - 1);
    people.drop_second("ann").unwrap();
    assert!(may_log_in(&people, "ann", PASSWORD, "", NOW_MS).await);
}

#[test]
fn somebody_is_always_an_owner() {
    let (_folder, _store, people) = people();
    people.add_first("ann", PASSWORD, NOW_MS).unwrap();
    let mut auditor = Draft::of("ann", Role::Auditor);
    assert!(matches!(people.change(&auditor), Err(PeopleError::LastOwner)));
    assert!(matches!(people.remove("ann"), Err(PeopleError::LastOwner)));
    let mut off = Draft::of("ann", Role::Owner);
    off.is_disabled = true;
    assert!(matches!(people.change(&off), Err(PeopleError::LastOwner)));
    people.add(&Draft::of("bob", Role::Owner), PASSWORD, NOW_MS).unwrap();
    let (before, after) = people.change(&auditor).unwrap();
    assert_eq!((before.role, after.role), (Role::Owner, Role::Auditor));
    auditor.name = "bob".into();
    assert!(matches!(people.change(&auditor), Err(PeopleError::LastOwner)));
    assert!(matches!(people.remove("eve"), Err(PeopleError::Unknown(_))));
    people.remove("ann").unwrap();
}

#[test]
fn weak_passwords_and_odd_names_are_refused() {
    let (_folder, _store, people) = people();
    for weak in ["", "short1!", "password123", "aaaaaaaaaaaaaa", "postern-admin", "qwertyuiop12"] {
        let added = people.add(&Draft::of("ann", Role::Owner), weak, NOW_MS);
        assert!(matches!(added, Err(PeopleError::WeakPassword(_))), "{weak}");
    }
    for odd in ["", "a b", "a\nb", "<b>", &"x".repeat(65)] {
        let added = people.add(&Draft::of(odd, Role::Owner), PASSWORD, NOW_MS);
        assert!(matches!(added, Err(PeopleError::BadName)), "{odd}");
    }
    assert!(people.is_empty());
}

#[test]
fn who_is_of_some_domains_has_no_rights_over_the_site() {
    let (_folder, _store, people) = people();
    people.add_first("root", PASSWORD, NOW_MS).unwrap();
    let mut draft = Draft::of("ann", Role::Administrator);
    draft.domains = vec![crate::mail::Domain::parse("example.test").unwrap()];
    let ann = people.add(&draft, PASSWORD, NOW_MS).unwrap();
    for right in [Right::Settings, Right::Policy, Right::People, Right::Audit, Right::SeeSettings] {
        assert!(!ann.rights().has(right), "{right:?}");
    }
    assert!(ann.rights().has(Right::Quarantine));
    assert!(ann.scope().sees_texts(["a@x.test", "b@EXAMPLE.test"].into_iter()));
    assert!(!ann.scope().sees_texts(["a@x.test", "b@sub.example.test", ""].into_iter()));
}

#[test]
fn keys_carry_no_more_than_their_person_may() {
    let (_folder, store, people) = people();
    people.add_first("root", PASSWORD, NOW_MS).unwrap();
    let ann = people.add(&Draft::of("ann", Role::Helpdesk), PASSWORD, NOW_MS).unwrap();
    let keys = Keys::open(&store).unwrap();
    let key = ApiKey {
        label: "script".into(),
        person: "ann".into(),
        rights: vec![Right::SeeMail, Right::Settings],
        created_ms: NOW_MS,
        expires_ms: Some(NOW_MS + 10),
        used_ms: None,
    };
    let (name, text) = keys.issue(&key).unwrap();
    let (_, known) = keys.known(&text, NOW_MS).unwrap().unwrap();
    assert_eq!(known.rights_of(&ann), Rights::of(&[Right::SeeMail]));
    assert!(keys.known(&text, NOW_MS + 10).unwrap().is_none(), "expired");
    assert!(keys.known("postern_x", NOW_MS).unwrap().is_none());
    assert!(keys.revoke("bob", &name).unwrap().is_none(), "not bob's");
    assert!(keys.revoke("ann", &name).unwrap().is_some());
    assert!(keys.known(&text, NOW_MS).unwrap().is_none());
}
