use std::time::Instant;

use super::migration::{Migration, migrate, newest, version};
use super::*;
use crate::mail::ReversePath;

fn allowed(texts: &[&str]) -> Vec<AllowedAddress> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn accounts_are_made_verified_changed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let accounts = store.accounts();
    accounts.add("Anna", "s3cret wörd", allowed(&["anna@x.test", "@y.test"])).unwrap();
    let again = accounts.add("ANNA", "other", vec![]).unwrap_err();
    assert!(matches!(again, StoreError::Exists(_)), "{again}");
    let table = [
        ("anna", "s3cret wörd", true),
        (" ANNA ", "s3cret wörd", true),
        // The same letters, typed on a keyboard that decomposes them.
        ("anna", "s3cret wo\u{308}rd", true),
        ("anna", "s3cret word", false),
        ("anna", "", false),
        ("anna", "nobody", false),
        ("bert", "s3cret wörd", false),
        ("bert", "nobody", false),
        ("", "", false),
        ("anna", "a\0b", false),
    ];
    for (name, password, is_right) in table {
        let account = accounts.verify(name, password).await.unwrap();
        assert_eq!(account.is_some(), is_right, "{name:?} {password:?}");
    }
    let long = "x".repeat(100_000);
    assert_eq!(accounts.verify(&long, &long).await.unwrap(), None);
    accounts.set_password("anna", "new").unwrap();
    assert!(accounts.verify("anna", "s3cret wörd").await.unwrap().is_none());
    accounts.set_addresses("anna", &allowed(&["a@z.test"])).unwrap();
    let anna = accounts.verify("anna", "new").await.unwrap().unwrap();
    assert_eq!(anna.addresses, allowed(&["a@z.test"]));
    accounts.remove("anna").unwrap();
    assert!(matches!(accounts.remove("anna"), Err(StoreError::Unknown(_))));
    assert!(accounts.verify("anna", "new").await.unwrap().is_none());
}

#[test]
fn an_account_sends_only_from_its_addresses() {
    let addresses = allowed(&["Anna@x.test", "@y.test"]);
    let account = Account { name: "anna".into(), addresses, created_ms: 0 };
    let table = [
        ("anna@x.test", true),
        ("ANNA@X.TEST", true),
        ("anna+tag@x.test", false),
        ("anyone@y.test", true),
        ("anyone@sub.y.test", false),
        ("anyone@ay.test", false),
        ("anna@[192.0.2.1]", false),
    ];
    for (address, may) in table {
        let address: crate::mail::Address = address.parse().unwrap();
        assert_eq!(account.may_send_from(&address), may, "{address}");
        assert_eq!(account.may_use(&ReversePath::Mailbox(address)), may);
    }
    assert!(account.may_use(&ReversePath::Null));
    for bad in ["", "@", "@-x", "anna", "a b@x.test"] {
        assert!(bad.parse::<AllowedAddress>().is_err(), "{bad}");
    }
}

#[test]
fn names_and_passwords_have_limits() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let accounts = store.accounts();
    let long = "x".repeat(1_025);
    for name in ["", "  ", "a b", "a\nb", &long] {
        assert!(matches!(accounts.add(name, "p", vec![]), Err(StoreError::BadName(_))), "{name}");
    }
    for password in ["", "a\nb", &long] {
        let refused = accounts.add("anna", password, vec![]);
        assert!(matches!(refused, Err(StoreError::BadPassword(_))), "{password}");
    }
    assert!(accounts.list().unwrap().is_empty());
}

#[test]
fn the_store_survives_and_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.accounts().add("b", "p", vec![]).unwrap();
    store.accounts().add("a", "p", vec![]).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Busy)));
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    let names: Vec<String> =
        store.accounts().list().unwrap().into_iter().map(|account| account.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(exists(dir.path()) && !exists(&dir.path().join("elsewhere")));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_cost_the_same_work() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let accounts = store.accounts();
    accounts.prepare().unwrap();
    accounts.add("anna", "right", vec![]).unwrap();
    let mut spent = [f64::MAX; 2];
    for _ in 0..5 {
        for (least, name) in spent.iter_mut().zip(["anna", "nobody"]) {
            let start = Instant::now();
            assert!(accounts.verify(name, "wrong").await.unwrap().is_none());
            *least = least.min(start.elapsed().as_secs_f64());
        }
    }
    let [known, unknown] = spent;
    assert!(known / unknown < 3.0 && unknown / known < 3.0, "{known} s against {unknown} s");
}

#[test]
fn migrations_lead_forward_and_back_and_newer_stores_are_refused() {
    const STEPS: &[Migration] = &[
        Migration {
            version: 1,
            forward: |db| db.open_tree("one").map(|_| ()).map_err(StoreError::from),
            back: |db| db.drop_tree("one").map(|_| ()).map_err(StoreError::from),
        },
        Migration {
            version: 2,
            forward: |db| db.open_tree("two").map(|_| ()).map_err(StoreError::from),
            back: |db| db.drop_tree("two").map(|_| ()).map_err(StoreError::from),
        },
    ];
    let dir = tempfile::tempdir().unwrap();
    let db = sled::open(dir.path().join("db")).unwrap();
    let has = |name: &str| db.tree_names().iter().any(|tree| tree == name.as_bytes());
    assert_eq!((version(&db).unwrap(), newest(STEPS)), (0, 2));
    for (target, one, two) in [(1, true, false), (2, true, true), (2, true, true), (1, true, false)]
    {
        migrate(&db, STEPS, target).unwrap();
        assert_eq!((version(&db).unwrap(), has("one"), has("two")), (target, one, two));
    }
    migrate(&db, STEPS, 2).unwrap();
    let older = migrate(&db, &STEPS[..1], 1).unwrap_err();
    assert_eq!(older.to_string(), "the store has schema version 2, this program knows 1 at most");
    assert!(matches!(migrate(&db, STEPS, 3), Err(StoreError::NoSuchVersion(3))));
    migrate(&db, STEPS, 0).unwrap();
    assert!(!has("one") && !has("two"));
}

#[test]
fn a_downgrade_and_upgrade_leave_a_store_that_works() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    Store::migrate_back(dir.path(), 0).unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.accounts().list().unwrap().is_empty());
    assert!(matches!(Store::migrate_back(dir.path(), 0), Err(StoreError::Busy)));
}
