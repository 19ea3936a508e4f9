//! What the answer of a list means.
//!
//! In: the codes that a list returned. Out: [`Reading`]. The pattern with the longest network
//! decides on a code; bit masks count each by itself; each pattern counts once, however many
//! codes it covers.
//!
//! Standard: RFC 5782 section 2.3: codes lie in 127.0.0.0/8; an answer from elsewhere is not
//! the list's. 127.255.255.0/24 is where operators say what is wrong with the question.

use std::net::Ipv4Addr;

use crate::config::{CodePattern, DnsList};
use crate::net::resolver::DnsTrouble;

/// What a list says of one subject.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reading {
    /// Nothing.
    Absent,
    /// It is listed.
    Listed {
        /// Points; 0 when the codes are worth nothing here.
        weight: f32,
        /// The codes, in order.
        codes: Vec<Ipv4Addr>,
    },
    /// The list refuses, with this code.
    Refused(Ipv4Addr),
    /// Whoever answers is not the list.
    Foreign(Ipv4Addr),
    /// No answer.
    Trouble(String),
}

/// Reads an answer.
pub(super) fn read(list: &DnsList, answer: Result<Vec<Ipv4Addr>, DnsTrouble>) -> Reading {
    let mut codes = match answer {
        Ok(codes) => codes,
        Err(DnsTrouble::NoSuchDomain) => return Reading::Absent,
        Err(DnsTrouble::Temporary(why)) => return Reading::Trouble(why),
    };
    codes.sort_unstable();
    codes.dedup();
    if codes.is_empty() {
        return Reading::Absent;
    }
    if let Some(code) = codes.iter().find(|code| !code.is_loopback()) {
        return Reading::Foreign(*code);
    }
    if let Some(code) = codes.iter().find(|code| is_refusal(list, **code)) {
        return Reading::Refused(*code);
    }
    Reading::Listed { weight: weight(list, &codes), codes }
}

fn is_refusal(list: &DnsList, code: Ipv4Addr) -> bool {
    matches!(code.octets(), [127, 255, 255, _]) || list.errors.contains(&code)
}

fn weight(list: &DnsList, codes: &[Ipv4Addr]) -> f32 {
    let mut hit: Vec<&CodePattern> = Vec::new();
    for code in codes {
        let covering = || list.weights.keys().filter(|pattern| pattern.covers(*code));
        let plain = covering().filter(|pattern| pattern.mask.is_none());
        hit.extend(plain.max_by_key(|pattern| pattern.network.prefix_len()));
        hit.extend(covering().filter(|pattern| pattern.mask.is_some()));
    }
    hit.sort_unstable();
    hit.dedup();
    hit.iter().filter_map(|pattern| list.weights.get(*pattern)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(words: &str) -> Vec<Ipv4Addr> {
        words.split_whitespace().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn codes_have_weights() {
        let list: DnsList = toml::from_str(
            "zone = \"l.test\"\nkind = \"client\"\nerrors = [\"127.0.1.255\"]\n\
             weights = { \"127.0.0.2\" = 4.0, \"127.0.0.4/30\" = 3.0, \"127.0.0.0/8\" = 0.5, \
             \"127.0.2.0/24 & 2\" = 1.0, \"127.0.2.0/24 & 4\" = 2.0, \"127.0.0.9\" = 0 }",
        )
        .unwrap();
        let listed = |weight| Some(weight);
        let table = [
            ("", None),
            ("127.0.0.2", listed(4.0)),
            ("127.0.0.5", listed(3.0)),
            ("127.0.0.5 127.0.0.6", listed(3.0)),
            ("127.0.0.2 127.0.0.2 127.0.0.7", listed(7.0)),
            ("127.7.7.7", listed(0.5)),
            ("127.0.2.6", listed(3.5)),
            ("127.0.2.2", listed(1.5)),
            ("127.0.0.9", listed(0.0)),
        ];
        for (answer, expected) in table {
            let found = match read(&list, Ok(codes(answer))) {
                Reading::Absent => None,
                Reading::Listed { weight, .. } => Some(weight),
                other => panic!("{answer}: {other:?}"),
            };
            assert_eq!(found, expected, "{answer}");
        }
        for code in ["127.255.255.252", "127.255.255.254", "127.255.255.255", "127.0.1.255"] {
            let refused = Reading::Refused(code.parse().unwrap());
            assert_eq!(read(&list, Ok(codes(&format!("{code} 127.0.0.2")))), refused);
        }
        let foreign = Reading::Foreign("192.0.2.80".parse().unwrap());
        assert_eq!(read(&list, Ok(codes("127.0.0.2 192.0.2.80"))), foreign);
        assert_eq!(read(&list, Err(DnsTrouble::NoSuchDomain)), Reading::Absent);
        let why = "no answer in time".to_owned();
        let trouble = read(&list, Err(DnsTrouble::Temporary(why.clone())));
        assert_eq!(trouble, Reading::Trouble(why));
    }
}
