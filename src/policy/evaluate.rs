//! Findings and terms → judgement.

use std::borrow::Cow;

use super::attachments::{Fate, Files as FileFacts};
use super::groups::PartyGroups;
use super::rules::Despite;
use super::ruling::{self, Ruling, for_whom, strictness, tighten};
use super::{Judged, MALWARE_AREA, PolicySet, Terms};
use crate::analysis::{Listed, Look, Scanned};
use crate::config::{AttachmentOrder, Consequence, KeepReportMail};
use crate::mail::{
    Class, Disposition, EnhancedCode, Envelope, Facts, Finding, Judgement, Mail, MailId, Order,
    Reply, Role, Verdict,
};

/// The quarantine area of mail that terms keep back.
const AREA: &str = "policy";

/// The mail that is judged, beside what was found in it.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Who writes to whom.
    pub envelope: &'a Envelope,
    /// What was observed at reception.
    pub facts: &'a Facts,
    /// Which mail.
    pub id: MailId,
    /// Size of the message.
    pub octets: u64,
    /// What directories know of the parties' groups.
    pub groups: &'a PartyGroups,
}

impl<'a> Case<'a> {
    /// Of a mail in any stage.
    pub fn of<S>(mail: &'a Mail<S>, groups: &'a PartyGroups) -> Case<'a> {
        let (envelope, facts) = (&*mail.envelope, &*mail.facts);
        Case { envelope, facts, id: mail.id, octets: mail.content.len(), groups }
    }
}

/// Judges a scanned mail; `groups` is what directories know of its parties.
pub fn judge(mail: Mail<Scanned>, groups: &PartyGroups, policy: &PolicySet) -> Mail<Judged> {
    let look = mail.stage().look();
    let mut judgement = judgement_of(&Case::of(&mail, groups), look, policy);
    if look.unscanned {
        hold_unscanned(&mut judgement);
    }
    hold_outbreak(look, &mut judgement);
    mail.advance(|scanned| Judged::mint(scanned, judgement))
}

/// Judges findings, wherever they come from: a mail in reception, the spool, or a draft.
pub fn judgement_of(case: &Case<'_>, look: &Look, policy: &PolicySet) -> Judgement {
    let (envelope, role, id) = (case.envelope, case.facts.role, case.id);
    let file_facts = match policy.rules.is_empty() {
        true => FileFacts::default(),
        false => FileFacts::of(&look.enclosures),
    };
    let ruling = Ruling::of(case, look, &file_facts, policy);
    let files = Files { envelope, role, id, look, policy };
    let fates = files.fates();
    let judging = Judging { case, look, policy, ruling: &ruling, fates: &fates };
    let mut dispositions = Vec::with_capacity(envelope.recipients.len());
    let mut verdict = Verdict::Clean;
    let (mut tag, mut tagged) = (None, Vec::new());
    for (at, number) in (0..envelope.recipients.len()).zip(0u16..) {
        let own = judging.recipient(at);
        verdict = worse(verdict, own.verdict);
        if let Some(text) = own.tag {
            tag = tag.or(Some(text));
        }
        // What a rule delivers it does not deliver as spam; else all copies look the same.
        if ruling.despite(at).is_none() {
            tagged.push(number);
        }
        dispositions.push(own.disposition);
    }
    consume_report(look, envelope, &mut dispositions);
    let mut orders = look.orders.clone();
    orders.extend(
        tag.map(|tag| {
            for_whom(Order::TagSubject(tag.to_owned()), tagged, envelope.recipients.len())
        }),
    );
    let mut findings = look.findings.clone();
    orders.extend(ruling.accompany(case, policy, &mut dispositions));
    findings.extend(ruling.findings());
    verdict = worse(verdict, files.judge(fates, &mut dispositions, &mut orders, &mut findings));
    let score = score_of(&look.findings);
    if policy.headers {
        orders.extend(report_fields(verdict, score, &findings));
    }
    let summary = look.summary.clone();
    Judgement { verdict, score, findings, summary, dispositions, orders }
}

