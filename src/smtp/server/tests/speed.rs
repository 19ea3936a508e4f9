//! The processor time of the machine for one mail of 4 KB, commands and all.

use std::time::Instant;

use super::*;

#[test]
fn a_small_mail_costs_microseconds() {
    const MAILS: u32 = 2_000;
    let text = format!("{}\r\n", "x".repeat(74)).repeat(52);
    let header = "Received: a\r\nFrom: a@client.test\r\nSubject: hello\r\n\r\n";
    let wire = format!("{MAIL}{RCPT}DATA\r\n{header}{text}.\r\n");
    let roomy = Terms { message_octets: 1 << 20, mails: u32::MAX, ..terms(Role::Inbound) };
    let mut turn = Turn::Commands(Commands::greet(Arc::new(roomy), Channel::Clear));
    let address: crate::mail::Address = "b@mx.test".parse().unwrap();
    let mut octets = 0;
    let mut ended_mails = 0;
    let mut receipt_of_all = None;
    let began = Instant::now();
    for flight in std::iter::once(HELLO).chain(std::iter::repeat_n(wire.as_str(), MAILS as usize)) {
        let mut input = flight.as_bytes();
        loop {
            turn = match turn {
                Turn::Commands(_) | Turn::Content(_) if input.is_empty() => break,
                Turn::Commands(commands) => commands.advance(&mut input),
                Turn::Sender(asked) => Turn::Commands(asked.accept()),
                Turn::Recipient(asked) => Turn::Commands(asked.accept(address.clone())),
                Turn::Begin(asked) => asked.accept(),
                Turn::Content(content) => {
                    let flow = content.advance(&mut input);
                    octets += flow.octets.len();
                    flow.turn
                }
                Turn::Ended(ended) => {
                    let first = || receipt(ended.envelope());
                    let receipt = *receipt_of_all.get_or_insert_with(first);
                    ended_mails += 1;
                    Turn::Commands(ended.accepted(receipt))
                }
                other => panic!("{other:?}"),
            };
        }
        turn.take_replies();
    }
    let each = began.elapsed() / MAILS;
    println!("{each:?} a mail of {} octets", octets / MAILS as usize);
    assert_eq!(ended_mails, MAILS);
    // Far above what it takes even without optimisation, far below what a mistake would.
    assert!(each.as_micros() < 200, "{each:?}");
}
