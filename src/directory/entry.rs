//! Entries of a directory, and the people, lists and aliases that they are.
//!
//! In: search results as they came, whose parts may be anything. Out: [`Entry`], then
//! [`Person`]. What is no text is passed over; an entry that is not built as RFC 4511 section
//! 4.5.2 says is no entry. Never panics, unlike the client's own reader.

use ldap3::asn1::{PL, StructureTag};
use serde::{Deserialize, Serialize};

use crate::config::smtp_address;
use crate::mail::Address;

/// Addresses of one entry; more are nobody's.
const ADDRESSES: usize = 1_000;
/// RFC 4511 section 4.5.2: SearchResultEntry is application 4.
const SEARCH_RESULT_ENTRY: u64 = 4;

/// A name and its attributes; those of several values keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As the directory writes it.
    pub dn: String,
    attributes: Vec<(String, Vec<String>)>,
}

impl Entry {
    /// Reads a result.
    pub(super) fn read(tag: StructureTag) -> Option<Entry> {
        if tag.id != SEARCH_RESULT_ENTRY {
            return None;
        }
        let mut parts = inner(tag)?.into_iter();
        let dn = text(parts.next()?)?;
        let mut attributes = Vec::new();
        for attribute in inner(parts.next()?)? {
            let mut parts = inner(attribute)?.into_iter();
            let name = text(parts.next()?)?;
            // RFC 4512 section 2.5: options (`;binary`, `;range=…`) follow the name.
            let name = name.split(';').next().unwrap_or_default().to_ascii_lowercase();
            let values = inner(parts.next()?)?.into_iter().filter_map(text).collect();
            attributes.push((name, values));
        }
        Some(Entry { dn, attributes })
    }

    /// The values of an attribute, whatever the case of its name.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let wanted = name.to_ascii_lowercase();
        let named = self.attributes.iter().filter(move |(known, _)| *known == wanted);
        named.flat_map(|(_, values)| values.iter().map(String::as_str))
    }

    /// The first of them.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }
}

fn inner(tag: StructureTag) -> Option<Vec<StructureTag>> {
    match tag.payload {
        PL::C(parts) => Some(parts),
        PL::P(_) => None,
    }
}

fn text(tag: StructureTag) -> Option<String> {
    match tag.payload {
        PL::P(octets) => String::from_utf8(octets).ok(),
        PL::C(_) => None,
    }
}

/// Somebody, or something, with addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The entry's name.
    pub dn: String,
    /// By which old groups name it.
    pub uid: Option<String>,
    /// Its addresses, the mailbox's own first.
    pub addresses: Vec<Address>,
    /// Where it points, when it is but an alias.
    pub alias_of: Vec<Address>,
    /// What it says that it is a member of.
    pub member_of: Vec<String>,
}

impl Person {
    /// Of an entry.
    pub fn of(
        entry: &Entry,
        address_attributes: &[String],
        alias_attribute: Option<&str>,
    ) -> Person {
        let mut addresses: Vec<Address> = Vec::new();
        for attribute in address_attributes {
            let mut values: Vec<&str> = entry.values(attribute).collect();
            // [MS-ADA3] proxyAddresses: the address in capitals is the one to answer to.
            values.sort_by_key(|value| !value.starts_with("SMTP:"));
            let read = values.iter().filter_map(|value| smtp_address(value)?.parse().ok());
            for address in read.take(ADDRESSES) {
                if !addresses.contains(&address) && addresses.len() < ADDRESSES {
                    addresses.push(address);
                }
            }
        }
        let targets = alias_attribute.into_iter().flat_map(|attribute| entry.values(attribute));
        let alias_of = targets.filter_map(|value| smtp_address(value)?.parse().ok());
        Person {
            dn: entry.dn.clone(),
            uid: entry.value("uid").map(str::to_owned),
            alias_of: alias_of.take(ADDRESSES).collect(),
            addresses,
            member_of: entry.values("memberOf").map(str::to_owned).collect(),
        }
    }