/// What each recipient's copy is judged with.
struct Judging<'j> {
    case: &'j Case<'j>,
    look: &'j Look,
    policy: &'j PolicySet,
    ruling: &'j Ruling<'j>,
    fates: &'j [CopiesFate],
}

/// What lists, terms and rules make of one copy.
struct Own<'j> {
    verdict: Verdict,
    disposition: Disposition,
    tag: Option<&'j str>,
}

impl Judging<'_> {
    fn terms(&self, at: usize) -> &Terms {
        let envelope = self.case.envelope;
        let role = self.case.facts.role;
        let party = match role {
            Role::Inbound => envelope.recipients.get(at).map(|recipient| &recipient.forward_path),
            Role::Outbound | Role::Submission => envelope.reverse_path.address(),
        };
        self.policy.terms(role, party.and_then(|address| address.domain()))
    }

    /// What counts for a copy without the files that do not go out with it.
    fn left(&self, at: usize) -> Cow<'_, [Finding]> {
        let fate =
            self.fates.iter().find(|one| one.recipients.iter().any(|own| usize::from(*own) == at));
        let mut removed = self.ruling.removed(at);
        removed.extend(fate.into_iter().flat_map(|one| &one.fate.removed));
        let whole = Fate { removed, ..Fate::default() };
        whole.left(&self.look.findings, &self.look.enclosures)
    }

    fn recipient(&self, at: usize) -> Own<'_> {
        let (terms, id) = (self.terms(at), self.case.id);
        let all = self.look.findings.as_slice();
        let listed = self.look.listed.get(at);
        let findings = match listed {
            Some(Listed::Blocked) => {
                let own = verdict_of(all, score_of(all), terms);
                let disposition = Disposition::Reject { reply: blocked(id) };
                return Own { verdict: worse(own, Verdict::Policy), disposition, tag: None };
            }
            Some(Listed::Trusted) => Cow::Owned(binding(&self.left(at))),
            Some(Listed::No) | None => self.left(at),
        };
        let (findings, score) = (&*findings, score_of(&findings));
        let own = verdict_of(findings, score, terms);
        let mut verdict = own;
        let despite = self.ruling.despite(at);
        let demand = self.look.demand.as_ref().filter(|demand| {
            demand.consequence > Consequence::Deliver && listed != Some(&Listed::Trusted)
        });
        if demand.is_some() {
            verdict = worse(verdict, Verdict::Spam);
        }
        let demand =
            demand.filter(|_| !despite.is_some_and(|despite| despite.contains(&Despite::Dmarc)));
        let consequence = match despite {
            Some(despite) => consequence_despite(findings, terms, despite),
            None => consequence_of(findings, score, terms),
        };
        let consequence =
            consequence.max(demand.map_or(Consequence::Deliver, |demand| demand.consequence));
        let tag = (consequence == Consequence::Tag).then_some(&*terms.tag_subject);
        let why = reason_of(findings, own, terms);
        let mut disposition = disposition_of(consequence, own, why, id);
        if let (Disposition::Reject { reply }, Some(demand)) = (&mut disposition, demand)
            && demand.consequence == Consequence::Reject
            && own != Verdict::Malicious
        {
            *reply = Reply::new(550, demand.code, format!("{}; reference {id}", demand.why));
        }
        let ruled = self.ruling.final_order(at);
        if let Some(ruled) = ruled.and_then(|(rule, order)| ruling::disposition_of(rule, order, id))
        {
            verdict = worse(verdict, Verdict::Policy);
            tighten(&mut disposition, ruled);
        }
        Own { verdict, disposition, tag }
    }
}

/// What is left when a rule delivers: neither the score nor a class of unwanted mail counts,
/// and of the others not those that the rule names.
fn consequence_despite(findings: &[Finding], terms: &Terms, despite: &[Despite]) -> Consequence {
    let is_outweighed = |class: Class| match class {
        Class::Spam | Class::Phish | Class::Scam | Class::Profanity => true,
        Class::Notice | Class::Policy => true,
        Class::Malware | Class::Ambiguous | Class::Unscannable | Class::Equivocal => {
            despite.contains(&Despite::Class(class))
        }
    };
    let classes = findings.iter().map(|finding| finding.class);
    let left = classes.filter(|class| !is_outweighed(*class)).map(|class| terms.of_class(class));
    left.max().unwrap_or(Consequence::Deliver)
}

