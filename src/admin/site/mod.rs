//! The administrator's site and its JSON API.
//!
//! In: requests over TLS. Out: pages made here, and JSON. [`ROUTES`] is the one table of all
//! there is: each route says which right it needs, and nothing is answered that is not in it.
//!
//! Invariants, kept in one place for all routes ([`admission`]): nobody acts without having
//! shown who they are; what changes anything needs the session's CSRF mark and comes from a page
//! of this site; a body is read only from who may send one. What came from mail is escaped by
//! the templates. What concerns a mail that somebody may not see is answered as if there were
//! no such mail (404). The one page for who cannot log in, where an approver answers, is reached with
//! a secret in its path.
//!
//! Until there is an owner, all paths lead to the set-up, which asks for a code that is only
//! printed where the box was started.

mod account;
mod admission;
pub mod api;
mod approval;
mod aside;
mod assets;
mod audit;
mod bulk;
mod call;
mod dashboard;
pub mod difference;
pub mod frame;
mod login;
mod mailboxes;
pub mod noted;
mod notices;
mod paging;
mod personnel;
pub mod pieces;
mod policy;
mod quarantine;
mod queue;
mod refusal;
mod routes;
mod rulebook;
mod seen;
mod senders;
pub mod settings;
pub mod setup;
mod share;
mod staff;
mod steering;
mod tally;
mod tracking;

use std::sync::Arc;
use std::time::Duration;

pub use call::Call;
pub use refusal::Refusal;
pub use routes::{Doing, FORM_OCTETS, Need, ROUTES, Route};
pub use steering::{Applying, Steering};

use super::Desk;
use super::people::{Keys, People};
use crate::net::rates::Rate;
use crate::store::{Store, StoreError};
use crate::web::attempts::Attempts;
use crate::web::sessions::{Lifetimes, Sessions};
use crate::web::{Answering, Ask, Site, serve::Body};
use notices::Notices;
use setup::SetUp;

/// The site.
#[derive(Debug)]
pub struct AdminSite {
    /// What can be seen and done.
    pub desk: Arc<Desk>,
    /// The configuration, and how another one is put in force.
    pub steering: Arc<dyn Steering>,
    /// Who may use it.
    pub people: People,
    /// Keys of the API.
    pub keys: Keys,
    /// Who has logged in.
    pub sessions: Sessions,
    /// The first visit.
    pub setup: SetUp,
    /// Taken by whoever changes the configuration: one change at a time.
    editing: tokio::sync::Mutex<()>,
    attempts: Attempts,
    notices: Notices,
    knocks: approval::Knocks,
    live: Arc<dashboard::live::Live>,
    counts: dashboard::counted::Counts,
}

/// What a page that was not asked for by any person costs: so many a second from one address.
pub(crate) const REQUESTS_A_MINUTE: u32 = 1_200;

impl AdminSite {
    /// A site over this desk. Blocks.
    pub fn open(
        desk: Arc<Desk>,
        steering: Arc<dyn Steering>,
        store: &Store,
    ) -> Result<AdminSite, StoreError> {
        let settings = steering.config().admin.clone().unwrap_or_default();
        let lifetimes = Lifetimes {
            idle: Duration::from_secs(u64::from(settings.idle_minutes) * 60),
            whole: Duration::from_secs(u64::from(settings.session_hours) * 3_600),
        };
        let people = People::open(store)?;
        Ok(AdminSite {
            setup: SetUp::new(&desk.data_dir),
            desk,
            steering,
            people,
            keys: Keys::open(store)?,
            sessions: Sessions::open(store, "sessions", lifetimes)?,
            editing: tokio::sync::Mutex::default(),
            attempts: Attempts::default(),
            notices: Notices::new(Rate::a_minute(REQUESTS_A_MINUTE)),
            knocks: approval::Knocks::default(),
            live: Arc::default(),
            counts: dashboard::counted::Counts::default(),
        })
    }
}

impl Site for AdminSite {
    fn answer(self: Arc<Self>, ask: Ask, body: Body) -> Answering {
        Box::pin(admission::answer(self, ask, body))
    }
}
