//! The language by which people are moved to pay: requests for payment, changed bank details,
//! gift cards, hurry and secrecy, in eight languages.
//!
//! In: subject and text. Out: [`Pressure`]. Not sentences but groups of words are looked for
//! (`rules/lists/pressure.toml`), and two groups near each other make a request: what people
//! write changes, what they must say does not. Linear in the beginning of the text, where a
//! request stands.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::fold;

const WORDS: &str = include_str!("../../../rules/lists/pressure.toml");
/// Words of a text that are looked into.
const TEXT_WORDS: usize = 400;
/// Octets of a text that are folded for them.
const TEXT_OCTETS: usize = 6_000;
/// How far apart two groups may stand to be one request, in words.
const NEAR_WORDS: usize = 9;
/// How far from a changed account a payment may be spoken of, in words.
const SAME_MATTER_WORDS: usize = 25;

/// A group of words; the names of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Group {
    Pay,
    Money,
    Bank,
    Account,
    Change,
    Gift,
    Buy,
    Presence,
    Hurry,
    Secret,
}

impl Group {
    fn named(name: &str) -> Option<Group> {
        Some(match name {
            "pay" => Group::Pay,
            "money" => Group::Money,
            "bank" => Group::Bank,
            "account" => Group::Account,
            "change" => Group::Change,
            "gift" => Group::Gift,
            "buy" => Group::Buy,
            "presence" => Group::Presence,
            "hurry" => Group::Hurry,
            "secret" => Group::Secret,
            _ => return None,
        })
    }
}

/// One word of a term.
#[derive(Debug)]
struct Piece {
    text: String,
    open: bool,
}

impl Piece {
    fn fits(&self, word: &str) -> bool {
        match self.open {
            true => word.starts_with(&self.text),
            false => word == self.text,
        }
    }
}

#[derive(Debug)]
struct Term {
    group: Group,
    pieces: Vec<Piece>,
}

/// Terms by the first letters of their first word.
static TERMS: LazyLock<HashMap<String, Vec<Term>>> = LazyLock::new(|| {
    let groups: HashMap<String, Vec<String>> = toml::from_str(WORDS).unwrap_or_else(|error| {
        debug_assert!(false, "{error}");
        tracing::error!(%error, "the shipped words of pressure cannot be read");
        HashMap::new()
    });
    let mut terms: HashMap<String, Vec<Term>> = HashMap::new();
    for (name, texts) in &groups {
        let Some(group) = Group::named(name) else { continue };
        for text in texts {
            let pieces: Vec<Piece> = text
                .split_whitespace()
                .map(|word| Piece {
                    text: word.trim_end_matches('*').to_owned(),
                    open: word.ends_with('*'),
                })
                .collect();
            if let Some(first) = pieces.first() {
                terms.entry(key(&first.text).to_owned()).or_default().push(Term { group, pieces });
            }
        }
    }
    terms
});

/// At most three letters; terms are at least two long, or whole.
fn key(word: &str) -> &str {
    word.get(..word.floor_char_boundary(3)).unwrap_or_default()
}

/// What a text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pressure {
    /// Money is to be paid.
    pub(super) payment: bool,
    /// Money is to go elsewhere than it went.
    pub(super) bank_change: bool,
    /// It is told of an account at a bank, in another language than English, and a payment is
    /// spoken of beside it.
    pub(super) bank_change_to_pay: bool,
    /// Gift cards are to be bought.
    pub(super) gift_cards: bool,
    /// It asks whether somebody is there, and says little else.
    pub(super) presence: bool,
    /// At once.
    pub(super) hurry: bool,
    /// Without telling anybody.
    pub(super) secrecy: bool,
}