/// What becomes of the copies of recipients whom the same rules about files concern.
struct CopiesFate {
    concerning: Vec<bool>,
    fate: Fate,
    recipients: Vec<u16>,
}

/// What the rules about files are asked with.
struct Files<'j> {
    envelope: &'j Envelope,
    role: Role,
    id: MailId,
    look: &'j Look,
    policy: &'j PolicySet,
}

impl Files<'_> {
    /// What becomes of the files in every copy.
    fn fates(&self) -> Vec<CopiesFate> {
        let (rules, enclosures) = (&self.policy.files, &self.look.enclosures);
        let mut fates: Vec<CopiesFate> = Vec::new();
        if enclosures.contents.items.is_empty() {
            return fates;
        }
        for (at, recipient) in (0u16..).zip(&self.envelope.recipients) {
            let party = match self.role {
                Role::Inbound => Some(&recipient.forward_path),
                Role::Outbound | Role::Submission => self.envelope.reverse_path.address(),
            };
            let concerning = rules.concerning(self.role, party);
            match fates.iter_mut().find(|one| one.concerning == concerning) {
                Some(one) => one.recipients.push(at),
                None => {
                    let fate = rules.fate(&concerning, enclosures, self.id);
                    fates.push(CopiesFate { concerning, fate, recipients: vec![at] });
                }
            }
        }
        fates
    }

    /// Has the rules about files decide over every copy; never to a milder end than before.
    fn judge(
        &self,
        fates: Vec<CopiesFate>,
        dispositions: &mut [Disposition],
        orders: &mut Vec<Order>,
        findings: &mut Vec<Finding>,
    ) -> Verdict {
        let is_for_all = fates.len() == 1;
        let mut verdict = Verdict::Clean;
        for CopiesFate { fate, recipients, .. } in fates {
            verdict = worse(verdict, fate.verdict());
            for recipient in &recipients {
                if let Some(disposition) = dispositions.get_mut(usize::from(*recipient)) {
                    self.dispose(&fate, disposition);
                }
            }
            let tag = (fate.order == Some(AttachmentOrder::Tag))
                .then(|| Order::TagSubject(self.policy.files.tag()));
            for order in fate.orders.into_iter().chain(tag) {
                orders.push(match is_for_all {
                    true => order,
                    false => Order::For { recipients: recipients.clone(), order: Box::new(order) },
                });
            }
            for finding in fate.findings {
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
        verdict
    }

    fn dispose(&self, fate: &Fate, disposition: &mut Disposition) {
        match (fate.order, &disposition) {
            (
                Some(AttachmentOrder::Block),
                Disposition::Deliver
                | Disposition::Quarantine { .. }
                | Disposition::Approval { .. },
            ) => {
                *disposition = Disposition::Reject { reply: rejection(&fate.refusal, self.id) };
            }
            (
                Some(AttachmentOrder::Quarantine),
                Disposition::Deliver | Disposition::Approval { .. },
            ) => {
                let area = self.policy.files.area().to_owned();
                *disposition = Disposition::Quarantine { area };
            }
            _ => {}
        }
    }
}

/// The copy of a DMARC report for the address that collects them, when the stored report is
/// enough.
fn consume_report(look: &Look, envelope: &Envelope, dispositions: &mut [Disposition]) {
    let Some(incoming) = look.report.as_ref().filter(|it| it.keep == KeepReportMail::Discard)
    else {
        return;
    };
    let inbox = incoming.inbox.key();
    for (recipient, disposition) in envelope.recipients.iter().zip(dispositions) {
        if recipient.forward_path.key() == inbox && *disposition == Disposition::Deliver {
            *disposition = Disposition::Discard;
        }
    }
}

/// What a message is under the terms and the rules about files, to recipients of whom nothing is
/// known; its score, and the findings with those of the rules.
pub fn verdict(look: &Look, role: Role, policy: &PolicySet) -> (Verdict, f32, Vec<Finding>) {
    let terms = policy.terms(role, None);
    let score = score_of(&look.findings);
    let concerning = policy.files.concerning(role, None);
    let fate = policy.files.fate(&concerning, &look.enclosures, MailId::mint());
    let left = fate.left(&look.findings, &look.enclosures);
    let own = verdict_of(&left, score_of(&left), terms);
    let findings = look.findings.iter().chain(&fate.findings).cloned().collect();
    (worse(own, fate.verdict()), score, findings)
}

/// Whether a mail was kept for its score, too, when its verdict is one that goes before spam.
pub fn looks_like_spam(judgement: &Judgement) -> bool {
    match judgement.verdict {
        Verdict::Clean | Verdict::Malicious => false,
        Verdict::Spam => true,
        Verdict::Ambiguous | Verdict::Unscannable | Verdict::Policy => {
            judgement.score >= Terms::shipped(Role::Inbound).tag
        }
    }
}

fn score_of(findings: &[Finding]) -> f32 {
    findings.iter().map(|finding| finding.score).sum()
}

/// The findings that count from a trusted sender, too: trust is about unwanted mail, not about
/// what harms, what can be read in two ways, or what the house forbids.
fn binding(findings: &[Finding]) -> Vec<Finding> {
    let binds = |class: Class| match class {
        Class::Malware | Class::Equivocal | Class::Ambiguous | Class::Unscannable => true,
        Class::Policy | Class::Profanity => true,
        Class::Spam | Class::Phish | Class::Scam | Class::Notice => false,
    };
    findings.iter().filter(|finding| binds(finding.class)).cloned().collect()
}

/// Why a mail is refused as a whole, at end of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Every recipient's copy is rejected.
    Rejected(Reply),
    /// Some copy is deferred: the message is, together.
    Deferred(Reply),
}

