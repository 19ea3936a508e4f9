//! A directory that is down, slow, or lies.

use super::slapd::{self, BASE, Shows, Slapd};
use super::*;
use crate::directory::Certainty;

#[tokio::test]
async fn what_is_kept_counts_while_the_directory_is_down_and_then_the_configuration() {
    let Some(mut slapd) = Slapd::start(&slapd::office()) else { return };
    for (policy, said) in [("accept", "Accept"), ("defer", "Defer"), ("refuse", "Refuse")] {
        let dir = folder();
        let lines =
            format!("on_failure = \"{policy}\"\nfresh_s = 0\nnegative_s = 60\nsync_minutes = 0");
        let own = config(&slapd, dir.path(), &lines, "");
        let directories = directories(&own);
        assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
        assert_eq!(told(&directories, "eve@example.test").await, "unknown");
        let groups = directories.groups_of(&address("ann@example.test")).await;
        slapd.stop();
        assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
        assert_eq!(told(&directories, "eve@example.test").await, "unknown");
        assert_eq!(directories.groups_of(&address("ann@example.test")).await, groups);
        let other = directories.groups_of(&address("bob@example.test")).await;
        assert_eq!(other.certainty, Certainty::Incomplete(own.directory[0].on_failure));
        let answer = told(&directories, "bob@example.test").await;
        assert!(answer.starts_with(said), "{answer}");
        assert!(directories.authenticate("ann", "x").await.is_ok(), "no directory is asked");
        // A box that starts meanwhile knows what was kept.
        directories.all()[0].keep();
        let reborn = super::directories(&own);
        assert_eq!(told(&reborn, "ann@example.test").await, "ann@example.test");
        // And with other settings it does not.
        let other = config(
            &slapd,
            dir.path(),
            &format!("{lines}\nrecipient_filter = \"(uid={{local}})\""),
            "",
        );
        let other = super::directories(&other);
        assert!(told(&other, "ann@example.test").await.starts_with(said));
        slapd.start_again();
        let begun = Instant::now();
        while told(&directories, "bob@example.test").await != "bob@example.test" {
            assert!(begun.elapsed() < Duration::from_secs(40), "it is never asked again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn another_server_takes_over() {
    let Some(mut first) = Slapd::start(&slapd::office()) else { return };
    let Some(second) = Slapd::start(&slapd::office()) else { return };
    let dir = folder();
    let lines = format!(
        "servers = [\"{}\", \"{}\"]\ntls = \"none\"\nfresh_s = 0\nsync_minutes = 0\n\
         timeout_s = 4\nconnect_timeout_s = 1",
        first.url(),
        second.url()
    );
    let directories = directories(&config(&first, dir.path(), &lines, ""));
    assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
    // One that says nothing at all.
    first.freeze();
    let begun = Instant::now();
    assert_eq!(told(&directories, "bob@example.test").await, "bob@example.test");
    println!("taken over from a server that hangs in {:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(told(&directories, "cid@example.test").await, "cid@example.test");
    assert!(begun.elapsed() < Duration::from_secs(1), "it waits for a server that hangs");
    first.thaw();
    first.stop();
    assert_eq!(told(&directories, "dan@example.test").await, "dan@example.test");
    let standing = directories.all()[0].standing();
    assert!(standing.servers[0].last_failure.is_some(), "{standing:?}");
    assert!(standing.servers[1].in_use, "{standing:?}");
}

#[tokio::test]
async fn nobody_waits_longer_than_is_configured() {
    let Some(slapd) = Slapd::start(&slapd::office()) else { return };
    let dir = folder();
    let lines = "timeout_s = 2\nconnect_timeout_s = 1\nsync_minutes = 0\nquestions = 4";
    let directories = directories(&config(&slapd, dir.path(), lines, ""));
    assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
    slapd.freeze();
    let begun = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..40 {
        let directories = Arc::clone(&directories);
        waiting.spawn(async move { told(&directories, &format!("x{number}@example.test")).await });
    }
    while let Some(answer) = waiting.join_next().await {
        assert!(answer.unwrap().starts_with("Defer"));
    }
    assert!(begun.elapsed() < Duration::from_millis(3_500), "{:?}", begun.elapsed());
    slapd.thaw();
}

#[tokio::test]
async fn a_directory_that_shows_nobody_is_not_believed() {
    let Some(mut slapd) = Slapd::start(&(slapd::office() + &slapd::crowd(40))) else { return };
    let dir = folder();
    let lines = "fresh_s = 0\nnegative_s = 0\nsync_minutes = 0";
    let own = config(&slapd, dir.path(), lines, "");
    let directories = directories(&own);
    let directory = &directories.all()[0];
    let listed = directory.fetch_list().await.unwrap();
    assert_eq!(listed, 45);
    assert_eq!(told(&directories, "eve@example.test").await, "unknown");
    slapd.stop();
    slapd.configure(Shows::Nobody);
    slapd.start_again();
    let list = directory.fetch_list().await;
    assert!(list.as_ref().is_err_and(|why| why.contains("lists nobody")), "{list:?}");
    assert_eq!(directory.standing().listed, listed);
    assert!(directory.standing().doubt.is_some());
    assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
    let answer = told(&directories, "eve@example.test").await;
    assert!(answer.starts_with("Defer: ") && answer.contains("not believed"), "{answer}");
    // One that is new and has never shown anybody is not believed either.
    let fresh = folder();
    let newcomer = super::directories(&config(&slapd, fresh.path(), lines, ""));
    let answer = told(&newcomer, "ann@example.test").await;
    assert!(answer.contains("not believed"), "{answer}");
    slapd.stop();
    slapd.configure(Shows::All);
    slapd.start_again();
    assert_eq!(told(&newcomer, "ann@example.test").await, "ann@example.test");
    assert_eq!(told(&newcomer, "eve@example.test").await, "unknown");
    assert_eq!(directory.fetch_list().await, Ok(listed));
    assert_eq!(told(&directories, "eve@example.test").await, "unknown");
    assert_eq!(directory.standing().doubt, None);
}

#[tokio::test]
async fn a_directory_that_hides_groups_is_doubted_until_it_shows_them() {
    let Some(mut slapd) = Slapd::start(&slapd::office()) else { return };
    let dir = folder();
    let lines = "fresh_s = 0\nnegative_s = 0\nsync_minutes = 0";
    let directories = directories(&config(&slapd, dir.path(), lines, ""));
    let directory = &directories.all()[0];
    let ann = address("ann@example.test");
    let groups = directories.groups_of(&ann).await;
    assert!(!groups.names.is_empty());
    slapd.stop();
    slapd.configure(Shows::NoGroups);
    slapd.start_again();
    let begun = Instant::now();
    while directory.standing().doubt.is_none() && begun.elapsed() < Duration::from_secs(40) {
        // A server that failed is left alone for a while.
        assert_eq!(directories.groups_of(&ann).await.names, groups.names);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let doubt = directory.standing().doubt.unwrap_or_default();
    assert!(doubt.contains("no group"), "{doubt}");
    assert_eq!(directories.groups_of(&address("eve@example.test")).await.names.len(), 0);
    slapd.stop();
    slapd.configure(Shows::All);
    slapd.start_again();
    let begun = Instant::now();
    while directory.standing().doubt.is_some() && begun.elapsed() < Duration::from_secs(40) {
        assert_eq!(directories.groups_of(&ann).await.names, groups.names);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(directory.standing().doubt, None);
}

#[tokio::test]
async fn a_no_about_a_listed_address_is_not_believed_before_the_next_list() {
    let Some(mut slapd) = Slapd::start(&(slapd::office() + &slapd::crowd(40))) else { return };
    let dir = folder();
    let lines = "fresh_s = 0\nnegative_s = 0\nsync_minutes = 60";
    let directories = directories(&config(&slapd, dir.path(), lines, ""));
    let directory = &directories.all()[0];
    let listed = directory.fetch_list().await.unwrap();
    let ann = address("ann@example.test");
    let groups = directories.groups_of(&ann).await;
    assert!(!groups.names.is_empty() && !directory.wants_list());
    slapd.stop();
    slapd.configure(Shows::Nobody);
    slapd.start_again();
    // The list has just shown that the directory shows people; that is no proof for long.
    assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
    assert_eq!(directories.groups_of(&ann).await, groups);
    assert!(directory.wants_list());
    assert!(directory.fetch_list().await.is_err());
    assert!(!directory.wants_list());
    assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
    slapd.stop();
    slapd.configure(Shows::All);
    slapd.start_again();
    // A server that failed is left alone for a while.
    let begun = std::time::Instant::now();
    let mut list = directory.fetch_list().await;
    while list.is_err() && begun.elapsed() < std::time::Duration::from_secs(40) {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        list = directory.fetch_list().await;
    }
    assert_eq!(list, Ok(listed));
    slapd.leave(&format!("uid=ann,ou=people,{BASE}"));
    slapd.flush_changes();
    assert_eq!(told(&directories, "ann@example.test").await, "ann@example.test");
    let after = directory.fetch_list().await.unwrap();
    assert!(after < listed);
    assert_eq!(told(&directories, "ann@example.test").await, "unknown");
}

#[tokio::test]
async fn a_list_that_lacks_too_many_waits_for_the_operator() {
    let Some(slapd) = Slapd::start(&(slapd::office() + &slapd::crowd(40))) else { return };
    let dir = folder();
    let lines = "fresh_s = 0\nnegative_s = 0\nsync_minutes = 0\nshrink_percent = 20";
    let directories = directories(&config(&slapd, dir.path(), lines, ""));
    let directory = &directories.all()[0];
    directory.fetch_list().await.unwrap();
    let leave = |range: std::ops::Range<u32>| {
        for number in range {
            slapd.leave(&format!("uid=u{number},ou=crowd,{BASE}"));
        }
        slapd.flush_changes();
    };
    leave(0..8);
    // 8 of 45 is less than 20 %.
    assert_eq!(told(&directories, "u3@example.test").await, "unknown");
    assert_eq!(directory.fetch_list().await, Ok(37));
    leave(8..16);
    // 8 of 37 is more.
    assert!(directory.fetch_list().await.is_err());
    assert_eq!(told(&directories, "u9@example.test").await, "u9@example.test");
    assert_eq!(told(&directories, "u39@example.test").await, "u39@example.test");
    assert_eq!(directory.accept_list().await, Ok(29));
    assert_eq!(told(&directories, "u9@example.test").await, "unknown");
}

/// A server of garbage: whatever it says, the box lives and defers.
#[tokio::test]
async fn answers_that_cannot_be_read_do_no_harm() {
    let Some(slapd) = Slapd::start("") else { return };
    let bind_done: &[u8] = &[0x30, 12, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0];
    let answers: [&[u8]; 7] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff],
        &[0x30; 64],
        // Fit for the guard and nonsense for the reader: no result code, a wrong operation.
        &[0x30, 5, 2, 1, 2, 0x65, 0],
        &[0x30, 5, 2, 1, 2, 0x42, 0],
        &[0x30, 5, 2, 1, 2, 0x64, 0],
        // A result that is no UTF-8.
        &[0x30, 13, 2, 1, 2, 0x65, 8, 10, 1, 0, 4, 1, 0xff, 4, 0],
    ];
    for garbage in answers {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 1_024];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(bind_done).await;
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(garbage).await;
                let _ = stream.read(&mut buffer).await;
            }
        });
        let dir = folder();
        let lines = format!(
            "servers = [\"ldap://127.0.0.1:{port}\"]\ntls = \"none\"\nsync_minutes = 0\ntimeout_s = 1"
        );
        let directories = directories(&config(&slapd, dir.path(), &lines, ""));
        let answer = told(&directories, "ann@example.test").await;
        assert!(answer.starts_with("Defer: "), "{garbage:02x?}: {answer}");
        serving.abort();
    }
}
