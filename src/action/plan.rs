//! Sorts the recipients of a mail by what is to become of them. Pure.

use std::collections::BTreeMap;

use crate::mail::{Disposition, Judgement};

/// Where copies are kept that policy refused while others were accepted.
pub const REFUSED_AREA: &str = "refused";
/// Where copies are kept for which no disposition is known. Nothing unjudged goes out.
const UNJUDGED_AREA: &str = "unjudged";

/// Recipients by disposition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// To be delivered.
    pub deliver: Vec<u16>,
    /// To be kept, by area.
    pub quarantine: BTreeMap<String, Vec<u16>>,
    /// To be kept until somebody decides; one list for each question.
    pub approval: Vec<Vec<u16>>,
    /// To be dropped.
    pub discard: Vec<u16>,
    /// To be scanned first.
    pub unscanned: Vec<u16>,
}

impl Plan {
    /// For the recipients that have not come to an end.
    pub fn of(judgement: &Judgement, pending: &[u16]) -> Plan {
        let mut plan = Plan::default();
        for recipient in pending.iter().copied() {
            let area = match judgement.dispositions.get(usize::from(recipient)) {
                Some(Disposition::Deliver) => {
                    plan.deliver.push(recipient);
                    continue;
                }
                Some(Disposition::Discard) => {
                    plan.discard.push(recipient);
                    continue;
                }
                Some(Disposition::HoldUnscanned) => {
                    plan.unscanned.push(recipient);
                    continue;
                }
                Some(Disposition::Quarantine { area }) => area.as_str(),
                Some(asked @ Disposition::Approval { .. }) => {
                    plan.ask(judgement, asked, recipient);
                    continue;
                }
                // The sender was told 250 for the sake of other recipients.
                Some(Disposition::Reject { .. } | Disposition::Defer { .. }) => REFUSED_AREA,
                None => UNJUDGED_AREA,
            };
            plan.quarantine.entry(area.to_owned()).or_default().push(recipient);
        }
        plan
    }

    /// One question for all recipients about whom the same is asked.
    fn ask(&mut self, judgement: &Judgement, asked: &Disposition, recipient: u16) {
        let same = |list: &&mut Vec<u16>| {
            let first = list.first().and_then(|at| judgement.dispositions.get(usize::from(*at)));
            first == Some(asked)
        };
        match self.approval.iter_mut().find(same) {
            Some(list) => list.push(recipient),
            None => self.approval.push(vec![recipient]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{EnhancedCode, Reply, Summary, Verdict};

    #[test]
    fn recipients_are_sorted_and_nothing_unjudged_goes_out() {
        let reply = Reply::new(550, EnhancedCode(5, 7, 1), "no");
        let spam = Disposition::Quarantine { area: "spam".into() };
        let judgement = Judgement {
            verdict: Verdict::Clean,
            score: 0.0,
            findings: Vec::new(),
            summary: Summary::default(),
            dispositions: vec![
                Disposition::Deliver,
                spam.clone(),
                Disposition::Reject { reply: reply.clone() },
                Disposition::Discard,
                Disposition::HoldUnscanned,
                spam,
                Disposition::Deliver,
                Disposition::Defer { reply },
            ],
            orders: Vec::new(),
        };
        let all: Vec<u16> = (0..9).collect();
        let plan = Plan::of(&judgement, &all);
        assert_eq!(plan.deliver, [0, 6]);
        assert_eq!(plan.discard, [3]);
        assert_eq!(plan.unscanned, [4]);
        let areas: Vec<(&str, &[u16])> =
            plan.quarantine.iter().map(|(area, who)| (area.as_str(), who.as_slice())).collect();
        assert_eq!(areas, [("refused", &[2, 7][..]), ("spam", &[1, 5]), ("unjudged", &[8])]);
        assert_eq!(Plan::of(&judgement, &[6]), Plan { deliver: vec![6], ..Plan::default() });
    }
}
