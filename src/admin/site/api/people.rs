//! Who may use the site, as programs see and change it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Kind, Parameter, about, operation};
use crate::admin::api::time_of;
use crate::admin::people::{Draft, Person, Role};
use crate::admin::site::noted::note_outcome;
use crate::admin::site::{Call, Refusal, Route, personnel};
use crate::journal::Act;
use crate::mail::Domain;

pub(super) const NAME: Parameter = Parameter::new("name", Kind::Text(64), "somebody's name");

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/people", Right(People), list => PeopleList,
        about("people", "Everybody who may use the site", &[])
    ),
    operation!(
        POST "/api/people", Right(People), add(NewPerson) => PersonRow,
        about("addPerson", "Somebody new", &[])
    ),
    operation!(
        GET "/api/people/{name}", Right(People), one => PersonRow,
        about("person", "Somebody", &[NAME])
    ),
    operation!(
        PUT "/api/people/{name}", Right(People), change(PersonChange) => PersonRow,
        about("changePerson", "Gives somebody another role, other domains, or locks them out", &[NAME])
    ),
    operation!(
        DELETE "/api/people/{name}", Right(People), remove => PersonRow,
        about("removePerson", "Takes somebody away, with sessions and keys", &[NAME])
    ),
    operation!(
        POST "/api/people/{name}/password", Right(People), password(NewPassword) => PersonRow,
        about("setPassword", "Gives somebody another password and ends their sessions", &[NAME])
    ),
    operation!(
        DELETE "/api/people/{name}/second-factor", Right(People), drop_second => PersonRow,
        about("dropSecondFactor", "Takes somebody's second factor away", &[NAME])
    ),
];

/// Everybody.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PeopleList {
    /// By name.
    people: Vec<PersonRow>,
}

/// Somebody.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PersonRow {
    /// In small letters.
    name: String,
    /// What they are.
    role: Role,
    /// Only these domains concern them; empty means the whole site.
    domains: Vec<String>,
    /// May not log in.
    is_disabled: bool,
    /// A code is asked for beside the password.
    has_second_factor: bool,
    /// RFC 3339.
    created: String,
}

impl PersonRow {
    fn of(person: &Person) -> PersonRow {
        PersonRow {
            name: person.name.clone(),
            role: person.role,
            domains: person.domains.clone(),
            is_disabled: person.is_disabled,
            has_second_factor: person.has_second(),
            created: time_of(person.created_ms),
        }
    }
}

/// Somebody new.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPerson {
    /// 1 to 64 letters, digits and `. - _ @`.
    name: String,
    /// Must be hard to guess.
    password: String,
    /// What they are to be.
    role: Role,
    /// Only these domains concern them; empty means the whole site.
    #[serde(default)]
    domains: Vec<String>,
}

/// What somebody is to be from now on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonChange {
    /// What they are to be.
    role: Role,
    /// Only these domains concern them; empty means the whole site.
    #[serde(default)]
    domains: Vec<String>,
    /// May not log in.
    #[serde(default)]
    is_disabled: bool,
}

/// A password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// Must be hard to guess.
    password: String,
}

fn domains(texts: &[String]) -> Result<Vec<Domain>, Refusal> {
    let read = texts.iter().enumerate().map(|(at, text)| {
        Domain::parse(text).map_err(|error| Refusal::Bad(format!("domains[{at}]: {error}")))
    });
    read.collect()
}

fn summary(person: &Person) -> String {
    let state = if person.is_disabled { ", locked out" } else { "" };
    match person.domains.is_empty() {
        true => format!("{}{state}", person.role.name()),
        false => format!("{} of {}{state}", person.role.name(), person.domains.join(", ")),
    }
}

async fn list(call: Call) -> Result<PeopleList, Refusal> {
    let people = call.site.people.clone();
    let all = call.blocking(move || Ok(people.list()?)).await?;
    Ok(PeopleList { people: all.iter().map(PersonRow::of).collect() })
}

async fn one(call: Call) -> Result<PersonRow, Refusal> {
    let work = call.clone();
    let find = move || work.site.people.find(work.part(0))?.ok_or(Refusal::NotFound);
    Ok(PersonRow::of(&call.blocking(find).await?))
}

async fn add(call: Call, order: NewPerson) -> Result<PersonRow, Refusal> {
    let (work, name) = (call.clone(), order.name.clone());
    let added = call.blocking(move || {
        let domains = domains(&order.domains)?;
        let draft = Draft { domains, ..Draft::of(&order.name, order.role) };
        personnel::add(&work, &draft, &order.password)
    });
    let added = added.await;
    let after = added.as_ref().ok().map(summary);
    let act = Act { what: "people.add".into(), object: name, after, ..Act::default() };
    note_outcome(&call, None, act, added).map(|person| PersonRow::of(&person))
}

async fn change(call: Call, order: PersonChange) -> Result<PersonRow, Refusal> {
    let work = call.clone();
    let changed = call.blocking(move || {
        let (domains, is_disabled) = (domains(&order.domains)?, order.is_disabled);
        let draft = Draft { domains, is_disabled, ..Draft::of(work.part(0), order.role) };
        personnel::change(&work, draft)
    });
    let changed = changed.await;
    let said = changed.as_ref().ok().map(|(before, after)| (summary(before), summary(after)));
    let (before, after) = said.unzip();
    let object = call.part(0).to_owned();
    let act = Act { what: "people.change".into(), object, before, after, ..Act::default() };
    note_outcome(&call, None, act, changed).map(|(_, person)| PersonRow::of(&person))
}

/// Does something to somebody, and journals it.
async fn done_to(
    call: Call,
    what: &str,
    work: impl FnOnce(&Call) -> Result<Person, Refusal> + Send + 'static,
) -> Result<PersonRow, Refusal> {
    let there = call.clone();
    let done = call.blocking(move || work(&there));
    let act = Act::of(what, call.part(0));
    let person = note_outcome(&call, None, act, done.await)?;
    Ok(PersonRow::of(&person))
}

async fn remove(call: Call) -> Result<PersonRow, Refusal> {
    done_to(call, "people.remove", personnel::remove).await
}

async fn password(call: Call, order: NewPassword) -> Result<PersonRow, Refusal> {
    let work = move |call: &Call| personnel::give_password(call, &order.password);
    done_to(call, "people.password", work).await
}

async fn drop_second(call: Call) -> Result<PersonRow, Refusal> {
    let row = done_to(call, "people.second-factor", personnel::drop_second).await?;
    Ok(PersonRow { has_second_factor: false, ..row })
}
