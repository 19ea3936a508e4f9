//! What is done to people, by whichever door it comes.
//!
//! In: a [`Call`] whose path names somebody, and what they are to be. Out: people changed, and
//! logged out where that is due. All of it blocks.
//!
//! Invariant: nobody gives away, or takes from others, rights that they do not have themselves
//! at that moment: a key that carries the right to manage people makes no owner with it unless
//! it carries an owner's rights. With a key nothing is done to its own person: who has stolen
//! it takes nobody over.

use super::{Call, Refusal};
use crate::admin::people::{Draft, Person, Rights, Via};

/// Whether the caller has all that this is.
fn outranks(call: &Call, rights: Rights) -> Result<(), Refusal> {
    match call.caller.rights.both(rights) == rights {
        true => Ok(()),
        false => Err(Refusal::Forbidden),
    }
}

/// Somebody whom the caller may change.
fn subject(call: &Call) -> Result<Person, Refusal> {
    let person = call.site.people.find(call.part(0))?.ok_or(Refusal::NotFound)?;
    if matches!(call.caller.via, Via::Key { .. }) && person.name == call.caller.name {
        return Err(Refusal::NotByKey);
    }
    outranks(call, person.rights())?;
    Ok(person)
}

/// Somebody new.
pub(super) fn add(call: &Call, draft: &Draft, password: &str) -> Result<Person, Refusal> {
    outranks(call, draft.role.rights())?;
    Ok(call.site.people.add(draft, password, call.now_ms())?)
}

/// Makes somebody what the draft says; how they were and are.
pub(super) fn change(call: &Call, draft: Draft) -> Result<(Person, Person), Refusal> {
    let before = subject(call)?;
    outranks(call, draft.role.rights())?;
    let changed = call.site.people.change(&Draft { name: before.name.clone(), ..draft })?;
    if changed.1.is_disabled {
        call.site.sessions.end_all(&before.name, None)?;
    }
    Ok(changed)
}

/// Takes somebody away, with sessions and keys.
pub(super) fn remove(call: &Call) -> Result<Person, Refusal> {
    let person = subject(call)?;
    call.site.people.remove(&person.name)?;
    call.site.sessions.end_all(&person.name, None)?;
    call.site.keys.revoke_all(&person.name)?;
    Ok(person)
}

/// Another password; their sessions end.
pub(super) fn give_password(call: &Call, password: &str) -> Result<Person, Refusal> {
    let person = subject(call)?;
    call.site.people.set_password(&person.name, password)?;
    call.site.sessions.end_all(&person.name, None)?;
    Ok(person)
}

/// Takes their second factor away.
pub(super) fn drop_second(call: &Call) -> Result<Person, Refusal> {
    let person = subject(call)?;
    call.site.people.drop_second(&person.name)?;
    Ok(person)
}

/// Ends their sessions; how many.
pub(super) fn end_sessions(call: &Call) -> Result<usize, Refusal> {
    let person = subject(call)?;
    Ok(call.site.sessions.end_all(&person.name, None)?)
}
