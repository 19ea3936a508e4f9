//! What the box answers to content rules that ask its lists and its protected documents.
//!
//! In: questions of rules ([`ExactLists`], [`Documents`]). Out: rows and documents, from what
//! lies on the shelves of the data directory. A list that was removed while the box runs gives
//! nothing; what was replaced is taken up by the shelf.

use std::path::Path;
use std::sync::Arc;

use super::exact::{ExactList, Query, Shelf};
use super::fingerprints::Prints;
use super::rules::seam::{Coverage, DocumentHit, Documents, ExactLists, ExactQuery, Lookups};

/// The lists of a data directory.
#[derive(Debug)]
pub struct ShelvedLists(pub Arc<Shelf<ExactList>>);

/// The sets of documents of a data directory.
#[derive(Debug)]
pub struct ShelvedDocuments(pub Arc<Shelf<Prints>>);

/// All that rules may ask of a box with this data directory.
pub fn lookups(data_dir: Option<&Path>) -> Lookups {
    let shipped = Lookups::shipped();
    let Some(data_dir) = data_dir else { return shipped };
    Lookups {
        exact: Some(Arc::new(ShelvedLists(Shelf::of(data_dir)))),
        documents: Some(Arc::new(ShelvedDocuments(Shelf::of(data_dir)))),
        ..shipped
    }
}

fn coverage(is_cut: bool) -> Coverage {
    if is_cut { Coverage::Cut } else { Coverage::Whole }
}

impl ExactLists for ShelvedLists {
    fn columns(&self, list: &str) -> Option<u16> {
        let opened = self.0.open(list).unwrap_or_else(|error| {
            tracing::error!("{error}");
            None
        });
        u16::try_from(opened?.head().columns.len()).ok()
    }

    fn look(&self, query: &ExactQuery, text: &str, found: &mut dyn FnMut(u32)) -> Coverage {
        let Some(list) = self.0.item(&query.list) else { return Coverage::Whole };
        let columns = usize::from(query.columns);
        let within_chars = query.within_characters as usize;
        let rows = list.matches(text, &Query { columns, within_chars, rows: 1 });
        rows.found.iter().for_each(|row| found(row.row));
        coverage(rows.is_cut)
    }
}

impl Documents for ShelvedDocuments {
    fn knows(&self, documents: &str) -> bool {
        let opened = self.0.open(documents).unwrap_or_else(|error| {
            tracing::error!("{error}");
            None
        });
        opened.is_some()
    }

    fn look(&self, documents: &str, text: &str, found: &mut dyn FnMut(DocumentHit)) -> Coverage {
        let Some(prints) = self.0.item(documents) else { return Coverage::Whole };
        let seen = prints.look(text);
        for one in prints.matched(&seen) {
            // A short passage of a long document may be most of a mail.
            let share_percent = one.share_percent.max(one.text_percent);
            found(DocumentHit { document: one.document, share_percent });
        }
        coverage(seen.is_cut)
    }
}
