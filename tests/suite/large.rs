//! Much at once: messages beyond the memory limit, beyond the budget, beyond the size limit.

use super::harness::{Client, Setup, Sink, random::Random, text};

#[test]
fn thirty_megabytes_go_through_whole_and_not_through_memory() {
    let sink = Sink::start();
    let postern = Setup::new().next_hop(sink.hop()).start();
    let mut random = Random::new(7);
    let sent = text::proven("large", &mut random, 30 << 20);
    let mut client = Client::greeted(postern.inbound());
    let mail = client.say(&format!("MAIL FROM:<a@sender.test> SIZE={}", sent.len()));
    assert_eq!(mail.code, 250, "{mail}");
    assert_eq!(client.say("RCPT TO:<b@example.test>").code, 250);
    assert_eq!(client.say("DATA").code, 354);
    client.write(&text::on_the_wire(&sent)).unwrap();
    let reply = client.reply().unwrap();
    assert_eq!(reply.code, 250, "{reply}");
    let mails = sink.wait(1);
    assert_eq!(text::check_proven(&mails[0].content).as_deref(), Ok("large"));
    assert!(text::is_unchanged_below(&mails[0].content, &sent));
    postern.wait_until_empty();
    println!("peak memory with a 30 MB message: {} MB", postern.peak_octets() >> 20);
}

#[test]
fn what_is_too_large_is_refused_early_or_late() {
    let sink = Sink::start();
    let limit = 200_000;
    let setup = Setup::new().next_hop(sink.hop());
    let postern = setup.set("limits", format!("message_octets = {limit}")).start();
    let mut client = Client::connect(postern.inbound()).unwrap();
    client.reply().unwrap();
    let greeting = client.say("EHLO client.test");
    assert!(greeting.lines.contains(&format!("SIZE {limit}")), "RFC 1870: {greeting}");
    let early = client.say("MAIL FROM:<a@sender.test> SIZE=200001");
    assert_eq!(early.code, 552, "{early}");
    // Announced small, sent large.
    let mut random = Random::new(8);
    let sent = text::proven("too large", &mut random, 250_000);
    assert_eq!(client.say("MAIL FROM:<a@sender.test> SIZE=1000").code, 250);
    assert_eq!(client.say("RCPT TO:<b@example.test>").code, 250);
    assert_eq!(client.say("DATA").code, 354);
    client.write(&text::on_the_wire(&sent)).unwrap();
    let late = client.reply().unwrap();
    assert_eq!(late.code, 552, "{late}");
    // The session goes on.
    let small = text::message("small", "small@sender.test");
    assert_eq!(client.send("a@sender.test", &["b@example.test"], &small).code, 250);
    sink.wait(1);
    sink.stays_at(1);
}

#[test]
fn above_the_budget_mail_is_put_off_and_later_taken() {
    let sink = Sink::start();
    let postern = Setup::new()
        .next_hop(sink.hop())
        .set("limits", "message_octets = 1000000")
        .set("limits", "budget_octets = 1000000")
        .start();
    let mut random = Random::new(9);
    let sent = text::proven("budget", &mut random, 600_000);
    let wire = text::on_the_wire(&sent);
    let begin = || {
        let mut client = Client::greeted(postern.inbound());
        for command in ["MAIL FROM:<a@sender.test>", "RCPT TO:<b@example.test>"] {
            assert_eq!(client.say(command).code, 250);
        }
        assert_eq!(client.say("DATA").code, 354);
        client
    };
    let mut first = begin();
    first.write(&wire[..590_000]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let mut second = begin();
    let _ = second.write(&wire);
    let refused = second.reply().unwrap();
    assert_eq!(refused.code, 452, "{refused}");
    first.write(&wire[590_000..]).unwrap();
    let reply = first.reply().unwrap();
    assert_eq!(reply.code, 250, "{reply}");
    sink.wait(1);
    postern.wait_until_empty();
    let mut third = begin();
    third.write(&wire).unwrap();
    assert_eq!(third.reply().unwrap().code, 250, "the budget was given back");
    for mail in sink.wait(2) {
        assert_eq!(text::check_proven(&mail.content).as_deref(), Ok("budget"));
    }
}
