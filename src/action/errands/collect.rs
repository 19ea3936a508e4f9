//! Which orders stand for whom. Pure.

use crate::mail::{About, Disposition, Order};

/// What is to be done beside what becomes of the copies: each thing once, for all recipients
/// whose orders have it. Mail that comes again, or that is not scanned yet, has none.
pub(super) fn errands<'a>(about: About<'a>) -> Vec<(&'a Order, Vec<u16>)> {
    if !about.judgement.orders.iter().any(Order::is_errand) {
        return Vec::new();
    }
    let is_judged = |at: &u16| {
        let disposition = about.judgement.dispositions.get(usize::from(*at));
        !matches!(disposition, None | Some(Disposition::Defer { .. } | Disposition::HoldUnscanned))
    };
    let mut errands: Vec<(&Order, Vec<u16>)> = Vec::new();
    for (order, mut recipients) in about.orders() {
        let is_errand =
            matches!(order, Order::Archive { .. } | Order::Copy { .. } | Order::Notify { .. });
        recipients.retain(is_judged);
        if !is_errand || recipients.is_empty() {
            continue;
        }
        match errands.iter_mut().find(|(same, _)| *same == order) {
            Some((_, whose)) => {
                whose.extend(recipients);
                whose.sort_unstable();
                whose.dedup();
            }
            None => errands.push((order, recipients)),
        }
    }
    errands
}

/// Whether some copy goes elsewhere.
pub(super) fn redirects(about: About<'_>) -> bool {
    let delivers = |at: &u16| {
        about.judgement.dispositions.get(usize::from(*at)) == Some(&Disposition::Deliver)
    };
    let orders = about.orders();
    orders.iter().any(|(order, recipients)| {
        matches!(order, Order::Redirect { .. }) && recipients.iter().any(delivers)
    })
}
