//! Scenarios with the real program, real sockets and real peers, one a file.
//!
//! In: the `postern` binary of this build, Postfix, swaks, clamd, nsd and slapd where the machine
//! has them. Out: a failed assertion with the program's log, or nothing. What cannot run on a
//! machine says so and why; `tests/run` gathers these lines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a scenario that meets the unexpected has to fail"
)]

mod harness;

mod antivirus;
mod approval;
mod attachments;
mod authentication;
mod chunking;
mod classifier;
mod commands;
mod conservation;
mod corpora;
mod directory;
mod disk_full;
mod dmarc_reports;
mod door;
mod fallback;
mod greylisting;
mod hostile;
mod inspection;
mod internationalized;
mod lanes;
mod large;
mod learning;
mod lists;
mod mail_exchangers;
mod next_hop_postfix;
mod operate;
mod orders;
mod past_mail;
mod peers;
mod policy;
mod proxy;
mod relay;
mod relaying;
mod reports;
mod reputation;
mod retry;
mod scanners;
mod sender_lists;
mod site_api;
mod site_door;
mod site_mail;
mod site_policy;
mod site_security;
mod site_setup;
mod smuggling;
mod stores;
mod submission;
mod tracking;
mod transport_security;
mod verdicts;
