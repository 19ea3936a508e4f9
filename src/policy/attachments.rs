//! Rules about files → what becomes of each copy.
//!
//! In: the rules in force, whose mail it is, the files that it carries. Out: [`Fate`] of one
//! recipient's copy: a disposition, orders that take files out or put their text in their
//! place, and what counts for the copy without them. Pure. A file that cannot be taken out, because its part does not lie in the message
//! as it is written, is not let through: the mail is quarantined in its place.

mod by_rule;
mod notice;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::attachments::{Enclosures, is_double, is_hidden_type};
use crate::config::{AttachmentOrder, AttachmentRule, Attachments, Config, FileState, Group};
use crate::mail::{Address, Class, Family, Finding, MailId, Order, Role, Verdict};
use crate::message::contents::{Closed, Item, Remark};
use crate::message::{extension, removal};
pub(super) use by_rule::Files;
use notice::Notice;

/// Rules about files, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct FileRules {
    rules: Vec<AttachmentRule>,
    groups: Vec<Group>,
    area: String,
    tag_subject: String,
    hostname: String,
    postmaster: String,
}

/// A file and the rule that it falls under.
#[derive(Debug, Clone, Copy)]
struct Hit<'r> {
    item: usize,
    rule: &'r AttachmentRule,
}

/// What becomes of one recipient's copy.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Fate {
    /// The strictest order.
    pub(super) order: Option<AttachmentOrder>,
    /// Why it is refused, when it is.
    pub(super) refusal: String,
    /// Changes to the copy.
    pub(super) orders: Vec<Order>,
    /// Which files fell under which rules.
    pub(super) findings: Vec<Finding>,
    /// The numbers of the parts that do not go out.
    pub(super) removed: BTreeSet<usize>,
}

impl Fate {
    /// What the message is by the rules about its files.
    pub(super) fn verdict(&self) -> Verdict {
        match self.order >= Some(AttachmentOrder::SafeCopy) {
            true => Verdict::Policy,
            false => Verdict::Clean,
        }
    }

    /// What counts for the copy: not that a file is against the house's rules, or cannot be
    /// looked into, when no such file goes out. What is harmful or ambiguous about a file counts
    /// all the same: it says who wrote the mail.
    pub(super) fn left<'f>(
        &self,
        findings: &'f [Finding],
        enclosures: &Enclosures,
    ) -> Cow<'f, [Finding]> {
        let answered = self.answered(enclosures);
        let is_left = |finding: &&Finding| {
            !(matches!(finding.class, Class::Policy | Class::Unscannable)
                && answered.contains(&*finding.name))
        };
        match answered.is_empty() {
            true => Cow::Borrowed(findings),
            false => Cow::Owned(findings.iter().filter(is_left).cloned().collect()),
        }
    }

    /// The names of findings that only files have that do not go out.
    fn answered<'e>(&self, enclosures: &'e Enclosures) -> BTreeSet<&'e str> {
        let contents = &enclosures.contents;
        if self.removed.is_empty() {
            return BTreeSet::new();
        }
        let is_removed = |remark: &Remark| {
            let item = contents.items.get(remark.item);
            item.is_some_and(|item| self.removed.contains(&item.part))
        };
        let (gone, stays): (Vec<&Remark>, Vec<&Remark>) =
            contents.remarks.iter().partition(|remark| is_removed(remark));
        let mut answered: BTreeSet<&str> = gone.iter().map(|remark| remark.name).collect();
        for name in stays.iter().map(|remark| remark.name) {
            answered.remove(name);
        }
        answered.retain(|name| contents.tells_all(name));
        if self.takes_all_encrypted(enclosures) {
            answered.insert(AV_ENCRYPTED);
        }
        answered
    }

    /// Whether some file needs a password, and none that does goes out. The virus scanner says
    /// that of the message as a whole, without naming the file.
    fn takes_all_encrypted(&self, enclosures: &Enclosures) -> bool {
        let contents = &enclosures.contents;
        let numbered = contents.items.iter().enumerate();
        let mut encrypted = numbered
            .filter(|(number, item)| is_in(FileState::Encrypted, *number, item, enclosures))
            .map(|(_, item)| self.removed.contains(&item.part))
            .peekable();
        let is_known = contents.exhausted.is_none() && contents.tells_all("ARCHIVE_ENCRYPTED");
        is_known && encrypted.peek().is_some() && encrypted.all(|is_removed| is_removed)
    }
}

/// The finding that the virus scanner met a password.
const AV_ENCRYPTED: &str = "AV_ENCRYPTED";

/// Files that are told of, a message.
const TOLD: usize = 20;