impl Refusal {
    /// What the peer reads.
    pub fn reply(&self) -> &Reply {
        match self {
            Refusal::Rejected(reply) | Refusal::Deferred(reply) => reply,
        }
    }
}

/// The refusal of a judged mail, or none when it is to be kept.
pub fn refusal(judgement: &Judgement) -> Option<Refusal> {
    let deferred = judgement.dispositions.iter().find_map(|disposition| match disposition {
        Disposition::Defer { reply } => Some(Refusal::Deferred(reply.clone())),
        _ => None,
    });
    let rejected = |disposition: &Disposition| matches!(disposition, Disposition::Reject { .. });
    deferred.or_else(|| match judgement.dispositions.first() {
        Some(Disposition::Reject { reply }) if judgement.dispositions.iter().all(rejected) => {
            Some(Refusal::Rejected(reply.clone()))
        }
        _ => None,
    })
}

/// The strictest of what score and classes lead to.
fn consequence_of(findings: &[Finding], score: f32, terms: &Terms) -> Consequence {
    let by_class = findings.iter().map(|finding| terms.of_class(finding.class)).max();
    by_class.unwrap_or(Consequence::Deliver).max(terms.of_score(score))
}

fn verdict_of(findings: &[Finding], score: f32, terms: &Terms) -> Verdict {
    let has = |class: Class| findings.iter().any(|finding| finding.class == class);
    let unwanted = |class: Class| has(class) && terms.of_class(class) > Consequence::Deliver;
    // Outbound terms do not tag: there spam begins where it is quarantined.
    let spam_from = terms.tag.min(terms.quarantine).min(terms.reject);
    // Whoever filters by the word must not miss what may harm behind what is only a nuisance.
    match () {
        () if has(Class::Malware) => Verdict::Malicious,
        () if has(Class::Equivocal) || has(Class::Ambiguous) => Verdict::Ambiguous,
        () if has(Class::Unscannable) => Verdict::Unscannable,
        () if unwanted(Class::Policy) || unwanted(Class::Profanity) => Verdict::Policy,
        () if score >= spam_from => Verdict::Spam,
        () if [Class::Spam, Class::Phish, Class::Scam].into_iter().any(unwanted) => Verdict::Spam,
        () => Verdict::Clean,
    }
}

