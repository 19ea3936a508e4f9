//! `[impersonation]`: whom attackers pretend to be.

use serde::Deserialize;

use crate::mail::{Address, Domain};

/// `[impersonation]`. The domains of `[[domain]]` are protected without being named here.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Impersonation {
    /// More domains of the house whose look-alikes are watched for, such as those that only
    /// send. Default: none.
    pub domains: Vec<Domain>,
    /// Domains that look like the house's and are honest: sisters, partners, former names.
    /// Default: none.
    pub trusted: Vec<Domain>,
    /// People whose names are used to give orders by mail: directors, finance, personnel.
    /// Default: none.
    pub people: Vec<Person>,
    /// Names that attackers borrow, beside those that are shipped. Default: none.
    pub brands: Vec<BrandText>,
    /// Shipped brands that are not to be watched for, by name, as when the house is one of
    /// them. Default: none.
    pub without_brands: Vec<String>,
    /// What a recipient is told of a sender who never wrote before, in the header field
    /// `X-Postern-Banner`. Default: absent, nothing is told.
    pub first_time_banner: Option<String>,
    /// What is put before the Subject of such mail. Default: absent, nothing.
    pub first_time_tag: Option<String>,
}

/// One of the house's people.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// As it is written, such as `Jane Doe`; order, case, accents and initials do not matter.
    pub name: String,
    /// From where this person really writes; addresses in protected domains need not be named
    /// when mail from these is authenticated.
    #[serde(default)]
    pub addresses: Vec<Address>,
}

/// A name that attackers borrow.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrandText {
    /// As people know it.
    pub name: String,
    /// What it is: `bank`, `parcel` and so on; for the administrator.
    #[serde(default)]
    pub kind: String,
    /// What is its owner's, each with all that lies below; `name.*` is the name under com,
    /// net, org and the suffixes of countries.
    pub domains: Vec<String>,
    /// Other names.
    #[serde(default)]
    pub claims: Vec<String>,
    /// The name is a word, too. Default: false.
    #[serde(default)]
    pub common: bool,
}