impl FileRules {
    /// Those of a configuration, the shipped ones behind them.
    pub(super) fn new(config: &Config) -> FileRules {
        let mut rules = config.attachments.rule.clone();
        if config.attachments.shipped_rules {
            rules.push(shipped());
        }
        FileRules {
            rules,
            groups: config.group.clone(),
            area: config.attachments.area.clone(),
            tag_subject: config.attachments.tag_subject.clone(),
            hostname: config.system.hostname.to_string(),
            postmaster: config.system.postmaster.to_string(),
        }
    }

    /// Those of a box without configuration.
    pub(super) fn shipped_alone() -> FileRules {
        FileRules {
            rules: vec![shipped()],
            groups: Vec::new(),
            area: Attachments::default().area,
            tag_subject: Attachments::default().tag_subject,
            hostname: "this site".into(),
            postmaster: "the postmaster".into(),
        }
    }

    /// The area of the quarantine for what rules keep.
    pub(super) fn area(&self) -> &str {
        &self.area
    }

    /// Put before the subject of mail that a rule tags.
    pub(super) fn tag(&self) -> String {
        self.tag_subject.clone()
    }

    /// The rules that speak of somebody's mail, as one bit each: recipients with the same ones
    /// share a fate.
    pub(super) fn concerning(&self, role: Role, party: Option<&Address>) -> Vec<bool> {
        self.rules.iter().map(|rule| self.concerns(rule, role, party)).collect()
    }

    fn concerns(&self, rule: &AttachmentRule, role: Role, party: Option<&Address>) -> bool {
        let is_one_of = |parties: &[crate::config::Party]| {
            party.is_some_and(|who| parties.iter().any(|one| one.has(who, &self.groups)))
        };
        (rule.roles.is_empty() || rule.roles.contains(&role))
            && (rule.only_for.is_empty() || is_one_of(&rule.only_for))
            && !is_one_of(&rule.except)
    }

    /// What becomes of a copy under the rules that concern it.
    pub(super) fn fate(&self, concerning: &[bool], enclosures: &Enclosures, id: MailId) -> Fate {
        let hits = self.hits(concerning, enclosures);
        let mut fate = Fate::default();
        let mut by_part: BTreeMap<usize, Vec<Hit<'_>>> = BTreeMap::new();
        for hit in hits {
            let order = hit.rule.order;
            fate.order = fate.order.max(Some(order));
            if order == AttachmentOrder::Block && fate.refusal.is_empty() {
                fate.refusal = refusal(enclosures, hit);
            }
            if fate.findings.len() < TOLD {
                fate.findings.push(finding(enclosures, hit));
            }
            if matches!(order, AttachmentOrder::Strip | AttachmentOrder::SafeCopy)
                && let Some(item) = enclosures.contents.items.get(hit.item)
            {
                by_part.entry(item.part).or_default().push(hit);
            }
        }
        for (part, hits) in by_part {
            self.take_out(part, &hits, enclosures, id, &mut fate);
        }
        fate
    }

    /// For each file the first rule that fits; files that no order befalls are left away.
    fn hits(&self, concerning: &[bool], enclosures: &Enclosures) -> Vec<Hit<'_>> {
        let mut hits = Vec::new();
        let outer =
            enclosures.contents.items.iter().filter(|item| item.parent.is_none() && is_file(item));
        let files = outer.count();
        for (number, item) in enclosures.contents.items.iter().enumerate() {
            let rules = self.rules.iter().zip(concerning).filter(|(_, concerns)| **concerns);
            let fitting = rules.map(|(rule, _)| rule).find(|rule| {
                fits(rule, number, item, enclosures)
                    && rule.more_files_than.is_none_or(|most| files > most && item.parent.is_none())
            });
            if let Some(rule) = fitting.filter(|rule| rule.order != AttachmentOrder::Allow) {
                hits.push(Hit { item: number, rule });
            }
        }
        hits
    }

    fn take_out(
        &self,
        part: usize,
        hits: &[Hit<'_>],
        enclosures: &Enclosures,
        id: MailId,
        fate: &mut Fate,
    ) {
        let Some(place) = enclosures.places.get(part).and_then(Option::as_ref) else {
            fate.order = fate.order.max(Some(AttachmentOrder::Quarantine));
            return;
        };
        let keep = hits.iter().any(|hit| hit.rule.keep_original);
        let notice = Notice {
            hostname: &self.hostname,
            postmaster: keep.then_some(self.postmaster.as_str()),
            id,
        };
        let strips = hits.iter().any(|hit| hit.rule.order == AttachmentOrder::Strip);
        let text = enclosures.texts.get(&part).filter(|_| !strips);
        let mut files = Vec::with_capacity(hits.len());
        for hit in hits {
            let Some(item) = enclosures.contents.items.get(hit.item) else { continue };
            files.push((item, hit.rule));
        }
        let text = notice.write(&files, text.map(String::as_str));
        let keeping = Order::KeepOriginal { area: self.area.clone() };
        if keep && !fate.orders.contains(&keeping) {
            fate.orders.push(keeping);
        }
        fate.removed.insert(part);
        fate.orders.extend(match part {
            0 => removal::of_message(place, &text),
            _ => removal::of_part(place, &text),
        });
    }
}