fn worse(one: Verdict, other: Verdict) -> Verdict {
    let rank = |verdict: Verdict| match verdict {
        Verdict::Clean => 0,
        Verdict::Spam => 1,
        Verdict::Policy => 2,
        Verdict::Unscannable => 3,
        Verdict::Ambiguous => 4,
        Verdict::Malicious => 5,
    };
    if rank(other) > rank(one) { other } else { one }
}

fn disposition_of(
    consequence: Consequence,
    verdict: Verdict,
    why: &str,
    id: MailId,
) -> Disposition {
    match consequence {
        Consequence::Deliver | Consequence::Tag => Disposition::Deliver,
        Consequence::Discard => Disposition::Discard,
        Consequence::Reject => Disposition::Reject { reply: rejection(why, id) },
        Consequence::Quarantine => {
            let area = if verdict == Verdict::Malicious { MALWARE_AREA } else { AREA };
            Disposition::Quarantine { area: area.into() }
        }
    }
}

/// The kind of trouble that a refusal names, not how it was found out.
fn reason_of(findings: &[Finding], verdict: Verdict, terms: &Terms) -> &'static str {
    let refused = |class: Class| terms.of_class(class) == Consequence::Reject;
    let equivocal = findings.iter().any(|finding| finding.class == Class::Equivocal);
    match verdict {
        Verdict::Malicious => "message refused: it carries malware",
        // An honest sender can mend this one.
        _ if equivocal && refused(Class::Equivocal) => {
            "message refused: its header shows different readers different authors or fields"
        }
        Verdict::Spam => "message refused: it looks like spam",
        Verdict::Ambiguous => "message refused: it can be read in more than one way",
        Verdict::Unscannable => "message refused: it cannot be inspected",
        Verdict::Policy | Verdict::Clean => "message refused by policy",
    }
}

/// What the peer reads.
fn rejection(why: &str, id: MailId) -> Reply {
    Reply::new(550, EnhancedCode(5, 7, 1), format!("{why}; reference {id}"))
}

/// RFC 3463 section 3.8: delivery not authorized.
fn blocked(id: MailId) -> Reply {
    let text = format!("the recipient takes no mail from this sender; reference {id}");
    Reply::new(550, EnhancedCode(5, 7, 1), text)
}

/// A mail that no scanner has looked into is never delivered, whatever else was found; what
/// is refused already stays refused.
pub(super) fn hold_unscanned(judgement: &mut Judgement) {
    for disposition in &mut judgement.dispositions {
        // What is stricter lets nothing out either.
        let is_mild = strictness(disposition) < strictness(&Disposition::HoldUnscanned);
        if is_mild && !matches!(disposition, Disposition::Defer { .. }) {
            *disposition = Disposition::HoldUnscanned;
        }
    }
}

/// What would go out waits for newer signatures; it is scanned and judged again then.
pub fn hold_outbreak(look: &Look, judgement: &mut Judgement) {
    let goes_out = |one: &&mut Disposition| **one == Disposition::Deliver;
    if look.held_until_ms.is_some() {
        let held = judgement.dispositions.iter_mut().filter(goes_out);
        held.for_each(|disposition| *disposition = Disposition::HoldUnscanned);
    }
}

fn report_fields(verdict: Verdict, score: f32, findings: &[Finding]) -> Vec<Order> {
    let field = |name: &str, value: String| Order::AddHeader { name: name.into(), value };
    let names: Vec<String> =
        findings.iter().map(|finding| format!("{}={:.1}", finding.name, finding.score)).collect();
    // What claims to be ours and came from outside must not stand beside it.
    let forged = |name: &str| Order::RemoveHeader(name.into());
    vec![
        forged("X-Postern-Verdict"),
        forged("X-Postern-Findings"),
        field("X-Postern-Verdict", format!("{verdict}, score={score:.1}")),
        field("X-Postern-Findings", names.join(", ")),
    ]
}
