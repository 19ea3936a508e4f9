//! The rooms that read messages, compiled for the fuzzer.

#![allow(dead_code, unused)]

#[path = "../../../src/mail/mod.rs"]
pub mod mail;
#[path = "../../../src/message/mod.rs"]
pub mod message;
