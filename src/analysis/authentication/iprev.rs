//! Whether an address has a name that leads back to it (RFC 8601, section 2.7.3).

use std::fmt;
use std::net::IpAddr;

use crate::mail::Domain;
use crate::net::resolver::{DnsTrouble, Resolve};

/// Names of an address that are tried.
const NAMES: usize = 5;

/// RFC 8601, section 2.7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IprevResult {
    /// A name leads back.
    Pass,
    /// There are names, and none leads back.
    Fail,
    /// DNS gave no answer.
    TempError,
    /// The address has no name.
    PermError,
}

impl fmt::Display for IprevResult {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            IprevResult::Pass => "pass",
            IprevResult::Fail => "fail",
            IprevResult::TempError => "temperror",
            IprevResult::PermError => "permerror",
        })
    }
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iprev {
    /// What it came to.
    pub result: IprevResult,
    /// The name that leads back, or the first that does not.
    pub name: Option<Domain>,
}

pub(super) async fn check(resolver: &dyn Resolve, client: IpAddr) -> Iprev {
    let client = client.to_canonical();
    let names = match resolver.reverse(client).await {
        Ok(names) => names,
        Err(DnsTrouble::NoSuchDomain) => Vec::new(),
        Err(DnsTrouble::Temporary(_)) => {
            return Iprev { result: IprevResult::TempError, name: None };
        }
    };
    let mut result = if names.is_empty() { IprevResult::PermError } else { IprevResult::Fail };
    for name in names.iter().take(NAMES) {
        match resolver.addresses(name).await {
            Ok(addresses) if addresses.contains(&client) => {
                return Iprev { result: IprevResult::Pass, name: Some(name.clone()) };
            }
            Ok(_) | Err(DnsTrouble::NoSuchDomain) => {}
            Err(DnsTrouble::Temporary(_)) => result = IprevResult::TempError,
        }
    }
    Iprev { result, name: names.into_iter().next() }
}
