//! Who may send what to whom, by the role of the listener.
//!
//! - inbound: anybody, to protected domains only. Nothing in an address relays: an address
//!   literal is not a protected domain, a source route is not followed, and a local part in
//!   which an old server could see another address (`%`, `!`, `@`) is refused.
//! - outbound: clients of the listener's networks, to anywhere.
//! - submission: accounts, from their own addresses, to anywhere.
//!
//! Mailboxes of protected domains are checked in every role, so that what would bounce later
//! is refused now; of some domains the gatekeeper knows them, who may have to ask. Postmaster is always taken (RFC 5321 section 4.5.1).

use super::house::Account;
use super::settings::{Mailboxes, Settings};
use crate::mail::{Address, EnhancedCode, ForwardPath, Reply, ReversePath, Role};

const NOT_PERMITTED: EnhancedCode = EnhancedCode(5, 7, 1);

/// Whether this reverse-path may be used.
pub(super) fn sender(
    settings: &Settings,
    account: Option<&Account>,
    reverse_path: &ReversePath,
) -> Result<(), Reply> {
    if settings.role != Role::Submission {
        return Ok(());
    }
    let Some(account) = account else {
        return Err(Reply::new(530, EnhancedCode(5, 7, 0), "authentication required"));
    };
    match account.allowed.iter().any(|allowed| is_allowed(allowed, reverse_path)) {
        true => Ok(()),
        false => {
            let text = format!("<{reverse_path}> is not an address of this account");
            Err(Reply::new(553, NOT_PERMITTED, text))
        }
    }
}

/// `user@host`, `@host` for a whole domain, `<>` for the null reverse-path, which programs
/// need for receipts (RFC 8098 section 3) and nobody gets without being told so.
fn is_allowed(allowed: &str, reverse_path: &ReversePath) -> bool {
    match (reverse_path, allowed.strip_prefix('@')) {
        (ReversePath::Null, _) => allowed == "<>",
        (ReversePath::Mailbox(address), Some(domain)) => {
            crate::mail::Domain::parse(domain).is_ok_and(|domain| address.domain() == Some(&domain))
        }
        (ReversePath::Mailbox(address), None) => {
            allowed.parse::<Address>().is_ok_and(|allowed| allowed.key() == address.key())
        }
    }
}

/// A forward-path that roles permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admitted {
    /// This address stands for it in the envelope.
    Settled(Address),
    /// The gatekeeper has to say whether there is such a mailbox.
    Asked(Address),
}

/// Whether a forward-path may be named at all.
pub(super) fn recipient(
    settings: &Settings,
    forward_path: &ForwardPath,
) -> Result<Admitted, Reply> {
    let settled = |address: &Address| Ok(Admitted::Settled(address.clone()));
    let ForwardPath::Mailbox(address) = forward_path else {
        return settled(&settings.postmaster);
    };
    let is_postmaster = address.local_part().eq_ignore_ascii_case("postmaster");
    if is_postmaster && address.domain() == Some(&settings.hostname) {
        return settled(&settings.postmaster);
    }
    let mailboxes = address.domain().and_then(|domain| settings.domains.get(domain));
    match (mailboxes, settings.role) {
        (Some(_), _) if is_postmaster => settled(address),
        (Some(_), Role::Inbound) if address.local_part().contains(['%', '!', '@']) => {
            Err(relaying(address))
        }
        (Some(Mailboxes::Listed(known)), _) if !known.has(address) => {
            let text = format!("<{address}>: no such mailbox here");
            Err(Reply::new(550, EnhancedCode(5, 1, 1), text))
        }
        (Some(Mailboxes::Asked), _) => Ok(Admitted::Asked(address.clone())),
        (Some(_), _) => settled(address),
        (None, Role::Inbound) => Err(relaying(address)),
        (None, Role::Outbound | Role::Submission) => settled(address),
    }
}

fn relaying(address: &Address) -> Reply {
    Reply::new(550, NOT_PERMITTED, format!("<{address}>: relaying refused"))
}
