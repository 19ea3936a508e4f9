//! Postern, a mail firewall: receives all mail of an organisation, in and out, and lets
//! through only what its policy allows. One process, one direction of flow:
//! connection → session → content → analysis → judgement → commit → reply → execution →
//! delivery. The modules are rooms; each imports only rooms that stand above it here.

pub mod mail;
