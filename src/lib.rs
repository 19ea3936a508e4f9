//! Postern, a mail firewall: receives all mail of an organisation, in and out, and lets
//! through only what its policy allows. One process, one direction of flow:
//! connection → session → content → analysis → judgement → commit → reply → execution →
//! delivery. The modules are rooms; each imports only rooms that stand above it here.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod mail;

pub mod config;

pub mod telemetry;

pub mod log;

pub mod store;

pub mod smtp;

pub mod message;

pub mod net;

pub mod directory;

pub mod journal;

pub mod session;

pub mod analysis;

pub mod policy;

pub mod spool;

pub mod quarantine;

pub mod archive;

pub mod delivery;

pub mod action;

pub mod web;

pub mod admin;

pub mod firewall;

pub mod update;

pub mod cli;

pub mod app;