    /// The address that stands for all of them: of an alias the one that it points to, when
    /// there is one only.
    pub fn canonical(&self) -> Option<&Address> {
        match self.alias_of.as_slice() {
            [] => self.addresses.first(),
            [target] => Some(target),
            _ => None,
        }
    }

    /// Whether this is one of its addresses.
    pub fn has(&self, key: &str) -> bool {
        self.addresses.iter().any(|address| address.key() == key)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ldap3::asn1::TagClass;

    use super::*;

    fn node(id: u64, payload: PL) -> StructureTag {
        StructureTag { class: TagClass::Universal, id, payload }
    }

    fn octets(text: &str) -> StructureTag {
        node(4, PL::P(text.as_bytes().to_vec()))
    }

    pub fn entry(dn: &str, attributes: &[(&str, &[&str])]) -> StructureTag {
        let attributes = attributes.iter().map(|(name, values)| {
            let values = values.iter().map(|value| octets(value)).collect();
            node(16, PL::C(vec![octets(name), node(17, PL::C(values))]))
        });
        node(4, PL::C(vec![octets(dn), node(16, PL::C(attributes.collect()))]))
    }

    fn person(attributes: &[(&str, &[&str])]) -> Person {
        let entry = Entry::read(entry("cn=a", attributes)).unwrap();
        let names = ["mail".to_owned(), "proxyAddresses".to_owned()];
        Person::of(&entry, &names, Some("rfc822MailMember"))
    }

    #[test]
    fn people_have_their_addresses() {
        let table: [(&[(&str, &[&str])], &[&str], Option<&str>); 7] = [
            (&[("mail", &["Ann@X.test"])], &["Ann@x.test"], Some("Ann@x.test")),
            (
                &[(
                    "PROXYADDRESSES",
                    &["smtp:a@x.test", "SMTP:ann@x.test", "x500:/o=x", "sip:a@x"],
                )],
                &["ann@x.test", "a@x.test"],
                Some("ann@x.test"),
            ),
            (
                &[("proxyAddresses", &["smtp:a@x.test"]), ("mail;x", &["ann@x.test", "a@x.test"])],
                &["ann@x.test", "a@x.test"],
                Some("ann@x.test"),
            ),
            (&[("mail", &["no address", "", "a@"])], &[], None),
            (&[("rfc822mailmember", &["b@x.test"])], &[], Some("b@x.test")),
            (
                &[("mail", &["a@x.test"]), ("rfc822mailmember", &["b@x.test", "c@y.test"])],
                &["a@x.test"],
                None,
            ),
            (&[], &[], None),
        ];
        for (attributes, addresses, canonical) in table {
            let person = person(attributes);
            let read: Vec<String> = person.addresses.iter().map(ToString::to_string).collect();
            assert_eq!(read, addresses);
            assert_eq!(person.canonical().map(ToString::to_string).as_deref(), canonical);
        }
    }

    #[test]
    fn what_is_no_entry_is_none() {
        let broken = [
            node(4, PL::P(vec![1])),
            node(4, PL::C(vec![])),
            node(4, PL::C(vec![octets("cn=a")])),
            node(4, PL::C(vec![octets("cn=a"), octets("b")])),
            node(4, PL::C(vec![node(4, PL::P(vec![0xff])), node(16, PL::C(vec![]))])),
            node(4, PL::C(vec![octets("cn=a"), node(16, PL::C(vec![octets("x")]))])),
            node(5, PL::C(vec![octets("cn=a"), node(16, PL::C(vec![]))])),
        ];
        for tag in broken {
            assert_eq!(Entry::read(tag), None);
        }
        let odd = node(17, PL::C(vec![node(4, PL::P(vec![0xff])), octets("a@x.test")]));
        let odd = node(16, PL::C(vec![octets("mail"), odd]));
        let odd = node(4, PL::C(vec![octets("cn=a"), node(16, PL::C(vec![odd]))]));
        assert_eq!(Entry::read(odd).unwrap().value("mail"), Some("a@x.test"));
    }
}