/// What the box ships: what runs when it is opened does not come by mail.
fn shipped() -> AttachmentRule {
    use Family::{DiskImage, Executable, Script, Shortcut};
    AttachmentRule {
        name: "active files".into(),
        roles: vec![Role::Inbound],
        only_for: Vec::new(),
        except: Vec::new(),
        families: vec![Executable, Script, Shortcut, DiskImage],
        types: Vec::new(),
        extensions: Vec::new(),
        states: Vec::new(),
        findings: Vec::new(),
        larger_octets: None,
        more_files_than: None,
        order: AttachmentOrder::Quarantine,
        keep_original: true,
        text: String::new(),
    }
}

/// Whether an outermost part is a file to its reader, and not the text of the mail, which may be
/// empty.
fn is_file(item: &Item) -> bool {
    !item.name.is_empty() || (item.octets > 0 && item.nature.family() != Family::Text)
}

fn fits(rule: &AttachmentRule, number: usize, item: &Item, enclosures: &Enclosures) -> bool {
    let is_any = |given: bool, holds: &dyn Fn() -> bool| !given || holds();
    let family = item.nature.family();
    is_file(item)
        && is_any(!rule.families.is_empty(), &|| rule.families.contains(&family))
        && is_any(!rule.types.is_empty(), &|| {
            let honest = item.nature.extensions();
            rule.types.iter().any(|kind| honest.contains(&kind.as_str()))
        })
        && is_any(!rule.extensions.is_empty(), &|| is_called_so(rule, item))
        && is_any(!rule.states.is_empty(), &|| {
            rule.states.iter().any(|state| is_in(*state, number, item, enclosures))
        })
        && is_any(!rule.findings.is_empty(), &|| {
            rule.findings.iter().any(|name| has_remark(enclosures, number, |own| own == name))
        })
        && rule.larger_octets.is_none_or(|limit| item.octets > limit)
}

fn has_remark(enclosures: &Enclosures, number: usize, is: impl Fn(&str) -> bool) -> bool {
    enclosures.contents.remarks.iter().any(|remark| remark.item == number && is(remark.name))
}

fn is_in(state: FileState, number: usize, item: &Item, enclosures: &Enclosures) -> bool {
    match state {
        FileState::Encrypted => {
            item.closed == Some(Closed::Encrypted)
                || has_remark(enclosures, number, |name| name.ends_with("_ENCRYPTED"))
        }
        FileState::Unscannable => {
            item.closed.is_some_and(|why| why != Closed::Encrypted)
                || (item.parent.is_none() && enclosures.contents.exhausted.is_some())
        }
        FileState::Macro => has_remark(enclosures, number, |name| name.starts_with("MACRO_")),
        FileState::DoubleExtension => is_double(item),
        FileState::TypeHidden => is_hidden_type(item),
        FileState::Inside => item.parent.is_some(),
    }
}

/// Whether the names of a file end as a rule says. A file goes by each of its names: one of
/// them brings it under a rule, and only all of them let it through.
fn is_called_so(rule: &AttachmentRule, item: &Item) -> bool {
    let is_one = |name: &str| rule.extensions.contains(&extension(name));
    match rule.order {
        AttachmentOrder::Allow => item.names().all(is_one) && !item.name.is_empty(),
        _ => item.names().any(is_one),
    }
}

fn path(enclosures: &Enclosures, hit: Hit<'_>) -> String {
    enclosures.contents.items.get(hit.item).map(|item| item.path.clone()).unwrap_or_default()
}

/// What the peer reads; ASCII, since replies are.
fn refusal(enclosures: &Enclosures, hit: Hit<'_>) -> String {
    let plain = |text: &str, most: usize| -> String {
        let ascii =
            |letter: char| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' };
        text.chars().take(most).map(ascii).collect()
    };
    let file = plain(&path(enclosures, hit), 80);
    match hit.rule.text.is_empty() {
        true => format!("message refused: files like {file} are not accepted here"),
        false => format!("message refused for {file}: {}", plain(&hit.rule.text, 160)),
    }
}

fn finding(enclosures: &Enclosures, hit: Hit<'_>) -> Finding {
    let order = match hit.rule.order {
        AttachmentOrder::Allow => "allowed",
        AttachmentOrder::Tag => "tagged",
        AttachmentOrder::SafeCopy => "its text goes out in its place",
        AttachmentOrder::Strip => "taken out",
        AttachmentOrder::Quarantine => "quarantined",
        AttachmentOrder::Block => "refused",
    };
    let detail = format!("{}: {order} by the rule {:?}", path(enclosures, hit), hit.rule.name);
    Finding::new("ATTACHMENT_RULE", Class::Notice, 0.0, detail)
}
