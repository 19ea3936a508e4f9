//! Why a page or an answer of the API is not given, and how that is said.

use warp::http::StatusCode;

use crate::admin::desk::DeskError;
use crate::admin::people::PeopleError;
use crate::store::StoreError;
use crate::web::serve::BodyError;
use crate::web::sessions::SessionError;

/// Named for what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody has shown who they are.
    #[error("log in first")]
    LogIn,
    /// They may not do this.
    #[error("your role does not allow this")]
    Forbidden,
    /// They ask with a key, and this is for who has logged in.
    #[error("this is done by log-in only, not with a key")]
    NotByKey,
    /// There is no such thing, or it does not concern them.
    #[error("there is no such page or thing here")]
    NotFound,
    /// The path is known, the method is not.
    #[error("this cannot be done with {0} here")]
    Method(String),
    /// The request makes no sense.
    #[error("{0}")]
    Bad(String),
    /// It does not come from a page of this site, or the page is from an older session.
    #[error("this form is from another session or site: go back, reload the page and try again")]
    Stale,
    /// It cannot be done now.
    #[error("{0}")]
    Conflict(String),
    /// Too often.
    #[error("too many requests: wait {0} s")]
    TooMany(u64),
    /// The body.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The box.
    #[error("{0}")]
    Broken(String),
}

impl Refusal {
    /// Of HTTP (RFC 9110 section 15; RFC 6585 section 4 for 429).
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::LogIn => StatusCode::UNAUTHORIZED,
            Refusal::Forbidden | Refusal::NotByKey | Refusal::Stale => StatusCode::FORBIDDEN,
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Bad(_) | Refusal::Body(BodyError::BrokenOff) => StatusCode::BAD_REQUEST,
            Refusal::Conflict(_) => StatusCode::CONFLICT,
            Refusal::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Body(BodyError::TooLarge(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Body(BodyError::TooSlow) => StatusCode::REQUEST_TIMEOUT,
            Refusal::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What was wrong with a request, in the caller's words.
    pub fn bad(why: impl ToString) -> Refusal {
        Refusal::Bad(why.to_string())
    }
}

impl From<DeskError> for Refusal {
    fn from(error: DeskError) -> Refusal {
        let words = error.to_string();
        match error.status() {
            StatusCode::BAD_REQUEST => Refusal::Bad(words),
            StatusCode::NOT_FOUND => Refusal::NotFound,
            StatusCode::CONFLICT => Refusal::Conflict(words),
            _ => Refusal::Broken(words),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::Broken(error.to_string())
    }
}

impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Refusal {
        Refusal::Broken(error.to_string())
    }
}

impl From<PeopleError> for Refusal {
    fn from(error: PeopleError) -> Refusal {
        let words = error.to_string();
        match error {
            PeopleError::Unknown(_) => Refusal::NotFound,
            PeopleError::Exists(_) | PeopleError::LastOwner => Refusal::Conflict(words),
            PeopleError::Overloaded => Refusal::TooMany(2),
            PeopleError::NoRandomness(_) | PeopleError::Store(_) => Refusal::Broken(words),
            _ => Refusal::Bad(words),
        }
    }
}