impl Pressure {
    /// Reads the beginning of a text.
    pub(super) fn of(subject: &str, text: &str) -> Pressure {
        let text = text.get(..text.floor_char_boundary(TEXT_OCTETS)).unwrap_or_default();
        let mut words = fold::words(subject);
        words.extend(
            fold::fold(text)
                .split(|letter: char| !letter.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .take(TEXT_WORDS)
                .map(str::to_owned),
        );
        let sights = sights(&words);
        let beside = |at: usize, other: Group, most: usize| {
            sights.iter().any(|(group, there)| {
                *group == other && at != *there && at.abs_diff(*there) <= most
            })
        };
        let all = |wanted: Group| {
            sights.iter().filter(move |(group, _)| *group == wanted).map(|(_, at)| *at)
        };
        let near = |one: Group, other: Group| all(one).any(|at| beside(at, other, NEAR_WORDS));
        let has = |wanted: Group| sights.iter().any(|(group, _)| *group == wanted);
        Pressure {
            payment: near(Group::Pay, Group::Money) || near(Group::Pay, Group::Hurry),
            bank_change: near(Group::Change, Group::Bank) || near(Group::Change, Group::Account),
            bank_change_to_pay: all(Group::Account).any(|at| {
                beside(at, Group::Change, NEAR_WORDS)
                    && [Group::Pay, Group::Money]
                        .into_iter()
                        .any(|money| beside(at, money, SAME_MATTER_WORDS))
            }),
            gift_cards: near(Group::Buy, Group::Gift),
            // A short question, as such exchanges begin.
            presence: has(Group::Presence) && words.len() <= 80,
            hurry: has(Group::Hurry),
            secrecy: has(Group::Secret),
        }
    }

    /// Whether money, or what is as good, is asked for.
    pub(super) fn is_for_money(self) -> bool {
        self.payment || self.bank_change || self.gift_cards
    }
}

/// Sights of one group beyond this say nothing new.
const SIGHTS: usize = 120;

fn sights(words: &[String]) -> Vec<(Group, usize)> {
    let mut sights = Vec::new();
    for (at, word) in words.iter().enumerate() {
        // Terms of fewer letters than the key stand under themselves.
        let shorter = word.get(..2).filter(|two| two.len() < word.len().min(3));
        for key in [Some(key(word)), shorter].into_iter().flatten() {
            for term in TERMS.get(key).into_iter().flatten() {
                let following = words.get(at..).unwrap_or_default();
                let fits = term.pieces.len() <= following.len()
                    && term.pieces.iter().zip(following).all(|(piece, word)| piece.fits(word));
                if fits && sights.len() < SIGHTS {
                    sights.push((term.group, at));
                }
            }
        }
    }
    sights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(text: &str) -> String {
        let pressure = Pressure::of("", text);
        let named = [
            (pressure.payment, "pay"),
            (pressure.bank_change, "bank"),
            (pressure.gift_cards, "gift"),
            (pressure.presence, "presence"),
        ];
        let names: Vec<&str> =
            named.iter().filter(|(there, _)| *there).map(|(_, name)| *name).collect();
        names.join(" ")
    }

    #[test]
    fn requests_in_eight_languages() {
        let table = [
            ("Please process a wire of the outstanding amount today", "pay"),
            ("I would like to change my direct deposit before the next payroll", "bank"),
            ("Our bank details have changed, please use the new IBAN", "bank"),
            ("I need you to buy some Apple gift cards for clients", "gift"),
            ("Are you available?", "presence"),
            ("Bitte überweisen Sie den Betrag noch heute", "pay"),
            ("Unsere Bankverbindung hat sich geändert", "bank"),
            ("Kannst du ein paar Geschenkkarten kaufen", "gift"),
            ("Bist du im Büro?", "presence"),
            ("Nous avons changé de compte bancaire, merci de mettre à jour notre RIB", "bank"),
            ("Achetez des cartes cadeaux", "gift"),
            ("Hemos cambiado de cuenta bancaria", "bank"),
            ("Compra tarjetas regalo", "gift"),
            ("Abbiamo cambiato conto bancario", "bank"),
            ("Ons rekeningnummer is gewijzigd", "bank"),
            ("Kun je cadeaukaarten kopen", "gift"),
            ("A nossa conta bancária mudou", "bank"),
            ("Os nossos dados bancários foram alterados", "bank"),
            ("Informujemy o zmianie numeru konta bankowego", "bank"),
            ("Mamy nowy rachunek bankowy", "bank"),
            ("The minutes of the meeting are attached.", ""),
            ("The new library opens on Friday.", ""),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(asks(text), expected, "{text}");
        }
        let pressure = Pressure::of("Urgent", "Keep this between us");
        assert!(pressure.hurry && pressure.secrecy && !pressure.is_for_money());
    }

    #[test]
    fn changed_accounts_and_payments_in_other_languages() {
        let table = [
            (
                "unsere Bankverbindung hat sich geändert. Bitte überweisen Sie die offene Rechnung \
                 auf das neue Konto",
                true,
            ),
            (
                "Nos coordonnées bancaires ont changé, merci de régler la facture sur ce compte",
                true,
            ),
            (
                "Hemos cambiado de cuenta bancaria. Rogamos que el pago de la factura se haga en \
                 la nueva cuenta",
                true,
            ),
            (
                "Le nostre coordinate bancarie sono cambiate: vi preghiamo di effettuare il \
                 bonifico sul nuovo conto",
                true,
            ),
            ("Ons rekeningnummer is gewijzigd, gelieve de factuur daarop te betalen", true),
            ("Nasz numer konta uległ zmianie. Prosimy o opłacenie faktury na nowy rachunek", true),
            ("Alterámos a nossa conta bancária; o pagamento da fatura deve ser feito nela", true),
            ("Unsere Bankverbindung hat sich geändert.", false),
            ("Bitte überweisen Sie den Betrag auf unser Bankkonto", false),
            ("Die Rechnung liegt bei, unsere Öffnungszeiten haben sich geändert", false),
            ("Your payment failed, please update your payment details to pay the invoice", false),
            ("La facture est jointe. Le nouveau bureau ouvre lundi.", false),
        ];
        for (text, expected) in table {
            assert_eq!(Pressure::of("", text).bank_change_to_pay, expected, "{text}");
        }
    }

    #[test]
    fn every_word_is_folded() {
        for term in TERMS.values().flatten() {
            for piece in &term.pieces {
                assert_eq!(fold::fold(&piece.text), piece.text);
                assert!(!piece.text.is_empty());
            }
        }
        assert!(TERMS.values().flatten().count() > 250);
    }
}
