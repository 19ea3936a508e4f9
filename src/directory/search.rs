//! Questions to a directory over an open connection (RFC 4511 sections 4.2 and 4.5, paged
//! results by RFC 2696).
//!
//! In: a handle, a base, a filter that was filled by [`crate::config::Filter`]. Out: entries,
//! up to a number; referrals are not followed. A base that does not exist and a server that
//! asks for other credentials are failures, never an empty answer.

use ldap3::controls::{ControlType, PagedResults};
use ldap3::{Ldap, Scope, SearchOptions};

use super::entry::Entry;

/// RFC 4511 appendix A.
const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const NO_SUCH_OBJECT: u32 = 32;
/// Wrong name or password; what a locked or expired account says lies beside it.
const CREDENTIALS: [u32; 4] = [19, 48, 49, 53];

/// Why a question has no answer. The operator reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The server answered, and not with what was asked for.
    #[error("the server says {code}{}{text}", if text.is_empty() { "" } else { ": " })]
    Refused { code: u32, text: String },
    #[error("the base {0} does not exist")]
    NoBase(String),
    #[error("the connection failed: {0}")]
    Broken(String),
    #[error("more than {0} entries")]
    TooMany(usize),
}

impl From<ldap3::LdapError> for Failure {
    fn from(error: ldap3::LdapError) -> Failure {
        Failure::Broken(error.to_string())
    }
}

/// Where and what.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) base: String,
    pub(super) scope: Scope,
    pub(super) filter: String,
    pub(super) attributes: Vec<String>,
}

/// Proves who the box, or somebody else, is. True when name and password belong together.
pub(super) async fn bind(ldap: &mut Ldap, dn: &str, password: &str) -> Result<bool, Failure> {
    let result = ldap.simple_bind(dn, password).await?;
    match result.rc {
        SUCCESS => Ok(true),
        code if CREDENTIALS.contains(&code) => Ok(false),
        code => Err(Failure::Refused { code, text: result.text }),
    }
}

/// The first few entries.
pub(super) async fn few(
    ldap: &mut Ldap,
    question: &Question,
    most: u16,
) -> Result<Vec<Entry>, Failure> {
    ldap.with_search_options(SearchOptions::new().sizelimit(i32::from(most)));
    let mut found = Vec::new();
    let asked = ldap.streaming_search(
        &question.base,
        question.scope,
        &question.filter,
        question.attributes.clone(),
    );
    let mut stream = asked.await?;
    while let Some(result) = stream.next().await? {
        // What the limit was not kept to is not kept either.
        if found.len() < usize::from(most) {
            found.extend(Entry::read(result.0));
        }
    }
    let result = stream.finish().await;
    match result.rc {
        SUCCESS | SIZE_LIMIT_EXCEEDED => Ok(found),
        // A group that is gone, when its own entry was asked for.
        NO_SUCH_OBJECT if question.scope == Scope::Base => Ok(Vec::new()),
        NO_SUCH_OBJECT => Err(Failure::NoBase(question.base.clone())),
        code => Err(Failure::Refused { code, text: result.text }),
    }
}

/// All entries, page by page, each given to `take`.
pub(super) async fn all(
    ldap: &mut Ldap,
    question: &Question,
    page_entries: u16,
    most: usize,
    mut take: impl FnMut(Entry),
) -> Result<usize, Failure> {
    let (mut cookie, mut count, mut pages) = (Vec::new(), 0usize, 0usize);
    loop {
        ldap.with_controls(PagedResults { size: i32::from(page_entries), cookie });
        let asked = ldap.streaming_search(
            &question.base,
            question.scope,
            &question.filter,
            question.attributes.clone(),
        );
        let mut stream = asked.await?;
        while let Some(result) = stream.next().await? {
            let Some(entry) = Entry::read(result.0) else { continue };
            count += 1;
            if count > most {
                return Err(Failure::TooMany(most));
            }
            take(entry);
        }
        let result = stream.finish().await;
        match result.rc {
            SUCCESS => {}
            NO_SUCH_OBJECT => return Err(Failure::NoBase(question.base.clone())),
            code => return Err(Failure::Refused { code, text: result.text }),
        }
        let control =
            result.ctrls.iter().find(|one| matches!(one.0, Some(ControlType::PagedResults)));
        cookie = match control {
            Some(control) => control.1.parse::<PagedResults>().cookie,
            None => Vec::new(),
        };
        pages += 1;
        // A cookie for ever, and no entries.
        if cookie.is_empty() || pages > most {
            return Ok(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Filter;

    #[test]
    fn whatever_the_configuration_takes_the_client_can_send() {
        let hostile =
            ["*", ")(", r"\2a", "\0", "gr\u{fc}n", "(|(a=*", "a b", "\u{1f600}", "", "#!=~<>"];
        let filters = [
            "(|(mail={x})(proxyAddresses=smtp:{x}))",
            "(&(objectClass=person)(!(mail={x}))(cn=a*b*{x}))",
            "(member:1.2.840.113556.1.4.1941:={x})",
            "(cn:dn:caseIgnoreMatch:={x})",
            "(userAccountControl:1.2.840.113556.1.4.803:=2)",
            "(cn~={x})",
            "(size>={x})",
            "(size<={x})",
            "(cn;lang-en={x})",
            "(2.5.4.3={x})",
            "(cn=gr\u{fc}n {x})",
            r"(cn=\2a{x})",
            "(cn=*)",
            "(cn={x}*)",
            "(cn=*{x}*a*)",
        ];
        for text in filters {
            let filter = Filter::try_from(text.to_owned()).unwrap();
            for value in hostile {
                let filled = filter.with(&[("x", value)]);
                assert!(ldap3::parse_filter(&filled).is_ok(), "{filled}");
            }
            let anything = filter.for_anything().with(&[]);
            let is_odd = text.contains(":=")
                || text.contains('<')
                || text.contains('>')
                || text.contains('~');
            assert!(is_odd || ldap3::parse_filter(&anything).is_ok(), "{anything}");
        }
    }
}
