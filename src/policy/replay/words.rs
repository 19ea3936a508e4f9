//! What rules order, in words for a list.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::policy::rules::{FinalOrder, Notified, Order, Outcome};

/// What the rules of one text order for one (mail, recipient).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// The final order; `none` where no rule has one.
    pub order: String,
    /// The rule that it is from.
    pub rule: Option<String>,
    /// All that goes beside.
    pub orders: Vec<String>,
    /// The rules that act, and what each of them orders.
    pub(super) by_rule: BTreeMap<String, Vec<String>>,
}

impl Decision {
    /// Of an outcome.
    pub fn of(outcome: &Outcome<'_>) -> Decision {
        let mut decision = Decision { order: "none".into(), ..Decision::default() };
        let mut by_rule: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if let Some((rule, order)) = outcome.final_order {
            decision.order = of_final(order);
            decision.rule = Some(rule.name.clone());
            by_rule.entry(rule.name.clone()).or_default().push(of_final(order));
        }
        for (rule, order) in &outcome.orders {
            let words = of_other(order);
            by_rule.entry(rule.name.clone()).or_default().push(words.clone());
            if !decision.orders.contains(&words) {
                decision.orders.push(words);
            }
        }
        decision.by_rule = by_rule;
        decision
    }
}

fn listed<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn of_final(order: &FinalOrder) -> String {
    let word = order.kind().word();
    match order {
        FinalOrder::Reject { text } | FinalOrder::Defer { text } => format!("{word} {text:?}"),
        FinalOrder::Quarantine { area } => format!("{word} in {area}"),
        FinalOrder::Hold { approver, expires_hours, .. } => {
            format!("{word} for {approver}, {expires_hours} h")
        }
        FinalOrder::Redirect { to } => format!("{word} to {}", listed(to)),
        FinalOrder::Deliver { despite } if !despite.is_empty() => format!("{word} despite all"),
        FinalOrder::Deliver { .. } | FinalOrder::Discard | FinalOrder::Secure => word.to_owned(),
    }
}

fn of_other(order: &Order) -> String {
    let word = order.word();
    match order {
        Order::TagSubject(text) => format!("{word} {text:?}"),
        Order::AddHeader { name, value } => format!("{word} {name}: {value}"),
        Order::RemoveHeader(name) => format!("{word} {name}"),
        Order::StripAttachments(test) => format!("{word} {test}"),
        Order::Annotate { key, .. } => format!("{word} {key}"),
        Order::Copy { to } => format!("{word} to {}", listed(to)),
        Order::Notify { to, .. } => {
            let names: Vec<String> = to
                .iter()
                .map(|who| match who {
                    Notified::Sender => "the sender".to_owned(),
                    Notified::Recipient => "the recipient".to_owned(),
                    Notified::Administrator => "the administrator".to_owned(),
                    Notified::Address(address) => address.to_string(),
                })
                .collect();
            format!("{word} {}", names.join(", "))
        }
        Order::Archive { class } => format!("{word} {class}"),
        Order::RouteVia(hop) => format!("{word} {hop}"),
        Order::RateLimit { name, count, per_s, .. } => {
            format!("{word} {name}: {count} in {per_s} s")
        }
    }
}
